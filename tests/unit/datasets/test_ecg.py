"""Electrocardiograms: codes and labels are those of the file, and other files are refused."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitspike.datasets import check, find_dataset, load_split
from bitspike.datasets.ecg import parse_ecg
from bitspike.errors import UserError
from bitspike.sample import Sample

scipy_io = pytest.importorskip("scipy.io", reason="needs SciPy")

DRAWS = np.random.default_rng(0)
X = DRAWS.integers(-1, 2, (3, 1301, 4)).astype(np.int16)
Y = np.eye(6, dtype=np.uint8)[DRAWS.integers(0, 6, (3, 1301))]


def mat(**arrays: Any) -> bytes:
    out = io.BytesIO()
    scipy_io.savemat(out, arrays, do_compression=True)
    return out.getvalue()


def test_codes_and_labels_are_those_of_the_file() -> None:
    Y[1, 5] = 0  # no label at all counts as the first
    codes, labels = parse_ecg(mat(x=X, y=Y, t=X[..., 0], max_i=X[:, 0, 0]), "here")
    assert codes.dtype == labels.dtype == np.uint8
    assert np.array_equal(codes.astype(int) - 1, X)
    assert labels[1, 5] == 0
    for n, t in np.ndindex(3, 1301):
        assert Y[n, t].tolist() == [int(k == labels[n, t]) for k in range(6)] or (n, t) == (1, 5)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": X},
        {"y": Y},
        {"x": X.astype(float), "y": Y},
        {"x": X[:, :-1], "y": Y},
        {"x": X[..., :3], "y": Y},
        {"x": X, "y": Y[..., :5]},
        {"x": X * 2, "y": Y},
        {"x": X, "y": Y * 2},
        {"x": X, "y": np.ones_like(Y)},
        {"x": X[0], "y": Y[0]},
    ],
)
def test_other_arrays_are_refused(arrays: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^here: "):
        parse_ecg(mat(**arrays), "here")


def test_damaged_files_are_refused_or_read_as_they_were() -> None:
    content = mat(x=X, y=Y)
    for length in range(0, len(content), 997):
        with pytest.raises(UserError, match=r"^here: "):
            parse_ecg(content[:length], "here")


def test_the_dataset(tmp_path: Path) -> None:
    dataset = find_dataset("ecg")
    assert dataset.sample == Sample((4,), 1301, -1, 1)
    assert str(dataset.sample) == "1301@4"
    assert dataset.labels_per_step
    with pytest.raises(UserError, match=r"no QTDB_train\.mat in qtdb_ecg/\. Get QTDB_train\.mat"):
        load_split("ecg", "train", tmp_path)
    (tmp_path / "qtdb_ecg").mkdir()
    (tmp_path / "qtdb_ecg" / "QTDB_test.mat").write_bytes(mat(x=X, y=Y))
    with pytest.raises(UserError, match=r"want images of shape \(141, 1301, 4\)"):
        load_split("ecg", "test", tmp_path)
    x, y = (np.concatenate([part] * 47) for part in (X, Y))
    (tmp_path / "qtdb_ecg" / "QTDB_test.mat").write_bytes(mat(x=x, y=y))
    codes, labels = load_split("ecg", "test", tmp_path)
    assert np.array_equal(codes, (x + 1).astype(np.uint8))
    assert labels.shape == (141, 1301)
    _, test = check("ecg", tmp_path)
    assert (test.present, test.checksum, test.ok) == (True, "wrong", False)
