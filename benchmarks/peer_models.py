"""Models of other frameworks' tutorials: trained there for a moment, taken in, compared spike by spike, shipped as C.

- ``spikingjelly``: the convolutional network of its tutorial on MNIST-like images, IF neurons, 4 steps, with fewer
  channels;
- ``snntorch``: tutorial 5, 784-1000-10 leaky neurons, 25 steps.

Both sides read pixels/255. Spikes are compared at every layer and step on the first 1000 test images, in float64, where
no sum comes near enough to a threshold to be rounded over it, and in float32, where some do. Then weights get few
bits, are trained for some steps more, and the network is frozen; its C and the oracle answer for the same images.

    python benchmarks/peer_models.py snntorch --data-dir DATA
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from machine import command, processor
from torch import Tensor, nn
from torch.nn import functional as F

import bitspike
import bitspike.neurons
from bitspike.backends import backend, oracle
from bitspike.data import load
from bitspike.files import write_json
from bitspike.lowering import freeze
from bitspike.quant import quantize_weights

RESULTS = Path(__file__).parent.parent / "results" / "peers"
IMAGES, BATCH = 1000, 100
Logits = Callable[[nn.Module, Tensor], Tensor]


def snntorch_tutorial() -> tuple[nn.Module, Logits]:
    """Tutorial 5's network, and how its loss reads it."""
    import snntorch

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(784, 1000)
            self.lif1 = snntorch.Leaky(beta=0.95)
            self.fc2 = nn.Linear(1000, 10)
            self.lif2 = snntorch.Leaky(beta=0.95)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            spk2_rec, mem2_rec = [], []
            for _ in range(25):
                spk1, mem1 = self.lif1(self.fc1(x), mem1)
                spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
                spk2_rec.append(spk2)
                mem2_rec.append(mem2)
            return torch.stack(spk2_rec, dim=0), torch.stack(mem2_rec, dim=0)

    return nn.Sequential(nn.Flatten(), Net()), lambda net, x: net(x)[1].mean(0)


def spikingjelly_tutorial(T: int = 4, channels: int = 16) -> tuple[nn.Module, Logits]:
    """The convolutional network, and how its loss reads it."""
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    class CSNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()

            def fire() -> nn.Module:
                return neuron.IFNode(surrogate_function=surrogate.ATan())

            self.conv_fc = nn.Sequential(
                layer.Conv2d(1, channels, kernel_size=3, padding=1, bias=False),
                layer.BatchNorm2d(channels),
                fire(),
                layer.MaxPool2d(2, 2),
                layer.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False),
                layer.BatchNorm2d(channels),
                fire(),
                layer.MaxPool2d(2, 2),
                layer.Flatten(),
                layer.Linear(channels * 7 * 7, channels * 4 * 4, bias=False),
                fire(),
                layer.Linear(channels * 4 * 4, 10, bias=False),
                fire(),
            )
            functional.set_step_mode(self, step_mode="m")

        def forward(self, x: Tensor) -> Tensor:
            x_seq = x.unsqueeze(0).repeat(T, 1, 1, 1, 1)
            return self.conv_fc(x_seq).mean(0)

    def logits(net: nn.Module, x: Tensor) -> Tensor:
        functional.reset_net(net)
        return net(x)

    return CSNN(), logits


TUTORIALS = {"snntorch": snntorch_tutorial, "spikingjelly": spikingjelly_tutorial}


def train(net: nn.Module, logits: Logits, images: Tensor, labels: Tensor, steps: int, see: Any, lr: float) -> None:
    """Some steps of Adam on what ``logits`` makes of the network."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    net.train()
    for _, rows in zip(range(steps), shuffled(len(images)), strict=False):
        loss = F.cross_entropy(logits(net, see(images[rows])), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()


def shuffled(count: int) -> Iterator[Tensor]:
    while True:
        yield from torch.randperm(count).split(BATCH)


def spikes(net: nn.Module, run: Callable[[], Any], names: list[str]) -> dict[str, Tensor]:
    """What the layers of neurons send, ``[T, N, ...]``, by their paths."""
    sent: dict[str, list[Tensor]] = {name: [] for name in names}

    def keep(name: str) -> Any:
        return lambda module, given, made: sent[name].append((made[0] if isinstance(made, tuple) else made).detach())

    hooks = [net.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(made) if len(made) > 1 else made[0] for name, made in sent.items()}


def compared(theirs: nn.Module, logits: Logits, images: Tensor, dtype: torch.dtype, as_read: bool) -> dict[str, Any]:
    """Spikes of both at every layer and step, and how many differ.

    With ``as_read`` theirs is given the floats of the encoder, ``pixel * (1/255)``, which may be rounded otherwise than
    ``pixel / 255``.
    """
    torch.set_default_dtype(dtype)
    theirs.to(dtype)
    ours = bitspike.adopt(theirs)
    hooks = [  # snnTorch's spikes are float32 whatever its currents are
        part.register_forward_pre_hook(lambda part, given: (given[0].to(part.weight.dtype),))
        for part in theirs.modules()
        if isinstance(part, nn.Linear)
    ]
    names = [name for name, part in ours.named_modules() if isinstance(part, bitspike.neurons.BaseNode)]
    found: dict[str, Any] = {
        "dtype": str(dtype).removeprefix("torch."),
        "input": "pixel * (1/255)" if as_read else "pixel / 255",
        "images": len(images),
    }
    different = images.new_zeros(len(images), dtype=torch.bool)
    layers = {name: {"spikes": 0, "elements": 0, "different": 0} for name in names}
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        given = ours.encoder(some)[0] if as_read else some.to(dtype) / 255
        a = spikes(theirs, lambda given=given: logits(theirs, given), names)
        b = spikes(ours, lambda some=some: ours(some), names)
        for name in names:
            apart = a[name] != b[name]
            assert a[name].shape == b[name].shape
            layers[name]["spikes"] += int((a[name] != 0).sum())
            layers[name]["elements"] += apart.numel()
            layers[name]["different"] += int(apart.sum())
            different[start : start + BATCH] |= apart.transpose(0, 1).flatten(1).any(1)
    for hook in hooks:
        hook.remove()
    found |= {"layers": layers, "images_with_another_spike": int(different.sum())}
    torch.set_default_dtype(torch.float32)
    theirs.float()
    return found


def accuracy(answers: Tensor, labels: Tensor) -> float:
    return 100 * float((answers.argmax(1) == labels).double().mean())


@torch.no_grad()
def in_parts(run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([run(some) for some in images.split(BATCH)])


def main(
    framework: Annotated[str, typer.Argument(help=" or ".join(TUTORIALS))],
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Folder with mnist.")] = None,
    steps: Annotated[int, typer.Option("--steps", help="Of training there.")] = 300,
    more: Annotated[int, typer.Option("--more", help="Of training here, with few bits.")] = 100,
    bits: Annotated[int, typer.Option("--bits", help="Of weights.")] = 4,
    output: Annotated[Path, typer.Option("--output", "-o")] = RESULTS,
) -> None:
    torch.manual_seed(0)
    began = time.perf_counter()
    training, test = load("mnist", data_dir)
    images, labels = test.images[:IMAGES], test.labels[:IMAGES]
    theirs, logits = TUTORIALS[framework]()
    sent = (lambda net, x: net(x)[0].mean(0)) if framework == "snntorch" else logits  # its loss reads potentials
    train(theirs, logits, training.images, training.labels, steps, lambda x: x.float() / 255, 1e-3)
    result: dict[str, Any] = {
        "command": command(__file__, DATA=data_dir or Path("data")),
        "framework": framework,
        "version": metadata.version(framework),
        "bitspike": bitspike.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "seed": 0,
        "machine": processor()["model"],
        "steps_there": steps,
        "accuracy_there": accuracy(in_parts(lambda x: sent(theirs, x.float() / 255), images), labels),
        "compared": [
            compared(theirs, logits, images, dtype, as_read)
            for dtype, as_read in ((torch.float64, False), (torch.float32, True), (torch.float32, False))
        ],
    }
    ours = bitspike.adopt(theirs)
    result["accuracy_taken_in"] = accuracy(in_parts(lambda x: ours(x).mean(0), images), labels)
    quantize_weights(ours, bits)
    result |= {"weight_bits": bits, "steps_here": more}
    result["accuracy_quantized_untrained"] = accuracy(in_parts(lambda x: ours(x).mean(0), images), labels)
    train(ours, lambda net, x: 5 * net(x).mean(0), training.images, training.labels, more, lambda x: x, 2e-4)
    result["accuracy_quantized"] = accuracy(in_parts(lambda x: ours(x).mean(0), images), labels)
    net = freeze(ours, tuple(images.shape[1:]), framework)
    pixels = images.numpy()
    wanted, made = oracle.logits(net, pixels), backend("c").run(net, pixels)
    result["accuracy_integers"] = 100 * float((wanted.argmax(1) == labels.numpy()).mean())
    result["c_equals_oracle"] = bool(np.array_equal(wanted, made))
    total = bitspike.cost(net).total
    result |= {"macs": total.macs, "size_bytes": total.size_bytes, "seconds": round(time.perf_counter() - began, 1)}
    write_json(output / f"{framework}.json", result)
    typer.echo(f"{result['compared'][0]['images_with_another_spike']} of {len(images)} images have another spike")


if __name__ == "__main__":
    typer.run(main)
