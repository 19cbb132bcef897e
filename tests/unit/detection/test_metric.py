"""Mean average precision against cases that are counted by hand, and against the other library."""

import contextlib
import io

import numpy as np
import pytest

from bitspike.detection import Boxes
from bitspike.detection.metric import _results, _truth, mean_average_precision, summary
from bitspike.errors import UserError

library = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("faster_coco_eval"), reason="needs faster-coco-eval"
)
ONE, TWO = [0, 0, 100, 100], [200, 0, 300, 100]


@library
def test_boxes_that_are_right_have_a_precision_of_one():
    wanted = [Boxes([ONE, TWO], [0, 1]), Boxes.none()]
    found = [Boxes([ONE, TWO], [0, 1], [0.3, 0.9]), Boxes.none(scored=True)]
    assert mean_average_precision(found, wanted, "abc") == (1.0, 1.0, {"a": 1.0, "b": 1.0, "c": None})


@library
def test_half_of_the_boxes_found_is_half_of_the_recalls():
    found = [Boxes([ONE, [400, 0, 500, 100]], [0, 0], [0.9, 0.8])]
    got = mean_average_precision(found, [Boxes([ONE, TWO], [0, 0])], "a")
    assert got.ap50 == pytest.approx(51 / 101)  # recalls 0, 0.01, ... 0.5 at precision 1, the rest at 0


@library
def test_a_surer_wrong_box_halves_the_precision():
    found = [Boxes([[400, 0, 500, 100], ONE], [0, 0], [0.9, 0.8])]
    assert mean_average_precision(found, [Boxes([ONE], [0])], "a").ap50 == pytest.approx(0.5)


@library
def test_an_overlap_counts_at_the_thresholds_below_it():
    found = [Boxes([[0, 0, 100, 72]], [0], [0.9])]  # IoU 0.72: right at 0.5, 0.55, 0.6, 0.65 and 0.7
    assert mean_average_precision(found, [Boxes([ONE], [0])], "a")[:2] == pytest.approx((1.0, 0.5))


@library
def test_a_box_that_is_ignored_is_neither_right_nor_wrong():
    wanted = [Boxes([ONE, TWO], [0, 0], ignored=[False, True])]
    for boxes in ([ONE], [ONE, TWO]):
        found = [Boxes(boxes, [0] * len(boxes), np.linspace(0.5, 0.9, len(boxes)))]
        assert mean_average_precision(found, wanted, "a").ap50 == 1.0


@library
def test_nothing_found_is_a_precision_of_zero():
    got = mean_average_precision([Boxes.none(scored=True)], [Boxes([ONE], [1])], "ab")
    assert got == (0.0, 0.0, {"a": None, "b": 0.0})


def test_what_has_no_precision_is_refused():
    with pytest.raises(UserError, match="want 1, one for each image"):
        mean_average_precision([], [Boxes([ONE], [0])], "a")
    with pytest.raises(UserError, match="without them precision has no meaning"):
        mean_average_precision([Boxes.none(scored=True)], [Boxes([ONE], [0], ignored=[True])], "a")


@library
def test_the_other_library_says_the_same():
    coco, judge = (pytest.importorskip(f"pycocotools.{name}") for name in ("coco", "cocoeval"))
    wanted, found = random_boxes()
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = _truth(wanted, "abc")
        truth.createIndex()
        theirs = judge.COCOeval(truth, truth.loadRes(_results(found)), "bbox")
        theirs.evaluate()
        theirs.accumulate()
    got = mean_average_precision(found, wanted, "abc")
    assert got == summary(theirs.eval["precision"][..., 0, -1], "abc")
    assert 0 < got.ap < got.ap50 < 1
    found[0] = Boxes.none(scored=True)
    assert mean_average_precision(found, wanted, "abc") != got


def random_boxes() -> tuple[list[Boxes], list[Boxes]]:
    """Images with boxes; what is found is near them, and some more."""
    rng = np.random.default_rng(0)

    def corners(count):
        start = rng.random((count, 2)) * 200
        return np.concatenate([start, start + rng.random((count, 2)) * 80 + 4], 1)

    wanted, found = [], []
    for _ in range(40):
        count = int(rng.integers(1, 15))
        wanted.append(Boxes(corners(count), rng.integers(0, 3, count), ignored=rng.random(count) < 0.1))
        near = wanted[-1].xyxy + rng.normal(0, 3, (count, 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        labels = np.concatenate([wanted[-1].labels, rng.integers(0, 3, 6)])
        found.append(Boxes(np.concatenate([near, corners(6)]), labels, rng.random(count + 6).round(2)))
    return wanted, found
