"""The boxes of a detection network in C: `bitspike.detection.WholeHead`, and a program that prints them."""

from __future__ import annotations

import string
from collections.abc import Sequence
from importlib.resources import files
from math import prod
from typing import NamedTuple

from bitspike.backends.c.outputs import outputs
from bitspike.backends.c.text import number
from bitspike.detection import WholeHead
from bitspike.detection.whole import SUBPIXELS
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph

__all__ = ["Array", "boxes_in_c", "boxes_of_arrays"]


def boxes_in_c(net: FrozenGraph, name: str) -> dict[str, str]:
    """``NAME_boxes.h`` and ``NAME_boxes.c``, and ``main.c``, which prints the boxes of images; nothing of a network
    that finds none, or whose head has anchors: their boxes need an exponential.

    Args:
        net: the network.
        name: of it, whose header ``NAME.h`` declares ``NAME_run(image, out0, out1, ...)``.

    Raises:
        UserError: an output whose scale is not known.
    """
    if net.head is None or net.head.kind != "points":
        return {}
    if any(readout.scale is None for readout in net.readouts):
        raise UserError(f"network {net.graph.name}", "outputs without a scale", "want those of bitspike freeze")
    whole = WholeHead(net.head, tuple(readout.scale or 0.0 for readout in net.readouts))
    arrays = tuple(Array(one.type, one.argument, net.graph.edges[one.node.name].shape) for one in outputs(net, name))
    return boxes_of_arrays(whole, arrays, name)


class Array(NamedTuple):
    """An output as the program has it: the type of its elements, what it is called, and its shape, row by row."""

    type: str
    name: str
    shape: tuple[int, ...]

    @property
    def cells(self) -> int:
        return self.shape[1] * self.shape[2]


def boxes_of_arrays(whole: WholeHead, arrays: Sequence[Array], name: str) -> dict[str, str]:
    """The files of `boxes_in_c`, of outputs anywhere."""
    height, width = whole.size_of([array.shape for array in arrays])
    put = {
        "CONSTANTS": _constants(name.upper(), whole, height, width, sum(array.cells for array in arrays)),
        "OUTPUTS": " ".join(f"const {array.type} *{array.name}," for array in arrays),
        "CODE": _code(name, whole, arrays),
        "MEMORY": "\n    ".join(f"static {array.type} {array.name}[{prod(array.shape)}];" for array in arrays),
        "NAMES": ", ".join(array.name for array in arrays),
    }
    return {
        f"{name}_boxes.h": _filled("boxes.h", name, put),
        f"{name}_boxes.c": _filled("boxes.c", name, put),
        "main.c": _filled("boxes_main.c", name, put),
    }


def _filled(resource: str, name: str, put: dict[str, str]) -> str:
    text = files("bitspike").joinpath("csrc", resource).read_text(encoding="utf-8")
    text = text.replace("NETWORK", name.upper()).replace("network", name)
    for key, value in put.items():
        text = text.replace(f"BITSPIKE_BOXES_{key}", value)
    return text


def _constants(upper: str, whole: WholeHead, height: int, width: int, cells: int) -> str:
    least = f"INT64_C({whole.least})"
    rows = {
        "BOX_CLASSES": f"{whole.head.num_classes}",
        "MOST_BOXES": f"{cells} /* one a cell */",
        "IOU": f"{whole.iou.numerator} /* of {whole.iou.denominator}: with more in common, boxes show the same */",
        "IOU_OF": f"{whole.iou.denominator}",
        "RIGHT": f"{width * SUBPIXELS} /* the edges of the image, in sixteenths of a pixel */",
        "BOTTOM": f"{height * SUBPIXELS}",
    }
    lines = [f"#define {upper}_{key} {value}" for key, value in rows.items()]
    lines += [
        f"#ifndef {upper}_LEAST_SCORE",
        f"#define {upper}_LEAST_SCORE {least} /* yours to define: 0 is even odds */",
    ]
    return "\n".join([*lines, "#endif"])


def _code(name: str, whole: WholeHead, arrays: Sequence[Array]) -> str:
    """The names of the classes, and the function that goes over the cells of every output."""
    channels, upper = whole.head.num_classes + 4, name.upper()
    lines = [f"const char *const {name}_class_names[{upper}_BOX_CLASSES] = {{"]
    lines += [f"    {_string(one)}," for one in whole.head.classes]
    arguments = " ".join(f"const {array.type} *{array.name}," for array in arrays)
    lines += ["};", "", f"int32_t {name}_boxes({arguments} {name}_box boxes[{upper}_MOST_BOXES])", "{"]
    each = zip(arrays, whole.head.strides, whole.dropped, whole.factors, strict=True)
    for array, stride, dropped, (score, distance) in each:
        values = (stride * SUBPIXELS, dropped, score.multiplier, distance.multiplier, score.shift, distance.shift)
        lines += [f"    static const {name}_scale {array.name}_scale = {{{', '.join(map(number, values))}}};"]
    lines += [f"    int64_t values[{channels}];", "    int32_t count = 0;", ""]
    for array in arrays:
        columns = array.shape[2]
        cell = f"values, cell / {columns}, cell % {columns}, &{array.name}_scale, boxes, count"
        lines += [
            f"    for (int32_t cell = 0; cell < {array.cells}; cell++) {{",
            f"        for (int32_t k = 0; k < {channels}; k++)",
            f"            values[k] = {name}_word({array.name}[k * {array.cells} + cell], {array.name}_scale.dropped);",
            f"        count = {name}_cell({cell});",
            "    }",
        ]
    return "\n".join([*lines, f"    return {name}_stay(boxes, count);", "}"])


PLAIN = frozenset((string.ascii_letters + string.digits + " !#$%&'()*+,-./:;<=>@[]^_`{|}~").encode())


def _string(text: str) -> str:
    """A string as C: every byte that could mean something else as three octal digits."""
    return '"' + "".join(chr(byte) if byte in PLAIN else f"\\{byte:03o}" for byte in text.encode()) + '"'
