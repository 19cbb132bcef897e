"""A network that finds boxes, converted: its raw outputs, and so its boxes, are the quantized network's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from converted_detector import made

from bitspike.backends import oracle
from bitspike.conversion import convert
from bitspike.conversion.equilibrium import quantized


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
