"""Whether a config fits the time of its data: steps, squeezing, readout."""

from __future__ import annotations

from bitspike.datasets import Dataset
from bitspike.errors import UserError
from bitspike.neurons import SpikingSettings
from bitspike.training.config import TrainConfig
from bitspike.training.described import dataset_of

__all__ = ["checked_dataset"]


def checked_dataset(config: TrainConfig) -> Dataset:
    """The config's data set, with its frames, whose time the config fits.

    A held input, of one step, is read by neurons of any steps. A train has as many steps as every neuron, none of which
    is squeezed or learned away (paper 001 keeps T constant on event data).

    Raises:
        UserError: an unknown data set, frames that it has no use for, or what of the config does not fit.
    """
    dataset = dataset_of(config)
    steps = dataset.sample.T
    if dataset.labels_per_step != (config.readout == "each"):
        has = "a class at every step" if dataset.labels_per_step else "one class for each sample"
        wanted = "each" if dataset.labels_per_step else "mean or last"
        raise UserError("readout", config.readout, f"{config.dataset} has {has}; want {wanted}")
    if not dataset.sample.is_image:
        for name, value in (("mean", config.mean), ("std", config.std)):
            if value is not None:
                raise UserError(name, value, f"it normalises images, which {config.dataset} has not; want null")
    if steps == 1:
        if config.chunks is not None:
            raise UserError("chunks", str(config.chunks), f"inputs of {config.dataset} have one step; want chunks=null")
        return dataset
    what = f"samples of {config.dataset} have {steps} steps"
    plan = config.plan
    for name in ("", *plan.layers):
        if plan[name].t != steps:
            where = f"bits of {name}" if name else "bits"
            wanted = f"{plan[name].t} steps, but {what}; want t={steps}, or other frames"
            raise UserError(where, str(plan[name]), wanted)
    if isinstance(config.neuron, SpikingSettings) and config.neuron.squeeze:
        raise UserError("neuron.squeeze", True, f"{what}, which it would end; want false")
    learns = getattr(config.methods.get("learned-bits"), "learns", ())
    if "t" in learns:
        raise UserError("methods.learned-bits.learns", ",".join(learns), f"{what}, which stay; want w,s")
    return dataset
