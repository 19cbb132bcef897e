"""Data and a network of one's own by the command: from a folder of pictures to classes by name in C."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import bitspike as door
from bitspike import UserError
from bitspike.backends.c import to_c
from bitspike.backends.c.build import compiler
from bitspike.ir import load, save

pillow = pytest.importorskip("PIL.Image")

Command = Callable[..., tuple[int, str, str]]
NAMES = ("dark\tblue", 'a "quoted" \\ one?', "*/ int x; /*")
"""Folders' names that would end strings, comments and lines."""
PRINTED = ("*/ int x; /*".replace("/", "_"), 'a "quoted" \\ one?', r"dark\tblue")
CODE = """
import numpy as np
from torch import nn

from bitspike.layers import Encoder, OverTime
from bitspike.neurons import MultiBitLIFNode


def house():
    return nn.Sequential(
        Encoder(),
        OverTime(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)),
        MultiBitLIFNode(T=2, spike_bits=2, v_threshold=0.5),
        OverTime(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)),
    )


def plain():
    conv, norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
    return nn.Sequential(conv, norm, nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 3))


def data():
    labels = np.arange(90) % 3
    images = (labels[:, None, None] * 80 + np.random.default_rng(0).integers(0, 40, (90, 8, 8))).astype(np.uint8)
    return images, labels


def wrong():
    return 3
"""
QUICK = ("--set", "epochs=2")


def fill(home: Path, names: tuple[str, ...] = NAMES, count: int = 20) -> Path:
    draws = np.random.default_rng(0)
    for label, name in enumerate(sorted(name.replace("/", "_") for name in names)):
        (home / name).mkdir(parents=True)
        for number in range(count):
            values = draws.integers(0, 60, (10, 12)) + 90 * label
            pillow.fromarray(values.astype(np.uint8)).save(home / name / f"{number:02}.png")
    return home


@pytest.fixture
def bitspike(monkeypatch: pytest.MonkeyPatch, command: Command, tmp_path: Path) -> Command:
    """Runs the command beside a file of code: exit status, stdout, stderr."""
    (tmp_path / "own_things.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("own_things", None)
    return command


def test_a_folder_becomes_classes_by_name_in_c(bitspike: Command, tmp_path: Path) -> None:
    home = fill(tmp_path / "pictures")
    status, out, err = bitspike(
        "train", "digits-convnet", "--dataset", "folder:pictures@8,grey,seed=1", *QUICK, "--name", "a"
    )
    assert status == 0, err
    assert r"3 classes (*_ int x; _*, a \"quoted\" \ one?, dark\tblue)".replace('\\"', '"') in err
    assert "48 to train on, 4 of these to watch, 12 to test" in err
    config = json.loads((tmp_path / "runs/a/config.json").read_text())
    assert config["data"]["classes"] == list(PRINTED)
    assert config["data"]["images"] == {"train": 48, "test": 12}
    assert (
        bitspike(
            "train", "digits-convnet", "--dataset", "folder:pictures@8,grey,seed=1", *QUICK, "--name", "a", "--resume"
        )[0]
        == 0
    )

    assert bitspike("freeze", "runs/a", "-o", "net.bitspike", "--images", "4")[0] == 0
    net = load("net.bitspike")
    assert net.classes == PRINTED
    lines = [bitspike("evaluate", source)[1] for source in ("net.bitspike", "runs/a")]
    assert lines[0] == lines[1]

    files = sorted(str(file) for file in home.rglob("0[1-3].png"))
    status, out, err = bitspike("predict", "net.bitspike", *files, "--json")
    assert status == 0, err
    seen = json.loads(out)
    assert [one["file"] for one in seen] == files
    assert all(one["name"] == PRINTED[one["label"]] and abs(sum(one["scores"].values()) - 1) < 1e-9 for one in seen)
    by_run = json.loads(bitspike("predict", "runs/a", *files, "--json")[1])
    assert [one["name"] for one in by_run] == [one["name"] for one in seen]

    assert bitspike("export", "net.bitspike", "--to", "c", "-o", "c", "--name", "own")[0] == 0
    program = tmp_path / "program"
    sources = [str(file) for file in (tmp_path / "c").glob("*.c")]
    subprocess.run(
        [*compiler(), "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", *sources, "-o", program], check=True
    )
    pixels = b"".join(read(file).tobytes() for file in files)
    (tmp_path / "raw").write_bytes(pixels)
    said = subprocess.run(
        [program, tmp_path / "raw", "names"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said[1::2] == [one["name"] for one in seen]
    assert [list(map(int, line.split())) for line in said[::2]] == [one["values"] for one in seen]


def read(file: str) -> np.ndarray:
    """The picture as the network reads it: 8x8, by the rule that the folder's pictures are made by."""
    from bitspike.datasets.pictures import read_picture

    return read_picture(Path(file), (8, 8), None, 1)


def test_names_are_escaped_where_c_is_written(bitspike: Command, tmp_path: Path) -> None:
    hard = ('"; int main(void) {', "??/", "ä\\n", "%s%n")
    net = door.freeze(tiny(), sample=(1, 8, 8)).net
    text = to_c(replace(net, classes=hard), "own").files["own.c"]
    table = text[text.index("own_class_names") :].splitlines()[1:5]
    assert table == [r'    "\042; int main(void) {",', r'    "\077\077/",', r'    "\303\244\134n",', '    "%s%n",']


def tiny() -> torch.nn.Module:
    from bitspike.layers import Encoder, OverTime
    from bitspike.quant import quantize_weights

    torch.manual_seed(0)
    return quantize_weights(torch.nn.Sequential(Encoder(), OverTime(torch.nn.Flatten(), torch.nn.Linear(64, 4))), 4)


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "a", "b", "c"), ("a", "b", "c", "\n"), ("a", "b", "c", "")])
def test_other_names_than_logits_are_refused(classes: tuple[str, ...]) -> None:
    net = door.freeze(tiny(), sample=(1, 8, 8)).net
    with pytest.raises(UserError, match="graph classes"):
        replace(net, classes=classes)


def test_names_come_back_from_the_file(tmp_path: Path) -> None:
    net = replace(door.freeze(tiny(), sample=(1, 8, 8)).net, classes=("a", "ä", "c", "d e"))
    save(net, tmp_path / "net")
    assert load(tmp_path / "net").classes == net.classes
    copied = net.__reduce__()
    assert copied[0](*copied[1]).classes == net.classes


@pytest.mark.parametrize("network", ["house", "plain"])
def test_a_network_of_ones_own_on_data_of_ones_own(bitspike: Command, tmp_path: Path, network: str) -> None:
    fill(tmp_path / "pictures")
    own = ("train", f"own_things:{network}", "--dataset", "folder:pictures@8,grey", "--name", "own")
    status, _, err = bitspike(*own, *QUICK)
    assert status == 0, err
    assert f"runs your code, by design: own_things:{network}" in err
    config = json.loads((tmp_path / "runs/own/config.json").read_text())
    assert (config["model"], config["bits"]) == (f"own_things:{network}", "4/2/2" if network == "house" else "4/2/1")
    for verb in (
        ("evaluate", "runs/own"),
        ("cost", "runs/own"),
        ("report", "bits", "runs/own", "-o", "bits.svg"),
        ("freeze", "runs/own", "-o", "own.bitspike", "--images", "4"),
        ("predict", "runs/own", next(str(file) for file in (tmp_path / "pictures").rglob("*.png"))),
        (*own, *QUICK, "--resume"),
    ):
        status, _, err = bitspike(*verb)
        assert status == 0, (verb, err)


def test_data_of_a_function_and_of_objects(bitspike: Command, tmp_path: Path) -> None:
    status, _, err = bitspike("train", "digits-convnet", "--dataset", "own_things:data", *QUICK, "--name", "f")
    assert status == 0, err
    assert "runs your code, by design: own_things:data" in err
    assert bitspike("evaluate", "runs/f")[0] == 0
    status, _, err = bitspike("train", "digits-convnet", "--dataset", "own_things:wrong", "--name", "g")
    assert (status, "own_things:wrong, train: got 'int'" in err) == (2, True)
    assert not (tmp_path / "runs/g").exists()

    labels = np.arange(60) % 3
    arrays = (labels[:, None, None, None] * 80 + np.zeros((1, 1, 8, 8), int)).astype(np.uint8), labels
    run = door.train("digits-convnet", "epochs=1", dataset=arrays, name="o")
    assert run.config.dataset == "given:tuple"
    assert run.evaluate().total == 12
    assert door.freeze(run, images=3).net.classes == ("0", "1", "2")
    with pytest.raises(UserError, match="give it again"):
        door.load_run(run.folder).evaluate()
    assert door.load_run(run.folder, dataset=arrays).evaluate().total == 12
    assert door.load_run(run.folder).cost().total.size_bytes > 0  # nothing of the data is needed
    with pytest.raises(UserError, match="classes of given:tuple"):
        door.load_run(run.folder, dataset=(arrays[0], labels % 2)).evaluate()


def test_data_that_changed_are_refused(bitspike: Command, tmp_path: Path) -> None:
    home = fill(tmp_path / "pictures")
    train = ("train", "digits-convnet", "--dataset", "folder:pictures@8,grey", "--set", "epochs=1", "--name", "a")
    assert bitspike(*train)[0] == 0
    pillow.fromarray(np.zeros((8, 8), np.uint8)).save(home / PRINTED[0] / "more.png")
    status, _, err = bitspike(*train, "--resume")
    assert (status, "data.images.train" in err) == (2, True)
    fill(home, ("new",))
    status, _, err = bitspike("evaluate", "runs/a")
    assert (status, "classes of folder:pictures@8,grey" in err) == (2, True)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("folder:empty@8", "0 folders"),
        ("folder:broken@8", "want a picture, whole"),
        ("folder:lonely@8", "class b: got '1 sample'"),
        ("npz:missing.npz", "there is no file"),
        ("events:empty", "want folders of classes"),
    ],
)
def test_bad_data_leave_nothing_behind(bitspike: Command, tmp_path: Path, dataset: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "broken", ("a", "b"), 5)
    file = tmp_path / "broken" / "b" / "03.png"
    file.write_bytes(file.read_bytes()[:40])
    fill(tmp_path / "lonely", ("a", "b"), 5)
    for number in range(1, 5):
        (tmp_path / "lonely" / "b" / f"{number:02}.png").unlink()
    status, _, err = bitspike("train", "digits-convnet", "--dataset", dataset, "--set", "epochs=1", "--name", "a")
    assert (status, message in err, err.splitlines()[-1].startswith("bitspike: ")) == (2, True, True), err
    assert not (tmp_path / "runs" / "a").exists()


def test_predict_says_of_each_file_what_is_wrong(bitspike: Command, tmp_path: Path) -> None:
    save(replace(door.freeze(tiny(), sample=(1, 8, 8)).net, classes=tuple("abcd")), tmp_path / "net")
    draws = np.random.default_rng(0)
    codes = draws.integers(0, 256, (3, 1, 8, 8), np.uint8)
    np.save("three.npy", codes)
    np.save("flat.npy", codes[0, 0])
    np.save("long.npy", codes.astype(np.int64))
    np.save("large.npy", codes.repeat(2, 3))
    np.save("object.npy", np.array([None]))
    pillow.fromarray(codes[1, 0]).save("one.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "one.png").read_bytes()[:30])
    good, bad = (
        ["three.npy", "one.png", "flat.npy"],
        ["long.npy", "large.npy", "object.npy", "cut.png", "none.png", "x.txt"],
    )
    (tmp_path / "x.txt").write_text("")
    status, out, err = bitspike("predict", "net", *good, *bad)
    assert status == 2
    assert [line.partition(":")[0] for line in out.splitlines()] == [
        "three.npy[0]",
        "three.npy[1]",
        "three.npy[2]",
        *good[1:],
    ]
    assert [line.split(": ")[1] for line in err.splitlines()] == bad
    found = json.loads(bitspike("predict", "net", *good, "--json")[1])
    wanted = door.compile("net", engine="oracle")(codes)
    assert [one["values"] for one in found] == [*wanted.tolist(), wanted[1].tolist(), wanted[0].tolist()]
    assert bitspike("predict", "nowhere", "one.png")[0] == 2


def test_a_data_set_by_name_takes_what_is_its_own(bitspike: Command) -> None:
    status, out, _ = bitspike("train", "fashion-convnet", "--dataset", "digits", "--show")
    lines = dict(line.split("=", 1) for line in out.splitlines())
    assert status == 0
    assert (lines["dataset"], lines["validation_size"], lines["data"], lines["augment"]) == (
        "digits",
        "143",
        "null",
        '["flip"]',
    )
    assert "--dataset" in bitspike("train", "own_things:house", "--show")[2]
