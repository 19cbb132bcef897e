"""A converted detector has outputs of more than 32 bits: its C prints the boxes that the oracle's integers say."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from converted_detector import made
from library import sanitizes

import bitspike
from bitspike import ir
from bitspike.backends import oracle
from bitspike.detection import WholeHead
from bitspike.detection.found import found_in_integers

Box = tuple[int, int, int, int, int, int]
"""Class, score, left, top, right, bottom."""


def documented(whole: WholeHead, outputs: Sequence[np.ndarray]) -> list[Box]:
    """The boxes of one image as docs/detection.md says them, in integers of any size."""
    size = whole.head.size_of([output.shape for output in outputs])
    boxes = []
    for output, stride, dropped, factors in zip(outputs, whole.head.strides, whole.dropped, whole.factors, strict=True):
        (score_by, score_shift), (by, shift) = factors
        for row in range(output.shape[1]):
            for column in range(output.shape[2]):
                said = [int(value) >> dropped for value in output[:, row, column]]
                said = [min(max(value, -(1 << 31)), (1 << 31) - 1) for value in said]
                logits = said[:-4]
                label = logits.index(max(logits))
                score = (logits[label] * score_by + (1 << score_shift >> 1)) >> score_shift
                sides = [(value * by + (1 << shift >> 1)) >> shift for value in said[-4:]]
                x, y = (16 * stride * (2 * place + 1) // 2 for place in (column, row))
                edges = (x - sides[0], y - sides[1], x + sides[2], y + sides[3])
                most = (16 * size[1], 16 * size[0]) * 2
                left, top, right, bottom = (min(max(e, 0), m) for e, m in zip(edges, most, strict=True))
                if score >= whole.least and left < right and top < bottom:
                    boxes.append((label, score, left, top, right, bottom))
    stay: list[Box] = []
    for box in sorted(boxes, key=lambda one: -one[1]):
        if all(box[0] != one[0] or common(box, one) <= whole.iou for one in stay):
            stay.append(box)
    return stay


def common(a: Box, b: Box) -> Fraction:
    """Intersection over union."""
    across, down = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (2, 3))
    both = across * down if across > 0 and down > 0 else 0
    areas = [(box[4] - box[2]) * (box[5] - box[3]) for box in (a, b)]
    return Fraction(both, sum(areas) - both)


@pytest.fixture(scope="module")
def detector() -> tuple[ir.FrozenGraph, np.ndarray]:
    """A converted network with its head, and random images."""
    converted, images, judge = made("yolo-tiny", images=6, spread=30.0)
    net = replace(converted.net, head=replace(judge.head, lowest=0.0, overlap=0.3), dataset="")
    return net, images.images.numpy()


def printed(net: ir.FrozenGraph, codes: np.ndarray, folder: Path) -> list[str]:
    """What the exported program says of images."""
    cc = next(filter(shutil.which, ("gcc", "clang", "cc")), None) or pytest.skip("no C compiler")
    bitspike.export(net, "c", folder, name="cells")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
    flags += ["-fsanitize=undefined", "-fno-sanitize-recover=all"] if sanitizes(cc) else []
    sources = [str(folder / name) for name in ("main.c", "cells.c", "cells_boxes.c")]
    subprocess.run([cc, *flags, *sources, "-o", str(folder / "cells")], check=True)
    done = subprocess.run([str(folder / "cells")], input=codes.tobytes(), capture_output=True, check=True)
    return done.stdout.decode().splitlines()


def wanted(net: ir.FrozenGraph, codes: np.ndarray) -> list[str]:
    """The lines of the oracle's integers, read as documented."""
    outputs = oracle.outputs(net, codes)
    whole = WholeHead(net.head, tuple(readout.scale for readout in net.readouts))
    return [
        f"{image} {net.head.classes[label]} {score} {' '.join(map(str, corners))}"
        for image in range(len(codes))
        for label, score, *corners in documented(whole, [output[image] for output in outputs])
    ]


def test_boxes_of_wide_outputs_are_those_of_the_oracle(detector, tmp_path) -> None:
    net, codes = detector
    most = [max(abs(output.max()), abs(output.min())) for output in oracle.outputs(net, codes)]
    assert min(most) > 1 << 33  # 32 bits do not hold them, nor 64 their products
    lines = printed(net, codes, tmp_path)
    assert len(lines) > 20
    assert {line.split()[1] for line in lines} == set(net.head.classes)
    assert lines == wanted(net, codes)
    spoken = found_in_integers(oracle.outputs(net, codes), net.head, [readout.scale for readout in net.readouts])
    scores = [round(score * 65536) for boxes in spoken for score in boxes.scores]
    corners = [(16 * boxes.xyxy).round().astype(int).tolist() for boxes in spoken]
    assert scores == [int(line.split()[2]) for line in lines]  # evaluate and reports read the same boxes
    assert [box for boxes in corners for box in boxes] == [list(map(int, line.split()[3:])) for line in lines]


def test_another_weight_of_a_head_is_seen(detector, tmp_path) -> None:
    net, codes = detector
    name = next(key for key in net.tensors if key.startswith("coarse_head") and key.endswith("weight"))
    changed = net.tensors[name].copy()
    changed.flat[0] = -changed.flat[0] - 1
    wrong = replace(net, tensors={**net.tensors, name: changed})
    assert printed(wrong, codes, tmp_path) != wanted(net, codes)
