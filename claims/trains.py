"""The papers' claims on trains: steps against bits on four data sets, at the same spike bits times steps.

A data set comes in fewer steps without losing a spike: slices of N-MNIST's events are fewer and longer, with as much
more room for counts, and the steps of the others are summed. What is lost is when they came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from claims.claim import BELOW_0, Claim, Measured, Outcome, at_most, beats, ratio_at_most, worst

__all__ = ["event_data_in_one_step", "few_steps_on_events", "low_bits_on_events", "steps_for_bits"]

Edits = tuple[str, ...]
PAIRS = ((1, 8), (2, 4), (4, 2), (8, 1))
"""Spike bits, and steps where most are 8; the electrocardiograms have 1301, 650, 325 and 162."""
MOST_STEPS = {"n-mnist": 8, "moving-fashion": 8, "spoken-digits": 8, "ecg": 1301}
RECIPES = {
    "n-mnist": "nmnist-convnet",
    "moving-fashion": "moving-fashion-convnet",
    "spoken-digits": "spoken-digits-mlp",
    "ecg": "ecg-mlp",
}
WEIGHT_BITS = {"n-mnist": 2, "moving-fashion": 2, "spoken-digits": 4, "ecg": 8}
IN_FEWER_STEPS = {
    "spoken-digits": "; its levels are changes of loudness, so what all steps add up to is nearly nothing",
    "ecg": "; a step that is a sum has the label that most of its steps have",
}
"""What a sum of steps does to a data set, beside losing when they came."""
COUNTS = 120
"""The largest count of an event frame, times the frames."""


def steps_of(data: str, spike_bits: int) -> int:
    """At ``spike_bits``."""
    return MOST_STEPS[data] // spike_bits


def trains(data: str, spike_bits: int) -> Edits:
    """What makes the trains of a data set as long as that."""
    T = steps_of(data, spike_bits)
    if data == "n-mnist":
        return (f"frames.slices={T}", f"frames.clip={COUNTS // T}")
    if data == "moving-fashion":
        return ("frames.slices=8", f"dataset={'' if T == 8 else f'summed:{8 // T}:'}moving-fashion")
    at_once = (64 if data == "spoken-digits" else 1301) // T
    return (f"dataset={'' if at_once == 1 else f'summed:{at_once}:'}{data}",)


def uniform(data: str, spike_bits: int) -> Edits:
    """All layers alike, with the multi-bit neuron, which forgets in the same time whatever the steps."""
    tau = 16 // spike_bits if data == "ecg" else 2
    neuron = ("neuron=multibit", f"neuron.tau={tau}", "neuron.surrogate_function=straight-through")
    return (*trains(data, spike_bits), f"bits={_bits(data, spike_bits)}", *neuron)


def learned(data: str, spike_bits: int) -> Edits:
    """Bits of weights and spikes are learned, at that mean; steps stay."""
    bits = _bits(data, spike_bits)
    neuron = ("neuron=adaptive", "neuron.tau=1", "quantizer=adaptive")
    learns = ("methods.learned-bits.learns=w,s", f"methods.learned-bits.target={bits}")
    return (*trains(data, spike_bits), f"bits={bits}", *neuron, *learns)


def _bits(data: str, spike_bits: int) -> str:
    return f"{WEIGHT_BITS[data]}/{spike_bits}/{steps_of(data, spike_bits)}"


def _label(edits: Edits) -> str:
    return " ".join(edits)


def _traded(settings: Callable[[str, int], Edits], data: str, measured: Measured) -> tuple[list[Sequence[float]], str]:
    """Accuracies from most steps to fewest, and what each trade does to them."""
    found = [measured["test_accuracy"][_label(settings(data, s))] for s, _ in PAIRS]
    named = [f"{s} bits, {steps_of(data, s)} steps" for s, _ in PAIRS]
    compared = zip(pairwise(named), pairwise(found), strict=True)
    why = "; ".join(f"{fewer} over {more}: {beats(b, a)[2]}" for (more, fewer), (a, b) in compared)
    return found, why + IN_FEWER_STEPS.get(data, "")


def judge_steps_are_worth_more(data: str, measured: Measured) -> Outcome:
    """Most steps beat fewest, by more than twice the standard error, and no trade on the way gains so much."""
    found, why = _traded(uniform, data, measured)
    falls = at_most(found[-1], found[0], BELOW_0)
    gains = any(gain > 0 and clear for gain, clear, _ in (beats(b, a) for a, b in pairwise(found)))
    why += f"; fewest over most: {beats(found[-1], found[0])[2]}"
    return Outcome(worst(falls, "not confirmed" if gains else "confirmed"), why)


def judge_few_steps(data: str, measured: Measured) -> Outcome:
    """With learned bits a quarter of the steps, of four times the bits, cost at most 1 point."""
    found, why = _traded(learned, data, measured)
    most, few = found[0], found[2]
    uniform_too = measured["test_accuracy"].get(_label(uniform(data, 4)))
    why += "" if uniform_too is None else f"; learned over uniform at 4 bits: {beats(few, uniform_too)[2]}"
    return Outcome(at_most(most, few, 1), why)


def _claims(
    name: str,
    statement: str,
    where: str,
    settings: Sequence[Callable[[str, int], Edits]],
    judge: Callable[[str, Measured], Outcome],
    sets: Sequence[str],
) -> tuple[Claim, ...]:
    def of(data: str) -> Claim:
        runs = tuple((RECIPES[data], setting(data, s)) for setting in settings for s, _ in PAIRS)
        rule = partial(judge, data)
        rule.__doc__ = judge.__doc__
        return Claim(f"{name}-{data}", statement, where, runs, rule)

    return tuple(map(of, sets))


def steps_for_bits() -> tuple[Claim, ...]:
    """000.2, on each data set."""
    statement = "On event data, accuracy falls when steps are traded for spike bits."
    where = "Section 4.2, Table 3"
    return _claims("000.2", statement, where, (uniform,), judge_steps_are_worth_more, tuple(RECIPES))


def few_steps_on_events() -> tuple[Claim, ...]:
    """001.6, on each data set."""
    statement = "On event data accuracy survives small T."
    where = "Section 5.2.4, Tables 6, 7 and A.2"
    return _claims("001.6", statement, where, (learned, uniform), judge_few_steps, tuple(RECIPES))


FULL = ("bits=16/1/8", "layers={}", "methods.spike-regulation.weight=0")
ONE_BIT = ("bits=1/1/8/2",)
QSNN = "qsnn-convnet-nmnist"


def judge_low_bits(measured: Measured) -> Outcome:
    """With WS-DR, 1w-2u is at most 3 points below full precision."""
    full, low = (measured["test_accuracy"][_label(edits)] for edits in (FULL, ONE_BIT))
    return Outcome(at_most(full, low, 3), f"full precision over 1w-2u: {beats(full, low)[2]}")


def low_bits_on_events() -> Claim:
    """The event rows of 002's Table 1."""
    return Claim(
        "002.1-n-mnist",
        "On event data too, one-bit weights and two-bit membranes stay within a few points of full precision.",
        "Section 5.2, Table 1",
        tuple((QSNN, edits) for edits in (FULL, ONE_BIT)),
        judge_low_bits,
    )


def _levels(data: str, levels: int) -> Edits:
    """One step of ``levels``; ``levels`` of 1 are 8 steps."""
    T = 1 if levels > 1 else 8
    neuron = ("neuron=multi-level", "neuron.detach_reset=false", f"neuron.levels={levels}")
    return (*trains(data, 8 // T), f"bits=16/{levels.bit_length()}/{T}", *neuron)


def _judge_one_step(data: str, measured: Measured) -> Outcome:
    """[T=1, N=8] is at most 1 point below [T=8, N=1], with fewer spikes."""
    one, eight = _label(_levels(data, 8)), _label(_levels(data, 1))
    accuracy, spikes = measured["test_accuracy"], measured["spikes"]
    lost = at_most(accuracy[eight], accuracy[one], 1)
    fewer = ratio_at_most(spikes[one], spikes[eight], 0.999)
    ratio = sum(spikes[one]) / sum(spikes[eight])
    why = f"8 levels over 8 steps: {beats(accuracy[one], accuracy[eight])[2]}, {ratio:.2f} of the spikes"
    return Outcome(worst(lost, fewer), why)


def event_data_in_one_step() -> tuple[Claim, ...]:
    """004.4, on data sets of events."""

    def of(data: str) -> Claim:
        rule = partial(_judge_one_step, data)
        rule.__doc__ = _judge_one_step.__doc__
        runs = tuple((RECIPES[data], _levels(data, levels)) for levels in (8, 1))
        return Claim(f"004.4-{data}", "Event data in one step.", "Section 5.5, Table 2", runs, rule)

    return (of("n-mnist"), of("moving-fashion"))
