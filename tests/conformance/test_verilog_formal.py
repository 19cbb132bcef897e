"""Yosys proves the arithmetic of exported hardware, for all inputs of a width: instructions and processing elements.

What is meant is written here without the operators that are proven: quotients by their bounds, products by sums.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hardware import drawn

from bitspike.backends.verilog import to_verilog
from bitspike.backends.verilog.micro import OPS

pytestmark = [pytest.mark.hdl, pytest.mark.skipif(shutil.which("yosys") is None, reason="no yosys")]

INSTRUCTION = """
module check #(parameter int OP = 0, parameter int WORD = 6, parameter int FACTOR_A = 4, parameter int FACTOR_B = 3) (
    input logic signed [WORD-1:0] a, b, input logic signed [2:0] low, output logic ok
);
  localparam int WIDE = 24;
  logic signed [WORD-1:0] result;
  logic write;
  bitspike_arithmetic #(.WORD(WORD), .LOW(3), .FACTOR_A(FACTOR_A), .FACTOR_B(FACTOR_B), .SHIFT(3)) arithmetic (
      .op(OP[3:0]), .a(a), .b(b), .low(low), .result(result), .write(write)
  );
  logic signed [WIDE-1:0] x, y, z, l, r, power, most;
  logic fits, wanted, takes;
  assign x = a; assign y = b; assign l = low; assign r = result;
  assign power = 24'sd1 << b[2:0];
  assign most = 24'sd1 << (WORD - 1);
  always_comb begin
    z = 0; fits = 1; takes = 1;
    case (OP)
      0: begin z = x + y; fits = z < most && z >= -most; end
      1: begin z = x - y; fits = z < most && z >= -most; end
      2: begin
        for (int i = 0; i < WORD - 1; i++) if (y[i]) z = z + (x << i);
        if (y < 0) z = z - (x << (WORD - 1));
        fits = z < most && z >= -most && x < (1 << (FACTOR_A - 1)) && x >= -(1 << (FACTOR_A - 1))
            && y < (1 << (FACTOR_B - 1)) && y >= -(1 << (FACTOR_B - 1));
      end
      3: fits = y >= 0 && y < 8;
      6: fits = l <= y;
      8: takes = x != 0;
      9: takes = x < 0;
      default: ;
    endcase
    case (OP)
      3: wanted = r * power <= x && x < (r + 1) * power;
      4: wanted = r <= x && r <= y && (r == x || r == y);
      5: wanted = r >= x && r >= y && (r == x || r == y);
      6: wanted = r >= l && r <= y && (r == x || (r == l && x < l) || (r == y && x > y));
      7, 8, 9: wanted = r == y;
      default: wanted = r == z;
    endcase
  end
  assign ok = !fits || (wanted && write == takes);
endmodule

module check_rounds #(parameter int WORD = 8) (input logic signed [5:0] a, input logic [2:0] n, output logic ok);
  logic signed [WORD-1:0] raised, rounded;
  logic signed [23:0] half, x, r, power;
  assign half = (24'sd1 << n) >>> 1;  // of a shift by 0 there is none
  bitspike_arithmetic #(.WORD(WORD), .LOW(2), .FACTOR_A(2), .FACTOR_B(2), .SHIFT(3)) adds (
      .op(4'd0), .a(WORD'(a)), .b(half[WORD-1:0]), .low(2'sd0), .result(raised), .write());
  bitspike_arithmetic #(.WORD(WORD), .LOW(2), .FACTOR_A(2), .FACTOR_B(2), .SHIFT(3)) shifts (
      .op(4'd3), .a(raised), .b(WORD'({1'b0, n})), .low(2'sd0), .result(rounded), .write());
  assign x = a; assign r = rounded; assign power = 24'sd1 << n;
  assign ok = (2 * r - 1) * power <= 2 * x && 2 * x < (2 * r + 1) * power;  // half up: the nearest, or the upper
endmodule
"""
"""An instruction and what it means; two of them, which round a shift."""

ELEMENT = """
module check_parallel #(parameter int LEVEL = 4, parameter int WEIGHT = 3) (
    input logic clk, clear, take, input logic signed [LEVEL-1:0] level, input logic signed [WEIGHT-1:0] weight,
    output logic ok
);
  logic signed [11:0] sum, meant, product;
  bitspike_element_parallel #(.LEVEL(LEVEL), .WEIGHT(WEIGHT), .SUM(12)) element (
      .clk(clk), .clear(clear), .take(take), .next_bit(1'b0), .negative(1'b0), .level(level), .weight(weight),
      .sum(sum));
  always_comb begin
    product = weight[WEIGHT-1] ? -(12'(level) <<< (WEIGHT - 1)) : 12'sd0;
    for (int i = 0; i < WEIGHT - 1; i++) if (weight[i]) product = product + (12'(level) <<< i);
  end
  logic begun = 1'b0;
  always_ff @(posedge clk) begin
    begun <= begun | clear;
    meant <= clear ? 12'sd0 : take ? meant + product : meant;
  end
  assign ok = !begun || sum == meant;
endmodule

module check_serial #(parameter int BITS = 3, parameter int WEIGHT = 3, parameter int SIGNED = 1) (
    input logic clk, input logic signed [BITS-1:0] x, y, input logic signed [WEIGHT-1:0] v, w, input logic [1:0] takes,
    output logic ok
);
  logic [4:0] count = 0;
  logic signed [BITS:0] x_held, y_held;
  logic signed [WEIGHT-1:0] v_held, w_held;
  logic [1:0] takes_held;
  logic signed [11:0] sum;
  logic tap, running;
  logic [4:0] at;
  assign running = count != 0 && count <= 2 * BITS;
  assign tap = !count[0];
  assign at = BITS - 1 - ((count - 1) >> 1);
  always_ff @(posedge clk) begin
    count <= count + 1;
    if (count == 0) begin
      x_held <= SIGNED ? x : $signed({1'b0, x}); y_held <= SIGNED ? y : $signed({1'b0, y});
      v_held <= v; w_held <= w; takes_held <= takes;
    end
  end
  bitspike_element_serial #(.LEVEL(2), .WEIGHT(WEIGHT), .SUM(12)) element (
      .clk(clk), .clear(count == 0), .take(running && takes_held[tap]), .next_bit(running && !tap),
      .negative(SIGNED != 0 && at == BITS - 1),
      .level({1'b0, tap ? y_held[at] : x_held[at]}), .weight(tap ? w_held : v_held), .sum(sum));
  logic signed [11:0] meant;
  assign meant = (takes_held[0] ? 12'(x_held) * 12'(v_held) : 12'sd0)
      + (takes_held[1] ? 12'(y_held) * 12'(w_held) : 12'sd0);
  assign ok = count != 2 * BITS + 1 || sum == meant;
endmodule
"""
"""A sum beside one that is made of shifts, for ever; two levels and two weights, a bit of the levels a cycle."""


def proofs() -> list[str]:
    """Commands of Yosys."""
    sizes = [(5, 3, 3), (8, 4, 5)]
    one_by_one = [
        _proof("check", "", OP=op, WORD=word, FACTOR_A=a, FACTOR_B=b) for op in range(len(OPS)) for word, a, b in sizes
    ]
    parallel = [
        _proof("check_parallel", "-tempinduct -seq 1", LEVEL=level, WEIGHT=weight)
        for level, weight in ((2, 2), (2, 4), (5, 3))
    ]
    serial = [
        _proof("check_serial", f"-seq {2 * bits + 2} -set-at 1 count 0", BITS=bits, WEIGHT=weight, SIGNED=signed)
        for bits, weight in ((1, 2), (2, 4), (3, 3))
        for signed in (0, 1)
    ]
    return [*one_by_one, _proof("check_rounds", ""), *parallel, *serial]


def _proof(module: str, how: str, **sizes: int) -> str:
    given = f"chparam {' '.join(f'-set {name} {value}' for name, value in sizes.items())} {module}; " if sizes else ""
    prepared = f"hierarchy -top {module}; proc; flatten; opt -full"
    return f"design -load read; {given}{prepared}; sat -verify -set-def-inputs {how} -prove ok 1 {module}"


def proven(folder: Path, commands: list[str], changes: dict[str, str]) -> bool:
    text = "\n".join(to_verilog(drawn(0)).files[f"bitspike_{part}.sv"] for part in ("arithmetic", "element"))
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    (folder / "blocks.sv").write_text(text + INSTRUCTION + ELEMENT)
    script = ["read_verilog -sv blocks.sv", "design -save read", *commands]
    (folder / "proofs.ys").write_text("\n".join(script))
    done = subprocess.run(["yosys", "-q", "proofs.ys"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 or "proof did fail" in done.stderr, done.stderr
    return done.returncode == 0


def test_instructions_and_elements_are_proven(tmp_path: Path) -> None:
    assert proven(tmp_path, proofs(), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a + b", "a + b + 1"),
        ("a >>> distance", "a >> distance"),
        ("result = a < b ? a : b", "result = a[WORD-2:0] < b[WORD-2:0] ? a : b"),
        ("a < WORD'(low) ? WORD'(low)", "a < WORD'(low) ? b"),
        ("write = a != 0", "write = a > 0"),
        ("$signed(b[FACTOR_B-1:0])", "$signed({1'b0, b[FACTOR_B-2:0]})"),
        ("$signed(weight[f*WEIGHT+:WEIGHT])", "$signed({1'b0, weight[f*WEIGHT+:WEIGHT]})"),
        ("negative ? doubled - part", "negative ? doubled + part"),
        ("next_bit ? sum <<< 1 : sum", "sum <<< 1"),
    ],
)
def test_a_planted_error_is_found(before: str, after: str, tmp_path: Path) -> None:
    assert not proven(tmp_path, proofs(), {before: after})


@pytest.mark.parametrize("seed", [0, 3])
def test_yosys_reads_the_whole_engine_without_a_latch(seed: int, tmp_path: Path) -> None:
    """Of a network with products, and of one with a loop."""
    program = to_verilog(drawn(seed, loops=seed == 3), "network", 2, "serial")
    for name, text in program.files.items():
        (tmp_path / name).write_text(text)
    sources = " ".join(sorted(name for name in program.files if name.endswith(".sv") and not name.endswith("_tb.sv")))
    script = (
        f"read_verilog -sv {sources}; hierarchy -check -top network; proc; select -assert-none t:$dlatch; check -assert"
    )
    done = subprocess.run(["yosys", "-q", "-p", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
