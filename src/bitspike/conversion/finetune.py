"""From a trained network of ReLUs to one of Q-ReLUs: its weights, then fine-tuning with paths-ensemble training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.bits import FULL_PRECISION, Bits, unsigned_range
from bitspike.errors import UserError
from bitspike.layers import mean_over_time
from bitspike.models import apply_weight_bits
from bitspike.neurons import QReLUSettings
from bitspike.training import TrainConfig
from bitspike.training.setup import convertible, make_model

__all__ = ["PathsEnsemble", "finetune_config", "with_weights_of"]


def finetune_config(ann: TrainConfig) -> TrainConfig:
    """How the network of a run of ReLUs is fine-tuned, where no recipe says it: PET and RCR, 8 levels, 8-bit weights.

    The paper's appendix with recipes is not public: a third of the epochs at a tenth of the learning rate are ours.
    """
    changes = {
        "recipe": f"{ann.recipe}-qann",
        "bits": Bits(8, 4, 1),
        "neuron": QReLUSettings(levels=8, paths=(4, 2)),
        "reroute": True,
        "epochs": max(1, ann.epochs // 3),
        "optimizer": ann.optimizer.model_copy(update={"lr": ann.optimizer.lr / 10, "warmup_epochs": 0}),
    }
    return ann.model_copy(update=changes)


def with_weights_of(ann: Mapping[str, Tensor] | nn.Module, config: TrainConfig) -> nn.Module:
    """The config's network of Q-ReLUs with the weights of a trained network of ReLUs.

    Args:
        ann: the state of a network of the same config but for its neurons, or a network of one's own, made of
            `bitspike.neurons.QReLU` already (`bitspike.conversion.adopt`).
        config: of the fine-tuning. Step sizes, of weights that it quantizes and of Q-ReLUs, start anew.

    Raises:
        UserError: the state is of another network.
    """
    _qrelu(config)
    if isinstance(ann, nn.Module):
        model = convertible(ann, config)
    else:
        layers = {name: {k: v for k, v in widths.items() if k != "w"} for name, widths in config.layers.items()}
        in_floats = {"bits": replace(config.bits, w=FULL_PRECISION), "layers": {n: w for n, w in layers.items() if w}}
        model = make_model(config.model_copy(update=in_floats))
        fresh = {name for name in model.state_dict() if name.endswith(".step_size")}
        for name in sorted((model.state_dict().keys() ^ ann.keys()) - fresh):
            raise UserError("network of ReLUs", name, f"is not in both it and {config.model}, which it is to become")
        wrong = [name for name, value in ann.items() if value.shape != model.state_dict()[name].shape]
        if wrong:
            raise UserError("network of ReLUs", wrong[0], f"has another shape in {config.model}; see channels")
        model.load_state_dict(dict(ann), strict=False)
    return apply_weight_bits(model, config.plan, config.quantizer)


def _qrelu(config: TrainConfig) -> QReLUSettings:
    if not isinstance(config.neuron, QReLUSettings):
        raise UserError("neuron.kind", config.neuron.kind, "want q-relu, which is what can be converted")
    return config.neuron


class PathsEnsemble:
    """The loss of paths-ensemble training (paper 003, Eq. 6), an `Objective` of `bitspike.training.train`::

        L = CE(main) + KL(main) + alpha sum_i (n_i / n) KL(path_i)

    with ``KL`` to the logits of the teacher, the network of ReLUs. Without sub-paths it is distillation alone. One pass
    carries all paths, one after another in the batch (`bitspike.layers.per_path`).

    Args:
        teacher: the network of ReLUs, with its weights.
        config: of the fine-tuning.
    """

    def __init__(self, teacher: nn.Module, config: TrainConfig) -> None:
        self.teacher, self.loss = teacher.eval().requires_grad_(False), config.loss
        neuron = _qrelu(config)
        n = neuron.levels or unsigned_range(config.bits.s)[1]
        self.shares = [levels / n for levels in neuron.paths]

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            soft = mean_over_time(self.teacher.to(x.device)(x)).float().log_softmax(1)
        paths = mean_over_time(model(x.repeat(1 + len(self.shares), 1, 1, 1))).float()
        main, *others = paths.tensor_split(1 + len(self.shares))
        loss = F.cross_entropy(main, y, label_smoothing=self.loss.label_smoothing) + _distance(main, soft)
        for share, path in zip(self.shares, others, strict=True):
            loss = loss + self.loss.path_weight * share * _distance(path, soft)
        return loss


def _distance(logits: Tensor, soft: Tensor) -> Tensor:
    """KL divergence from the teacher's classes."""
    return F.kl_div(logits.log_softmax(1), soft, reduction="batchmean", log_target=True)
