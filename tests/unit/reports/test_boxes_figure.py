"""The picture of boxes: a row for each image, a column for what is wanted and for each network."""

import io

import numpy as np
import pytest

from bitspike.detection import Boxes
from bitspike.errors import UserError
from bitspike.reports.boxes import FEW, Shown, boxes_figure

pytest.importorskip("matplotlib")


def shown(found, size=(30, 40)):
    wanted = Boxes([[1, 2, 11, 22], [5, 5, 9, 9]], [0, 1], ignored=[False, True])
    return Shown("a$b_.jpg", np.zeros((*size, 3), np.uint8), wanted, found)


def rectangles(axes):
    return [(*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in axes.patches]


def test_boxes_are_where_they_are_and_say_how_sure_they_are():
    found = Boxes([[1, 2, 11, 22], [20, 5, 30, 9]], [1, 0], [0.914, 0.3])
    figure = boxes_figure([shown({"one$": found, "_two": Boxes.none(scored=True)})] * 2, ("cell", "$nut_"), "made")
    assert len(figure.axes) == 6
    wanted, one, two = figure.axes[:3]
    assert rectangles(wanted) == [(5, 5, 4, 4), (1, 2, 10, 20)]
    assert rectangles(one) == [(20, 5, 10, 4), (1, 2, 10, 20)]  # the surest is drawn last, on top
    assert [text.get_text() for text in one.texts] == ["30", "91"]
    assert (wanted.get_title(), one.get_title(), two.get_title()) == (
        "a$b_.jpg: 2 boxes wanted",
        "one$: 2 boxes",
        "_two: 0 boxes",
    )
    colours = [patch.get_edgecolor() for patch in one.patches]
    assert colours[0] == wanted.patches[1].get_edgecolor()
    assert colours[0] != colours[1]
    assert wanted.patches[0].get_linestyle() == ":"  # one that is to be ignored
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cell", "$nut_"]
    figure.savefig(io.BytesIO(), format="png")


def test_many_boxes_have_no_numbers():
    many = Boxes(np.tile([[1, 2, 11, 22]], (FEW + 1, 1)), np.zeros(FEW + 1), np.full(FEW + 1, 0.5))
    figure = boxes_figure([shown({"one": many})], ("cell", "nut"), "made")
    assert len(figure.axes[1].patches) == FEW + 1
    assert list(figure.axes[1].texts) == []


def test_no_image_is_no_picture():
    with pytest.raises(UserError, match="want at least one to show"):
        boxes_figure([], ("cell",), "made")
