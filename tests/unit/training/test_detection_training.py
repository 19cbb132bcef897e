"""Networks that find boxes train, go on after a kill, and say how good they are, on folders of one's own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import bitspike
from bitspike import UserError
from bitspike.api.finder import finder
from bitspike.bits import BitPlan, Bits
from bitspike.costs import cost
from bitspike.data import BoxedImages
from bitspike.datasets.detection_sets import load_detection
from bitspike.detection import Boxes, Letterbox
from bitspike.lowering import lower
from bitspike.models import build_model
from bitspike.neurons import MultiLevelSettings
from bitspike.recipes import RECIPES, recipe
from bitspike.reports import conversion_lines
from bitspike.sample import Sample
from bitspike.training import RunFolder, TrainConfig, override, train
from bitspike.training.record import Samples, read_record
from bitspike.training.setup import graph_of, make_model
from bitspike.training.tasks import Detect, task_of
from bitspike.training.tasks.detect import targets_of

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40)}
SHORT = ("channels=4,8,8,8", "epochs=2", "batch_size=4", "validation_size=3", "precision=float32")


def cells(home: Path, counts: dict[str, int], seed: int = 0) -> str:
    """A VOC folder of coloured rectangles on grey, which a network can learn to find."""
    rng = np.random.default_rng(seed)
    for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (home / folder).mkdir(parents=True)
    for split, count in counts.items():
        stems = [f"{split}{number}" for number in range(count)]
        (home / f"ImageSets/Main/{split}.txt").write_text("\n".join(stems) + "\n")
        for stem in stems:
            pixels, objects = np.full((64, 96, 3), 128, np.uint8), []
            for name, left in zip(rng.permutation(list(COLOURS)), (4, 52), strict=True):
                x, y, w, h = left + rng.integers(0, 12), rng.integers(0, 30), rng.integers(16, 28), rng.integers(16, 28)
                pixels[y : y + h, x : x + w] = COLOURS[name]
                sides = f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
                objects.append(f"<object><name>{name}</name><bndbox>{sides}</bndbox></object>")
            size = "<size><width>96</width><height>64</height></size>"
            (home / f"Annotations/{stem}.xml").write_text(f"<annotation>{size}{''.join(objects)}</annotation>")
            Image.fromarray(pixels).save(home / f"JPEGImages/{stem}.png")
    return f"voc:{home}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return cells(tmp_path_factory.mktemp("cells") / "boxes", {"train": 12, "test": 4})


@pytest.fixture
def tiny(folder: str) -> Callable[..., TrainConfig]:
    def make(*edits: str) -> TrainConfig:
        return override(recipe("yolo-tiny-bccd"), [f"dataset={folder}", "detection.size=[64,96]", *SHORT, *edits])

    return make


Tiny = Callable[..., TrainConfig]


def losses_of(run: RunFolder) -> list[float]:
    return [line["loss"] for line in run.metrics() if "loss" in line]


def test_a_run_says_how_good_its_boxes_are_and_what_it_costs(tiny: Tiny, tmp_path: Path) -> None:
    result = train(tiny(), RunFolder(tmp_path / "run"))
    assert {"test_map50", "test_map5095", "validation_map50", "s_ace", "spikes"} <= result.keys()
    assert "test_accuracy" not in result
    assert json.loads((tmp_path / "run/result.json").read_text()) == result
    run = bitspike.load_run(tmp_path / "run")
    assert run.result["test_map50"] == result["test_map50"] == round(run.evaluate("test").map50, 4)
    assert isinstance(task_of(run.config), Detect)
    assert run.config.task == "detect"


def test_the_first_boxes_are_kept_for_a_page(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitspike.training.samples.SURE", 0.02)  # it learned little
    train(tiny("epochs=20", "optimizer.lr=0.02"), RunFolder(tmp_path / "run"))
    run = bitspike.load_run(tmp_path / "run")
    told = read_record(run.files.samples_file, Samples)["boxes"]["images"]
    test = load_detection(run.config.dataset, "test", None)
    every = finder(run).within([test.read(index) for index in range(3)], 0.02)
    assert [one["index"] for one in told] == [0, 1, 2]
    assert sum(len(boxes) for boxes in every) > 3
    for one, wanted, found in zip(told, test.boxes, every, strict=False):
        assert one["size"] == [64, 96]
        assert [box["xyxy"] for box in one["wanted"]] == wanted.xyxy.tolist()
        assert [box["label"] for box in one["wanted"]] == wanted.labels.tolist()
        places = sorted((box["label"], *box["xyxy"]) for box in one["found"])
        ours = sorted((int(label), *sides) for label, sides in zip(found.labels, found.xyxy.tolist(), strict=True))
        assert len(places) == len(ours)
        assert np.allclose(places, ours, atol=0.06)
        assert not np.allclose(np.add(places, 0.2), ours, atol=0.06)  # a planted error
    assert bitspike.report(run).name == "report.html"
    with pytest.raises(UserError, match="test_accuracy of run"):
        bitspike.compared([run])


@pytest.mark.parametrize("after", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_killed_run_goes_on_to_the_same_curve(
    tiny: Tiny, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny("checkpoint_every=1", "epochs=2", "augment=mosaic0.5,scale0.2,flip,hsv")
    whole = RunFolder(tmp_path / "whole")
    result = train(config, whole)
    killed = RunFolder(tmp_path / "killed")

    class Killed(BaseException):
        pass

    class Kill:
        def begin(self, config: TrainConfig) -> None: ...
        def epoch(self, line: dict[str, Any]) -> None: ...
        def step(self, step: int, *_: Any) -> None:
            if step == after:
                raise Killed

    with pytest.raises(Killed):
        train(config, killed, observer=Kill())
    again = train(config, killed, resume=True)
    assert losses_of(killed) == losses_of(whole)
    same = ("test_map50", "test_map5095", "validation_map50", "spikes")
    assert {key: again[key] for key in same} == {key: result[key] for key in same}


def test_the_curves_of_two_seeds_differ(tiny: Tiny, tmp_path: Path) -> None:
    for seed in (0, 1):
        train(tiny(f"seed={seed}", "epochs=1"), RunFolder(tmp_path / str(seed)))
    assert losses_of(RunFolder(tmp_path / "0")) != losses_of(RunFolder(tmp_path / "1"))


@pytest.mark.parametrize(
    "name", ["spikezip-yolov3-voc-ann", pytest.param("spikezip-yolov3-coco-ann", marks=pytest.mark.slow)]
)
def test_yolov3_trains_a_few_steps_on_a_small_folder(folder: str, tmp_path: Path, name: str) -> None:
    thin = "channels=4,4,8,8,8,16"
    small = ("detection.size=[64,96]", "batch_size=6", "validation_size=3", "epochs=1", "tensorboard=false")
    run = RunFolder(tmp_path / "run")
    result = train(override(recipe(name), [f"dataset={folder}", thin, *small, "precision=float32"]), run)
    assert 0 <= result["test_map50"] <= 100
    assert len(losses_of(run)) == 1


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("detection=null", "detection"),
        ("readout=last", "readout"),
        ("augment=crop4", "augment"),
        ("validation_size=12", "validation_size"),
        ("train_size=11", "train_size"),
        ("detection.size=[60,96]", "image"),
        ("model=convnet", "outputs"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    tiny: Tiny, tmp_path: Path, edit: str, said: str
) -> None:
    edits = (edit, "channels=null", "layers={}") if "model" in edit else (edit,)
    with pytest.raises(UserError, match=said):
        train(tiny(*edits), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").glob("*.json*"))


def test_boxes_where_there_are_none_to_find_are_refused(tiny: Tiny) -> None:
    with pytest.raises(UserError, match="detection"):
        task_of(override(recipe("digits-convnet"), ["detection.size=[8,8]"]))


def test_boxes_in_trains_of_events_are_learned_by_the_same_code() -> None:
    sample = Sample((2, 32, 32), T=4, lo=0, hi=15)
    config = override(recipe("yolo-tiny-bccd"), ["bits=4/2/4", "layers={}", "detection.size=[32,32]"])
    task = Detect(config)
    torch.manual_seed(0)
    neuron = MultiLevelSettings()
    model = build_model("yolo-tiny", BitPlan(Bits(4, 2, 4)), sample=sample, num_classes=3, neuron=neuron,
                        channels=(4, 8, 8, 8))  # fmt: skip
    task.check(lower(model, sample, "events"))
    codes = torch.zeros(4, 4, 2, 32, 32, dtype=torch.uint8)
    codes[:, :, 0, 8:24, 4:20] = 12
    wanted = [Boxes(np.array([[4, 8, 20, 24]], np.float32), np.array([1]))] * 4
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = task.loss(model(codes), wanted)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses[-3:]) < 0.8 * losses[0]
    part = BoxedImages(codes, tuple(wanted), (Letterbox((32, 32), (32, 32)),) * 4, task.classes, sample)
    assert 0 <= task.evaluate(model, part).map50 <= 100


def test_yolov3_has_the_published_parameters_and_operations_and_lowers_from_shapes_alone() -> None:
    config, start = RECIPES["spikezip-yolov3-coco-ann"](), time.process_time()
    with torch.device("meta"):
        model = make_model(config)
        graph = graph_of(config, model)
    assert cost(graph, "exact").total.params == 61_949_149
    assert time.process_time() - start < 3  # of one core
    assert sum(parameter.numel() for parameter in model.parameters()) == 61_949_149  # darknet's yolov3.cfg
    macs = sum(node.macs(graph.input_edge(node)) for node in graph.synapses())
    assert round(2 * macs / 1e9, 2) == 65.86  # the BFLOPs that darknet prints of it
    assert [graph.edges[node.name].shape for node in graph.readouts()] == [(255, 52, 52), (255, 26, 26), (255, 13, 13)]


def test_targets_leave_out_what_is_to_be_ignored() -> None:
    boxes = Boxes(np.array([[0, 0, 4, 4], [1, 1, 9, 9]], np.float32), np.array([0, 1]), ignored=np.array([True, False]))
    assert targets_of([boxes, Boxes.none()]).labels.tolist() == [[1], [0]]
    assert targets_of([boxes, Boxes.none()]).there.tolist() == [[True], [False]]


@pytest.mark.slow
def test_a_recipe_converts_and_its_boxes_are_the_quantized_networks(folder: str, tmp_path: Path) -> None:
    edits = (f"dataset={folder}", "detection.size=[64,96]", "channels=4,8,8,8", "epochs=1", "validation_size=3",
             "batch_size=4", "precision=float32")  # fmt: skip
    name = "spikezip-yolo-tiny-bccd"
    ann = bitspike.train(f"{name}-ann", *edits, name="ann", runs_dir=tmp_path)
    found = bitspike.convert(ann, *edits[3:], name="qann", runs_dir=tmp_path, stop_when_settled=True)
    assert found.equal
    assert found.record["boxes_equal"] == found.record["images"] == 4
    said = found.to_dict()
    assert {"test_map50", "map50", "map50_at_8", "qann_map50", "boxes_equal", "qann_s_ace"} <= said.keys()
    assert [line for line in conversion_lines(found.record, 15) if "mAP@0.5 in %" in line]
    frozen = bitspike.evaluate(tmp_path / "qann/snn.bitspike", data_dir=tmp_path)
    assert frozen.map50 == pytest.approx(said["qann_map50"], abs=1)  # corners in sixteenths of a pixel
