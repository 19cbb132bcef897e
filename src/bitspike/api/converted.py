"""The second half of `bitspike.convert`: from a fine-tuned network of quantized ReLUs to the spiking one, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitspike.api.images import Split
from bitspike.api.run import Run
from bitspike.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from bitspike.api.look import Look
    from bitspike.conversion import Converted, Equivalence
    from bitspike.costs import CostReport
    from bitspike.ir import FrozenGraph

__all__ = ["Conversion", "Quantized", "converted"]


@dataclass(frozen=True)
class Quantized:
    """A fine-tuned network of Q-ReLUs with its run."""

    run: Run
    qann: nn.Module


@dataclass(frozen=True)
class Conversion:
    """A converted network beside the quantized one.

    Attributes:
        run: of the fine-tuning. Its folder has ``snn.bitspike``, ``snn_cost.json`` and ``conversion.json`` now.
        converted: the spiking network, in floats (``snn``) and in integers (``net``), and the quantized one (``qann``).
        equivalence: what the comparison of the two found, in integers and without tolerance.
        cost: of the spiking network, its spikes counted on validation images.
        record: all that was found, as ``conversion.json`` has it.
    """

    run: Run
    converted: Converted
    equivalence: Equivalence
    cost: CostReport
    record: dict[str, Any]

    @property
    def net(self) -> FrozenGraph:
        """The spiking network in integers.

        Raises:
            UserError: it was converted by a method whose layers run twice, which no frozen network says.
        """
        if self.converted.how.calibration:
            wanted = "its layers run twice on each image, which no frozen network does; want qcfs or another"
            raise UserError("--method", self.converted.method, wanted)
        return self.converted.net

    @property
    def snn(self) -> nn.Module:
        """The spiking network in floats: images ``[N, C, H, W]`` to logits ``[T, N, K]``."""
        return self.converted.snn

    @property
    def equal(self) -> bool:
        """Whether all logits of all images, and all neurons, are the quantized network's."""
        return self.equivalence.equal

    @property
    def is_wrong(self) -> bool:
        """Whether a network that has settled is not equal: a bug, of ours or in the network."""
        return self.converted.how.ends and self.equivalence.settled and not self.equal

    def to_dict(self) -> dict[str, Any]:
        """The result of the fine-tuning with what the conversion adds.

        Cost and spikes are the spiking network's; the quantized one's, at one step, are there as ``qann_``.
        """
        trained, found, total = self.run.result, self.record, self.cost.to_dict()["total"]
        judged = "map50" if found["map50"] else "accuracy"
        curve = found[judged]
        at = {f"{judged}_at_{t}": curve[min(t, len(curve)) - 1] for t in (1, 2, 4, 8, 16, 32)}
        keys: tuple[str, ...] = (
            "method",
            "images",
            "equal",
            "logits_equal",
            "T",
            "T_eq",
            "bound",
            "settled",
            f"qann_{judged}",
        )
        keys += ("boxes_equal",) if judged == "map50" else ()
        cost = self.cost
        own = {key: value for key, value in total.items() if key in trained}
        own["energy_nj"] = None if cost.energy is None or cost.energy.snn is None else cost.energy.snn.total.total
        own["memory_bytes"] = {footprint.counting: footprint.total for footprint in cost.memory}
        own["events"] = None if cost.paths is None else cost.paths.events
        quantized = found["ann"] == "QANN"  # activations in floats have no cost at so few bits
        costs = {**{f"qann_{key}": trained.get(key) if quantized else None for key in own}, **own}
        last = [layer["distance"][-1] for layer in found["layers"].values()]
        more = {judged: curve, "final_distance": sum(last) / len(last), "source": found["source"]}
        folder = {"folder": str(self.run.folder)}
        return {**trained, **costs, **{key: found[key] for key in keys}, **at, **more, **folder}


def converted(
    quantized: Quantized,
    look: Look,
    method: str,
    steps: int | None,
    images: int | None,
    split: Split,
    stop_when_settled: bool,
) -> Conversion:
    """The spiking network of a fine-tuned one, checked, with its files in the run's folder."""
    from bitspike import conversion
    from bitspike.training.tasks import Detect, task_of

    run, config = quantized.run, quantized.run.config
    source = look.of(run)  # refuses a record that is damaged
    task, head = task_of(config), None
    if isinstance(task, Detect):
        head = task.head([edge.shape for edge in conversion.check_convertible(quantized.qann, task.sample).outputs])
    made = conversion.convert(
        quantized.qann,
        task.sample,
        T=steps,
        method=method,
        name=config.model,
        dataset=config.dataset,
        classes=() if head else task.classes,
        head=head,
    )
    shown, judge = run.images(split, images), None
    if isinstance(task, Detect) and head is not None:
        judge = conversion.BoxesByStep(task, shown, head, [readout.scale for readout in made.net.readouts])
    agreement, equivalence = made.floats_and_integers(shown), made.check(shown, stop_when_settled, judge)
    activity, cost = made.cost(run.images("validation"), f"validation images of {config.dataset}")
    about = {"network": config.model, "method": method, "dataset": config.dataset, "split": split}
    about["max_pool"] = conversion.max_pool_of(config)
    about["ann"] = made.how.ann
    record = {**about, **equivalence.to_dict(), "levels": made.levels, "float_weights_rounded": made.rounded}
    record["floats_and_integers"] = agreement.to_dict()
    record["source"] = source
    made.save(run.folder, record, activity, cost)
    return Conversion(run, made, equivalence, cost, record)
