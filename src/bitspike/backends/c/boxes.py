"""The boxes of a detection network in C: `bitspike.detection.WholeHead`, and a program that prints them."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from bitspike.backends.c.text import number
from bitspike.detection import WholeHead
from bitspike.detection.whole import SUBPIXELS

__all__ = ["OutputArray", "boxes_in_c"]


@dataclass(frozen=True)
class OutputArray:
    """An output as the program has it.

    Args:
        type: of its elements.
        shape: channels, rows, columns.
        channels_last: whether the channels of a cell lie beside each other; else the cells of a channel do.
    """

    type: str
    shape: tuple[int, int, int]
    channels_last: bool = False

    @property
    def cells(self) -> int:
        return self.shape[1] * self.shape[2]

    def at(self, channel: str, cell: str) -> str:
        """The index of an element."""
        return f"{cell} * {self.shape[0]} + {channel}" if self.channels_last else f"{channel} * {self.cells} + {cell}"


def boxes_in_c(name: str, whole: WholeHead, outputs: Sequence[OutputArray]) -> dict[str, str]:
    """``NAME_boxes.h``, ``NAME_boxes.c``, and ``main.c``, which prints the boxes of images.

    Args:
        name: of the network, whose header ``NAME.h`` declares ``NAME_run(image, out0, out1, ...)``.
        whole: what its outputs mean.
        outputs: where they lie.

    Raises:
        UserError: they are not the outputs of such a head.
    """
    height, width = whole.head.size_of([output.shape for output in outputs])
    names = [f"out{place}" for place in range(len(outputs))]
    put = {
        "CONSTANTS": _constants(name.upper(), whole, height, width, sum(output.cells for output in outputs)),
        "OUTPUTS": " ".join(f"const {one.type} *{out}," for out, one in zip(names, outputs, strict=True)),
        "CODE": _code(name, whole, outputs),
        "MEMORY": "\n    ".join(
            f"static {one.type} {out}[{one.shape[0] * one.cells}];" for out, one in zip(names, outputs, strict=True)
        ),
        "NAMES": ", ".join(names),
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
    rows = {
        "BOX_CLASSES": f"{whole.head.num_classes}",
        "MOST_BOXES": f"{cells} /* one a cell */",
        "LEAST_SCORE": f"INT64_C({whole.least}) /* below it there is no box */",
        "IOU": f"{whole.iou.numerator} /* of {whole.iou.denominator}: with more in common, boxes show the same */",
        "IOU_OF": f"{whole.iou.denominator}",
        "RIGHT": f"{width * SUBPIXELS} /* the edges of the image, in sixteenths of a pixel */",
        "BOTTOM": f"{height * SUBPIXELS}",
    }
    return "\n".join(f"#define {upper}_{key} {value}" for key, value in rows.items())


def _code(name: str, whole: WholeHead, outputs: Sequence[OutputArray]) -> str:
    """The names of the classes, and the function that goes over the cells of every output."""
    channels, upper = whole.head.num_classes + 4, name.upper()
    lines = [f"const char *const {name}_class_names[{upper}_BOX_CLASSES] = {{"]
    lines += [f"    {_string(one)}," for one in whole.head.classes]
    arguments = " ".join(f"const {one.type} *out{place}," for place, one in enumerate(outputs))
    lines += ["};", "", f"int32_t {name}_boxes({arguments} {name}_box boxes[{upper}_MOST_BOXES])", "{"]
    for place, (stride, (score, distance)) in enumerate(zip(whole.head.strides, whole.factors, strict=True)):
        values = (stride * SUBPIXELS, score.multiplier, distance.multiplier, score.shift, distance.shift)
        lines += [f"    static const {name}_scale scale{place} = {{{', '.join(map(number, values))}}};"]
    lines += [f"    int64_t values[{channels}];", "    int32_t count = 0;", ""]
    for place, output in enumerate(outputs):
        cell = f"values, cell / {output.shape[2]}, cell % {output.shape[2]}, &scale{place}, boxes, count"
        lines += [
            f"    for (int32_t cell = 0; cell < {output.cells}; cell++) {{",
            f"        for (int32_t k = 0; k < {channels}; k++)",
            f"            values[k] = out{place}[{output.at('k', 'cell')}];",
            f"        count = {name}_cell({cell});",
            "    }",
        ]
    return "\n".join([*lines, f"    return {name}_stay(boxes, count);", "}"])


PLAIN = frozenset((string.ascii_letters + string.digits + " !#$%&'()*+,-./:;<=>@[]^_`{|}~").encode())


def _string(text: str) -> str:
    """A string as C: every byte that could mean something else as three octal digits."""
    return '"' + "".join(chr(byte) if byte in PLAIN else f"\\{byte:03o}" for byte in text.encode()) + '"'
