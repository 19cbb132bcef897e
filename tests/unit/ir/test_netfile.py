"""The file of a frozen network: what is saved is loaded, and whatever is wrong with a file is named on one line.

``python tests/unit/ir/test_netfile.py`` writes the golden file anew: only when the format becomes another one.
"""

from __future__ import annotations

import errno
import json
import os
import re
import struct
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bitspike import BitPlan, Bits
from bitspike.backends import oracle
from bitspike.bits import signed_range
from bitspike.errors import UserError
from bitspike.ir import (
    OPS,
    Accumulate,
    Add,
    Affine,
    Concat,
    Conv,
    Delay,
    Difference,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    Linear,
    MatMul,
    MaxPool,
    Node,
    Permute,
    Readout,
    Release,
    Relu,
    Reshape,
    Slice,
    SpikingMaxPool,
    Store,
    SumPool,
    SumTime,
    Synapse,
    Upsample,
    load,
    save,
    tensor_shapes,
)
from bitspike.ir.netfile import FORMAT, FORMATS, MOST_OPS, to_bytes
from bitspike.ir.ranges import Range
from bitspike.models import MODELS

GOLDEN = Path(__file__).parents[2] / "golden" / "frozen_network.bitspike"
HARD = Dynamics(fraction_bits=6, leak_multiplier=1, leak_shift=0, v_reset=0, rounds=True)
SOFT = Dynamics(fraction_bits=5, leak_multiplier=3, leak_shift=2, v_reset=None, v_init=4)
NODES: tuple[Node, ...] = (
    Input(name="images", inputs=(), edge=Edge(shape=(2, 6, 6), T=1, lo=-128, hi=127, scale=0.0078125)),
    Conv(
        name="stem",
        inputs=("images",),
        out_channels=4,
        weight_bits=2,
        kernel_size=(3, 2),
        stride=(1, 1),
        padding=(1, 1),
        dilation=(1, 2),
        groups=2,
    ),
    Affine(name="stem.current", inputs=("stem",), fraction_bits=6),
    Fire(name="neuron1", inputs=("stem.current",), T=2, lo=0, hi=3, scale=0.5, dynamics=HARD),
    MaxPool(name="pool", inputs=("neuron1",), kernel_size=(2, 2), stride=(2, 2), padding=(0, 1)),
    Conv(name="conv", inputs=("pool",), out_channels=4, weight_bits=1, kernel_size=(1, 1)),
    Affine(name="conv.current", inputs=("conv",), fraction_bits=5),
    Affine(name="shortcut.current", inputs=("pool",), fraction_bits=5),
    Add(name="sum", inputs=("conv.current", "shortcut.current")),
    Fire(name="neuron2", inputs=("sum",), T=2, lo=-1, hi=1, scale=1.0, dynamics=SOFT),
    SumPool(name="mean", inputs=("neuron2",), kernel_size=(2, 2), stride=(2, 1), padding=(1, 0)),
    Reshape(name="flat", inputs=("mean",), shape=(24,)),
    Linear(name="head", inputs=("flat",), out_channels=3, weight_bits=5),
    Affine(name="logits", inputs=("head",), fraction_bits=8),
    Readout(name="answer", inputs=("logits",)),
)


def filled(graph: Graph, dataset: str = "digits") -> FrozenGraph:
    """The graph with integers of every kind, the same ones always."""
    tensors = {}
    for node in graph.nodes:
        for name, shape in tensor_shapes(graph, node).items():
            count = int(np.prod(shape))
            mixed = np.arange(1, count + 1) * 7919 % 1009
            if isinstance(node, Synapse):
                lo, hi = signed_range(node.weight_bits)
                values = np.where(mixed % 2, lo, hi) if node.weight_bits == 1 else lo + mixed % (hi - lo + 1)
            else:
                values = mixed % 13 - 6 if name.endswith("multiplier") else mixed % 201 - 100
            tensors[name] = values.reshape(shape)
    return FrozenGraph(graph, tensors, dataset)


def every_op() -> FrozenGraph:
    return filled(Graph("every op", NODES))


def stored_net() -> FrozenGraph:
    """The same with a membrane of 4 bits in its last neurons."""
    store = Store(multiplier=5, shift=4, step=403, step_shift=2)
    stored = {"membrane_bits": 4, "dynamics": replace(SOFT, store=store)}
    nodes = tuple(replace(node, **stored) if node.name == "neuron2" else node for node in NODES)
    return filled(Graph("stored", nodes))


def squeezed_net() -> FrozenGraph:
    """The ops that networks with neurons before the synapses have beside: relu, and a sum over time."""
    (image, stem, current, fire, *_), (*_, head, logits, answer) = NODES, NODES
    nodes = (
        image,
        stem,
        current,
        Relu(name="positive", inputs=("stem.current",)),
        replace(fire, inputs=("positive",)),
        SumTime(name="squeezed", inputs=("neuron1",)),
        Conv(name="conv", inputs=("squeezed",), out_channels=4, weight_bits=3, kernel_size=(1, 1)),
        Affine(name="conv.current", inputs=("conv",), fraction_bits=6),
        Add(name="sum", inputs=("conv.current", "positive")),
        Fire(name="neuron2", inputs=("sum",), T=3, lo=-1, hi=1, scale=1.0, dynamics=SOFT),
        Reshape(name="flat", inputs=("neuron2",), shape=(144,)),
        head,
        logits,
        answer,
    )
    return filled(Graph("squeezed", nodes))


def settling_net() -> FrozenGraph:
    """What a converted network has beside: images and offsets for some steps, neurons that take spikes back."""
    nodes = (
        NODES[0],
        Release(name="eye", inputs=("images",), T=5, steps=3, parts=3),
        replace(NODES[1], inputs=("eye",)),
        Affine(name="stem.current", inputs=("stem",), fraction_bits=6, steps=3),
        Fire(
            name="neuron1",
            inputs=("stem.current",),
            T=5,
            lo=-1,
            hi=1,
            scale=0.5,
            dynamics=replace(SOFT, leak_multiplier=4, tracer=3),
        ),
        SpikingMaxPool(name="pool", inputs=("neuron1",), kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)),
        Reshape(name="flat", inputs=("pool",), shape=(144,)),
        *NODES[-3:],
    )
    return filled(Graph("settling", nodes))


def attending_net() -> FrozenGraph:
    """Products of spikes, and axes in another order."""
    first, (*_, head, logits, answer) = NODES[:4], NODES
    nodes = (
        *first,
        Permute(name="turned", inputs=("neuron1",), axes=(0, 2, 1)),
        MatMul(name="map", inputs=("neuron1", "turned"), inner=6),
        MatMul(name="mixed", inputs=("map", "neuron1"), inner=6),
        Accumulate(name="so far", inputs=("mixed",)),
        Difference(name="change", inputs=("so far",)),
        Affine(name="mixed.current", inputs=("change",), fraction_bits=6),
        Fire(name="neuron2", inputs=("mixed.current",), T=2, lo=-1, hi=1, scale=1.0, dynamics=SOFT),
        Reshape(name="flat", inputs=("neuron2",), shape=(144,)),
        head,
        logits,
        answer,
    )
    return filled(Graph("attending", nodes))


def looped_net() -> FrozenGraph:
    """Neurons that read what they sent a step before."""
    nodes = (
        *NODES[:2],
        Affine(name="stem.current", inputs=("stem",), fraction_bits=6),
        Delay(name="before", inputs=(), of="neuron1", edge=Edge(shape=(4, 6, 6), T=3, lo=-1, hi=2, scale=0.5)),
        Conv(name="back", inputs=("before",), out_channels=4, weight_bits=3, kernel_size=(3, 3), padding=(1, 1)),
        Affine(name="back.current", inputs=("back",), fraction_bits=6),
        Add(name="sum", inputs=("stem.current", "back.current")),
        Fire(name="neuron1", inputs=("sum",), T=3, lo=-1, hi=2, scale=0.5, dynamics=SOFT),
        Reshape(name="flat", inputs=("neuron1",), shape=(144,)),
        *NODES[-3:],
    )
    return filled(Graph("looped", nodes))


def routed_net() -> FrozenGraph:
    """Edges joined, cut and made larger; outputs of three axes and of one, each of its own kind."""
    (first, stem, current, fire, pool, *_), (*_, flat, head, logits, answer) = NODES, NODES
    pool = replace(pool, kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))
    nodes = (
        first,
        stem,
        current,
        fire,
        pool,
        Upsample(name="up", inputs=("pool",), factor=(2, 2)),
        Concat(name="both", inputs=("neuron1", "up", "images")),
        Slice(name="part", inputs=("both",), start=3, stop=9),
        Linear(name="places", inputs=("part",), out_channels=3, weight_bits=5),
        Affine(name="places.current", inputs=("places",), fraction_bits=6),
        replace(flat, inputs=("pool",), shape=(36,)),
        head,
        logits,
        Readout(name="map", inputs=("places.current",), scale=0.25),
        replace(answer, over="last", scale=0.5),
    )
    return filled(Graph("routed", nodes))


def some_images(net: FrozenGraph, count: int = 3) -> np.ndarray:
    """Pixels that no random generator of another version changes."""
    shape = (count, *net.graph.edges[net.graph.nodes[0].name].shape)
    return (np.arange(np.prod(shape)) * 7919 % 1009 % 256).astype(np.uint8).reshape(shape)


def assert_same(a: FrozenGraph, b: FrozenGraph) -> None:
    assert a.graph == b.graph
    assert a.dataset == b.dataset
    assert a.tensors.keys() == b.tensors.keys()
    for name, values in a.tensors.items():
        assert values.dtype == b.tensors[name].dtype == Range(int(values.min()), int(values.max())).dtype
        assert np.array_equal(values, b.tensors[name]), name
    assert (a.ranges, a.membranes) == (b.ranges, b.membranes)


# Files by hand


def parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header, with the graph as an object, and data."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"]["graph"] = json.loads(header["__metadata__"]["graph"])
    return header, content[end:]


def file_of(header: dict[str, Any], data: bytes) -> bytes:
    """A safetensors file without a checksum. The graph may be text already, which is how what is no JSON gets in."""
    header = deepcopy(header)
    texts = header.get("__metadata__")
    if isinstance(texts, dict):
        texts.pop("crc32", None)
    if isinstance(texts, dict) and not isinstance(texts.get("graph", ""), str):
        texts["graph"] = json.dumps(texts["graph"])
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def refused(folder: Path, content: bytes) -> str:
    """The line by which a file is refused."""
    (folder / "net.bitspike").write_bytes(content)
    with pytest.raises(UserError) as wrong:
        load(folder / "net.bitspike")
    assert len(str(wrong.value).splitlines()) == 1
    return str(wrong.value)


Edit = Callable[[dict[str, Any]], object]


def refused_graph(folder: Path, edit: Edit, net: FrozenGraph | None = None) -> str:
    """The line by which the network, that of every op, is refused, its graph edited."""
    header, data = parts(to_bytes(net or every_op()))
    edit(header["__metadata__"]["graph"])
    return refused(folder, file_of(header, data))


# What is saved is loaded


def test_every_op_comes_back(tmp_path: Path) -> None:
    net = every_op()
    size = save(net, tmp_path / "new" / "net.bitspike")
    assert size == (tmp_path / "new" / "net.bitspike").stat().st_size
    found = load(tmp_path / "new" / "net.bitspike")
    assert_same(found, net)
    shown = some_images(net)
    assert np.array_equal(oracle.logits(found, shown), oracle.logits(net, shown))
    assert np.ptp(oracle.logits(net, shown)) > 0


@pytest.mark.parametrize(
    "net", [squeezed_net(), settling_net(), attending_net(), looped_net(), routed_net()], ids=lambda net: net.graph.name
)
def test_the_other_ops_come_back(tmp_path: Path, net: FrozenGraph) -> None:
    nets = (squeezed_net(), settling_net(), attending_net(), looped_net(), routed_net(), every_op())
    assert {type(node) for other in nets for node in other.graph.nodes} == set(OPS.values())
    save(net, tmp_path / "net.bitspike")
    found = load(tmp_path / "net.bitspike")
    assert_same(found, net)
    shown = some_images(net)
    for ours, theirs in zip(oracle.outputs(found, shown), oracle.outputs(net, shown), strict=True):
        assert np.array_equal(ours, theirs)
        assert np.ptp(theirs) > 0


def test_older_versions_read_what_they_know(tmp_path: Path) -> None:
    """Only a network with what the second format has is written in it."""
    plain = every_op()
    named = replace(plain, classes=tuple(f"class {k}" for k in range(plain.graph.classes or 0)))
    for net, wanted in {
        plain: FORMATS[0],
        looped_net(): FORMATS[0],
        routed_net(): FORMATS[1],
        named: FORMATS[1],
    }.items():
        header, data = parts(to_bytes(net))
        texts = header["__metadata__"]
        assert texts["format"] == wanted
        texts["format"] = FORMATS[1 - FORMATS.index(wanted)]
        assert refused(tmp_path, file_of(header, data)) == (
            f"format: got {texts['format']!r}; the network has what {wanted} has: want that"
        )


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda nodes: nodes[5].update(factor=[2, 0]), r"upsample up: got \(2, 0\); wants factors of at least 1"),
        (
            lambda nodes: nodes[5].update(factor=[3, 2]),
            "concat both: got .*; wants inputs that differ in",
        ),
        (lambda nodes: nodes[5].update(factor=2), "factor: got 2"),
        (lambda nodes: nodes[5].update(factor=[2, 2**62]), "want an integer within"),
        (lambda nodes: nodes[5].update(factor=[2**20, 2**20]), "concat both|upsample up"),
        (lambda nodes: nodes[6].update(inputs=["neuron1"]), "concat both: got .*; wants two or more inputs"),
        (lambda nodes: nodes[6].update(inputs=[]), "concat both: got .*; wants two or more inputs"),
        (
            lambda nodes: nodes[6].update(inputs=["neuron1", "part"]),
            "concat both: got 'part'; its input is not",
        ),
        (lambda nodes: nodes[6].update(inputs=["neuron1", "up"]), r"slice part: got \(3, 9\); wants a range of the 8"),
        (lambda nodes: nodes[7].update(start=9), r"slice part: got \(9, 9\); wants 0 <= start < stop"),
        (lambda nodes: nodes[7].update(start=-1), r"slice part: got \(-1, 9\); wants 0 <= start < stop"),
        (lambda nodes: nodes[7].update(stop=11), r"slice part: got \(3, 11\); wants a range of the 10 channels"),
        (lambda nodes: nodes[7].update(stop=8), "tensor places.weight"),
        (lambda nodes: nodes[7].update(stop="9"), "stop: got '9'"),
        (lambda nodes: nodes.insert(0, nodes.pop()), "readout answer: got 'logits'; its input is not an earlier op"),
        (lambda nodes: nodes.insert(13, nodes[0] | {"name": "more"}), "want one input, first, and its readouts"),
        (lambda nodes: nodes.insert(10, nodes.pop(13)), "want one input, first, and its readouts, one or more, last"),
        (lambda nodes: nodes[14].update(name="map"), "op: got 'map'; the name is taken"),
        (lambda nodes: nodes[13].update(scale=0), "want a scale above 0"),
    ],
)
def test_a_damaged_route_is_refused_in_one_line(tmp_path: Path, edit: Any, says: str) -> None:
    line = refused_graph(tmp_path, lambda graph: edit(graph["nodes"]), routed_net())
    assert re.search(says, line), line


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"of": "neuron"}, "delay before: got 'neuron'; want the name of a later op"),
        ({"of": "stem"}, "delay before: got 'stem'; want the name of a later op"),
        ({"of": "back"}, "delay before: got .*; want a range that has all of back"),
        ({"of": 3}, "of: got 3"),
        ({"inputs": ["stem"]}, "wants 0 inputs"),
        ({"edge": {"shape": [4, 6, 6], "T": 3, "lo": -1, "hi": 3, "scale": 0.5}}, "want the edge of neuron1"),
        ({"edge": {"shape": [4, 6, 6], "T": 3, "lo": -1, "hi": 2, "scale": 0.25}}, "want the edge of neuron1"),
        ({"edge": {"shape": [4, 6, 6], "T": 3}}, "want the edge of neuron1"),
        ({"edge": {"shape": [4, 6, 6], "T": 2, "lo": -1, "hi": 2}}, "wants T=3"),
        ({"edge": {"shape": [4, 6, 6], "T": 1, "lo": -1, "hi": 2}}, "got 'one step'; want at least 2"),
        ({"edge": {"shape": [4, 6, 6], "T": 3, "lo": 1, "hi": 2}}, "want levels with 0"),
        ({"edge": {"shape": [4, 6, 6], "T": 3, "lo": -1, "hi": 2**63}}, "want an integer within"),
        ({"edge": None}, "edge: got None"),
    ],
)
def test_a_damaged_delay_is_refused_in_one_line(tmp_path: Path, edit: dict[str, Any], says: str) -> None:
    line = refused_graph(tmp_path, lambda graph: graph["nodes"][3].update(edit), looped_net())
    assert re.search(says, line)


def test_a_stored_membrane_comes_back(tmp_path: Path) -> None:
    net = stored_net()
    save(net, tmp_path / "net.bitspike")
    found = load(tmp_path / "net.bitspike")
    assert_same(found, net)
    shown = some_images(net)
    assert np.array_equal(oracle.logits(found, shown), oracle.logits(net, shown))
    assert not np.array_equal(oracle.logits(every_op(), shown), oracle.logits(net, shown))


@pytest.mark.parametrize(
    ("index", "path", "value", "named"),
    [
        (1, ("steps",), 6, "wants steps 1 to T"),
        (1, ("parts",), 0, "parts of at least 1"),
        (3, ("steps",), 6, "wants 1 to the 5 steps"),
        (4, ("dynamics", "tracer"), 0, "want 1 to"),
        (4, ("lo",), 1, "wants"),
    ],
)
def test_a_settling_network_that_is_wrong_is_named(
    tmp_path: Path, index: int, path: tuple[str, ...], value: int, named: str
) -> None:
    def edit(raw: dict[str, Any]) -> None:
        *sections, last = path
        section = raw["nodes"][index]
        for name in sections:
            section = section[name]
        section[last] = value

    assert named in refused_graph(tmp_path, edit, settling_net())


def test_what_is_the_default_is_not_written() -> None:
    """A file without stored membranes does not name them: versions that know of none read it."""
    raw = parts(to_bytes(every_op()))[0]["__metadata__"]["graph"]["nodes"]
    integers = {"fraction_bits": 6, "leak_multiplier": 1, "leak_shift": 0, "v_reset": 0, "rounds": True}
    assert raw[3]["dynamics"] == integers
    assert "membrane_bits" not in raw[3]
    raw = parts(to_bytes(stored_net()))[0]["__metadata__"]["graph"]["nodes"]
    assert raw[9]["membrane_bits"] == 4
    assert raw[9]["dynamics"]["store"] == {"multiplier": 5, "shift": 4, "step": 403, "step_shift": 2}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_family_comes_back(tmp_path: Path, name: str) -> None:
    import torch

    from bitspike.lowering import freeze
    from bitspike.models import build_model

    torch.manual_seed(0)
    stages = {"convnet": 3, "vgg9": 3, "vgg16": 5, "vggsnn": 5, "yolov3": 6}.get(
        name, 3 if "thin" in name or name.endswith(("resnet19", "resnet20")) else 4
    )
    shape, channels = (3, 32, 32), tuple(4 + 2 * k for k in range(stages))
    channels = (6, 12, 24, 48) if "spikformer" in name else channels  # heads divide the last
    model = build_model(name, BitPlan(Bits(2, 2, 2)), sample=shape, num_classes=5, channels=channels)
    with torch.no_grad():
        model(torch.randint(0, 256, (4, *shape), dtype=torch.uint8))  # learned steps start from what they see
    net = replace(freeze(model.eval(), shape, name), dataset="cifar10")
    save(net, tmp_path / "net.bitspike")
    assert_same(load(tmp_path / "net.bitspike"), net)


@pytest.mark.parametrize("bits", range(1, 16))
def test_codes_of_every_width_come_back(tmp_path: Path, bits: int) -> None:
    nodes = tuple(replace(node, weight_bits=bits) if isinstance(node, Linear) else node for node in NODES)
    net = filled(Graph("n", nodes))
    assert int(np.abs(net.tensors["head.weight"]).max()) > signed_range(bits)[1] // 2
    save(net, tmp_path / "net.bitspike")
    assert_same(load(tmp_path / "net.bitspike"), net)


def test_names_and_scales_come_back(tmp_path: Path) -> None:
    """Any name that can be printed, also of a tensor, and floats to the last bit."""
    renamed = {"images": "é", "stem": "a b/\\\"'", "neuron1": "__metadata__", "pool": "", "answer": "日本.weight"}
    nodes = [
        replace(node, name=renamed.get(node.name, node.name), inputs=tuple(renamed.get(n, n) for n in node.inputs))
        for node in NODES
    ]
    nodes = [replace(node, scale=0.1 + 0.2) if isinstance(node, Fire) else node for node in nodes]
    net = filled(Graph("ü", tuple(nodes)), "")
    save(net, tmp_path / "net.bitspike")
    assert_same(load(tmp_path / "net.bitspike"), net)


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    """In every process too: the library below writes the texts of its header in an order of chance."""
    content = to_bytes(every_op())
    assert {to_bytes(every_op()) for _ in range(20)} == {content}
    save(every_op(), tmp_path / "net.bitspike")
    assert to_bytes(load(tmp_path / "net.bitspike")) == content
    end = 8 + int.from_bytes(content[:8], "little")
    assert end % 8 == 0
    assert list(json.loads(content[8:end])["__metadata__"]) == ["crc32", "format", "graph"]


def test_a_bit_that_turned_is_refused(tmp_path: Path) -> None:
    """One of each byte of the format and the graph; and each of the numbers, of which only a sum tells."""
    content = to_bytes(every_op())
    end = 8 + int.from_bytes(content[:8], "little")
    for at in range(content.index(b'"format"'), len(content[:end].rstrip())):
        refused(tmp_path, turned(content, at, 1))
    for at in range(end, len(content)):
        for bit in range(8):
            assert "its checksum is another" in refused(tmp_path, turned(content, at, 1 << bit))


def test_a_file_of_before_checksums_is_read(tmp_path: Path) -> None:
    old = tmp_path / "old.bitspike"
    old.write_bytes(file_of(*parts(to_bytes(every_op()))))
    assert b"crc32" not in old.read_bytes()
    assert_same(load(old), every_op())


def turned(content: bytes, at: int, bits: int) -> bytes:
    return content[:at] + bytes([content[at] ^ bits]) + content[at + 1 :]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("before", [None, b"before"])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, before: bytes | None
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "net.bitspike"
    if before:
        file.write_bytes(before)
    monkeypatch.setattr(os, step, full_disk)
    with pytest.raises(UserError, match=r"write: got '.*net\.bitspike'; No space left on device"):
        save(every_op(), file)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == ([before] if before else [])


def test_a_large_network_takes_its_weights_and_two_percent() -> None:
    import torch

    from bitspike.lowering import freeze
    from bitspike.models import build_model

    torch.manual_seed(0)
    model = build_model("vgg9", BitPlan(Bits(2, 2, 1)), sample=(3, 32, 32), num_classes=10)
    net = freeze(model.eval(), (3, 32, 32))
    packed = sum(net.tensors[f"{node.name}.weight"].size * node.weight_bits for node in net.graph.synapses()) / 8
    assert packed >= 1_000_000 * 2 / 8
    assert len(to_bytes(net)) <= 1.02 * packed


# The golden file


def write_golden() -> None:
    net = every_op()
    save(net, GOLDEN)
    logits = oracle.logits(net, some_images(net, 5)).tolist()
    GOLDEN.with_suffix(".json").write_text(json.dumps({"logits": logits}) + "\n")


def test_a_file_of_format_1_is_still_read() -> None:
    net = load(GOLDEN)
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())["logits"]
    assert oracle.logits(net, some_images(net, 5)).tolist() == expected
    assert_same(net, every_op())


def test_the_golden_file_can_be_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = GOLDEN.with_suffix(".json").read_text()
    monkeypatch.setattr(sys.modules[__name__], "GOLDEN", tmp_path / GOLDEN.name)
    write_golden()
    assert (tmp_path / GOLDEN.name).with_suffix(".json").read_text() == expected
    assert load(tmp_path / GOLDEN.name).dataset == "digits"


# What is wrong is named

WRONG: dict[str, list[object]] = {
    "str": [1, 1.5, None, True, [], {}],
    "tuple[str, ...]": ["images", 1, None, True, {}, [1], [None], [["images"]]],
    "Edge": ["x", 1, None, True, [], {}],
    "int": ["1", 1.5, 1.0, None, True, False, [], {}, [1], float("nan"), float("inf")],
    "int | None": ["1", 1.5, True, [], {}, float("nan")],
    "bool": [0, 1, "true", None, [], {}],
    "Pair": [1, None, "ab", {}, [], [1], [1, 2, 3], ["a", 1], [True, 1], [1, 1.5], [1, None], [[1], 1]],
    "tuple[int, ...]": [24, None, "24", {}, ["24"], [24.0], [True], [None], [[24]]],
    "float | None": ["1", True, [], {}, float("nan"), float("inf"), -float("inf"), 1e999],
    "AnyDynamics | None": [1, "x", [], True],
    "Store | None": [1, "x", [], True],
    "Over": ["mean", "SUM", "", 1, None, True, [], {}],
}
NODE_FIELDS = [
    (index, field.name, str(field.type), field.default is MISSING)
    for index, node in enumerate(NODES)
    for field in fields(node)
]
INSIDE = [  # where an object is inside an op
    (0, "edge", field.name, str(field.type), field.default is MISSING) for field in fields(Edge)
] + [(3, "dynamics", field.name, str(field.type), field.default is MISSING) for field in fields(Dynamics)]
SLOTS = [(index, (name,), kind, required) for index, name, kind, required in NODE_FIELDS] + [
    (index, (outer, name), kind, required) for index, outer, name, kind, required in INSIDE
]


def slot(raw: dict[str, Any], index: int, path: tuple[str, ...]) -> dict[str, Any]:
    """The object that holds the last part of the path."""
    found: dict[str, Any] = raw["nodes"][index]
    for part in path[:-1]:
        found = found[part]
    return found


@pytest.mark.parametrize(
    ("index", "path", "kind", "required"),
    SLOTS,
    ids=lambda part: ".".join(part) if isinstance(part, tuple) else str(part),
)
def test_each_wrong_field_is_named(
    tmp_path: Path, index: int, path: tuple[str, ...], kind: str, required: bool
) -> None:
    where = f"graph nodes[{index}].{'.'.join(path)}"
    for value in WRONG[kind]:

        def give(raw: dict[str, Any], value: object = value) -> None:
            slot(raw, index, path)[path[-1]] = value

        assert refused_graph(tmp_path, give).startswith(where), value
    if required:
        said = refused_graph(tmp_path, lambda raw: slot(raw, index, path).pop(path[-1]))
        assert said.startswith(where)
        assert "required" in said


STORE = ("dynamics", "store")


@pytest.mark.parametrize("name", [field.name for field in fields(Store)])
def test_each_wrong_field_of_a_store_is_named(tmp_path: Path, name: str) -> None:
    where = f"graph nodes[9].dynamics.store.{name}: "
    for value in WRONG["int"]:

        def give(raw: dict[str, Any], value: object = value) -> None:
            slot(raw, 9, (*STORE, name))[name] = value

        assert refused_graph(tmp_path, give, stored_net()).startswith(where), value
    said = refused_graph(tmp_path, lambda raw: slot(raw, 9, (*STORE, name)).pop(name), stored_net())
    assert said.startswith(where)
    assert "required" in said
    for huge in (*HUGE, -1):
        said = refused_graph(
            tmp_path, lambda raw, huge=huge: slot(raw, 9, (*STORE, name)).update({name: huge}), stored_net()
        )
        assert said.startswith("graph nodes[9].dynamics.store"), huge
        assert name in said


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ((*STORE, "colour"), 1, "graph nodes[9].dynamics.store.colour: got 1; "),
        ((*STORE, "multiplier"), 0, "graph nodes[9].dynamics.store: multiplier: got 0; want 1 to 1073741824"),
        ((*STORE, "shift"), 61, "graph nodes[9].dynamics.store: shift: got 61; want 0 to 60"),
        ((*STORE, "step"), 2**46 + 1, "graph nodes[9].dynamics.store: step: got 70368744177665; want 0 to"),
        ((*STORE, "step_shift"), 31, "graph nodes[9].dynamics.store: step_shift: got 31; want 0 to 30"),
        (STORE, {}, "graph nodes[9].dynamics.store.multiplier"),
        (STORE, None, "fire neuron2: got 'membrane_bits=4'; want a store in its dynamics"),
        (("membrane_bits",), None, "fire neuron2: got 'membrane_bits=None'; want the membrane_bits of its store"),
        (("membrane_bits",), 1, "graph nodes[9]: fire neuron2: got 1; wants membrane_bits 2 to 16"),
        (("membrane_bits",), 17, "graph nodes[9]: fire neuron2: got 17; wants membrane_bits 2 to 16"),
    ],
)
def test_a_store_that_is_wrong_is_named(tmp_path: Path, path: tuple[str, ...], value: object, named: str) -> None:
    said = refused_graph(tmp_path, lambda raw: slot(raw, 9, path).update({path[-1]: value}), stored_net())
    assert said.startswith(named)


HUGE: list[int] = [2**62, -(2**63), 10**20, -(10**400), 10**4000]


@pytest.mark.parametrize(("index", "path", "kind"), [(i, path, kind) for i, path, kind, _ in SLOTS])
def test_integers_beyond_64_bits_are_named(tmp_path: Path, index: int, path: tuple[str, ...], kind: str) -> None:
    """By the op's own check, or by the field."""
    for huge in HUGE if kind in ("int", "int | None") else [[2**62, 1], [1, 10**400]] if kind == "Pair" else []:

        def give(raw: dict[str, Any], huge: object = huge) -> None:
            slot(raw, index, path)[path[-1]] = huge

        assert refused_graph(tmp_path, give).startswith(f"graph nodes[{index}]"), huge


@pytest.mark.parametrize("index", range(len(NODES)))
def test_an_extra_field_is_named(tmp_path: Path, index: int) -> None:
    said = refused_graph(tmp_path, lambda raw: raw["nodes"][index].update(colour=1))
    assert said.startswith(f"graph nodes[{index}].colour: got 1; ")


@pytest.mark.parametrize(("index", "outer"), [(0, "edge"), (3, "dynamics")])
def test_an_extra_field_inside_is_named(tmp_path: Path, index: int, outer: str) -> None:
    said = refused_graph(tmp_path, lambda raw: raw["nodes"][index][outer].update(colour=1))
    assert said.startswith(f"graph nodes[{index}].{outer}.colour: got 1; ")


@pytest.mark.parametrize(
    ("index", "path", "value", "named"),
    [
        (0, ("edge", "shape"), [2, 0, 6], "graph nodes[0].edge: shape"),
        (0, ("edge", "shape"), [], "graph nodes[0].edge: shape"),
        (0, ("edge", "shape"), [6, 6], "conv stem: got ((3, 3), (1, 1), (1, 1)); wants windows of one row"),
        (0, ("edge", "T"), 0, "graph nodes[0].edge: T"),
        (0, ("edge", "T"), 3, "fire neuron1: got '3 steps'; wants T=2"),
        (0, ("edge", "lo"), 128, "graph nodes[0].edge: range"),
        (0, ("edge", "lo"), None, "graph nodes[0].edge: range"),
        (0, ("edge", "hi"), 128, "256 levels"),
        (0, ("edge", "hi"), -128, "256 levels"),
        (1, ("out_channels",), 0, "graph nodes[1]: conv stem: got (0, 2); wants out_channels"),
        (1, ("out_channels",), 3, "2 groups"),
        (1, ("weight_bits",), 0, "weight_bits 1 to 16"),
        (1, ("weight_bits",), 17, "weight_bits 1 to 16"),
        (1, ("weight_bits",), 3, "tensor stem.weight, planes: got (2, 3); want 3, as the op's weight_bits"),
        (1, ("bias",), True, "conv stem: got 'a bias'"),
        (1, ("kernel_size",), [0, 1], "graph nodes[1]: conv stem"),
        (1, ("kernel_size",), [99, 1], "conv stem"),
        (1, ("stride",), [1, 0], "wants kernel and stride"),
        (1, ("padding",), [-1, 0], "padding of at least 0"),
        (1, ("dilation",), [1, 0], "wants dilation and groups"),
        (1, ("dilation",), [99, 1], "conv stem"),
        (1, ("groups",), 0, "wants dilation and groups"),
        (1, ("groups",), 3, "3 groups"),
        (2, ("fraction_bits",), -1, "wants fraction_bits 0 to 30"),
        (2, ("fraction_bits",), 31, "wants fraction_bits 0 to 30"),
        (2, ("fraction_bits",), None, "affine stem.current: got None; want its fraction bits"),
        (3, ("T",), 0, "graph nodes[3]: fire neuron1: got (0, 0, 3); wants T >= 1"),
        (3, ("T",), 3, "fire neuron2: got '3 steps'; wants T=2"),
        (3, ("lo",), 4, "graph nodes[3]: fire neuron1: got (2, 4, 3)"),
        (3, ("hi",), 2**16 + 1, "levels within +-65536"),
        (3, ("dynamics",), None, "fire neuron1"),
        (3, ("dynamics", "fraction_bits"), 31, "graph nodes[3].dynamics: fraction_bits: got 31"),
        (3, ("dynamics", "fraction_bits"), -1, "graph nodes[3].dynamics: fraction_bits: got -1"),
        (3, ("dynamics", "leak_shift"), 31, "graph nodes[3].dynamics: leak_shift: got 31"),
        (3, ("dynamics", "leak_multiplier"), 2, "graph nodes[3].dynamics: leak_multiplier: got 2"),
        (3, ("dynamics", "leak_multiplier"), -1, "graph nodes[3].dynamics: leak_multiplier: got -1"),
        (3, ("dynamics", "v_reset"), 2**62, "graph nodes[3].dynamics: v_reset"),
        (3, ("dynamics", "v_init"), -(2**62), "graph nodes[3].dynamics: v_init"),
        (4, ("kernel_size",), [0, 1], "graph nodes[4]: maxpool pool"),
        (4, ("stride",), [0, 1], "graph nodes[4]: maxpool pool"),
        (4, ("padding",), [2, 0], "padding smaller than the window"),
        (8, ("inputs",), ["conv.current"], "add sum: got ('conv.current',); wants 2 inputs"),
        (8, ("inputs",), ["conv.current", "nobody"], "add sum: got 'nobody'"),
        (8, ("inputs",), ["conv.current", "answer"], "add sum: got 'answer'"),
        (8, ("name",), "conv", "op: got 'conv'; the name is taken"),
        (10, ("kernel_size",), [-1, 1], "graph nodes[10]: sumpool mean"),
        (10, ("padding",), [1, 2], "graph nodes[10]: sumpool mean"),
        (11, ("shape",), [], "graph nodes[11]: reshape flat"),
        (11, ("shape",), [-4, -6], "graph nodes[11]: reshape flat"),
        (11, ("shape",), [23], "reshape flat"),
        (12, ("out_channels",), 2**61, "tensor head.weight, planes"),
        (12, ("weight_bits",), 16, "tensor head.weight, planes"),
        (14, ("name",), 14 * "x" + "\ud800", "graph nodes[14]"),
    ],
)
def test_a_value_out_of_range_is_named(
    tmp_path: Path, index: int, path: tuple[str, ...], value: object, named: str
) -> None:
    assert named in refused_graph(tmp_path, lambda raw: slot(raw, index, path).update({path[-1]: value}))


@pytest.mark.parametrize(
    ("op", "named"),
    [
        ("lineer", "graph nodes[12].op: got 'lineer'; did you mean 'linear'?"),
        ("Linear", "did you mean 'linear'?"),
        ("", "known: accumulate, add, "),
        (None, "graph nodes[12].op: got None"),
        (["linear"], "graph nodes[12].op"),
        (True, "graph nodes[12].op"),
        ("relu", "graph nodes[12].out_channels"),
    ],
)
def test_an_unknown_op_is_named(tmp_path: Path, op: object, named: str) -> None:
    assert named in refused_graph(tmp_path, lambda raw: raw["nodes"][12].update(op=op))


def test_a_relu_has_no_tensors(tmp_path: Path) -> None:
    raw = {"op": "relu", "name": "conv.current", "inputs": ["conv"]}
    header, data = parts(to_bytes(every_op()))
    header["__metadata__"]["graph"]["nodes"][6] = raw
    assert "tensor: got 'conv.current.multiplier'; no op of the graph has it" in refused(
        tmp_path, file_of(header, data)
    )


def drop_first(raw: dict[str, Any]) -> None:
    del raw["nodes"][0]


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda raw: raw.clear(), "graph: got []; want an object with name, dataset, nodes"),
        (lambda raw: raw.pop("dataset"), "graph: got ['name', 'nodes']"),
        (lambda raw: raw.update(extra=1), "graph: got ['dataset', 'extra', 'name', 'nodes']"),
        (lambda raw: raw.update(name=None), "graph name: got None; want text"),
        (lambda raw: raw.update(name="a\nb"), "graph name: got 'a\\nb'; want printable text"),
        (lambda raw: raw.update(dataset="\ud800"), "graph dataset: got '\\ud800'; want printable text"),
        (lambda raw: raw.update(dataset=["digits"]), "graph dataset: got ['digits']; want text"),
        (lambda raw: raw.update(nodes={}), "graph nodes: got 'dict'; want a list"),
        (lambda raw: raw.update(nodes="x"), "graph nodes: got 'str'; want a list"),
        (lambda raw: raw.update(nodes=None), "graph nodes: got 'NoneType'; want a list"),
        (lambda raw: raw.update(nodes=[]), "tensor: got "),
        (lambda raw: raw.update(nodes=[None]), "graph nodes[0]: got 'NoneType'; want an object"),
        (lambda raw: raw.update(nodes=[[]]), "graph nodes[0]: got 'list'; want an object"),
        (lambda raw: raw.update(nodes=[{}] * (MOST_OPS + 1)), f"graph nodes: got '{MOST_OPS + 1} ops'; want at most"),
        (drop_first, "conv stem: got 'images'; its input is not an earlier op"),
        (lambda raw: raw["nodes"].append(raw["nodes"][-1]), "op: got 'answer'; the name is taken by an earlier op"),
        (lambda raw: raw["nodes"].reverse(), "its input is not an earlier op"),
        (lambda raw: raw["nodes"].pop(), "graph: got 'input affine'; want one input, first, and its readouts"),
        (lambda raw: raw["nodes"].append({"op": "readout", "name": "b", "inputs": ["logits"]}), "want that"),
        (
            lambda raw: raw["nodes"].insert(1, {**raw["nodes"][0], "name": "b"}),
            "graph: got 'input readout'; want one input, first",
        ),
    ],
)
def test_a_wrong_graph_is_named(tmp_path: Path, edit: Edit, named: str) -> None:
    assert named in refused_graph(tmp_path, edit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nonsense",
        '{"name":"n","dataset":"","nodes":[]} {}',
        '{"name":"n","dataset":"","nodes":[{"op":"fire","T":1' + "0" * 5000 + "}]}",
        *('{"name":"n","dataset":"","nodes":' + "[" * deep + "]" * deep + "}" for deep in (2000, 1_000_000)),
        *('{"a":' * deep + "1" + "}" * deep for deep in (2000, 100_000)),
    ],
    ids=lambda text: text[:20],
)
def test_a_graph_that_is_no_json_is_named(tmp_path: Path, text: str) -> None:
    header, data = parts(to_bytes(every_op()))
    header["__metadata__"]["graph"] = text
    assert refused(tmp_path, file_of(header, data)).startswith("graph: got ")


@pytest.mark.parametrize("deep", [10, 150, 250, 600, 900, *range(940, 1000, 3)])
@pytest.mark.parametrize("where", ["name", "nodes", "op", "edge"])
def test_nesting_of_any_depth_is_refused(tmp_path: Path, deep: int, where: str) -> None:
    """Deep enough for one parser is too deep for another: none may end in a RecursionError."""
    nest = "[" * deep + "]" * deep
    node = {"op": f'{{"op":{nest}}}', "edge": f'{{"op":"input","name":"a","inputs":[],"edge":{nest}}}'}.get(where, nest)
    name = nest if where == "name" else '"n"'
    header, data = parts(to_bytes(every_op()))
    header["__metadata__"]["graph"] = f'{{"name":{name},"dataset":"","nodes":[{node}]}}'
    assert refused(tmp_path, file_of(header, data)).startswith("graph")


def test_a_graph_of_too_many_bytes_is_neither_read_nor_written(tmp_path: Path) -> None:
    header, data = parts(to_bytes(every_op()))
    header["__metadata__"]["graph"]["name"] = "x" * (1 << 22)
    assert "want at most 4194304" in refused(tmp_path, file_of(header, data))
    with pytest.raises(UserError, match="want at most 4194304"):
        to_bytes(filled(Graph("x" * (1 << 22), NODES)))


def test_more_ops_than_can_be_read_are_not_written() -> None:
    shapes = [Reshape(name=f"r{i}", inputs=(f"r{i - 1}" if i else "images",), shape=(72,)) for i in range(MOST_OPS)]
    net = filled(Graph("n", (NODES[0], *shapes, Readout(name="answer", inputs=(shapes[-1].name,)))))
    with pytest.raises(UserError, match=f"graph nodes: got '{MOST_OPS + 2} ops'"):
        to_bytes(net)


# What is wrong with tensors and with the file

U8 = {"dtype": "U8", "shape": [2, 1], "data_offsets": [0, 2]}
Whole = Callable[[dict[str, Any], bytes], bytes]


def without(name: str) -> Whole:
    """The file without one tensor: its bytes go, too."""

    def edit(header: dict[str, Any], data: bytes) -> bytes:
        begin, end = header.pop(name)["data_offsets"]
        for key, info in header.items():
            if key != "__metadata__" and info["data_offsets"][0] >= end:
                info["data_offsets"] = [offset - (end - begin) for offset in info["data_offsets"]]
        return data[:begin] + data[end:]

    return edit


def with_tensor(name: str, dtype: str, shape: list[int], size: int) -> Whole:
    """The file with another tensor under a name, new or not."""

    def edit(header: dict[str, Any], data: bytes) -> bytes:
        data = without(name)(header, data) if name in header else data
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + size]}
        return data + bytes(size)

    return edit


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (without("head.weight"), "tensor: got 'head.weight'; it is missing"),
        (without("stem.current.offset"), "tensor: got 'stem.current.offset'; it is missing"),
        (with_tensor("head.bias", "U8", [1, 1], 1), "tensor: got 'head.bias'; no op of the graph has it"),
        (with_tensor("head.weight", "U8", [5, 8], 40), "tensor head.weight, planes: got (5, 8); want 9 bytes each"),
        (with_tensor("head.weight", "U8", [5, 10], 50), "tensor head.weight, planes: got (5, 10); want 9 bytes each"),
        (with_tensor("head.weight", "U8", [4, 9], 36), "tensor head.weight, planes: got (4, 9); want 5, as the op's"),
        (with_tensor("head.weight", "U8", [45], 45), "tensor head.weight, planes: got (45,); want 5"),
        (with_tensor("head.weight", "U8", [5], 5), "tensor head.weight, planes: got ('uint8', (5,))"),
        (with_tensor("head.weight", "U8", [5, 3, 3], 45), "tensor head.weight, planes: got ('uint8', (5, 3, 3))"),
        (with_tensor("head.weight", "U8", [], 1), "tensor head.weight, planes: got ()"),
        (with_tensor("head.weight", "U8", [0, 2**62], 0), "tensor head.weight, planes: got (0, "),
        (with_tensor("logits.offset", "U8", [], 1), "tensor logits.offset, planes: got ('uint8', ())"),
        (with_tensor("logits.offset", "U8", [64, 1], 64), "tensor logits.offset, planes: got ('uint8', (64, 1))"),
        (with_tensor("logits.offset", "U8", [0, 1], 0), "tensor logits.offset, planes: got ('uint8', (0, 1))"),
        (with_tensor("head.weight", "I8", [5, 9], 45), "tensor head.weight, planes: got ('int8', (5, 9)); want uint8"),
        (with_tensor("head.weight", "BOOL", [5, 9], 45), "tensor head.weight, planes: got ('bool', (5, 9))"),
        (with_tensor("head.weight", "F32", [5, 9], 180), "tensor head.weight, planes: got ('float32', (5, 9))"),
        (with_tensor("head.weight", "BF16", [5, 9], 90), "not a file of `bitspike freeze`: 'BF16'"),
        (with_tensor("head.weight", "F8_E4M3", [5, 9], 45), "not a file of `bitspike freeze`"),
        (with_tensor("head.weight", "F8_E5M2", [5, 9], 45), "not a file of `bitspike freeze`"),
        (with_tensor("head.weight", "F4", [5, 18], 45), "not a file of `bitspike freeze`"),
        (with_tensor("head.weight", "X9", [5, 9], 45), "not a file of `bitspike freeze`"),
        (with_tensor("head.weight", "U8", [2**63, 0], 0), "not a file of `bitspike freeze`"),
        (with_tensor("head.weight", "U8", [1] * 70, 1), "not a file of `bitspike freeze`"),
        (with_tensor("head.weight", "U8", [5, 9], 44), "not a file of `bitspike freeze`"),
        (lambda header, data: data + b"\0", "not a file of `bitspike freeze`"),
        (lambda header, data: data[:-1], "not a file of `bitspike freeze`"),
        (lambda header, data: header.pop("__metadata__") and data, "not a file of `bitspike freeze`: no metadata"),
        (lambda header, data: header["__metadata__"].pop("graph") and data, "graph: got ''; not JSON"),
        (
            lambda header, data: header["__metadata__"].pop("format") and data,
            f"format: got None; this version reads {FORMAT}",
        ),
        (lambda header, data: header["__metadata__"].update(format="bitspike-net-2") or data, "got 'bitspike-net-2'"),
        (lambda header, data: header["__metadata__"].update(format=1) or data, "not a file of `bitspike freeze`"),
    ],
)
def test_a_wrong_tensor_or_header_is_named(tmp_path: Path, edit: Whole, named: str) -> None:
    header, data = parts(to_bytes(every_op()))
    data = edit(header, data)
    assert named in refused(tmp_path, file_of(header, data))


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\0" * 8, b"\0" * 100, b"\xff" * 100, b"{}", b"words and words\n" * 9, struct.pack("<Q", 2) + b"{}"],
    ids=repr,
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "not a file of `bitspike freeze`" in refused(tmp_path, content)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    content = to_bytes(every_op())
    for length in {*range(0, 64), *range(64, len(content), 29), len(content) - 1}:
        assert "not a file of `bitspike freeze`" in refused(tmp_path, content[:length])


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"network: got '.*none'; cannot be read: No such file"):
        load(tmp_path / "none")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load(tmp_path)


# What the file has in common with a graph made by hand: nothing overflows, nothing grows without end


def test_products_beyond_64_bits_are_seen() -> None:
    """An accumulator of 2^64 once wrapped around to a small number."""
    wide = Input(name="images", inputs=(), edge=Edge(shape=(2, 6, 6), T=1, lo=0, hi=255))
    nodes = (
        wide,
        Affine(name="a", inputs=("images",), fraction_bits=0),
        Reshape(name="r", inputs=("a",), shape=(72,)),
        Linear(name="l", inputs=("r",), out_channels=1, weight_bits=8),
        Readout(name="answer", inputs=("l",)),
    )
    tensors = {"a.multiplier": np.full(2, 2**53), "a.offset": np.zeros(2, dtype=np.int64)}
    weight = np.zeros((1, 72), dtype=np.int64)
    FrozenGraph(Graph("n", nodes), {**tensors, "l.weight": weight})
    weight[0, :9] = 127
    assert abs(127 * 9 * 255 * 2**53) > 2**63
    with pytest.raises(UserError, match=r"linear l: .*could overflow 64 bits"):
        FrozenGraph(Graph("n", nodes), {**tensors, "l.weight": weight})
    weight[0, :9] = 1
    weight[0, 9] = -1
    with pytest.raises(UserError, match=r"linear l: .*could overflow 64 bits"):
        FrozenGraph(Graph("n", nodes), {**tensors, "l.weight": weight})


def wide(most: int) -> st.SearchStrategy[int]:
    """Integers of any width up to ``most`` bits."""
    return st.integers(0, most).flatmap(lambda bits: st.integers(-(1 << bits), 1 << bits))


@settings(max_examples=300)
@given(
    m=st.tuples(wide(60), wide(40)),
    b=st.tuples(wide(61), wide(61)),
    weights=st.lists(wide(7).map(lambda w: max(-127, min(127, w))), min_size=3, max_size=3),
    reset=st.none() | wide(61),
    init=wide(61),
    leak=st.integers(0, 1 << 15),
    fraction=st.integers(0, 30),
    store=st.none()
    | st.builds(
        lambda multiplier, shift, step, step_shift: Store(
            multiplier=multiplier, shift=shift, step=step, step_shift=step_shift
        ),
        wide(30).map(abs).map(lambda value: max(value, 1)),
        st.integers(0, 60),
        wide(46).map(abs),
        st.integers(0, 30),
    ),
    bits=st.integers(2, 16),
    pixels=st.lists(st.sampled_from([0, 1, 128, 255]), min_size=3, max_size=3),
    T=st.integers(1, 4),
)
def test_what_is_accepted_does_not_wrap_around(
    m: tuple[int, int],
    b: tuple[int, int],
    weights: list[int],
    reset: int | None,
    init: int,
    leak: int,
    fraction: int,
    store: Store | None,
    bits: int,
    pixels: list[int],
    T: int,
) -> None:
    """The oracle's int64 are Python's integers, however near to the end of the range."""
    dynamics = Dynamics(
        fraction_bits=fraction, leak_multiplier=leak, leak_shift=15, v_reset=reset, v_init=init, store=store
    )
    carried_bits = bits if store else None
    nodes = (
        Input(name="images", inputs=(), edge=Edge(shape=(1, 1, 3), T=1, lo=-128, hi=127)),
        Affine(name="a", inputs=("images",), fraction_bits=0),
        Reshape(name="flat", inputs=("a",), shape=(3,)),
        Linear(name="l", inputs=("flat",), out_channels=1, weight_bits=8),
        Affine(name="c", inputs=("l",), fraction_bits=0),
        Fire(name="f", inputs=("c",), T=T, lo=-3, hi=3, membrane_bits=carried_bits, dynamics=dynamics),
        Readout(name="answer", inputs=("f",)),
    )
    affines = {f"{name}.multiplier": m[k] for k, name in enumerate("ac")}
    affines |= {f"{name}.offset": b[k] for k, name in enumerate("ac")}
    tensors = {name: np.array([value]) for name, value in affines.items()}
    try:
        net = FrozenGraph(Graph("n", nodes), {**tensors, "l.weight": np.array([weights])})
    except UserError as wrong:
        assert "64 bits" in str(wrong)
        event("refused")
        return
    edges = oracle.run(net, np.array(pixels, dtype=np.uint8).reshape(1, 1, 1, 3))
    a = [m[0] * (pixel - 128) + b[0] for pixel in pixels]
    accumulated = sum(w * x for w, x in zip(weights, a, strict=True))
    current = m[1] * accumulated + b[1]
    assert edges["a"].ravel().tolist() == a
    assert (edges["l"].item(), edges["c"].item()) == (accumulated, current)
    v = init
    potentials = Fire.fire(nodes[5], edges["c"])[1].ravel().tolist()
    for t in range(T):
        u = (v * leak >> 15) + current
        level = min(max(u >> fraction, -3), 3)
        assert (potentials[t], edges["f"][t].item()) == (u, level)
        v = u - (level << fraction) if reset is None else reset if level else u
        if store:
            code = (v * store.multiplier + 2**store.shift // 2) // 2**store.shift
            code = min(max(code, 1 - 2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            v = (code * store.step + 2**store.step_shift // 2) // 2**store.step_shift
    proven = net.membranes["f"]
    assert proven.lo <= min(potentials) <= max(potentials) <= proven.hi


@pytest.mark.parametrize(("multiplier", "offset"), [(2**62, 0), (0, 2**62), (2**55, -(2**62) + 1), (-(2**62), 5)])
def test_an_affine_has_no_intermediate_beyond_64_bits(multiplier: int, offset: int) -> None:
    """Also where the sum comes back into the range: C computes the product first."""
    edge = Edge(shape=(1, 1, 1), T=1, lo=127, hi=382)
    nodes = (
        Input(name="images", inputs=(), edge=edge),
        Affine(name="a", inputs=("images",), fraction_bits=0),
        Reshape(name="r", inputs=("a",), shape=(1,)),
        Readout(name="answer", inputs=("r",)),
    )
    with pytest.raises(UserError, match=r"affine a: .*could overflow 64 bits"):
        FrozenGraph(Graph("n", nodes), {"a.multiplier": np.array([multiplier]), "a.offset": np.array([offset])})


@pytest.mark.parametrize(
    ("name", "values", "named"),
    [
        ("head.weight", np.full((3, 24), np.iinfo(np.int64).min), "want codes of 5 bits"),
        ("head.weight", np.full((3, 24), 16), "want codes of 5 bits"),
        ("conv.weight", np.zeros((4, 4, 1, 1), dtype=np.int64), "want codes of 1 bits"),
        ("head.weight", np.full((3, 24), 1.5), "got ('float64', (3, 24)); want int64"),
        ("head.weight", np.ones((24, 3), dtype=np.int64), "got ('int64', (24, 3)); want int64 (3, 24)"),
        ("head.weight", np.full((3, 24), 2**63, dtype=np.uint64), "got ('uint64', (3, 24)); want int64"),
    ],
)
def test_tensors_by_hand_are_checked_too(name: str, values: np.ndarray, named: str) -> None:
    net = every_op()
    with pytest.raises(UserError) as wrong:
        FrozenGraph(net.graph, {**net.tensors, name: values})
    assert named in str(wrong.value)


def test_what_cannot_be_loaded_cannot_be_made() -> None:
    nodes = tuple(replace(node, weight_bits=16) if isinstance(node, Linear) else node for node in NODES)
    with pytest.raises(UserError, match="linear head: got '16 weight bits'; want fewer than 16"):
        filled(Graph("n", nodes))
    with pytest.raises(UserError, match=r"graph name: .*printable"):
        filled(Graph("n\x1b[2J", NODES))


@pytest.mark.parametrize("shape", [(2**31, 1, 1), (2**15, 2**15, 2)])
def test_sizes_beyond_the_limit_are_refused(shape: tuple[int, int, int]) -> None:
    """Before anything of that size is made."""
    images = Input(name="images", inputs=(), edge=Edge(shape=shape, T=1, lo=0, hi=255))
    flat = Reshape(name="flat", inputs=("images",), shape=(images.edge.size,))
    with pytest.raises(UserError, match=r"input images: got 2147483648; an edge, .* 1073741824 elements"):
        FrozenGraph(Graph("n", (images, flat, Readout(name="answer", inputs=("flat",)))), {})


def test_more_axes_than_an_image_has_are_refused() -> None:
    """NumPy has no more than 64; the backends were written for three."""
    images = Input(name="images", inputs=(), edge=Edge(shape=(1, 1, 1), T=1, lo=0, hi=255))
    many = Reshape(name="many", inputs=("images",), shape=(1,) * 70)
    flat = Reshape(name="flat", inputs=("many",), shape=(1,))
    with pytest.raises(UserError, match=r"reshape many: got '70 axes'; want \(C, H, W\) or fewer"):
        FrozenGraph(Graph("n", (images, many, flat, Readout(name="answer", inputs=("flat",)))), {})


@pytest.mark.parametrize("kind", [MaxPool, SumPool])
def test_padding_beyond_the_limit_is_refused(kind: type[MaxPool | SumPool]) -> None:
    images = Input(name="images", inputs=(), edge=Edge(shape=(1, 2, 2), T=1, lo=0, hi=255))
    pool = kind(name="p", inputs=("images",), kernel_size=(2**16, 2**16), stride=(2**20, 2**20), padding=(2**15, 2**15))
    flat = Reshape(name="flat", inputs=("p",), shape=(1,))
    with pytest.raises(UserError, match=r"p: got .*; an edge, .* 1073741824 elements"):
        FrozenGraph(Graph("n", (images, pool, flat, Readout(name="answer", inputs=("flat",)))), {})


@pytest.mark.parametrize(("steps", "level"), [(4097, 1), (1, 2**16 + 1)])
def test_steps_and_levels_beyond_the_limit_are_refused(steps: int, level: int) -> None:
    images = Input(name="images", inputs=(), edge=Edge(shape=(1, 1, 1), T=1, lo=0, hi=255))
    fire = Fire(name="f", inputs=("images",), T=steps, lo=0, hi=level, dynamics=HARD)
    flat = Reshape(name="flat", inputs=("f",), shape=(1,))
    with pytest.raises(UserError, match=r"fire f: got .*; want T to 4096, levels within \+-65536"):
        FrozenGraph(Graph("n", (images, fire, flat, Readout(name="answer", inputs=("flat",)))), {})


def test_membranes_that_take_too_long_to_prove_are_refused() -> None:
    fires = [replace(NODES[3], name=f"f{i}", T=1024) for i in range(65)]
    nodes = (*NODES[:3], *fires, Reshape(name="r", inputs=("f0",), shape=(144,)), Readout(name="b", inputs=("r",)))
    with pytest.raises(UserError, match="graph: got '66560 steps'; want at most 65536"):
        filled(Graph("n", nodes))


if __name__ == "__main__":
    write_golden()
