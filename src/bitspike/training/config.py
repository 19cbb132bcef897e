"""A training run as data: everything that decides its outcome, typed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PositiveFloat

from bitspike.bits import BitPlan, Bits
from bitspike.neurons import NeuronConfig

__all__ = ["LossConfig", "OptimizerConfig", "TrainConfig"]


def _bits(value: Any) -> Any:
    return Bits.parse(value) if isinstance(value, str) else value


def _words(value: Any) -> Any:
    """``a,b`` on the command line is a list."""
    return [word for word in value.split(",") if word] if isinstance(value, str) else value


BitsField = Annotated[Bits, BeforeValidator(_bits), PlainSerializer(str, return_type=str)]


QuantizerName = Literal["lsq", "lsq-channel", "uniform", "binary", "ws-dr", "ws-dr-paper", "ws-dr-code"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OptimizerConfig(_Section):
    """Optimizer and its schedule: linear warm-up, then cosine to zero, step by step.

    Weight decay acts on weights only: not on batch norm, biases, step sizes or neuron parameters. ``step_decay=(f, n)``
    multiplies the rate by ``f`` every ``n`` epochs in place of the cosine.
    """

    kind: Literal["sgd", "adamw"] = "adamw"
    lr: float = Field(2e-3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-2, ge=0)
    warmup_epochs: float = Field(0, ge=0)
    step_decay: tuple[PositiveFloat, PositiveFloat] | None = None


class LossConfig(_Section):
    """What is minimised.

    Attributes:
        kind: ``mean`` is the cross-entropy of the logits' mean over time; ``tet`` of every step (Deng et al. 2022).
        label_smoothing: of the cross-entropy.
        tet_lambda: weight of TET's second term; 0 is the mean over time of the cross-entropy (paper 002, Eq. 16).
        spike_lambda: weight of paper 002's spike regulation, Eq. 15; 0 is none.
        spike_reduction: of its terms over the layers: ``sum`` is the paper's, ``mean`` the authors' code's.
        path_weight: ``alpha`` of paper 003, Eq. 6: of what the sub-paths of ``q-relu`` lose against the teacher.
    """

    kind: Literal["mean", "tet"] = "mean"
    label_smoothing: float = Field(0, ge=0, lt=1)
    tet_lambda: float = Field(1e-3, ge=0, le=1)
    spike_lambda: float = Field(0, ge=0)
    spike_reduction: Literal["mean", "sum"] = "mean"
    path_weight: float = Field(1, ge=0)


class TrainConfig(_Section):
    """Everything that decides the outcome of a training run.

    Attributes:
        dataset: a name of `bitspike data list`.
        train_size: images to train on, from the front of the shuffled training set; ``None`` for all.
        validation_size: images kept out of training to watch it; the test set is read once, at the end.
        model: a network of the registry; ``channels`` of each stage where the usual ones are not wanted.
        reroute: residual connection re-routing (paper 003, Section 3.3), of a network of ``q-relu``.
        bits: ``w/s/t`` of every layer; ``layers`` are exceptions by layer name (see `bitspike.BitPlan`).
        quantizer: of the weights. ``lsq`` learns one step a layer, ``lsq-channel`` one a channel; ``uniform`` is paper
            000's; ``ws-dr`` paper 002's regulated signs (and 8-bit first and last layers), ``ws-dr-paper`` and
            ``ws-dr-code`` as printed and as in its code, ``binary`` the same without regulation.
        sign_temperature: of one-bit weights that have one: first and last epoch's, with equal ratios between.
        precision: ``bf16`` runs the forward pass in bfloat16 and keeps float32 weights.
        checkpoint_every: optimizer steps between checkpoints; 0 writes one at the end of each epoch.
    """

    recipe: str
    dataset: str
    model: str
    reroute: bool = False
    bits: BitsField
    layers: dict[str, dict[str, int]] = {}
    channels: Annotated[tuple[int, ...] | None, BeforeValidator(_words)] = None
    neuron: NeuronConfig = NeuronConfig()
    quantizer: QuantizerName = "lsq-channel"
    sign_temperature: tuple[PositiveFloat, PositiveFloat] | None = None
    augment: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    train_size: int | None = Field(None, ge=1)
    validation_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    batch_size: int = Field(128, ge=1)
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    seed: int = Field(0, ge=0, lt=2**32)
    precision: Literal["float32", "bf16"] = "float32"
    checkpoint_every: int = Field(0, ge=0)
    tensorboard: bool = False

    @property
    def plan(self) -> BitPlan:
        layers: Mapping[str, Mapping[str, int]] = self.layers
        return BitPlan(self.bits, layers)
