"""The ways of converting: what is trained, how it becomes neurons, and how long the network is fed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn

from bitspike.bits import FULL_PRECISION
from bitspike.errors import UserError, closest
from bitspike.neurons import ClipReLU, QReLU, SlipReLU
from bitspike.training import TrainConfig, override

__all__ = ["METHODS", "Method", "as_published", "check_method", "method_of"]


@dataclass(frozen=True)
class Method:
    """How a network of activations becomes one of neurons.

    Attributes:
        bipolar: neurons take spikes back.
        limited: they send ``n`` spikes at most.
        ends: images and biases are released over ``n`` steps, then nothing; else at every step, and what the network
            says is a rate, ``n/T`` of what it adds up to.
        activation: what is converted; of any but a `QReLU` the network that was trained has no integers.
        edits: of the fine-tuning, as the method's paper has it; the user's come behind them.
        calibration: ``rho``, the steps of a first run that each layer is calibrated with; they count.
        steps: how many there are by default, the most that paper 003's Table 3 has of the method on CIFAR-100; ``None``
            for as many as settle SpikeZIP.
    """

    about: str
    bipolar: bool
    limited: bool
    ends: bool
    activation: type[QReLU] = QReLU
    edits: tuple[str, ...] = ()
    calibration: int = 0
    steps: int | None = None

    @property
    def ann(self) -> str:
        """What the trained network is called: where its activations are levels, a quantized one."""
        return "QANN" if self.activation is QReLU else "ANN"


_PLAIN = ("methods.paths-ensemble.reroute=false", "neuron.paths=")
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "spikezip": Method("paper 003: equal to the QANN once it has settled", True, True, True),
        "qcfs": Method("IF neurons, held images (Bu et al. 2022)", False, False, False),
        "fast-snn": Method("signed neurons, held images (Hu et al. 2023)", True, False, False),
        "opi": Method(
            "a clipped ReLU; IF neurons that start at half a threshold (Bu et al. 2022, AAAI)",
            *(False, False, False, ClipReLU, (*_PLAIN, "neuron.kind=clip-relu")),
            steps=32,
        ),
        "offset-spike": Method(
            "QCFS, and each layer calibrated on each image by a first run (Hao et al. 2023)",
            *(False, False, False, QReLU, (*_PLAIN, "neuron.scaled=false")),
            calibration=4,
            steps=36,
        ),
        "sliprelu": Method(
            "a clipped ReLU mixed with QCFS; IF neurons (Jiang et al. 2023)",
            *(False, False, False, SlipReLU, (*_PLAIN, "neuron.kind=slip-relu")),
            steps=32,
        ),
    }
)


def method_of(name: str) -> Method:
    """The method of that name.

    Raises:
        UserError: there is none.
    """
    if name not in METHODS:
        raise UserError("--method", name, closest(name, METHODS))
    return METHODS[name]


def check_method(network: nn.Module, name: str) -> None:
    """Whether a method converts the activations of a network.

    Raises:
        UserError: it converts others; an activation is named by its path.
    """
    wanted = method_of(name).activation
    for path, module in network.named_modules():
        others = isinstance(module, SlipReLU) if wanted is QReLU else type(module) is not wanted
        if isinstance(module, QReLU) and others:
            why = f"--method {name} converts a network that was fine-tuned with {wanted.__name__}s"
            raise UserError(f"neuron {path}", type(module).__name__, f"{why}; want a run of ReLUs or a recipe")


def as_published(config: TrainConfig, name: str) -> TrainConfig:
    """The config of a fine-tuning as the method's paper has it, as far as its network and schedule leave that open.

    Raises:
        UserError: there is no such method.
    """
    how = method_of(name)
    floats = () if how.activation is QReLU else (f"bits={config.bits.w}/{FULL_PRECISION}/1",)
    return override(config, (*how.edits, *floats))
