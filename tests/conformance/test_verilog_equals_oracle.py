"""The exported Verilog is the oracle, cycle by cycle: every edge in memory and every logit, in two simulators.

Random networks with every kind of processing element, gaps in what comes in and pauses in what goes out; then networks
that were trained. After them the arithmetic, exhaustively at small widths, and what is refused.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hardware import HOSTILE, check_random_networks, drawn, found, installed, renamed, text_of
from packaged import packaged
from random_graphs import family, images, random_graph

from bitspike import UserError
from bitspike.backends import backend, oracle
from bitspike.backends.verilog import ELEMENTS, ROWS, SIMULATORS, Simulated, simulated, simulator, to_verilog
from bitspike.backends.verilog.micro import Code, immediate
from bitspike.backends.verilog.rows import Together
from bitspike.ir import OPS, Dynamics, Edge, Fire, FrozenGraph, Graph, Input, Node, Readout, Reshape, SumPool
from bitspike.ir.ranges import Range
from bitspike.neurons import neuron_settings

TOOLS = tuple(SIMULATORS)
SEEDS, SEEDS_A_TEST = 50, 10


WITHOUT_HARDWARE = {"Concat", "Slice", "Upsample"}


# Random networks


@pytest.mark.hdl
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_random_networks_are_equal(first: int) -> None:
    check_random_networks(range(first, first + SEEDS_A_TEST), installed("icarus"))


@pytest.mark.hdl
def test_neurons_read_a_pool_that_is_held_at_every_step() -> None:
    integrate = Dynamics(fraction_bits=8, leak_multiplier=1, leak_shift=0, v_reset=-37)
    pool = SumPool(name="pool", inputs=("image",), kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))
    neurons = Fire(name="fire", inputs=("pool",), T=6, lo=0, hi=3, dynamics=integrate)
    nodes = (
        Input(name="image", inputs=(), edge=Edge(shape=(2, 4, 4), T=1, lo=0, hi=255)),
        pool,
        neurons,
        Reshape(name="flat", inputs=("fire",), shape=(8,)),
        Readout(name="logits", inputs=("flat",)),
    )
    net, tool = FrozenGraph(Graph("held", nodes), {}), installed("icarus")
    shown = images(net, 0, 2)
    assert not found(net, simulated(to_verilog(net), shown, tool, trace=True), shown)


@pytest.mark.hdl
def test_verilator_says_the_same() -> None:
    check_random_networks(range(2), installed("verilator"))


@pytest.mark.hdl
@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("first", range(1000, 1200, 20))
def test_many_more_random_networks_are_equal(first: int, tool: str) -> None:
    count = 20 if tool == "icarus" else 4
    check_random_networks(range(first, first + count), installed(tool))


@pytest.mark.hdl
@pytest.mark.parametrize("element", ELEMENTS)
def test_cycles_are_as_counted(element: str) -> None:
    """Exactly, but where levels are skipped: then at most. The first have shortcuts that are read beside the sums."""
    tool = installed("icarus")
    for seed, kind in ((6, {}), (9, {}), (0, {}), (8, {}), (1, {"trains": True}), (3, {"loops": True})):
        net = drawn(seed, **kind)
        program = to_verilog(net, "network", 3, element)
        (taken,) = simulated(program, images(net, seed, 1)[:1], tool).cycles
        most = sum(program.cycles.values())
        assert taken <= most if element == "event" else taken == most, (seed, kind)


@pytest.mark.hdl
def test_gaps_and_pauses_change_nothing_but_the_cycles() -> None:
    net, tool = drawn(3), installed("icarus")
    shown, program = images(net, 3), to_verilog(net)
    seen = [simulated(program, shown, tool, seed=seed) for seed in (0, 1, 2)]
    assert all(np.array_equal(one.logits, oracle.logits(net, shown)) for one in seen)
    assert len({one.cycles.sum() for one in seen}) == 3
    assert len(set(seen[0].cycles.tolist())) == 1, "without zero-skipping every image takes as long"


# Errors are found


@pytest.mark.hdl
@pytest.mark.parametrize(
    ("text", "planted"),
    [
        ("sum + parts[FAN*SUM+:SUM]", "sum - parts[FAN*SUM+:SUM]"),
        ("a >>> distance", "a >> distance"),
        ("a < b ? a : b", "a > b ? a : b"),
        ("? i_immediate : WORD'($signed(kept))", "? i_immediate : '0"),
    ],
)
def test_a_planted_error_is_found(text: str, planted: str) -> None:
    net, tool = drawn(8), installed("icarus")
    program, shown = to_verilog(net), images(net, 8, 1)[:1]
    assert any(text in file for file in program.files.values())
    files = {name: file.replace(text, planted) for name, file in program.files.items()}
    assert found(net, simulated(replace(program, files=files), shown, tool, trace=True), shown)
    assert not found(net, simulated(program, shown, tool, trace=True), shown)


@pytest.mark.hdl
@pytest.mark.parametrize(
    ("text", "planted"),
    [("if (clear) sum <= '0;", "if (clear) sum <= 'x;"), ("bit_at <= bit_at - 1;", "bit_at <= bit_at;")],
)
def test_what_is_no_answer_is_said(text: str, planted: str) -> None:
    """An undefined value, and an engine that goes on forever."""
    net, tool = drawn(8), installed("icarus")
    program = to_verilog(net, element="serial")
    files = {name: file.replace(text, planted) for name, file in program.files.items()}
    with pytest.raises(UserError, match=r"^simulation: got .*that is no answer"):
        simulated(replace(program, files=files), images(net, 8, 1)[:1], tool, trace=True)


@pytest.mark.hdl
def test_wrong_weights_are_found() -> None:
    net, tool = drawn(3), installed("icarus")
    program, shown = to_verilog(net), images(net, 3, 1)[:1]
    files = dict(program.files)
    name = next(name for name in files if "weights" in name)
    words = files[name].split()
    files[name] = "\n".join(f"{int(word, 16) ^ 1:0{len(word)}x}" for word in words)
    assert found(net, simulated(replace(program, files=files), shown, tool, trace=True), shown)


# Trained networks, and families


@pytest.mark.hdl
@pytest.mark.parametrize("element", ELEMENTS)
def test_the_packaged_network_is_equal(element: str) -> None:
    net, shown = packaged()
    tool = installed("verilator")
    seen = simulated(to_verilog(net, "tiny", 8, element), shown[:10], tool, seed=1, trace=True)
    assert not found(net, seen, shown[:10])


@pytest.mark.hdl
@pytest.mark.slow
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("pes", [1, 6, 24])
def test_the_packaged_network_is_equal_on_100_images(element: str, pes: int) -> None:
    net, shown = packaged()
    seen = simulated(to_verilog(net, "tiny", pes, element), shown[:100], installed("verilator"), seed=pes)
    assert np.array_equal(seen.logits, oracle.logits(net, shown[:100]))


@pytest.mark.hdl
@pytest.mark.parametrize(("name", "bits"), [("convnet", "2/2/2"), ("sew-resnet18", "4/1/3")])
def test_families_are_equal(name: str, bits: str) -> None:
    net = family(name, bits, neuron=neuron_settings(v_reset=None))
    shown = images(net, 1, 1)[:1]
    seen = simulated(to_verilog(net, pes=4, element="event"), shown, installed("verilator"), trace=True)
    assert not found(net, seen, shown)


# The backend


@pytest.mark.hdl
def test_the_backend_runs_and_traces() -> None:
    net, tool = drawn(3), installed("icarus")
    engine, shown = backend("verilog", simulator=tool, pes=4), images(drawn(3), 3, 1)
    assert np.array_equal(engine.run(net, shown), oracle.logits(net, shown))
    logits, edges = engine.trace(net, shown)
    assert not found(net, Simulated(logits, np.zeros(0), edges), shown)
    with pytest.raises(UserError, match=r"^images: got .*want uint8"):
        engine.run(net, shown[0])


# The arithmetic, exhaustively

CHECK = """
module check;
  logic [3:0] op;
  logic signed [7:0] a, b, result;
  logic signed [2:0] low;
  logic write;
  bitspike_arithmetic #(.WORD(8), .LOW(3), .FACTOR_A(4), .FACTOR_B(4), .SHIFT(3)) arithmetic (.*);
  initial
    for (int o = 0; o < 10; o++)
      for (int l = -4; l < 4; l++)
        for (int i = -16; i < 16; i++)
          for (int j = -16; j < 16; j++) begin
            op = o; low = l; a = i; b = j;
            #1 $display("%0d %0d %0d %0d %0d %0d", o, l, i, j, result, write);
          end
endmodule
"""


@pytest.mark.hdl
def test_every_instruction_is_intmath(tmp_path: Any) -> None:
    from bitspike.backends.verilog.micro import OPS as CODES
    from bitspike.backends.verilog.simulate import _run
    from bitspike.intmath import saturate, shift_right

    installed("icarus")
    (tmp_path / "arithmetic.sv").write_text(to_verilog(drawn(0)).files["bitspike_arithmetic.sv"])
    (tmp_path / "check.sv").write_text(CHECK)
    _run(["iverilog", "-g2012", "-o", "check", "check.sv", "arithmetic.sv"], str(tmp_path))
    said = np.array([line.split() for line in _run(["vvp", "-n", "check"], str(tmp_path)).splitlines()], np.int64)
    op, low, a, b, result, write = said.T
    assert len(said) == 10 * 8 * 32 * 32
    factors = (abs(2 * a + 1) < 16) & (abs(2 * b + 1) < 16)  # those that four bits hold
    meant = {
        "add": (a + b, True),
        "sub": (a - b, True),
        "mul": (a * b, factors),
        "shr": (np.array([int(shift_right(x, n)) for x, n in zip(a, b % 8, strict=True)]), (b >= 0) & (b < 8)),
        "min": (np.minimum(a, b), True),
        "max": (np.maximum(a, b), True),
        "clip": (np.array([int(saturate(x, lo, hi)) for x, lo, hi in zip(a, low, b, strict=True)]), low <= b),
        "move": (b, True),
        "if_not_0": (b, True),
        "if_below_0": (b, True),
    }
    assert tuple(meant) == CODES
    for code, (name, (wanted, where)) in enumerate(meant.items()):
        chosen = (op == code) & where
        assert chosen.any()
        assert (result[chosen] == wanted[chosen]).all(), name
        takes = {"if_not_0": a != 0, "if_below_0": a < 0}.get(name, np.ones_like(a, dtype=bool))
        assert (write[chosen] == takes[chosen]).all(), name


@pytest.mark.hdl
def test_yosys_reads_every_instruction_as_simulators_do(tmp_path: Any) -> None:
    from bitspike.backends.verilog.micro import OPS as CODES
    from bitspike.backends.verilog.simulate import _run

    if shutil.which("yosys") is None:
        pytest.skip("no yosys")
    (tmp_path / "arithmetic.sv").write_text(to_verilog(drawn(0)).files["bitspike_arithmetic.sv"])
    small = "-set WORD 8 -set LOW 3 -set FACTOR_A 4 -set FACTOR_B 4 -set SHIFT 3"
    given = "-set a 8'd251 -set b 8'd3 -set low 3'd4 -show result"  # -5, 3 and -4
    asked = "; ".join(f"eval -set op 4'd{code} {given}" for code in range(len(CODES)))
    script = (
        f"read_verilog -sv arithmetic.sv; chparam {small} bitspike_arithmetic; prep -top bitspike_arithmetic; {asked}"
    )
    said = _run(["yosys", "-p", script], str(tmp_path))
    seen = [int(found, 2) for found in re.findall(r"result = 8'([01]{8})", said)]
    assert seen == [value % 256 for value in (-2, -8, -15, -1, -5, 3, -4, 3, 3, 3)]


SUMS = """
module check;
  localparam int BITS = %d;
  localparam logic SIGNED = %d;
  logic clk = 0, clear = 1, take = 0, next_bit = 0;
  logic signed [BITS:0] level;
  logic signed [BITS:0] bit_of_level;
  logic signed [3:0] weight;
  logic negative;
  logic signed [11:0] at_once, by_bits;
  int tap;
  logic parallel_take;
  bitspike_element_parallel #(.LEVEL(BITS + 1), .WEIGHT(4), .SUM(12)) parallel_ (.clk(clk), .clear(clear),
      .take(parallel_take), .next_bit(1'b0), .negative(1'b0), .level(level), .weight(weight), .sum(at_once));
  bitspike_element_serial #(.LEVEL(BITS + 1), .WEIGHT(4), .SUM(12)) serial_ (.clk(clk), .clear(clear),
      .take(take), .next_bit(next_bit), .negative(negative), .level(bit_of_level), .weight(weight), .sum(by_bits));
  task automatic beat; begin #1 clk = 1; #1 clk = 0; end endtask
  initial
    for (int x = SIGNED ? -(1 << BITS) / 2 : 0; x < (SIGNED ? (1 << BITS) / 2 : 1 << BITS); x++)
      for (int w = -8; w < 8; w++)
        for (int v = -8; v < 8; v += 5) begin
          take = 0; parallel_take = 0; next_bit = 0; clear = 1; beat(); clear = 0;
          for (int b = BITS - 1; b >= 0; b--)
            for (tap = 0; tap < 2; tap++) begin
              level = tap ? ~x : x;
              if (!SIGNED && tap) level = (1 << BITS) - 1 - x;
              weight = tap ? v : w;
              bit_of_level = (level >> b) & 1;
              negative = SIGNED && b == BITS - 1;
              take = 1; next_bit = tap == 0; parallel_take = b == 0;
              beat();
            end
          $display("%%0d %%0d %%0d %%0d %%0d", x, w, v, at_once, by_bits);
        end
endmodule
"""


@pytest.mark.hdl
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_elements_multiply_every_level_with_every_weight(bits: int, signed: int, tmp_path: Any) -> None:
    from bitspike.backends.verilog.simulate import _run

    installed("icarus")
    (tmp_path / "element.sv").write_text(to_verilog(drawn(0)).files["bitspike_element.sv"])
    (tmp_path / "check.sv").write_text(SUMS % (bits, signed))
    _run(["iverilog", "-g2012", "-o", "check", "check.sv", "element.sv"], str(tmp_path))
    said = np.array([line.split() for line in _run(["vvp", "-n", "check"], str(tmp_path)).splitlines()], np.int64)
    x, w, v, at_once, by_bits = said.T
    other = -1 - x if signed else (1 << bits) - 1 - x
    assert len(said) == (1 << bits) * 16 * 4
    assert (at_once == w * x + v * other).all()
    assert (by_bits == at_once).all()


# Programs


def test_constants_are_computed_and_neutral_numbers_cost_nothing() -> None:
    code = Code()
    x = code.moved(code.state(0, Range(-5, 5)))
    before = len(code.micros)
    assert code.make("add", immediate(3), immediate(4), Range(7, 7)).number == 7
    assert code.make("shr", immediate(-5), immediate(1), Range(-3, -3)).number == -3
    for op, neutral in {"add": 0, "sub": 0, "shr": 0, "mul": 1}.items():
        assert code.make(op, x, immediate(neutral), x.range) == x
    assert code.clip(x, -5, 5) == x
    assert code.select(immediate(0), x, immediate(2)).number == 2
    assert len(code.micros) == before


def test_an_instruction_has_one_immediate() -> None:
    code = Code()
    code.make("add", immediate(3), code.state(5, Range(-5, 5)), Range(-2, 8))
    code.make("clip", code.moved(code.state(1, Range(0, 9))), immediate(4), Range(0, 4))
    for made in code.micros:
        given = {made.b.start} if made.b.kind == "state" else set()
        given |= {value.number for value in (made.a, made.b) if value.kind == "immediate"}
        assert len(given) <= 1 or made.op == "move"


def test_a_value_that_is_too_wide_is_refused() -> None:
    code = Code()
    code.moved(code.state(0, Range(0, 1 << 63)))
    with pytest.raises(UserError, match=r"^verilog: got 'a value of 65 bits'; want 63 at most"):
        code.finished()


# Refusals


@pytest.mark.parametrize("name", ["", "1st", "always_comb", "wire", "a-b", "a b", "x" * 40, "bitspike_alu", "a;b", "é"])
def test_a_name_that_is_none_of_a_module_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"^name: got") as refused:
        to_verilog(drawn(0), name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pes": 0}, "pes: got 0; want 1 to 256"),
        ({"pes": 257}, "pes: got 257; want 1 to 256"),
        ({"element": "quantum"}, "element: got 'quantum'; want parallel, serial, event"),
    ],
)
def test_options_that_will_not_do_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        backend("verilog", **options).export(drawn(0), "network")


def test_a_missing_simulator_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="install verilator or iverilog") as refused:
        simulator()
    assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match="want verilator or icarus"):
        simulator("modelsim")
    assert backend("verilog").export(drawn(0), "network").files


@dataclass(frozen=True, kw_only=True)
class Odd(Node):
    """An op that the backend has no row for."""

    def infer(self, *edges: Edge) -> Edge:
        return edges[0]

    def range(self, tensors: Any, *x: Any) -> Range:
        return x[0].each

    def step(self, tensors: Any, proven: Range, *x: Any) -> Any:
        return x[0]


def with_odd() -> FrozenGraph:
    net = drawn(0)
    nodes = list(net.graph.nodes)
    last = nodes[-1]
    nodes[-1:] = [Odd(name="odd", inputs=last.inputs), replace(last, inputs=("odd",))]
    return FrozenGraph(replace(net.graph, nodes=tuple(nodes)), net.tensors)


def test_an_op_without_hardware_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"^verilog: got 'Odd \(odd\)'; the backend has no writer for it"):
        to_verilog(with_odd())


class Same(Together):
    """The row of `Odd`, from outside."""

    def value(self, layer: Any, node: Any) -> Any:
        return layer.read(node.inputs[0])


@pytest.fixture
def row() -> Iterator[None]:
    with ROWS.added("Odd", Same()):
        yield


@pytest.mark.hdl
@pytest.mark.usefixtures("row")
def test_an_op_of_ones_own_needs_a_row() -> None:
    net, tool = with_odd(), installed("icarus")
    shown = images(net, 0, 1)
    assert np.array_equal(simulated(to_verilog(net), shown, tool).logits, oracle.logits(net, shown))


def test_every_op_has_a_row() -> None:
    assert set(ROWS) | WITHOUT_HARDWARE == {kind.__name__ for kind in OPS.values()}


@pytest.mark.hdl
@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_the_network_reaches_the_text_unescaped(name: str) -> None:
    tool, net = installed("icarus"), renamed(drawn(0), name)
    program, shown = to_verilog(net), images(net, 0, 1)
    assert not any(name in line for line in text_of(program))
    assert np.array_equal(simulated(program, shown, tool).logits, oracle.logits(net, shown))


def test_every_network_has_hardware_but_those_with_too_wide_values() -> None:
    refused = 0
    for seed in range(60):
        for net in (random_graph(seed), random_graph(seed, trains=True), random_graph(seed, loops=True)):
            try:
                to_verilog(net)
            except UserError as no:
                assert re.fullmatch(r"verilog: got 'a value of 6\d bits'; want 63 at most.*", str(no))
                refused += 1
    assert refused < 10
