"""A training run as data: everything that decides its outcome, typed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PositiveFloat, SerializeAsAny

from bitspike.bits import BitPlan, Bits
from bitspike.neurons import MultiBitSettings, NeuronSettings
from bitspike.quant import PerChannelLSQSettings, QuantizerSettings

__all__ = ["AdaptiveConfig", "BudgetConfig", "LossConfig", "OptimizerConfig", "TrainConfig"]


def _bits(value: Any) -> Any:
    return Bits.parse(value) if isinstance(value, str) else value


def _words(value: Any) -> Any:
    """``a,b`` on the command line is a list."""
    return [word for word in value.split(",") if word] if isinstance(value, str) else value


BitsField = Annotated[Bits, BeforeValidator(_bits), PlainSerializer(str, return_type=str)]


def _widths(value: Any) -> Any:
    """``2/2/1`` on the command line is three numbers."""
    return value.split("/") if isinstance(value, str) else value


Neuron = Annotated[SerializeAsAny[NeuronSettings], BeforeValidator(NeuronSettings.read)]
Quantizer = Annotated[SerializeAsAny[QuantizerSettings], BeforeValidator(QuantizerSettings.read)]
"""Settings of any kind that is registered, each written with the fields of its own class."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OptimizerConfig(_Section):
    """Optimizer and its schedule: linear warm-up, then cosine to zero, step by step.

    Weight decay acts on weights only: not on batch norm, biases, step sizes or neuron parameters. ``step_decay=(f, n)``
    multiplies the rate by ``f`` every ``n`` epochs in place of the cosine. Learned time steps (paper 001) may have a
    rate of their own, ``time_steps_lr``, with the same schedule.
    """

    kind: Literal["sgd", "adamw"] = "adamw"
    lr: float = Field(2e-3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-2, ge=0)
    warmup_epochs: float = Field(0, ge=0)
    step_decay: tuple[PositiveFloat, PositiveFloat] | None = None
    time_steps_lr: float | None = Field(None, gt=0)


class BudgetConfig(_Section):
    """What a network may cost at most, as `bitspike cost` counts exactly; ``None`` is no limit.

    Attributes:
        max_size: bytes. max_s_ace: bit operations of an image. max_bit_budget: mean over the MACs.
        max_energy: nJ of an image, Lemaire's model, with the spikes of the trained network.
    """

    max_size: PositiveFloat | None = None
    max_s_ace: PositiveFloat | None = None
    max_bit_budget: PositiveFloat | None = None
    max_energy: PositiveFloat | None = None

    def limits(self) -> dict[str, float]:
        """Those that are given, by what they limit."""
        given = {name.removeprefix("max_"): limit for name, limit in self}
        return {name: limit for name, limit in given.items() if limit is not None}


class AdaptiveConfig(_Section):
    """How learned bits are learned (paper 001); read where quantizer or neuron are ``adaptive``.

    Attributes:
        learns: which widths: weight bits ``w``, spike bits ``s``, time steps ``t``; the others stay as they start.
        target: of the mean ``w``, ``s`` and ``t`` (Eq. 21); ``None`` is none.
        penalty: ``l_w``, ``l_s``, ``l_T`` of its terms.
        budget: limits instead of a target; what exceeds one is penalised, by its share times ``budget_penalty``.
        renewal: quantizers whose step is renewed when their bits change: of weights ``w``, of spikes ``s``.
        renewal_epochs: epochs after which it may stop, near the target.
    """

    learns: Annotated[tuple[Literal["w", "s", "t"], ...], BeforeValidator(_words)] = ("w", "s", "t")
    target: Annotated[tuple[float, float, float] | None, BeforeValidator(_widths)] = None
    penalty: Annotated[tuple[float, float, float], BeforeValidator(_widths)] = (4e-2, 4e-2, 1e-2)
    budget: BudgetConfig | None = None
    budget_penalty: float = Field(0.5, gt=0)
    renewal: Annotated[tuple[Literal["w", "s"], ...], BeforeValidator(_words)] = ("s",)
    renewal_epochs: int = Field(14, ge=0)


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
        neuron: settings of a kind of `bitspike.neurons.NEURONS`.
        quantizer: of the weights, a kind of `bitspike.quant.QUANTIZERS`; its name alone is its usual settings.
        adaptive: how learned bits are learned.
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
    neuron: Neuron = MultiBitSettings()
    quantizer: Quantizer = PerChannelLSQSettings()
    sign_temperature: tuple[PositiveFloat, PositiveFloat] | None = None
    augment: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    train_size: int | None = Field(None, ge=1)
    validation_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    batch_size: int = Field(128, ge=1)
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    adaptive: AdaptiveConfig = AdaptiveConfig()
    seed: int = Field(0, ge=0, lt=2**32)
    precision: Literal["float32", "bf16"] = "float32"
    checkpoint_every: int = Field(0, ge=0)
    tensorboard: bool = False

    @property
    def plan(self) -> BitPlan:
        layers: Mapping[str, Mapping[str, int]] = self.layers
        return BitPlan(self.bits, layers)
