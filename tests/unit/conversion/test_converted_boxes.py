"""A network that finds boxes, converted: its raw outputs, and so its boxes, are the quantized network's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bitspike.backends import oracle
from bitspike.bits import BitPlan, Bits
from bitspike.conversion import BoxesByStep, Converted, convert
from bitspike.conversion.equilibrium import quantized
from bitspike.data import BoxedImages
from bitspike.detection import Boxes, Letterbox
from bitspike.models import build_model, morph
from bitspike.neurons import QReLUSettings
from bitspike.recipes import recipe
from bitspike.sample import Sample
from bitspike.training import override
from bitspike.training.tasks import Detect

SIZES = {"yolo-tiny": ((32, 48), (4, 8, 8, 8)), "yolov3": ((32, 32), (4, 4, 4, 4, 4, 8))}
ANCHORS = "detection.anchors=[[[4,4],[6,9],[9,6]],[[10,10],[12,16],[16,12]],[[20,20],[24,30],[30,24]]]"


def made(name: str, levels: int = 2, images: int = 3) -> tuple[Converted, BoxedImages, BoxesByStep]:
    """A network with random weights that has seen its images, which are noise with a box in each."""
    torch.manual_seed(0)
    size, channels = SIZES[name]
    bits = BitPlan(Bits(8, levels.bit_length(), 1))
    neuron = QReLUSettings(levels=levels)
    model = morph(build_model(name, bits, sample=(3, *size), num_classes=3, neuron=neuron, channels=channels))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of what it has seen: a network that was never trained stays alive
            nn.init.uniform_(module.weight, 1.0, 2.0)
            nn.init.normal_(module.bias, 0.3)
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.weight, std=0.5)
            nn.init.zeros_(module.bias[:3])
    codes = torch.randint(0, 256, (images, 3, *size), dtype=torch.uint8)
    with torch.no_grad():
        model(codes)
    boxes = tuple(Boxes(np.array([[4, 4, 20, 24]], np.float32), np.array([k % 3])) for k in range(images))
    part = BoxedImages(codes, boxes, (Letterbox(size, size),) * images, ("a", "b", "c"), Sample((3, *size)))
    edits = [f"detection.size=[{size[0]},{size[1]}]", *([ANCHORS] if name == "yolov3" else [])]
    task = Detect(override(recipe("yolo-tiny-bccd"), edits))
    found = convert(model, part.sample, name=name)
    head = task.head([edge.shape for edge in found.net.graph.outputs])
    return found, part, BoxesByStep(task, part, head, [readout.scale for readout in found.net.readouts])


@pytest.mark.parametrize("name", ["yolo-tiny", pytest.param("yolov3", marks=pytest.mark.slow)])
def test_raw_outputs_and_boxes_are_the_quantized_networks(name: str) -> None:
    converted, images, judge = made(name)
    seen = converted.check(images, stop_when_settled=True, judge=judge)
    assert seen.equal
    assert seen.settled
    assert seen.logits_equal == seen.boxes_equal == len(images)
    assert len(seen.map50) == seen.T == seen.bound
    assert seen.map50[-1] == seen.qann_map50
    assert seen.accuracy == []
    assert seen.qann_accuracy is None
    outputs = oracle.outputs(quantized(converted.net, converted.levels), images.images.numpy())
    assert all(np.ptp(output) > 0 for output in outputs)  # the networks are no constants
    assert sum(map(len, judge.qann)) > 0


def test_another_offset_of_one_head_is_found() -> None:
    converted, images, _ = made("yolo-tiny")
    net = converted.net
    name = next(key for key in net.tensors if key.startswith("coarse_head") and key.endswith("weight"))
    changed = net.tensors[name].copy()
    changed.flat[0] = -changed.flat[0] - 1
    wrong = replace(converted, net=replace(net, tensors={**net.tensors, name: changed}))
    right = oracle.outputs(quantized(net, converted.levels), images.images.numpy())
    theirs = oracle.outputs(quantized(wrong.net, wrong.levels), images.images.numpy())
    assert np.array_equal(right[0], theirs[0])
    assert not np.array_equal(right[1], theirs[1])


def test_a_network_that_has_not_settled_is_not_equal_and_its_boxes_are_others() -> None:
    _, images, judge = made("yolo-tiny", levels=8)
    torch.manual_seed(0)
    short = made("yolo-tiny", levels=8)[0]
    early = replace(short, net=convert(short.qann, images.sample, T=3).net)
    seen = early.check(images, judge=judge)
    assert not seen.equal
    assert seen.boxes_equal == 0
    assert len(seen.map50) == 3
