"""Our frames against SpikingJelly's: the same counts and order of channels, where the slices are the same."""

import ast
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

from bitspike.datasets.events import EVENT, Events
from bitspike.datasets.frames import FrameSettings, frames_of

pytestmark = pytest.mark.peer
REASON = "spikingjelly is not installed here: `make test-peers` makes an environment that has it"


FUNCTIONS = {
    "cal_fixed_frames_number_segment_index",
    "integrate_events_by_fixed_frames_number",
    "integrate_events_segment_to_frame",
}


@pytest.fixture(scope="module")
def peer() -> Callable[..., np.ndarray]:
    """Their function, taken out of its module, which asks for torchvision."""
    there = find_spec("spikingjelly")
    if there is None or there.origin is None:
        pytest.skip(REASON)
    tree = ast.parse((Path(there.origin).parent / "datasets" / "utils.py").read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS]
    names: dict[str, Any] = {"np": np, "math": math, "Optional": Optional}
    exec(compile(tree, "utils.py", "exec"), names)
    return names["integrate_events_by_fixed_frames_number"]


def recording(seed: int, count: int, even: bool = False) -> Events:
    draws = np.random.default_rng(seed)
    events = np.zeros(count, EVENT)
    events["t"] = np.arange(count) * 10 if even else np.sort(draws.integers(0, 10**6, count))
    events["x"], events["y"] = draws.integers(0, 20, count), draws.integers(0, 12, count)
    events["p"] = draws.integers(0, 2, count)
    return Events((20, 12), events)


def theirs(peer: Callable[..., np.ndarray], events: Events, split_by: str, slices: int) -> np.ndarray:
    fields = {name: events.events[name].astype(np.int64) for name in "txyp"}
    return peer(fields, split_by, slices, 12, 20)


@pytest.mark.parametrize("slices", [1, 2, 4, 10, 16])
@pytest.mark.parametrize("seed", range(5))
def test_slices_by_count_are_theirs_where_none_is_left_over(
    peer: Callable[..., np.ndarray], slices: int, seed: int
) -> None:
    events = recording(seed, 80 * slices)
    ours = frames_of(events, FrameSettings(slices=slices))
    assert np.array_equal(ours, theirs(peer, events, "number", slices))
    more = recording(seed, 80 * slices + slices - 1)  # what is left over they put into the last slice
    same = np.array_equal(frames_of(more, FrameSettings(slices=slices)), theirs(peer, more, "number", slices))
    assert same == (slices <= 2)


@pytest.mark.parametrize("slices", [1, 2, 4, 10])
def test_slices_by_time_are_theirs_where_it_divides(peer: Callable[..., np.ndarray], slices: int) -> None:
    events = recording(0, 40 * slices + 1, even=True)
    ours, other = frames_of(events, FrameSettings(slices=slices, by="time")), theirs(peer, events, "time", slices)
    assert ours.sum() == other.sum()
    assert np.abs(ours.astype(int) - other).sum() <= 2 * slices  # of the events on a border
