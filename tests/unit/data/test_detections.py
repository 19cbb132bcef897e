"""Training images with boxes: what happens to the pixels happens to the boxes, by seed, epoch and index alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bitspike.data import detection
from bitspike.data.detection import TrainingDetections, letterboxed
from bitspike.data.scenes import Flip, Mosaic, Scene, SceneAugments, Tile
from bitspike.datasets.boxed import DetectionSplit
from bitspike.datasets.storage import Storage
from bitspike.detection import Boxes, Letterbox
from bitspike.errors import UserError

NAMES = ("mosaic0.5", "scale0.5", "translate0.1", "flip", "updown", "hsv")
SIZE = (48, 64)


def split(folder, count=6, sizes=((60, 80), (90, 40))):
    """Black images, each with a white rectangle, which is its box."""
    rng = np.random.default_rng(0)
    files, boxes = [], []
    for place in range(count):
        height, width = sizes[place % len(sizes)]
        left, top = int(rng.integers(4, width // 2)), int(rng.integers(4, height // 2))
        right, bottom = left + int(rng.integers(14, width // 2 - 4)), top + int(rng.integers(14, height // 2 - 4))
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[top:bottom, left:right] = 255
        files.append(f"{place}.png")
        Image.fromarray(pixels).save(folder / files[-1])
        boxes.append(Boxes([[left, top, right, bottom]], [place % 3]))
    own = tuple(sizes[place % len(sizes)] for place in range(count))
    return DetectionSplit("made", Storage(folder), tuple(files), own, tuple(boxes), ("a", "b", "c"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return split(tmp_path_factory.mktemp("boxed"))


def white(image):
    """Corners of the white rectangle in an image."""
    rows, columns = np.nonzero(image.numpy().min(0) > 170)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_without_augmentation_an_image_is_letterboxed(made):
    images, boxes = TrainingDetections(made, SIZE).__getitems__([0, 1])
    assert images.shape == (2, 3, *SIZE)
    for index in (0, 1):
        np.testing.assert_array_equal(images[index], letterboxed(made, index, SIZE))
        want = Letterbox(made.sizes[index], SIZE).inside(made.boxes[index])
        np.testing.assert_allclose(boxes[index].xyxy, want.xyxy)
        np.testing.assert_allclose(white(images[index]), want.xyxy[0], atol=1.01)
    assert images[1, :, :, 0].unique().tolist() == [114]  # a bar


@pytest.mark.parametrize("names", [("scale0.4",), ("translate0.3",), ("flip",), ("updown",), NAMES[1:5]])
def test_a_box_goes_where_its_pixels_go(made, names):
    training = TrainingDetections(made, SIZE, SceneAugments.named(names), seed=3)
    seen = 0
    for epoch in range(6):
        training.set_epoch(epoch)
        images, found = training.__getitems__(range(len(made)))
        for image, boxes in zip(images, found, strict=True):
            if len(boxes):
                np.testing.assert_allclose(white(image), boxes.xyxy[0], atol=2)
                seen += 1
    assert seen > 20


def test_a_mosaic_has_the_boxes_of_four_images(made):
    training = TrainingDetections(made, SIZE, SceneAugments((Mosaic(),)), seed=1)
    for index in range(len(made)):
        image, boxes = training[index]
        assert image.shape == (3, *SIZE)
        scene = training.scene(index)
        assert len(scene.tiles) == 4
        assert scene.tiles[0].index == index
        for left, top, right, bottom in boxes.xyxy.round().astype(int):
            inner = image[:, top + 2 : bottom - 2, left + 2 : right - 2]
            assert (inner > 170).all()


@given(st.integers(0, 99), st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_an_image_depends_on_seed_epoch_and_index_alone(made, seed, epoch):
    def training():
        one = TrainingDetections(made, SIZE, SceneAugments.named(NAMES), seed)
        one.set_epoch(epoch)
        return one

    images, boxes = training().__getitems__([4, 1, 3])
    other = training()
    other.__getitems__([0, 5])
    for place, index in enumerate((4, 1, 3)):
        image, own = other[index]
        assert torch.equal(image, images[place])
        np.testing.assert_array_equal(own.xyxy, boxes[place].xyxy)
        assert (own.xyxy >= 0).all()
        assert (own.xyxy <= [SIZE[1], SIZE[0]] * 2).all()
        assert (own.area > 0).all()


def test_another_epoch_or_seed_is_another_image(made):
    training = TrainingDetections(made, SIZE, SceneAugments.named(NAMES), seed=0)
    first = training[0][0]
    training.set_epoch(1)
    assert not torch.equal(first, training[0][0])
    assert not torch.equal(first, TrainingDetections(made, SIZE, SceneAugments.named(NAMES), seed=1)[0][0])


def test_what_is_kept_is_what_would_be_read(made, monkeypatch):
    kept = TrainingDetections(made, SIZE, SceneAugments.named(NAMES))
    monkeypatch.setattr(detection, "KEPT", 0)
    for _ in range(2):
        read = TrainingDetections(made, SIZE, SceneAugments.named(NAMES))
        for index in range(len(made)):
            assert torch.equal(kept[index][0], read[index][0])
        assert len(read._kept) < len(made)


def test_a_box_of_which_little_is_left_is_not_wanted(made):
    training = TrainingDetections(made, SIZE)
    (box,) = training.boxes(training.alone(0)).xyxy
    for shift, wanted in ((-(box[0] + 0.8 * (box[2] - box[0])), 1), (-(box[0] + 0.95 * (box[2] - box[0])), 0)):
        assert len(training.boxes(training.alone(0).mapped(1.0, (float(shift), 0.0)))) == wanted


def test_boxes_to_be_ignored_are_not_trained_on(made):
    hidden = tuple(Boxes(boxes.xyxy, boxes.labels, ignored=[True]) for boxes in made.boxes)
    own = DetectionSplit("made", made.place, made.files, made.sizes, hidden, made.classes)
    assert len(TrainingDetections(own, SIZE)[0][1]) == 0


def test_an_image_that_is_damaged_in_the_middle_of_an_epoch_is_refused_by_its_file(tmp_path):
    own = split(tmp_path)
    training = TrainingDetections(own, SIZE)
    training.__getitems__([0, 1])
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:80])
    with pytest.raises(UserError, match=r"3\.png.*want a picture, whole") as refused:
        training.__getitems__([2, 3])
    assert "\n" not in str(refused.value)


def test_colours_change_and_boxes_do_not(made):
    training = TrainingDetections(made, SIZE, SceneAugments.named(("hsv",)), seed=2)
    plain = TrainingDetections(made, SIZE)
    images, boxes = training.__getitems__(range(6))
    want, same = plain.__getitems__(range(6))
    assert not torch.equal(images, want)
    assert [one.xyxy.tolist() for one in boxes] == [one.xyxy.tolist() for one in same]


def test_two_flips_are_one():
    scene = Scene(SIZE, (Tile(0, (0, 0, 9, 9), (0, 0, 9, 9)),), (True, False))
    drawn = {"flip": torch.tensor(True)}
    assert Flip()(scene, drawn, None).mirrored == (False, False)


@pytest.mark.parametrize(
    "names", [("blur",), ("scale2",), ("mosaic1.5",), ("flip", "mosaic"), ("mosaic", "mosaic"), ("hsv0.5",)]
)
def test_what_is_no_augmentation_of_boxes_is_refused(names):
    with pytest.raises(UserError):
        SceneAugments.named(names)
    with pytest.raises(UserError, match="image size"):
        TrainingDetections(None, (0, 4))
