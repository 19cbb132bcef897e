"""A compiled step: the run of one that is not, up to rounding; what does not fit is refused before work is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bitspike import UserError
from bitspike.neurons import LIFNode
from bitspike.training import RunFolder, TrainConfig, compiled, train

Tiny = Callable[..., TrainConfig]
Losses = Callable[[TrainConfig], list[float]]


@pytest.fixture(autouse=True)
def fresh(torch_compiles: None) -> Iterator[None]:
    yield
    torch._dynamo.reset()


def test_the_compiler_is_given_the_whole_step(tiny: Tiny, losses: Losses, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a backend that runs what torch traced as it is, so that losses are the same to the last bit."""
    traced: list[bool] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
        traced.append(any("bitspike.neurons" in str(one.target) for one in graph.graph.nodes))
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)  # type: ignore[no-any-return]

    monkeypatch.setattr(compiled, "BACKEND", backend)
    edits = ("bits=2/2/2", "epochs=1", "channels=2,2,4", "train_size=128")
    assert losses(tiny("compile=true", *edits)) == losses(tiny(*edits))
    assert traced == [True]  # of the copy that is tried; the network itself is the same graph


@pytest.mark.slow
def test_compiled_by_inductor_a_run_is_that_of_another_rounding(tiny: Tiny, losses: Losses) -> None:
    plain, made = losses(tiny("bits=16/1/2")), losses(tiny("bits=16/1/2", "compile=true"))
    assert plain[0] == pytest.approx(made[0], rel=1e-3)  # one spike of thousands that sat on its threshold
    assert plain[-1] == pytest.approx(made[-1], rel=0.2)


@pytest.mark.slow
def test_where_sums_are_exact_inductor_makes_the_same_spikes_and_gradients() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(16, 32, bias=False)
    layer.weight.data.mul_(8).round_().div_(8)
    net = nn.Sequential(layer, LIFNode(4))
    x, grad = torch.randint(-4, 5, (4, 3, 16)).float(), torch.randint(-4, 5, (4, 3, 32)) / 4
    found = []
    for run in (net, compiled.compiled(net)):
        net.zero_grad()
        spikes = run(x)
        spikes.backward(grad)
        assert layer.weight.grad is not None
        found.append((spikes.detach(), layer.weight.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][0].unique().tolist() == [0.0, 1.0]
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-6, atol=1e-6)


class Branches(nn.Module):
    """What it computes depends on a number that torch would have to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x.float())
        return x if float(x.sum()) > 0 else -x


def test_a_graph_that_breaks_is_refused_by_name(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "eager")
    net = Branches()
    with pytest.raises(UserError, match=r"compile: got 'convnet'; .*data-dependent.*want compile=false"):
        compiled.tried(tiny(), net, torch.zeros(3, 4), 1)
    assert all(one.grad is None for one in net.parameters())


def test_a_refusal_leaves_nothing(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object) -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(compiled, "BACKEND", cannot)
    with pytest.raises(UserError, match="no compiler here"):
        train(tiny("compile=true"), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("edits", "processes", "said"),
    [
        ((), 2, "2 processes"),
        (("chunks.steps=4",), 1, "chunks"),
        (("methods.spike-regulation.weight=0.1",), 1, "spike-regulation"),
    ],
)
def test_what_was_not_tried_compiled_is_refused(tiny: Tiny, edits: tuple[str, ...], processes: int, said: str) -> None:
    with pytest.raises(UserError, match=rf"compile: got .*{said}"):
        compiled.tried(tiny("compile=true", *edits), nn.Identity(), torch.zeros(1), processes)
