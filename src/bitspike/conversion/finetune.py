"""From a trained network of ReLUs to one of Q-ReLUs: its weights, and how it is fine-tuned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor, nn

from bitspike.bits import FULL_PRECISION, Bits
from bitspike.errors import UserError
from bitspike.models import MaxPools, apply_weight_bits
from bitspike.neurons import ActivationSettings, QReLUSettings
from bitspike.training import TrainConfig
from bitspike.training.methods import PathsEnsembleSettings
from bitspike.training.setup import make_model, prepared

__all__ = ["finetune_config", "max_pool_of", "with_weights_of"]


def finetune_config(ann: TrainConfig) -> TrainConfig:
    """How the network of a run of ReLUs is fine-tuned, where no recipe says it: PET and RCR, 8 levels, 8-bit weights.

    The paper's appendix with recipes is not public: a third of the epochs at a tenth of the learning rate are ours.
    """
    changes = {
        "recipe": f"{ann.recipe}-qann",
        "bits": Bits(8, 4, 1),
        "neuron": QReLUSettings(levels=8, paths=(4, 2)),
        "methods": {"paths-ensemble": PathsEnsembleSettings(reroute=True), **ann.methods},
        "epochs": max(1, ann.epochs // 3),
        "optimizer": ann.optimizer.model_copy(update={"lr": ann.optimizer.lr / 10, "warmup_epochs": 0}),
    }
    return ann.model_copy(update=changes)


def max_pool_of(config: TrainConfig) -> MaxPools:
    """What max pools become in the config's network of Q-ReLUs."""
    settings = config.methods.get("paths-ensemble")
    return settings.max_pool if isinstance(settings, PathsEnsembleSettings) else "mean"


def with_weights_of(
    ann: Mapping[str, Tensor] | nn.Module,
    config: TrainConfig,
    network: Callable[[TrainConfig], nn.Module] = make_model,
) -> nn.Module:
    """The config's network of Q-ReLUs with the weights of a trained network of ReLUs.

    Args:
        ann: the state of a network of the same config but for its neurons, or a network of one's own, made of
            `bitspike.neurons.QReLU` already (`bitspike.conversion.adopt`).
        config: of the fine-tuning. Step sizes, of weights that it quantizes and of Q-ReLUs, start anew.
        network: makes a fresh one of a config.

    Raises:
        UserError: the state is of another network.
    """
    if not isinstance(config.neuron, ActivationSettings):
        raise UserError("neuron.kind", config.neuron.kind, "want q-relu, which is what can be converted")
    if isinstance(ann, nn.Module):
        model = prepared(ann, config)
    else:
        layers = {name: {k: v for k, v in widths.items() if k != "w"} for name, widths in config.layers.items()}
        in_floats = {"bits": replace(config.bits, w=FULL_PRECISION), "layers": {n: w for n, w in layers.items() if w}}
        model = network(config.model_copy(update=in_floats))
        fresh = {name for name in model.state_dict() if name.endswith(".step_size")}
        for name in sorted((model.state_dict().keys() ^ ann.keys()) - fresh):
            raise UserError("network of ReLUs", name, f"is not in both it and {config.model}, which it is to become")
        wrong = [name for name, value in ann.items() if value.shape != model.state_dict()[name].shape]
        if wrong:
            raise UserError("network of ReLUs", wrong[0], f"has another shape in {config.model}; see channels")
        model.load_state_dict(dict(ann), strict=False)
    return apply_weight_bits(model, config.plan, config.quantizer)
