"""Boxes, the letterbox and back, and what a head's numbers mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.detection import Boxes, Head, Letterbox
from bitspike.detection.decode import decode, in_probability, logit
from bitspike.errors import UserError

SIDES = st.integers(1, 900)
POINTS = Head("points", ("a", "b"), (8, 16))
ANCHORS = Head("anchors", ("a", "b"), (16,), (((10.0, 20.0), (40.0, 30.0)),))


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES))
def test_a_letterbox_fits_and_touches_two_sides(original, size):
    box = Letterbox(original, size)
    (rows, columns), (top, left) = box.fitted, box.corner
    assert 1 <= rows <= size[0]
    assert 1 <= columns <= size[1]
    assert rows == size[0] or columns == size[1]
    assert top >= 0
    assert left >= 0
    assert top + rows <= size[0]
    assert left + columns <= size[1]


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES))
def test_boxes_come_back_out_of_a_letterbox(original, size):
    height, width = original
    boxes = Boxes([[0, 0, width, height], [width / 4, height / 3, width / 2, height]], [0, 1])
    box = Letterbox(original, size)
    np.testing.assert_allclose(box.back(box.inside(boxes)).xyxy, boxes.xyxy, atol=2e-4 * max(original))


def test_what_lies_in_the_bars_has_no_area():
    box = Letterbox((100, 200), (64, 64))
    assert box.back(Boxes([[0, 0, 64, 15]], [0])).area.tolist() == [0]


def test_boxes_need_one_label_each():
    with pytest.raises(UserError, match="want one for each of 2 boxes"):
        Boxes([[0, 0, 1, 1]], [0, 1])


def test_points_are_read_as_the_equation_says():
    outputs = [np.full((1, 6, 2, 4), -9.0), np.full((1, 6, 1, 2), -9.0)]
    outputs[0][0, :, 1, 2] = (0.5, 2.0, 1, 0.5, 0.25, 0.5)  # logits of a and b; left, top, right, bottom
    outputs[1][0, :, 0, 1] = (3.0, 3.0, 0.5, 9, 0.5, 0.25)
    (found,) = decode(outputs, POINTS, lowest=0.5)
    assert found.xyxy.tolist() == [[20 - 8, 12 - 4, 20 + 2, 12 + 4], [24 - 8, 0, 24 + 8, 8 + 4]]
    assert found.labels.tolist() == [1, 0]  # the first of two equal logits
    assert found.scores.tolist() == [2.0, 3.0]
    np.testing.assert_allclose(in_probability(found, POINTS).scores, 1 / (1 + np.exp([-2, -3])))


def test_a_box_whose_edges_cross_is_none():
    outputs = [np.zeros((1, 6, 2, 4)), np.zeros((1, 6, 1, 2))]
    outputs[0][0, 2] = -1.0
    assert len(decode(outputs, POINTS, 0.0)[0]) == 0


def test_anchors_are_read_as_published():
    raw = np.full((1, 2, 7, 2, 2), -50.0)
    raw[0, 1, :, 0, 1] = (0, np.log(3), np.log(0.5), 0, np.log(4), np.log(9), 0)
    (found,) = decode([raw.reshape(1, 14, 2, 2)], ANCHORS, lowest=0.01)
    x, y = 16 * (1 + 0.5), 16 * (0 + 0.75)
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.xyxy, [[x - 10, 0, 32, y + 15]] * 2)  # cut off above and on the right
    np.testing.assert_allclose(found.scores, [0.8 * 0.9, 0.8 * 0.5])


def test_a_score_of_0_or_1_is_no_fault():
    assert logit(0.0) == -np.inf
    assert logit(1.0) == np.inf
    assert logit(0.5) == 0
    with pytest.raises(UserError, match="want a probability"):
        logit(1.5)


@pytest.mark.parametrize("head", [POINTS, ANCHORS])
def test_a_head_is_kept_as_json(head):
    assert Head.from_json(head.as_json()) == head


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "circles", "classes": ["a"], "strides": [8]},
        {"kind": "points", "classes": [], "strides": [8]},
        {"kind": "points", "classes": ["a", "a"], "strides": [8]},
        {"kind": "points", "classes": ["a"], "strides": [0]},
        {"kind": "points", "classes": ["a"], "strides": [8], "anchors": [[[1, 2]]]},
        {"kind": "anchors", "classes": ["a"], "strides": [8]},
        {"kind": "anchors", "classes": ["a"], "strides": [8], "anchors": [[[0, 2]]]},
        {"kind": "points", "classes": ["a"], "strides": [8], "more": 1},
        {"kind": "points"},
        {"kind": "points", "classes": ["a"], "strides": [8], "lowest": 2},
        {"kind": "points", "classes": ["a"], "strides": [8], "overlap": "much"},
        7,
    ],
)
def test_what_no_head_is_is_refused(wrong):
    with pytest.raises(UserError, match="head"):
        Head.from_json(wrong)


def test_outputs_of_another_head_are_refused():
    with pytest.raises(UserError, match="want 2 outputs"):
        decode([np.zeros((1, 6, 2, 4)), np.zeros((1, 6, 2, 2))], POINTS)
    with pytest.raises(UserError, match="not finite"):
        decode([np.full((1, 6, 2, 4), np.nan), np.zeros((1, 6, 1, 2))], POINTS)
    with pytest.raises(UserError, match="want multiples of 16"):
        POINTS.shapes((24, 32))
