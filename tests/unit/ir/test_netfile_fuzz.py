"""Damaged and hostile files: `load` gives a network that runs within its proven ranges, or says no on one line.

Nothing else may come out of it: no other exception, no hang, no memory that the size of the file does not explain.
Files are made in three ways: by hand, by Hypothesis, which edits the JSON of the header, and by a loop that damages
bytes. The loop runs in a process of its own with little memory: ``python test_netfile_fuzz.py FOLDER COUNT SEED``, on
the files of a folder.
"""

from __future__ import annotations

import json
import random
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from copy import deepcopy
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitspike.backends import oracle
from bitspike.errors import UserError
from bitspike.ir import Conv, FrozenGraph, Pool, load
from bitspike.ir.netfile import FORMAT, to_bytes

MOST_SECONDS = 5.0  # of the processor, for one file
MOST_BYTES = 512 << 20  # of memory above what the modules take
MOST_WORK = 1 << 21  # numbers that a network may touch if it is to be run here


def check(file: Path, content: bytes) -> str:
    """What became of a file."""
    file.write_bytes(content)
    began = time.process_time()
    try:
        net = load(file)
    except UserError as wrong:
        assert len(str(wrong).splitlines()) == 1
        return "refused"
    finally:
        assert time.process_time() - began < MOST_SECONDS
    if work(net) > MOST_WORK:
        return "loaded, too large to run here"
    assert_within_ranges(net)
    file.write_bytes(to_bytes(net))
    assert to_bytes(load(file)) == to_bytes(net)
    return "ran"


def work(net: FrozenGraph) -> int:
    """Numbers that the oracle touches for one image."""
    total = 0
    for node in net.graph.nodes:
        edge = net.graph.edges[node.name]
        window = 1
        if isinstance(node, Conv):
            window = prod(node.weight_shape(net.graph.input_edge(node))[1:])
        elif isinstance(node, Pool):
            window = prod(node.kernel_size)
        if isinstance(node, Conv | Pool):
            channels, *sides = net.graph.input_edge(node).plane
            total += channels * prod(side + 2 * pad for side, pad in zip(sides, node.padding, strict=True)) * edge.T
        total += edge.size * edge.T * window
    return total


def assert_within_ranges(net: FrozenGraph) -> None:
    """On the darkest, the brightest and a mixed image."""
    shape, most = net.sample.array_shape, net.sample.hi - net.sample.lo
    mixed = (np.arange(prod(shape)) * 7919 % 1009 % (most + 1)).reshape(shape)
    edges = oracle.run(net, np.stack([np.zeros(shape), np.full(shape, most), mixed]).astype(np.uint8))
    for name, values in edges.items():
        assert net.ranges[name].lo <= values.min() <= values.max() <= net.ranges[name].hi, name
    for node in net.graph.neurons():
        potentials = node.fire(edges[node.inputs[0]])[1]
        proven = net.membranes[node.name]
        assert proven.lo <= potentials.min() <= potentials.max() <= proven.hi, node.name


# Bytes

NUMBERS = [b"%d" % n for n in (0, 1, -1, 2, 3, 7, 8, 30, 31, 62, 63, 64, 255, 1024, 1025, 2**16)]
NUMBERS += [b"%d" % (sign * 2**k + off) for k in (30, 31, 53, 61, 62, 63, 64) for sign in (-1, 1) for off in (-1, 0)]
NUMBERS += [b"1" + b"0" * 400, b"9" * 5000, b"1.5", b"1e999", b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}"]
TOKENS = [*(bytes([byte]) for byte in b'"[]{},:\\\0\xff'), b"\xed\xa0\x80", b"[" * 500, b"null", b"\\\\ud800", b"\\n"]
TOKENS += [rb"\"", rb"\"op\":\"relu\"", b"U8", b"BF16", b"F8_E4M3", b"BOOL", b"I64", b"__metadata__"]


def damaged(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The file after one to four damages. The length of the header is mostly put right again, so as to get further."""
    length = int.from_bytes(content[:8], "little")
    header, data = content[8 : 8 + length], content[8 + length :]
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4))):
        if chance.random() < 0.6:
            header = damage(header, others, chance)
        elif chance.random() < 0.8:
            data = damage(data, others, chance)[: len(data)].ljust(len(data), b"\0")
        else:
            data = damage(data, others, chance)
    told = len(header)
    if chance.random() < 0.1:
        told = chance.choice((0, 1, length, told - 1, told + 1, 2**31, 2**63, 2**64 - 1, chance.randrange(2**64)))
    whole = max(told, 0).to_bytes(8, "little") + header + data
    return damage(whole, others, chance) if chance.random() < 0.1 else whole


def damage(text: bytes, others: list[bytes], chance: random.Random) -> bytes:
    at, to = sorted(chance.randrange(len(text) + 1) for _ in range(2))
    match chance.randrange(16):
        case 0:  # a bit
            return text[:at] + bytes(byte ^ 1 << chance.randrange(8) for byte in text[at : at + 1]) + text[at + 1 :]
        case 1:
            return text[:at] + chance.randbytes(chance.choice((1, 1, 2, 8))) + text[at + 1 :]
        case 2:
            return text[:at] + chance.choice(TOKENS) + text[at:]
        case 3:
            return text[:at] + text[at + chance.choice((1, 1, 2, 8, 40)) :]
        case 4:
            return text[:at]
        case 5:  # twice
            return text[:to] + text[at : min(to, at + 400)] + text[to:]
        case 6:  # a piece of another file
            other = chance.choice(others)
            begin = chance.randrange(len(other))
            return text[:at] + other[begin : begin + chance.choice((1, 8, 60))] + text[at:]
        case 7:  # two fields of 8 bytes change places
            return text[:at] + text[to : to + 8] + text[at + 8 : to] + text[at : at + 8] + text[to + 8 :]
        case _:  # a number
            numbers = list(re.finditer(rb"-?\d+", text))
            if not numbers:
                return text
            found = chance.choice(numbers)
            number = chance.choice(NUMBERS) if chance.random() < 0.5 else b"%d" % chance.randrange(-1, 10)
            return text[: found.start()] + number + text[found.end() :]


def loop(folder: Path, count: int, seed: int) -> None:
    """Damages files until one gets through, which stays in the folder, or all have been seen."""
    if sys.platform == "linux":
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_BYTES, taken + MOST_BYTES))
    whole = [file.read_bytes() for file in sorted(folder.glob("*.bitspike"))]
    outcomes: Counter[str] = Counter()
    for index in range(count):
        chance = random.Random(f"{seed}/{index}")
        content = damaged(whole[index % len(whole)], whole, chance)
        try:
            outcomes[check(folder / "damaged", content)] += 1
        except BaseException:
            (folder / f"{seed}-{index}.wrong").write_bytes(content)
            print(f"file {index} of seed {seed}:", file=sys.stderr)
            raise
    print(json.dumps(outcomes))


@cache
def whole_files() -> tuple[bytes, ...]:
    """Every op, the same with a stored membrane, one with a loop; three that were a model, one of them of trains.

    They have no checksum, which would tell of any damage before all that is checked behind it.
    """
    import torch
    from test_netfile import every_op, file_of, looped_net, parts, stored_net

    from bitspike import BitPlan, Bits
    from bitspike.lowering import freeze
    from bitspike.models import build_model
    from bitspike.neurons import neuron_settings
    from bitspike.sample import Sample

    torch.manual_seed(0)
    found = [to_bytes(every_op()), to_bytes(stored_net()), to_bytes(looped_net())]
    for name, bits, v_reset in (("convnet", Bits(3, 2, 3), None), ("sew-resnet18", Bits(1, 1, 2), 0.0)):
        channels = (2, 2, 3) if name == "convnet" else (2, 2, 2, 2)
        neuron = neuron_settings(v_reset=v_reset)
        model = build_model(name, BitPlan(bits), sample=(1, 8, 8), num_classes=3, neuron=neuron, channels=channels)
        found.append(to_bytes(freeze(model.eval(), (1, 8, 8), name)))
    train, plan = Sample((2, 8, 8), 3, -1, 2), BitPlan(Bits(3, 2, 3))
    model = build_model("convnet", plan, sample=train, num_classes=3, channels=(2, 2, 3))
    found.append(to_bytes(freeze(model.eval(), train, "train", "each")))
    return tuple(file_of(*parts(content)) for content in found)


def run_loop(folder: Path, count: int, seed: int, minutes: float) -> dict[str, int]:
    for index, content in enumerate(whole_files()):
        (folder / f"{index}.bitspike").write_bytes(content)
    program = [sys.executable, __file__, str(folder), str(count), str(seed)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60 * minutes, check=False)
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, int] = json.loads(done.stdout)
    assert sum(outcomes.values()) == count
    return outcomes


def test_2000_damaged_files(tmp_path: Path) -> None:
    outcomes = run_loop(tmp_path, 2000, seed=1, minutes=5)
    assert outcomes["refused"] > 1000
    assert outcomes["ran"] > 50, "the damage is too coarse to get past the first checks"


@pytest.mark.slow
def test_100000_damaged_files(tmp_path: Path) -> None:
    outcomes = run_loop(tmp_path, 100_000, seed=2, minutes=30)
    assert outcomes["refused"] > 50_000
    assert outcomes["ran"] > 2_500


def test_the_loop_finds_a_planted_error(tmp_path: Path) -> None:
    """What the property excludes is seen, and the file is kept."""
    content = whole_files()[0]
    (tmp_path / "0.bitspike").write_bytes(content)
    script = f"""
import runpy, sys
import bitspike.ir.netfile as netfile
def careless(*_):
    raise KeyError("planted")
netfile._unpacked = careless
sys.argv = ["fuzz", {str(tmp_path)!r}, "50", "0"]
runpy.run_path({__file__!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "planted" in done.stderr
    assert [file.suffix for file in tmp_path.glob("0-*")] == [".wrong"]


# The JSON of the header

ODD: list[Any] = [None, True, False, "", "x", "images", "neuron1", "conv", "\n", "\ud800", "é", "a" * 5000]
ODD += [0, 1, -1, 2, 3, 7, 8, 30, 31, 62, 63, 64, 128, 255, 256, 1024, 1025, 2**16, 2**16 + 1, 2**30, 2**31]
ODD += [2**53, 2**61, 2**62 - 1, 2**62, 2**63 - 1, 2**63, -(2**63), 2**64, 10**18, 10**400, -(10**4000)]
ODD += [0.0, -0.0, 1.0, 0.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan")]
ODD += [[], {}, [[]], [{}], [1], [1, 1], [0, 0], [2, 2], [1, 2**15], [2**30, 1], [1, 1, 1], [3, 2**14, 2**14], [1] * 50]
ODD += ["input", "linear", "fire", "relu", "affine", "readout", "U8", "I64", "BF16", {"op": "relu", "name": "r"}]


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    found = []
    if isinstance(tree, dict | list):
        keys = list(tree) if isinstance(tree, dict) else range(len(tree))
        for key in keys:
            found += [(tree, key), *places(tree[key])]
    return found


def edit(data: st.DataObject, tree: Any) -> None:
    spots = places(tree)
    container, key = spots[data.draw(st.integers(0, len(spots) - 1))]
    value = container[key]
    odd = st.sampled_from(ODD)
    match data.draw(st.sampled_from(["replace", "replace", "change", "change", "copy", "delete", "insert"])):
        case "replace":
            container[key] = deepcopy(data.draw(odd))
        case "change" if isinstance(value, int | float):
            container[key] = data.draw(st.sampled_from([value + 1, value - 1, 2 * value, -value, value // 2]))
        case "copy":
            source, name = spots[data.draw(st.integers(0, len(spots) - 1))]
            container[key] = deepcopy(source[name])
        case "delete":
            del container[key]
        case _ if isinstance(container, list):
            container.insert(key, deepcopy(data.draw(st.just(value) | odd)))
        case _:
            field = data.draw(st.sampled_from(["bias", "T", "scale", "dynamics", "groups", "padding", "x"]))
            container[field] = deepcopy(data.draw(odd))


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_edited_headers(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    from test_netfile import file_of, parts

    header, tensors = parts(data.draw(st.sampled_from(whole_files())))
    for _ in range(data.draw(st.integers(1, 3))):
        texts = header.get("__metadata__")
        in_graph = isinstance(texts, dict) and data.draw(st.integers(0, 4)) > 0
        tree = texts.get("graph") if in_graph else header
        if places(tree):
            edit(data, tree)
    check(tmp_path_factory.getbasetemp() / "edited", file_of(header, tensors))


# By hand


def image(**changes: Any) -> dict[str, Any]:
    edge = {"shape": [1, 2, 2], "T": 1, "lo": -128, "hi": 127, "scale": 0.01, **changes}
    return {"op": "input", "name": "images", "inputs": [], "edge": edge}


def node(op: str, name: str, *inputs: str, **fields: Any) -> dict[str, Any]:
    return {"op": op, "name": name, "inputs": list(inputs), **fields}


def fire(name: str, source: str, T: int = 2, lo: int = 0, hi: int = 1, **dynamics: Any) -> dict[str, Any]:
    integers = {"fraction_bits": 0, "leak_multiplier": 1, "leak_shift": 0, "v_reset": None, **dynamics}
    return node("fire", name, source, T=T, lo=lo, hi=hi, scale=1.0, dynamics=integers)


FLAT, ANSWER = node("reshape", "flat", "images", shape=[4]), node("readout", "answer", "flat")
AFTER = [node("reshape", "flat", "p", shape=[4]), ANSWER]
PAST = {"kernel_size": [10**4000] * 2, "stride": [1, 1], "padding": [10**4000 - 1] * 2}
WIDE = {"kernel_size": [2**61] * 2, "stride": [1, 1], "padding": [2**61 - 1] * 2}
HOSTILE: dict[str, list[dict[str, Any]]] = {
    "shape beyond the digits of Python": [image(shape=[10**4000, 10**4000, 1]), FLAT, ANSWER],
    "shape beyond 64 bits": [image(shape=[2**62 - 1] * 3), FLAT, ANSWER],
    "shape of many axes": [image(shape=[1] * 100_000), FLAT, ANSWER],
    "reshape to many axes": [image(), node("reshape", "p", "images", shape=[4] + [1] * 100), *AFTER],
    "axes twice": [image(), node("permute", "p", "images", axes=[0, 1, 1]), *AFTER],
    "axes beyond the shape": [image(), node("permute", "p", "images", axes=[0, 1, 10**4000]), *AFTER],
    "axes without end": [image(), node("permute", "p", "images", axes=[*range(100_000)]), *AFTER],
    "products of no term": [image(), node("matmul", "p", "images", "images", inner=0), *AFTER],
    "products of other terms": [image(), node("matmul", "p", "images", "images", inner=10**4000), *AFTER],
    "products that square": [
        image(shape=[1, 2, 2]),
        *(node("matmul", f"m{k}", *[f"m{k - 1}" if k else "images"] * 2, inner=2) for k in range(4000)),
        node("reshape", "flat", "m3999", shape=[4]),
        ANSWER,
    ],
    "window beyond floats": [image(), node("sum_pool", "p", "images", **PAST), *AFTER],
    "windows one after another": [
        image(),
        *(
            node("sum_pool", f"p{k}" if k else "p", f"p{k + 1}" if k < 4000 else "images", **WIDE)
            for k in range(4000, -1, -1)
        ),
        *AFTER,
    ],
    "sums that double": [
        image(),
        FLAT,
        *(node("add", f"a{k}", *[f"a{k - 1}" if k else "flat"] * 2) for k in range(4000)),
        node("readout", "answer", "a3999"),
    ],
    "potentials beyond 64 bits": [image(), FLAT, fire("f", "flat", v_reset=10**30), node("readout", "answer", "f")],
    "potentials of 2^61": [
        image(),
        FLAT,
        fire("f", "flat", T=9, v_init=2**61, v_reset=-(2**61)),
        node("readout", "answer", "f"),
    ],
    "potentials with a leak": [
        image(),
        FLAT,
        fire("f", "flat", T=9, v_init=2**40, leak_multiplier=2**30 - 1, leak_shift=30),
        node("readout", "answer", "f"),
    ],
    "many steps": [
        image(),
        FLAT,
        *(fire(f"f{k}", "flat", T=1024) for k in range(4000)),
        node("readout", "answer", "f0"),
    ],
    "as many steps as may be": [
        image(),
        FLAT,
        *(fire(f"f{k}", "flat", T=1024) for k in range(64)),
        node("readout", "answer", "f0"),
    ],
    "many ops": [image(), FLAT, *(fire(f"f{k}", "flat", T=2) for k in range(4000)), node("readout", "answer", "f0")],
    "more ops": [image(), *({**FLAT, "name": f"r{k}"} for k in range(100_000)), FLAT, ANSWER],
    "a name of 3 MB": [image(), {**FLAT, "name": "x" * 3_000_000}, ANSWER],
    "a field of 3 MB": [image(), {**FLAT, "x" * 3_000_000: 1}, ANSWER],
    "an op of 3 MB": [image(), {**FLAT, "op": "x" * 3_000_000}, ANSWER],
    "many inputs": [image(), {**FLAT, "inputs": ["images"] * 300_000}, ANSWER],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_graphs(tmp_path: Path, name: str) -> None:
    from test_netfile import file_of

    texts = {"format": FORMAT, "graph": {"name": "n", "dataset": "", "nodes": HOSTILE[name]}}
    loads = name in ("as many steps as may be", "many ops", "potentials of 2^61")
    assert (check(tmp_path / "hostile", file_of({"__metadata__": texts}, b"")) != "refused") == loads


@pytest.mark.parametrize("bits", [1, 8])
def test_memory_is_in_proportion_to_the_file(tmp_path: Path, bits: int) -> None:
    """A code of one bit becomes an int64, a few times over."""
    import tracemalloc

    from test_netfile import file_of

    count, file = 1 << 18, tmp_path / "net.bitspike"
    head = node("linear", "head", "flat", out_channels=count // 4, weight_bits=bits)
    nodes = [image(), FLAT, head, node("readout", "answer", "head")]
    tensor = {"dtype": "U8", "shape": [bits, count // 8], "data_offsets": [0, bits * count // 8]}
    texts = {"format": FORMAT, "graph": {"name": "n", "dataset": "", "nodes": nodes}}
    file.write_bytes(file_of({"__metadata__": texts, "head.weight": tensor}, bytes(bits * count // 8)))
    tracemalloc.start()
    try:
        load(file)
        assert tracemalloc.get_traced_memory()[1] < 60 * count
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    loop(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
