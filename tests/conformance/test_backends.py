"""Backends by name: each says what it can, and what it computes is the oracle's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from random_graphs import differences, images, random_graph

from bitspike import UserError
from bitspike.backends import BACKENDS, Backend, Export, backend, c, engines, exporters, oracle
from bitspike.backends.onnx import run as onnx_run
from bitspike.ir import FrozenGraph

NETS = [random_graph(seed) for seed in range(8)]


def runnable(name: str) -> Backend:
    if name == "onnx":
        pytest.importorskip("onnxruntime")
    if name == "c" and not any(map(shutil.which, c.COMPILERS)):
        pytest.skip("no C compiler")
    return backend(name)


def exact_in_floats(net: FrozenGraph) -> bool:
    """Whether ONNX takes the network: all of its integers fit into floats."""
    from bitspike.backends.onnx import to_onnx

    try:
        to_onnx(net)
    except UserError:
        return False
    return True


@pytest.mark.parametrize("name", ["oracle", "c", "onnx", "native"])
def test_each_engine_is_the_oracle(name: str) -> None:
    engine = runnable(name)
    nets = [net for net in NETS if name != "onnx" or exact_in_floats(net)]
    assert len(nets) > 3
    for net in nets:
        shown = images(net, count=5)
        logits, edges = engine.trace(net, shown)
        assert edges.keys() == net.graph.edges.keys() or name == "c"
        assert {logits.dtype, *(values.dtype for values in edges.values())} == {np.dtype(np.int64)}
        assert not differences(net, oracle.run(net, shown), logits, edges)
        assert np.array_equal(engine.run(net, shown), oracle.logits(net, shown))


def test_many_images_are_answered_in_order() -> None:
    net = next(filter(exact_in_floats, NETS))
    shown = images(net, count=250)
    assert np.array_equal(runnable("onnx").run(net, shown), oracle.logits(net, shown))


def test_a_runtime_that_rounds_is_refused() -> None:
    with pytest.raises(UserError, match=r"^onnxruntime: got 'spikes.t0'; it rounds"):
        onnx_run._whole("spikes.t0", np.array([1.0, 2.5]))


@pytest.mark.parametrize("name", ["oracle", "c", "onnx", "native"])
def test_images_of_another_kind_are_refused(name: str) -> None:
    engine, net = runnable(name), next(filter(exact_in_floats, NETS))
    shown = images(net)
    for wrong in (shown[:, :, 1:], shown[0], shown.astype(np.int64)):
        for way in (engine.run, engine.trace):
            with pytest.raises(UserError, match=r"^images: got .*want uint8"):
                way(net, wrong)
    for wrong, kind in ((torch.from_numpy(shown), "torch.Tensor"), (shown.tolist(), "builtins.list")):
        for way in (engine.run, engine.trace):
            with pytest.raises(UserError, match=f"^images: got '{kind}'; want a numpy.ndarray"):
                way(net, wrong)


def test_who_runs_and_who_writes() -> None:
    assert engines() == ["oracle", "c", "onnx", "native", "verilog"]
    assert exporters() == ["c", "onnx", "json", "mem", "verilog", "nir", "qonnx"]
    assert all(kind.name == name and kind.about for name, kind in BACKENDS.items())


def test_the_c_is_written_with_what_is_known_of_it() -> None:
    net = NETS[0]
    made = runnable("c").export(net, "brain")
    assert {name: text.encode() for name, text in c.to_c(net, "brain").files.items()} == made.files
    assert list(made.facts) == [
        "flash_bytes_of_data",
        "ram_bytes_of_data",
        "cc",
        "flash_bytes_linked",
        "ram_bytes_linked",
    ]


def test_without_a_compiler_the_c_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert list(backend("c").export(NETS[0], "brain").facts) == ["flash_bytes_of_data", "ram_bytes_of_data"]
    with pytest.raises(UserError, match="C compiler"):
        backend("c", cc="gcc").export(NETS[0], "brain")


def test_the_onnx_is_written_with_its_size() -> None:
    onnx = pytest.importorskip("onnx")
    made = backend("onnx").export(next(filter(exact_in_floats, NETS)), "brain")
    (content,) = made.files.values()
    assert (list(made.files), made.facts) == (["brain.onnx"], {"bytes": len(content)})
    onnx.checker.check_model(onnx.ModelProto.FromString(content))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("onyx", {}, "backend: got 'onyx'; did you mean 'onnx'?"),
        ("oracle", {"cc": "gcc"}, "cc: got 'gcc'; the backend oracle has no such option: it is for c"),
        ("onnx", {"cc": "gcc"}, "cc: got 'gcc'; the backend onnx has no such option: it is for c"),
        ("c", {"speed": 9}, "speed: got 9; the backend c has no such option: its options: cc"),
        ("oracle", {"speed": 9}, "speed: got 9; the backend oracle has no such option: its options: none"),
    ],
)
def test_what_a_backend_has_not_is_refused_by_name(name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(UserError) as refused:
        backend(name, **options)
    assert str(refused.value).startswith(says)


def test_an_option_that_is_none_is_as_not_given() -> None:
    assert backend("oracle", cc=None) == backend("oracle")
    assert backend("c", cc=None) == backend("c")


def test_what_a_backend_cannot_do_is_said_in_one_line() -> None:
    with pytest.raises(UserError, match=r"^backend: got 'oracle'; it writes no files$"):
        backend("oracle").export(NETS[0], "brain")


@dataclass(frozen=True)
class Blind(Backend):
    """A backend that can nothing but answer 0, or what it is told."""

    answer: int = 0

    name: ClassVar[str] = "blind"
    about: ClassVar[str] = "answers without looking"

    def run(self, net: FrozenGraph, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        return np.full((len(images), net.graph.edges[net.graph.nodes[-1].name].size), self.answer)


def test_a_backend_of_ones_own_is_one_line() -> None:
    net = NETS[0]
    with BACKENDS.added("blind", Blind):
        assert engines()[-1] == "blind"
        assert exporters() == ["c", "onnx", "json", "mem", "verilog", "nir", "qonnx"]
        assert (backend("blind", answer=3).run(net, images(net)) == 3).all()
        with pytest.raises(UserError, match="backend: got 'blind'"):
            backend("blind").trace(net, images(net))
        with pytest.raises(UserError, match="it is for blind"):
            backend("c", answer=3)
    assert Export({}).facts == {}


def test_knowing_the_backends_loads_none_of_their_libraries() -> None:
    code = "import sys, bitspike.backends; print({'onnx', 'onnxruntime', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
