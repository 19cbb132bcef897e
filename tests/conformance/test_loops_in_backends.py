"""Networks with loops in ONNX, edge for edge; and in the native backend, where the oracle takes over and says so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from random_graphs import differences, images, random_graph

import bitspike
from bitspike import UserError
from bitspike.backends import able, backend, onnx, oracle
from bitspike.backends.onnx import export
from bitspike.ir import Delay, FrozenGraph, save


def looped(seeds: range) -> Iterator[tuple[FrozenGraph, np.ndarray]]:
    for seed in seeds:
        net = random_graph(seed, loops=True, trains=bool(seed % 2))
        yield net, images(net, seed)


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_onnx_is_the_oracle(first: int) -> None:
    pytest.importorskip("onnxruntime")
    runner, seen = backend("onnx", threads=1), 0
    for net, shown in looped(range(first, first + 10)):
        try:
            logits, edges = runner.trace(net, shown)
        except UserError as beyond:
            assert "ONNX computes it in float" in str(beyond)
            continue
        assert edges.keys() == net.graph.edges.keys()
        assert not differences(net, oracle.run(net, shown), logits, edges), net.graph.name
        assert np.array_equal(runner.run(net, shown), oracle.logits(net, shown))
        seen += 1
    assert seen >= 5


def test_a_delay_that_stays_0_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")

    def wrong(model: onnx.Model, node: Delay) -> None:
        for t in model.steps(node):
            model.emit(node, t, "float64", "Identity", model.zeros(node.edge.shape, "float64"))

    right = export.writer_of
    monkeypatch.setattr(export, "writer_of", lambda *at: wrong if isinstance(at[2], Delay) else right(*at))

    found = 0
    for net, shown in looped(range(10)):
        try:
            logits, edges = backend("onnx", threads=1).trace(net, shown)
        except UserError:
            continue
        found += bool(differences(net, oracle.run(net, shown), logits, edges))
    assert found >= 3


def test_native_refuses_a_loop_by_name_and_the_oracle_runs_in_its_place(tmp_path: object) -> None:
    runner = backend("native", threads=1)
    if runner.name != "native":
        pytest.skip("no C library")
    net, shown = next(looped(range(3, 4)))
    with pytest.raises(UserError, match=r"native: got 'Delay \(delay\..*no writer for it"):
        runner.run(net, shown)
    assert able(runner).name == "native"
    with pytest.warns(UserWarning, match=r"a loop \(delay.* the oracle runs instead, slower and as exact"):
        assert able(runner, net).name == "oracle"
    save(net, f"{tmp_path}/net.bitspike")
    assert np.array_equal(bitspike.compile(f"{tmp_path}/net.bitspike")(shown), oracle.logits(net, shown))
