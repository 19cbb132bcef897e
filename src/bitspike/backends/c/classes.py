"""Classes in C: what they are called, and which one an image is of."""

from __future__ import annotations

from bitspike.backends.c.text import quoted
from bitspike.ir import FrozenGraph

__all__ = ["classify", "declared_classes"]


def declared_classes(net: FrozenGraph, name: str) -> str:
    """Of the header. A network that answers at every step has no one class, one without names none to print."""
    upper, text = name.upper(), ""
    if not net.classifies:
        return text
    if net.readout.over != "each":
        head = f"int {name}_classify("
        text += f"""\
/* Runs the network, and says of which class the image is: that of the first largest logit. */
{head}const uint8_t image[{upper}_IMAGE_BYTES],
{" " * len(head)}{name}_logit logits[{upper}_CLASSES]);

"""
    if net.classes:
        text += f"""\
/* What the classes are called, in UTF-8. */
#define {upper}_CLASS_NAMES
extern const char *const {name}_class_names[{upper}_CLASSES];

"""
    return text


def classify(net: FrozenGraph, name: str) -> list[str]:
    """Of the program: the names, and the function."""
    upper = name.upper()
    lines: list[str] = []
    if not net.classifies:
        return lines
    if net.classes:
        lines += [f"const char *const {name}_class_names[{upper}_CLASSES] = {{"]
        lines += [*(f"    {quoted(called)}," for called in net.classes), "};"]
    if net.readout.over == "each":
        return lines
    head = f"int {name}_classify("
    return [
        *lines,
        *[""] * bool(lines),
        f"{head}const uint8_t image[{upper}_IMAGE_BYTES],",
        f"{' ' * len(head)}{name}_logit logits[{upper}_CLASSES])",
        "{",
        "    int largest = 0;",
        f"    {name}_run(image, logits);",
        f"    for (int k = 1; k < {upper}_CLASSES; k++)",
        "        if (logits[k] > logits[largest])",
        "            largest = k;",
        "    return largest;",
        "}",
    ]
