"""The quantized ReLU of a network that is to be converted: a neuron of one step that sends its level at once."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator
from torch import Tensor, nn
from torch.nn.modules import module as modules

from bitspike.bits import Bits, alphabet_width
from bitspike.errors import UserError
from bitspike.neurons.dynamics import NeuronDynamics
from bitspike.neurons.fused import untouched
from bitspike.neurons.integrate import Integrate
from bitspike.neurons.node import BaseNode
from bitspike.neurons.registry import NEURONS, NeuronSettings, highest_level
from bitspike.neurons.relu import one_step
from bitspike.neurons.staircase import Staircase
from bitspike.quant import fused
from bitspike.quant.lsq import lsq
from bitspike.quant.shares import of_all_shares

__all__ = ["ActivationSettings", "QReLU", "QReLUSettings"]

SMALLEST_STEP = 1e-5


class QReLU(BaseNode):
    """``s clip(floor(x/s + 1/2), 0, n)`` (paper 003, Eq. 2), ``T = 1``; ``s`` is learned with LSQ's gradients.

    ``s`` starts at ``2 mean|x| / sqrt(n)`` of the first training batch.

    In training a batch may hold several paths, one after another (`bitspike.layers.PathBatchNorm2d`): path ``i`` has
    ``n_i`` levels of the step ``s n/n_i`` (Eqs. 3 and 4). In evaluation all is the main path.

    Args:
        levels: ``n``, the highest level.
        paths: ``n_i`` of the sub-paths.
        scaled: LSQ's gradient scale of ``s``, ``1/sqrt(N n)``; without it, the gradient of QCFS (Bu et al. 2022).
    """

    def __init__(self, levels: int, paths: tuple[int, ...] = (), scaled: bool = True) -> None:
        super().__init__(integrate=Integrate(), v_reset=None, detach_reset=True)
        for n in (levels, *paths):
            if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n < 1 << 16:
                raise UserError("levels", n, "want whole numbers of levels above 0, 1 to 65535")
        self.levels, self.paths, self.scaled = levels, paths, scaled
        with torch.device("cpu"):  # also in a model of shapes alone: its graph tells the scale
            self.step_size = nn.Parameter(torch.zeros(()))  # 0: not started

    @property
    def T(self) -> int:  # noqa: N802
        return 1

    @property
    def staircase(self) -> Staircase:
        step = float(self.step_size.detach().abs()) or 1.0
        return Staircase(step, 0, self.levels, shift=0.5, scale=step)

    @property
    def learned_step(self) -> float | None:
        """``s``, where training has set it."""
        return float(self.step_size.detach().abs()) or None

    @property
    def scale(self) -> float | None:
        return self.learned_step

    def forward(self, current: Tensor) -> Tensor:
        """`BaseNode.forward`, in one call of the C library where that is there: the same levels."""
        levels = self._at_once(current)
        return super().forward(current) if levels is None else levels

    def fire(self, u: Tensor, t: int) -> Tensor:
        if not self.training:
            return self._quantized(u, self.levels)
        parts = u.tensor_split(1 + len(self.paths))
        if not self.step_size.detach():
            self._start(of_all_shares(parts[0].detach()))
        pairs = zip(parts, (self.levels, *self.paths), strict=True)
        return torch.cat([self._quantized(part, n) for part, n in pairs])

    def _at_once(self, current: Tensor) -> Tensor | None:
        """The levels of ``[1, N, ...]`` where each path lies in one piece and nobody has changed a part."""
        if len(current) != 1 or current.ndim < 2 or not fused.takes(current, self.step_size) or not self._is_plain():
            return None
        if not float(self.step_size.detach()) or (current[0].numel() // current.shape[1] != current.stride(1)):
            return None
        tops = (self.levels, *self.paths) if self.training else (self.levels,)
        images, more = divmod(current.shape[1], len(tops))
        sizes = [(images + (i < more)) * current.stride(1) for i in range(len(tops))]
        steps = self.step_size.abs() * self.step_size.new_tensor([self.levels / n for n in tops])
        alphabets = [fused.Alphabet(0, n, 1, size) for n, size in zip(tops, sizes, strict=True)]
        return fused.levels(current, steps, alphabets, fused.Rounding.nearest, 0, self.scaled)

    def _is_plain(self) -> bool:
        """Whether a step is that of this class, of a charge that gives the current."""
        kind, own = type(self), ("forward", "step", "initial_state", "fire", "reset", "_quantized", "_at_once")
        if modules._has_any_global_hook():
            return False
        same = all(getattr(kind, name) is getattr(QReLU, name) for name in own) and not vars(self).keys() & {*own}
        charge = self.integrate
        return same and type(charge) is Integrate and charge.gain == 1 and untouched(charge) and untouched(self.store)

    def dynamics(self) -> NeuronDynamics:
        """Describes its one step: the code of ``u/s`` is the staircase's level, and ``s`` the value of each.

        Raises:
            UserError: no training has set the step size.
        """
        return super().dynamics()

    def _quantized(self, u: Tensor, n: int) -> Tensor:
        if not self.step_size.detach():
            raise UserError("step size of a q-relu", 0.0, "training sets it from its first batch; train first")
        step = self.step_size.abs() * (self.levels / n)
        return lsq(u, step, alphabet_width(0, n), signed=False, levels=n, scaled=self.scaled)

    @torch.no_grad()
    def _start(self, u: Tensor) -> None:
        self.step_size.copy_((2 * u.abs().mean() / math.sqrt(self.levels)).clamp(min=SMALLEST_STEP))


def _numbers(value: Any) -> Any:
    """``4,2`` on the command line is a list, and so is ``4``."""
    texts = value.split(",") if isinstance(value, str) else [value] if isinstance(value, int) else value
    return [text for text in texts if text != ""] if isinstance(texts, list) else texts


class ActivationSettings(NeuronSettings):
    """Adds what every kind reads that a conversion makes spiking neurons of (paper 003).

    Attributes:
        levels: the highest level; ``None`` is all that ``b_s`` bits tell apart.
        paths: highest levels of the sub-paths (Section 3.4).
    """

    levels: int | None = None
    paths: Annotated[tuple[int, ...], BeforeValidator(_numbers)] = ()

    def highest(self, bits: Bits) -> int:
        """``n`` of a layer with these bits.

        Raises:
            UserError: they are not the width of its levels.
        """
        return highest_level(self.levels, bits)


class QReLUSettings(ActivationSettings):
    """Says how ``q-relu`` is made, which is what is converted to a spiking network (paper 003).

    Attributes:
        scaled: LSQ's gradient scale, see `QReLU`.
    """

    kind: Literal["q-relu"] = "q-relu"
    scaled: bool = True

    def make(self, bits: Bits) -> QReLU:
        one_step(self.kind, bits)
        return QReLU(self.highest(bits), self.paths, self.scaled)


NEURONS.register("q-relu", QReLUSettings)
