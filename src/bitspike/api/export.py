"""`bitspike.export`: a frozen network in another form: C99, or ONNX."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.results import Exported
from bitspike.api.run import Run
from bitspike.api.sources import as_net
from bitspike.errors import UserError, closest

if TYPE_CHECKING:
    from bitspike.ir import FrozenGraph

    Writer = Callable[[FrozenGraph, str], tuple[dict[str, bytes], dict[str, Any]]]

__all__ = ["export"]


def export(
    source: FrozenGraph | Run | str | Path,
    to: str,
    output: str | Path,
    *,
    name: str = "network",
    **options: Any,
) -> Exported:
    """Writes a frozen network as C99 without dependencies (static memory, integers alone), or as ONNX.

    >>> bitspike.export("digits.bitspike", "c", "firmware", name="digits").facts["ram_bytes_of_data"]
    1088

    Args:
        source: a frozen network, its file, or a run, which is frozen.
        to: ``c``: NAME.c, NAME.h and main.c. ``onnx``: NAME.onnx.
        output: folder to write into.
        name: of the files, and of what they define.
        options: of the form, as ``cc``, the C compiler with its flags, whose linker says what flash and RAM the network
            takes.

    Returns:
        The files, and bytes of flash and RAM (C) or of the file (ONNX). ``flash_bytes_counted`` is what the cost model
        says, ``.._of_data`` what stands in the text, ``.._linked`` what the linker made of it.

    Raises:
        UserError: an unknown form, an option that is for another, a name that will not do, an op that the form lacks, a
            compiler that fails, or a place that cannot be written to.
    """
    from bitspike.costs import cost
    from bitspike.files import write_atomically

    write = _form(to, **options)
    net = as_net(source)
    contents, facts = write(net, name)
    if "flash_bytes_of_data" in facts:  # beside what the cost model counts
        facts = {"flash_bytes_counted": cost(net.graph).total.size_bytes, **facts}
    for file_name, content in contents.items():
        write_atomically(Path(output) / file_name, content)
    return Exported(tuple(Path(output) / file_name for file_name in contents), facts)


def _form(name: str, cc: str | None = None) -> Writer:
    """What writes a network under a name: contents of files by file name, and facts."""
    if name not in (known := ("c", "onnx")):
        raise UserError("--to", name, closest(name, known))
    if cc and name != "c":
        raise UserError("--cc", cc, "it is for --to c")
    return (lambda net, called: _c(net, called, cc)) if name == "c" else _onnx


def _c(net: FrozenGraph, name: str, cc: str | None) -> tuple[dict[str, bytes], dict[str, Any]]:
    from bitspike.backends import c

    program = c.to_c(net, name)
    contents = {file_name: text.encode() for file_name, text in program.files.items()}
    facts: dict[str, Any] = {"flash_bytes_of_data": program.flash_bytes, "ram_bytes_of_data": program.ram_bytes}
    if cc is None and not any(map(shutil.which, c.COMPILERS)):
        return contents, facts  # nothing to ask
    command = c.compiler(cc)
    linked = c.footprint(program, command)
    return contents, {
        **facts,
        "cc": " ".join(command),
        "flash_bytes_linked": linked.flash,
        "ram_bytes_linked": linked.ram,
    }


def _onnx(net: FrozenGraph, name: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    from bitspike.backends.onnx import to_onnx

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise UserError("--name", name, "want the name of a file: at most 64 letters, digits, _, . and -")
    content: bytes = to_onnx(net).SerializeToString()
    return {f"{name}.onnx": content}, {"bytes": len(content)}
