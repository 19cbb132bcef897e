"""A frozen graph as a C99 program: static memory, exact integer types, nothing beyond <stdint.h>.

An edge is stored where something looks into it from elsewhere: a window, a matrix, a second reader
(`bitspike.backends.c.plan`). Everything between two stored edges (accumulators, currents, membranes, spikes on their
way into a pool or a sum over time) is computed for one element at a time, over all of its steps, in local variables
(`bitspike.backends.c.code`). Memory holds ``[T][H][W][C]``.

By steps it is the same program for a graph of one step, and what is carried to the next has arrays of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from math import prod

from bitspike.backends.c.classes import classify, declared_classes
from bitspike.backends.c.code import Code
from bitspike.backends.c.memory import CType, arena_sizes
from bitspike.backends.c.outputs import declared, defined, main_of, outputs, types
from bitspike.backends.c.plan import Plan, Seen
from bitspike.backends.c.text import comment, number, short
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph, Node
from bitspike.sample import MOST_CODE

__all__ = ["Program", "to_c"]

VECTORS = ("__AVX2__", "__ARM_NEON", "__ARM_FEATURE_MVE", "__ARM_FEATURE_SIMD32")
"""What compilers define where one of the branches of csrc/simd.h is theirs."""
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
        seen: edges that a trace shows, in that order, for each step of ``steps``.
        steps: that are computed one after the other; 1 where all are computed at once.
        flash_bytes: weights and constants. ram_bytes: arenas, what layers compute in, and what is carried from step to
            step. Neither counts code or stack.
    """

    name: str
    files: dict[str, str]
    seen: tuple[Seen, ...]
    steps: int
    flash_bytes: int
    ram_bytes: int


def to_c(net: FrozenGraph, name: str = "network", streaming: bool = False, scratch: int | None = None) -> Program:
    """The network as C.

    Args:
        net: the network.
        name: of the files, and what every public symbol begins with.
        streaming: whether the program takes one step at a time, and its ``main.c`` reads steps. A network with loops
            runs by steps in any case, and its ``main.c`` reads whole inputs.
        scratch: bytes to compute sums in, see `Plan`.

    Raises:
        UserError: ``name`` is no C identifier or that of a header, the network is too large for 32-bit indices, or it
            cannot take one step at a time.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", name) or NOT_A_NAME.fullmatch(name):
        raise UserError(
            "name", name, "want a name for C: a letter, then at most 30 letters, digits and _; no keyword or header"
        )
    plan = Plan(net, name, streaming, scratch)
    code = Code(plan)
    arenas = {_arena(name, kind): (kind, count) for kind, count in arena_sizes(plan.buffers).items()}
    states = {array: (kind, count) for array, (kind, count, _) in code.states.items()}
    memory = {**arenas, **code.constants.scratch, **states}
    ram = sum(kind.bytes * count for kind, count in memory.values())
    texts = {f"{name}.c": _source(code, memory), f"{name}.h": _header(plan)}
    texts[f"{name}_simd.h"] = _resource("simd.h").replace("NETWORK", name.upper()).replace("network", name)
    main = main_of(net, "network", _resource("steps.c" if streaming else "main.c"), streaming)
    texts["main.c"] = main.replace("NETWORK", name.upper()).replace("network", name)
    seen = tuple(edge for root in plan.roots for edge in plan.seen(root))
    return Program(name, texts, seen, plan.steps, code.constants.flash, ram)


def _source(code: Code, memory: dict[str, tuple[CType, int]]) -> str:
    plan = code.plan
    parts = [
        [f'/* The network "{comment(plan.graph.name)}", made by bitspike. {plan.name}.h says how to run it. */'],
        [f'#include "{plan.name}.h"'],
        [
            f"#if !defined({plan.name.upper()}_PORTABLE) && ({' || '.join(f'defined({name})' for name in VECTORS)})",
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
        [f"static int32_t {plan.t} = {plan.steps}; /* steps since the reset */"] * plan.by_steps,
        code.text.lines[:-1],
        *([_reset(code), _layers(plan), _all_steps(plan)] if plan.by_steps else [_layers(plan)]),
        classify(net=plan.net, name=plan.name),
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


def _layers(plan: Plan) -> list[str]:
    """The function that calls all others: of a step, or of all steps at once."""
    lines = [*_head(plan), "{"]
    if plan.by_steps:
        lines += [f"    if ({plan.t} == {plan.steps})", "        return 0;"]
    for root in plan.roots:
        lines += [] if plan.writers[root.name].closes else [_call(plan, root)]
        lines += [f"    BITSPIKE_SHOW({edge.symbol}, {edge.elements * edge.type.bytes});" for edge in plan.seen(root)]
    if plan.by_steps:
        lines += [_call(plan, root) for root in plan.roots if plan.writers[root.name].closes]
        lines += [f"    {plan.t}++;", "    return 1;"]
    return [*lines, "}"]


def _call(plan: Plan, root: Node) -> str:
    writer = plan.writers[root.name]
    return f"    {plan.symbols[root.name]}_run({writer.argument(plan, root)});"


def _head(plan: Plan) -> list[str]:
    """How the function that computes all, or all of a step, begins."""
    upper = plan.name.upper()
    if plan.by_steps:
        return declared(plan.net, plan.name, f"int {plan.name}_step(", f"{upper}_STEP_BYTES", one_step=True)
    return declared(plan.net, plan.name, f"void {plan.name}_run(", f"{upper}_IMAGE_BYTES")


def _reset(code: Code) -> list[str]:
    plan, kept = code.plan, {array: (count, first) for array, (_, count, first) in code.states.items()}
    closing = [root for root in plan.roots if plan.writers[root.name].closes]
    kept |= {plan.symbols[root.name]: (plan.graph.edges[root.name].size, 0) for root in closing}
    lines = [f"void {plan.name}_reset(void)", "{"]
    for array, (count, first) in kept.items():
        lines += [f"    for (int32_t i = 0; i < {count}; i++)", f"        {array}[i] = {number(first)};"]
    return [*lines, f"    {plan.t} = 0;", "}"]


def _all_steps(plan: Plan) -> list[str]:
    name, upper = plan.name, plan.name.upper()
    image = "image" if plan.net.sample.T == 1 else f"image + t * {upper}_STEP_BYTES"
    given = ", ".join([image, *(one.at("t") for one in outputs(plan.net, name))])
    lines = declared(plan.net, name, f"void {name}_run(", f"{upper}_IMAGE_BYTES")
    lines += ["{", f"    {name}_reset();", f"    for (int32_t t = 0; t < {upper}_TIME_STEPS; t++)"]
    return [*lines, f"        {name}_step({given});", "}"]


def _header(plan: Plan) -> str:
    net, name = plan.net, plan.name
    sample = net.sample
    upper, axes, most = name.upper(), ("T x " * (sample.T > 1)) + AXES[len(sample.shape)], sample.hi - sample.lo
    highest = "" if most == MOST_CODE else f"#define {upper}_MOST_CODE {most} /* what is above stands for no level */\n"
    steps = ""
    if plan.by_steps:
        steps = f"#define {upper}_TIME_STEPS {plan.steps}\n#define {upper}_STEP_BYTES {prod(sample.shape)}\n"
    codes = "pixels 0..255" if sample.is_image else f"codes 0..{most}"
    does = "Classifies one image of {codes}. The class is the first largest logit."
    if not net.classifies:
        does = "Computes the outputs of one image of {codes}: each C x H x W, integers whose unit is OUT_SCALE."
    run = "\n".join(declared(net, name, f"void {name}_run(", f"{upper}_IMAGE_BYTES"))
    return f"""\
/* The network "{comment(net.graph.name)}", made by bitspike: C99, static memory, integers alone. */
#ifndef {upper}_H
#define {upper}_H

#include <stddef.h>
#include <stdint.h>

#define {upper}_IMAGE_BYTES {sample.size} /* {" x ".join(map(str, sample.array_shape))}: {axes} */
{highest}{defined(net, name)}{steps}
#ifdef __cplusplus
extern "C" {{
#endif

{types(net, name)}

/* {does.format(codes=codes)} Not reentrant: memory is static. */
{run};

{declared_classes(net, name)}{_by_steps(plan)}\
#ifdef {upper}_TRACE /* for tests: yours to define; is given every edge in memory, each when it has been made */
void {name}_trace(const void *values, size_t bytes);
#endif

#ifdef __cplusplus
}}
#endif

#endif
"""


def _by_steps(plan: Plan) -> str:
    """What the header says of a program that takes one step at a time."""
    name, head = plan.name, "\n".join(_head(plan))
    text = f"""\
/* Before the first step of each sequence. */
void {name}_reset(void);

/* The next step: 1, and the answer so far, which at the last step is that of {name}_run; 0, and nothing else, where
 * all steps were taken since the reset. An image is given at every step. */
{head};

"""
    return text if plan.by_steps else ""


def _resource(name: str) -> str:
    return files("bitspike").joinpath("csrc", name).read_text(encoding="utf-8")
