"""A frozen graph as a C99 program: static memory, exact integer types, nothing beyond <stdint.h>.

An edge is stored where something looks into it from elsewhere: a window, a matrix, a second reader
(`bitspike.backends.c.plan`). Everything between two stored edges (accumulators, currents, membranes, spikes on their
way into a pool or a sum over time) is computed for one element at a time, over all of its steps, in local variables
(`bitspike.backends.c.code`). Memory holds ``[T][H][W][C]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from bitspike.backends.c.code import Code
from bitspike.backends.c.memory import CType, arena_sizes, number_type
from bitspike.backends.c.plan import Plan, Seen
from bitspike.backends.c.text import comment, short
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph
from bitspike.sample import MOST_CODE

__all__ = ["Program", "to_c"]

AXES = {1: "D", 2: "C x L", 3: "C x H x W"}
NOT_A_NAME = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register"
    "|restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while"
    "|(?i:main|alloca|assert|complex|ctype|endian|errno|features|fenv|inttypes|iso646|limits|locale|malloc|math|memory"
    "|setjmp|signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|tgmath"
    "|threads|time|uchar|unistd|wchar|wctype)"
)
"""Keywords; and files that NAME.h or NAME.c would take the place of, on a file system that ignores case too."""


@dataclass(frozen=True)
class Program:
    """A network in C.

    Attributes:
        files: text by file name: ``NAME.c``, ``NAME.h``, ``NAME_simd.h``, and ``main.c``, which runs this
            network alone.
        seen: edges that a trace shows, in that order.
        flash_bytes: weights and constants. ram_bytes: arenas and what layers compute in. Neither counts code or stack.
    """

    name: str
    files: dict[str, str]
    seen: tuple[Seen, ...]
    flash_bytes: int
    ram_bytes: int


def to_c(net: FrozenGraph, name: str = "network") -> Program:
    """The network as C.

    Args:
        net: the network.
        name: of the files, and what every public symbol begins with.

    Raises:
        UserError: ``name`` is no C identifier or that of a header, or the network is too large for 32-bit indices.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", name) or NOT_A_NAME.fullmatch(name):
        raise UserError(
            "name", name, "want a name for C: a letter, then at most 30 letters, digits and _; no keyword or header"
        )
    plan = Plan(net, name)
    code = Code(plan)
    arenas = {_arena(name, kind): (kind, count) for kind, count in arena_sizes(plan.buffers).items()}
    scratch = code.constants.scratch
    ram = sum(kind.bytes * count for kind, count in (*arenas.values(), *scratch.values()))
    texts = {f"{name}.c": _source(code, {**arenas, **scratch}), f"{name}.h": _header(net, name)}
    texts[f"{name}_simd.h"] = _resource("simd.h").replace("NETWORK", name.upper()).replace("network", name)
    texts["main.c"] = _resource("main.c").replace("NETWORK", name.upper()).replace("network", name)
    seen = tuple(edge for root in plan.roots for edge in plan.seen(root))
    return Program(name, texts, seen, code.constants.flash, ram)


def _source(code: Code, memory: dict[str, tuple[CType, int]]) -> str:
    plan = code.plan
    parts = [
        [f'/* The network "{comment(plan.graph.name)}", made by bitspike. {plan.name}.h says how to run it. */'],
        [f'#include "{plan.name}.h"'],
        [
            f"#if !defined({plan.name.upper()}_PORTABLE) && (defined(__AVX2__) || defined(__ARM_NEON))",
            f'#include "{plan.name}_simd.h"',
            "#endif",
        ],
        [_resource("kernels.h").rstrip()],
        list(code.constants.kernels),
        code.constants.lines,
        ["/* Edges, [T][H][W][C] each; they take turns in the arenas. The rest is what layers compute in. */"],
        [f"static {kind.name} {array}[{count}];" for array, (kind, count) in memory.items()],
        [
            f"static {buffer.stored.type.name} *const {plan.symbols[name]} ="
            f" {_arena(plan.name, buffer.stored.type)} + {buffer.offset};"
            for name, buffer in plan.buffers.items()
        ],
        _tracing(plan),
        code.text.lines[:-1],
        _run(plan),
    ]
    text = "\n\n".join("\n".join(part) for part in parts if part)
    defined = re.findall(r"^#define (BITSPIKE_\w+)", text + _resource("simd.h"), re.MULTILINE)
    macros = dict.fromkeys(defined)
    undone = [f"#undef {macro}" for macro in macros]  # what else is in the unit may have its own, of another version
    return "\n".join([text, "", *undone, ""])


def _arena(network: str, kind: CType) -> str:
    """The memory that edges of a type take turns in."""
    return f"{network}_arena_{short(kind)}"


def _tracing(plan: Plan) -> list[str]:
    """Macros that show edges to a test, and memory for spikes that are otherwise never stored."""
    fused = [edge for root in plan.roots for edge in plan.seen(root) if edge.name not in plan.buffers]
    lines = [f"#ifdef {plan.name.upper()}_TRACE"]
    lines += [f"#define BITSPIKE_SHOW(values, bytes) {plan.name}_trace(values, bytes)"]
    lines += ["#define BITSPIKE_SEE(element, value) ((element) = (value))"] * bool(fused)
    lines += [f"static {edge.type.name} {edge.symbol}[{edge.elements}];" for edge in fused]
    lines += ["#else", "#define BITSPIKE_SHOW(values, bytes) ((void)0)"]
    return [*lines, *["#define BITSPIKE_SEE(element, value) ((void)0)"] * bool(fused), "#endif"]


def _run(plan: Plan) -> list[str]:
    name, upper, head = plan.name, plan.name.upper(), f"void {plan.name}_run("
    lines = [f"{head}const uint8_t image[{upper}_IMAGE_BYTES],"]
    lines += [f"{' ' * len(head)}{name}_logit logits[{_logits(plan.net, upper)}])", "{"]
    for root in plan.roots:
        lines.append(f"    {plan.symbols[root.name]}_run({plan.writers[root.name].argument});")
        lines += [f"    BITSPIKE_SHOW({edge.symbol}, {edge.elements * edge.type.bytes});" for edge in plan.seen(root)]
    return [*lines, "}"]


def _logits(net: FrozenGraph, upper: str) -> str:
    """How many logits an answer has, as C."""
    return f"{upper}_STEPS * {upper}_CLASSES" if net.readout.over == "each" else f"{upper}_CLASSES"


def _header(net: FrozenGraph, name: str) -> str:
    last = net.readout.name
    sample, classes = net.sample, net.graph.edges[last].shape[0]
    upper, scale, axes = name.upper(), net.logit_scale, ("T x " * (sample.T > 1)) + AXES[len(sample.shape)]
    most, each = sample.hi - sample.lo, net.readout.over == "each"
    highest = "" if most == MOST_CODE else f"#define {upper}_MOST_CODE {most} /* what is above stands for no level */\n"
    steps = f"#define {upper}_STEPS {net.graph.edges[last].T} /* each has its logits */\n" if each else ""
    codes = "pixels 0..255" if sample.is_image else f"codes 0..{most}"
    value = "" if scale is None else f"#define {upper}_LOGIT_SCALE {scale!r} /* value of one unit of a logit */\n"
    return f"""\
/* The network "{comment(net.graph.name)}", made by bitspike: C99, static memory, integers alone. */
#ifndef {upper}_H
#define {upper}_H

#include <stddef.h>
#include <stdint.h>

#define {upper}_IMAGE_BYTES {sample.size} /* {" x ".join(map(str, sample.array_shape))}: {axes} */
{highest}#define {upper}_CLASSES {classes}
{steps}{value}
#ifdef __cplusplus
extern "C" {{
#endif

typedef {number_type(net.ranges[last]).name} {name}_logit;

/* Classifies one image of {codes}. The class is the first largest logit. Not reentrant: memory is static. */
void {name}_run(const uint8_t image[{upper}_IMAGE_BYTES], {name}_logit logits[{_logits(net, upper)}]);

#ifdef {upper}_TRACE /* for tests: yours to define; is given every edge in memory, each when it has been made */
void {name}_trace(const void *values, size_t bytes);
#endif

#ifdef __cplusplus
}}
#endif

#endif
"""


def _resource(name: str) -> str:
    return files("bitspike").joinpath("csrc", name).read_text(encoding="utf-8")
