"""Which boxes stay, beside torchvision's operation, where that is installed.

PyPI's torchvision goes with a torch of its own, and a venv of them has several GB; what this asks is NumPy alone:

    python -m venv TV; TV/bin/pip install torch==2.14.1 torchvision==0.29.1 numpy pytest hypothesis
    PYTHONPATH=src TV/bin/python -m pytest -m peer tests/peer/test_suppression_equals_torchvision.py
"""

import numpy as np
import pytest
import torch

from bitspike.detection.nms import kept_rows

pytestmark = pytest.mark.peer
ops = pytest.importorskip("torchvision.ops")
THRESHOLDS = (0.25, 0.5, 0.75, 0.0, 1.0)
"""Those that floats have exactly, so that an overlap of just as much is no matter of rounding."""


def drawn(seed: int, side: int, scores: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes with whole corners, labels and scores; of a small side many are the same, of few scores most are equal."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, side, (80, 2))
    xyxy = np.concatenate([start, start + rng.integers(1, side, (80, 2))], 1)
    return xyxy, rng.integers(0, 3, 80), rng.integers(0, scores, 80)


def theirs(xyxy: np.ndarray, labels: np.ndarray, scores: np.ndarray, iou: float) -> list[int]:
    floats = (torch.from_numpy(array).double() for array in (xyxy, scores))
    return ops.batched_nms(*floats, torch.from_numpy(labels), iou).tolist()


@pytest.mark.parametrize("iou", THRESHOLDS)
@pytest.mark.parametrize(("side", "scores"), [(40, 10**6), (40, 4), (5, 4), (5, 1)])
def test_the_same_boxes_stay_in_the_same_order(side, scores, iou):
    for seed in range(20):
        xyxy, labels, said = drawn(seed, side, scores)
        assert kept_rows(xyxy, labels, said, iou).tolist() == theirs(xyxy, labels, said, iou)


def test_another_threshold_keeps_others():
    given = drawn(0, 5, 4)
    assert kept_rows(*given, 0.5).tolist() != theirs(*given, 0.49)


def test_an_overlap_of_just_the_threshold_stays():
    xyxy = np.array([[0, 0, 4, 4], [0, 0, 4, 2], [0, 0, 4, 1]])
    given = xyxy, np.zeros(3, np.int64), np.array([2, 1, 1])
    for iou in (0.5, 0.25):
        assert kept_rows(*given, iou).tolist() == theirs(*given, iou)
    assert kept_rows(*given, 0.5).tolist() == [0, 1, 2]
