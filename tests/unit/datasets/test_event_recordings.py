"""Real recordings against what independent readers found in them, where they are: `BITSPIKE_EVENT_RECORDINGS`."""

import hashlib
import json
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bitspike.datasets.events import EVENT, read_events

ARCHIVE = os.environ.get("BITSPIKE_EVENT_RECORDINGS", "")
"""A folder that holds ``ground_truth.json`` and the files that it speaks of."""
TRUTH = json.loads(Path(ARCHIVE, "ground_truth.json").read_text(encoding="utf-8")) if ARCHIVE else {}
NEEDS = {"aedat4": "faery", "evt2.raw": "faery", "evt3.raw": "faery", ".es": "faery", ".mat": "scipy"}
DVS128 = "raw address bits"
"""What a note says of a DVS128, whose polarity bit is 0 where we, and jAER, say 1."""

pytestmark = pytest.mark.skipif(not ARCHIVE, reason="BITSPIKE_EVENT_RECORDINGS names no folder of recordings")


def path_of(name: str) -> Path:
    for end, module in NEEDS.items():
        if name.endswith(end) and find_spec(module) is None:
            pytest.skip(f"needs {module}: pip install 'bitspike[events]'")
    return Path(ARCHIVE, name)


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_a_recording_is_what_others_found_in_it(name: str) -> None:
    path, truth = path_of(name), TRUTH[name]
    assert hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == truth["md5"]
    found = read_events(path)
    if name.endswith(".mat"):
        assert (len(found), found.sensor_size) == (truth["shape"][1], (10, 10))
        ends = [round(1e6 * truth[f"row_last_{end}"]) for end in ("min", "max")]
        assert [int(t) for t in found.events["t"][[0, -1]]] == ends
        return
    assert (len(found), *found.sensor_size) == (truth["events"], truth["width"], truth["height"])
    t, x, y, p = (found.events[field] for field in "txyp")
    assert (int(t[0]), int(t[-1])) == (truth["t_first_us"], truth["t_last_us"])
    seen = [int(value) for value in (x.min(), x.max(), y.min(), y.max())]
    assert seen == [truth[key] for key in ("x_min", "x_max", "y_min", "y_max")]
    share = 1 - p.mean() if truth.get("note", "").startswith(DVS128) else p.mean()
    assert share == pytest.approx(truth["on_fraction"], abs=1e-6)


def test_dat_and_evt3_are_of_the_same_recording() -> None:
    ours, theirs = (read_events(path_of(f"prophesee/{name}")).events for name in ("gen4.dat", "evt3.raw"))
    assert all(np.array_equal(ours[field], theirs[field]) for field in "xyp")


def test_dat_as_faery_reads_it() -> None:
    faery = pytest.importorskip("faery", reason="needs faery: pip install 'bitspike[events]'")
    path = path_of("prophesee/gen4.dat")
    assert np.array_equal(read_events(path).events, faery.events_stream_from_file(path).to_array().view(EVENT))
