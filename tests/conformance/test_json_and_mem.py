"""What `export --to json` and `--to mem` write is the network: readers of their own make the oracle's edges of it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import json_reader
import numpy as np
import pytest
from packaged import packaged
from random_graphs import FAMILIES, family, images, random_graph

from bitspike import UserError
from bitspike.backends import backend, oracle
from bitspike.backends.json.document import document, meaning
from bitspike.backends.mem.backend import inputs
from bitspike.ir import OPS, FrozenGraph

BITS = {"convnet": "1/2/2", "vgg9": "2/1/3", "resnet8-thin": "4/2/1", "sew-resnet18": "3/1/2"}


def text_of(net: FrozenGraph) -> str:
    return backend("json").export(net, "net").files["net.json"].decode()


def wrong(net: FrozenGraph, text: str) -> list[str]:
    """Edges of the document that are not the oracle's."""
    shown = images(net)
    wanted, seen = oracle.run(net, shown), json_reader.run(text, shown)
    assert wanted.keys() == seen.keys()
    return [name for name in wanted if not np.array_equal(wanted[name], seen[name])]


def read_mem(files: dict[str, bytes]) -> dict[str, np.ndarray]:
    """Tensors as ``OP.part`` and edges as ``OP``, from the index and the words alone."""
    index = json.loads(files["net.mem.json"])
    found = {}
    for said in (*index["tensors"], *index["edges"]):
        values = np.array([int(word, 16) for word in files[said["file"]].split()], dtype=np.int64)
        assert values.size == 0 or values.max() < 1 << said["bits"]
        if said["signed"]:
            values -= (values >> said["bits"] - 1) << said["bits"]
        elif said.get("part") == "weight":
            values = 1 - 2 * values
        batch = [said["samples"], said["steps"]] if "samples" in said else []
        found[said["op"] + ("." + said["part"] if "part" in said else "")] = values.reshape(*batch, *said["shape"])
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_rebuilt_from_its_json_alone(name: str) -> None:
    net = family(name, BITS[name])
    assert wrong(net, text_of(net)) == []


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_are_rebuilt_from_their_json_alone(seed: int) -> None:
    net = random_graph(seed)
    unknown = {node.op for node in net.graph.nodes} - json_reader.OPS.keys()
    if unknown:
        pytest.skip(f"the reader knows no {', '.join(unknown)}")
    assert wrong(net, text_of(net)) == []


def test_a_trained_network_is_rebuilt_from_its_json_alone() -> None:
    net, shown = packaged()
    seen = json_reader.run(text_of(net), shown[:200])
    assert np.array_equal(seen[net.graph.nodes[-1].name][0], oracle.logits(net, shown[:200]))


def test_the_random_networks_have_every_op_that_the_reader_knows() -> None:
    met = {node.op for seed in range(60) for node in random_graph(seed).graph.nodes}
    assert met >= json_reader.OPS.keys() & OPS.keys()


def test_the_reader_knows_nothing_of_bitspike() -> None:
    tree = ast.parse(Path(json_reader.__file__).read_text())
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in named if "__future__" not in ast.unparse(node)} == {
        "import json",
        "from typing import Any",
        "import numpy as np",
    }


def test_a_wrong_number_in_the_json_is_found() -> None:
    net = family("convnet", "1/2/2")
    made = json.loads(text_of(net))
    affine = next(node for node in made["nodes"] if node["op"] == "affine")
    affine["tensors"]["offset"][0] += 1 << 18
    assert wrong(net, json.dumps(made))


def test_the_document_says_what_each_op_means() -> None:
    made = document(family("resnet8-thin", "2/2/1"))
    assert made["ops"].keys() == {node["op"] for node in made["nodes"]}
    assert all(said["what"] and said["equation"] for said in made["ops"].values())
    assert all(said["equation"] for said in map(meaning, OPS.values()))
    assert "clip" in made["primitives"]
    for output in (node["output"] for node in made["nodes"]):
        lo, hi = output["range"]
        assert -(1 << output["width"] - 1) <= lo <= hi < 1 << output["width"] - 1
    assert not {"output", "tensors", "program"} & {field for op in OPS.values() for field in op.__dataclass_fields__}


@pytest.mark.parametrize("seed", range(30))
def test_golden_vectors_are_the_oracles_and_tensors_the_networks(seed: int) -> None:
    net = random_graph(seed)
    found = read_mem(dict(backend("mem", samples=3).export(net, "net").files))
    edges = oracle.run(net, inputs(net, 3))
    assert found.keys() == edges.keys() | net.tensors.keys()
    for name, values in net.tensors.items():
        assert np.array_equal(found[name], values), name
    for name, values in edges.items():
        assert np.array_equal(found[name], np.moveaxis(values, 0, 1)), name


def test_weights_are_at_their_true_width() -> None:
    net = family("convnet", "1/2/2")
    made = backend("mem", samples=0).export(net, "net")
    index = json.loads(made.files["net.mem.json"])
    widths = {said["bits"] for said in index["tensors"] if said["part"] == "weight"}
    assert widths == {node.weight_bits for node in net.graph.synapses()} == {1}
    assert set(made.files[index["tensors"][0]["file"]].split()) <= {b"0", b"1"}
    assert made.facts["weight_bits"] == sum(v.size for name, v in net.tensors.items() if name.endswith("weight"))
    assert index["edges"] == []


def test_a_wrong_golden_word_is_found() -> None:
    net = family("convnet", "1/2/2")
    files = dict(backend("mem").export(net, "net").files)
    name = next(name for name in files if name.endswith("golden.mem"))
    files[name] = files[name].replace(b"1", b"2", 1)
    edge = json.loads(files["net.mem.json"])["edges"][0]
    assert edge["file"] == name
    assert not np.array_equal(
        read_mem(files)[edge["op"]], np.moveaxis(oracle.run(net, inputs(net, 4))[edge["op"]], 0, 1)
    )


def test_names_of_ops_cannot_leave_the_folder_or_meet() -> None:
    net = random_graph(0)
    for file in backend("mem").export(net, "net").files:
        assert "/" not in file
        assert file.startswith("net")


@pytest.mark.parametrize("samples", [-1, 1001])
def test_so_many_samples_are_refused(samples: int) -> None:
    with pytest.raises(UserError, match="samples: got"):
        backend("mem", samples=samples).export(random_graph(0), "net")


@pytest.mark.parametrize("form", ["json", "mem"])
def test_a_name_that_is_no_files_is_refused(form: str) -> None:
    with pytest.raises(UserError, match="name: got"):
        backend(form).export(random_graph(0), "../net")
