"""A detector of one's own, converted by the command: on a folder of one's own, and refused before work is spent."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from boxed_files import BOX, voc, xml
from torch import nn

import bitspike
from bitspike import ir
from bitspike.api.boxes import found_in
from bitspike.conversion import adopt, seen_boxes
from bitspike.data import boxed_images
from bitspike.datasets.detection_sets import load_detection
from bitspike.errors import UserError
from bitspike.layers import Encoder
from bitspike.recipes import recipe
from bitspike.training import override
from bitspike.training.tasks import Detect

pytest.importorskip("faster_coco_eval")
OWN = '''
import torch
from torch import nn

class Own(nn.Module):
    """Two maps of two classes and four distances, of strides 8 and 16."""

    def __init__(self, act=nn.ReLU, classes=2):
        super().__init__()
        def conv(i, o, stride): return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.BatchNorm2d(o), act())
        self.early = nn.Sequential(conv(3, 8, 2), conv(8, 8, 2), conv(8, 8, 2))
        self.late = conv(8, 8, 2)
        self.fine, self.coarse = nn.Conv2d(8, classes + 4, 1), nn.Conv2d(8, classes + 4, 1)

    def forward(self, x):
        early = self.early(x)
        return self.fine(early), self.coarse(self.late(early))

def made(**other):
    torch.manual_seed(0)
    net = Own(**other)
    for head in (net.fine, net.coarse):
        nn.init.constant_(head.bias[:2], -1.0)
        nn.init.constant_(head.bias[2:], 2.0)
    return net.eval()

def leaky(): return made(act=nn.LeakyReLU)
def three(): return made(classes=3)
class Named(Own):
    def forward(self, x):
        fine, coarse = super().forward(x)
        return {"fine": fine, "coarse": coarse}
'''
SIZE = "detection.size=[32,48]"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def own_files(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's folder has a module and a data set of one's own."""
    (tmp_path / "own_detector.py").write_text(OWN)
    voc(tmp_path / "cells", {f"a{place}": xml(BOX, ("nut", 5, 5, 30, 25, 0)) for place in range(10)})
    monkeypatch.delitem(sys.modules, "own_detector", raising=False)


def test_it_converts_and_its_boxes_are_the_quantized_networks(command: Command, tmp_path: Path) -> None:
    words = ("convert", "own_detector:made", "--dataset", "voc:cells", "--name", "own", "--stop-when-settled", "--json")
    edits = (SIZE, "epochs=1", "neuron.levels=4", "bits=8/3/1", "neuron.paths=2")
    status, out, err = command(*words, *(part for edit in edits for part in ("--set", edit)))
    assert status == 0, err
    found = json.loads(out)
    assert (found["equal"], found["boxes_equal"], found["images"]) == (True, 1, 1)
    assert "your network: " in err
    assert "% mAP@0.5 on 1 validation images; as it was read: " in err
    assert "runs your code, by design: own_detector:made\n" in err
    assert "by design: voc:cells" not in err
    cost = json.loads((tmp_path / "runs/own/snn_cost.json").read_text())
    assert found["energy_nj"] == pytest.approx(cost["energy"]["snn"]["total"]["total"])  # of the SNN, not the QANN
    assert found["qann_energy_nj"] == json.loads((tmp_path / "runs/own/result.json").read_text())["energy_nj"]
    assert found["qann_energy_nj"] != found["energy_nj"]
    net = ir.load(tmp_path / "runs/own/snn.bitspike")
    assert (net.head.classes, net.head.strides, net.dataset) == (("cell", "nut"), (8, 16), "voc:cells")
    boxes, classes = found_in(net, tmp_path / "cells/JPEGImages/t.jpg", lowest=0.0)
    assert len(boxes) > 0
    assert classes == ("cell", "nut")
    assert bitspike.evaluate(tmp_path / "runs/own/snn.bitspike").map50 == pytest.approx(found["qann_map50"], abs=2)
    source = json.loads((tmp_path / "runs/own/conversion.json").read_text())["source"]
    assert source["difference"] < 1e-3 * source["largest_output"]


@pytest.mark.parametrize(
    ("model", "edits", "says"),
    [
        ("made", (), "want --set detection.size=[height,width]"),
        (
            "made",
            ("detection.size=[40,48]",),
            "detection.size: got (40, 48); want what the strides of all maps divide; here they are 5x6, 3x3",
        ),
        ("three", (SIZE,), "outputs: got ((7, 4, 6), (7, 2, 3)); want 2 outputs of (6, 6) channels at strides (8, 16)"),
        ("leaky", (SIZE,), "layer: got 'early.0.2'; LeakyReLU cannot be converted"),
        ("Named", (SIZE,), "want one tensor of logits, or a tuple of several tensors"),
        ("made", (SIZE, "validation_size=10"), "validation_size: got 10; want 1 to 9"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_a_line(command: Command, tmp_path, model, edits, says) -> None:
    given = [part for edit in edits for part in ("--set", edit)]
    status, out, err = command("convert", f"own_detector:{model}", "--dataset", "voc:cells", *given)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert says in err
    assert not (tmp_path / "runs").exists()


def test_without_its_metric_no_work_is_spent(command: Command, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    status, _, err = command("convert", "own_detector:made", "--dataset", "voc:cells", "--set", SIZE)
    assert (status, err.count("\n")) == (2, 1)
    assert "pip install 'bitspike[detect]'" in err
    assert not (tmp_path / "runs").exists()


class Sneaky(nn.Module):
    """A layer that computes something else than its class says, once it has been read."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 1, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def test_a_network_that_computes_another_is_found(tmp_path: Path) -> None:
    name = voc(tmp_path / "own", {"a": xml(("cell", 1, 1, 20, 10, 0))})
    task = Detect(override(recipe("yolo-tiny-bccd"), (f"dataset={name}", SIZE)))
    images = boxed_images(load_detection(name, "test"), (32, 48))
    own = Sneaky()
    with torch.no_grad():
        own.conv.bias[1:] = 1.0
    read = adopt(own, nn.ReLU, Encoder(mean=0.5, std=0.5))
    told = seen_boxes(read, images, task, own)
    assert told.difference < 1e-4
    assert told.map50 == told.own_map50
    own.conv.bias.data += np.float32(1.0)  # what was read is a copy
    with pytest.raises(UserError, match="outputs 1 apart'; it was read as a network that computes another"):
        seen_boxes(read, images, task, own)


def test_event_frames_are_found_by_the_same_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    event_boxes = pytest.importorskip("event_boxes")
    monkeypatch.chdir(tmp_path)
    event_boxes.write(Path("frames"), "moving:digits", {"trainval": 6, "val": 2, "test": 3})
    for seed, split in enumerate(("train", "test")):
        found = load_detection("voc:frames", split)
        assert not found.faults
        for index, boxes in enumerate(found.boxes):
            pixels, edges = found.read(index), boxes.xyxy.astype(int)
            assert pixels[..., 2].max() == 0  # ON and OFF
            for left, top, right, bottom in edges:
                assert pixels[top:bottom, left:right].max() > 200
                assert pixels[top, left:right].any(), seed
    edits = ("epochs=1", "detection.size=[64,96]", "augment=translate0.15", "channels=4,4,4,4")
    run = bitspike.train("yolo-tiny-bccd", *edits, dataset="voc:frames", runs_dir="runs")
    assert run.config.validation_size == 2
    assert run.result["dataset"] == "voc:frames"
    assert len(found_in(run, "frames/JPEGImages/test0000.png", lowest=0.0)[1]) == 10


def test_a_network_of_ones_own_learns_boxes(command: Command, tmp_path: Path) -> None:
    words = ("train", "own_detector:made", "--dataset", "voc:cells", "--name", "direct", "--json")
    status, _, err = command(*words, "--set", "epochs=1")
    assert (status, err) == (2, "bitspike: detection: got None; voc:cells has boxes; want "
                                "--set detection.size=[height,width]\n")  # fmt: skip
    status, out, err = command(*words, "--set", "epochs=1", "--set", SIZE)
    assert status == 0, err
    assert "test_map50" in json.loads(out)
