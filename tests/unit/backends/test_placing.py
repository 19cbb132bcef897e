"""Placing an exported network: which tool is called, what is refused, and, where the tools are, what is found."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bitspike import UserError
from bitspike.backends import backend
from bitspike.backends.verilog import DEVICES, placed, to_verilog
from bitspike.backends.verilog import place as module
from bitspike.cli import main
from bitspike.ir import FrozenGraph, load

NET = Path(__file__).parents[3] / "examples" / "fashion-tiny.bitspike"
FOUND = {"luts": 1000, "flip_flops": 300, "memories": 10, "dsps": 2}


@pytest.fixture(scope="module")
def net() -> FrozenGraph:
    return load(NET)


def pretend(monkeypatch: pytest.MonkeyPatch, counts: Mapping[str, int], said: str, status: int = 0) -> list[str]:
    """In place of the tools; the commands that nextpnr is called with."""
    called: list[str] = []

    def told(command: list[str], folder: Path) -> tuple[str, int]:
        called.append(" ".join(command))
        (folder / "report.json").write_text('{"fmax": {"clk": {"achieved": 21.5}}}')
        return said, status

    monkeypatch.setattr(module, "tool", lambda name: name)
    monkeypatch.setattr(module, "version", lambda name: f"{name} 1.0")
    monkeypatch.setattr(module, "netlist", lambda *_, **__: counts)
    monkeypatch.setattr(module, "_told", told)
    return called


def test_what_nextpnr_says_is_what_is_found(monkeypatch: pytest.MonkeyPatch, net: FrozenGraph) -> None:
    called = pretend(monkeypatch, FOUND, "Info:  ICESTORM_LC:  1234/ 5280   23%\nInfo: ICESTORM_RAM:    11/   30")
    found = placed(to_verilog(net), "up5k", seeds=(3, 4))
    assert (found.cells, found.memories, found.dsps, found.luts, found.mhz) == (1234, 11, 2, 1000, 21.5)
    assert ["--up5k" in one and f"--seed {seed}" in one for one, seed in zip(called, (3, 4), strict=True)] == [True] * 2
    assert found.tools == {"yosys": "yosys 1.0", "nextpnr-ice40": "nextpnr-ice40 1.0"}


@pytest.mark.parametrize(
    ("counts", "device", "said"),
    [
        ({"memories": 31}, "up5k", "31 of 30 memories'; it is too small; want hx8k, or fewer --pes"),
        ({"luts": 6000}, "up5k", "6,000 of 5,280 cells'; it is too small; want hx8k, or fewer --pes"),
        ({"memories": 40, "dsps": 0}, "hx8k", "40 of 32 memories'; it is too small; want ecp5-25k, or fewer --pes"),
        ({"luts": 90_000}, "ecp5-85k", "90,000 of 83,640 cells'; it is too small; want a smaller network"),
    ],
)
def test_a_device_too_small_is_one_line(
    monkeypatch: pytest.MonkeyPatch, net: FrozenGraph, counts: dict[str, int], device: str, said: str
) -> None:
    called = pretend(monkeypatch, FOUND | counts, "")
    with pytest.raises(UserError) as refused:
        placed(to_verilog(net), device)
    assert str(refused.value) == f"--device {device}: got '{said}"
    assert not called, "it is refused before nextpnr runs"


@pytest.mark.parametrize(("bits", "would"), [(250_000, "hx8k"), (400_000, "ecp5-25k"), (10**8, "a smaller network")])
def test_what_no_device_stores_is_refused_before_any_tool_runs(
    monkeypatch: pytest.MonkeyPatch, net: FrozenGraph, bits: int, would: str
) -> None:
    monkeypatch.setattr(module, "tool", lambda name: pytest.fail(f"{name} is looked for"))
    large = replace(to_verilog(net), memory_bits={"weights": bits - 1, "constants": 1})
    with pytest.raises(UserError) as refused:
        placed(large, "up5k")
    said = f"got '{bits:,} bits to store of 207,360 in memories and cells'; it is too small; want {would}"
    assert str(refused.value) == f"--device up5k: {said}"


def test_what_only_nextpnr_finds_too_large_is_refused_too(monkeypatch: pytest.MonkeyPatch, net: FrozenGraph) -> None:
    pretend(monkeypatch, FOUND, "Info: ICESTORM_LC:  5400/ 5280  102%\nERROR: no BELs remaining", status=1)
    with pytest.raises(UserError, match=r"5,400 of 5,280 cells'; it is too small; want hx8k"):
        placed(to_verilog(net), "up5k")
    pretend(monkeypatch, FOUND, "Info: ICESTORM_LC:  540/ 5280  10%\nERROR: it has gone wrong", status=1)
    with pytest.raises(UserError, match="ERROR: it has gone wrong"):
        placed(to_verilog(net), "up5k")


def test_multipliers_are_where_the_device_has_blocks_for_them(net: FrozenGraph) -> None:
    few, many = to_verilog(net, pes=4), to_verilog(net, pes=16)
    tried = [module._multipliers(few, DEVICES[name]) for name in ("up5k", "hx8k", "ecp5-25k")]
    assert tried == [("all",), ("none",), ("all",)]
    assert module._multipliers(many, DEVICES["up5k"]) == ("unit", "none")
    wide = [replace(few, widths={**few.widths, "FACTOR_A": bits}) for bits in (60, 90)]
    assert [module._multipliers(one, DEVICES["up5k"])[0] for one in wide] == ["unit", "none"]


def test_a_missing_tool_says_what_to_install(monkeypatch: pytest.MonkeyPatch, net: FrozenGraph) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(UserError, match=r"yosys: got 'none'; install Debian's yosys, or pip install 'bitspike\[hdl\]'"):
        backend("verilog", device="up5k").export(net, "tiny")


def test_an_unknown_device_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["export", str(NET), "--to", "verilog", "-o", str(tmp_path / "rtl"), "--device", "up6k"]
    monkeypatch.setattr(sys, "argv", ["bitspike", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err.count("did you mean 'up5k'?")) == (2, 1)
    assert not (tmp_path / "rtl").exists()


@pytest.mark.hdl
@pytest.mark.slow
def test_the_packaged_network_fits_an_up5k(net: FrozenGraph) -> None:
    for name in ("yosys", "nextpnr-ice40"):
        if shutil.which(name) is None:
            pytest.skip(f"no {name}")
    found = placed(to_verilog(net, pes=1), "up5k")
    assert 500 < found.cells < DEVICES["up5k"].cells
    assert found.mhz > 5
    with pytest.raises(UserError, match="it is too small; want up5k"):
        placed(to_verilog(net, pes=1), "hx1k")
