"""IDX files: what is written is read, and anything else is one line."""

import gzip
import lzma
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets.checksums import md5
from bitspike.datasets.idx import IdxSource, parse_idx
from bitspike.errors import UserError


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES = np.arange(3 * 2 * 2, dtype=np.uint8).reshape(3, 2, 2)
LABELS = np.array([2, 0, 1], np.uint8)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_a_written_array_is_read(shape: list[int], seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(parse_idx(idx(array), len(shape), "f"), array)


@given(st.binary(max_size=64), st.integers(1, 3))
def test_any_bytes_are_an_array_or_one_line(content: bytes, dimensions: int) -> None:
    try:
        array = parse_idx(content, dimensions, "f")
    except UserError as wrong:
        assert "\n" not in str(wrong)
    else:
        assert array.ndim == dimensions


@given(st.integers(0, len(idx(IMAGES)) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(UserError, match=r"^some-file: got "):
        parse_idx(idx(IMAGES)[:length], 3, "some-file")


def test_messages_name_bytes_seen_and_wanted() -> None:
    with pytest.raises(UserError, match="got '27 bytes'; want 28"):
        parse_idx(idx(IMAGES)[:-1], 3, "f")
    with pytest.raises(UserError, match=r"magic number 00000801.*want 00000803"):
        parse_idx(idx(LABELS), 3, "f")


def test_a_header_of_terabytes_allocates_nothing() -> None:
    with pytest.raises(UserError, match="want 79228162458924105385300197391"):
        parse_idx(bytes((0, 0, 8, 3)) + b"\xff" * 12, 3, "f")


def test_sizes_of_zero_are_refused() -> None:
    with pytest.raises(UserError, match="want 16"):
        parse_idx(bytes((0, 0, 8, 3)) + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1), 3, "f")


NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
CONTENTS = dict(zip(NAMES, (idx(IMAGES), idx(LABELS)), strict=True))
SOURCE = IdxSource(("mine", "Mine/raw"), {name: md5(content) for name, content in CONTENTS.items()})


def put(folder: Path, suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    compress = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[suffix]
    for name, content in CONTENTS.items():
        (folder / (name + suffix)).write_bytes(compress(content))


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
@pytest.mark.parametrize("folder", ["mine", "Mine/raw", "."])
def test_files_are_found_in_every_place_and_form(tmp_path: Path, folder: str, suffix: str) -> None:
    put(tmp_path / folder, suffix)
    found = SOURCE.find("train", tmp_path)
    assert found.place == str(tmp_path / folder)
    ((images, labels),) = SOURCE.parse("train", found.read())
    np.testing.assert_array_equal(images, IMAGES[:, None])
    np.testing.assert_array_equal(labels, LABELS)


def test_the_named_folder_wins(tmp_path: Path) -> None:
    put(tmp_path)
    put(tmp_path / "mine")
    assert SOURCE.find("train", tmp_path).place == str(tmp_path / "mine")


def test_files_of_another_dataset_are_not_taken(tmp_path: Path) -> None:
    put(tmp_path)
    other = IdxSource(("theirs",), dict.fromkeys(NAMES, "0" * 32))
    with pytest.raises(FileNotFoundError, match="no official train-images-idx3-ubyte"):
        other.find("train", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    put(tmp_path / "mine")
    (tmp_path / "mine" / NAMES[1]).unlink()
    with pytest.raises(FileNotFoundError, match=r"no train-labels-idx1-ubyte .* in mine/"):
        SOURCE.find("train", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no t10k-images-idx3-ubyte .* in mine/"):
        SOURCE.find("test", tmp_path)


def test_a_damaged_file_beside_the_folders_is_not_taken(tmp_path: Path) -> None:
    put(tmp_path, ".gz")
    (tmp_path / f"{NAMES[1]}.gz").write_bytes(b"damaged")
    with pytest.raises(FileNotFoundError, match="no official"):
        SOURCE.find("train", tmp_path)
