"""Paper 004 (multi-level spikes, Sparse-ResNet): its claims on thin networks, Fashion-MNIST and CIFAR-10."""

from __future__ import annotations

from math import nextafter
from statistics import mean

from claims.claim import Claim, Measured, Outcome, Paper, at_most, beats, ratio_at_most, worst
from claims.trains import event_data_in_one_step

__all__ = ["CLAIMS", "INTERVALS", "LEVELS", "PAPER", "STEPS"]

INTERVALS = (1, 2, 4, 8)
EVERY = range(1, 11)
"""The numbers of Figures 6 and 7; Figure 11 has those to 8."""
LEVELS = {N: (f"bits=16/{N.bit_length()}/1", f"neuron.levels={N}") for N in EVERY}
"""One step of ``N`` levels."""
STEPS = {T: (f"bits=16/1/{T}", "neuron.levels=1") for T in EVERY}
"""``T`` steps of one level; ``STEPS[1]`` is ``LEVELS[1]``."""
FOUR = LEVELS[4]
SPARSE, SEW = FOUR, ("model=sew-resnet18", *FOUR)
WITHOUT_STE = ("model=sparse-resnet18-without-ste", *FOUR)


def _label(edits: tuple[str, ...]) -> str:
    return " ".join(edits)


def _ratio(measured: Measured, metric: str, of: tuple[str, ...], to: tuple[str, ...]) -> float:
    return mean(measured[metric][_label(of)]) / mean(measured[metric][_label(to)])


def _at_most(measured: Measured, metric: str, of: tuple[str, ...], to: tuple[str, ...], limit: float) -> str:
    return ratio_at_most(measured[metric][_label(of)], measured[metric][_label(to)], limit)


def judge_levels_for_steps(measured: Measured) -> Outcome:
    """[T=1, N=4] is within 1 point of [T=4, N=1], with at most 0.6 times its spikes and energy (paper: 0.44, 0.52)."""
    accuracy = measured["test_accuracy"]
    levels, steps = accuracy[_label(LEVELS[4])], accuracy[_label(STEPS[4])]
    text = beats(levels, steps)[2]
    spikes, energy = (_ratio(measured, metric, LEVELS[4], STEPS[4]) for metric in ("spikes", "energy_nj"))
    why = f"4 levels over 4 steps: {text}, {spikes:.2f} times the spikes, {energy:.2f} times the energy"
    for n in (2, 8):
        _, _, text = beats(accuracy[_label(LEVELS[n])], accuracy[_label(STEPS[n])])
        why += f"; {n} intervals: {text}, {_ratio(measured, 'energy_nj', LEVELS[n], STEPS[n]):.2f} times the energy"
    costs = (_at_most(measured, metric, LEVELS[4], STEPS[4], 0.6) for metric in ("spikes", "energy_nj"))
    return Outcome(worst(at_most(levels, steps, 1), at_most(steps, levels, 1), *costs), why)


def judge_barriers_stay_sparse(measured: Measured) -> Outcome:
    """At N = 4 Sparse-ResNet18 is within 1 point of SEW-ResNet18 with at least 20 % fewer events (paper: 25 %)."""
    accuracy = measured["test_accuracy"]
    text = beats(accuracy[_label(SPARSE)], accuracy[_label(SEW)])[2]
    events, fired = (_ratio(measured, metric, SPARSE, SEW) for metric in ("events", "spikes"))
    why = f"Sparse over SEW: {text}, {events:.2f} times the events, sums included, {fired:.2f} times the spikes fired"
    fewer = _at_most(measured, "events", SPARSE, SEW, 0.8)
    return Outcome(worst(at_most(accuracy[_label(SEW)], accuracy[_label(SPARSE)], 1), fewer), why)


def judge_straight_through(measured: Measured) -> Outcome:
    """Without the barrier's straight-through gradient accuracy falls, by more than twice the standard error."""
    accuracy = measured["test_accuracy"]
    gain, clear, text = beats(accuracy[_label(SPARSE)], accuracy[_label(WITHOUT_STE)])
    verdict = "within the spread" if not clear else "confirmed" if gain > 0 else "not confirmed"
    return Outcome(verdict, f"with over without: {text}; gradient norms: results/claims/gradients-004.json")


def judge_every_number_of_levels(measured: Measured) -> Outcome:
    """At every N from 2 to 10 one step of N levels is within 1 point of N steps of one level, with fewer spikes."""
    accuracy, verdicts, why = measured["test_accuracy"], [], []
    for n in EVERY[1:]:
        levels, steps = accuracy[_label(LEVELS[n])], accuracy[_label(STEPS[n])]
        fewer = _at_most(measured, "spikes", LEVELS[n], STEPS[n], nextafter(1, 0))
        verdicts += [at_most(levels, steps, 1), at_most(steps, levels, 1), fewer]
        why.append(f"{n}: {beats(levels, steps)[2]}, {_ratio(measured, 'spikes', LEVELS[n], STEPS[n]):.2f} times")
    return Outcome(worst(*verdicts), "levels over steps, times the spikes: " + "; ".join(why))


def _sew(N: int) -> tuple[str, ...]:
    return ("model=sew-resnet18", *LEVELS[N])


def judge_barriers_at_every_number(measured: Measured) -> Outcome:
    """At every N from 1 to 8 Sparse-ResNet18 is at most 1 point below SEW-ResNet18, with fewer events."""
    accuracy, verdicts, why = measured["test_accuracy"], [], []
    for n in EVERY[:8]:
        fewer = _at_most(measured, "events", LEVELS[n], _sew(n), nextafter(1, 0))
        verdicts += [at_most(accuracy[_label(_sew(n))], accuracy[_label(LEVELS[n])], 1), fewer]
        text = beats(accuracy[_label(LEVELS[n])], accuracy[_label(_sew(n))])[2]
        why.append(f"{n}: {text}, {_ratio(measured, 'events', LEVELS[n], _sew(n)):.2f} times")
    return Outcome(worst(*verdicts), "Sparse over SEW, times the events: " + "; ".join(why))


def _detached(N: int) -> tuple[str, ...]:
    return (*LEVELS[N], "neuron.detach_reset=true")


def judge_the_reset_keeps_its_gradient(measured: Measured) -> Outcome:
    """At 4 and at 8 levels the gradient through the reset adds accuracy, by more than twice the standard error."""
    accuracy = measured["test_accuracy"]
    found = {N: beats(accuracy[_label(LEVELS[N])], accuracy[_label(_detached(N))]) for N in (4, 8)}
    why = "; ".join(f"N = {N}, with it over without: {text}" for N, (_, _, text) in found.items())
    if any(gain < 0 and clear for gain, clear, _ in found.values()):
        return Outcome("not confirmed", why)
    sure = all(gain > 0 and clear for gain, clear, _ in found.values())
    return Outcome("confirmed" if sure else "within the spread", why)


def _on(data: str) -> tuple[Claim, ...]:
    plain, residual = f"multilevel-vgg9-thin-{data}", f"multilevel-sparse-resnet18-thin-{data}"
    intervals = [*(LEVELS[N] for N in INTERVALS), *(STEPS[T] for T in INTERVALS if T > 1)]
    return (
        Claim(
            f"004.1-{data}",
            "Four levels in one step are as accurate as four steps, with about half the spikes and energy.",
            "Section 6.1, Figures 6 and 7, Table 3",
            tuple((plain, edits) for edits in intervals),
            judge_levels_for_steps,
        ),
        Claim(
            f"004.2-{data}",
            "Sparse-ResNet is as accurate as SEW-ResNet with at least 20 % fewer spikes.",
            "Sections 6.4 and 6.5, Figures 10 and 11",
            tuple((residual, edits) for edits in (SPARSE, SEW)),
            judge_barriers_stay_sparse,
        ),
        Claim(
            f"004.3-{data}",
            "Without the straight-through gradient of the barrier, gradients vanish and accuracy falls.",
            "Section 6.3, Figures 8 and 9",
            tuple((residual, edits) for edits in (SPARSE, WITHOUT_STE)),
            judge_straight_through,
        ),
        Claim(
            f"004.5-{data}",
            "(Ours.) The paper leaves open whether the gradient goes through the micro-steps' reset. It must.",
            "Sections 3.1 and 4.1, Equations 4 and 6",
            tuple((plain, edits) for N in (4, 8) for edits in (LEVELS[N], _detached(N))),
            judge_the_reset_keeps_its_gradient,
        ),
        Claim(
            f"004.6-{data}",
            "However many levels, one step of them is as accurate as so many steps, with fewer spikes.",
            "Section 6.1, Figures 6 and 7",
            tuple((plain, edits) for edits in (*LEVELS.values(), *(STEPS[T] for T in EVERY if T > 1))),
            judge_every_number_of_levels,
        ),
        Claim(
            f"004.7-{data}",
            "However many levels, Sparse-ResNet is as accurate as SEW-ResNet with fewer events.",
            "Section 6.5, Figure 11",
            tuple((residual, edits) for N in EVERY[:8] for edits in (LEVELS[N], _sew(N))),
            judge_barriers_at_every_number,
        ),
    )


CLAIMS = (
    *_on("fashion"),
    *_on("cifar10"),
    *event_data_in_one_step(),
)

PAPER = Paper(
    "004: All in one timestep (multi-level spikes, Sparse-ResNet)",
    CLAIMS,
    ("spikes", "events", "energy_nj"),
    """Energy is `bitspike cost RUN --energy lemaire`, spikes and events are per image, measured on validation images.
Figures 2, 5, 6, 7 and 10 are redrawn by `python -m claims.figures_004`, Figure 8 by `python -m claims.gradients_004`,
both into `docs/figures/`; Figure 10 is `figures/004-avalanche-fashion.png` and `-cifar10.png`, one run of each
(as `bitspike report avalanche` draws them): 46 % fewer events at its second sum on Fashion-MNIST, 37 % on CIFAR-10,
where the paper has 47 %.""",
)
