"""Paper 003 (SpikeZIP): its claims on a thin ResNet8, on Fashion-MNIST and CIFAR-10."""

from __future__ import annotations

from collections.abc import Callable
from math import nextafter
from statistics import mean

from claims.claim import BELOW_0, Claim, Measured, Outcome, Paper, at_most, beats, best, opposite, ratio_at_most, worst

__all__ = ["CLAIMS", "PAPER"]

DATA = {"fashion": "spikezip-resnet8-thin-fashion", "cifar10": "spikezip-resnet8-thin-cifar10"}
VARIANTS = {
    "N": ("methods.paths-ensemble.reroute=false", "neuron.paths="),
    "R": ("methods.paths-ensemble.reroute=true", "neuron.paths="),
    "P": ("methods.paths-ensemble.reroute=false", "neuron.paths=4,2"),
    "PR": ("methods.paths-ensemble.reroute=true", "neuron.paths=4,2"),
}
LEVELS = {
    2: ("neuron.levels=2", "bits=8/2/1", "neuron.paths=1"),
    4: ("neuron.levels=4", "bits=8/3/1", "neuron.paths=2,1"),
    8: VARIANTS["PR"],
    16: ("neuron.levels=16", "bits=8/5/1", "neuron.paths=8,4"),
}
"""All re-routed, as the recipe is."""
BASELINES = {
    "QCFS": (*VARIANTS["N"], "neuron.scaled=false", "--method=qcfs"),
    "Fast-SNN": (*VARIANTS["N"], "--method=fast-snn"),
}
OTHERS = {
    **BASELINES,
    "OPI": ("--method=opi",),
    "SlipReLU": ("--method=sliprelu",),
    "offset-spike": ("--method=offset-spike",),
}
SMALL_T = (2, 4)
TABLE_3 = (2, 4, 8, 16)
"""Its columns."""
CALIBRATED = 4
"""Steps that offset-spike spends before it says anything, and which the paper counts."""


def _label(edits: tuple[str, ...]) -> str:
    return " ".join(edits)


def judge_equality(measured: Measured) -> Outcome:
    """All logits of all test images, and no spike after n(L + 1) steps, in every run."""
    equal, last, bound = measured["equal"], measured["T_eq"], measured["bound"]
    runs = [same for values in equal.values() for same in values]
    late = max(t / b for name in last for t, b in zip(last[name], bound[name], strict=True))
    why = f"{sum(map(bool, runs))} of {len(runs)} runs; last spike at {late:.2f} of n(L + 1) at most"
    return Outcome("confirmed" if all(runs) and late <= 1 else "not confirmed", why)


def judge_both_lift(measured: Measured) -> Outcome:
    """At T = 2 or 4, -P and -R are each above -N by more than twice the standard error, and -PR above both."""
    parts, clear, against = [], True, False
    for better, worse in (("P", "N"), ("R", "N"), ("PR", "P"), ("PR", "R")):
        best = -1.0
        for t in SMALL_T:
            at = measured[f"accuracy_at_{t}"]
            gain, sure, text = beats(at[_label(VARIANTS[better])], at[_label(VARIANTS[worse])])
            parts.append(f"-{better} over -{worse} at T = {t}: {text}")
            best = max(best, gain * sure)
            against |= gain < 0 and sure
        clear &= best > 0
    return Outcome("confirmed" if clear else "not confirmed" if against else "within the spread", "; ".join(parts))


def judge_levels(measured: Measured) -> Outcome:
    """n = 16 over n = 2: lower at T = 2, higher after all steps, both clearly; and its last spike is later."""
    at, after, last = measured["accuracy_at_2"], measured["test_accuracy"], measured["T_eq"]
    many, few = _label(LEVELS[16]), _label(LEVELS[2])
    early, early_clear, early_text = beats(at[many], at[few])
    late, late_clear, late_text = beats(after[many], after[few])
    later = min(last[many]) > max(last[few])
    why = f"16 levels over 2: at T = 2 {early_text}; settled {late_text}; last spike {'later' if later else 'no later'}"
    if early < 0 < late and early_clear and late_clear and later:
        return Outcome("confirmed", why)
    wrong = (early > 0 and early_clear) or (late < 0 and late_clear) or not later
    return Outcome("not confirmed" if wrong else "within the spread", why)


def judge_feature_maps(measured: Measured) -> Outcome:
    """SpikeZIP's distance is 0 in every run, the baselines' is not."""
    distance = measured["final_distance"]
    ours = [value for name in ("N", "PR") for value in distance[_label(VARIANTS[name])]]
    theirs = {name: min(distance[_label(edits)]) for name, edits in BASELINES.items()}
    why = f"SpikeZIP {max(ours):g} levels at most; " + ", ".join(f"{n} {d:.4f} at least" for n, d in theirs.items())
    return Outcome("confirmed" if not any(ours) and min(theirs.values()) > 0 else "not confirmed", why)


def judge_others(measured: Measured) -> Outcome:
    """At each of T = 2, 4, 8 and 16 SpikeZIP-PR is clearly above each of the five others; from offset-spike's, whose
    first 4 steps count, T = 2 and 4 are left out: it has said nothing by then."""
    verdicts, why = [], []
    for t in TABLE_3:
        at = measured[f"accuracy_at_{t}"]
        ours = at[_label(VARIANTS["PR"])]
        for name, edits in OTHERS.items():
            if name == "offset-spike" and t <= CALIBRATED:
                continue
            verdicts.append(at_most(at[_label(edits)], ours, BELOW_0))
            why.append(f"{name} at T = {t}: {beats(ours, at[_label(edits)])[2]}")
    return Outcome(worst(*verdicts), "SpikeZIP-PR over " + "; ".join(why))


DIRECT = ("bits=8/4/1", "neuron.levels=8")
"""Trained directly: spikes of eight levels in the same network, on the same images, for as many epochs."""


def judge_cheaper(measured: Measured) -> Outcome:
    """Fewer NS-ACE than its own QANN, and than the directly trained one, if that is at most a point less accurate."""
    accuracy, ns_ace = measured["test_accuracy"], measured["ns_ace"]
    ours, direct = _label(VARIANTS["PR"]), _label(DIRECT)
    over_qann = mean(ns_ace[ours]) / mean(measured["qann_ns_ace"][ours])
    over_direct = mean(ns_ace[ours]) / mean(ns_ace[direct])
    _, _, text = beats(accuracy[direct], accuracy[ours])
    below = nextafter(1, 0)
    than_qann = ratio_at_most(ns_ace[ours], measured["qann_ns_ace"][ours], below)
    than_direct = ratio_at_most(ns_ace[ours], ns_ace[direct], below)
    equal = at_most(accuracy[ours], accuracy[direct], 1)
    why = f"{over_qann:.2f} times the NS-ACE of its QANN, {over_direct:.2f} times that of the direct one ({text})"
    return Outcome(worst(than_qann, best(than_direct, opposite(equal))), why)


FLOATS: tuple[str, tuple[str, ...]] = ("spikezip-yolo-tiny-bccd-ann", ())
CONVERTED = ("spikezip-yolo-tiny-bccd", ("neuron.levels=8",))
LOW_BIT = (
    ("yolo-tiny-bccd", ("bits=2/2/1",)),
    ("yolo-tiny-bccd", ("bits=2/2/1", "neuron.kind=multi-level")),
    ("yolo-tiny-bccd", ("bits=2/2/1", "neuron.kind=multi-level", "neuron.surrogate_function=null")),
)
"""Trained directly: multi-bit, multi-level with the same gradient (the arctangent's), and with paper 004's own."""
ACES = ("s_ace", "ns_ace")
NEAR = 2
"""Points of mAP that low bits may cost."""


def judge_detection(measured: Measured) -> Outcome:
    """In every run the converted network's outputs are the quantized one's, on all test images, and so are its boxes;
    and after 32 steps it is at most 2 points of mAP@0.5 below the network of ReLUs in floats. Those trained directly
    stand beside; the first column has the quantized network in bfloat16, as it was trained, QANN and T its integers."""
    score, converted = measured["test_map50"], _label(CONVERTED[1])
    equal, floats, spiking = measured["equal"][converted], score[_label(FLOATS[1])], measured["map50_at_32"][converted]
    apart = max(abs(qann - snn) for qann, snn in zip(measured["qann_map50"][converted], spiking, strict=True))
    score = {
        **score,
        converted: spiking,
    }  # its own, which is of integers; the score beside it is the QANN's, in bfloat16
    low = {label: mean(score[label]) - mean(floats) for label in (converted, *(_label(edits) for _, edits in LOW_BIT))}
    why = f"{sum(map(bool, equal))} of {len(equal)} runs equal; at T = 32 {apart:.2f} points from the QANN at most; "
    why += "to the floats " + ", ".join(f"{label}: {points:+.2f}" for label, points in low.items())
    same = "confirmed" if all(equal) else "not confirmed"
    return Outcome(worst(same, at_most(floats, spiking, NEAR)), why)


def _on(data: str, recipe: str) -> tuple[Claim, ...]:
    def claim(
        number: int,
        statement: str,
        where: str,
        settings: list[tuple[str, ...]],
        judge: Callable[[Measured], Outcome],
        shows: tuple[str, ...] | None = None,
    ) -> Claim:
        runs = tuple((recipe, edits) for edits in settings)
        return Claim(f"003.{number}-{data}", statement, where, runs, judge, shows=shows)

    return (
        claim(
            1,
            "The converted network computes what the quantized one does, exactly; it settles within n(L + 1) steps.",
            "Section 3.5, Theorem 1; the bound is ours",
            [*VARIANTS.values(), *(LEVELS[n] for n in (2, 4, 16))],
            judge_equality,
        ),
        claim(
            2,
            "Paths-ensemble training and re-routed residuals each lift the accuracy at few steps, and together more.",
            "Section 4.3, Figure 6a",
            list(VARIANTS.values()),
            judge_both_lift,
        ),
        claim(
            3,
            "More levels are more accurate in the end, and later.",
            "Section 4.3, Figure 6b",
            list(LEVELS.values()),
            judge_levels,
        ),
        claim(
            4,
            "Feature maps become those of the quantized network; those of QCFS and Fast-SNN do not.",
            "Section 4.2, Figure 5",
            [VARIANTS["N"], VARIANTS["PR"], *BASELINES.values()],
            judge_feature_maps,
        ),
        Claim(
            f"003.6-{data}",
            "A converted network does fewer bit operations than one that is as accurate and was trained directly.",
            "none of it: the question is ours",
            ((recipe, VARIANTS["PR"]), (f"multilevel-resnet8-thin-{data}", DIRECT)),
            judge_cheaper,
        ),
        claim(
            7,
            "At equal steps it is more accurate than the conversions that the paper compares with.",
            "Section 4.1, Table 3, Figure 1",
            [VARIANTS["PR"], *OTHERS.values()],
            judge_others,
            (*(f"accuracy_at_{t}" for t in (*TABLE_3, 32)), "final_distance", "spikes", "ns_ace"),
        ),
    )


CLAIMS = (
    *(claim for data, recipe in DATA.items() for claim in _on(data, recipe)),
    Claim(
        "003.5-bccd",
        "Detection survives conversion.",
        "Section 4.4, Table 6; BCCD's own split, ours in the place of VOC and COCO",
        (FLOATS, CONVERTED, *LOW_BIT),
        judge_detection,
        score="test_map50",
        shows=(
            "test_map5095",
            "qann_map50",
            *(f"map50_at_{t}" for t in (1, 4, 8, 16, 32)),
            "boxes_equal",
            "T_eq",
            "size_bytes",
            *ACES,
            "energy_nj",
        ),
    ),
)

PAPER = Paper(
    "003: SpikeZIP (ANN to QANN to SNN, exactly)",
    CLAIMS,
    (*(f"accuracy_at_{t}" for t in (1, 2, 4, 8)), "T_eq", "equal", "spikes", "ns_ace", "qann_ns_ace"),
    """The spiking network is run on the first 2,000 test images. Test accuracy is the quantized network's, on all of
them, and the spiking one's once it is silent; "T = 2" is that of the same run, read after two steps. The four variants
and the levels start from the same network of ReLUs, one for each seed. QCFS and Fast-SNN are their neurons and their
held images on our fine-tuned network (QCFS with the plain gradient of its step), with our teacher, for as many steps as
settle ours: not their own training. Nor is that of OPI, SlipReLU and offset-spike, which have the activation of their
papers, a bound of 8 steps, and as many steps as Table 3 has of them at most (32, and 36 with the 4 that offset-spike
calibrates on); the test accuracy beside them is of that network of activations. See [convert.md](convert.md).""",
)
