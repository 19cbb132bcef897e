"""The text of a pipeline: buffers, windows and units with their parameters, and the streams between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bitspike.backends.verilog.instructions import encoded
from bitspike.backends.verilog.micro import FETCHED, OPS, Value
from bitspike.backends.verilog.streaming.choice import Width
from bitspike.backends.verilog.streaming.stage import MODES, Source, Stage
from bitspike.backends.verilog.streaming.timing import Reader
from bitspike.backends.verilog.text import comment
from bitspike.backends.verilog.widths import bits_of

__all__ = ["StageText"]


class StageText:
    """One stage in SystemVerilog.

    Args:
        stage: the stage. width: of it.
        beats: channels of a beat of each stream, by its stage.
        deep: places of each buffer.
        name: of the network. serial: whether elements take a bit a cycle. last: whether logits come of it.

    Attributes:
        memory_bits: of its memories. text: its instances. ring: words of its buffer.
        offsets: of what its program has of constants, where they stand among the plan's.
    """

    def __init__(
        self,
        stage: Stage,
        width: Width,
        beats: Mapping[int, int],
        deep: Mapping[Reader, int],
        name: str,
        serial: bool,
        last: bool,
    ) -> None:
        self.stage, self.width, self.beats, self.deep, self.name = stage, width, beats, deep, name
        self.serial, self.last = serial, last
        self.offsets: list[int] = []
        for made in stage.micros:
            if made.b.kind == "constant" and made.b.number not in self.offsets:
                self.offsets.append(made.b.number)
        self.memory_bits: dict[str, int] = {}
        self.lines: list[str] = []
        self.ready: list[tuple[int, str]] = []  # of what stream, and what says so
        self._write()

    @property
    def at(self) -> str:
        return f"s{self.stage.number}"

    def _write(self) -> None:
        stage = self.stage
        self.lines += ["", f"  // Stage {stage.number}: {comment(stage.name)}"]
        self._declare("data", self.width.units * self.out_bits)
        self._declare("valid", 1)
        self._declare("ready", 1)
        if stage.windows is not None:
            self._window()
        self._beside()
        self._unit()

    @property
    def out_bits(self) -> int:
        return self.stage.out.bits + (self.last and not self.stage.out.signed)

    def _declare(self, what: str, bits: int, signed: bool = False) -> None:
        self.lines.append(f"  logic {'signed ' * signed}[{bits - 1}:0] {self.at}_{what};")

    def _instance(self, module: str, called: str, parameters: Mapping[str, object], ports: Mapping[str, str]) -> None:
        given = ", ".join(f".{one}({value})" for one, value in parameters.items())
        wired = ", ".join(f".{one}({value})" for one, value in {"clk": "clk", "rst": "rst", **ports}.items())
        self.lines += [f"  {module} #(", f"      {given}", f"  ) {self.at}_{called} (", f"      {wired}", "  );"]

    def _stream(self, source: Source, ready: str) -> dict[str, str]:
        made = "in" if source.made_by < 0 else f"s{source.made_by}"
        self.ready.append((source.made_by, ready))
        data = "in_level" if source.made_by < 0 else f"{made}_data"
        return {"in_data": data, "in_valid": f"{made}_valid && {made}_ready", "in_ready": ready}

    def _window(self) -> None:
        stage, width, windows = self.stage, self.width, self.stage.windows
        assert windows is not None
        source = windows.source
        beat = self.beats[source.made_by]
        words = source.channels // width.lanes  # of a step
        a_place = source.steps * words
        depth = self.deep[Reader(source.made_by, stage.number, False)]
        ring = depth * a_place
        a_group = 1 if windows.lanewise else words // windows.groups
        groups = source.channels // width.lanes if windows.lanewise else windows.groups
        down, across = windows.reach
        next_row = windows.stride[0] * source.columns * a_place
        far = {
            "ORIGIN": -(windows.padding[0] * source.columns + windows.padding[1]) * a_place,
            "NEXT_X": windows.dilation[1] * a_place - (a_group - 1),
            "NEXT_Y": (windows.dilation[0] * source.columns - across) * a_place - (a_group - 1),
            "NEXT_GROUP": a_group,
            "NEXT_STEP": words if source.steps > 1 else 0,
            "NEXT_COLUMN": windows.stride[1] * a_place,
            "NEXT_ROW": next_row,
            "NEXT_SAMPLE": source.places * a_place,
        }
        taps = windows.kernel[0] * windows.kernel[1]
        taps *= 1 if windows.lanewise else windows.channels // width.fan
        blocks = 1 if windows.lanewise else windows.made // width.pes
        edge = max(
            (stage.out.rows + 1) * windows.stride[0] + down + windows.padding[0] + source.rows,
            (stage.out.columns + 1) * windows.stride[1] + across + windows.padding[1] + source.columns,
        )
        count = 2 + bits_of(max(edge * source.columns + edge, 2 * source.places + depth))
        address = bits_of(ring - 1)
        held = int(stage.steps > source.steps)
        self._declare("window_valid", 1)
        self._declare("window_ready", 1)
        self._declare("next", 1)
        self._declare("written", count, signed=True)
        self._declare("freed", count, signed=True)
        self._declare("address", address)
        self._declare("word", width.lanes * source.bits)
        self._declare("sums", width.pes * windows.sum_bits)
        self._instance(
            "bitspike_buffer",
            "buffer",
            {
                "BITS": source.bits,
                "LANES": beat,
                "PACK": width.lanes // beat,
                "WORDS": a_place,
                "PLACES": source.places,
                "DEPTH": depth,
                "ADDRESS": address,
                "COUNT": count,
            },
            {
                **self._stream(source, f"{self.at}_buffer_ready"),
                **{"freed": f"{self.at}_freed", "next": f"{self.at}_next", "written": f"{self.at}_written"},
                **{"read_address": f"{self.at}_address", "read_data": f"{self.at}_word"},
            },
        )
        total = taps * groups * blocks
        self._instance(
            "bitspike_window",
            "window",
            {
                "MODE": MODES[windows.mode],
                "LANEWISE": int(windows.lanewise),
                "SERIAL": int(self.serial and bool(windows.weights)),
                "HELD": held,
                "BITS": source.bits,
                "SIGNED": int(source.signed),
                "LANES": width.lanes,
                "FAN": width.fan,
                "PES": width.pes,
                "SUM": windows.sum_bits,
                "WEIGHT": max(windows.bits, 1),
                "TAPS": taps,
                "WEIGHT_WORDS": total if windows.weights else 1,
                "WEIGHTS": f'"{self.weights_file if windows.weights else ""}"',
                "SIZE": ring,
                "PLACES": source.places,
                "ROWS_IN": source.rows,
                "COLUMNS_IN": source.columns,
                "ROWS": stage.out.rows,
                "COLUMNS": stage.out.columns,
                "STEPS": stage.steps,
                "GROUPS": groups,
                "BLOCKS": blocks,
                "KERNEL_Y": windows.kernel[0],
                "KERNEL_X": windows.kernel[1],
                "WORDS": a_group,
                "STRIDE_Y": windows.stride[0],
                "STRIDE_X": windows.stride[1],
                "PADDING_Y": windows.padding[0],
                "PADDING_X": windows.padding[1],
                "APART_Y": windows.dilation[0],
                "APART_X": windows.dilation[1],
                **{name: value % ring for name, value in far.items()},
                "ADDRESS": address,
                "SIDE": 2 + bits_of(edge),
                "COUNT": count,
            },
            {
                **{"written": f"{self.at}_written", "freed": f"{self.at}_freed", "next": f"{self.at}_next"},
                **{"read_address": f"{self.at}_address", "read_data": f"{self.at}_word"},
                **{"summed": f"{self.at}_window_valid", "free": f"{self.at}_window_ready", "sums": f"{self.at}_sums"},
            },
        )
        self.memory_bits["buffers"] = ring * width.lanes * source.bits
        if windows.weights:
            self.memory_bits["weights"] = total * width.pes * width.fan * windows.bits

    @property
    def weights_file(self) -> str:
        return f"{self.name}_{self.stage.number}_weights.mem"

    @property
    def constants_file(self) -> str:
        return f"{self.name}_{self.stage.number}_constants.mem"

    def _beside(self) -> None:
        stage, units, word = self.stage, self.width.units, self.stage.bits["WORD"]
        many = len(stage.beside)
        self._declare("here", max(many, 1))
        self._declare("beside", max(many, 1) * units * word)
        for end in ("ends_beat", "ends_step", "ends_place"):
            self._declare(end, 1)
        if not many:
            self.lines += [f"  assign {self.at}_here = 1'b1;", f"  assign {self.at}_beside = '0;"]
        for index, source in enumerate(stage.beside.values()):
            depth = self.deep[Reader(source.made_by, stage.number, True)]
            beat = self.beats[source.made_by]
            words = source.steps * source.channels // units
            self._instance(
                "bitspike_beside",
                f"beside_{index}",
                {
                    "BITS": source.bits,
                    "LANES": beat,
                    "PACK": units // beat,
                    "WORDS": words,
                    "DEPTH": depth,
                    "ADDRESS": bits_of(depth * words - 1),
                    "COUNT": 2 + bits_of(depth),
                    "SIGNED": int(source.signed),
                    "WORD": word,
                    "AGAIN": int(stage.steps > source.steps),
                },
                {
                    **self._stream(source, f"{self.at}_beside_{index}_ready"),
                    **{"here": f"{self.at}_here[{index}]"},
                    **{"take": f"{self.at}_ends_beat", "ends_step": f"{self.at}_ends_step"},
                    **{"ends_place": f"{self.at}_ends_place"},
                    "read_data": f"{self.at}_beside[{index * units * word}+:{units * word}]",
                },
            )
            self.memory_bits["shortcuts"] = self.memory_bits.get("shortcuts", 0) + depth * words * units * source.bits

    def _unit(self) -> None:
        stage, width, words = self.stage, self.width, self.stage.bits
        beats = stage.out.channels // width.units
        states = len(stage.layer.code.states)
        registers = 1 + max(made.result.number for made in stage.micros)
        fetch = bits_of(max(len(self.offsets), states, 1) * beats)
        fields = {
            **{"last": 1, "write": 1, "store": 1, "keep": 1, "op": 4, "a": 2, "b": 3},
            **dict.fromkeys(("register", "register_a", "register_b"), bits_of(registers - 1)),
            **{"side": bits_of(max(len(stage.beside) - 1, 0)), "fetch_at": fetch, "keep_at": fetch},
            **{"low": words["LOW"], "immediate": words["WORD"]},
        }
        size = sum(fields.values())
        program = 0
        for index, said in enumerate(encoded(stage.micros, self._fetched_at, lambda number: number * beats)):
            said["side"] = self._side(stage.micros[index].b)
            at = index * size
            for field, bits in fields.items():
                program |= (said[field] % (1 << bits)) << at
                at += bits
        used = {OPS.index(made.op) for made in stage.micros}
        shifts = {made.b.number if made.b.kind == "immediate" else 0 for made in stage.micros if made.op == "shr"}
        constant = self.constant_bits
        bits = len(stage.micros) * size
        windows = stage.windows
        self._instance(
            "bitspike_unit",
            "unit",
            {
                "WINDOWS": int(windows is not None),
                "PES": width.pes,
                "SUM": windows.sum_bits if windows else 1,
                "UNITS": width.units,
                "BEATS": beats,
                "STEPS": stage.steps,
                "AT_LAST": int(stage.layer.at_last),
                "OUT": self.out_bits,
                **{name: words[name] for name in ("WORD", "LOW", "FACTOR_A", "FACTOR_B", "SHIFT")},
                "REGISTERS": registers,
                "CONSTANT": constant,
                "CONSTANTS": max(len(self.offsets), 1),
                "STATE": words["STATE"],
                "STATES": states,
                "FILE": f'"{self.constants_file if self.offsets else ""}"',
                "BESIDE": len(stage.beside),
                "BESIDES": max(len(stage.beside), 1),
                "CODES": len(stage.micros),
                "FETCH": fetch,
                "REGISTER": fields["register"],
                "SIDE": fields["side"],
                "FIRST": self._fetched_at(stage.micros[0].b) if stage.micros[0].b.kind in FETCHED else 0,
                "USED": f"10'b{sum(1 << code for code in used):b}",
                "FIXED": shifts.pop() if len(shifts) == 1 else 0,
                "INSTRUCTION": size,
                "PROGRAM": f"{bits}'h{program:x}",
            },
            {
                **({"summed": f"{self.at}_window_valid"} if windows else {"summed": "1'b1"}),
                **({"sums": f"{self.at}_sums"} if windows else {"sums": f"{width.pes}'b0"}),
                **({"free": f"{self.at}_window_ready"} if windows else {"free": ""}),
                **{"here": f"&{self.at}_here", "beside": f"{self.at}_beside"},
                **{end: f"{self.at}_{end}" for end in ("ends_beat", "ends_step", "ends_place")},
                **{f"out_{part}": f"{self.at}_{part}" for part in ("data", "valid", "ready")},
            },
        )
        self.memory_bits["constants"] = len(self.offsets) * stage.out.channels * constant
        self.memory_bits["states"] = states * stage.out.channels * words["STATE"]

    @property
    def constant_bits(self) -> int:
        """Bits of one number for a channel."""
        reads = [made.b.range for made in self.stage.micros if made.b.kind == "constant"]
        return max((found.including(0).signed_bits for found in reads), default=1)

    def _fetched_at(self, b: Value) -> int:
        beats = self.stage.out.channels // self.width.units
        if b.kind == "edge":
            return 0
        return (self.offsets.index(b.number) if b.kind == "constant" else b.number) * beats

    def _side(self, b: Value) -> int:
        return [*self.stage.beside].index((b.place[0], b.place[1])) if b.kind == "edge" else 0


def joined(streams: Sequence[tuple[int, str]], number: int) -> str:
    """Whether all that read a stream are ready."""
    return " && ".join(ready for made_by, ready in streams if made_by == number) or "1'b1"
