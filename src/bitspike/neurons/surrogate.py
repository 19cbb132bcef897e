"""Gradients of the fire step: what backward uses in place of the derivative of a staircase.

A surrogate receives the gradient of the spikes, the membrane potential before reset and the `Staircase` that fired, and
returns the gradient of the potential. Smooth surrogates are defined on one step (``x = v - threshold``, SpikingJelly's
convention) and act, for graded spikes, on the step nearest to ``v``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bitspike.errors import UserError
from bitspike.neurons.staircase import Staircase
from bitspike.registry import Registry

__all__ = [
    "SURROGATES",
    "ATan",
    "MicroStepSigmoid",
    "PassThrough",
    "Rectangle",
    "Sigmoid",
    "StraightThrough",
    "Surrogate",
    "Triangle",
    "surrogate",
]


class Surrogate:
    """A gradient for one step of the staircase, given by `derivative`."""

    def backward(self, grad: Tensor, v: Tensor, staircase: Staircase) -> Tensor:
        """``grad * d spike / d v``, element by element; all shaped like ``v``."""
        slope = self.derivative(v - staircase.nearest_threshold(v)).mul_(grad)
        return slope if staircase.scale == 1.0 else slope.mul_(staircase.scale)

    def derivative(self, x: Tensor) -> Tensor:
        """The bump that stands for the derivative of the Heaviside step at ``x = v - threshold``."""
        raise NotImplementedError(f"{type(self).__name__} must define derivative or backward")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


class ATan(Surrogate):
    """``alpha/2 / (1 + (pi/2 alpha x)^2)`` (Fang et al. 2021, PLIF)."""

    def __init__(self, alpha: float = 2.0) -> None:
        self.alpha = _positive("alpha", alpha)

    def derivative(self, x: Tensor) -> Tensor:
        # 1 / (2/alpha + alpha/2 (pi x)^2): two passes over x, where the formula as printed takes five
        return torch.addcmul(x.new_full((), 2 / self.alpha), x, x, value=self.alpha * math.pi**2 / 2).reciprocal_()


class Sigmoid(Surrogate):
    """``alpha s (1 - s)`` with ``s = sigmoid(alpha x)``."""

    def __init__(self, alpha: float = 4.0) -> None:
        self.alpha = _positive("alpha", alpha)

    def derivative(self, x: Tensor) -> Tensor:
        s = (x * self.alpha).sigmoid_()
        return (1 - s).mul_(s).mul_(self.alpha)


class Triangle(Surrogate):
    """``max(0, gamma - |x|) / gamma^2``: a triangle of area one (Deng et al. 2022, TET)."""

    def __init__(self, gamma: float = 1.0) -> None:
        self.gamma = _positive("gamma", gamma)

    def derivative(self, x: Tensor) -> Tensor:
        return (self.gamma - x.abs()).clamp_(min=0).mul_(1 / self.gamma**2)


class Rectangle(Surrogate):
    """``1/width`` where ``|x| < width/2`` (Wu et al. 2018, STBP)."""

    def __init__(self, width: float = 1.0) -> None:
        self.width = _positive("width", width)

    def derivative(self, x: Tensor) -> Tensor:
        return x.abs().lt_(self.width / 2).mul_(1 / self.width)


class StraightThrough(Surrogate):
    """``d level / d v = 1/v_threshold`` inside the alphabet (``lo <= v/v_threshold <= hi``), 0 outside.

    With it ``level * v_threshold`` follows ``v`` at slope 1. Paper 000 leaves the gradient open; this is our default.
    """

    def backward(self, grad: Tensor, v: Tensor, staircase: Staircase) -> Tensor:
        bottom, top = staircase.lo * staircase.v_threshold, staircase.hi * staircase.v_threshold
        passed = v.clamp(bottom, top).eq_(v).mul_(grad)
        slope = staircase.scale / staircase.v_threshold
        return passed if slope == 1.0 else passed.mul_(slope)


class MicroStepSigmoid(Surrogate):
    """The sigmoid's derivative at each of the ``hi`` micro-steps in which a level is discharged (paper 004).

    With ``d_n = alpha s (1 - s)``, ``s = sigmoid(alpha (v_n - v_threshold))``, where ``v_n`` is ``v`` less a threshold
    for each of the first ``n`` micro-steps that fired: ``(1 - prod_n (1 - v_threshold d_n)) / v_threshold``, as each
    discharge takes from what the next one sees. ``detach_reset`` leaves that out: ``sum_n d_n``, which grows with the
    number of micro-steps, up to ``hi`` times too steep where a neuron is nearly silent.
    """

    def __init__(self, alpha: float = 5.0, detach_reset: bool = False) -> None:
        self.alpha, self.detach_reset = _positive("alpha", alpha), detach_reset

    def backward(self, grad: Tensor, v: Tensor, staircase: Staircase) -> Tensor:
        level, one, threshold = staircase.level(v), Sigmoid(self.alpha), staircase.v_threshold
        slopes = (one.derivative(v - threshold * (level.clamp(max=n) + 1)) for n in range(staircase.hi))
        if self.detach_reset:
            slope = sum(slopes, torch.zeros_like(v))
        else:
            left = torch.ones_like(v)  # of v, after the micro-steps so far
            for d in slopes:
                left = left.mul_(1 - threshold * d)
            slope = (1 - left).mul_(1 / threshold)
        return slope.mul_(grad).mul_(staircase.scale)


class PassThrough(Surrogate):
    """``d level / d v = 1/v_threshold`` everywhere, outside the alphabet too: paper 004's barrier neuron, Eq. 10."""

    def backward(self, grad: Tensor, v: Tensor, staircase: Staircase) -> Tensor:
        return grad * (staircase.scale / staircase.v_threshold)


SURROGATES: Registry[type[Surrogate]] = Registry("surrogate_function", own=lambda: Surrogate)
SURROGATES.register("atan", ATan)
SURROGATES.register("sigmoid", Sigmoid)
SURROGATES.register("triangle", Triangle)
SURROGATES.register("rectangle", Rectangle)
SURROGATES.register("straight-through", StraightThrough)
SURROGATES.register("micro-step-sigmoid", MicroStepSigmoid)
SURROGATES.register("pass-through", PassThrough)


def surrogate(name: str) -> Surrogate:
    """The surrogate called ``name``, or of that import path, with its default shape.

    Raises:
        UserError: there is none, or it cannot be made without arguments.
    """
    kind = SURROGATES.find(name)
    try:
        return kind()
    except Exception as wrong:
        raise UserError(SURROGATES.thing, name, f"cannot be made: {type(wrong).__name__}: {wrong}") from wrong


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise UserError(name, value, "want a number above 0")
    return value
