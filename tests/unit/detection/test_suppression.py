"""Which boxes stay: against the definition, in floats and in integers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.detection import Boxes, Head, decode, nms
from bitspike.detection.found import found_in_integers
from bitspike.detection.nms import as_iou, kept_rows
from bitspike.detection.whole import LEAST_SCORE, Factor, WholeHead, word
from bitspike.errors import UserError

CORNER = st.integers(0, 12)
BOX = st.tuples(CORNER, CORNER, CORNER, CORNER, st.integers(0, 2), st.integers(-3, 3))
IOUS = st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(45, 100), Fraction(1, 2), Fraction(1)])


def by_definition(xyxy, labels, scores, iou):
    """A box stays if none that stayed, is of its class and comes before it has an IoU above the threshold."""

    def iou_of(a, b):
        across, down = (max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
        union = sum(max(0, c[2] - c[0]) * max(0, c[3] - c[1]) for c in (a, b)) - across * down
        return Fraction(across * down, union) if union else Fraction(0)

    stay = []
    for row in sorted(range(len(labels)), key=lambda row: (-scores[row], row)):
        if all(labels[row] != labels[one] or iou_of(xyxy[row], xyxy[one]) <= iou for one in stay):
            stay.append(row)
    return stay


@given(st.lists(BOX, max_size=14), IOUS)
def test_integers_stay_as_the_definition_says(boxes, iou):
    array = np.array(boxes, np.int64).reshape(-1, 6)
    xyxy, labels, scores = array[:, :4], array[:, 4], array[:, 5]
    want = by_definition(xyxy.tolist(), labels.tolist(), scores.tolist(), iou)
    assert kept_rows(xyxy, labels, scores, iou).tolist() == want
    floats = nms(Boxes(xyxy, labels, scores), iou)
    assert floats.xyxy.tolist() == xyxy[want].tolist()
    assert floats.scores.tolist() == scores[want].tolist()


def test_a_union_that_is_just_at_the_threshold_does_not_suppress():
    xyxy = np.array([[0, 0, 2, 1], [0, 0, 1, 1]])
    zero = np.zeros(2, np.int64)
    assert kept_rows(xyxy, zero, zero, Fraction(1, 2)).tolist() == [0, 1]
    assert kept_rows(xyxy, zero, zero, Fraction(499, 1000)).tolist() == [0]


def test_of_equally_sure_boxes_that_of_the_lower_index_stays():
    xyxy = np.array([[1, 0, 11, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    labels = np.array([0, 0, 1])
    assert kept_rows(xyxy, labels, np.array([5, 5, 9]), 0.5).tolist() == [2, 0]


def test_a_threshold_is_a_fraction():
    assert as_iou(0.45) == Fraction(45, 100)
    for wrong in (-0.1, 1.5):
        with pytest.raises(UserError, match="want a number of 0 to 1"):
            as_iou(wrong)
    with pytest.raises(UserError, match="no scores"):
        nms(Boxes.none(), 0.5)


@given(st.floats(1e-9, 1e9), st.integers(-(1 << 31) + 1, (1 << 31) - 1))
def test_a_factor_is_as_near_as_its_bits_allow(value, y):
    factor = Factor.of(value)
    assert 1 << 30 <= factor.multiplier < 1 << 31
    exact = Fraction(value) * y
    assert abs(int(factor.times(np.array(y))) - exact) <= Fraction(1, 2) + abs(exact) / (1 << 30)


@given(st.data())
def test_whole_boxes_are_those_of_the_floats_but_for_a_sixteenth(data):
    head = Head("points", ("a", "b", "c"), (4, 8))
    scales = (data.draw(st.floats(1e-4, 0.2)), data.draw(st.floats(1e-4, 0.2)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    outputs = [rng.integers(-60, 200, (2, *shape)) for shape in head.shapes((16, 24))]
    floats = decode([output * scale for output, scale in zip(outputs, scales, strict=True)], head)
    for whole, boxes in zip(WholeHead(head, scales).decode(outputs), floats, strict=True):
        wide = boxes[(boxes.xyxy[:, 2:] - boxes.xyxy[:, :2] > 0.5).all(1)]
        own = whole.boxes[(whole.boxes.xyxy[:, 2:] - whole.boxes.xyxy[:, :2] > 0.5).all(1)]
        for one, other in ((wide, whole.boxes), (own, boxes)):  # each has one of its class nearby in the other
            for xyxy, label, score in zip(one.xyxy, one.labels, one.scores, strict=True):
                near = np.abs(other.xyxy - xyxy).max(1, initial=0) <= 1 / 16
                near &= (other.labels == label) & (np.abs(other.scores - score) < 1e-4)
                assert near.any()


def test_scores_of_unlike_scales_are_in_one_order():
    head = Head("points", ("a",), (8, 8), overlap=1.0)
    outputs = [np.full((1, 5, 1, 1), 100), np.full((1, 5, 1, 1), 100)]
    (found,) = WholeHead(head, (0.01, 0.02)).found(outputs)
    assert found.scores.tolist() == [131072, 65536]


def test_the_lowest_score_is_a_whole_number():
    head = Head("points", ("a",), (8,))
    assert WholeHead(head, (1.0,), lowest=0.0).least == LEAST_SCORE
    assert WholeHead(head, (1.0,), lowest=0.5).least == 0
    assert WholeHead(head, (1.0,), lowest=1.0).least == -LEAST_SCORE


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e-30, 1e12])
def test_a_scale_that_no_integers_have_is_refused(scale):
    with pytest.raises(UserError, match="scale of an output"):
        WholeHead(Head("points", ("a",), (8,)), (scale,))


def test_what_has_no_whole_boxes_is_refused():
    with pytest.raises(UserError, match="want points"):
        WholeHead(Head("anchors", ("a",), (8,), (((3.0, 4.0),),)), (1.0,))
    whole = WholeHead(Head("points", ("a",), (8,)), (1.0,))
    for kind in (np.float64, np.uint64):
        with pytest.raises(UserError, match="want integers of at most 64 bits"):
            whole.decode([np.zeros((1, 5, 1, 1), kind)])
    with pytest.raises(UserError, match="at most 4096 cells"):
        WholeHead(Head("points", ("a",), (1,)), (1.0,)).decode([np.zeros((1, 5, 1, 4097), np.int64)])


def test_outputs_of_more_bits_than_boxes_can_show_lose_the_lowest() -> None:
    rng = np.random.default_rng(0)
    head = Head("points", ("a", "b"), (8,))
    said = rng.normal(0, 1, (3, 6, 4, 4))
    said[:, 2:] = rng.uniform(0.5, 3, (3, 4, 4, 4))
    scale = 2.0**-19  # 32 bits reach 4096
    outputs = [np.floor(said / scale).astype(np.int64)]
    wide = [(outputs[0] << 10) + rng.integers(0, 1 << 10, said.shape)]
    narrow, wider = (found_in_integers(given, head, [of]) for given, of in ((outputs, scale), (wide, scale * 2.0**-10)))
    assert sum(map(len, narrow)) > 3
    for one, other in zip(narrow, wider, strict=True):
        assert np.array_equal(one.xyxy, other.xyxy)
        assert np.array_equal(one.labels, other.labels)


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(1, 60))
def test_a_word_is_a_floor_as_far_as_32_bits_go(value: int, power: int) -> None:
    whole = WholeHead(Head("points", ("a",), (8,)), (2.0**-power,))
    (dropped,) = whole.dropped
    assert dropped == max(0, power - 19)
    exact = Fraction(value, 1 << dropped).__floor__()
    assert word(np.array(value), dropped) == min(max(exact, -(1 << 31)), (1 << 31) - 1)


def test_beyond_32_bits_a_distance_ends_outside_and_a_logit_is_certain() -> None:
    head = Head("points", ("a", "b"), (8,))
    said = np.array([5000, 4000, 0.5, -1e9, 1e9, 1], object).reshape(1, 6, 1, 1)
    outputs = [np.array((said * (1 << 30)).tolist(), np.int64)]
    (found,) = WholeHead(head, (2.0**-30,)).decode(outputs)
    assert found.xyxy.tolist() == []  # its upper edge is below the lower border
    outputs[0][0, 3] = 1 << 60
    (found,) = WholeHead(head, (2.0**-30,)).decode(outputs)
    assert (found.xyxy.tolist(), found.labels.tolist()) == ([[0, 0, 128, 128]], [0])
    assert abs(int(found.scores[0]) - (4096 << 16)) <= 1
