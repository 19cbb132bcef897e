"""docs/claims.md, written from the results: what each paper claims, how it was tested, what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from bitspike.files import read_json
from claims.claim import AT, METRICS, SEEDS, Claim, Outcome, Own, Paper, scores_of

__all__ = ["page"]

HEAD = """# Claims

What the papers claim and what our runs say. This page is written by `make claims` from `results/claims/`; do not
edit it. Each line there holds the command, data, seed, machine class and commit of one run. "Real" trains on all
training images for as long as two cores allow, with augmentation; "small" is a shortened training on part of them.
"-atan" is the same with the arctangent's gradient, of paper 000's neurons. Accuracies are on the full test set, read
once per run. A difference counts as clear when it exceeds twice its standard error over the seeds.

Each claim has its rule. A limit in it (3 points, 1.1 times) is met, and the claim confirmed, if what was measured keeps
it with twice the standard error added; it is not confirmed if it exceeds it with as much taken off; between the two the
verdict is "within the spread". A rule of several parts is as good as the worst of them.
"""


COLUMNS = {  # metric: heading, unit, digits
    "mean_w": ("mean w", 1, 2),
    "mean_s": ("mean s", 1, 2),
    "mean_t": ("mean T", 1, 2),
    "size_bytes": ("size (kB)", 1e3, 1),
    "s_ace_paper_001": ("S-ACE as the paper counts (M)", 1e6, 2),
    "s_ace": ("S-ACE (M)", 1e6, 2),
    "ns_ace": ("NS-ACE (M)", 1e6, 2),
    "qann_ns_ace": ("NS-ACE of the QANN (M)", 1e6, 2),
    "weight_entropy": ("entropy of a 1-bit weight (bits)", 1, 4),
    "spike_entropy": ("entropy of a spike (bits)", 1, 3),
    "spikes": ("spikes fired (k)", 1e3, 2),
    "events": ("events, with those of sums (k)", 1e3, 2),
    "energy_nj": ("energy, Lemaire (uJ)", 1e3, 2),
    **{f"accuracy_at_{t}": (f"T = {t} (%)", 1, 2) for t in AT},
    "equal": ("runs equal", 1, 2),
    "T_eq": ("last spike at", 1, 1),
    "test_map5095": ("mAP@0.5:0.95 (%)", 1, 2),
    "qann_map50": ("QANN (%)", 1, 2),
    **{f"map50_at_{t}": (f"T = {t} (%)", 1, 2) for t in (*AT, 16, 32)},
    "boxes_equal": ("images with equal boxes", 1, 0),
    "final_distance": ("distance of feature maps (levels)", 1, 4),
}

SCORES = {"test_accuracy": "test accuracy (%)", "test_map50": "test mAP@0.5 (%)"}


def page(papers: Sequence[Paper], results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The page. ``results`` is by scale, then by run."""
    parts = [HEAD, "## Where the scales disagree\n", *_disagreements(papers, results), ""]
    for paper in papers:
        parts.append(f"## {paper.title}\n")
        parts += [f"{paper.note}\n"] if paper.note else []
        for claim in paper.claims:
            parts += [f"### {claim.name} {claim.statement}\n", f"Paper: {claim.where}.\n"]
            if (judge := claim.own.judge if claim.own else claim.judge) is not None:
                parts.append(f"Rule: {_rule(judge)}\n")
            if claim.own is not None:
                parts += _of_own(claim.own)
                continue
            if claim.judge is None:
                parts.append(f"**Not tested**: {claim.untested}.\n")
                continue
            tested = [line for scale, found in results.items() for line in _tested(claim, paper.shows, scale, found)]
            parts += tested or ["**Not run yet**: `make claims` does it.\n"]
    return "\n".join(parts)


def verdict(claim: Claim, results: Mapping[str, Mapping[str, Any]]) -> Outcome | None:
    """What the claim's judge says of runs of one scale; ``None`` where one is missing."""
    if claim.judge is None or not all(run.key in results for run in claim.runs):
        return None
    shown = dict.fromkeys((*METRICS, *(claim.shows or ())))
    return claim.judge({metric: scores_of(claim, results, metric) for metric in shown})


def _disagreements(papers: Sequence[Paper], results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A row for each claim whose verdicts differ, and a sentence with how many were compared."""
    found: list[tuple[Claim, dict[str, str]]] = []
    for claim in (claim for paper in papers for claim in paper.claims):
        judged = {scale: verdict(claim, runs) for scale, runs in results.items()}
        said = {scale: outcome.verdict for scale, outcome in judged.items() if outcome is not None}
        if len(said) > 1:
            found.append((claim, said))
    apart = [(claim, said) for claim, said in found if len(set(said.values())) > 1]
    agree = f"Claims run at more than one scale: {len(found)}. Their verdicts differ in {len(apart)}."
    if not apart:
        return [agree]
    scales = [scale for scale in results if any(scale in said for _, said in apart)]
    rows = ["| claim | " + " | ".join(scales) + " |", "|---" * (1 + len(scales)) + "|"]
    rows += [
        "| " + " | ".join((f"{claim.name} {claim.statement}", *(said.get(scale, "–") for scale in scales))) + " |"
        for claim, said in apart
    ]
    return [agree, "", *rows]


def _rule(judge: Callable[..., Outcome]) -> str:
    return " ".join((judge.__doc__ or "").split())


def _of_own(own: Own) -> list[str]:
    if not own.file.exists():
        return [f"**Not run yet**: `results/{own.file.parent.name}/{own.file.name}` is not there.\n"]
    found = read_json(own.file)
    outcome = own.judge(found)
    return [f"**{outcome.verdict.capitalize()}** ({outcome.why}). {own.how}\n", *own.table(found), ""]


def _tested(claim: Claim, shows: Sequence[str], scale: str, results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    shows = shows if claim.shows is None else claim.shows
    measured = {metric: scores_of(claim, results, metric) for metric in dict.fromkeys((*METRICS, *shows))}
    scores = measured[claim.score]
    if claim.judge is None or not scores:
        return []
    headings = ["setting", "Bit Budget", SCORES[claim.score], "seeds", *(COLUMNS[metric][0] for metric in shows)]
    rows = ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    for recipe, edits in claim.settings:
        label = " ".join(edits)
        if label not in scores:
            continue
        budget = next(results[run.key]["bit_budget"] for run in claim.runs if run.edits == edits and run.key in results)
        spread = f" ± {stdev(scores[label]):.2f}" if len(scores[label]) > 1 else ""
        shown = (_mean(measured[metric].get(label), *COLUMNS[metric][1:]) for metric in shows)
        cells = (f"{recipe} {label}", f"{budget:.4g}", f"{mean(scores[label]):.2f}{spread}", len(scores[label]), *shown)
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    first = next(results[run.key] for run in claim.runs if run.key in results)
    how = (
        f"Scale {scale}: {first['train_images']:,} training images of {first['dataset']}, {first['epochs']} epochs,"
        f" {first['test_images']:,} test images, {len(SEEDS)} seeds, {first['machine']}."
    )
    outcome = verdict(claim, results)
    said = "Runs missing" if outcome is None else f"{outcome.verdict.capitalize()}"
    why = "" if outcome is None else f" ({outcome.why})"
    return [f"**{said}**{why}. {how}\n", *rows, ""]


def _mean(values: Sequence[float] | None, unit: float, digits: int) -> str:
    return f"{mean(values) / unit:.{digits}f}" if values else "–"
