"""A neuron's step as data: what it computes, and what the proof says of it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike import UserError
from bitspike.intmath import saturate, shift_right, shift_right_round
from bitspike.ir.ops.program import Program, Step
from bitspike.ir.ops.proof import value_ranges
from bitspike.ir.ranges import Range


def soft(bits: int, lo: int, hi: int, *, v: int = 0, rounds: bool = False) -> Program:
    """Integrate, fire and subtract what was sent."""
    step = Step(v=v)
    u = step.named("u", step.v + step.x)
    level = step.named("level", (u + (1 << bits >> 1 if rounds else 0) >> bits).clip(lo, hi))
    return step.ends(level, ("u", "v"), v=step.named("left", u - (level << bits)))


def hard(bits: int, lo: int, hi: int, reset: int) -> Program:
    step = Step(v=reset)
    u = step.named("u", step.v + step.x)
    level = step.named("level", (u >> bits).clip(lo, hi))
    return step.ends(level, ("u", "v"), v=step.named("left", level.select(reset, u)))


def traced(bits: int, most: int, v: int) -> Program:
    """The neuron of paper 003: it remembers what it has sent, 0 to ``most``."""
    step = Step(v=v, sent=0)
    u = step.named("u", step.v + step.x)
    after = (step.sent + (u >> bits).clip(-1, 1)).clip(0, most)
    level = step.named("level", after - step.sent)
    return step.ends(level, ("u", "v"), v=step.named("left", u - (level << bits)), sent=after)


def run(program: Program, currents: list[int]) -> list[int]:
    (levels,) = program.run(np.array(currents, dtype=np.int64)[:, None], len(currents), program.level)
    return levels[:, 0].tolist()


# What it computes


def test_a_program_runs_step_by_step():
    assert run(soft(2, 0, 3), [3, 3, 20, 0]) == [0, 1, 3, 2]  # 3, 6 - 4, 22 - 12, 10 - 8
    assert run(hard(2, 0, 3, reset=-1), [4, 5, 3, 2]) == [0, 2, 0, 1]  # -1 + 4; 3 + 5; -1 + 3; 2 + 2
    assert run(traced(2, 2, v=2), [6, 4, 9, -30, 0, 0]) == [1, 1, 0, -1, -1, 0]


def test_a_held_current_is_the_same_at_every_step():
    program = soft(1, 0, 1)
    (held,) = program.run(np.array([[1]]), 4, program.level)
    assert held[:, 0].tolist() == [0, 1, 0, 1]


@given(st.integers(-(2**40), 2**40), st.integers(1, 2**15), st.integers(0, 20))
def test_primitives_are_those_of_intmath(x, factor, shift):
    step = Step(v=0)
    scaled = step.named("scaled", ((step.v + step.x) * factor).rounded(shift))
    clipped = step.named("clipped", scaled.clip(-5, 7))
    floor = step.named("floor", (step.x + 3) >> shift)
    program = step.ends(clipped, ("floor",), v=step.x)
    values = program.step(np.array([x]), {"v": np.array([0])})
    assert values["scaled"] == shift_right_round(x * factor, shift)
    assert values["clipped"] == saturate(values["scaled"], -5, 7)
    assert values["floor"] == shift_right(x + 3, shift)
    assert floor.name == "floor"


def test_what_changes_nothing_is_no_instruction():
    step = Step(v=0)
    same = (((step.v + 0) * 1) >> 0) - 0
    assert (same.name, step.instructions) == ("v", [])


def test_an_instruction_reads_as_its_equation():
    assert [str(made) for made in soft(2, 0, 3).instructions] == [
        "u = v + x",
        "shift1 = u >> 2",
        "level = clip(shift1, 0, 3)",
        "mul3 = level * 4",
        "left = u - mul3",
    ]


def test_only_what_a_result_is_made_by_is_needed():
    program = soft(2, 0, 3)
    assert [made.result for made in program.needed("level")] == ["u", "shift1", "level"]
    assert program.needed("v", "x", 3) == []


def test_names_are_given_once_and_state_is_carried_whole():
    step = Step(v=0, sent=0)
    step.named("u", step.v + step.x)
    for taken in ("u", "v", "x"):
        with pytest.raises(UserError, match=f"program value: got '{taken}'; the name is taken"):
            step.named(taken, step.v + 1)
    with pytest.raises(UserError, match=r"carried state: got \['v'\]; want sent, v"):
        step.ends(step.v, ("v",), v=step.v)
    with pytest.raises(AttributeError):
        _ = step.w


# What is proven of it


def reached(program: Program, currents: range, steps: int) -> dict[str, set[int]]:
    """Every value of every step that any currents can make, by trying them all."""
    states = {tuple(program.start.values())}
    seen = {name: {value} for name, value in program.start.items()}
    for _ in range(steps):
        after = set()
        for state, x in product(states, currents):
            values = program.step(np.int64(x), dict(zip(program.start, map(np.int64, state), strict=True)))
            for name, value in values.items():
                seen.setdefault(name, set()).add(int(value))
            after.add(tuple(int(values[s]) if isinstance(s, str) else s for s in program.carried.values()))
        states = after
        for state in states:
            for name, value in zip(program.start, state, strict=True):
                seen[name].add(value)
    return seen


PROGRAMS = {
    "soft": soft(2, 0, 3, v=1),
    "soft, one bit": soft(2, 0, 1),
    "soft, no fraction": soft(0, 0, 3),
    "soft, signed": soft(2, -2, 2, v=-3),
    "soft, rounds": soft(3, -1, 2, rounds=True),
    "hard": hard(2, 0, 3, reset=-1),
    "hard, signed": hard(2, -3, 3, reset=1),
    "tracer": traced(2, 3, v=2),
}
CURRENTS = (range(-9, 12), range(3, 9), range(-20, -14), range(40, 47), range(0, 1))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("currents", CURRENTS, ids=str)
def test_nothing_that_happens_is_outside_of_the_proof(name, currents):
    program = PROGRAMS[name]
    proven = value_ranges(program, 3, Range(currents[0], currents[-1]))
    for value, seen in reached(program, currents, 3).items():
        assert proven[value].lo <= min(seen), value
        assert max(seen) <= proven[value].hi, value


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "tracer"])
@pytest.mark.parametrize("currents", CURRENTS, ids=str)
def test_one_step_is_proven_exactly(name, currents):
    """An interval for each value would lose what is subtracted: then this fails."""
    program = PROGRAMS[name]
    proven = value_ranges(program, 1, Range(currents[0], currents[-1]))
    for value, seen in reached(program, currents, 1).items():
        assert tuple(proven[value]) == (min(seen), max(seen)), value


def test_what_is_sent_in_all_bounds_the_potential():
    """However long a neuron with a tracer runs, its potential is the currents' sum less 0 to ``most`` thresholds."""
    program, current, total = traced(4, 3, v=8), Range(-5, 5), Range(-40, 60)
    short, long = (value_ranges(program, steps, current, total) for steps in (20, 2000))
    assert long["left"] == short["left"].including(*long["left"])
    assert long["left"].lo >= 8 - 40 - 3 * 16
    assert long["left"].hi <= 8 + 60
    assert value_ranges(program, 2000, current)["left"].hi > 1000  # without the sums nothing ends it


def test_a_choice_by_anything_but_a_level_is_no_shortcut():
    """The relation holds at a quantizer's thresholds: a choice elsewhere is an interval, and stays right."""
    step = Step(v=0)
    u = step.named("u", step.v + step.x)
    level = step.named("level", (u >> 2).clip(0, 1))
    odd = step.named("odd", (u - 6).select(u, 100))  # 100 at u = 6 alone
    program = step.ends(level, ("u",), v=odd)
    assert value_ranges(program, 1, Range(0, 50))["odd"].hi == 100


def test_two_bounds_that_hold_back_are_no_shortcut():
    step = Step(v=0, a=0, b=0)
    u = step.named("u", step.v + step.x)
    wanted = (u >> 1).clip(0, 3)
    first = (step.a + wanted).clip(0, 4)
    second = (step.b + wanted).clip(0, 2)
    one, two = step.named("one", first - step.a), step.named("two", second - step.b)
    apart = step.named("apart", one - two)
    program = step.ends(apart, ("u",), v=u - wanted, a=first, b=second)
    currents = range(-3, 8)
    proven, seen = value_ranges(program, 3, Range(-3, 7)), reached(program, currents, 3)
    assert all(proven[name].lo <= min(values) <= max(values) <= proven[name].hi for name, values in seen.items())


@pytest.mark.parametrize("big", [2**61, -(2**61)])
def test_what_could_leave_64_bits_is_refused_by_name(big):
    step = Step(v=0)
    leaked = step.named("leak", step.v * 3)
    level = step.named("level", (leaked + step.x).clip(0, 1))
    program = step.ends(level, ("leak",), v=step.x)
    value_ranges(program, 1, Range(min(big, 0), max(big, 0)))
    with pytest.raises(UserError, match=r"leak: got .*; the leak could overflow 64 bits"):
        value_ranges(program, 3, Range(min(big, 0), max(big, 0)))
