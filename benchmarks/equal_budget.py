"""Paper 000's Table 4 with the exported engine: are networks of one Bit Budget equally fast?

A convnet for 32x32 images at the paper's bits, 8/2/4 where its 8/2/3 is a misprint: its weights are as they are
initialised, for cycles do not depend on them. Cycles of an image by the exact count of each layer (a test holds
simulations to it), at most where zeros are skipped; images a second at one clock are their inverse.

    python benchmarks/equal_budget.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from bitspike import __version__, recipes
from bitspike.backends.verilog import to_verilog
from bitspike.bits import Bits
from bitspike.files import write_json
from bitspike.ir import FrozenGraph
from bitspike.lowering import freeze
from bitspike.training import override
from bitspike.training.setup import make_model

RESULTS = Path(__file__).parent.parent / "results" / "hardware" / "equal-budget.json"
GROUPS = {
    32: ("8/1/4", "8/2/2", "8/4/1"),
    64: ("8/1/8", "8/2/4", "8/4/2", "8/8/1"),
    128: ("8/1/16", "8/2/8", "8/4/4", "8/8/2"),
}
"""The paper's allocations, by their budget."""
EDITS = ("dataset=cifar10", "channels=16,32,64", "augment=")
PES = 8


def network(bits: str) -> FrozenGraph:
    torch.manual_seed(0)
    model = make_model(override(recipes.recipe("fashion-convnet"), [*EDITS, f"bits={bits}"]))
    model.train()(torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8))
    return freeze(model.eval(), (3, 32, 32))


def measured(bits: str) -> dict[str, Any]:
    net = network(bits)
    found: dict[str, Any] = {"bits": bits, "budget": Bits.parse(bits).budget}
    for element in ("parallel", "serial"):
        made = to_verilog(net, "network", PES, element)
        spikes = sum(
            cycles
            for layer, cycles in zip(made.plan.layers, [*made.cycles.values()][1:], strict=True)
            if layer.sweep is not None
            and layer.sweep.mode == "synapse"
            and layer.sweep.source not in {node.name for node in net.graph.inputs()}
        )
        found[element] = {"cycles": sum(made.cycles.values()), "cycles_of_layers_that_read_spikes": spikes}
    return found


def main() -> None:
    rows = [measured(bits) for group in GROUPS.values() for bits in group]
    head = {"command": "python benchmarks/equal_budget.py", "pes": PES, "model": "convnet 16,32,64, 3x32x32"}
    write_json(RESULTS, head | {"version": __version__, "rows": rows})
    for row in rows:
        print(row["bits"], row["budget"], row["parallel"], row["serial"])


if __name__ == "__main__":
    main()
