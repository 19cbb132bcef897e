"""CIFAR in every form it may lie in: the same images whichever it is."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_pickled_batches import python2_batch

from bitspike.datasets.cifar import CifarSource, Version
from bitspike.datasets.records import parse_records
from bitspike.datasets.sheets import read_sheets
from bitspike.errors import UserError

Image = pytest.importorskip("PIL.Image", reason="needs Pillow")

COUNT = 8
FILES = {"train": ("data_batch_1", "data_batch_2"), "test": ("test_batch",)}
SOURCE = CifarSource(
    name="cifar10",
    binary=Version("bin-folder", "binary.tar.gz", {k: tuple(f"{f}.bin" for f in v) for k, v in FILES.items()}),
    python=Version("py-folder", "python.tar.gz", FILES),
    sheets={"train": "train.zip", "test": "test.zip"},
    images={"train": COUNT, "test": COUNT // 2},
    label_files=("labels.bin",),
    labels_key="labels",
)
X = np.random.default_rng(1).integers(0, 256, (COUNT, 3, 32, 32), np.uint8)
Y = np.arange(COUNT, dtype=np.uint8)
HALVES = (slice(0, COUNT // 2), slice(COUNT // 2, COUNT))


def binary(part: slice) -> bytes:
    return np.concatenate([Y[part, None], X[part].reshape(-1, 3072)], axis=1).tobytes()


def files(python: bool) -> dict[str, bytes]:
    if python:
        made = (python2_batch(X[half].reshape(-1, 3072), Y[half].tolist()) for half in HALVES)
        return dict(zip(FILES["train"], made, strict=True))
    return {f"{name}.bin": binary(half) for name, half in zip(FILES["train"], HALVES, strict=True)}


def put_files(folder: Path, python: bool) -> None:
    folder.mkdir(parents=True)
    for name, content in files(python).items():
        (folder / name).write_bytes(content)


def put_tar(path: Path, python: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in reversed(files(python).items()):
            info = tarfile.TarInfo(f"{'py' if python else 'bin'}-folder/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def sheet(images: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    pixels = images.transpose(0, 2, 3, 1).reshape(-1, images.shape[3], 3)
    Image.fromarray(pixels).save(out, "WEBP", **{"lossless": True, "exact": True, **options})
    return out.getvalue()


def put_zip(path: Path, members: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED) -> None:
    whole = {"labels.bin": Y.tobytes(), "sheet_001.webp": sheet(X[5:]), "sheet_000.webp": sheet(X[:5])}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in (members if members is not None else whole).items():
            archive.writestr(name, content)


FORMS = {
    "binary files": lambda home: put_files(home / "bin-folder", False),
    "python files": lambda home: put_files(home / "py-folder", True),
    "binary archive": lambda home: put_tar(home / "binary.tar.gz", False),
    "python archive": lambda home: put_tar(home / "python.tar.gz", True),
    "sheets": lambda home: put_zip(home / "train.zip"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("folder", ["", "cifar10"])
def test_every_form_gives_the_same_images(tmp_path: Path, form: str, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    FORMS[form](tmp_path / folder)
    stored = list(SOURCE.find("train", tmp_path).read())
    blocks = list(SOURCE.parse("train", stored))
    images, labels = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    np.testing.assert_array_equal(images, X)
    np.testing.assert_array_equal(labels, Y)
    if "python" not in form:
        assert [bytes(file.content) for file in stored] == [binary(half) for half in HALVES]


def test_files_lie_directly_in_the_named_folder(tmp_path: Path) -> None:
    put_files(tmp_path / "cifar10", True)
    assert SOURCE.find("train", tmp_path).place == str(tmp_path / "cifar10")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no bin-folder/, binary.tar.gz, .* or test.zip"):
        SOURCE.find("test", tmp_path)
    put_files(tmp_path / "bin-folder", False)
    (tmp_path / "bin-folder" / "data_batch_2.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"no data_batch_2.bin in .*bin-folder"):
        SOURCE.find("train", tmp_path)
    put_zip(tmp_path / "train.zip")
    assert SOURCE.find("train", tmp_path).place.endswith("train.zip")  # a whole form before half of one


def test_two_labels_a_record_and_the_last_one_counts() -> None:
    record = bytes([3, 77]) + X[0].tobytes()
    images, labels = parse_records(record, 1, 2, (3, 32, 32), "f")
    np.testing.assert_array_equal(images, X[:1])
    assert labels.tolist() == [77]


def test_a_truncated_file_names_itself_and_its_bytes(tmp_path: Path) -> None:
    put_files(tmp_path / "bin-folder", False)
    path = tmp_path / "bin-folder" / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"data_batch_2.bin: got '12291 bytes'; want 12292: 4 records"):
        list(SOURCE.parse("train", SOURCE.find("train", tmp_path).read()))
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(UserError, match="too long"):
        list(SOURCE.find("train", tmp_path).read())


def test_deflated_sheets_are_read_too(tmp_path: Path) -> None:
    put_zip(tmp_path / "a.zip", compression=zipfile.ZIP_DEFLATED)
    np.testing.assert_array_equal(read_sheets(tmp_path / "a.zip", COUNT, ("labels.bin",))[:, 0], Y)


WIDE = np.concatenate([X[:2], X[:2]], axis=3)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "labels.bin"),
        ({"labels.bin": Y[:3].tobytes()}, "could not broadcast"),
        ({"labels.bin": Y.tobytes() * 100}, "labels.bin has more than 8 bytes"),
        ({"labels.bin": Y.tobytes()}, "0 images where there should be 8"),
        ({"labels.bin": Y.tobytes(), "sheet_0.webp": sheet(X[:3])}, "3 images where there should be 8"),
        ({"labels.bin": Y.tobytes(), **{f"sheet_{i}.webp": sheet(X) for i in "01"}}, "more than 8 images"),
        ({"labels.bin": Y.tobytes(), "sheet_0.webp": b"RIFF"}, "not lossless WebP"),
        ({"labels.bin": Y.tobytes(), "sheet_0.webp": sheet(X, lossless=False)}, "not lossless WebP"),
        ({"labels.bin": Y.tobytes(), "sheet_0.webp": sheet(WIDE)}, "64 x 64 pixels is no column"),
        ({"labels.bin": Y.tobytes(), "sheet_0.webp": sheet(X)[:100]}, "archive its name says"),
    ],
)
def test_what_is_wrong_with_an_archive_of_sheets(tmp_path: Path, members: dict[str, bytes], words: str) -> None:
    put_zip(tmp_path / "a.zip", members)
    with pytest.raises(UserError, match=words):
        read_sheets(tmp_path / "a.zip", COUNT, ("labels.bin",))


def test_other_compressions_and_bombs_are_refused(tmp_path: Path) -> None:
    put_zip(tmp_path / "a.zip", compression=zipfile.ZIP_LZMA)
    with pytest.raises(UserError, match="another way than DEFLATE"):
        read_sheets(tmp_path / "a.zip", COUNT, ("labels.bin",))
    bomb = {"labels.bin": Y.tobytes(), "sheet_0.webp": bytes(1 << 24)}
    put_zip(tmp_path / "a.zip", bomb, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=r"sheet_0.webp has more than"):
        read_sheets(tmp_path / "a.zip", COUNT, ("labels.bin",))


def test_a_huge_directory_is_not_read(tmp_path: Path) -> None:
    put_zip(tmp_path / "a.zip")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[-10:-6] = (1 << 30).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match="not that of a small ZIP"):
        read_sheets(tmp_path / "a.zip", COUNT, ("labels.bin",))


def zipped(folder: Path) -> bytes:
    put_zip(folder / "whole.zip", {"labels.bin": Y[:1].tobytes(), "sheet_0.webp": sheet(X[:1] // 128)})
    return (folder / "whole.zip").read_bytes()


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 255), st.booleans())
def test_damage_to_an_archive_is_survived(tmp_path: Path, place: float, value: int, cut: bool) -> None:
    whole = zipped(tmp_path)
    at = int(place * len(whole))
    (tmp_path / "a.zip").write_bytes(whole[:at] + (b"" if cut else bytes([value]) + whole[at + 1 :]))
    try:
        read_sheets(tmp_path / "a.zip", 1, ("labels.bin",))
    except UserError as wrong:
        assert "\n" not in str(wrong)
