"""The files of a network: the engine with its widths, tables and memories filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.micro import FETCHED, OF_A, OF_B, OPS, Micro
from bitspike.backends.verilog.plan import Plan
from bitspike.backends.verilog.row import Sweep, sides
from bitspike.backends.verilog.text import checked_name, comment, constants
from bitspike.backends.verilog.weights import Weights, image
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph
from bitspike.ir.ranges import Range

__all__ = ["ELEMENTS", "MOST_PES", "Program", "to_verilog"]

ELEMENTS = ("parallel", "serial", "event")
ADDRESSES = (
    *("origin", "next_x", "next_y", "next_channel", "next_group", "next_step", "next_column", "next_row"),
    *("store", "elements", "plane"),
)
"""What the table says of addresses."""
MODES = ("none", "synapse", "added", "largest")
MOST_PES = 256


@dataclass(frozen=True)
class Program:
    """A network in SystemVerilog.

    Attributes:
        files: text by file name. plan: what was decided. weights: as they lie in memory.
        widths: bits of what the engine computes in, by name. memory_bits: of all memories, by name.
        cycles: of one sample, from the first beat in to the last beat out, where no beat waits; at most, where the
            elements skip levels.
    """

    name: str
    files: Mapping[str, str]
    plan: Plan
    weights: Weights
    widths: Mapping[str, int]
    memory_bits: Mapping[str, int]


def to_verilog(net: FrozenGraph, name: str = "network", pes: int = 8, element: str = "parallel") -> Program:
    """The network as SystemVerilog.

    Args:
        net: the network.
        name: of its module, and what every file of its own begins with.
        pes: processing elements.
        element: one of `ELEMENTS`.

    Raises:
        UserError: a name that will not do, no such element, too many of them, an op without hardware, or a value that
            is too wide for it.
    """
    checked_name(name)
    if element not in ELEMENTS:
        raise UserError("element", element, f"want {', '.join(ELEMENTS)}")
    if not 1 <= pes <= MOST_PES:
        raise UserError("pes", pes, f"want 1 to {MOST_PES} processing elements")
    return _Writer(Plan(net), name, pes, element).program()


class _Writer:
    """Fills the engine in."""

    def __init__(self, plan: Plan, name: str, pes: int, element: str) -> None:
        self.plan, self.name, self.pes, self.element = plan, name, pes, element
        self.weights = Weights(plan.layers, pes)
        self.weight_widths = sorted(self.weights.words)
        self.micros = [layer.code.finished() for layer in plan.layers]
        self.states = self._states()
        self.rows = [self._row(index, layer) for index, layer in enumerate(plan.layers)]
        self.widths = self._widths()
        self.fields = self._fields()
        self.instructions = [word for layer, made in enumerate(self.micros) for word in self._words(layer, made)]

    # What is where

    def _states(self) -> list[int]:
        """Of each layer: words of one state."""
        return [sides(layer.root.edge.shape)[0] for layer in self.plan.layers]

    def _row(self, index: int, layer: Layer) -> dict[str, int]:
        """A layer's line of the table."""
        root, sweep = layer.root, layer.sweep
        channels, rows, columns = sides(root.edge.shape)
        if sweep is None:
            sweep = Sweep("none", "", 1, 1, channels)
        blocks = -(-sweep.made // self.pes)
        program = sum(map(len, self.micros[:index]))
        place = self.plan.places.get(root.node.name)
        row = {
            "mode": MODES.index(sweep.mode),
            "last_block": blocks - 1,
            "last_group": sweep.groups - 1,
            "last_step": layer.steps - 1,
            "last_column": columns - 1,
            "last_row": rows - 1,
            "lanes_last": sweep.made - (blocks - 1) * self.pes,
            "program": program,
            "at_last": int(layer.at_last),
            "answers": int(place is None),
            "store": place.address if place else 0,
            "store_class": place.memory if place else 0,
            "elements": root.edge.size,
            "plane": rows * columns,
        }
        if layer.sweep is None:
            return row
        source = self.plan.parts[sweep.source]
        memory = self.plan.memories[self.plan.places[sweep.source].memory]
        _, rows_in, columns_in = sides(source.edge.shape)
        if self.plan.parts[sweep.source].edge.size == sweep.channels and sweep.kernel == (1, 1):
            rows_in = columns_in = 1  # of a product, whose input is flat
        down, across = (apart * (side - 1) for apart, side in zip(sweep.dilation, sweep.kernel, strict=True))
        bits, at = self.weights.at.get(index, (0, 0))
        return row | {
            "class": self.plan.places[sweep.source].memory,
            "signed": int(memory.signed),
            "last_bit": memory.bits - 1 if self.element == "serial" and sweep.mode == "synapse" else 0,
            "held": int(layer.held),
            "origin": self.plan.places[sweep.source].address - sweep.padding[0] * columns_in - sweep.padding[1],
            "padding_y": sweep.padding[0],
            "padding_x": sweep.padding[1],
            "stride_y": sweep.stride[0],
            "stride_x": sweep.stride[1],
            "apart_y": sweep.dilation[0],
            "apart_x": sweep.dilation[1],
            "rows_in": rows_in,
            "columns_in": columns_in,
            "last_x": sweep.kernel[1] - 1,
            "last_y": sweep.kernel[0] - 1,
            "last_channel": sweep.channels - 1,
            "taps": sweep.taps,
            "next_x": sweep.dilation[1],
            "next_y": sweep.dilation[0] * columns_in - across,
            "next_channel": rows_in * columns_in - down * columns_in - across,
            "weights": at,
            "weights_class": self.weight_widths.index(bits) if bits else 0,
            "next_group": sweep.channels * rows_in * columns_in,
            "next_step": source.edge.size if source.edge.T > 1 else 0,
            "next_column": sweep.stride[1],
            "next_row": sweep.stride[0] * columns_in,
        }

    # How wide it is

    def _widths(self) -> dict[str, int]:
        plan, layers, net = self.plan, self.plan.layers, self.plan.net
        sweeps = [layer.sweep for layer in layers if layer.sweep]
        synapses = [one for one in sweeps if one.mode == "synapse"]
        pools = [layer for layer in layers if layer.sweep and layer.sweep.mode != "synapse"]
        memories = plan.memories
        values = [value for layer in layers for value in layer.code.values()]
        factors = [made for layer in layers for made in layer.code.micros if made.op == "mul"]
        rows = max(row["last_row"] + 1 for row in self.rows)
        columns = max(row["last_column"] + 1 for row in self.rows)
        (sample,) = (node for node in net.graph.inputs())
        samples = plan.parts[sample.name].edge
        reach = [
            (side - 1) * stride + apart * kernel + padding + 1
            for one, row in zip(layers, self.rows, strict=True)
            if (sweep := one.sweep)
            for side, stride, apart, kernel, padding in zip(
                (row["last_row"] + 1, row["last_column"] + 1),
                sweep.stride,
                sweep.dilation,
                sweep.kernel,
                sweep.padding,
                strict=True,
            )
        ]
        inputs = [end for row in self.rows for end in (row.get("rows_in", 1), row.get("columns_in", 1))]
        level = [m.bits + (not m.signed) for m in memories]
        seen = [level[plan.places[one.source].memory] for one in synapses]
        pooled = [layer.root.range.joined(plan.parts[one.source].range) for layer in pools if (one := layer.sweep)]
        pooled += [v.range for layer in pools for v in layer.code.values() if v.kind == "sum"]
        sums = [value.range.including(0) for layer in layers for value in layer.code.values() if value.kind == "sum"]
        sums = [r for layer in layers if layer.sweep and layer.sweep.mode == "synapse" for r in _sums(layer)]
        channels = max(len(w) for w in ([0],)) + max(sides(layer.root.edge.shape)[0] for layer in layers)
        addresses = [
            *(m.size for m in memories),
            max(1, len(plan.constants)) + channels,
            sum(words * len(layer.code.states) for words, layer in zip(self.states, layers, strict=True)) + channels,
            *(row["elements"] for row in self.rows),
        ]
        starts = [Range(value.start, value.start) for value in values if value.kind == "state"]
        kept = [r for layer in layers for r in layer.code.states]
        constant = Range(*(int(f(plan.constants)) for f in (np.min, np.max))) if len(plan.constants) else Range(0, 0)
        return {
            "LAYERS": len(layers),
            "SAMPLE": samples.size * samples.T,
            "CLASSES": plan.parts[plan.last].edge.size,
            "ELEMENT": ELEMENTS.index(self.element),
            "PES": self.pes,
            "LAYER": _bits(len(layers)),
            "PLACE": _bits(max(rows * columns, samples.size * samples.T, rows, columns)),
            "STEP": _bits(max(layer.steps for layer in layers)),
            "CHANNEL": _bits(max(channels, self.pes)),
            "SIDE": 1 + _bits(max([*reach, *inputs, 1])),
            "EDGE": _bits(max(addresses)),
            "CLASS": _bits(len(memories) - 1),
            "TAP": _bits(max([one.taps for one in sweeps] or [1])),
            "TAPS_MOST": max([one.taps for one in sweeps] or [1]),
            "WEIGHTS": _bits(max([len(words) for words in self.weights.words.values()] or [1]) + 1),
            "WEIGHTS_CLASS": _bits(max(len(self.weight_widths) - 1, 0)),
            "WEIGHT": max([bits + (bits == 1) for bits in self.weight_widths] or [2]),
            "BIT": _bits(max(m.bits for m in memories)),
            "LEVEL": max(seen, default=2),
            "WIDE": max([*level, *(r.including(0).signed_bits for r in pooled)]),
            "SUM": max([r.including(0).signed_bits for r in sums], default=2),
            "WORD": max(2, *(v.range.signed_bits for v in values), *(r.signed_bits for r in [*starts, *kept])),
            "FACTOR_A": max([one.a.range.signed_bits for one in factors], default=1),
            "FACTOR_B": max([one.b.range.signed_bits for one in factors], default=1),
            "SHIFT": _bits(max([m.b.number for layer in layers for m in layer.code.micros if m.op == "shr"] or [1])),
            "CONSTANT": constant.signed_bits,
            "CONSTANTS": max(1, len(plan.constants)),
            "STATE": max([r.signed_bits for r in kept], default=1),
            "STATES": max([1, *(n * len(o.code.states) for n, o in zip(self.states, layers, strict=True))]),
            "REGISTERS": 1 + max((m.result.number for made in self.micros for m in made), default=0),
            "CODES": max(1, sum(map(len, self.micros))),
            "CODE": _bits(sum(map(len, self.micros))),
            "LANE": _bits(self.pes - 1),
        }

    # What it does

    def _fields(self) -> dict[str, int]:
        """The fields of an instruction and their bits, the lowest first."""
        register = _bits(self.widths["REGISTERS"] - 1)
        return {
            "last": 1,
            "write": 1,
            "store": 1,
            "keep": 1,
            "op": _bits(len(OPS) - 1),
            "a": _bits(len(OF_A) - 1),
            "b": _bits(len(OF_B) - 1),
            "register": register,
            "register_a": register,
            "register_b": register,
            "fetch": 1,
            "fetch_steps": 1,
            "fetch_class": self.widths["CLASS"],
            "fetch_at": self.widths["EDGE"],
            "keep_at": self.widths["EDGE"],
            "immediate": self.widths["WORD"],
        }

    def _words(self, layer: int, micros: list[Micro]) -> list[list[int]]:
        """A program's instructions, by field. Each fetches what the next one reads from memory."""
        words = []
        for index, made in enumerate(micros):
            b = micros[index + 1].b if index + 1 < len(micros) else made.a
            at = {"edge": b.place[1], "constant": b.number}.get(b.kind, b.number * self.states[layer])
            immediate = next((v.number for v in (made.a, made.b) if v.kind == "immediate"), made.b.start)
            if made.op == "move":
                immediate = made.b.number if made.b.kind == "immediate" else made.b.start
            word = {
                "last": int(index == len(micros) - 1),
                "write": int(made.result.kind == "register"),
                "store": int(made.store),
                "keep": int(made.keep is not None),
                "op": OPS.index(made.op),
                "a": OF_A.index(made.a.kind),
                "b": OF_B.index(made.b.kind),
                "register": made.result.number,
                "register_a": made.a.number if made.a.kind == "register" else 0,
                "register_b": made.b.number if made.b.kind == "register" else 0,
                "fetch": int(b.kind == "edge"),
                "fetch_steps": int(b.kind == "edge" and b.place[2]),
                "fetch_class": b.place[0] if b.kind == "edge" else 0,
                "fetch_at": at if b.kind in FETCHED else 0,
                "keep_at": (made.keep or 0) * self.states[layer],
                "immediate": immediate,
            }
            words.append([word[field] for field in self.fields])
        return words

    # Text

    def program(self) -> Program:
        texts = {f"{self.name}.sv": self._engine()}
        for part in ("element.sv", "memory.sv"):
            texts[f"bitspike_{part}"] = _resource(part)
        texts[f"{self.name}_tb.sv"] = self._filled(_resource("testbench.sv"))
        words = np.array(self.instructions, dtype=object)
        texts[f"{self.name}_program.mem"] = image(words, list(self.fields.values()))
        numbers = self.plan.constants if len(self.plan.constants) else np.zeros(1, np.int64)
        texts[f"{self.name}_constants.mem"] = image(numbers[:, None], [self.widths["CONSTANT"]])
        for bits, lines in self.weights.words.items():
            texts[f"{self.name}_weights{bits}.mem"] = image(lines, [bits] * self.pes)
        w = self.widths
        memory = {
            "edges": sum(m.bits * m.size for m in self.plan.memories),
            "weights": sum(bits * lines.size for bits, lines in self.weights.words.items()),
            "constants": w["CONSTANT"] * w["CONSTANTS"],
            "states": w["STATE"] * w["STATES"],
            "program": sum(self.fields.values()) * w["CODES"],
        }
        if self.element == "event":
            memory["events"] = (w["TAP"] + w["LEVEL"]) * w["TAPS_MOST"]
        return Program(self.name, texts, self.plan, self.weights, w, memory)

    def _filled(self, text: str) -> str:
        element = "serial" if self.element == "serial" else "parallel"
        logit = self.plan.parts[self.plan.last].range.signed_bits
        filled = {
            "COMMENT": f'The network "{comment(self.plan.net.graph.name)}".',
            "NAME": self.name,
            "SAMPLE": str(self.widths["SAMPLE"]),
            "CLASSES": str(self.widths["CLASSES"]),
            "LOGIT": str(logit),
            "ELEMENT": f"bitspike_element_{element}",
            "PARAMETERS": constants({**self.widths, "INSTRUCTION": sum(self.fields.values()), **self._input()}),
            "TABLE": self._table(),
            "EDGES": self._edges(),
            "WEIGHTS": self._weights(),
            "FIELDS": self._instruction(),
        }
        return re.sub("@([A-Z]+)@", lambda found: filled[found[1]], text)

    def _engine(self) -> str:
        return self._filled(_resource("engine.sv"))

    def _input(self) -> dict[str, int]:
        (node,) = self.plan.net.graph.inputs()
        place = self.plan.places[node.name]
        return {"INPUT_AT": place.address, "INPUT_CLASS": place.memory, "INPUT_LO": node.edge.lo or 0}

    def _table(self) -> str:
        signed = {"padding_y", "padding_x", "stride_y", "stride_x", "apart_y", "apart_x", "rows_in", "columns_in"}
        width = {
            **{"mode": 2, "signed": 1, "held": 1, "at_last": 1, "answers": 1, "last_bit": self.widths["BIT"]},
            **dict.fromkeys(signed, self.widths["SIDE"]),
            **dict.fromkeys(("last_x", "last_y", "last_channel"), self.widths["TAP"]),
            **dict.fromkeys(("taps", "weights"), self.widths["WEIGHTS"]),
            **{"weights_class": self.widths["WEIGHTS_CLASS"], "program": self.widths["CODE"]},
            **dict.fromkeys(("last_block", "last_group", "lanes_last"), self.widths["CHANNEL"]),
            **dict.fromkeys(ADDRESSES, self.widths["EDGE"]),
            **dict.fromkeys(("last_column", "last_row"), self.widths["PLACE"]),
            **{"last_step": self.widths["STEP"], "class": self.widths["CLASS"], "store_class": self.widths["CLASS"]},
        }
        lines = ["  logic [LAYER-1:0] layer;"]
        for one, bits in width.items():
            lines.append(f"  logic {'signed ' if one in signed else ''}[{bits - 1}:0] l_{one};")
        lines += ["  always_comb begin", *(f"    l_{one} = '0;" for one in width)]
        lines += ["    case (layer)"]
        for index, (row, layer) in enumerate(zip(self.rows, self.plan.layers, strict=True)):
            lines.append(f"      {index}: begin  // {comment(layer.root.node.name)}")
            for one, value in row.items():
                if value:
                    lines.append(f"        l_{one} = {width[one]}'d{value % (1 << width[one])};")
            lines.append("      end")
        return "\n".join([*lines, "      default: ;", "    endcase", "  end"])

    def _edges(self) -> str:
        lines, cases = [], []
        for index, memory in enumerate(self.plan.memories):
            sign = f"{{(WIDE-{memory.bits}){{read_{index}[{memory.bits - 1}]}}}}" if memory.signed else "'0"
            filling = f"{{{sign}, read_{index}}}" if memory.signed else f"WIDE'(read_{index})"
            if memory.bits == self.widths["WIDE"]:
                filling = f"read_{index}"
            lines += [
                f"  logic [{memory.bits - 1}:0] read_{index}, write_{index};",
                f"  assign write_{index} = in_ready ? {_cut(memory.bits)}(in_data) + {_level(memory.bits)} :"
                f" {_cut(memory.bits)}(result);",
                f"  bitspike_memory #(.WIDTH({memory.bits}), .DEPTH({memory.size}), .ADDRESS(EDGE)) edges_{index} (",
                f"      .clk(clk), .write(edge_write && class_to == {index}), .write_address(edge_to),",
                f"      .write_data(write_{index}), .read_address(edge_from), .read_data(read_{index})",
                "  );",
            ]
            cases.append(f"      {index}: edge_data = {filling};")
        lines += ["  always_comb", "    case (class_read)", *cases, "      default: edge_data = '0;", "    endcase"]
        return "\n".join([*lines, "  assign level = edge_data[LEVEL-1:0];"])

    def _weights(self) -> str:
        lines, cases = [], []
        for index, bits in enumerate(self.weight_widths):
            one = f"weights_{index}[e*{bits}+:{bits}]"
            taken = f"{one} ? -1 : 1" if bits == 1 else f"$signed({one})"
            lines += [
                f"  logic [{self.pes * bits - 1}:0] weights_{index};",
                f"  bitspike_rom #(.WIDTH({self.pes * bits}), .DEPTH({len(self.weights.words[bits])}),"
                f' .ADDRESS(WEIGHTS), .FILE("{self.name}_weights{bits}.mem")) weights_{index}_rom (',
                f"      .clk(clk), .read_address(rom_at), .read_data(weights_{index})",
                "  );",
            ]
            cases.append(f"        {index}: weights[e*WEIGHT+:WEIGHT] = WEIGHT'({taken});")
        lines += ["  always_comb begin", "    weights = '0;", "    for (int e = 0; e < PES; e++)"]
        if not cases:
            return "  assign weights = '0;"
        return "\n".join(
            [*lines, "      case (l_weights_class)", *cases, "        default: ;", "      endcase", "  end"]
        )

    def _instruction(self) -> str:
        lines, at = [], 0
        for field, bits in self.fields.items():
            sign = "signed " if field == "immediate" else ""
            lines.append(f"  logic {sign}[{bits - 1}:0] i_{field};")
            lines.append(f"  assign i_{field} = instruction[{at}+:{bits}];")
            at += bits
        for field, words in {"op": OPS, "a": OF_A, "b": OF_B}.items():
            bits = self.fields[field]
            named = (f"{field}_{word}".upper() for word in words)
            lines += [f"  localparam logic [{bits - 1}:0] {one} = {index};" for index, one in enumerate(named)]
        return "\n".join(lines)


def _sums(layer: Layer) -> list[Range]:
    """The range of the sums of a layer's windows."""
    sweep = layer.sweep
    assert sweep is not None
    return [layer.plan.parts[sweep.weights].range]


def _bits(largest: int) -> int:
    """Of an unsigned number up to this."""
    return max(1, int(largest).bit_length())


def _cut(bits: int) -> str:
    return f"{bits}'"


def _level(bits: int) -> str:
    return f"{bits}'(INPUT_LO)"


def _resource(name: str) -> str:
    return files("bitspike").joinpath("backends", "verilog", "rtl", name).read_text(encoding="utf-8")
