"""The files of a network: the engine with its widths, tables and memories filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.verilog.cycles import layer_cycles
from bitspike.backends.verilog.instructions import encoded
from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.lines import ADDRESSES, line
from bitspike.backends.verilog.micro import FETCHED, OF_A, OF_B, OPS, Micro, Value
from bitspike.backends.verilog.plan import Plan, planned
from bitspike.backends.verilog.text import checked_name, comment, constants, resource
from bitspike.backends.verilog.weights import Weights, image
from bitspike.backends.verilog.widths import bits_of, widths
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph

__all__ = ["ELEMENTS", "MOST_PES", "Program", "to_verilog"]

ELEMENTS = ("parallel", "serial", "event")
MOST_PES = 256


@dataclass(frozen=True)
class Program:
    """A network in SystemVerilog.

    Attributes:
        files: text by file name. plan: what was decided. weights: as they lie in memory.
        widths: bits of what the engine computes in, by name. memory_bits: of all memories, by name.
        cycles: of one sample by layer, where no beat waits: the beats in (named ``input``), and what each layer takes
            at most.
    """

    name: str
    files: Mapping[str, str]
    plan: Plan
    weights: Weights
    widths: Mapping[str, int]
    memory_bits: Mapping[str, int]
    cycles: Mapping[str, int]

    @property
    def answer(self) -> tuple[int, ...]:
        """Shape of what is said of one sample."""
        edge = self.plan.parts[self.plan.last].edge
        return (edge.T, *edge.shape) if self.plan.net.readout.over == "each" else edge.shape

    def order(self, samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Codes in the order in which they are sent."""
        return samples

    def limit(self, samples: int) -> int:
        """Cycles in which so many samples end, with gaps and pauses."""
        return 1000 + 8 * samples * sum(self.cycles.values())

    def edges(self, told: Sequence[Sequence[int]], samples: int) -> dict[str, NDArray[np.int64]]:
        """What a traced run has told of the edges, ``[T, N, *shape]`` by name."""
        plan = self.plan
        by_layer: dict[int, list[Sequence[int]]] = {}
        for layer, step, address, value in told:
            by_layer.setdefault(layer, []).append((step, address, value))
        found = {}
        for layer, elements in by_layer.items():
            root = plan.layers[layer].root
            seen = np.array(elements, np.int64).reshape(samples, -1, 3)  # of a sample, every element once
            values = np.zeros((samples, root.edge.T * root.edge.size), np.int64)
            at = seen[:, :, 0] * root.edge.size + seen[:, :, 1] - plan.places[root.node.name].address
            np.put_along_axis(values, at, seen[:, :, 2], axis=1)
            found[root.node.name] = np.moveaxis(values.reshape(samples, root.edge.T, *root.edge.shape), 0, 1)
        return {name: values for name, values in found.items() if name in plan.net.graph.edges}


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
    return _Writer(planned(net), name, pes, element).program()


class _Writer:
    """Fills the engine in."""

    def __init__(self, plan: Plan, name: str, pes: int, element: str) -> None:
        self.plan, self.name, self.pes, self.element = plan, name, pes, element
        self.weights = Weights(plan.layers, pes)
        self.weight_widths = sorted(self.weights.words)
        self.micros = [layer.code.finished() for layer in plan.layers]
        self.states = plan.states
        self.rows = [self._row(index, layer) for index, layer in enumerate(plan.layers)]
        self.widths = widths(plan, self.weights, self.rows, self.micros, ELEMENTS.index(element))
        self.fields = self._fields()
        self.instructions = [word for layer, made in enumerate(self.micros) for word in self._words(layer, made)]

    # What is where

    def _state_at(self, layer: int, number: int) -> int:
        begins, words = self.states[layer]
        return begins + number * words

    def _row(self, index: int, layer: Layer) -> dict[str, int]:
        """A layer's line of the table."""
        bits, at = self.weights.at.get(index, (0, 0))
        return line(self.plan, layer, self.pes, self.element == "serial") | {
            "program": sum(map(len, self.micros[:index])),
            "first_at": self._fetched_at(index, self.micros[index][0].b),
            "weights": at,
            "weights_class": self.weight_widths.index(bits) if bits else 0,
        }

    # What it does

    def _fields(self) -> dict[str, int]:
        """The fields of an instruction and their bits, the lowest first."""
        register = bits_of(self.widths["REGISTERS"] - 1)
        return {
            "last": 1,
            "write": 1,
            "store": 1,
            "keep": 1,
            "op": bits_of(len(OPS) - 1),
            "a": bits_of(len(OF_A) - 1),
            "b": bits_of(len(OF_B) - 1),
            "register": register,
            "register_a": register,
            "register_b": register,
            "fetch": 1,
            "fetch_steps": 1,
            "fetch_class": self.widths["CLASS"],
            "fetch_at": self.widths["EDGE"],
            "keep_at": self.widths["EDGE"],
            "low": self.widths["LOW"],
            "immediate": self.widths["WORD"],
        }

    def _words(self, layer: int, micros: list[Micro]) -> list[list[int]]:
        """A program's instructions, by field."""
        words = encoded(micros, lambda b: self._fetched_at(layer, b), lambda number: self._state_at(layer, number))
        return [[word[field] for field in self.fields] for word in words]

    def _fetched_at(self, layer: int, b: Value) -> int:
        """The address of what an instruction reads from memory, of channel 0."""
        if b.kind not in FETCHED:
            return 0
        return {"edge": b.place[1], "constant": b.number}.get(b.kind, self._state_at(layer, b.number))

    # Text

    def program(self) -> Program:
        texts = {f"{self.name}.sv": self._engine()}
        for part in ("arithmetic.sv", "element.sv", "memory.sv"):
            texts[f"bitspike_{part}"] = resource(part)
        texts[f"{self.name}_tb.sv"] = self._filled(resource("testbench.sv"))
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
        return Program(self.name, texts, self.plan, self.weights, w, memory, self._cycles())

    def _cycles(self) -> dict[str, int]:
        parts = zip(self.plan.layers, self.rows, self.micros, strict=True)
        counted = {
            layer.root.node.name: layer_cycles(layer, row, micros, self.pes, self.element == "event")
            for layer, row, micros in parts
        }
        behind = self.micros[-1][::-1]  # what the last program does when the last logit has been sent
        counted[self.plan.last] -= next(index for index, made in enumerate(behind) if made.store)
        return {"input": self.plan.net.sample.size, **counted}

    def _filled(self, text: str) -> str:
        element = "serial" if self.element == "serial" else "parallel"
        logit = self.plan.parts[self.plan.last].range.signed_bits
        filled = {
            "COMMENT": f'The network "{comment(self.plan.net.graph.name)}".',
            "NAME": self.name,
            "SAMPLE": str(self.plan.net.sample.size),
            "LOGITS": str(self.widths["CLASSES"] * self.plan.parts[self.plan.last].edge.T),
            "LOGIT": str(logit),
            "REST": "1",
            "ELEMENT": f"bitspike_element_{element}",
            "PARAMETERS": constants({**self.widths, "INSTRUCTION": sum(self.fields.values()), **self._input()}),
            "TABLE": self._table(),
            "EDGES": self._edges(),
            "WEIGHTS": self._weights(),
            "FIELDS": self._instruction(),
        }
        return re.sub("@([A-Z]+)@", lambda found: filled[found[1]], text)

    def _engine(self) -> str:
        return self._filled(resource("engine.sv"))

    def _input(self) -> dict[str, int]:
        (node,) = self.plan.net.graph.inputs()
        place = self.plan.places[node.name]
        return {"INPUT_AT": place.address, "INPUT_CLASS": place.memory, "INPUT_LO": node.edge.lo or 0}

    def _table(self) -> str:
        signed = ("padding_y", "padding_x", "stride_y", "stride_x", "apart_y", "apart_x", "rows_in", "columns_in")
        width = {
            **{"mode": 3, "last_bit": self.widths["BIT"]},
            **dict.fromkeys(("signed", "held", "at_last", "once", "answers"), 1),
            **dict.fromkeys(signed, self.widths["SIDE"]),
            **dict.fromkeys(("last_x", "last_y", "last_channel"), self.widths["TAP"]),
            **dict.fromkeys(("taps", "weights"), self.widths["WEIGHTS"]),
            **{"weights_class": self.widths["WEIGHTS_CLASS"], "program": self.widths["CODE"]},
            **dict.fromkeys(("last_block", "last_group", "lanes_last"), self.widths["CHANNEL"]),
            **dict.fromkeys(ADDRESSES, self.widths["EDGE"]),
            **dict.fromkeys(("last_column", "last_row"), self.widths["PLACE"]),
            **dict.fromkeys(("class", "second_class", "store_class"), self.widths["CLASS"]),
            "last_step": self.widths["STEP"],
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
                f"  assign write_{index} = in_ready ? {memory.bits}'(in_data) + {memory.bits}'(INPUT_LO) :"
                f" {memory.bits}'(result);",
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
            sign = "signed " if field in ("low", "immediate") else ""
            lines.append(f"  logic {sign}[{bits - 1}:0] i_{field};")
            lines.append(f"  assign i_{field} = instruction[{at}+:{bits}];")
            at += bits
        for field, words in {"a": OF_A, "b": OF_B}.items():
            bits = self.fields[field]
            named = (f"{field}_{word}".upper() for word in words)
            lines += [f"  localparam logic [{bits - 1}:0] {one} = {index};" for index, one in enumerate(named)]
        return "\n".join(lines)
