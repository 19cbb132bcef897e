"""Folders of images with boxes: what is read, and every fault by its file."""

import json
import zipfile

import numpy as np
import pytest
from boxed_files import BOX, coco, picture, voc, xml

from bitspike.datasets.detection_sets import (
    classes_of,
    find_detection_set,
    is_detection,
    load_detection,
    validation_files,
)
from bitspike.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:.*left out")


def test_corners_of_voc_count_pixels_from_one(tmp_path):
    name = voc(tmp_path, {"a": xml(("cell", 1, 1, 40, 30, 0), ("nut", 3, 4, 8, 9, 1)), "b": xml(BOX)})
    found = load_detection(name, "train")
    assert (found.classes, found.counts, found.files) == (("cell", "nut"), (2, 1), ("a.jpg", "b.jpg"))
    assert found.boxes[0].xyxy.tolist() == [[0, 0, 40, 30], [2, 3, 8, 9]]
    assert found.boxes[0].ignored.tolist() == [False, True]
    assert found.read(0).shape == (30, 40, 3)
    assert found.faults == ()


def test_a_zip_is_read_as_the_folder_in_it(tmp_path):
    name = voc(tmp_path / "VOCdevkit/VOC2007", {"a": xml(BOX)})
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in sorted(tmp_path.rglob("VOCdevkit/**/*")):
            archive.write(file, file.relative_to(tmp_path))
    folder, packed = load_detection(name, "train"), load_detection(f"voc:{tmp_path / 'all.zip'}", "train")
    assert packed.files == folder.files
    np.testing.assert_array_equal(packed.read(0), folder.read(0))
    np.testing.assert_array_equal(load_detection(f"voc:{tmp_path / 'VOCdevkit'}", "test").read(0), folder.read(0))


FAULTS = {
    "a box without area": (xml(BOX, ("cell", 5, 5, 5, 5, 0)), "box 2 of a.jpg, 5 5 5 5'; it has no area", 1),
    "a box that is upside down": (xml(BOX, ("cell", 5, 9, 8, 2, 0)), "it has no area", 1),
    "a box outside": (xml(BOX, ("cell", 50, 5, 60, 9, 0)), "it lies outside the image of 40x30 pixels", 1),
    "an unknown class": (xml(BOX, ("crab", 5, 5, 9, 9, 0)), """class 'crab'"; want one of: cell""", 1),
    "no XML": ("<annotation><size>", "want an annotation of VOC", 0),
    "a corner that is no number": (xml(BOX, ("cell", "x", 5, 9, 9, 0)), "want an annotation of VOC", 0),
    "a corner that is not finite": (xml(BOX, ("cell", "nan", 5, 9, 9, 0)), "it has no area", 1),
    "no size": (xml(BOX, w=0), "want 1 to 32768 pixels each", 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_in_an_annotation_is_named_and_left_out_or_refused(tmp_path, fault):
    text, says, boxes = FAULTS[fault]
    name = voc(tmp_path, {"a": text, "b": xml(BOX)})
    (tmp_path / "classes.txt").write_text("cell\n")
    with pytest.warns(UserWarning, match=r"train split: left out: .*a\.xml"):
        found = load_detection(name, "train")
    (line,) = found.faults
    assert "Annotations/a.xml" in line
    assert says in line
    assert "\n" not in line
    assert found.counts == (1 + boxes,)
    with pytest.raises(UserError, match="xml") as refused:
        load_detection(name, "train", wrong="refuse")
    assert str(refused.value) == line


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("Annotations/a.xml", "an image without annotation"),
        ("JPEGImages/a.jpg", "an annotation without image"),
        ("*/a.*", "neither image nor annotation"),
    ],
)
def test_an_image_or_an_annotation_alone_is_left_out(tmp_path, gone, says):
    name = voc(tmp_path, {"a": xml(BOX), "b": xml(BOX)})
    for file in tmp_path.glob(gone):
        file.unlink()
    found = load_detection(name, "train")
    assert found.files == ("b.jpg",)
    assert says in found.faults[0]
    assert "Annotations/a.xml" in found.faults[0]
    with pytest.raises(UserError, match=says):
        load_detection(name, "train", wrong="refuse")


def test_an_image_without_boxes_stays(tmp_path):
    found = load_detection(voc(tmp_path, {"a": xml(), "b": xml(BOX)}), "train")
    assert [len(boxes) for boxes in found.boxes] == [0, 1]
    assert found.faults == ()


def test_a_box_across_the_border_is_cut_off(tmp_path):
    found = load_detection(voc(tmp_path, {"a": xml(("cell", -5, 10, 99, 20, 0))}), "train")
    assert found.boxes[0].xyxy.tolist() == [[0, 9, 40, 20]]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:900]), "truncated"),
        (lambda file: file.write_bytes(b"no picture"), "cannot identify"),
        (lambda file: file.unlink(), "cannot be read"),
        (lambda file: picture(file, (41, 30)), "its annotation has 40x30"),
    ],
)
def test_an_image_that_cannot_be_read_is_refused_by_its_file(tmp_path, damage, says):
    found = load_detection(voc(tmp_path, {"a": xml(BOX), "b": xml(BOX)}), "train")
    damage(tmp_path / "JPEGImages/b.jpg")
    found.read(0)
    with pytest.raises(UserError, match=says) as refused:
        found.read(1)
    assert "JPEGImages/b.jpg" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_such_set_is_refused(tmp_path):
    assert [is_detection(name) for name in ("bccd", "voc:x", "coco:x", "yolo:x", "digits", "moving:digits")] == [
        *[True] * 3,
        *[False] * 3,
    ]
    for name in ("bcc", "voc:", "yolo:x"):
        with pytest.raises(UserError, match="dataset"):
            find_detection_set(name)
    with pytest.raises(UserError, match="no folder"):
        load_detection(f"voc:{tmp_path}/none", "train")
    with pytest.raises(UserError, match=r"there is no folder .*bccd"):
        load_detection("bccd", "test", tmp_path)
    with pytest.raises(UserError, match="want a VOC folder"):
        load_detection(f"voc:{tmp_path}", "train")
    with pytest.raises(UserError, match="want skip or refuse"):
        load_detection(voc(tmp_path / "v", {"a": xml(BOX)}), "train", wrong="ask")


def test_a_split_of_nothing_but_faults_is_refused(tmp_path):
    name = voc(tmp_path, {"a": "<", "b": "<"}, {"t": xml(BOX)})
    (tmp_path / "classes.txt").write_text("cell\n")
    with pytest.raises(UserError, match=r"no images.*the first of 2 faults"):
        load_detection(name, "train")


def test_a_list_that_has_an_image_twice_is_refused(tmp_path):
    name = voc(tmp_path, {"a": xml(BOX)})
    (tmp_path / "ImageSets/Main/train.txt").write_text("a\na\n")
    with pytest.raises(UserError, match="it is there twice"):
        load_detection(name, "train")


def test_coco_is_read_in_the_order_of_its_file(tmp_path):
    found = load_detection(coco(tmp_path), "train")
    assert (found.classes, found.files) == (("cell", "nut"), ("7.jpg", "3.jpg"))
    assert found.boxes[0].xyxy.tolist() == [[1.5, 2, 11.5, 22]]
    assert (found.boxes[0].labels.tolist(), found.boxes[0].ignored.tolist()) == ([1], [True])
    assert load_detection(f"coco:{tmp_path}", "test").read(1).shape == (30, 40, 3)
    assert classes_of(f"coco:{tmp_path}") == found.classes
    assert validation_files(f"coco:{tmp_path}") == frozenset()


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"image_id": 4, "category_id": 5, "bbox": [0, 0, 1, 1]}, "1 boxes of image 4'; there is no such image"),
        ({"image_id": 3, "category_id": 6, "bbox": [0, 0, 1, 1]}, "class 'number 6'"),
        ({"image_id": 3, "category_id": 5, "bbox": [0, 0, 0, 9]}, "box 2 of 3.jpg, 0 0 0 9'; it has no area"),
        ({"image_id": 3, "category_id": 5, "bbox": [90, 0, 9, 9]}, "it lies outside"),
        ({"image_id": 3, "category_id": 5, "bbox": [90, 0, 9]}, "want left, top, width and height"),
        ({"image_id": 3, "category_id": [5], "bbox": [90, 0, 9, 9]}, "want an entry with category_id"),
    ],
)
def test_what_is_wrong_in_a_coco_file_is_named_and_left_out_or_refused(tmp_path, row, says):
    name = coco(tmp_path)
    file = tmp_path / "annotations/instances_train2017.json"
    content = json.loads(file.read_text())
    content["annotations"].append(row)
    file.write_text(json.dumps(content))
    (line,) = load_detection(name, "train").faults
    assert says in line
    assert "instances_train2017.json" in line
    with pytest.raises(UserError) as refused:
        load_detection(name, "train", wrong="refuse")
    assert str(refused.value) == line


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": None}, "no list of images"),
        ({"images": [{"id": 3}]}, "want an entry with file_name"),
        ({"images": [{"id": 3, "file_name": "../3.jpg", "height": 9, "width": 9}]}, "without folders"),
        ({"images": [{"id": 3, "file_name": "3.jpg", "height": 9}]}, "want 1 to 32768 pixels"),
        ({"images": [{"id": 3, "file_name": "4.jpg", "height": 9, "width": 9}]}, "no such file"),
        ({"images": [{"id": 3, "file_name": "3.jpg", "height": 9, "width": 9}] * 2}, "two images of one id"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}, "2 categories"),
        ({"annotations": [7]}, "want an entry with image_id"),
    ],
)
def test_what_is_no_coco_file_is_refused(tmp_path, changes, says):
    if changes.get("images"):
        changes["annotations"] = []
    with pytest.raises(UserError, match=says):
        load_detection(coco(tmp_path, **changes), "train", wrong="refuse")


def test_a_coco_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError, match="want a COCO folder"):
        load_detection(f"coco:{tmp_path}", "train")
    name = coco(tmp_path)
    (tmp_path / "annotations/instances_train2017.json").write_text("{")
    with pytest.raises(UserError, match="want JSON"):
        load_detection(name, "train")
    (tmp_path / "annotations/instances_train2017.json").unlink()
    with pytest.raises(UserError, match=r"no file .*instances_train.json"):
        load_detection(name, "train")
