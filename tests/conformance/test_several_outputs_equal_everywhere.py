"""Networks of several outputs are the model's in integers, and the same in every backend, element for element."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import FEATURES_OF_ROUTES, differences, features, random_graph
from random_graphs import images as codes_of
from several_outputs import IMAGE, ROUTES, Plan, images, network

import bitspike
from bitspike.backends import Backend, backend, c, oracle
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph, Graph, Readout, Stepper, load, save
from bitspike.ir.steps import codes_of_steps
from bitspike.lowering import agreement, freeze

plans = st.builds(
    Plan,
    T=st.integers(1, 3),
    thresholds=st.tuples(*[st.sampled_from([0.25, 0.5, 1.0, 2.0])] * 3),
    seed=st.integers(0, 99),
)
SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
ENGINES = ["native", "onnx"]


def frozen(name: str = "a synapse", T: int = 2) -> FrozenGraph:
    return freeze(network(name, Plan(T=T)), IMAGE)


def able(name: str, net: FrozenGraph) -> Backend:
    engine = backend(name)
    if engine.name != name or engine.lacks(net):
        pytest.skip(f"{name} lacks what it runs on")
    return engine


@settings(max_examples=12)
@given(name=st.sampled_from(sorted(ROUTES)), plan=plans)
def test_the_integers_are_the_model(name: str, plan: Plan) -> None:
    model, codes = network(name, plan), images(3, plan.seed)
    net = freeze(model, IMAGE)
    with torch.no_grad():
        floats = [out.double().mean(0).numpy() for out in model(torch.from_numpy(codes))]
    for readout, integers, meant in zip(net.readouts, oracle.outputs(net, codes), floats, strict=True):
        assert readout.scale is not None
        assert integers.shape == meant.shape
        assert np.abs(integers * readout.scale - meant).max() < 1e-6
    seen = agreement(model, net, [torch.from_numpy(codes)])
    assert seen.same_class is None
    assert not any(layer.mismatches for layer in seen.layers), seen


@pytest.mark.parametrize("name", ROUTES)
def test_each_way_of_joining_is_equal_in_every_backend(name: str) -> None:
    net, codes = frozen(name), images(3)
    wanted = oracle.run(net, codes)
    for engine in ENGINES:
        assert not differences(net, wanted, *able(engine, net).traced(net, codes)), engine
    if name in ("a synapse", "currents"):
        assert not differences(net, wanted, *c.traced(net, codes, ["gcc"], *SANITIZED))


def test_a_synapse_reads_each_part_in_its_own_scale() -> None:
    """Nothing joins spikes of unlike scale for a synapse: each part has weights and multipliers of its own."""
    net = frozen()
    assert {node.name for node in net.graph.synapses()} >= {"neck.part0", "neck.part1"}
    assert not [node for node in net.graph.nodes if node.op == "concat"]
    alike = freeze(network("a synapse", Plan(thresholds=(0.5, 0.5, 1.0))), IMAGE)
    assert [node.name for node in alike.graph.nodes if node.op == "concat"] == ["cat"]


def check(seeds: range, engine: str, *flags: str) -> list[str]:
    """Random networks whose edges and outputs are not the oracle's."""
    found = []
    for seed in seeds:
        net = random_graph(seed, trains=seed % 2 == 1, routes=True)
        codes = codes_of(net, seed)
        wanted = oracle.run(net, codes)
        try:
            if engine == "c":
                shown = c.traced(net, codes, ["gcc"], *flags)
            else:
                shown = able(engine, net).traced(net, codes)
                outputs = able(engine, net).outputs(net, codes)
                assert all(np.array_equal(a, b) for a, b in zip(outputs, shown[0], strict=True))
        except UserError as no:
            assert "ONNX computes it" in str(no)
            continue
        if wrong := differences(net, wanted, *shown):
            found.append(f"random_graph({seed}, routes=True): {wrong}")
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_random_networks_are_equal(engine: str) -> None:
    assert not check(range(30), engine)


def test_random_networks_are_equal_in_c() -> None:
    assert not check(range(4), "c", *SANITIZED)


@pytest.mark.slow
@pytest.mark.parametrize("engine", [*ENGINES, "c"])
def test_many_random_networks_are_equal(engine: str) -> None:
    assert not check(range(1000, 1060), engine, *(SANITIZED if engine == "c" else ()))


def test_random_networks_show_what_they_are_for() -> None:
    shown = set[str]()
    for seed in range(60):
        shown |= features(random_graph(seed, trains=seed % 2 == 1, routes=True))
    assert not set(FEATURES_OF_ROUTES) - shown


def streaming(seeds: range) -> list[FrozenGraph]:
    """Those of the random networks that take one step at a time."""
    found = []
    for seed in seeds:
        net = random_graph(seed, trains=seed % 2 == 1, routes=True)
        try:
            Stepper(net)
        except UserError:
            continue
        found.append(net)
    return found


def test_one_step_after_another_is_all_steps() -> None:
    nets = streaming(range(30))
    assert len(nets) > 5
    for net in nets:
        codes, stepper = codes_of(net, 1), Stepper(net)
        edges = oracle.run(net, codes)
        for t, step in enumerate(codes_of_steps(net, codes)):
            for readout, found in zip(net.readouts, stepper.outputs(step), strict=True):
                x = edges[readout.inputs[0]].astype(np.int64)
                here = min(t, len(x) - 1)
                assert np.array_equal(found, x[: here + 1].sum(0) if readout.over == "sum" else x[here])


def test_loops_beside_routes_are_equal() -> None:
    for seed in range(3):
        net = random_graph(seed, loops=True, trains=seed % 2 == 1, routes=True)
        codes = codes_of(net, seed)
        wanted = oracle.run(net, codes)
        assert not differences(net, wanted, oracle.outputs(net, codes), wanted)
        assert not differences(net, wanted, *c.traced(net, codes, ["gcc"], *SANITIZED)), seed


def test_the_streaming_program_has_the_same_outputs() -> None:
    nets = [net for net in streaming(range(20)) if len(net.readouts) > 1][:2]
    for net in [frozen("slices"), *nets]:
        codes = codes_of(net, 1)
        found = backend("c", cc="gcc -O1", streaming=True).outputs(net, codes)
        for ours, theirs in zip(found, oracle.outputs(net, codes), strict=True):
            assert np.array_equal(ours, theirs)


def test_outputs_in_another_order_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    net = frozen()
    twice = replace(net.readouts[0], name="again")
    net = FrozenGraph(Graph("net", (*net.graph.nodes, twice)), net.tensors)
    codes = images(2)
    wanted, right = oracle.run(net, codes), oracle.outputs(net, codes)
    assert not differences(net, wanted, right, wanted)
    assert differences(net, wanted, (right[1], *right[:1], right[2]), wanted).keys() == {"readout0", "readout1"}
    assert differences(net, wanted, (right[0], right[1], right[2] + 1), wanted).keys() == {"again"}


def test_it_comes_back_from_its_file_and_every_engine_runs_it(tmp_path: Path) -> None:
    net, codes = frozen("currents"), images(5)
    save(net, tmp_path / "net.bitspike")
    found = load(tmp_path / "net.bitspike")
    assert found.graph == net.graph
    wanted = oracle.outputs(net, codes)
    for engine in ("oracle", *ENGINES):
        able(engine, net)
        made = bitspike.compile(tmp_path / "net.bitspike", engine=engine)
        for ours, theirs in zip(made(codes), wanted, strict=True):
            assert np.array_equal(ours, theirs)
    stream = bitspike.stream(tmp_path / "net.bitspike")
    with pytest.raises(UserError, match=r"2 outputs, readout0, readout1'; want a network of one output here"):
        stream.step(codes)


def test_the_header_says_sizes_and_scales(tmp_path: Path) -> None:
    net = frozen()
    made = bitspike.export(net, to="c", output=tmp_path, name="detector")
    assert {Path(file).name for file in made.files} == {"detector.c", "detector.h", "detector_simd.h", "main.c"}
    header = (tmp_path / "detector.h").read_text()
    for index, readout in enumerate(net.readouts):
        edge = net.graph.edges[readout.name]
        assert f"#define DETECTOR_OUT{index}_SIZE {edge.size} /* {' x '.join(map(str, edge.shape))}, row" in header
        assert f"#define DETECTOR_OUT{index}_SCALE {readout.scale!r} " in header
    assert "out0[DETECTOR_OUT0_SIZE],\n" in header
    assert "LOGIT" not in header.upper().replace("LOGITS OF", "")


def test_each_step_has_outputs_of_its_own() -> None:
    net = frozen("a synapse", T=3)
    nodes = (replace(node, over="each") if isinstance(node, Readout) else node for node in net.graph.nodes)
    net, codes = FrozenGraph(Graph("net", tuple(nodes)), net.tensors), images(2)
    wanted = oracle.outputs(net, codes)
    assert [out.shape for out in wanted] == [(2, 3, 7, 2, 2), (2, 3, 3, 4, 4)]
    for engine in [*ENGINES, "c"]:
        for ours, theirs in zip(able(engine, net).outputs(net, codes), wanted, strict=True):
            assert np.array_equal(ours, theirs), engine
    found = backend("c", streaming=True).outputs(net, codes)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, wanted, strict=True))


def test_one_output_of_three_axes_is_no_classifier() -> None:
    net = frozen()
    one = FrozenGraph(Graph("net", net.graph.nodes[:-1]), net.tensors)
    codes = images(2)
    wanted = oracle.logits(one, codes)
    assert wanted.shape == (2, 7, 2, 2)
    for engine in [*ENGINES, "c"]:
        assert np.array_equal(able(engine, one).run(one, codes), wanted), engine
    assert not one.classifies


def test_what_is_for_classifiers_refuses_it_by_name() -> None:
    net = replace(frozen(), dataset="digits")
    with pytest.raises(
        UserError, match=r"network network: got 'outputs \(7, 2, 2\), \(3, 4, 4\)'; it tells no classes"
    ):
        bitspike.evaluate(net)
    with pytest.raises(
        UserError, match=r"verilog: got 'outputs \(7, 2, 2\), \(3, 4, 4\)'; its hardware has one output"
    ):
        backend("verilog").export(net, "net")
    for asked in ("run", "compile", "trace"):
        with pytest.raises(UserError, match="want a network of one output here"):
            getattr(backend("oracle"), asked)(net, *([] if asked == "compile" else [images(1)]))
    assert not list(Path().glob("net*"))


@pytest.mark.parametrize("op", ["Concat", "Slice", "Upsample"])
def test_hardware_refuses_routes_by_name(op: str) -> None:
    from bitspike.backends.verilog.table import ROWS

    assert op not in ROWS


def test_documents_have_every_output() -> None:
    net = frozen()
    document = json.loads(backend("json").export(net, "net").files["net.json"])
    assert document["outputs"] == [{"op": node.name, "scale": node.scale} for node in net.readouts]
    assert "output" not in document
    golden = [name for name in backend("mem").export(net, "net").files if name.endswith("_golden.mem")]
    last = len(net.graph.nodes) - 1
    assert golden[-2:] == [f"net_{last - 1:03d}_readout0_golden.mem", f"net_{last:03d}_readout1_golden.mem"]


@pytest.mark.skipif(not shutil.which("gcc"), reason="wants gcc")
def test_a_planted_error_in_c_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from bitspike.backends.c import build

    net, codes, right = frozen("currents"), images(2), build.to_c
    wanted = oracle.run(net, codes)

    def wrong(was: str, now: str) -> Any:
        def written(*given: Any, **how: Any) -> Any:
            program = right(*given, **how)
            source = program.files["network.c"]
            assert was in source
            return replace(program, files={**program.files, "network.c": source.replace(was, now, 1)})

        return written

    monkeypatch.setattr(build, "to_c", wrong("out1[c * 16 + p]", "out1[p * 3 + c]"))
    assert differences(net, wanted, *c.traced(net, codes, ["gcc"], "-O1")).keys() == {"readout1"}
    monkeypatch.setattr(build, "to_c", wrong("column / 2)", "column / 3)"))
    assert differences(net, wanted, *c.traced(net, codes, ["gcc"], "-O1"))
