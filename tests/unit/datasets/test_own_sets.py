"""Data sets of one's own: folders of pictures, arrays, objects; how they are split; and everything that is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from bitspike.data import load_of
from bitspike.datasets import check, find_dataset
from bitspike.datasets.dataset import read_blocks, read_split
from bitspike.datasets.own import asked, checked_names, parted, printable
from bitspike.datasets.own_objects import given
from bitspike.errors import UserError

pillow = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


def pictures(home: Path, counts: dict[str, int], shape: tuple[int, ...] = (9, 7)) -> Path:
    """Pictures that are all of one value, so that any size of one tells which it is."""
    for label, (name, count) in enumerate(counts.items()):
        (home / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            values = np.full(shape, 20 * label + number, np.uint8)
            pillow.fromarray(values).save(home / name / f"{number:02}.png")
    return home


def read_all(name: str) -> None:
    found = find_dataset(name)
    for split in found.images:
        read_split(found, split)


def npz(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return f"npz:{path}"


def images(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, np.uint8)


CLASSES_OF_6 = np.arange(60) % 6


class TestNames:
    def test_words_behind_the_path(self) -> None:
        told = asked("folder", "some@home/x@48x64,grey,test=25,seed=3")
        assert (told.size, told.grey, told.test, told.seed) == ((48, 64), True, 25, 3)
        assert told.path == Path("some@home/x").absolute()
        assert asked("folder", "pictures").path == Path("pictures").absolute()

    @pytest.mark.parametrize(
        "rest", ["x@", "x@0", "x@64,blue", "x@test=0", "@64", "me@home/x", "x@64,,grey", "x@seed=-1"]
    )
    def test_other_words_are_refused(self, rest: str) -> None:
        with pytest.raises(UserError, match="folder:PATH@64"):
            asked("folder", rest)

    def test_what_a_kind_has_no_use_for_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no use for size"):
            find_dataset(f"npz:{tmp_path}/x.npz@64")

    def test_names_are_printable_and_different(self) -> None:
        assert printable("red\ncup \x1b[31m") == r"red\ncup \x1b[31m"
        assert checked_names("x", ["a b", "ä", "\udcff"]) == ("a b", "ä", r"\udcff")
        with pytest.raises(UserError, match=r"printed as a\\\\n; rename one|printed as a.n; rename one"):
            checked_names("x", ["a\n", r"a\n"])


class TestSplit:
    @settings(max_examples=50, deadline=None)
    @drawn(st.lists(st.integers(3, 40), min_size=2, max_size=5), st.integers(1, 99), st.integers(0, 9))
    def test_every_class_is_on_both_sides_and_nothing_is_lost(self, counts: list[int], test: int, seed: int) -> None:
        labels = np.repeat(np.arange(len(counts)), counts)
        parts = parted(labels, list(map(str, range(len(counts)))), test, seed)
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
        for label, count in enumerate(counts):
            tested = int((labels[parts["test"]] == label).sum())
            assert 1 <= tested <= count - 2
            assert abs(tested - count * test / 100) <= 1 or tested in (1, count - 2)
        again = parted(labels, list(map(str, range(len(counts)))), test, seed)
        assert all(np.array_equal(parts[split], again[split]) for split in parts)

    def test_another_seed_draws_others(self) -> None:
        labels = np.repeat(np.arange(2), 40)
        drawn_by = [parted(labels, ["a", "b"], 20, seed)["test"].tolist() for seed in (0, 1)]
        assert drawn_by[0] != drawn_by[1]

    def test_a_class_with_one_image_is_refused_by_name(self, tmp_path: Path) -> None:
        home = pictures(tmp_path / "set", {"cat": 5, "dog": 1})
        with pytest.raises(UserError, match="class dog: got '1 sample'; want 3 at least"):
            find_dataset(f"folder:{home}")


class TestFolder:
    def test_classes_alone_are_split(self, tmp_path: Path) -> None:
        home = pictures(tmp_path / "set", {"cat": 10, "dog": 5})
        found = find_dataset(f"folder:{home}@4,grey,test=40,seed=2")
        assert (str(found.sample), found.classes, dict(found.images)) == (
            "1x4x4",
            ("cat", "dog"),
            {"train": 9, "test": 6},
        )
        values = {}
        for split in ("train", "test"):
            part, labels = read_split(found, split)
            assert part.shape == (found.images[split], 1, 4, 4)
            assert (part[:, 0, 0, 0] // 20 == labels).all()
            values[split] = part[:, 0, 0, 0].tolist()
        assert sorted(values["train"] + values["test"]) == [*range(10), *range(20, 25)]

    def test_folders_of_three_splits(self, tmp_path: Path) -> None:
        for part, count in (("train", 4), ("val", 2), ("test", 3)):
            pictures(tmp_path / part, {"cat": count, "dog": count})
        found = find_dataset(f"folder:{tmp_path}@4")
        assert dict(found.images) == {"train": 8, "validation": 4, "test": 6}
        assert load_of(found, "validation").labels.tolist() == [0, 0, 1, 1]
        assert [len(labels) for _, labels in read_blocks(found, "test")] == [6]
        assert {entry.split for entry in check(f"folder:{tmp_path}@4")} == {"train", "validation", "test"}

    def test_without_a_size_all_have_that_of_the_first(self, tmp_path: Path) -> None:
        home = pictures(tmp_path / "set", {"cat": 3, "dog": 3})
        assert str(find_dataset(f"folder:{home}").sample) == "3x9x7"
        pillow.fromarray(images(5, 5)).save(home / "dog" / "99.png")
        with pytest.raises(UserError, match=r"99.png: got '5x5 pixels'; want 7x9 as the first has"):
            read_all(f"folder:{home}")

    @pytest.mark.parametrize(
        ("made", "message"),
        [
            (lambda home: home.mkdir(), "got '0 folders'; want one for each class"),
            (lambda home: (home / "cat").mkdir(parents=True), "got '1 folders'"),
            (lambda home: [(home / name).mkdir(parents=True) for name in "ab"], "a: got 'no pictures'"),
            (lambda home: pictures(home / "train", {"a": 3, "b": 3}), "got 'train/ alone'"),
            (lambda home: None, "there is no folder"),
        ],
    )
    def test_a_folder_that_is_no_set(self, tmp_path: Path, made: Callable[[Path], Any], message: str) -> None:
        made(tmp_path / "set")
        with pytest.raises(UserError, match=message):
            find_dataset(f"folder:{tmp_path / 'set'}@8")

    def test_sixteen_bits_are_refused(self, tmp_path: Path) -> None:
        home = pictures(tmp_path / "set", {"cat": 3, "dog": 3})
        pillow.fromarray(np.full((9, 7), 40_000, np.uint16)).save(home / "dog" / "99.png")
        with pytest.raises(UserError, match=r"99.png: got 'mode I;16'; want 8 bits a channel"):
            read_all(f"folder:{home}")


class TestArrays:
    @pytest.mark.parametrize("shape", [(60, 8, 8), (60, 1, 8, 8), (60, 8, 8, 1)])
    def test_axes(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        given_images = images(*shape)
        found = find_dataset(npz(tmp_path / "a.npz", images=given_images, labels=CLASSES_OF_6))
        train, labels = read_split(found, "train")
        assert (str(found.sample), found.classes) == ("1x8x8", tuple("012345"))
        assert dict(found.images) == {"train": 48, "test": 12}
        rows = parted(CLASSES_OF_6, "012345", 20, 0)["train"]
        assert np.array_equal(train.reshape(-1, 8, 8), given_images.reshape(-1, 8, 8)[rows])
        assert np.array_equal(labels, CLASSES_OF_6[rows])

    def test_keys_of_others(self, tmp_path: Path) -> None:
        colours, labels = images(6, 8, 8, 3), np.array([[0], [1], [2]] * 2, np.uint8)
        medical = {
            f"{s}_{k}": v for s in ("train", "val", "test") for k, v in (("images", colours), ("labels", labels))
        }
        found = find_dataset(npz(tmp_path / "m.npz", **medical, classes=np.array(["a", "b", "c"])))
        assert (dict(found.images), found.classes) == ({"train": 6, "validation": 6, "test": 6}, ("a", "b", "c"))
        assert np.array_equal(read_split(found, "test")[0], colours.transpose(0, 3, 1, 2))
        keras = {"x_train": colours, "y_train": labels[:, 0], "x_test": colours / 255, "y_test": labels[:, 0]}
        floats = find_dataset(npz(tmp_path / "k.npz", **keras))
        assert np.array_equal(read_split(floats, "test")[0], read_split(floats, "train")[0])  # 255ths come back exactly

    def test_more_classes_than_a_byte_has(self, tmp_path: Path) -> None:
        labels = np.repeat(np.arange(300), 3)
        found = find_dataset(npz(tmp_path / "a.npz", images=images(900, 2, 2), labels=labels))
        assert load_of(found, "test").labels.tolist() == list(range(300))

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"images": images(60, 8, 8)}, r"arrays in .*: got \['images'\]; want train_images"),
            ({"pictures": images(60, 8, 8), "labels": CLASSES_OF_6}, "arrays in"),
            (
                {"images": images(60, 8, 8).astype(np.int64), "labels": CLASSES_OF_6},
                "got 'int64'; want pixels 0..255 in uint8",
            ),
            ({"images": images(60, 8, 8) / 100, "labels": CLASSES_OF_6}, "got 'floats 0"),
            ({"images": np.full((60, 8, 8), np.nan), "labels": CLASSES_OF_6}, "got 'floats nan"),
            ({"images": images(60, 8, 8), "labels": CLASSES_OF_6 / 1}, "labels: got 'float64'"),
            (
                {"images": images(60, 8, 8), "labels": CLASSES_OF_6 - 1},
                r"labels: got \(-1, 4\); want whole numbers from 0",
            ),
            ({"images": images(60, 8, 8), "labels": CLASSES_OF_6 + 1}, "train labels: got 'none that is 0'"),
            ({"images": images(60, 8, 8), "labels": CLASSES_OF_6[:59]}, r"got \(59,\); want \(60,\)"),
            ({"images": images(60, 8, 8, 2), "labels": CLASSES_OF_6}, "of 1 or 3 channels"),
            ({"images": images(60, 3, 8, 3), "labels": CLASSES_OF_6}, "both could be channels"),
            (
                {"images": images(60, 8, 8), "labels": CLASSES_OF_6, "classes": np.array(list("abc"))},
                "got 5; want 0 to 2",
            ),
            ({"images": images(60, 8, 8), "labels": CLASSES_OF_6, "classes": np.arange(6)}, "want an array of texts"),
            (
                {"images": images(60, 8, 8), "labels": CLASSES_OF_6, "classes": np.array(["a\n", "a\\n", *"cdef"])},
                "rename one",
            ),
            ({"images": np.array([object()] * 60), "labels": CLASSES_OF_6}, "an array of objects in it"),
            ({"images": images(0, 8, 8), "labels": CLASSES_OF_6[:0]}, "want some"),
            (
                {"x_train": images(60, 8, 8), "y_train": CLASSES_OF_6, "x_test": images(6, 8, 8), "y_tset": [0] * 6},
                r"got \['x_test', 'y_tset'\]; nothing reads them",
            ),
            (
                {
                    "x_train": images(6, 8, 8),
                    "y_train": CLASSES_OF_6[:6],
                    "x_test": images(6, 3, 8, 8),
                    "y_test": CLASSES_OF_6[:6],
                },
                r"test images: got \(3, 8, 8\); want \(1, 8, 8\)",
            ),
        ],
    )
    def test_wrong_arrays_are_refused(self, tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
        with pytest.raises(UserError, match=message) as refused:
            find_dataset(npz(tmp_path / "a.npz", **arrays))
        assert "\n" not in str(refused.value)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x80\x04N.", b"text"])
    def test_damaged_files_are_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"want a whole \.npz"):
            find_dataset(f"npz:{tmp_path / 'a.npz'}")
        np.save(tmp_path / "b.npy", images(3, 4, 4))
        with pytest.raises(UserError, match="it is one array"):
            find_dataset(f"npz:{tmp_path / 'b.npy'}")
        with pytest.raises(UserError, match="there is no file"):
            find_dataset(f"npz:{tmp_path / 'c.npz'}")

    def test_objects_are_never_unpickled(self, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> Any:
                return Path.touch, (tmp_path / "sprung",)

        np.savez(tmp_path / "a.npz", images=np.array([Trap()] * 3, object), labels=np.arange(3))
        with pytest.raises(UserError, match="an array of objects"):
            find_dataset(f"npz:{tmp_path / 'a.npz'}")
        assert not (tmp_path / "sprung").exists()


class Toy(torch.utils.data.Dataset[Any]):
    classes = ["even", "odd"]  # noqa: RUF012

    def __init__(self, kind: str, count: int = 10) -> None:
        self.kind, self.count = kind, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        pixels = np.full((4, 6), index, np.uint8)
        made = {
            "picture": lambda: pillow.fromarray(pixels),
            "tensor": lambda: torch.from_numpy(pixels)[None].float() / 255,
            "bytes": lambda: torch.from_numpy(pixels)[None],
            "unlike": lambda: pillow.fromarray(np.stack([pixels] * 3, -1) if index == 7 else pixels),
        }[self.kind]()
        return made, index % 2


class TestObjects:
    @pytest.mark.parametrize("kind", ["picture", "tensor", "bytes"])
    def test_a_data_set_of_torch(self, kind: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = given({"train": Toy(kind), "test": Toy(kind, 4)})
        assert (str(found.sample), found.classes, dict(found.images)) == (
            "1x4x6",
            ("even", "odd"),
            {"train": 10, "test": 4},
        )
        part, labels = read_split(found, "train")
        assert part[:, 0, 0, 0].tolist() == list(range(10))
        assert labels.tolist() == [0, 1] * 5

    def test_one_alone_is_split_and_so_are_arrays(self) -> None:
        assert dict(given(Toy("bytes")).images) == {"train": 8, "test": 2}
        found = given((torch.zeros(12, 1, 3, 3, dtype=torch.uint8), torch.arange(12) % 3))
        assert dict(found.images) == {"train": 9, "test": 3}

    @pytest.mark.parametrize(
        ("thing", "message"),
        [
            (Toy("unlike"), r"sample 7: got \(3, 4, 6\); want \(1, 4, 6\) as the first has"),
            (Toy("bytes", 0), "0 samples"),
            ({"test": Toy("bytes")}, "a mapping of train, test"),
            ({"train": 3}, "train: got 'int'"),
            ([1, 2], "got 'list'"),
            ({"train": Toy("bytes"), "classes": "ab"}, "want a list of names"),
        ],
    )
    def test_other_objects_are_refused(self, thing: Any, message: str) -> None:
        with pytest.raises(UserError, match=message):
            given(thing)

    def test_labels_out_of_range(self) -> None:
        class Three(Toy):
            def __getitem__(self, index: int) -> Any:
                return super().__getitem__(index)[0], index % 3

        with pytest.raises(UserError, match="got 2; want 0 to 1, one of its 2 classes"):
            given(Three("bytes"))

    def test_its_name_leads_nowhere(self) -> None:
        with pytest.raises(UserError, match="given as an object; give it again"):
            find_dataset("given:Toy")


def test_hugging_face_is_refused_by_name_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install 'bitspike\[hf\]'"):
        find_dataset(f"hf:{tmp_path}")


def test_a_set_of_hugging_face(tmp_path: Path) -> None:
    library = pytest.importorskip("datasets")
    if library.__file__ is None:
        pytest.skip("datasets is a folder of these tests")
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["even", "odd"])})
    rows = {"image": [pillow.fromarray(np.full((4, 6), n, np.uint8)) for n in range(10)], "label": [0, 1] * 5}
    saved = library.Dataset.from_dict(rows, features=features)
    saved.save_to_disk(str(tmp_path / "one"))
    library.DatasetDict({"train": saved, "validation": saved}).save_to_disk(str(tmp_path / "two"))
    one = find_dataset(f"hf:{tmp_path / 'one'}@grey")
    assert (str(one.sample), one.classes, dict(one.images)) == ("1x4x6", ("even", "odd"), {"train": 8, "test": 2})
    two = find_dataset(f"hf:{tmp_path / 'two'}@4")
    part, labels = read_split(two, "test")
    assert (part.shape, part[:, 2, 0, 0].tolist(), labels.tolist()) == ((10, 3, 4, 4), list(range(10)), [0, 1] * 5)
    library.Dataset.from_dict({"text": ["a"]}).save_to_disk(str(tmp_path / "words"))
    for wrong, message in (("words", "want one of kind Image"), ("nowhere", "there is no folder")):
        with pytest.raises(UserError, match=message):
            find_dataset(f"hf:{tmp_path / wrong}")
    (tmp_path / "one" / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        find_dataset(f"hf:{tmp_path / 'one'}")
