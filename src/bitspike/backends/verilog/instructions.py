"""The instructions of a layer's program in bits, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bitspike.backends.verilog.micro import FETCHED, OF_A, OF_B, OPS, Micro, Value

__all__ = ["encoded"]


def encoded(
    micros: Sequence[Micro], fetched_at: Callable[[Value], int], keep_at: Callable[[int], int]
) -> Iterator[dict[str, int]]:
    """What each instruction says, by field. Each fetches what the next one reads from memory.

    Args:
        micros: the program.
        fetched_at: where a value of one of `FETCHED` is, of the first channel.
        keep_at: where a state is, of the first channel.
    """
    for index, made in enumerate(micros):
        last = index == len(micros) - 1
        b = micros[0].b if last else micros[index + 1].b
        fetches = b.kind == "edge" and not last  # of the next channel, constants and states alone
        immediate = next((v.number for v in (made.a, made.b) if v.kind == "immediate"), made.b.start)
        if made.op == "move":
            immediate = made.b.number if made.b.kind == "immediate" else made.b.start
        yield {
            "last": int(last),
            "write": int(made.result.kind == "register"),
            "store": int(made.store),
            "keep": int(made.keep is not None),
            "op": OPS.index(made.op),
            "a": OF_A.index(made.a.kind),
            "b": OF_B.index(made.b.kind),
            "register": made.result.number,
            "register_a": made.a.number if made.a.kind == "register" else 0,
            "register_b": made.b.number if made.b.kind == "register" else 0,
            "fetch": int(fetches),
            "fetch_steps": int(fetches and b.place[2]),
            "fetch_class": b.place[0] if fetches else 0,
            "fetch_at": fetched_at(b) if b.kind in FETCHED else 0,
            "keep_at": keep_at(made.keep or 0),
            "low": made.low,
            "immediate": immediate,
        }
