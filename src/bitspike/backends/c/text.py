"""Lines of C: loops, windows, constants and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

from bitspike.backends.c.memory import CType

__all__ = ["Text", "comment", "memory_order", "number", "quoted", "short", "symbol"]

_PLAIN = frozenset(map(chr, range(32, 127))) - set('"\\?')
"""What a string of C holds as it is."""

Pair = tuple[int, int]


class Text:
    """Indented lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    @contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        self.line(f"{head} {{".lstrip())
        self.depth += 1
        yield
        self.depth -= 1
        self.line("}")

    def loop(self, index: str, count: int | str):  # type: ignore[no-untyped-def]
        return self.block(f"for (int32_t {index} = 0; {index} < {count}; {index}++)")

    @contextmanager
    def steps(self, count: int) -> Iterator[None]:
        """Over the steps; nothing where there is one."""
        if count == 1:
            yield
            return
        with self.loop("t", count):
            yield

    @contextmanager
    def window(
        self,
        kernel: Pair,
        stride: Pair,
        dilation: Pair,
        padding: Pair,
        sides: Pair,
        *,
        at: tuple[str, str] = ("row", "column"),
        to: tuple[str, str] = ("y", "x"),
    ) -> Iterator[None]:
        """Over the taps of the window at place ``at`` that lie inside the plane of ``sides``; a tap is ``to``."""
        rows, columns = zip(at, to, kernel, stride, dilation, padding, sides, strict=True)
        with self.loop(f"k{to[0]}", kernel[0]):
            self._tap(*rows)
            with self.loop(f"k{to[1]}", kernel[1]):
                self._tap(*columns)
                yield

    def _tap(self, at: str, to: str, taps: int, stride: int, dilation: int, padding: int, side: int) -> None:
        self.line(f"const int32_t {to} = {at} * {stride} + k{to} * {dilation} - {padding};")
        if padding:
            self.line(f"if ({to} < 0 || {to} >= {side})")
            self.line("    continue;")


def number(value: int, kind: CType | None = None) -> str:
    """A constant. The smallest int64 has no literal of its own; proven ranges never reach it."""
    wide = abs(value) >= 1 << 31 or (kind is not None and kind.bytes == 8)
    text = f"INT64_C({abs(value)})" if wide else str(abs(value))
    return f"(-{text})" if value < 0 else text


def short(kind: CType) -> str:
    """``u8`` for ``uint8_t``."""
    return ("u" if kind.name.startswith("u") else "i") + str(8 * kind.bytes)


def symbol(network: str, index: int, name: str) -> str:
    """A name of an op as an identifier that no other op has, of this network or of another in the same unit."""
    text = re.sub("[^A-Za-z0-9]", "_", name)
    return f"{network}_{index}_{text if text[:1].isalpha() else f'op_{text}'}"


def comment(text: str) -> str:
    """Text that cannot end a comment."""
    return re.sub(r"[^ -~]|\*/|/\*|\\", "?", text)


def quoted(text: str) -> str:
    """Text as a string of C, byte by byte in UTF-8: it ends nowhere before its end, and is no trigraph."""
    plain = (chr(byte) if chr(byte) in _PLAIN else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'


def memory_order(shape: tuple[int, ...]) -> str:
    """Where element ``i`` of the row-major ``C, H, W`` order lies in ``[H][W][C]``."""
    channels, places = shape[0], prod(shape[1:])
    if places == 1 or channels == 1:
        return "i"
    return f"i % {places} * {channels} + i / {places}"
