"""The backend `mem`: it writes hexadecimal files that ``$readmemh`` reads, and an index of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bitspike.backends import oracle
from bitspike.backends.protocol import Backend, Export, Images, Int, checked_file_name
from bitspike.errors import UserError
from bitspike.ir import FrozenGraph, Synapse
from bitspike.ir.ranges import Range

__all__ = ["Mem"]

FORMAT = "bitspike-mem-1"
MOST_SAMPLES = 1000


@dataclass(frozen=True)
class Mem(Backend):
    """Weights, multipliers and offsets, and what every edge is for some inputs: a word a line, lowest address first.

    Args:
        samples: random inputs whose golden vectors are written; 0 for none.
    """

    samples: int = 4

    name: ClassVar[str] = "mem"
    about: ClassVar[str] = "hexadecimal files of every tensor, and golden vectors of every edge"

    def export(self, net: FrozenGraph, name: str) -> Export:
        """``NAME.mem.json``, the index, and a ``.mem`` for each tensor and each edge.

        Facts: ``bytes``, and ``weight_bits`` of all weights together.
        """
        checked_file_name(name)
        if not 0 <= self.samples <= MOST_SAMPLES:
            raise UserError("samples", self.samples, f"want 0 to {MOST_SAMPLES}")
        files: dict[str, bytes] = {}
        index: dict[str, Any] = {
            "format": FORMAT,
            "network": net.graph.name,
            "words": "hexadecimal, a word a line, two's complement of so many bits where signed; of weights of one bit,"
            " which are +1 and -1, the sign: 0 and 1",
            "tensors": [],
            "edges": [],
        }
        for number, node in enumerate(net.graph.nodes):
            for part, values in net.graph.tensors_of(node, net.tensors).items():
                weights = isinstance(node, Synapse) and part == "weight"
                wide = node.weight_bits if isinstance(node, Synapse) and weights else _range(values).signed_bits
                signs = weights and wide == 1
                file = f"{name}_{_word(number, node.name)}_{part}.mem"
                files[file] = words((values < 0 if signs else values).astype(np.int64), wide)
                said = {"file": file, "op": node.name, "part": part, "bits": wide, "signed": not signs}
                index["tensors"].append({**said, "shape": list(values.shape)})
        if self.samples:
            shown = inputs(net, self.samples)
            order = "sample, step, then the shape row by row"
            for number, (edge, found) in enumerate(oracle.run(net, shown).items()):
                proven, T = net.ranges[edge], len(found)
                wide, signed = (proven.signed_bits, True) if proven.lo < 0 else (max(1, proven.hi.bit_length()), False)
                file = f"{name}_{_word(number, edge)}_golden.mem"
                files[file] = words(np.moveaxis(found, 0, 1).astype(np.int64), wide)
                said = {"file": file, "op": edge, "bits": wide, "signed": signed, "range": list(proven), "steps": T}
                index["edges"].append({**said, "shape": list(found.shape[2:]), "samples": self.samples, "order": order})
        files[f"{name}.mem.json"] = (json.dumps(index, indent=1) + "\n").encode()
        held = sum(net.tensors[f"{node.name}.weight"].size * node.weight_bits for node in net.graph.synapses())
        size = sum(map(len, files.values()))
        return Export(files, {"bytes": size, "weight_bits": held})


def inputs(net: FrozenGraph, samples: int) -> Images:
    """Random codes of the input's levels, the same for the same network and number."""
    edge = net.graph.edges[net.graph.nodes[0].name]
    lo, hi = net.ranges[net.graph.nodes[0].name]
    shape = (samples, *edge.shape) if edge.T == 1 else (samples, edge.T, *edge.shape)
    return np.random.default_rng(0).integers(0, hi - lo + 1, shape, dtype=np.uint8)


def words(values: Int, bits: int) -> bytes:
    """Two's complement of so many bits, a word a line, in row-major order."""
    digits, mask = -(-bits // 4), (1 << bits) - 1
    return "".join(f"{value & mask:0{digits}x}\n" for value in values.ravel().tolist()).encode()


def _range(values: Int) -> Range:
    return Range(int(values.min()), int(values.max()))


def _word(number: int, name: str) -> str:
    """An op's name in the name of a file: nothing but letters, digits and underscores, and unlike every other."""
    return f"{number:03d}_{re.sub(r'[^A-Za-z0-9]+', '_', name)[:40]}"
