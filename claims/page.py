"""docs/claims.md, written from the results: what each paper claims, how it was tested, what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from claims.claim import METRICS, SEEDS, Claim, scores_of

__all__ = ["page"]

HEAD = """# Claims

What the papers claim and what our runs say. This page is written by `make claims` from `results/claims/`; do not
edit it. Each line there holds the command, data, seed, machine class and commit of one run. "Small" is a shortened
training on part of the training set; accuracies are on the full test set, read once per run. A difference counts as
clear when it exceeds twice its standard error over the seeds.

At the small scale every network trains with the straight-through gradient, which passes nothing where a potential lies
outside the alphabet. That may cost one-bit spikes more than graded ones, so a verdict on spike bits against steps holds
for this gradient only: it has not been repeated with another, nor at full length.
"""


def page(papers: Mapping[str, Sequence[Claim]], results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The page. ``results`` is by scale, then by run."""
    parts = [HEAD]
    for title, claims in papers.items():
        parts.append(f"## {title}\n")
        for claim in claims:
            parts += [f"### {claim.name} {claim.statement}\n", f"Paper: {claim.where}.\n"]
            if claim.judge is None:
                parts.append(f"**Not tested**: {claim.untested}.\n")
            for scale, found in results.items():
                parts += _tested(claim, scale, found)
    return "\n".join(parts)


def _tested(claim: Claim, scale: str, results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    measured = {metric: scores_of(claim, results, metric) for metric in METRICS}
    scores = measured["test_accuracy"]
    if claim.judge is None or not scores:
        return []
    complete = all(run.key in results for run in claim.runs)
    rows = [
        "| setting | Bit Budget | test accuracy (%) | seeds | S-ACE (M) | NS-ACE (M) | entropies |",
        "|---|---|---|---|---|---|---|",
    ]
    for recipe, edits in claim.settings:
        label = " ".join(edits)
        if label not in scores:
            continue
        of_setting = [results[r.key] for r in claim.runs if r.edits == edits and r.key in results]
        spread = f" ± {stdev(scores[label]):.2f}" if len(scores[label]) > 1 else ""
        s_ace, ns_ace = (mean(r[key] for r in of_setting) / 1e6 for key in ("s_ace", "ns_ace"))
        rows.append(
            f"| {recipe} {label} | {of_setting[0]['bit_budget']} | {mean(scores[label]):.2f}{spread}"
            f" | {len(of_setting)} | {s_ace:.2f} | {ns_ace:.2f}"
            f" | {', '.join(_mean(measured[m].get(label)) for m in ('weight_entropy', 'spike_entropy'))} |"
        )
    first = next(results[run.key] for run in claim.runs if run.key in results)
    how = (
        f"Scale {scale}: {first['train_images']:,} training images of {first['dataset']}, {first['epochs']} epochs,"
        f" {first['test_images']:,} test images, {len(SEEDS)} seeds, {first['machine']}."
    )
    if not complete:
        return [f"**Runs missing**. {how}\n", *rows, ""]
    outcome = claim.judge(measured)
    return [f"**{outcome.verdict.capitalize()}** ({outcome.why}). {how}\n", *rows, ""]


def _mean(values: Sequence[float] | None) -> str:
    return f"{mean(values):.3f}" if values else "–"
