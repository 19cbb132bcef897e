"""Pickled CIFAR batches: the official ones are read, nothing that they ask for is run."""

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets.pickled import parse_batch, read_batch
from bitspike.errors import UserError

COUNT = 3
DATA = np.random.default_rng(0).integers(0, 256, (COUNT, 3072), np.uint8)
LABELS = [6, 9, 0]


def python2_string(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text if len(text) < 256 else b"T" + struct.pack("<i", len(text)) + text


def python2_batch(data: np.ndarray, labels: list[int], labels_key: bytes = b"labels") -> bytes:
    """The operations that Python 2.7 and its NumPy wrote, protocol 2, as in the official files."""
    count, size = data.shape
    out = b"\x80\x02}q\x01(" + python2_string(b"batch_label") + b"q\x02" + python2_string(b"training batch 1 of 5")
    out += b"q\x03" + python2_string(labels_key) + b"q\x04]q\x05("
    out += b"".join(b"K" + bytes([label]) for label in labels) + b"e" + python2_string(b"data") + b"q\x06"
    out += b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85" + python2_string(b"b")
    out += b"\x87Rq\x09(K\x01M" + struct.pack("<H", count) + b"M" + struct.pack("<H", size) + b"\x86cnumpy\ndtype\n"
    out += b"q\x0a" + python2_string(b"u1") + b"K\x00K\x01\x87Rq\x0b(K\x03" + python2_string(b"|") + b"NNN"
    out += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + python2_string(data.tobytes()) + b"tb"
    out += python2_string(b"filenames") + b"q\x0c]r\x00\x01\x00\x00("
    out += b"".join(python2_string(b"leptodactylus_%d.png" % i) for i in range(len(labels))) + b"eu."
    return out


def python3_batch(protocol: int, **changes: Any) -> bytes:
    return pickle.dumps({"data": DATA, "labels": LABELS, "batch_label": b"x", **changes}, protocol)


@pytest.mark.parametrize(
    "content",
    [python2_batch(DATA, LABELS), python3_batch(3), python3_batch(4)],
    ids=["python 2", "python 3, protocol 3", "python 3, protocol 4"],
)
def test_a_batch_is_read(content: bytes) -> None:
    images, labels = parse_batch(content, COUNT, "labels", "f")
    np.testing.assert_array_equal(images, DATA.reshape(COUNT, 3, 32, 32))
    np.testing.assert_array_equal(labels, LABELS)


def test_our_python2_writer_writes_what_unpickling_understands() -> None:
    batch = pickle.loads(python2_batch(DATA, LABELS), encoding="latin1")
    np.testing.assert_array_equal(batch["data"], DATA)
    assert batch["labels"] == LABELS
    assert batch["filenames"][2] == "leptodactylus_2.png"
    assert read_batch(python2_batch(DATA, LABELS), "f")["filenames"] == batch["filenames"]


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(5))
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "touched"
    content = pickle.dumps({"data": Evil(target), "labels": []}, protocol)
    with pytest.raises(UserError, match=r"refused|not a CIFAR batch"):
        read_batch(content, "f")
    assert not target.exists()
    pickle.loads(content)  # the planted crime is a real one
    assert target.exists()


@pytest.mark.parametrize("name", ["os system", "builtins eval", "numpy load", "numpy.core.multiarray ndarray"])
def test_other_names_are_refused_by_name(name: str) -> None:
    content = b"\x80\x02}U\x04datac" + name.replace(" ", "\n").encode() + b"\n(tRs."
    with pytest.raises(UserError, match=rf"^batch: got '{name}'; a name that no CIFAR batch holds"):
        read_batch(content, "batch")


def test_an_allowed_name_is_not_called_in_another_way() -> None:
    with pytest.raises(UserError, match="a bare dtype"):
        read_batch(b"\x80\x02}U\x04datacnumpy\ndtype\n(tRs.", "f")
    with pytest.raises(UserError, match="refused"):
        read_batch(b"\x80\x02}U\x04datacnumpy\nndarray\n)\x81s.", "f")  # NEWOBJ


@given(st.binary(max_size=100))
def test_any_bytes_are_one_line_or_a_dict(content: bytes) -> None:
    try:
        assert isinstance(read_batch(content, "f"), dict)
    except UserError as wrong:
        assert "\n" not in str(wrong)


SMALL = python2_batch(np.zeros((2, 2), np.uint8), [1, 2])


@given(st.integers(0, len(SMALL) - 1), st.integers(0, 255))
def test_any_damage_is_survived(place: int, value: int) -> None:
    content = SMALL[:place] + bytes([value]) + SMALL[place + 1 :]
    try:
        read_batch(content, "f")
    except UserError as wrong:
        assert "\n" not in str(wrong)


@given(st.integers(0, len(SMALL) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(UserError):
        read_batch(SMALL[:length], "f")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02" + b")" + b"\x85" * 100_000 + b".",  # tuples within tuples
        b"\x80\x02]q\x00h\x00a.",  # a list within itself
        b"\x80\x02}q\x00(U\x01ah\x00u" + b"\x85" * 50_000 + b".",
        b"\x80\x02" + b"K\x01" * 1_000_001 + b".",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",  # a number of two gigabytes
        b"\x80\x02B\xff\xff\xff\xff.",
    ],
    ids=["deep", "cyclic", "deep cycle", "endless", "long number", "long string"],
)
def test_machines_of_mischief(content: bytes) -> None:
    with pytest.raises(UserError):
        read_batch(content, "f")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": DATA[:2]}, "got .2, 3072.; want data of shape .3, 3072."),
        ({"data": DATA.astype(np.int16)}, "unsigned bytes"),
        ({"data": np.asfortranarray(DATA)}, "C order"),
        ({"data": [1]}, "got None; want data"),
        ({"labels": LABELS[:2]}, "a list of 3 class numbers"),
        ({"labels": [1, 2, 256]}, "a list of 3 class numbers"),
        ({"labels": [1, 2, True]}, "a list of 3 class numbers"),
        ({"labels": None}, "a list of 3 class numbers"),
    ],
)
def test_what_is_no_batch_is_said(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_batch(python3_batch(3, **changes), COUNT, "labels", "f")
