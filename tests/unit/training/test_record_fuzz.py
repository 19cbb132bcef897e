"""What a run found, read back: taken as it was written, or refused on one line that names file and key."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from test_run_fuzz import damage, load_run_folder, nested, one_line

from bitspike import UserError
from bitspike.costs import Activity
from bitspike.reports import results_table
from bitspike.training.record import read_result

RESULT: dict[str, Any] = {
    "recipe": "digits-convnet", "dataset": "digits", "model": "convnet", "bits": "2/2/1", "seed": 0, "epochs": 1,
    "test_accuracy": 97.5, "validation_accuracy": None, "bit_budget": 4, "s_ace": 100, "ns_ace": 50.5, "sops": 10.0,
    "spikes": 4.0, "size_bytes": 90.0, "mean_bit_budget": 4.0, "energy_nj": None, "memory_bytes": {"exact": 10.0},
}  # fmt: skip
ACTIVITY: dict[str, Any] = {
    "images": 2, "source": "two images",
    "synapses": {"a": {"elements": 8, "events": 4, "sops": 4, "additions": None}},
    "neurons": {"b": {"elements": 8, "spikes": 4, "level_sum": 6}},
    "weights": {"a": {"elements": 8, "positive": 4, "negative": 4, "entropy": 1.0}},
}  # fmt: skip


def result_of(file: Path) -> None:
    """Reads it, and makes of it what a command prints."""
    found = read_result(file)
    results_table([found], "run")
    json.dumps(found, allow_nan=False)


def activity_of(file: Path) -> None:
    json.dumps(Activity.load(file).to_dict(), allow_nan=False)


def read_back(read: Any, file: Path, content: str) -> str:
    file.write_text(content)
    try:
        read(file)
    except UserError as wrong:
        assert file.name in str(wrong)
        return one_line(wrong)
    return "read"


READERS = {"result.json": (result_of, RESULT), "activity.json": (activity_of, ACTIVITY)}


def fuzz_records(folder: Path, name: str, count: int, seed: int) -> dict[str, int]:
    found, (read, whole) = {"refused": 0, "read": 0}, READERS[name]
    for index in range(count):
        chance, raw = random.Random(f"{seed}/{index}"), deepcopy(whole)
        damage(raw, chance)
        found[read_back(read, folder / name, json.dumps(raw))] += 1
    return found


@pytest.mark.parametrize("name", READERS)
def test_damaged_records(tmp_path: Path, name: str) -> None:
    assert read_back(READERS[name][0], tmp_path / name, json.dumps(READERS[name][1])) == "read"
    found = fuzz_records(tmp_path, name, 500, seed=1)
    assert found["refused"] > 200
    assert found["read"] > 10, "the damage is too coarse to get past the first checks"


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", ["", "{", "null", "[]", "[{}]", "1", '"x"', "NaN", "{}", nested(100_000)])
def test_a_record_that_is_none(tmp_path: Path, name: str, text: str) -> None:
    assert read_back(READERS[name][0], tmp_path / name, text) == "refused"


@pytest.mark.parametrize("key", ["model", "bits", "test_accuracy", "bit_budget", "s_ace", "ns_ace", "size_bytes"])
@pytest.mark.parametrize("value", [None, True, [1], {}, "1", float("nan"), float("inf"), -1, "missing"])
def test_a_result_names_its_key(tmp_path: Path, key: str, value: Any) -> None:
    raw = {**RESULT, key: value}
    if value == "missing":
        del raw[key]
    elif (key, value) in (("model", "1"), ("ns_ace", None)):
        pytest.skip("it may be there")
    (tmp_path / "result.json").write_text(json.dumps(raw))
    with pytest.raises(UserError, match=rf"^{key}: got .* \(in .*result\.json\)$"):
        read_result(tmp_path / "result.json")


def test_a_network_without_spikes_has_a_result(tmp_path: Path) -> None:
    raw = RESULT | dict.fromkeys(("ns_ace", "sops", "spikes"))
    assert read_back(result_of, tmp_path / "result.json", json.dumps(raw)) == "read"


def test_a_key_that_only_a_method_knows_is_a_number_too(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({**RESULT, "own": {"deep": [1.0, float("nan")]}}))
    with pytest.raises(UserError, match=r"^own: got 'no number'; want a finite number \(in .*result\.json\)$"):
        read_result(tmp_path / "result.json")


def test_metrics_that_are_no_numbers(tmp_path: Path) -> None:
    """They would become the validation accuracy of the result."""
    folder = load_run_folder(tmp_path)
    folder.metrics_file.write_text('{"step": 1, "epoch": 1, "validation_accuracy": NaN}\n{"step": 2, "loss": 1.0}\n')
    with pytest.raises(UserError, match="line 1 of") as refused:
        list(folder.metrics())
    one_line(refused.value)
