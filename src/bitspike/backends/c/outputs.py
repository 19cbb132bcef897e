"""What a network's functions give their caller: the logits of classes, or several outputs of any shape."""

from __future__ import annotations

from dataclasses import dataclass

from bitspike.backends.c.memory import number_type
from bitspike.ir import FrozenGraph, Readout

__all__ = ["Output", "declared", "defined", "main_of", "outputs", "types"]


@dataclass(frozen=True)
class Output:
    """One output as C.

    Attributes:
        argument: what it is called. type: of an element. size: elements of an answer, as C.
        steps: answers that it has, as C; empty where it has one.
        shape: ``C x H x W`` as they lie, in words.
    """

    node: Readout
    argument: str
    type: str
    size: str
    steps: str
    shape: str

    @property
    def elements(self) -> str:
        """Elements of all answers, as C."""
        return f"{self.steps} * {self.size}" if self.steps else self.size

    def at(self, t: str) -> str:
        """Where the answer of a step goes, of what a caller gave for all."""
        return f"{self.argument} + {t} * {self.size}" if self.steps else self.argument


def outputs(net: FrozenGraph, name: str) -> tuple[Output, ...]:
    """The outputs of a network of that name, in their order."""
    found, upper = [], name.upper()
    for index, node in enumerate(net.readouts):
        shape, each = " x ".join(map(str, net.graph.edges[node.name].shape)), node.over == "each"
        if net.classifies:
            steps = f"{upper}_STEPS" if each else ""
            found.append(Output(node, "logits", f"{name}_logit", f"{upper}_CLASSES", steps, shape))
        else:
            own = f"{upper}_OUT{index}"
            steps = f"{own}_STEPS" if each else ""
            found.append(Output(node, f"out{index}", f"{name}_out{index}_t", f"{own}_SIZE", steps, shape))
    return tuple(found)


def declared(net: FrozenGraph, name: str, head: str, codes: str, one_step: bool = False) -> list[str]:
    """A function's head: what it is given, and where its answers go; those of one step, or all."""
    arguments = [f"const uint8_t image[{codes}]"]
    for one in outputs(net, name):
        arguments.append(f"{one.type} {one.argument}[{one.size if one_step else one.elements}]")
    behind = ",\n" + " " * len(head)
    return f"{head}{behind.join(arguments)})".split("\n")


def defined(net: FrozenGraph, name: str) -> str:
    """The macros of the header: sizes, steps, and the value of a unit."""
    lines = []
    for one in outputs(net, name):
        edge, scale = net.graph.edges[one.node.name], one.node.scale
        own = one.size.removesuffix("_SIZE")
        if net.classifies:
            lines.append(f"#define {one.size} {edge.size}")
            value = f"{name.upper()}_LOGIT_SCALE", "value of one unit of a logit"
        else:
            lines.append(f"#define {one.size} {edge.size} /* {one.shape}, row by row */")
            value = f"{own}_SCALE", f"value of one unit of {one.argument}"
        if one.steps:
            each = "each has its logits" if net.classifies else f"each has its {one.argument}"
            lines.append(f"#define {one.steps} {edge.T} /* {each} */")
        if scale is not None:
            lines.append(f"#define {value[0]} {scale!r} /* {value[1]} */")
    return "".join(f"{line}\n" for line in lines)


def types(net: FrozenGraph, name: str) -> str:
    """The types of the elements."""
    kinds = ((number_type(net.ranges[one.node.name]).name, one.type) for one in outputs(net, name))
    return "\n".join(f"typedef {kind} {own};" for kind, own in kinds)


def main_of(net: FrozenGraph, name: str, text: str, one_step: bool = False) -> str:
    """The program around a network: its ``ANSWERS`` declared, ``GIVEN`` to it, and ``PRINTED``, a line each."""
    found = outputs(net, name)
    held = [f"static {one.type} {one.argument}[{one.size if one_step else one.elements}];" for one in found]
    printed = []
    for one in found:
        elements = one.size if one_step else one.elements
        printed += [
            f"for (long k = 0; k < (long){elements}; k++)",
            f'    printf((k + 1) % {one.size} ? "%lld " : "%lld\\n", (long long){one.argument}[k]);',
        ]
    given = ", ".join(one.argument for one in found)
    parts = {"ANSWERS": "\n    ".join(held), "GIVEN": given, "PRINTED": "\n        ".join(printed)}
    for part, lines in parts.items():
        text = text.replace(f"/* {part} */", lines)
    return text
