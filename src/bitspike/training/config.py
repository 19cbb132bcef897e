"""A training run as data: everything that decides its outcome, typed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PositiveFloat, SerializeAsAny

from bitspike.bits import BitPlan, Bits
from bitspike.datasets.detection_sets import is_detection
from bitspike.datasets.frames import FrameSettings, read_frames
from bitspike.errors import UserError
from bitspike.layers import Answer
from bitspike.neurons import MultiBitSettings, NeuronSettings
from bitspike.quant import PerChannelLSQSettings, QuantizerSettings
from bitspike.training.budget import BudgetConfig
from bitspike.training.chunks import ChunksConfig
from bitspike.training.data import DataConfig
from bitspike.training.methods import MethodSettings, settings_of
from bitspike.training.sections import Section, each, words

__all__ = [
    "BudgetConfig",
    "ChunksConfig",
    "DataConfig",
    "DetectionConfig",
    "LossConfig",
    "OptimizerConfig",
    "TrainConfig",
]


def _bits(value: Any) -> Any:
    if isinstance(value, Bits):
        return value
    if isinstance(value, str):
        return Bits.parse(value)
    raise UserError("bits", value, "want weight/spike/steps or weight/spike/steps/membrane, for example 2/2/1")


BitsField = Annotated[Bits, BeforeValidator(_bits), PlainSerializer(str, return_type=str)]


def _methods(value: Any) -> Any:
    """The settings of each method, of its own class."""
    return {name: settings_of(name, given) for name, given in value.items()} if isinstance(value, Mapping) else value


def _frames(value: Any) -> Any:
    """``paper-001@2`` names settings."""
    return read_frames(value) if isinstance(value, str) else value


Frames = Annotated[FrameSettings | None, BeforeValidator(_frames)]
Neuron = Annotated[SerializeAsAny[NeuronSettings], BeforeValidator(NeuronSettings.read)]
Quantizer = Annotated[SerializeAsAny[QuantizerSettings], BeforeValidator(QuantizerSettings.read)]
"""Settings of any kind that is registered, each written with the fields of its own class."""
Channels = Annotated[tuple[float, ...] | None, BeforeValidator(each)]
"""A number for each channel, or one for all."""
Methods = Annotated[dict[str, SerializeAsAny[MethodSettings]], BeforeValidator(_methods)]


class OptimizerConfig(Section):
    """Optimizer and its schedule: linear warm-up, then cosine to zero, step by step.

    Attributes:
        kind: which one.
        lr: the learning rate, after the warm-up.
        momentum: of ``sgd``.
        weight_decay: of weights only: not of batch norm, biases, step sizes or neuron parameters.
        warmup_epochs: over which the rate rises from 0; parts of an epoch too. As a good part of all epochs it makes
            the schedule one cycle (Smith & Topin 2018), but that momentum stays as it is.
        step_decay: ``(f, n)`` multiplies the rate by ``f`` every ``n`` epochs, in place of the cosine.
    """

    kind: Literal["sgd", "adamw"] = "adamw"
    lr: float = Field(2e-3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-2, ge=0)
    warmup_epochs: float = Field(0, ge=0)
    step_decay: tuple[PositiveFloat, PositiveFloat] | None = None


class LossConfig(Section):
    """What is minimised.

    Attributes:
        kind: ``mean`` is the cross-entropy of the answer, which is the logits' mean over time or what else the
            config's ``readout`` says; ``tet`` that of every step (Deng et al. 2022).
        label_smoothing: of the cross-entropy.
        tet_lambda: weight of TET's second term; 0 is the mean over time of the cross-entropy (paper 002, Eq. 16).
    """

    kind: Literal["mean", "tet"] = "mean"
    label_smoothing: float = Field(0, ge=0, lt=1)
    tet_lambda: float = Field(1e-3, ge=0, le=1)


class DetectionConfig(Section):
    """How boxes are found in images, where the data set has boxes.

    Attributes:
        size: height and width of what the network reads; images are fitted into it with their proportions kept.
        anchors: of each map, from the finest, widths and heights in pixels, of a network with such heads (YOLOv3's);
            one without says the distances of a point's four sides.
        lowest: probability below which there is no box.
        overlap: IoU with a better box of its class above which a box is left out (greedy NMS).
        wrong: what becomes of boxes and images that cannot be used, a box without area, say: ``skip`` leaves them out
            and says so, ``refuse`` stops at the first.
    """

    size: tuple[int, int]
    anchors: tuple[tuple[tuple[PositiveFloat, PositiveFloat], ...], ...] = ()
    lowest: float = Field(0.01, ge=0, lt=1)
    overlap: float = Field(0.5, gt=0, le=1)
    wrong: Literal["skip", "refuse"] = "skip"


class TrainConfig(Section):
    """Everything that decides the outcome of a training run.

    Attributes:
        recipe: what it is called, in the names of runs and in results.
        dataset: a name of `bitspike data list`, or one of your own (docs/own.md).
        data: what a data set of your own is; training writes it, and it is no choice.
        frames: how events become frames, where the data are recordings of events: `bitspike.datasets.frames`, also by
            name and steps, as ``paper-001@2``. The steps are those of every neuron.
        detection: how boxes are found, where the data set has boxes (`task` says so).
        readout: what the logits of all steps are read as: their ``mean``, the ``last``, or ``each`` by itself, which
            data with a class at every step ask for.
        chunks: runs long trains in parts, so that memory stays bounded; ``None`` runs them whole.
        train_size: images to train on, from the front of the shuffled training set; ``None`` for all.
        validation_size: images kept out of training to watch it; the test set is read once, at the end.
        model: a network of the registry, or ``package.module:function`` that makes one of your own: with neurons of the
            house, which stay as they are, or a plain one, whose ReLUs become ``neuron``.
        bits: ``w/s/t`` or ``w/s/t/u`` of every layer.
        layers: exceptions from ``bits`` by layer name (see `bitspike.BitPlan`).
        channels: of each stage, where the usual ones are not wanted; a network of your own has none.
        neuron: settings of a kind of `bitspike.neurons.NEURONS`.
        quantizer: of the weights, a kind of `bitspike.quant.QUANTIZERS`; its name alone is its usual settings.
        augment: what happens to training images, in order, as ``crop4,flip``.
        epochs: how often all images are seen. A run that has ended is given more by a larger number and --resume.
        ended_at: numbers of epochs at which the run had ended before; training writes it, and it is no choice.
        init: folder of another run of the same network, whose weights this one starts from.
        batch_size: images of one optimizer step.
        optimizer: the optimizer and its schedule.
        loss: what is minimised.
        methods: what papers add to training, settings by name (`bitspike.training.methods`).
        mean: how images are normalised, of pixels/255, as `bitspike.layers.Encoder` takes it; ``None`` of it and of
            ``std`` for (pixel - 128)/64.
        std: see ``mean``.
        seed: of weights, batches and augmentation.
        precision: ``bf16`` runs the forward pass in bfloat16, channels last, and keeps float32 weights; ``auto`` is
            that where the device multiplies bfloat16 and the network is large enough to gain, else ``float32``. The
            run says which. Accuracies are of float32 in both, as that is what freezing makes integers of.
        compile: has ``torch.compile`` make the forward and backward pass of the network into fewer kernels, which takes
            a while at the start and rounds otherwise; refused where it does not fit (docs/training.md).
        checkpoint_every: optimizer steps between checkpoints; 0 writes one at the end of each epoch.
        tensorboard: write scalars for TensorBoard into the run folder (docs/training.md).
    """

    recipe: str = Field(min_length=1)
    dataset: str
    data: DataConfig | None = None
    model: str
    bits: BitsField
    layers: dict[str, dict[str, int]] = Field(default_factory=dict)
    channels: Annotated[tuple[int, ...] | None, BeforeValidator(words)] = None
    neuron: Neuron = MultiBitSettings()
    quantizer: Quantizer = PerChannelLSQSettings()
    mean: Channels = None
    std: Channels = None
    augment: Annotated[tuple[str, ...], BeforeValidator(words)] = ()
    frames: Frames = None
    detection: DetectionConfig | None = None
    readout: Answer = "mean"
    chunks: ChunksConfig | None = None
    train_size: int | None = Field(None, ge=1)
    validation_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    ended_at: tuple[int, ...] = ()
    init: str | None = None
    batch_size: int = Field(128, ge=1)
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    methods: Methods = Field(default_factory=dict)
    seed: int = Field(0, ge=0, lt=2**32)
    precision: Literal["auto", "float32", "bf16"] = "auto"
    compile: bool = False
    checkpoint_every: int = Field(0, ge=0)
    tensorboard: bool = False

    @property
    def task(self) -> Literal["classify", "detect"]:
        """What is to be done with the data: their kind says it."""
        return "detect" if is_detection(self.dataset) else "classify"

    @property
    def plan(self) -> BitPlan:
        layers: Mapping[str, Mapping[str, int]] = self.layers
        return BitPlan(self.bits, layers)
