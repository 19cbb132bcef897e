"""From outputs to the boxes that stay: integers and floats say the same, and a file's head is checked."""

import dataclasses

import numpy as np
import pytest

from bitspike import ir
from bitspike.detection import Head
from bitspike.detection.found import found_in_floats, found_in_integers
from bitspike.errors import UserError
from bitspike.ir import Edge, FrozenGraph, Graph, Input, Readout

ANCHORS = Head("anchors", ("a", "b"), (8,), (((12.0, 9.0), (5.0, 7.0)),))
POINTS = Head("points", ("a", "b", "c"), (8,), overlap=0.3)


@pytest.mark.parametrize("head", [ANCHORS, POINTS])
def test_integers_find_what_floats_find(head):
    (shape,) = head.shapes((32, 48))
    output = np.random.default_rng(0).integers(-300, 300, (2, *shape))
    if head is POINTS:
        output[:, -4:] = abs(output[:, -4:])
    floats = found_in_floats([output * 0.01], head)
    for own, want in zip(found_in_integers([output], head, [0.01]), floats, strict=True):
        assert len(own) > 5
        np.testing.assert_array_equal(own.labels[:5], want.labels[:5])
        np.testing.assert_allclose(own.xyxy[:5], want.xyxy[:5], atol=1 / 16)
        assert (np.diff(own.scores) <= 0).all()
    few = found_in_integers([output], head, [0.01], lowest=0.5)
    assert len(few[0]) < len(floats[0])


def test_outputs_without_a_scale_are_refused():
    (shape,) = POINTS.shapes((32, 48))
    with pytest.raises(UserError, match="no scale"):
        found_in_integers([np.zeros((1, *shape), np.int64)], POINTS, [None])


def net(head):
    """A network that says its input."""
    image = Input(name="images", inputs=(), edge=Edge(shape=(7, 4, 6), T=1, lo=-128, hi=127, scale=1.0))
    maps = Readout(name="maps", inputs=("images",), scale=0.5)
    return FrozenGraph(Graph("x", (image, maps)), {}, "bccd", head=head)


def test_a_file_keeps_its_head_and_a_wrong_one_is_named(tmp_path):
    made = net(POINTS)
    ir.save(made, file := tmp_path / "net.bitspike")
    assert ir.load(file).head == POINTS
    assert dataclasses.replace(made, dataset="voc").head == POINTS
    content = file.read_bytes().replace(b'"crc32"', b'"other"')  # without a checksum, as older files are
    wrong = ((b"points", b"pointy", "want points or anchors"), (b'\\"c\\"', b'\\"b\\"', "one name for each class"))
    for old, new, says in wrong:
        assert old in content
        file.write_bytes(content.replace(old, new, 1))
        with pytest.raises(UserError, match=says):
            ir.load(file)


def test_a_head_of_other_outputs_is_refused():
    with pytest.raises(UserError, match=r"outputs: got \(\(7, 4, 6\),\); want 1 outputs of \(6,\) channels"):
        net(Head("points", ("a", "b"), (8,)))
