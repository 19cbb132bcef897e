"""The solver against every choice there is, and what it says where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike import UserError
from bitspike.allocation import Option, smallest, solve
from bitspike.bits import Bits

pytest.importorskip("scipy")

Layers = dict[str, list[Option]]
Chosen = Sequence[Option] | None


def option(loss: float, **costs: float) -> Option:
    return Option(Bits(1, 1, 1), loss, costs)


def spent(chosen: Sequence[Option], name: str) -> float:
    return sum(each.costs[name] for each in chosen)


def every_choice(layers: Layers, limits: Mapping[str, float]) -> list[tuple[Option, ...]]:
    """All that keep the limits."""
    choices = product(*layers.values())
    return [chosen for chosen in choices if all(spent(chosen, name) <= limit for name, limit in limits.items())]


def least_loss(choices: Sequence[Sequence[Option]]) -> float:
    return min(sum(each.loss for each in chosen) for chosen in choices)


@st.composite
def networks(draw: st.DrawFn, unit: float = 1.0) -> Layers:
    """Two to five layers of one to five options; losses are sixty-fourths, so that their sums are exact."""
    options = st.builds(
        lambda loss, size, work: option(loss / 64, size=size * unit, s_ace=work),
        st.integers(-64, 640),
        st.integers(1, 50),
        st.integers(1, 50),
    )
    return {f"layer{i}": draw(st.lists(options, min_size=1, max_size=5)) for i in range(draw(st.integers(2, 5)))}


@settings(max_examples=150)
@given(layers=networks(), names=st.sampled_from([["size"], ["s_ace"], ["size", "s_ace"]]), data=st.data())
def test_no_choice_that_keeps_the_limits_has_less_loss(layers: Layers, names: list[str], data: st.DataObject) -> None:
    limits = {name: data.draw(st.integers(1, 60 * len(layers)), label=name) for name in names}
    choices = every_choice(layers, limits)
    if not choices:
        with pytest.raises(UserError) as refused:
            solve(layers, limits)
        assert "\n" not in str(refused.value)
        return
    chosen = solve(layers, limits)
    assert list(chosen) == list(layers)
    assert all(each in layers[name] for name, each in chosen.items())
    assert all(spent(list(chosen.values()), name) <= limit for name, limit in limits.items())
    assert sum(each.loss for each in chosen.values()) == least_loss(choices)


def test_the_comparison_with_every_choice_can_fail() -> None:
    """What takes the best for each byte, layer by layer, is not the best."""
    layers = {"a": [option(1, size=1), option(0, size=3)], "b": [option(4, size=1), option(0, size=4)]}
    greedy = (layers["a"][1], layers["b"][0])
    choices = every_choice(layers, {"size": 5})
    assert greedy in choices
    assert sum(each.loss for each in greedy) > least_loss(choices)
    assert solve(layers, {"size": 5}) == {"a": layers["a"][0], "b": layers["b"][1]}


@settings(max_examples=50)
@given(layers=networks(unit=0.1), name=st.sampled_from(["size", "s_ace"]))
def test_a_limit_equal_to_the_smallest_possible_is_kept_exactly(layers: Layers, name: str) -> None:
    limit = smallest(layers, name)
    assert limit == spent([min(options, key=lambda each: each.costs[name]) for options in layers.values()], name)
    chosen = solve(layers, {name: limit})
    assert spent(list(chosen.values()), name) == limit
    assert sum(each.loss for each in chosen.values()) == least_loss(every_choice(layers, {name: limit}))


@settings(max_examples=50)
@given(layers=networks(), data=st.data())
def test_limits_that_a_choice_meets_exactly_are_not_too_small(layers: Layers, data: st.DataObject) -> None:
    wanted = [data.draw(st.sampled_from(options)) for options in layers.values()]
    limits = {name: spent(wanted, name) for name in ("size", "s_ace")}
    chosen = solve(layers, limits)
    assert sum(each.loss for each in chosen.values()) == least_loss(every_choice(layers, limits))


@pytest.mark.parametrize("above", [1, 100])
@pytest.mark.parametrize("smallest_possible", [True, False])
def test_a_cost_that_is_hardly_too_large_is_too_large(above: int, smallest_possible: bool) -> None:
    """A billion and one are not a billion, however small a share that is; nor is the next best choice overlooked."""
    limit = 10**9
    layers = {
        "large": [option(5, s_ace=limit - 10), *([] if smallest_possible else [option(50, s_ace=limit // 2)])],
        "small": [option(2, s_ace=10), option(1, s_ace=10 + above)],
    }
    chosen = solve(layers, {"s_ace": limit})
    assert spent(list(chosen.values()), "s_ace") <= limit
    assert sum(each.loss for each in chosen.values()) == 7


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6, 1e-9])
def test_small_losses_are_told_apart(scale: float) -> None:
    layers = {str(i): [option(scale * loss, size=4 - loss) for loss in (3, 1, 0)] for i in range(4)}
    chosen = solve(layers, {"size": 10})
    choices = every_choice(layers, {"size": 10})
    assert sum(each.loss for each in chosen.values()) == pytest.approx(least_loss(choices), rel=1e-9)


def test_without_limits_every_layer_has_its_best() -> None:
    layers = {"a": [option(2, size=1), option(-1, size=9)], "b": [option(0, size=9), option(3, size=1)]}
    assert solve(layers, {}) == {"a": layers["a"][1], "b": layers["b"][0]}


def test_an_impossible_limit_is_one_line_that_says_the_smallest_possible() -> None:
    layers = {"a": [option(0, size=1000.5), option(0, size=2000)], "b": [option(0, size=300), option(1, size=200)]}
    assert smallest(layers, "size") == 1200.5
    with pytest.raises(UserError, match=r"^budget size: got '1,200'; the smallest possible is 1,200\.5$"):
        solve(layers, {"size": 1200})
    assert solve(layers, {"size": 1200.5}) == {"a": layers["a"][0], "b": layers["b"][1]}


def test_limits_that_cannot_be_kept_together_are_one_line_that_says_so() -> None:
    layers = {"a": [option(0, size=1, s_ace=9), option(0, size=9, s_ace=1)]}
    with pytest.raises(UserError, match=r"^budgets: got .*; each can be kept, but not all at once$") as refused:
        solve(layers, {"size": 5, "s_ace": 6})
    assert "size 5 (alone 1), s_ace 6 (alone 1)" in str(refused.value)
    assert solve(layers, {"size": 5, "s_ace": 9})
