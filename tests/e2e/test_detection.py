"""A network that finds boxes, from its file: judged by every engine, printed by its C, drawn, and refused in a line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from boxed_files import BOX, picture, voc, xml

import bitspike
from bitspike import ir, lowering
from bitspike.api.boxes import finder, found_in
from bitspike.backends import oracle
from bitspike.bits import BitPlan, Bits
from bitspike.datasets.boxed import in_letterbox
from bitspike.datasets.detection_sets import load_detection
from bitspike.detection import Boxes, Head, Letterbox, WholeHead
from bitspike.errors import UserError
from bitspike.models import build_model

judged = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("faster_coco_eval"), reason="needs faster-coco-eval"
)
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data set, and the file of a network that was never trained, whose boxes are many."""
    home = tmp_path_factory.mktemp("boxed")
    voc(home, {"a": xml(BOX, ("nut", 5, 5, 30, 25, 0))}, {f"t{place}": xml(BOX) for place in range(3)})
    for place in range(3):  # voc drew the same picture for each
        picture(home / f"JPEGImages/t{place}.jpg", seed=place)
    torch.manual_seed(0)
    plan = BitPlan(Bits(2, 2, 1))
    model = build_model("yolo-tiny", plan, sample=(3, 32, 48), num_classes=2, channels=(4, 4, 6, 8)).eval()
    with torch.no_grad():  # logits far apart, and boxes of many shapes
        for head in (model.fine_head, model.coarse_head):
            head[0].weight.mul_(30)
            head[0].bias[:2] = 0
    net = lowering.freeze(model, (3, 32, 48), "tiny")
    head = Head("points", ("cell", "nut"), (8, 16), lowest=0.0)
    net = replace(net, dataset=f"voc:{home}", head=head)
    for place in range(3):  # what is wanted is near to what it finds, so that some of it is right
        found, classes = found_in(net, home / f"JPEGImages/t{place}.jpg")
        pairs = zip(found.labels[:4], found.xyxy[:4].round().astype(int).tolist(), strict=True)
        near = [(classes[label], left + 1, top + 1, right, bottom, 0) for label, (left, top, right, bottom) in pairs]
        (home / f"Annotations/t{place}.xml").write_text(xml(*near))
    ir.save(net, file := tmp_path_factory.mktemp("net") / "tiny.bitspike")
    return home, file


def refused(outcome: tuple[int, str, str], *named: str) -> None:
    status, out, err = outcome
    assert (status, out) == (2, ""), outcome
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    for word in named:
        assert word in err


def codes_of(net: ir.FrozenGraph, home: Path) -> np.ndarray:
    test = load_detection(f"voc:{home}", "test")
    return np.stack([in_letterbox(test.read(index), net.sample.shape[1:]) for index in range(len(test))])


def test_a_file_keeps_its_head(made, tmp_path):
    net = ir.load(made[1])
    assert net.head == Head("points", ("cell", "nut"), (8, 16), lowest=0.0)
    assert ir.load(made[1]).head == net.head
    with pytest.raises(UserError, match="want 1 outputs"):
        replace(net, head=Head("points", ("cell", "nut"), (8,)))
    with pytest.raises(UserError, match="want 2 outputs"):
        replace(net, head=Head("points", ("cell",), (8, 16)))


@judged
def test_every_engine_finds_the_same_boxes(made):
    seen = [bitspike.evaluate(made[1], engine=engine) for engine in ("oracle", "native", "c")]
    assert [replace(one, engine="") for one in seen] == [replace(seen[0], engine="")] * 3
    assert (seen[0].dataset, seen[0].total) == (f"voc:{made[0]}", 3)
    assert 0 < seen[0].map50 <= 100


def test_the_exported_c_prints_the_boxes_of_python(made, tmp_path):
    cc = next(filter(shutil.which, ("gcc", "clang", "cc")), None) or pytest.skip("no C compiler")
    net = ir.load(made[1])
    bitspike.export(net, "c", tmp_path, name="cells")
    sources = [tmp_path / name for name in ("main.c", "cells.c", "cells_boxes.c")]
    flags = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1")
    subprocess.run([cc, *flags, *map(str, sources), "-o", str(tmp_path / "cells")], check=True)
    codes = codes_of(net, made[0])
    done = subprocess.run([str(tmp_path / "cells")], input=codes.tobytes(), capture_output=True, check=True)
    whole = WholeHead(net.head, tuple(readout.scale for readout in net.readouts))
    want = [
        f"{image} {net.head.classes[label]} {score} {' '.join(map(str, xyxy))}"
        for image, boxes in enumerate(whole.found(oracle.outputs(net, codes)))
        for xyxy, label, score in zip(boxes.xyxy.tolist(), boxes.labels.tolist(), boxes.scores.tolist(), strict=True)
    ]
    assert len(want) > 9
    assert done.stdout.decode().splitlines() == want
    source = (tmp_path / "cells_boxes.c").read_text() + (tmp_path / "main.c").read_text()
    assert not any(word in source for word in ("float", "double", "exp("))


def test_a_program_of_steps_has_its_boxes_too(made, tmp_path):
    files = bitspike.export(made[1], "c", tmp_path, streaming=True).files
    assert tmp_path / "network_boxes.c" in files
    assert "network_boxes" not in (tmp_path / "main.c").read_text()


def test_boxes_of_one_image_are_in_its_own_pixels(made):
    net, test = ir.load(made[1]), load_detection(f"voc:{made[0]}", "test")
    boxes, classes = found_in(made[1], made[0] / "JPEGImages/t0.jpg", lowest=0.2)
    assert classes == ("cell", "nut")
    whole = WholeHead(net.head, tuple(readout.scale for readout in net.readouts), 0.2)
    (own,) = whole.found(oracle.outputs(net, codes_of(net, made[0])[:1]))
    want = Letterbox((30, 40), (32, 48)).back(own.boxes)
    np.testing.assert_array_equal(boxes.xyxy, want.xyxy)
    np.testing.assert_allclose(boxes.scores, 1 / (1 + np.exp(-want.scores)))
    assert boxes.scores.min() >= 0.2
    again, _ = found_in(net, test.read(0), lowest=0.2)
    np.testing.assert_array_equal(again.xyxy, boxes.xyxy)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))):
        with pytest.raises(UserError, match=r"want uint8 \[H, W, 3\]"):
            found_in(net, wrong)
    with pytest.raises(UserError, match="it finds no boxes"):
        finder(replace(net, head=None))


def test_at_another_size_the_same_network_finds_boxes(made):
    large = ir.resized(ir.load(made[1]), (64, 96))
    boxes, _ = found_in(large, made[0] / "JPEGImages/t0.jpg", lowest=0.0)
    few, _ = found_in(made[1], made[0] / "JPEGImages/t0.jpg", lowest=0.0)
    assert finder(large).size == (64, 96)
    assert len(boxes) > len(few)


def test_boxes_are_drawn_side_by_side(made, tmp_path, command):
    pytest.importorskip("matplotlib")
    other = tmp_path / "other.bitspike"
    shutil.copy(made[1], other)
    status, out, _ = command("report", "boxes", made[1], other, "-o", "boxes.png", "--images", 2, "--lowest", 0.4)
    assert (status, out) == (0, "wrote boxes.png\n")
    assert (tmp_path / "boxes.png").read_bytes()[:4] == b"\x89PNG"
    listed = command("report", "--list")[1]
    assert "boxes" in listed


def test_what_cannot_be_drawn_is_refused_in_a_line(made, tmp_path, command):
    pytest.importorskip("matplotlib")
    refused(command("report", "boxes", made[1], "-o", "b.png", "--images", 9), "--images: got 9; want 1 to 3")
    refused(command("report", "bits", made[1], "-o", "b.png", "--images", 1), "--images: got 1; it is for boxes")
    refused(command("report", "boxes", tmp_path, "-o", "b.png"), str(tmp_path))
    assert list(tmp_path.glob("*.png")) == []


@judged
def test_a_damaged_image_is_named_in_a_line(made, tmp_path, command):
    home = tmp_path / "own"
    shutil.copytree(made[0], home)
    ir.save(replace(ir.load(made[1]), dataset=f"voc:{home}"), file := tmp_path / "net.bitspike")
    cut = home / "JPEGImages/t1.jpg"
    cut.write_bytes(cut.read_bytes()[:500])
    refused(command("evaluate", file), "t1.jpg", "want a picture, whole")
    picture(cut, seed=1)
    (home / "classes.txt").write_text("cell\nnut\nbolt\n")
    refused(command("evaluate", file), "classes of", "bolt")
    (home / "classes.txt").unlink()
    cut.unlink()
    status, out, err = command("evaluate", file)  # what the list names is not there: two are left, and it says so
    assert status == 0
    assert "on 2 images" in out
    assert "t1.xml: got 'an annotation without image'" in err
    assert err.count("\n") == 1


@judged
def test_the_file_of_another_data_set_is_refused(made, tmp_path, command):
    ir.save(replace(ir.load(made[1]), dataset="bccd"), file := tmp_path / "net.bitspike")
    refused(command("evaluate", file, "--data-dir", tmp_path), "bccd test split", "Put the folder BCCD")


@pytest.mark.slow
@judged
def test_a_trained_network_is_frozen_judged_and_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = voc(tmp_path / "own", {f"a{place}": xml(BOX, ("nut", 5, 5, 30, 25, 0)) for place in range(8)})
    edits = ("epochs=1", "batch_size=4", "validation_size=4", "detection.size=[32,48]", "channels=4,4,6,8")
    damaged = tmp_path / "own/JPEGImages/a5.jpg"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:700])
    with pytest.raises(UserError, match=r"a5\.jpg.*want a picture, whole") as refusal:
        bitspike.train("yolo-tiny-bccd", f"dataset={name}", *edits, runs_dir="runs")
    assert "\n" not in str(refusal.value)
    damaged.write_bytes(whole)
    run = bitspike.train("yolo-tiny-bccd", f"dataset={name}", *edits, runs_dir="runs", resume=True)
    frozen = bitspike.freeze(run, "net.bitspike", images=4)
    assert frozen.net.head is not None
    assert abs(frozen.comparison.float_map50 - frozen.comparison.integer_map50) < 10
    of_run, of_file = run.evaluate(), bitspike.evaluate("net.bitspike", engine="native")
    assert abs(of_run.map50 - of_file.map50) < 10
    one, other = (finder(source).within([np.zeros((30, 40, 3), np.uint8)], 0.0)[0] for source in (run, frozen.net))
    assert isinstance(one, Boxes)
    assert len(one) > 0
    assert abs(len(one) - len(other)) < 4
