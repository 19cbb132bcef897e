"""Sets of recordings in the layout of their authors: what is found, how it is split, what a check says."""

import json
from pathlib import Path

import numpy as np
import pytest
from event_files import AEDAT3_HEADER, aedat2, aedat3, atis, dat, made, packet, polarity_words
from typer.testing import CliRunner

from bitspike.cli.data import app
from bitspike.datasets.event_checks import check_events
from bitspike.datasets.event_sets import EVENT_SETS, event_folder, find_event_set
from bitspike.datasets.events import Events
from bitspike.datasets.recordings import Recording, Shares
from bitspike.errors import UserError


def put(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def some(size: tuple[int, int], count: int = 3, start: int = 0) -> Events:
    return Events(size, made([(start + 10 * i, i % size[0], i % size[1], i % 2) for i in range(count)]))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout


@pytest.fixture
def nmnist(tmp_path: Path) -> Path:
    """Two of class 0 and one of class 7 to train, one of class 7 to test."""
    for place, count in (("Train/0/00002", 3), ("Train/7/00001", 4), ("Train/0/00005", 5), ("Test/7/00001", 6)):
        put(tmp_path / "N-MNIST" / f"{place}.bin", atis(some((34, 34), count)))
    put(tmp_path / "N-MNIST" / "Train" / "0" / "._00002.bin", b"of another system")
    put(tmp_path / "N-MNIST" / "README.txt", b"")
    return tmp_path


def names(recordings: list[Recording]) -> list[tuple[str, int]]:
    return [(recording.path.stem, recording.label) for recording in recordings]


def test_n_mnist(nmnist: Path) -> None:
    source = EVENT_SETS["n-mnist"].source
    assert names(source.recordings("train", nmnist)) == [("00002", 0), ("00005", 0), ("00001", 7)]
    (last,) = source.recordings("test", nmnist)
    assert last == Recording(nmnist / "N-MNIST" / "Test" / "7" / "00001.bin", 7)
    assert len(source.read(last)) == 6
    with pytest.raises(FileNotFoundError, match=r"no n-mnist/Train/0/\*.bin"):
        source.recordings("train", nmnist / "N-MNIST")
    put(nmnist / "N-MNIST" / "Train" / "ten" / "00009.bin", b"12345")
    with pytest.raises(UserError, match="got 'ten'; it holds recordings, and no class of the set is called that"):
        source.recordings("train", nmnist)


def test_a_subset_is_counted_and_said_to_be_one(nmnist: Path) -> None:
    train, test = check_events("n-mnist", nmnist)
    assert [(one.name, one.recordings, one.events) for one in train.classes] == [("0", 2, 8), ("7", 1, 4)]
    assert (test.recordings, test.events, test.full, test.ok) == (1, 6, 10_000, True)
    status, out = run("check", "n-mnist", "--data-dir", str(nmnist))
    assert status == 0
    assert "n-mnist train: 3 of 60,000 recordings, a subset" in out
    status, out = run("check", "n-mnist", "--data-dir", str(nmnist), "--json")
    assert [row["classes"][0]["events"] for row in json.loads(out)] == [8, 6]
    status, out = run("list", "--data-dir", str(nmnist), "--json")
    (listed,) = (row for row in json.loads(out)["datasets"] if row["name"] == "n-mnist")
    home = nmnist / "N-MNIST"
    assert listed["here"] == {"train": str(home / "Train"), "test": str(home / "Test" / "7")}  # its only class


def test_every_bad_file_is_named_and_the_status_is_two(nmnist: Path) -> None:
    bad, empty = (nmnist / "N-MNIST" / "Train" / "3" / f"0000{n}.bin" for n in (3, 4))
    put(bad, atis(some((34, 34)))[:-1])
    put(empty, atis(Events((256, 256), made([(0, 0, 240, 0)]))))  # nothing but a mark of time
    train, test = check_events("n-mnist", nmnist)
    assert train.problems == (f"{bad}, byte 10: got '4 bytes'; want 5: cut short, get it again", f"{empty}: no events")
    assert test.ok
    assert train.recordings == 4  # the whole ones, and the empty one
    for names_given in ((), ("n-mnist",)):
        status, out = run("check", *names_given, "--data-dir", str(nmnist))
        assert status == 2
        plain = "".join(out.split())
        assert "".join(f"{bad}, byte 10".split()) in plain
        assert "".join(f"{empty}: no events".split()) in plain
    assert str(train.refusal).endswith("(and 1 more)")


def test_what_is_missing_fails_where_it_was_named(tmp_path: Path) -> None:
    assert run("check", "--data-dir", str(tmp_path))[0] == 0
    status, out = run("check", "dvs128-gesture", "--data-dir", str(tmp_path))
    assert status == 2
    assert "no dvs128-gesture/trials_to_train.txt" in out
    assert "research.ibm.com" in out


def test_folders_without_a_split_are_split_by_class(tmp_path: Path) -> None:
    """Nine tenths of each class by name, rounded up, are for training."""
    for number in range(11):
        put(tmp_path / "cifar10-dvs" / "bird" / f"cifar10_bird_{number}.aedat", aedat2(some((128, 128)), named=False))
    put(tmp_path / "cifar10-dvs" / "truck" / "cifar10_truck_0.aedat", aedat2(some((128, 128))))
    source = EVENT_SETS["cifar10-dvs"].source
    train, test = (source.recordings(split, tmp_path) for split in ("train", "test"))
    ordered = sorted(f"cifar10_bird_{number}" for number in range(11))
    assert names(train) == [(name, 2) for name in ordered[:10]] + [("cifar10_truck_0", 9)]
    assert names(test) == [(ordered[10], 2)]
    assert np.array_equal(source.read(test[0]).events, some((128, 128)).events)


def test_n_caltech101(tmp_path: Path) -> None:
    chosen = EVENT_SETS["n-caltech101"]
    assert chosen.num_classes == 101
    assert list(chosen.classes) == sorted(chosen.classes)
    for number in range(1, 5):
        put(tmp_path / "Caltech101" / "yin_yang" / f"image_000{number}.bin", atis(some((240, 180))))
    train, test = check_events("n-caltech101", tmp_path)
    assert (train.recordings, test.present, train.full, train.total) == (4, False, None, 8709)
    put(tmp_path / "Caltech101" / "yin_yang" / "image_0005.bin", atis(Events((256, 256), made([(0, 0, 180, 0)]))))
    train, _ = check_events("n-caltech101", tmp_path)
    assert "byte 0: got 'y=180'" in train.problems[0]
    assert "recordings; the whole set has 8,709 in both splits" in run("check", "--data-dir", str(tmp_path))[1]


# ---- DVS128 Gesture


@pytest.fixture
def gestures(tmp_path: Path) -> Path:
    """One trial to train with two gestures, one to test with one; a third is listed and not here."""
    home = tmp_path / "DvsGesture"
    put(home / "trials_to_train.txt", "user01_led.aedat\r\nuser02_led.aedat\r\n\r\n")
    put(home / "trials_to_test.txt", "user24_lab.aedat\n")
    put(home / "user01_led.aedat", aedat3(some((128, 128), 40)))
    put(home / "user01_led_labels.csv", "class,startTime_usec,endTime_usec\r\n1,20,50\r\n11,50,400\r\n")
    put(home / "user24_lab.aedat", aedat3(some((128, 128), 5, 1000)))
    put(home / "user24_lab_labels.csv", "class,startTime_usec,endTime_usec\n4,1000,1030\n")
    return tmp_path


def test_gestures_are_cut_by_the_times_of_their_labels(gestures: Path) -> None:
    source, home = EVENT_SETS["dvs128-gesture"].source, gestures / "DvsGesture"
    train, test = (source.recordings(split, gestures) for split in ("train", "test"))
    assert train == [
        Recording(home / "user01_led.aedat", 0, 20, 50),
        Recording(home / "user01_led.aedat", 10, 50, 400),
    ]
    assert test == [Recording(home / "user24_lab.aedat", 3, 1000, 1030)]
    assert source.read(train[0]).events["t"].tolist() == [20, 30, 40]  # the start is in it, the end is not
    found = check_events("dvs128-gesture", gestures)
    assert [[(one.name, one.recordings, one.events) for one in part.classes] for part in found] == [
        [("hand clapping", 1, 3), ("other gestures", 1, 35)],
        [("right arm clockwise", 1, 3)],
    ]
    assert all(part.ok for part in found)


def test_damaged_trials_and_lists_of_gestures(gestures: Path) -> None:
    home = gestures / "DvsGesture"
    labels = home / "user01_led_labels.csv"
    for row, at in (("0,20,50", 3), ("12,20,50", 3), ("1,50,20", 3), ("1,20", 3), ("hand,20,50", 3)):
        put(labels, f"class,startTime_usec,endTime_usec\n1,0,10\n{row}\n")
        train, test = check_events("dvs128-gesture", gestures)
        assert f"{labels}, line {at}: got '{row}'; want a class of 1 to 11" in train.problems[0]
        assert test.ok
    put(labels, "user,start\n")
    assert "line 1: got 'user,start'; want class," in check_events("dvs128-gesture", gestures)[0].problems[0]
    put(labels, "class,startTime_usec,endTime_usec\n1,900000,900010\n")
    assert "no events from 900000 to 900010 us" in check_events("dvs128-gesture", gestures)[0].problems[0]
    labels.unlink()
    assert "want them in user01_led_labels.csv beside it" in check_events("dvs128-gesture", gestures)[0].problems[0]
    for name in ("../user01_led.aedat", "a/b.aedat", "/etc/passwd"):
        put(home / "trials_to_train.txt", name)
        assert "want the name of a trial" in check_events("dvs128-gesture", gestures)[0].problems[0]
    put(home / "user24_lab.aedat", AEDAT3_HEADER + packet(polarity_words(some((128, 128)).events), 1, 4, 3))
    assert f"byte {len(AEDAT3_HEADER)}" in check_events("dvs128-gesture", gestures)[1].problems[0]


# ---- folders of one's own


def test_a_folder_of_any_formats_with_a_split(tmp_path: Path) -> None:
    put(tmp_path / "train" / "left" / "a.aedat", aedat3(some((128, 128))))
    put(tmp_path / "train" / "right" / "b.dat", dat(some((128, 128)), b"% Version 2\n% Width 128\n% Height 128\n"))
    put(tmp_path / "test" / "up" / "c.aedat", aedat2(some((128, 128))))
    put(tmp_path / "train" / "right" / "notes.txt", b"")
    chosen = find_event_set(str(tmp_path))
    assert (chosen.classes, chosen.sensor_size) == (("left", "right", "up"), (128, 128))
    assert names(chosen.source.recordings("test", Path())) == [("c", 2)]
    train, test = check_events(str(tmp_path))
    assert (train.recordings, test.recordings, train.ok, test.ok) == (2, 1, True, True)
    put(tmp_path / "test" / "up" / "d.dat", dat(some((128, 128))))  # of a sensor of 1280x720
    assert "says (1280, 720)" in check_events(str(tmp_path))[1].problems[0]
    assert run("check", str(tmp_path))[0] == 2


def test_a_folder_without_a_split_is_split_by_a_seed(tmp_path: Path) -> None:
    for name, count in (("left", 10), ("right", 5)):
        for number in range(count):
            put(tmp_path / name / f"{number}.aedat", aedat3(some((128, 128))))

    def split(shares: Shares | None) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        source = event_folder(tmp_path, shares).source
        return names(source.recordings("train", Path())), names(source.recordings("test", Path()))

    train, test = split(None)
    assert (len(train), len(test)) == (12, 3)
    assert sorted(train + test) == sorted(split(Shares(80))[0] + split(Shares(80))[1])
    assert not set(train) & set(test)
    assert split(Shares(80, 0)) == (train, test)
    assert split(Shares(80, 1)) != (train, test)
    assert split(Shares(80))[1] == [("8", 0), ("9", 0), ("4", 1)]
    with pytest.raises(UserError, match="train_percent: got 100"):
        Shares(100)


def test_a_share_that_leaves_nothing_to_test_is_said_so(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / name / "0.aedat", aedat2(Events((128, 128), made([(0, 1, 1, 1)]))))
    (train, test) = check_events(str(tmp_path))
    assert train.ok
    assert test.problems == (
        f"no recording left for the test split in {tmp_path}: 80 % of each class, rounded up, are for training",
    )


def test_the_bad_file_of_a_folder_is_the_one_that_is_named(tmp_path: Path) -> None:
    for name in ("0", "1", "2", "3", "4", "5"):
        put(tmp_path / "train" / "a" / f"{name}.aedat", aedat2(Events((128, 128), made([(0, 1, 1, 1)]))))
    bad = tmp_path / "train" / "a" / "3.aedat"
    bad.write_bytes(bad.read_bytes()[:-3])
    (train, _) = check_events(str(tmp_path))
    assert train.path == str(bad)
    assert str(train.refusal).count(str(bad)) == 2


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"event folder: .* there is no such folder"):
        event_folder(tmp_path / "none")
    with pytest.raises(UserError, match="want folders of classes with files"):
        event_folder(tmp_path)
    with pytest.raises(UserError, match="did you mean 'n-mnist'"):
        find_event_set("nmnist")
    put(tmp_path / "left" / "a.aedat", b"#!AER-DAT3.1\r\n")
    with pytest.raises(UserError, match=r"a\.aedat, byte"):
        event_folder(tmp_path)
