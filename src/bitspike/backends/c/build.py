"""Compiling an exported network with the machine's compiler, running it, and asking the linker what it takes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.c.program import Program, to_c
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph
from bitspike.ir.steps import codes_of_steps

__all__ = ["COMPILERS", "Footprint", "compiler", "footprint", "logits", "outputs", "stack", "traced"]

COMPILERS = ("cc", "gcc", "clang")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")


class Footprint(NamedTuple):
    """Bytes that the linker gives the network, without a program around it: code included, stack not."""

    flash: int
    ram: int


def compiler(wanted: str | None = None) -> list[str]:
    """The command that compiles C: ``wanted`` with its flags, or the first of cc, gcc and clang.

    Raises:
        UserError: there is none.
    """
    try:
        command = shlex.split(wanted) if wanted else [next(filter(shutil.which, COMPILERS), "cc")]
    except ValueError as wrong:  # a quotation without an end
        raise UserError("C compiler", wanted, str(wrong)) from None
    if not command or not shutil.which(command[0]):
        raise UserError("C compiler", wanted or "cc", "no such command; install one, or name yours with --cc")
    return command


def logits(
    net: FrozenGraph, images: NDArray[np.uint8], cc: Sequence[str], *flags: str, streaming: bool = False
) -> NDArray[np.int64]:
    """`outputs` of a network that has one."""
    return outputs(net, images, cc, *flags, streaming=streaming)[0]


def outputs(
    net: FrozenGraph,
    images: NDArray[np.uint8],
    cc: Sequence[str],
    *flags: str,
    streaming: bool = False,
    scratch: int | None = None,
) -> tuple[NDArray[np.int64], ...]:
    """What the network's exported program answers; streaming, the answers so far at each step: ``[N, T, *shape]``."""
    program = to_c(net, streaming=streaming, scratch=scratch)
    with _built(program, cc, *(flags or ("-O3",))) as binary:
        if not streaming:
            return _answers(net, _run([str(binary)], images.tobytes()), len(images))
        steps = np.stack(codes_of_steps(net, images), axis=1)  # of a held image the same
        printed = _run([str(binary)], np.ascontiguousarray(steps).tobytes())
        edges = [net.graph.edges[readout.name] for readout in net.readouts]
        return _split(printed, [(*steps.shape[:2], *edge.shape) for edge in edges], steps.shape[0] * steps.shape[1])


def traced(
    net: FrozenGraph,
    images: NDArray[np.uint8],
    cc: Sequence[str],
    *flags: str,
    emulator: Sequence[str] = (),
    streaming: bool = False,
    scratch: int | None = None,
) -> tuple[tuple[NDArray[np.int64], ...], dict[str, NDArray[np.int64]]]:
    """The outputs, and every edge in memory ``[T, N, *shape]`` by name, as `bitspike.backends.oracle.run` has them.

    Streaming, those of the program that takes one step at a time; its ``main.c`` reads whole inputs here.
    """
    program = to_c(net, streaming=streaming, scratch=scratch)
    if streaming:
        program = replace(program, files={**program.files, "main.c": to_c(net).files["main.c"]})
    with _built(program, cc, "-DNETWORK_TRACE", *(flags or ("-O2",))) as binary:
        given, trace = binary.with_name("images"), binary.with_name("trace")
        given.write_bytes(images.tobytes())
        answers = _answers(net, _run([*emulator, str(binary), str(given), str(trace)]), len(images))
        return answers, split_trace(net, program, trace.read_bytes(), len(images))


def split_trace(net: FrozenGraph, program: Program, content: bytes, images: int) -> dict[str, NDArray[np.int64]]:
    """The edges in a trace of ``images`` images, in the oracle's order of axes."""
    fields = [
        (f"edge{index}", np.dtype(edge.type.name.removesuffix("_t")).newbyteorder("<"), (edge.elements,))
        for index, edge in enumerate(program.seen)
    ]
    whole = np.frombuffer(content, dtype=fields)
    if len(whole) != images * program.steps:
        raise UserError("trace", len(whole), f"want {images} images")
    edges = {}
    for index, seen in enumerate(program.seen):
        edge = net.graph.edges[seen.name]
        channels, *sides = edge.shape
        values = whole[f"edge{index}"].astype(np.int64).reshape(images, -1, *sides, channels)
        values = values[:, : edge.T]  # what is held is the same at every step
        edges[seen.name] = np.moveaxis(np.moveaxis(values, -1, 2), 0, 1)
    return edges


COPIES = """#include <stddef.h>
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
void *memcpy(void *to, const void *from, size_t n) { return memmove(to, from, n); }
void *memmove(void *to, const void *from, size_t n) {
  volatile unsigned char *t = to;
  const volatile unsigned char *f = from;
  for (size_t i = 0; i < n; i++) {
    const size_t k = t < f ? i : n - 1 - i;
    t[k] = f[k];
  }
  return to;
}
void *memset(void *to, int value, size_t n) {
  volatile unsigned char *t = to;
  for (size_t i = 0; i < n; i++) t[i] = (unsigned char)value;
  return to;
}
"""
"""What compilers make calls of, in the few bytes that it takes: a whole C library is no part of the network."""


def footprint(program: Program, cc: Sequence[str]) -> Footprint:
    """What the linker makes of the network alone, at ``-Os``."""
    with tempfile.TemporaryDirectory() as folder:
        _write(program, Path(folder))
        network, copies = Path(folder, "network.elf"), Path(folder, "copies_of_bytes.c")
        copies.write_text(COPIES)
        alone = ["-Os", "-static", "-nostdlib", "-ffunction-sections", "-fdata-sections"]
        alone += [f"-Wl,-e,{program.name}_run", "-Wl,--gc-sections", "-Wl,--build-id=none"]
        sources = [str(Path(folder, f"{program.name}.c")), str(copies)]
        _compile([*cc, *STRICT, *alone, *sources, "-lgcc", "-o", str(network)])
        size = _run([*cc, "-print-prog-name=size"]).decode().strip()
        if not shutil.which(size):
            raise UserError(
                "C compiler", " ".join(cc), f"its `size` ({size or 'no name'}) is missing: install binutils"
            )
        text, data, bss = (int(part) for part in _run([size, str(network)]).decode().splitlines()[1].split()[:3])
        return Footprint(flash=text + data, ram=data + bss)


def stack(program: Program, cc: Sequence[str]) -> int | None:
    """Bytes of stack of a run at ``-Os``: its own, and of every function below it the largest, by depth of calls.

    Three deep: the network, a layer, what that calls. ``None`` of a compiler that does not tell (``-fstack-usage``).
    """
    with tempfile.TemporaryDirectory() as folder:
        _write(program, Path(folder))
        made = Path(folder, "network.o")
        try:
            _compile(
                [*cc, *STRICT, "-Os", "-fstack-usage", "-c", str(Path(folder, f"{program.name}.c")), "-o", str(made)]
            )
            lines = next(Path(folder).glob("*.su")).read_text().splitlines()
        except (UserError, StopIteration):
            return None
    found = {words[0].rpartition(":")[2]: int(words[1]) for words in map(str.split, lines)}
    run = found.pop(f"{program.name}_run", 0) + found.pop(f"{program.name}_step", 0)
    found.pop(f"{program.name}_classify", None)
    layers = [size for name, size in found.items() if name.endswith("_run")]
    others = [size for name, size in found.items() if not name.endswith("_run")]
    return run + max(layers, default=0) + max(others, default=0)


@contextmanager
def _built(program: Program, cc: Sequence[str], *flags: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        _write(program, Path(folder))
        sources = [str(Path(folder, name)) for name in program.files if name.endswith(".c")]
        binary = Path(folder, "program")
        _compile([*cc, *STRICT, *flags, *sources, "-o", str(binary)])
        yield binary


def _write(program: Program, folder: Path) -> None:
    for name, text in program.files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _compile(command: Sequence[str]) -> None:
    """Runs a compiler. What it says of options that it or its linker passes over is told, although it succeeds."""
    said = _finished(command).stderr.decode(errors="replace").split()
    if said:
        print(f"{command[0]} says: {' '.join(said)}", file=sys.stderr)


def _run(command: Sequence[str], given: bytes = b"") -> bytes:
    """Standard output of a command that must succeed."""
    return _finished(command, given).stdout


def _finished(command: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(command, input=given, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    except OSError as wrong:  # what should have been built is not there, or is no program
        raise UserError("run", command[0], f"{wrong.strerror}; --cc wants a C compiler that makes programs") from wrong
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise UserError(command[0], f"status {done.returncode}", said or "it said nothing")
    return done


def _answers(net: FrozenGraph, printed: bytes, images: int) -> tuple[NDArray[np.int64], ...]:
    edges = ((net.graph.edges[readout.name], readout.over == "each") for readout in net.readouts)
    return _split(printed, [(images, *([edge.T] if each else []), *edge.shape) for edge, each in edges], images)


def _split(printed: bytes, shapes: Sequence[tuple[int, ...]], rows: int) -> tuple[NDArray[np.int64], ...]:
    """The outputs of which one row after another is printed, each with all of its numbers."""
    counts = [prod(shape) // max(rows, 1) for shape in shapes]
    numbers = np.array(printed.split(), dtype=np.int64).reshape(rows, sum(counts))
    parts = np.split(numbers, np.cumsum(counts)[:-1], axis=1)
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
