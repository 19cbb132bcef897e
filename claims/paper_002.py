"""Paper 002 (Q-SNN): its claims on a thin VGGSNN (Fashion-MNIST) and a thin ResNet8 (CIFAR-10)."""

from __future__ import annotations

from collections.abc import Callable

from claims.claim import BELOW_0, Claim, Measured, Outcome, Paper, at_most, beats, worst
from claims.trains import low_bits_on_events

__all__ = ["CLAIMS", "PAPER"]

DATA = {"fashion": "qsnn-vggsnn-thin-fashion", "cifar10": "qsnn-resnet8-thin-cifar10"}
FULL = ("bits=16/1/2", "layers={}", "methods.spike-regulation.weight=0")
WITHOUT = ("quantizer=binary", "methods.spike-regulation.weight=0")


def _with(u: int) -> tuple[str, ...]:
    return (f"bits=1/1/2/{u}",)


def _without(u: int) -> tuple[str, ...]:
    return (*_with(u), *WITHOUT)


def _label(edits: tuple[str, ...]) -> str:
    return " ".join(edits)


def judge_near_full_precision(measured: Measured) -> Outcome:
    """With WS-DR, 1w-2u is at most 3 points below full precision (published: 1.16)."""
    accuracy = measured["test_accuracy"]
    full, low = accuracy[_label(FULL)], accuracy[_label(_with(2))]
    return Outcome(at_most(full, low, 3), f"full precision over 1w-2u: {beats(full, low)[2]}")


def judge_regulation_lifts(measured: Measured) -> Outcome:
    """WS-DR at 1w-2u adds accuracy by more than twice the standard error, and entropy to weights and to spikes."""
    with_, without = _label(_with(2)), _label(_without(2))
    accuracy = measured["test_accuracy"]
    gain, clear, text = beats(accuracy[with_], accuracy[without])
    why = f"1w-2u: {text}" + "".join(
        f"; {u}u: {beats(accuracy[_label(_with(u))], accuracy[_label(_without(u))])[2]}" for u in (4, 8)
    )
    lifted = []
    for what in ("weight_entropy", "spike_entropy"):
        more, sure, _ = beats(measured[what][with_], measured[what][without])
        lifted.append(more > 0 and sure)
        why += f"; {what.replace('_', ' ')} {more:+.4f} bits"
    why = (
        f"accuracy is {'' if gain > 0 and clear else 'not '}lifted, entropy {'is' if all(lifted) else 'is not'}; {why}"
    )
    if gain > 0 and clear and all(lifted):
        return Outcome("confirmed", why)
    if gain < 0 and clear:
        return Outcome("not confirmed", why)
    return Outcome("within the spread" if all(lifted) else "not confirmed", why)


def judge_narrow_membranes(measured: Measured) -> Outcome:
    """With WS-DR, 8u to 2u costs at most 1 point (published: 0.34)."""
    accuracy = measured["test_accuracy"]
    wide, narrow = accuracy[_label(_with(8))], accuracy[_label(_with(2))]
    return Outcome(at_most(wide, narrow, 1), f"8u over 2u: {beats(wide, narrow)[2]}")


MEMORYLESS = (*_with(2), "neuron.tau=1e9")
READINGS = (_with(2), *((*_with(2), f"neuron.membrane={reading}") for reading in ("carry-limited", "carry-tanh")))


def judge_two_bits_remember(measured: Measured) -> Outcome:
    """Two-bit membranes beat neurons that forget at every step, by more than twice the standard error."""
    accuracy = measured["test_accuracy"]
    found = {_label(edits): beats(accuracy[_label(edits)], accuracy[_label(MEMORYLESS)]) for edits in READINGS}
    why = "; ".join(f"{name.removeprefix('bits=1/1/2/2 ')}: {text}" for name, (_, _, text) in found.items())
    gain, clear, _ = found[_label(_with(2))]
    return Outcome("within the spread" if not clear else "confirmed" if gain > 0 else "not confirmed", why)


WIDTHS = (8, 4, 2)


def _shared(u: int) -> tuple[str, ...]:
    """MINT's membrane, in steps of the weights."""
    return (*_with(u), "methods.shared-scale={}")


def judge_over_shared_scale(measured: Measured) -> Outcome:
    """At 2, 4 and 8 bits Q-SNN's membrane is clearly more accurate than one in steps of the weights (MINT)."""
    accuracy, verdicts, why = measured["test_accuracy"], [], []
    for u in WIDTHS:
        ours, theirs = accuracy[_label(_with(u))], accuracy[_label(_shared(u))]
        verdicts.append(at_most(theirs, ours, BELOW_0))
        why.append(f"{u}u: {beats(ours, theirs)[2]}")
    return Outcome(worst(*verdicts), "Q-SNN's over a shared scale at " + "; ".join(why))


def _on(data: str, recipe: str) -> tuple[Claim, ...]:
    def claim(
        number: int, statement: str, where: str, settings: list[tuple[str, ...]], judge: Callable[[Measured], Outcome]
    ) -> Claim:
        runs = tuple((recipe, edits) for edits in settings)
        return Claim(f"002.{number}-{data}", statement, where, runs, judge)

    return (
        claim(
            1,
            "One-bit weights and two-bit membranes stay within a few points of full precision.",
            "Section 5.2, Table 1",
            [FULL, *map(_with, WIDTHS)],
            judge_near_full_precision,
        ),
        claim(
            2,
            "Weight and spike regulation (WS-DR) lifts accuracy, and the entropy of weights and spikes.",
            "Section 5.3, Figures 2, 4 and 5",
            [*map(_with, WIDTHS), *map(_without, WIDTHS)],
            judge_regulation_lifts,
        ),
        claim(
            3,
            "Narrowing the membrane from 8 bits to 2 costs little.",
            "Section 5.2, Table 1",
            [_with(u) for u in WIDTHS],
            judge_narrow_membranes,
        ),
        claim(
            4,
            "(Ours.) A membrane of two bits carries something: it beats neurons that forget at every step.",
            "Eq. 8; the readings are those of `bitspike.neurons.quantize_membrane`",
            [*READINGS, MEMORYLESS],
            judge_two_bits_remember,
        ),
        claim(
            5,
            "Its membranes are more accurate than uniform ones that share the weights' scale (MINT), at equal bits.",
            "Section 5.2, Table 1, beside Yin et al. 2024; the weights are its own in both",
            [edits for u in WIDTHS for edits in (_with(u), _shared(u))],
            judge_over_shared_scale,
        ),
    )


CLAIMS = (
    *(claim for data, recipe in DATA.items() for claim in _on(data, recipe)),
    low_bits_on_events(),
)

PAPER = Paper(
    "002: Q-SNNs (one-bit weights, membranes of a few bits, WS-DR)",
    CLAIMS,
    ("weight_entropy", "spike_entropy"),
    """Without WS-DR is `quantizer=binary methods.spike-regulation.weight=0`: signs of the weights as they are, scaled
by their mean magnitude, with the same annealed gradient. Its learning rate is the recipe's too; regulated
weights get larger gradients, so part of what WS-DR adds in so short a training may be speed.
`figures/002-information-fashion.png` (from `bitspike report information`) has the layers of one run with and
one without on Fashion-MNIST, like Figures 2 and 4. MINT's membranes are `methods.shared-scale={}`, with the weights of
Q-SNN; their step is not learned, and neurons that read the image keep Q-SNN's.""",
)
