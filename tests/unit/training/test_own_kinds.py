"""A neuron and a quantizer of this file: they train on digits by ``--set``, and freeze, with no line elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from bitspike import Bits
from bitspike.data import find_dataset
from bitspike.lowering import agreement, freeze
from bitspike.neurons import NEURONS, FiringSettings, IFNode, NeuronDynamics, State
from bitspike.quant import QUANTIZERS, LSQSettings, QuantizerSettings, WeightQuantizer, weight_bits
from bitspike.training import RunFolder, TrainConfig, train
from bitspike.training.setup import load_images, make_model


class Started(IFNode):
    """Integrate and fire with a soft reset from a part of the threshold, said in `dynamics` as in `initial_state`."""

    def __init__(self, T: int, part: float) -> None:
        super().__init__(T, v_reset=None, detach_reset=True)
        self.part = part

    def initial_state(self, current: Tensor) -> State:
        return (torch.full_like(current, self.part * self.staircase.v_threshold),)

    def dynamics(self) -> NeuronDynamics:
        return replace(super().dynamics(), v_init=self.part * self.staircase.v_threshold)


class StartedSettings(FiringSettings):
    """Of ``started``: the part of the threshold that it starts from."""

    kind: Literal["started"] = "started"
    part: float = 0.5

    def make(self, bits: Bits) -> Started:
        return Started(bits.t, self.part)


class AtLeastSettings(QuantizerSettings):
    """Of ``at-least``: LSQ of no fewer than ``least`` bits."""

    kind: Literal["at-least"] = "at-least"
    least: int = 3

    def make(self, bits: int, weight: Tensor) -> WeightQuantizer:
        return LSQSettings().make(max(bits, self.least), weight)


@pytest.mark.parametrize("part", [0.25, 0.75])
def test_they_train_and_freeze(tiny: Callable[..., TrainConfig], tmp_path: Path, part: float) -> None:
    with NEURONS.added("started", StartedSettings), QUANTIZERS.added("at-least", AtLeastSettings):
        config = tiny(
            "neuron.kind=started",
            f"neuron.part={part}",
            "quantizer=at-least",
            "quantizer.least=5",
            "bits=4/1/4",
            'layers={"features.0.0": {"w": 6}, "features.1": {"u": 8}}',
            "precision=float32",
        )
        folder = RunFolder(tmp_path / "run")
        result = train(config, folder)
        assert folder.read_config() == config
        assert result["spikes"] > 0
        model = make_model(config)
        images = load_images(config, None).test.images[:32]
        model.train()(images)
        net = freeze(model.eval(), find_dataset(config.dataset).sample)
        starts = [neuron.dynamics.v_init / 2**neuron.dynamics.fraction_bits for neuron in net.graph.neurons()]
        assert starts == [part] * len(starts)
        assert [neuron.membrane_bits for neuron in net.graph.neurons()] == [8] + [None] * (len(starts) - 1)
        assert [weight_bits(layer) for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)][:2] == [6, 5]
        assert max(layer.rate for layer in agreement(model, net, [images]).layers) < 0.01  # another start: a fifth
