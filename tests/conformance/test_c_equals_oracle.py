"""The exported C program is the oracle: every edge in memory and every logit, with two compilers and their sanitizers.

Random networks first (`random_graphs`), then the four families. After them what surrounds the network: the reader of
images, the plan of the memory, the names, the compilers that are missing or fail.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library import sanitizes
from numpy.typing import NDArray
from packaged import packaged
from random_graphs import FAMILIES, FEATURES, differences, family, features, images, random_graph, sample

from bitspike import UserError
from bitspike.backends import c, oracle
from bitspike.backends.c import build
from bitspike.backends.c.memory import Stored, arena_sizes, element_type, number_type, place
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    Node,
    Readout,
    Reshape,
    Store,
)
from bitspike.ir.ranges import Range
from bitspike.neurons import neuron_settings

COMPILERS = ("gcc", "clang")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SEEDS, SEEDS_A_TEST = 300, 10


def installed(command: str, flags: tuple[str, ...] = ()) -> list[str]:
    if shutil.which(command) is None:
        pytest.skip(f"no {command}")
    if flags == SANITIZED and not sanitizes(command):
        pytest.skip(f"no sanitizers of {command}")
    return [command]


def found(net: FrozenGraph, cc: list[str], *flags: str, seed: int = 0, wanted: FrozenGraph | None = None) -> dict:
    """What the C of ``net`` and the oracle's ``wanted`` (``net`` itself) differ in."""
    shown = images(net, seed)
    return differences(net, oracle.run(wanted or net, shown), *c.traced(net, shown, cc, *flags))


# Random networks


def test_the_random_networks_show_every_feature() -> None:
    accepted, seen, varied = 0, Counter[str](), Counter[bool]()
    for seed in range(SEEDS):
        try:
            sample(seed)
            accepted += 1
        except UserError:
            pass
        net = random_graph(seed)
        seen.update(features(net))
        edges = oracle.run(net, images(net, seed))
        varied.update(bool(np.ptp(edges[node.name])) for node in net.graph.neurons() if node.lo < node.hi)
    assert accepted > 0.8 * SEEDS
    assert varied[True] > 0.85 * varied.total(), "most layers of neurons send more than one level"
    rare = {feature: seen[feature] for feature in FEATURES if seen[feature] < 5}
    assert not rare
    assert seen.keys() - {"1 outputs", "output of 1 axes"} == set(FEATURES)  # which those of several outputs vary


def test_the_same_seed_makes_the_same_network() -> None:
    one, other = random_graph(7), random_graph(7)
    assert one.graph == other.graph
    assert all(np.array_equal(one.tensors[name], values) for name, values in other.tensors.items())


def check_random_networks(seeds: range, every: int) -> None:
    """Compilers take turns. Of so many networks one runs under the sanitizers, the next as it ships: untraced, and one
    at -O1; the others say the same in a quarter of the time of compiling.
    """
    compilers = [[name] for name in COMPILERS if shutil.which(name)]
    if not compilers:
        pytest.skip("no C compiler")
    for seed in seeds:
        net = random_graph(seed)
        block, turn = divmod(seed, every)
        able = compilers if turn else [one for one in compilers if sanitizes(one[0])] or [installed("gcc", SANITIZED)]
        cc = able[(block if turn < 2 else seed) % len(able)]
        wrong = found(net, cc, *{0: SANITIZED, 2: ("-O1",)}.get(turn, ("-O0",)), seed=seed)
        assert not wrong, f"random_graph({seed}), {cc[0]}: {wrong}"
        if turn == 1:
            shown = images(net, seed)
            assert np.array_equal(c.logits(net, shown, cc), oracle.logits(net, shown)), f"random_graph({seed}), {cc[0]}"


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_random_networks_are_equal(first: int) -> None:
    check_random_networks(range(first, first + SEEDS_A_TEST), 10)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 4000, 100))
def test_many_more_random_networks_are_equal(first: int) -> None:
    check_random_networks(range(first, first + 100), 5)


# The families

BITS = ("1/1/2", "2/2/1", "3/2/4", "8/4/3", "4/8/1", "15/1/5")
NEURONS = (neuron_settings(), neuron_settings(v_reset=None), neuron_settings(v_reset=-0.25, tau=2.0))
BUILDS = [(cc, flags) for flags in (("-O2",), ("-O3",), SANITIZED) for cc in COMPILERS]
BUILD_NAMES = [f"{cc} {flags[0] if len(flags) == 1 else 'sanitized'}" for cc, flags in BUILDS]


@cache
def frozen(name: str, turn: int) -> FrozenGraph:
    return family(name, BITS[turn % len(BITS)], seed=turn, neuron=NEURONS[turn % len(NEURONS)])


@pytest.mark.parametrize("name", FAMILIES)
def test_the_families_send_spikes_in_every_layer(name: str) -> None:
    for turn in range(len(BITS)):
        net = frozen(name, turn)
        edges = oracle.run(net, images(net))
        assert all(np.ptp(edges[node.name]) for node in net.graph.neurons()), BITS[turn]


@pytest.mark.parametrize(("cc", "flags"), BUILDS[:-1], ids=BUILD_NAMES[:-1])
@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_equal(name: str, cc: str, flags: tuple[str, ...]) -> None:
    net = frozen(name, BUILDS.index((cc, flags)) + list(FAMILIES).index(name))
    assert not found(net, installed(cc, flags), *flags)


@pytest.mark.parametrize(("cc", "flags"), BUILDS, ids=BUILD_NAMES)
def test_a_trained_network_is_equal_on_1000_images(cc: str, flags: tuple[str, ...]) -> None:
    net, shown = packaged()
    assert not differences(net, oracle.run(net, shown), *c.traced(net, shown, installed(cc, flags), *flags))


@pytest.mark.parametrize("name", FAMILIES)
def test_without_a_trace_the_logits_are_the_same(name: str) -> None:
    net = frozen(name, 4)
    shown = images(net)
    assert np.array_equal(c.logits(net, shown, installed("gcc")), oracle.logits(net, shown))


@pytest.mark.slow
@pytest.mark.parametrize(("cc", "flags"), BUILDS, ids=BUILD_NAMES)
@pytest.mark.parametrize("turn", range(len(BITS)))
@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_equal_at_all_bits(name: str, turn: int, cc: str, flags: tuple[str, ...]) -> None:
    assert not found(frozen(name, turn), installed(cc, flags), *flags)


@pytest.mark.parametrize(("cc", "flags"), BUILDS[:2] + BUILDS[-2:], ids=BUILD_NAMES[:2] + BUILD_NAMES[-2:])
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_families_with_stored_membranes_are_equal(bits: int, cc: str, flags: tuple[str, ...]) -> None:
    for turn, name in enumerate(("convnet", "resnet8-thin")):
        net = family(name, "2/1/4", seed=bits, neuron=NEURONS[(bits + turn) % len(NEURONS)], membrane_bits=bits)
        assert {node.membrane_bits for node in net.graph.neurons()} == {bits}
        assert not found(net, installed(cc, flags), *flags)


# Values at the ends of the types


@pytest.mark.parametrize("leak", [(1, 0), (3, 2)])
@pytest.mark.parametrize("rounds", [False, True])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_at_the_end_of_32_bits_nothing_overflows(sign: int, beyond: int, rounds: bool, leak: tuple[int, int]) -> None:
    """A current whose largest (or smallest) value is the last of int32, or just beyond, and is reached."""
    end = 2**31 - 1 + beyond if sign > 0 else 2**31 + beyond
    dynamics = Dynamics(fraction_bits=30, leak_multiplier=leak[0], leak_shift=leak[1], v_reset=None, rounds=rounds)
    nodes = (
        Input(name="image", inputs=(), edge=Edge(shape=(1, 1, 2), T=1, lo=0, hi=255, scale=1.0)),
        Reshape(name="flat", inputs=("image",), shape=(2,)),
        Affine(name="current", inputs=("flat",), fraction_bits=0),
        Fire(name="spikes", inputs=("current",), T=4, lo=-1, hi=1, dynamics=dynamics),
        Add(name="sum", inputs=("current", "spikes")),
        Readout(name="logits", inputs=("sum",)),
    )
    numbers = {"multiplier": np.full(2, sign), "offset": np.full(2, sign * (end - 255))}
    net = FrozenGraph(Graph("end", nodes), {f"current.{part}": values for part, values in numbers.items()})
    assert sign * end in net.ranges["current"]
    assert not found(net, installed("gcc"), *SANITIZED)


@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize("part", ["product", "half", "value", "half of the value"])
def test_a_store_at_the_end_of_32_bits_does_not_overflow(part: str, beyond: int) -> None:
    """Potentials -128..127, of which the product, or the code's value, is the last int32, or just beyond."""
    plain = {"multiplier": 1, "shift": 0, "step": 1, "step_shift": 0}
    of_part = {
        "product": {"multiplier": 2**24 + beyond},
        "half": {"shift": 31 + beyond},
        "value": {"step": (2**31 - 1) // 7 + beyond},
        "half of the value": {"step": (2**31 - 1 - 2**29) // 7 + beyond, "step_shift": 30},
    }[part]
    store = Store(**{**plain, **of_part})
    dynamics = Dynamics(fraction_bits=0, leak_multiplier=0, leak_shift=0, v_reset=None, store=store)
    nodes = (
        Input(name="image", inputs=(), edge=Edge(shape=(1, 1, 2), T=1, lo=-128, hi=127, scale=1.0)),
        Reshape(name="flat", inputs=("image",), shape=(2,)),
        Fire(name="spikes", inputs=("flat",), T=3, lo=0, hi=0, membrane_bits=4, dynamics=dynamics),
        Readout(name="logits", inputs=("spikes",)),
    )
    net = FrozenGraph(Graph("end", nodes), {})
    assert not found(net, installed("gcc"), *SANITIZED)
    assert ("int64_t n_v" in c.to_c(net).files["network.c"]) == bool(beyond)


@pytest.mark.parametrize(("v_reset", "steps"), [(0, 3), (None, 1)])
def test_a_current_may_be_larger_than_what_the_leak_could_multiply(v_reset: int | None, steps: int) -> None:
    """The potential that is carried on is small, or there is no next step: 64 bits are enough."""
    dynamics = Dynamics(fraction_bits=30, leak_multiplier=2047, leak_shift=11, v_reset=v_reset)
    nodes = (
        Input(name="image", inputs=(), edge=Edge(shape=(1, 1, 2), T=1, lo=0, hi=255, scale=1.0)),
        Reshape(name="flat", inputs=("image",), shape=(2,)),
        Affine(name="current", inputs=("flat",), fraction_bits=0),
        Fire(name="spikes", inputs=("current",), T=steps, lo=-1, hi=1, dynamics=dynamics),
        Readout(name="logits", inputs=("spikes",)),
    )
    tensors = {"current.multiplier": np.full(2, 2**50), "current.offset": np.array([0, -(2**57)])}
    assert not found(FrozenGraph(Graph("large", nodes), tensors), installed("gcc"), *SANITIZED)


# The comparison finds errors


@pytest.mark.parametrize("part", ["weight", "multiplier", "offset"])
def test_one_wrong_number_is_found(part: str) -> None:
    net = frozen("convnet", 1)
    name = next(name for name in net.tensors if name.endswith(part))
    wrong = net.tensors[name].astype(np.int64)
    wrong.flat[0] = -wrong.flat[0] + (wrong.flat[0] == 0) if part == "weight" else wrong.flat[0] + (1 << 18)
    assert found(FrozenGraph(net.graph, {**net.tensors, name: wrong}), installed("gcc"), "-O0", wanted=net)


MUTANTS = [
    ("~(~(x) >> (n))", "-(-(x) >> (n))"),  # rounds toward 0
    ("(x) > (hi) ? (hi)", "(x) >= (hi) ? (hi) - 1"),
    ("(x) < (lo) ? (lo)", "(x) < (lo) ? (lo) + 1"),
    ("x & weights[l]", "x | weights[l]"),
    ("there ^ weights", "there & weights"),
    ("ones[l] << b", "ones[l]"),
    ("(b == 0 ? 0 : sums[l])", "0"),
    ("<< (i % 32)", "<< 0"),
    ("- (LO)", "+ (LO)"),
    ("<< (8 * j)", "<< (7 * j)"),
    ("* worth", "* 1"),
    ("> (BITS) ? -first", "> (BITS) ? first"),
    ("sum2 += (SUM)row2[i]", "sum2 += (SUM)row1[i]"),
    ("sum += (SUM)row[i]", "sum -= (SUM)row[i]"),
    ("(first + l) / each * count", "0"),
    ("row += step_y", "row += 1"),
    ("column >= 0", "column > 0"),
    ("n_reset = n_membrane - ", "n_reset = n_membrane + "),
    ("n_v = n_reset;", "n_v = n_membrane;"),
    (" - n_sent;", " + n_sent;"),
    ("n_level = BITSPIKE_CLIP(", "n_level = BITSPIKE_CLIP(1 + "),
    ("level != 0 ?", "level > 0 ?"),
    ("n_leak = BITSPIKE_SHIFT_RIGHT(", "n_leak = 1 + BITSPIKE_SHIFT_RIGHT("),
    ("n_store = BITSPIKE_SHIFT_RIGHT(", "n_store = -BITSPIKE_SHIFT_RIGHT("),
    ("> pooled ?", "< pooled ?"),
    ("pooled += ", "pooled = "),
    ("pooled = *to;", "pooled = 0;"),
    ("pooled += n_level", "pooled += n_level + 1"),
    ("pools[i] = pool;", "pools[i] = 0;"),
    ("total += n_level", "total = n_level"),
    ("total += ", "total -= "),
    ("total = 0;", "total = 1;"),
    ("> 0 ?", "< 0 ?"),
    (" : 0;", " : 1;"),
    ("continue;", "break;"),
    ("(t * ", "(0 * "),
]


TELLING = (9, 44, 126)
"""Networks that show the rarest of these errors: they are asked first."""


@pytest.mark.parametrize(("text", "wrong"), MUTANTS, ids=[text for text, _ in MUTANTS])
def test_an_error_in_the_c_text_is_found(text: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cc = installed("gcc")

    def mutated(net: FrozenGraph, **_: bool) -> c.Program:
        program = c.to_c(net)
        return replace(program, files={**program.files, "network.c": program.files["network.c"].replace(text, wrong)})

    monkeypatch.setattr(build, "to_c", mutated)
    nets = (random_graph(seed) for seed in (*TELLING, *range(200)))
    assert any(found(net, cc, "-O0", "-Wno-error") for net in nets if text in c.to_c(net).files["network.c"])


# The reader of images


class Reader(NamedTuple):
    """A compiled program, and what it has to say of two images."""

    binary: Path
    content: bytes
    lines: list[str]

    @property
    def image_bytes(self) -> int:
        return len(self.content) // len(self.lines)

    def run(self, *arguments: str, given: bytes = b"") -> tuple[int, list[str], list[str]]:
        """Status, lines of standard output, lines of standard error."""
        done = subprocess.run([str(self.binary), *arguments], input=given, capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode().splitlines()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    net = frozen("convnet", 2)
    folder = written(c.to_c(net), tmp_path_factory.mktemp("reader"))
    sources = [str(folder / "network.c"), str(folder / "main.c")]
    command = [*installed("gcc"), *build.STRICT, *SANITIZED, *sources, "-o", str(folder / "program")]
    subprocess.run(command, check=True)
    shown = images(net, count=1)[:2]
    lines = [" ".join(map(str, row)) for row in oracle.logits(net, shown).tolist()]
    return Reader(folder / "program", shown.tobytes(), lines)


def written(program: c.Program, folder: Path) -> Path:
    for name, text in program.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_whole_images_are_answered_line_by_line(reader: Reader, way: str, tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(reader.content)
    answer = reader.run(str(tmp_path / "images")) if way == "file" else reader.run(given=reader.content)
    assert answer == (0, reader.lines, [])


@pytest.mark.parametrize("way", ["file", "standard input"])
@pytest.mark.parametrize("images", [0, 1])
@pytest.mark.parametrize("extra", [0, 1, -1])
def test_images_cut_short_are_refused(reader: Reader, images: int, extra: int, way: str, tmp_path: Path) -> None:
    content = reader.content[: images * reader.image_bytes + extra % reader.image_bytes]
    (tmp_path / "images").write_bytes(content)
    status, printed, said = reader.run(str(tmp_path / "images")) if way == "file" else reader.run(given=content)
    assert printed == reader.lines[:images]
    assert (status, len(said)) == ((0, 0) if content and extra == 0 else (2, 1))
    if said:
        assert f"image {images}: got {extra % reader.image_bytes} bytes; want {reader.image_bytes}" in said[0]


@pytest.mark.parametrize("name", ["none", "folder"])
def test_what_is_no_file_is_refused(reader: Reader, name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    status, printed, said = reader.run(str(tmp_path / name))
    assert (status, printed, len(said)) == (2, [], 1)


@settings(max_examples=40)
@given(data=st.data())
def test_any_bytes_are_answered_or_refused(reader: Reader, data: st.DataObject) -> None:
    content = data.draw(st.binary(max_size=3 * reader.image_bytes)) * data.draw(st.integers(1, 5))
    status, printed, said = reader.run(given=content)
    whole, rest = divmod(len(content), reader.image_bytes)
    assert len(printed) == whole
    assert all(re.fullmatch(r"-?\d+( -?\d+){4}", line) for line in printed)
    assert (status, len(said)) == ((0, 0) if whole and not rest else (2, 1))


# The memory plan

KINDS = [element_type(Range(lo, hi)) for lo, hi in [(-1, 1), (0, 255), (-999, 0), (0, 65535), (-99999, 0)]]


@st.composite
def stored_edges(draw: st.DrawFn) -> list[Stored]:
    count = draw(st.integers(0, 12))
    edges = []
    for index in range(count):
        makes = draw(st.integers(0, 10))
        last = makes + draw(st.integers(0, 6))
        edges.append(Stored(f"edge{index}", draw(st.sampled_from(KINDS)), draw(st.integers(1, 40)), makes, last))
    return edges


@settings(max_examples=500)
@given(edges=stored_edges())
def test_no_two_live_edges_share_memory(edges: list[Stored]) -> None:
    buffers = place(edges)
    assert [buffer.stored for buffer in buffers.values()] == edges
    sizes = arena_sizes(buffers)
    for now in range(20):
        for kind in KINDS:
            live = [b for b in buffers.values() if b.stored.type == kind and b.stored.makes <= now <= b.stored.last]
            taken = [place for b in live for place in range(b.offset, b.offset + b.stored.elements)]
            assert len(taken) == len(set(taken))
            assert all(0 <= place < sizes[kind] for place in taken)
            assert sum(b.stored.elements for b in live) <= sizes.get(kind, 0)
    for kind, size in sizes.items():
        assert size <= sum(edge.elements for edge in edges if edge.type == kind), "and no memory is wasted outright"


def test_edges_that_never_meet_share_memory() -> None:
    first, second = (Stored(str(i), KINDS[0], 10, 2 * i, 2 * i + 1) for i in range(2))
    assert arena_sizes(place([first, second])) == {KINDS[0]: 10}


@pytest.mark.parametrize(
    ("lo", "hi", "element", "number"),
    [
        (0, 0, "int8_t", "int32_t"),
        (-128, 127, "int8_t", "int32_t"),
        (0, 128, "uint8_t", "int32_t"),
        (0, 255, "uint8_t", "int32_t"),
        (-1, 128, "int16_t", "int32_t"),
        (-129, 0, "int16_t", "int32_t"),
        (0, 256, "int16_t", "int32_t"),
        (-32768, 32767, "int16_t", "int32_t"),
        (0, 32768, "uint16_t", "int32_t"),
        (0, 65535, "uint16_t", "int32_t"),
        (-1, 32768, "int32_t", "int32_t"),
        (-32769, 0, "int32_t", "int32_t"),
        (0, 65536, "int32_t", "int32_t"),
        (-(2**31), 2**31 - 1, "int32_t", "int32_t"),
        (0, 2**31, "int64_t", "int64_t"),
        (-(2**31) - 1, 0, "int64_t", "int64_t"),
        (-(2**63), 2**63 - 1, "int64_t", "int64_t"),
    ],
)
def test_types_at_their_ends(lo: int, hi: int, element: str, number: str) -> None:
    held = Range(lo, hi)
    assert (element_type(held).name, number_type(held).name) == (element, number)


# Names, and what the program is made of


@pytest.mark.parametrize(
    "name",
    [
        "int",
        "while",
        "stdint",
        "MATH",
        "string",
        "1x",
        "a-b",
        "a b",
        "main",
        "MAIN",
        "",
        "é",
        "naïve",
        "x\n",
        "_x",
        "x" * 32,
    ],
)
def test_what_is_no_name_in_c_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="want a name for C") as refused:
        c.to_c(random_graph(0), name)
    assert "\n" not in str(refused.value)


NASTY = (
    "*/",
    "/*",
    '"quoted"',
    "'",
    "two\nlines",
    "tab\t",
    "back\\slash",
    "\\",
    "??/",
    "ünï",
    "0",
    "7.1",
    "",
    "_Bool",
    "//",
)


def named(names: tuple[str, ...]) -> FrozenGraph:
    """A chain of ops with these names, as far as the graph allows them."""
    nodes: list[Node] = [Input(name="image", inputs=(), edge=Edge(shape=(1, 3, 3), T=1, lo=0, hi=255, scale=1.0))]
    tensors: dict[str, NDArray[np.int64]] = {}
    for index, name in enumerate(names):
        source = nodes[-1].name
        if index % 3 == 0:
            nodes.append(Conv(name=name, inputs=(source,), out_channels=1, weight_bits=2, kernel_size=(1, 1)))
            tensors[f"{name}.weight"] = np.ones((1, 1, 1, 1), dtype=np.int64)
        elif index % 3 == 1:
            nodes.append(Affine(name=name, inputs=(source,), fraction_bits=0))
            tensors |= {f"{name}.{part}": np.array([3 + index]) for part in ("multiplier", "offset")}
        else:
            dynamics = Dynamics(fraction_bits=5, leak_multiplier=1, leak_shift=0, v_reset=None)
            nodes.append(Fire(name=name, inputs=(source,), T=2, lo=0, hi=3, dynamics=dynamics))
    nodes.append(Reshape(name="flat", inputs=(nodes[-1].name,), shape=(9,)))
    nodes.append(Readout(name="logits", inputs=("flat",)))
    return FrozenGraph(Graph("a */ graph", tuple(nodes)), tensors)


def allowed(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        try:
            yield name if named((name,)) else ""
        except UserError:  # the graph says no, so nobody comes here with that name
            continue


@pytest.mark.parametrize("cc", COMPILERS)
def test_op_names_are_any_text(cc: str) -> None:
    assert not found(named(tuple(allowed(NASTY))), installed(cc), "-O1")


@settings(max_examples=20)
@given(names=st.lists(st.text(max_size=8), min_size=1, max_size=12, unique=True))
def test_op_names_are_any_text_at_all(names: list[str]) -> None:
    names = [name for name in names if name not in ("image", "flat", "logits")]
    net = named(tuple(allowed(tuple(names))))
    assert not found(net, installed("gcc"), "-O0")


@pytest.mark.parametrize("name", ["uint8_t", "printf", "e", "X_1", "networked", "NETWORK", "x" * 31])
def test_a_network_of_any_name_compiles(name: str, tmp_path: Path) -> None:
    written(c.to_c(random_graph(1), name), tmp_path)
    sources = [str(tmp_path / f"{name}.c"), str(tmp_path / "main.c")]
    subprocess.run([*installed("gcc"), *build.STRICT, *sources, "-o", str(tmp_path / "program")], check=True)


@pytest.mark.parametrize("level", ["-O0", "-Os", "-O3"])
@pytest.mark.parametrize("cc", COMPILERS)
def test_one_symbol_is_public_and_nothing_is_needed(cc: str, level: str, tmp_path: Path) -> None:
    installed("nm")
    for turn, net in enumerate([frozen("convnet", 0), *map(random_graph, range(4))]):
        program = c.to_c(net, "brain")
        written(program, tmp_path)
        text = program.files["brain.c"] + program.files["brain.h"]
        assert not re.search(r"\b(malloc|calloc|realloc|alloca|free|float|double|long|unsigned)\b", text), turn
        source, made = str(tmp_path / "brain.c"), str(tmp_path / "brain.o")
        subprocess.run([*installed(cc), *build.STRICT, level, "-c", source, "-o", made], check=True)
        symbols = [line.split()[-2:] for line in subprocess.check_output(["nm", made], text=True).splitlines()]
        public = ["brain_classify", "brain_run"] if net.readout.over != "each" else ["brain_run"]
        assert [name for kind, name in symbols if kind.isupper() and kind != "U"] == public, turn
        assert {name for kind, name in symbols if kind == "U"} <= {"memset", "memcpy", "memmove"}, turn


@pytest.mark.parametrize("name", FAMILIES)
def test_the_linker_counts_what_the_program_counts_and_the_code(name: str) -> None:
    program = c.to_c(frozen(name, 0))
    flash, ram = c.footprint(program, installed("gcc"))
    assert program.flash_bytes < flash < program.flash_bytes + 30_000
    assert program.ram_bytes <= ram < program.ram_bytes + 1_000


# Compilers


@pytest.mark.parametrize("wanted", ["no-such-cc", "no-such-cc -O2", "/no/such/cc", " ", "'gcc", "/"])
def test_a_missing_compiler_is_said_in_one_line(wanted: str) -> None:
    with pytest.raises(UserError, match="C compiler") as refused:
        c.compiler(wanted)
    assert "\n" not in str(refused.value)


def test_no_compiler_at_all_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="--cc") as refused:
        c.compiler()
    assert "\n" not in str(refused.value)


def test_the_compiler_may_be_named_with_its_flags() -> None:
    assert c.compiler(f"{installed('gcc')[0]} -O2 -DX='a b'") == ["gcc", "-O2", "-DX=a b"]


@pytest.mark.parametrize("cc", [["false"], ["gcc", "-include", "no-such-file.h"], ["gcc", "-fno-such-option"]])
def test_a_compiler_that_fails_is_said_in_one_line(cc: list[str]) -> None:
    installed(cc[0])
    net = random_graph(0)
    with pytest.raises(UserError, match=f"{cc[0]}: got 'status 1'") as refused:
        c.logits(net, images(net), cc)
    assert "\n" not in str(refused.value)


def test_a_compiler_that_makes_nothing_is_said_in_one_line() -> None:
    net = random_graph(0)
    with pytest.raises(UserError, match="--cc") as refused:
        c.logits(net, images(net), installed("true"))
    assert "\n" not in str(refused.value)


def test_a_trace_that_is_cut_short_is_refused() -> None:
    net = random_graph(0)
    program = c.to_c(net)
    size = sum(edge.elements * edge.type.bytes for edge in program.seen)
    with pytest.raises(UserError, match="want 2 images"):
        build.split_trace(net, program, bytes(size), 2)
