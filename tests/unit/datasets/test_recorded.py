"""Recordings as datasets: their frames in the order of their files, kept, and nothing kept of a damaged one."""

from pathlib import Path

import numpy as np
import pytest
from event_files import aedat2, aedat3, atis, made

import bitspike as door
from bitspike.api.own_data import on_dataset
from bitspike.datasets import check, find_dataset, load_split, where
from bitspike.datasets.dataset import read_split
from bitspike.datasets.events import Events
from bitspike.datasets.frames import FrameSettings, frames_of, read_frames
from bitspike.datasets.inputs import codes_of
from bitspike.datasets.recorded import usual_frames
from bitspike.datasets.recordings import Recording
from bitspike.errors import UserError
from bitspike.places import cache_folder
from bitspike.recipes import recipe
from bitspike.sample import Sample


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def drawn(size: tuple[int, int], count: int, seed: int) -> Events:
    draws = np.random.default_rng(seed)
    times = np.sort(draws.integers(0, 300_000, count)).tolist()
    places = (draws.integers(0, side, count).tolist() for side in (*size, 2))
    return Events(size, made(list(zip(times, *places, strict=True))))


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


RECORDINGS = {f"Train/{label}/{number:05}": (label, 40 + number) for label, number in ((0, 2), (0, 5), (7, 1), (3, 9))}


@pytest.fixture
def nmnist(tmp_path: Path) -> Path:
    for name, (_, count) in RECORDINGS.items():
        put(tmp_path / "N-MNIST" / f"{name}.bin", atis(drawn((34, 34), count, count)))
    return tmp_path


def kept() -> int:
    folder = cache_folder() / "data"
    return len(list(folder.iterdir())) if folder.exists() else 0


@pytest.mark.parametrize("frames", [None, FrameSettings(slices=3, by="time", clip=2), read_frames("paper-001@1")])
def test_frames_are_those_of_the_recordings(nmnist: Path, frames: FrameSettings | None) -> None:
    sample = find_dataset("n-mnist", frames).sample
    for _ in range(2):  # read, then from the cache
        trains, labels = load_split("n-mnist", "train", nmnist, frames)
        assert labels.tolist() == [0, 0, 3, 7]
        assert trains.shape == (4, *sample.array_shape)
        for train, count in zip(trains, (42, 45, 49, 41), strict=True):
            wanted = frames_of(drawn((34, 34), count, count), frames or usual_frames((34, 34)))
            assert np.array_equal(train.reshape(wanted.shape), wanted)
    assert kept() == 1


def test_usual_frames_are_no_larger_than_48_pixels() -> None:
    assert find_dataset("n-mnist").sample == Sample((2, 34, 34), 8, 0, 15)
    assert find_dataset("dvs128-gesture").sample == Sample((2, 48, 48), 8, 0, 15)
    assert find_dataset("n-caltech101", read_frames("paper-000@4")).sample == Sample((2, 180, 240), 4, 0, 255)
    with pytest.raises(UserError, match=r"frames\.size: got \(48, 48\)"):
        find_dataset("n-mnist", read_frames("paper-002@4"))


def test_a_changed_file_is_read_again(nmnist: Path) -> None:
    before, _ = load_split("n-mnist", "train", nmnist)
    file = nmnist / "N-MNIST" / "Train" / "7" / "00001.bin"
    file.write_bytes(atis(drawn((34, 34), 41, 0)))
    after, _ = load_split("n-mnist", "train", nmnist)
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, True, False]
    put(file.with_name("00002.bin"), atis(drawn((34, 34), 8, 0)))
    assert len(load_split("n-mnist", "train", nmnist)[0]) == 5
    assert kept() == 3


def test_nothing_is_kept_of_a_set_with_a_damaged_or_empty_recording(nmnist: Path) -> None:
    file = nmnist / "N-MNIST" / "Train" / "3" / "00001.bin"
    put(file, atis(drawn((34, 34), 5, 0))[:-1])
    with pytest.raises(UserError, match=f"{file}, byte 20"):
        load_split("n-mnist", "train", nmnist)
    put(file, atis(Events((256, 256), made([(0, 0, 240, 0)]))))
    with pytest.raises(UserError, match="no events"):
        load_split("n-mnist", "train", nmnist)
    assert kept() == 0
    assert [row.ok for row in check("n-mnist", nmnist)][-1] is False


def test_what_is_not_there(nmnist: Path) -> None:
    assert where("n-mnist", "test", nmnist) is None
    assert where("n-mnist", "train", nmnist) == str(nmnist / "N-MNIST" / "Train")
    with pytest.raises(UserError, match=r"n-mnist test split: .* there is no n-mnist/Test/0/.*Get Train\.zip"):
        load_split("n-mnist", "test", nmnist)
    with pytest.raises(UserError, match="did you mean 'n-mnist'"):
        find_dataset("nmnist")


def test_gestures_of_one_file_are_cut_by_their_labels(tmp_path: Path) -> None:
    home, trial = tmp_path / "DvsGesture", drawn((128, 128), 200, 1)
    put(home / "user01_led.aedat", aedat3(trial))
    put(home / "trials_to_train.txt", b"user01_led.aedat\n")
    rows = [(3, 0, 100_000), (11, 150_000, 290_000), (1, 100_000, 150_000)]
    head = "class,startTime_usec,endTime_usec\n"

    def label(rows: list[tuple[int, int, int]]) -> None:
        lines = "".join(f"{a},{b},{c}\n" for a, b, c in rows)
        put(home / "user01_led_labels.csv", (head + lines).encode())

    label(rows)
    frames = FrameSettings(slices=2, size=(16, 16))
    trains, labels = load_split("dvs128-gesture", "train", tmp_path, frames)
    assert labels.tolist() == [2, 10, 0]
    for train, (_, start, stop) in zip(trains, rows, strict=True):
        assert np.array_equal(train, frames_of(trial.between(start, stop), frames))
    label([(4, 0, 100_000), *rows[1:]])  # another label is another set, of the same recording
    assert load_split("dvs128-gesture", "train", tmp_path, frames)[1].tolist() == [3, 10, 0]
    assert kept() == 2


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    for split, word, count in (("train", "left", 30), ("train", "right", 20), ("test", "left", 10)):
        put(tmp_path / "own" / split / word / "a.aedat", aedat2(drawn((128, 128), count, count)))
    name = str(tmp_path / "own")
    dataset = find_dataset(name, FrameSettings(slices=5))
    assert dataset.classes == ("left", "right")
    assert dataset.sample == Sample((2, 128, 128), 5, 0, 255)
    trains, labels = load_split(name, "train", frames=FrameSettings(slices=5))
    assert labels.tolist() == [0, 1]
    assert trains.sum(dtype=int) == 50
    assert load_split(name, "test")[0].shape == (1, 8, 2, 48, 48)


def test_recordings_of_ones_own_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "own"
    for word in ("left", "right"):
        for number in range(6):
            put(home / word / f"{number}.aedat", aedat2(drawn((128, 128), 30 + number, number)))
    found = find_dataset(f"events:{home}@test=50,seed=1")
    assert (found.own, dict(found.images), found.classes) == (True, {"train": 6, "test": 6}, ("left", "right"))
    described = on_dataset(recipe("digits-convnet"), found)
    assert described.frames == usual_frames((128, 128))
    assert (described.bits.t, described.data and described.data.sample) == (8, "8@2x48x48")
    files = [recording.path for recording in found.source.events.recordings("test", Path())]  # type: ignore[attr-defined]
    codes, _ = read_split(found, "test")
    for own, file in zip(codes, files, strict=True):  # a network is asked of one file what it was trained on
        assert np.array_equal(codes_of(file, found.sample, found.name, described.frames)[0], own)
    with pytest.raises(UserError, match="the network reads"):
        codes_of(files[0], Sample((1, 8, 8)))
    with pytest.raises(UserError, match=r"want some that are 8@2x34x34"):
        codes_of(files[0], Sample((2, 34, 34), 8, 0, 15))

    monkeypatch.chdir(tmp_path)
    frames = FrameSettings(slices=2, clip=3, size=(8, 8)).model_dump_json()
    edits = (f"frames={frames}", "bits=4/2/2", "epochs=1", "channels=2,2,2")
    run = door.train("digits-convnet", *edits, dataset=f"events:{home}@test=50,seed=1", name="a")
    assert run.config.data is not None
    assert run.config.data.sample == "2@2x8x8"
    net = door.freeze(run, images=2).net
    assert (net.classes, net.sample) == (("left", "right"), Sample((2, 8, 8), 2, 0, 3))
    assert run.config.frames is not None
    shown, _ = read_split(found.with_frames(run.config.frames), "test")
    assert [one.label for one in door.predict(net, *files)] == door.compile(net, engine="oracle")(shown).argmax(
        1
    ).tolist()
    assert door.evaluate(net).total == 6


def test_a_recording_is_read_once_and_one_file_at_a_time(nmnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bitspike.datasets.recordings import FolderSource

    read, seen = FolderSource.read, []

    def counted(self: FolderSource, recording: Recording) -> Events:
        seen.append(recording.path)
        return read(self, recording)

    monkeypatch.setattr(FolderSource, "read", counted)
    load_split("n-mnist", "train", nmnist)
    assert len(seen) == len(set(seen)) == 4
    load_split("n-mnist", "train", nmnist)
    assert len(seen) == 4


def test_a_part_of_a_set_is_summed_too(nmnist: Path) -> None:
    trains, labels = load_split("n-mnist", "train", nmnist)
    sums, same = load_split("summed:4:n-mnist", "train", nmnist)
    assert np.array_equal(labels, same)
    assert np.array_equal(sums, trains.reshape(4, 2, 4, 2, 34, 34).sum(2))
