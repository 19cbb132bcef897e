"""The judges of paper 001 on made-up scores: every verdict can be reached, and each condition counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from bitspike.neurons import AdaptiveIFNode, BaseNode, QReLU
from bitspike.recipes import recipe
from bitspike.training.setup import make_model
from claims import paper_001
from claims.claim import METRICS, Claim, Measured, Outcome, scores_of

T1, T2, T3 = (f"methods.learned-bits.target={target}" for target in paper_001.TARGETS)
VERDICTS = {"confirmed", "not confirmed", "within the spread"}


def around(mean: float, step: float = 0.1) -> list[float]:
    """Three seeds."""
    return [mean - step, mean, mean + step]


def uniform(target: str) -> str:
    return f"bits={target} methods.learned-bits.learns= methods.learned-bits.target=null"


def learned(
    gains: tuple[float, float, float] = (3, 2, 1), size: float = 1.0, s_ace: float = 1.0, step: float = 0.1
) -> Measured:
    """Learned bits gain so much over uniform ones of 80 %, for so many times the cost."""
    found: Measured = {"test_accuracy": {}, "size_bytes": {}, "s_ace": {}}
    for target, gain in zip(paper_001.TARGETS, gains, strict=True):
        pair = ((f"methods.learned-bits.target={target}", 80 + gain, size, s_ace), (uniform(target), 80.0, 1.0, 1.0))
        for label, accuracy, bytes_, work in pair:
            found["test_accuracy"][label] = around(accuracy, step)
            found["size_bytes"][label], found["s_ace"][label] = [1000 * bytes_] * 3, [1e6 * work] * 3
    return found


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (learned(), "confirmed"),
        (learned(size=1.09, s_ace=1.09), "confirmed"),
        (learned(size=1.11), "not confirmed"),
        (learned(s_ace=1.11), "not confirmed"),
        (learned((3, 2, -1)), "not confirmed"),
        (learned((3, 2, 0.01)), "within the spread"),  # not clear
        (learned((2, 3, 1)), "not confirmed"),  # not most at 1/1/1
        (learned(step=5), "within the spread"),
    ],
)
def test_learned_bits_must_gain_at_every_target_for_the_same_cost(measured: Measured, verdict: str) -> None:
    outcome = paper_001.judge_learned_bits(measured)
    assert outcome.verdict == verdict
    assert all(f"{target}: " in outcome.why for target in paper_001.TARGETS)


def pairs(better: list[str], worse: list[str], gains: tuple[float, ...], step: float = 0.1) -> Measured:
    scores = {label: around(80, step) for label in worse}
    return {"test_accuracy": scores | {b: around(80 + gain, step) for b, gain in zip(better, gains, strict=True)}}


def renewed(*gains: float, step: float = 0.1) -> Measured:
    return pairs([T1, T2], [f"{T1} methods.learned-bits.renewal=", f"{T2} methods.learned-bits.renewal="], gains, step)


LOW = "methods.learned-bits.learns=w,s methods.learned-bits.target=1/1/2"


def refined(*losses: float) -> Measured:
    """What floor, and a leak, lose."""
    return pairs([f"{LOW} neuron.rounds=false", f"{LOW} neuron.tau=2"], [LOW], tuple(-loss for loss in losses))


@pytest.mark.parametrize("judged", [(paper_001.judge_renewal, renewed), (paper_001.judge_refined_neuron, refined)])
@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((2, 1), "confirmed"),
        ((2, 0.01), "within the spread"),
        ((0.01, 2), "within the spread"),
        ((2, -2), "not confirmed"),
        ((-2, 0.01), "not confirmed"),
    ],
)
def test_both_comparisons_count(
    judged: tuple[Callable[[Measured], Outcome], Callable[..., Measured]], gains: tuple[float, float], verdict: str
) -> None:
    judge, made = judged
    outcome = judge(made(*gains))
    assert outcome.verdict == verdict
    assert outcome.why.count("standard error") == 2


def test_a_gain_within_the_seeds_is_no_gain() -> None:
    assert paper_001.judge_renewal(renewed(2, 2, step=5)).verdict == "within the spread"


def widths(first: float = 5, largest: float = 1, last: float = 5, mean: float = 2) -> Measured:
    of = {"first_w": first, "largest_w": largest, "last_w": last, "mean_w": mean}
    return {metric: {target: [value] * 3 for target in (T1, T2, T3)} for metric, value in of.items()}


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (widths(), "confirmed"),
        (widths(largest=2), "confirmed"),
        (widths(largest=2.1), "not confirmed"),
        (widths(first=2), "not confirmed"),
        (widths(last=1.5), "not confirmed"),
        (widths() | {"first_w": {T1: [5.0], T2: [5.0], T3: [1.0]}}, "not confirmed"),
    ],
)
def test_large_layers_must_have_fewer_bits_at_every_target(measured: Measured, verdict: str) -> None:
    assert paper_001.judge_which_layers_keep_bits(measured).verdict == verdict


def squeezed(lost: float = 0.5, exact: float = 0.8, papers: float = 0.5) -> Measured:
    with_ = "methods.learned-bits.learns=w,s methods.learned-bits.target=2/2/2"
    without = f"{with_} neuron.squeeze=false"
    return {
        "test_accuracy": {with_: around(90 - lost), without: around(90)},
        "s_ace": {with_: [exact * 1e6] * 3, without: [1e6] * 3},
        "s_ace_paper_001": {with_: [papers * 1e6] * 3, without: [1e6] * 3},
    }


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (squeezed(), "confirmed"),
        (squeezed(lost=-3), "confirmed"),
        (squeezed(lost=1.01), "within the spread"),
        (squeezed(lost=1.2), "not confirmed"),
        (squeezed(exact=1.0), "not confirmed"),
        (squeezed(papers=2.0), "confirmed"),  # told, not judged
    ],
)
def test_squeezing_must_cost_less_and_lose_at_most_a_point(measured: Measured, verdict: str) -> None:
    outcome = paper_001.judge_squeezing(measured)
    assert outcome.verdict == verdict
    assert "by the paper's count" in outcome.why


@pytest.mark.parametrize("claim", [c for c in paper_001.CLAIMS if c.runs], ids=lambda claim: claim.name)
def test_every_claim_is_judged_by_what_its_runs_measure(claim: Claim) -> None:
    """No judge looks for a setting that its claim does not run, nor for a number that no run tells."""
    assert claim.judge is not None
    found = {run.key: dict.fromkeys(METRICS, 0.5 + run.seed / 10) for run in claim.runs}
    measured = {metric: scores_of(claim, found, metric) for metric in METRICS}
    assert len(measured["test_accuracy"]) == len(claim.settings)
    assert claim.judge(measured).verdict in VERDICTS
    assert set(paper_001.PAPER.shows) <= set(METRICS)


def over_anns(gains: tuple[float, ...] = (1, 1, 1), size: float = 1.0, s_ace: float = 1.0) -> Measured:
    """Spiking networks gain so much over networks of ReLUs of 80 %, for so many times the cost."""
    found: Measured = {"test_accuracy": {}, "size_bytes": {}, "s_ace": {}}
    for target, gain in zip(paper_001.TARGETS, gains, strict=True):
        ours, theirs = " ".join(paper_001.learned(target)), " ".join(paper_001.ann(target))
        for label, accuracy, bytes_, work in ((ours, 80 + gain, size, s_ace), (theirs, 80.0, 1.0, 1.0)):
            found["test_accuracy"][label] = around(accuracy)
            found["size_bytes"][label], found["s_ace"][label] = [1000 * bytes_] * 3, [1e6 * work] * 3
    return found


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (over_anns(), "confirmed"),
        (over_anns(size=1.11), "not confirmed"),
        (over_anns(s_ace=1.11), "not confirmed"),
        (over_anns((1, 1, 0.01)), "within the spread"),
        (over_anns((1, -1, 1)), "not confirmed"),
    ],
)
def test_a_mixed_precision_ann_must_be_beaten_for_the_same_cost(measured: Measured, verdict: str) -> None:
    assert paper_001.judge_over_anns(measured).verdict == verdict


def test_its_network_of_relus_is_one() -> None:
    """One step, unsigned levels behind the synapses; each neuron a quantized ReLU of its step and levels."""
    config = recipe("mixed-precision-resnet8-thin-fashion")
    model = make_model(config)
    nodes = [module for module in model.modules() if isinstance(module, BaseNode)]
    assert all(
        isinstance(node, AdaptiveIFNode) and (node.T, node.most_T, node.signed) == (1, 1, False) for node in nodes
    )
    x = torch.randn(1, 4, 5)
    node, relu = nodes[0].train(), QReLU(15)
    node(x)
    relu.step_size.data.fill_(node.staircase.scale)
    assert torch.equal(node.eval()(x), relu.eval()(x))
    assert node.eval()(x).unique().numel() > 3
