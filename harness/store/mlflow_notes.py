"""Descriptions in MLflow, as Markdown: of the experiment, its parent run, and each trial's run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.store.mlflow_links import MAIN_VIEW, runs_page
from harness.store.mlflow_scores import GROUPS, HEADLINES, grouped
from harness.store.mlflow_views import VIEWS

LONGEST_NOTE = 4900  # characters; older versions of MLflow take 5000 for an experiment's tag
MOST_ROWS = 25  # settings in the parent's table
MEANINGS = (
    "keypoints that are right: share of visible points within 0.1 (0.05, 0.2) of the data's normaliser; more is better",
    "`nme`: mean error of the points over the normaliser; `nvs_loss`: denoising error of the generated views; less is "
    "better",
    "of the tokens' maps: entropy 1 is even, 0 is one pixel; `peak_mass` and `effective_area` say the same in other "
    "words",
    "of the optimisation; the loss of every step is in `curve/...`",
    "time, memory, and the number of optimised values",
    "how exactly the captured attention gives the model's own output again; about 1e-6",
)


def experiment_note(name: str, number: str, plan: Mapping[str, Any]) -> str:
    """Return an experiment's description: its question, its command, and how to read its runs."""
    source, verb = str(plan.get("source") or name), "run" if plan.get("trials", True) else "sweep"
    views = ", ".join(f"[{view.name[2:].partition(':')[0].lower()}]"
                      f"({runs_page('', number, view.key, charts=True).lstrip('/')})" for view in VIEWS)
    groups = "\n".join(f"- `{group}/`: {text}" for group, text in zip(GROUPS, MEANINGS, strict=True))
    question = str(plan.get("question") or f"The experiment {name}.")
    return (f"{question}\n\nCommand: `python -m harness {verb} {source}`\n\n"
            f"Charts: {views}; the [same as a table]({runs_page('', number, MAIN_VIEW).lstrip('/')}). A line is one "
            f"trial, a setting with one seed; a group is the mean over those seeds that the page has loaded (100 runs "
            f"at a time). The run `{name}` holds the means of all, tables with intervals and tests, and the "
            f"progress.\n\nMetrics, those of interest first:\n\n{groups}\n"
            )[:LONGEST_NOTE]


def parent_note(name: str, plan: Mapping[str, Any], counts: Mapping[str, int],
                means: Mapping[str, Mapping[str, tuple[float, int]]]) -> str:
    """Return the parent run's description: the counts, and the mean scores of the settings, the best first."""
    counted = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no trial has ended"
    heads = [score for score in HEADLINES if any(score in scores for scores in means.values())]
    rows = [f"| {setting} | {max(count for _, count in scores.values())} | "
            + " | ".join(_number(scores[score][0]) if score in scores else "-" for score in heads) + " |"
            for setting, scores in means.items() if scores][:MOST_ROWS]
    table = [f"| setting | n | {' | '.join(HEADLINES[score] for score in heads)} |", "|---" * (len(heads) + 2) + "|"]
    left = f"\n\n{len(means) - MOST_ROWS} further settings are in the tables." if len(means) > MOST_ROWS else ""
    question = str(plan.get("question") or f"The experiment {name}.")
    text = f"{question}\n\n{counted}\n"
    if rows:
        text += ("\nMeans over seeds; `report.md` and `tables/` (tab Artifacts) have intervals and tests:\n\n"
                 + "\n".join([*table, *rows]) + left + "\n")
    return text[:LONGEST_NOTE]


def trial_note(record: Mapping[str, Any], setting: str, run: str, pictures: Mapping[str, str]) -> str:
    """Return the description of a trial's run: its setting, its headline scores, its pictures by small copies."""
    numbers = {**record["cost"], **record["scores"]}
    shown = [f"{HEADLINES[score]} {_number(numbers[score])}" for score in HEADLINES
             if math.isfinite(numbers.get(score, math.nan))]
    text = f"**{setting}**, seed {record['spec'].get('seed')} of `{record['experiment']}`"
    text += f": {', '.join(shown)}." if shown else "."
    if record["status"] != "finished":
        text += f" {record['status'].capitalize()}: {record['reason']}"
    file = f"get-artifact?run_uuid={run}&path="
    text += "".join(f"\n\n[![{name}]({file}{small})]({file}{name})" for name, small in pictures.items())
    command = record["environment"].get("command")
    return (text + "\n\nFiles: `record.json` (every score), `spec.yaml` (every setting), `curve.parquet`, "
            "`points.parquet` (every point's error), `tokens.safetensors`."
            + (f"\n\nCommand: `{command}`" if command else ""))[:LONGEST_NOTE]


def headline_order(means: Mapping[str, Mapping[str, Any]], metrics: Sequence[str] = tuple(HEADLINES)) -> list[str]:
    """Return the settings, the best of the first headline first; those without it last, by name."""
    def rank(setting: str) -> tuple[bool, float, str]:
        mean = means[setting].get(metrics[0])
        return mean is None, -mean[0] if mean else 0.0, setting

    return sorted(means, key=rank)


def mean_name(score: str, setting: str) -> str:
    """Return the parent's metric of a setting's mean score."""
    return f"{grouped(score)}/{setting}"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 10 else f"{value:.4g}"
