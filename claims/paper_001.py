"""Paper 001 (adaptive bit allocation): its claims on a thin ResNet8, Fashion-MNIST and CIFAR-10."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nextafter
from statistics import mean

from claims.claim import BELOW_0, Claim, Measured, Outcome, Paper, at_most, beats, ratio_at_most, worst
from claims.trains import few_steps_on_events

__all__ = ["CLAIMS", "PAPER"]

TARGETS = ("1/1/1", "2/2/1", "2/3/1")
FIXED = ("methods.learned-bits.learns=", "methods.learned-bits.target=null")
TWO_STEPS = ("methods.learned-bits.learns=w,s", "methods.learned-bits.target=2/2/2")
LOW = ("methods.learned-bits.learns=w,s", "methods.learned-bits.target=1/1/2")
BELOW_1 = nextafter(1, 0)
MARGIN = 1.1
"""Times the uniform network's cost that counts as the same: the paper's own means end above their targets."""


def learned(target: str) -> tuple[str, ...]:
    return (f"methods.learned-bits.target={target}",)


def uniform(bits: str) -> tuple[str, ...]:
    return (f"bits={bits}", *FIXED)


def _label(edits: Sequence[str]) -> str:
    return " ".join(edits)


def _ratio(measured: Measured, metric: str, of: tuple[str, ...], to: tuple[str, ...]) -> float:
    return mean(measured[metric][_label(of)]) / mean(measured[metric][_label(to)])


def _cost(measured: Measured, metric: str, of: tuple[str, ...], to: tuple[str, ...], limit: float) -> str:
    return ratio_at_most(measured[metric][_label(of)], measured[metric][_label(to)], limit)


def judge_learned_bits(measured: Measured) -> Outcome:
    """Learned bits gain clearly at every target, most at the first, for at most 1.1 times uniform's size and S-ACE."""
    accuracy, gains, verdicts, why = measured["test_accuracy"], [], [], []
    for target in (t for t in TARGETS if _label(learned(t)) in accuracy):
        gain, clear, text = beats(accuracy[_label(learned(target))], accuracy[_label(uniform(target))])
        size, s_ace = (_ratio(measured, m, learned(target), uniform(target)) for m in ("size_bytes", "s_ace"))
        ours, theirs = accuracy[_label(learned(target))], accuracy[_label(uniform(target))]
        gains.append([a - b for a, b in zip(ours, theirs, strict=True)])
        verdicts.append("within the spread" if not clear else "confirmed" if gain > 0 else "not confirmed")
        verdicts += [_cost(measured, m, learned(target), uniform(target), MARGIN) for m in ("size_bytes", "s_ace")]
        why.append(f"{target}: {text}, {size:.2f} times the size, {s_ace:.2f} times the S-ACE")
    verdicts += [at_most(later, gains[0], 0) for later in gains[1:]]
    return Outcome(worst(*verdicts), "learned over uniform at " + "; ".join(why))


def _judge_setting(better: tuple[str, ...], worse: tuple[str, ...], what: str, measured: Measured) -> Outcome:
    """Clearly more accurate."""
    accuracy = measured["test_accuracy"]
    gain, clear, text = beats(accuracy[_label(better)], accuracy[_label(worse)])
    verdict = "within the spread" if not clear else "confirmed" if gain > 0 else "not confirmed"
    return Outcome(verdict, f"{what}: {text}")


def _both(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(worst(*(outcome.verdict for outcome in outcomes)), "; ".join(outcome.why for outcome in outcomes))


WITHOUT, OF_BOTH = "methods.learned-bits.renewal=", "methods.learned-bits.renewal=w,s"


def judge_renewal(measured: Measured) -> Outcome:
    """Renewal of spike quantizers is clearly more accurate than none, at both targets."""
    pairs = ((learned(t), (*learned(t), WITHOUT), f"with renewal over none at {t}") for t in TARGETS[:2])
    return _both([_judge_setting(*pair, measured) for pair in pairs])


def judge_refined_neuron(measured: Measured) -> Outcome:
    """Rounding is clearly more accurate than floor, and no leak than a leak."""
    floor, leaky = (*LOW, "neuron.rounds=false"), (*LOW, "neuron.tau=2")
    first = _judge_setting(LOW, floor, "rounding over floor", measured)
    return _both([first, _judge_setting(LOW, leaky, "IF over LIF", measured)])


def judge_which_layers_keep_bits(measured: Measured) -> Outcome:
    """At every target the largest layer has at most the bits of the mean weight, the first and the last have more."""
    why, holds = [], []
    for target in TARGETS:
        of = {m: mean(measured[m][_label(learned(target))]) for m in ("mean_w", "largest_w", "first_w", "last_w")}
        seen = {m: measured[m][_label(learned(target))] for m in of}
        holds.append(at_most(seen["largest_w"], seen["mean_w"], 0))
        holds += [at_most(seen["mean_w"], seen[end], BELOW_0) for end in ("first_w", "last_w")]
        why.append(
            f"{target}: first {of['first_w']:.1f}, largest {of['largest_w']:.1f}, last {of['last_w']:.1f},"
            f" mean {of['mean_w']:.2f} bits"
        )
    return Outcome(worst(*holds), "; ".join(why))


UNSQUEEZED = (*TWO_STEPS, "neuron.squeeze=false")


def judge_squeezing(measured: Measured) -> Outcome:
    """With two steps, squeezing costs less S-ACE, counted as it runs, and at most one point."""
    _, _, text = beats(*(measured["test_accuracy"][_label(edits)] for edits in (TWO_STEPS, UNSQUEEZED)))
    accuracy = measured["test_accuracy"]
    lost = at_most(accuracy[_label(UNSQUEEZED)], accuracy[_label(TWO_STEPS)], 1)
    cheaper = _cost(measured, "s_ace", TWO_STEPS, UNSQUEEZED, BELOW_1)
    exact = _ratio(measured, "s_ace", TWO_STEPS, UNSQUEEZED)
    papers = _ratio(measured, "s_ace_paper_001", TWO_STEPS, UNSQUEEZED)
    counts = f"{exact:.2f} times the S-ACE at the width of a sum, {papers:.2f} by the paper's count"
    why = f"squeezed over unsqueezed: {text}, {counts}"
    return Outcome(worst(cheaper, lost), why)


def ann(target: str) -> tuple[str, ...]:
    """Of the recipe of a network of ReLUs, which renews nothing."""
    return (*learned(target), "methods.learned-bits.renewal=")


def judge_over_anns(measured: Measured) -> Outcome:
    """At every target the spiking network is clearly more accurate than the network of ReLUs, for at most 1.1 times its
    size and S-ACE."""
    accuracy, verdicts, why = measured["test_accuracy"], [], []
    for target in (t for t in TARGETS if _label(ann(t)) in accuracy):
        ours, theirs = learned(target), ann(target)
        text = beats(accuracy[_label(ours)], accuracy[_label(theirs)])[2]
        costs = {metric: _ratio(measured, metric, ours, theirs) for metric in ("size_bytes", "s_ace")}
        verdicts.append(at_most(accuracy[_label(theirs)], accuracy[_label(ours)], BELOW_0))
        verdicts += [_cost(measured, metric, ours, theirs, MARGIN) for metric in costs]
        why.append(f"{target}: {text}, {costs['size_bytes']:.2f} times the size, {costs['s_ace']:.2f} times the S-ACE")
    return Outcome(worst(*verdicts), "spiking over ReLUs at " + "; ".join(why))


DATA = {"fashion": "adaptive-resnet8-thin-fashion", "cifar10": "adaptive-resnet20-thin-cifar10"}
RELUS = {"fashion": "mixed-precision-resnet8-thin-fashion", "cifar10": "mixed-precision-resnet20-thin-cifar10"}


def _on(data: str, recipe: str) -> tuple[Claim, ...]:
    def claim(
        number: int, statement: str, where: str, settings: list[tuple[str, ...]], judge: Callable[[Measured], Outcome]
    ) -> Claim:
        return Claim(f"001.{number}-{data}", statement, where, tuple((recipe, edits) for edits in settings), judge)

    return (
        claim(
            1,
            "Learned bits are more accurate than uniform bits at the same mean W/S/T, most at 1/1/1.",
            "Section 5.2.1, Table 3",
            [edits for target in TARGETS for edits in (learned(target), uniform(target))],
            judge_learned_bits,
        ),
        claim(
            2,
            "Renewing the step size when bits change makes networks more accurate.",
            "Sections 4.4 and 5.2.1, Table 3",
            [
                *(edits for t in TARGETS[:2] for edits in (learned(t), (*learned(t), WITHOUT))),
                (*learned(TARGETS[0]), OF_BOTH),
            ],
            judge_renewal,
        ),
        claim(
            3,
            "At low bits the refined neuron is better: rounding than floor, IF than LIF.",
            "Sections 4.2 and 5.2.2, Table 4",
            [LOW, (*LOW, "neuron.rounds=false"), (*LOW, "neuron.tau=2")],
            judge_refined_neuron,
        ),
        claim(
            4,
            "Large layers end with fewer bits, the first and the last with more.",
            "Section 5.2.5, Figure 4",
            [learned(target) for target in TARGETS],
            judge_which_layers_keep_bits,
        ),
        claim(
            5,
            "Temporal squeezing cuts S-ACE at two steps, without loss.",
            "Section 4.2, Equation 12, Appendix A.6",
            [TWO_STEPS, UNSQUEEZED],
            judge_squeezing,
        ),
    )


def _over_anns(data: str) -> Claim:
    runs = [pair for target in TARGETS for pair in ((DATA[data], learned(target)), (RELUS[data], ann(target)))]
    return Claim(
        f"001.7-{data}",
        "Learned bits make a spiking network more accurate than a mixed-precision ANN of that size and work.",
        "Section 5.2.6, Table 8",
        tuple(runs),
        judge_over_anns,
    )


CLAIMS = (
    *(claim for data, recipe in DATA.items() for claim in _on(data, recipe)),
    *few_steps_on_events(),
    *(_over_anns(data) for data in DATA),
)

PAPER = Paper(
    "001: Towards efficient and accurate SNNs via adaptive bit allocation",
    CLAIMS,
    ("mean_w", "mean_s", "mean_t", "size_bytes", "s_ace", "s_ace_paper_001"),
    """Means are of weights (w) and neurons (s, T), as they ended; the Bit Budget is their mean over the MACs. S-ACE is
counted at the width of what a layer reads, a sum of spikes where time is squeezed, and as the paper counts it. Learned
bits are penalised, not bounded, so they end above their targets; `bitspike allocate` bounds them, see
[allocate.md](allocate.md). The mixed-precision ANN is trained as the spiking network is, from 4/4/1: its activations
stand behind the convolutions, it reads the image at 8 bits, and nothing of it is renewed.""",
)
