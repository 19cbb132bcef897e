"""`bitspike export`: a frozen network in another form: C99, or ONNX."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bitspike.cli.options import CCompiler, Json, print_json
from bitspike.errors import UserError

if TYPE_CHECKING:
    from bitspike.ir import FrozenGraph

__all__ = ["export"]


def export(
    file: Annotated[Path, typer.Argument(help="A file of `bitspike freeze`.")],
    to: Annotated[Literal["c", "onnx"], typer.Option("--to", help="c: NAME.c, NAME.h and main.c. onnx: NAME.onnx.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")],
    name: Annotated[str, typer.Option("--name", help="Name of the files, and of what they define.")] = "network",
    cc: CCompiler = None,
    as_json: Json = False,
) -> None:
    """Write a frozen network as C99 without dependencies (static memory, integers alone), or as ONNX.

    For C, the linker of --cc says what flash and RAM the network takes: its own compiler tells of this machine, and
    --cc "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb" of a microcontroller.

    Example: bitspike export net.bitspike --to c -o firmware/
    """
    from bitspike.files import write_atomically
    from bitspike.ir import load

    if cc and to != "c":
        raise UserError("--cc", cc, "it is for --to c")
    net = load(file)
    contents, result = _c(net, name, cc) if to == "c" else _onnx(net, name)
    for file_name, content in contents.items():
        write_atomically(output / file_name, content)
    result = {"files": [str(output / file_name) for file_name in contents], **result}
    if as_json:
        print_json(result)
        return
    for path in result["files"]:
        typer.echo(path)
    if to == "c":
        from rich.console import Console

        from bitspike import reports

        Console().print(reports.footprint_table(result))


def _c(net: FrozenGraph, name: str, cc: str | None) -> tuple[dict[str, bytes], dict[str, Any]]:
    import shutil

    from bitspike.backends import c
    from bitspike.costs import cost

    program = c.to_c(net, name)
    contents = {file_name: text.encode() for file_name, text in program.files.items()}
    result: dict[str, Any] = {
        "flash_bytes_counted": cost(net.graph).total.size_bytes,
        "flash_bytes_of_data": program.flash_bytes,
        "ram_bytes_of_data": program.ram_bytes,
    }
    if cc is None and not any(map(shutil.which, c.COMPILERS)):
        return contents, result  # nothing to ask
    command = c.compiler(cc)
    linked = c.footprint(program, command)
    return contents, {
        **result,
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
