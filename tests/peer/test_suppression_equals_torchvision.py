"""Which boxes stay, beside torchvision's operation, where that is installed."""

import numpy as np
import pytest
import torch

from bitspike.detection.nms import kept_rows

pytestmark = pytest.mark.peer
ops = pytest.importorskip("torchvision.ops")


@pytest.mark.parametrize("seed", range(20))
def test_the_same_boxes_stay(seed):
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 60, (80, 2))
    xyxy = np.concatenate([start, start + rng.integers(1, 40, (80, 2))], 1)
    labels, scores = rng.integers(0, 3, 80), rng.permutation(80)
    floats = (torch.from_numpy(array).double() for array in (xyxy, scores))
    theirs = ops.batched_nms(*floats, torch.from_numpy(labels), 0.5)
    assert kept_rows(xyxy, labels, scores, 0.5).tolist() == theirs.tolist()
