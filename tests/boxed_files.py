"""Small folders of images with boxes, in the layouts of VOC and COCO."""

import json

import numpy as np
from PIL import Image

XML = "<annotation><size><width>{w}</width><height>{h}</height></size>{objects}</annotation>"
OBJECT = (
    "<object><name>{0}</name><difficult>{5}</difficult><bndbox><xmin>{1}</xmin><ymin>{2}</ymin><xmax>{3}</xmax>"
    "<ymax>{4}</ymax></bndbox></object>"
)
BOX = ("cell", 1, 1, 20, 10, 0)


def xml(*boxes, w=40, h=30):
    return XML.format(w=w, h=h, objects="".join(OBJECT.format(*box) for box in boxes))


def picture(path, size=(40, 30), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(path, quality=95)


def voc(home, train, test=None):
    """A VOC folder of annotations by stem; every image is there."""
    lists = {"train": train, "test": test if test is not None else {"t": xml(BOX)}}
    (home / "Annotations").mkdir(parents=True)
    (home / "ImageSets/Main").mkdir(parents=True)
    for split, annotations in lists.items():
        (home / f"ImageSets/Main/{split}.txt").write_text("".join(f"{stem}  1\n" for stem in annotations))
        for stem, text in annotations.items():
            (home / f"Annotations/{stem}.xml").write_text(text)
            picture(home / f"JPEGImages/{stem}.jpg")
    return f"voc:{home}"


def coco(home, **changes):
    """A COCO folder of two training images, with parts of its file changed."""
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg", "height": 30, "width": 40} for number in (7, 3)],
        "categories": [{"id": 90, "name": "nut"}, {"id": 5, "name": "cell"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1.5, 2, 10, 20], "iscrowd": 1},
            {"id": 2, "image_id": 3, "category_id": 5, "bbox": [0, 0, 40, 30]},
        ],
        **changes,
    }
    (home / "annotations").mkdir(parents=True, exist_ok=True)
    for part in ("train2017", "val2017"):
        (home / f"annotations/instances_{part}.json").write_text(json.dumps(content))
        for number in (7, 3):
            picture(home / f"{part}/{number}.jpg")
    return f"coco:{home}"
