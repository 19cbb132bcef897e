"""The one vocabulary of networks: which modules are known, and which functions and methods equal which module."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.frontend.routes import Chunk, Concat, Slice, Split, cat, chunk, interpolate, narrow, split
from bitspike.layers import (
    Accumulate,
    Difference,
    Encoder,
    EventEncoder,
    PathBatchNorm1d,
    PathBatchNorm2d,
    Recurrent,
    Release,
    ReleasedAffine,
    SpikingMaxPool2d,
    SqueezeTime,
    mean_over_time,
    merge_time,
    split_time,
)
from bitspike.neurons import BaseNode
from bitspike.registry import Registry

__all__ = [
    "KNOWN",
    "WORDS",
    "Images",
    "Known",
    "MatMul",
    "MeanOverTime",
    "MergeTime",
    "Permute",
    "SplitTime",
    "Sum",
    "Times",
    "Transpose",
    "View",
    "Word",
]


class Images(nn.Module):
    """What the network is called with: codes ``[N, *sample.array_shape]``, of images the pixels ``[N, C, H, W]``."""

    def forward(self, images: Tensor) -> Tensor:
        return images


class Sum(nn.Module):
    """``a + b``, in place or not."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class View(nn.Module):
    """The elements of each image (or of each step of it) in another shape.

    Args:
        kept: leading axes that stay as they are.
        shape: of the rest; -1 is what is left. A size that the forward asked for (`bitspike.frontend.sizes.Size`) is a
            number once shapes are known, and nothing can be computed before.
        steps: calls whose steps the forward took to be as many as those of ``x``, which is to be checked.
    """

    def __init__(self, kept: int, shape: Sequence[Any], steps: Sequence[Any] = ()) -> None:
        super().__init__()
        self.kept, self.shape, self.steps = kept, tuple(shape), tuple(steps)

    @property
    def numbers(self) -> bool:
        """Whether all sizes are numbers."""
        return all(isinstance(size, int) for size in self.shape) and not self.steps

    def found(self, shape_of: Callable[[Any], Sequence[int]]) -> tuple[int, ...]:
        """Its shape in numbers, where ``shape_of`` says what calls made behind their leading axes."""
        return tuple(size if isinstance(size, int) else size.found(shape_of) for size in self.shape)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[: self.kept], *self.shape)


class MatMul(nn.Module):
    """``a @ b``."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b


class Permute(nn.Module):
    """``x.permute(axes)``.

    Args:
        axes: all of them, the batch included.
    """

    def __init__(self, axes: Sequence[int]) -> None:
        super().__init__()
        self.axes = tuple(axes)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.axes)


class Transpose(nn.Module):
    """``x.transpose(first, second)``."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(self.first, self.second)


class Times(nn.Module):
    """``factor * x``, by a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Contiguous(nn.Module):
    """``x.contiguous()``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous()


class MergeTime(nn.Module):
    """`bitspike.layers.merge_time`."""

    def forward(self, x: Tensor) -> Tensor:
        return merge_time(x)


class SplitTime(nn.Module):
    """`bitspike.layers.split_time`."""

    def forward(self, merged: Tensor, like: Tensor) -> Tensor:
        return split_time(merged, like)


class MeanOverTime(nn.Module):
    """`bitspike.layers.mean_over_time`."""

    def forward(self, logits: Tensor) -> Tensor:
        return mean_over_time(logits)


@dataclass(frozen=True)
class Known:
    """A class of modules that is read whole: what one computes is known, as long as it overrides none of ``decides``.

    Attributes:
        decides: methods and attributes that decide what it computes.
        again: whether one may be called a second time: it holds nothing that would be named twice.
        through: whether one that overrides something is read through its own forward; what holds weights is refused.
        passes: whether it hands on what it reads, in evaluation mode.
        shares: whether its result may lie in the memory of what it reads.
    """

    kind: type[nn.Module]
    decides: tuple[str, ...] = ("forward",)
    again: bool = False
    through: bool = False
    passes: bool = False
    shares: bool = False


KNOWN = Registry[Known]("known layer")
"""The known modules by class name; a subclass is looked up by the nearest of its bases."""

_WEIGHTS = ("weight", "bias")
_STATISTICS = (*_WEIGHTS, "running_mean", "running_var")
for _known in (
    Known(nn.Conv1d, ("forward", "_conv_forward", *_WEIGHTS)),
    Known(nn.Conv2d, ("forward", "_conv_forward", *_WEIGHTS)),
    Known(nn.Linear, ("forward", *_WEIGHTS)),
    Known(nn.BatchNorm1d, ("forward", *_STATISTICS)),
    Known(nn.BatchNorm2d, ("forward", *_STATISTICS)),
    Known(PathBatchNorm1d, ("forward", *_STATISTICS)),
    Known(PathBatchNorm2d, ("forward", *_STATISTICS)),
    Known(Encoder),
    Known(EventEncoder),
    Known(Release),
    Known(ReleasedAffine),
    Known(Recurrent, ("forward", "step", "initial_state")),
    Known(BaseNode, ()),  # a neuron is read whole whatever it overrides; it is asked for its dynamics
    Known(Accumulate, again=True, through=True),
    Known(Difference, again=True, through=True),
    Known(SqueezeTime, again=True, through=True),
    Known(SpikingMaxPool2d, again=True, through=True),
    Known(nn.ReLU, again=True, through=True),
    *(Known(kind, again=True, through=True) for kind in (nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d)),
    Known(nn.AdaptiveAvgPool2d, again=True, through=True),
    Known(nn.Flatten, again=True, through=True, shares=True),
    Known(nn.Unflatten, again=True, through=True, shares=True),
    Known(nn.Upsample, again=True, through=True),
    Known(Concat),
    *(Known(kind, shares=True) for kind in (Slice, Chunk, Split)),
    Known(Permute, shares=True),
    Known(Transpose, shares=True),
    *(
        Known(kind, again=True, through=True, passes=True)
        for kind in (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
    ),
    Known(Contiguous, passes=True, shares=True),
    Known(View, shares=True),
    Known(MergeTime, shares=True),
    Known(SplitTime, shares=True),
):
    KNOWN.register(_known.kind.__name__, _known)


@dataclass(frozen=True)
class Word:
    """What is written as a function or a method, and equals a module.

    Attributes:
        make: the module, or an ``nn.Sequential`` of some, of the arguments as the function names them; raises
            ValueError with what would do.
        functions, methods: by which it is called.
        writes: those of them that write their result into what they read first.
        reads: names of the arguments that are tensors.
        spread: whether the second argument may be given as several, one after the other.
        pieces: whether its result is a tuple of tensors; ``make`` is then given the ``index`` of one.
    """

    make: Callable[..., nn.Module]
    functions: tuple[Any, ...] = ()
    methods: tuple[str, ...] = ()
    writes: tuple[Any, ...] = ()
    reads: tuple[str, ...] = ("input",)
    spread: bool = False
    pieces: bool = False


_SUM, _MERGE, _SPLIT = Sum(), MergeTime(), SplitTime()  # they hold nothing, and a network has many


def _relu(input: Any, inplace: bool = False) -> nn.Module:  # noqa: A002
    return nn.ReLU(inplace)


def _add(input: Any, other: Any, *, alpha: float = 1) -> nn.Module:  # noqa: A002
    if alpha != 1:
        raise ValueError("want a plain sum")
    return _SUM


def _max_pool(
    input: Any,  # noqa: A002
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> nn.Module:
    return nn.MaxPool2d(kernel_size, stride or None, padding, dilation, return_indices, ceil_mode)


def _avg_pool(
    input: Any,  # noqa: A002
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> nn.Module:
    return nn.AvgPool2d(kernel_size, stride or None, padding, ceil_mode, count_include_pad, divisor_override)


def _global_pool(input: Any, output_size: Any) -> nn.Module:  # noqa: A002
    return nn.AdaptiveAvgPool2d(output_size)


def _mean(input: Any, dim: Any = None, keepdim: bool = False) -> nn.Module:  # noqa: A002
    axes = sorted(dim) if isinstance(dim, tuple | list) else dim
    if axes not in ([2, 3], [-2, -1]):
        raise ValueError("want the mean over rows and columns: dim=(2, 3)")
    mean = nn.AdaptiveAvgPool2d(1)
    return mean if keepdim else nn.Sequential(mean, nn.Flatten())


def _flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> nn.Module:  # noqa: A002
    return nn.Flatten(start_dim, end_dim)


def _unflatten(input: Any, dim: int, sizes: Sequence[int]) -> nn.Module:  # noqa: A002
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError("want sizes that are numbers")
    return nn.Unflatten(dim, tuple(sizes))


def _permute(input: Any, dims: Sequence[int]) -> nn.Module:  # noqa: A002
    if not all(isinstance(axis, int) for axis in dims):
        raise ValueError("want axes that are numbers")
    return Permute(dims)


def _transpose(input: Any, dim0: int, dim1: int) -> nn.Module:  # noqa: A002
    return Transpose(dim0, dim1)


def _times(input: Any, other: float) -> nn.Module:  # noqa: A002
    if isinstance(other, bool) or not isinstance(other, int | float) or not 0 < other < inf:
        raise ValueError("want a factor that is a number above 0")
    return Times(float(other))


def _over(input: Any, other: float) -> nn.Module:  # noqa: A002
    if isinstance(other, bool) or not isinstance(other, int | float) or not 0 < other < inf:
        raise ValueError("want a divisor that is a number above 0")
    return Times(1 / other)


def _matmul(input: Any, other: Any) -> nn.Module:  # noqa: A002
    return MatMul()


def _dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> nn.Module:  # noqa: A002
    if training and p:
        raise ValueError("it is on in evaluation, too; want training=self.training")
    return nn.Identity()


def _contiguous(input: Any) -> nn.Module:  # noqa: A002
    return Contiguous()


WORDS = Registry[Word]("function")
"""The words by the name of the call."""
for _name, _word in {
    "relu": Word(_relu, (torch.relu, F.relu, torch.relu_, F.relu_), ("relu", "relu_"), (torch.relu_, F.relu_, "relu_")),
    "add": Word(
        _add,
        (operator.add, operator.iadd, torch.add),
        ("add", "add_"),
        (operator.iadd, "add_"),
        ("input", "other"),
    ),
    "max_pool2d": Word(_max_pool, (F.max_pool2d, torch.max_pool2d)),
    "avg_pool2d": Word(_avg_pool, (F.avg_pool2d,)),
    "adaptive_avg_pool2d": Word(_global_pool, (F.adaptive_avg_pool2d,)),
    "mean": Word(_mean, (torch.mean,), ("mean",)),
    "flatten": Word(_flatten, (torch.flatten,), ("flatten",)),
    "unflatten": Word(_unflatten, (torch.unflatten,), ("unflatten",)),
    "permute": Word(_permute, (torch.permute,), ("permute",), spread=True),
    "transpose": Word(_transpose, (torch.transpose, torch.swapaxes), ("transpose", "swapaxes")),
    "matmul": Word(_matmul, (operator.matmul, torch.matmul), ("matmul",), reads=("input", "other")),
    "mul": Word(_times, (operator.mul, torch.mul), ("mul",)),
    "div": Word(_over, (operator.truediv, torch.div), ("div",)),
    "dropout": Word(_dropout, (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout)),
    "cat": Word(cat, (torch.cat, torch.concat, torch.concatenate), reads=("tensors",)),
    "upsample": Word(interpolate, (F.interpolate, F.upsample)),
    "slice": Word(narrow, (torch.narrow,), ("narrow",)),
    "chunk": Word(chunk, (torch.chunk,), ("chunk",), pieces=True),
    "split": Word(split, (torch.split,), ("split",), reads=("tensor",), pieces=True),
    "contiguous": Word(_contiguous, (), ("contiguous",)),
    "merge_time": Word(lambda x: _MERGE, (merge_time,), reads=("x",)),
    "split_time": Word(lambda merged, like: _SPLIT, (split_time,), reads=("merged", "like")),
    "readout": Word(lambda logits: MeanOverTime(), (mean_over_time,), reads=("logits",)),
}.items():
    WORDS.register(_name, _word)
