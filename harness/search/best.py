"""Writes the best setting of a search as an experiment file for `harness run`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.load import load
from harness.config.search_block import resolve_params
from harness.config.settings import CHOICES, KNOBS
from harness.config.spec import Choice, Experiment, TrialSpec
from harness.registry import variant
from harness.search.outcome import Outcome, TriedSetting
from harness.search.study import search_of
from harness.store.atomic_files import replace_file

FILE = "best.yaml"
SUFFIX = "-best"
LONGEST_NAME = 64
TEST = ("pck@0.1", "pck_regressed@0.1", "nme", "nvs_loss")  # test scores that are reported beside the objectives


def write_best(folder: Path, experiment: Experiment, outcome: Outcome, tried: TriedSetting,
               records: Sequence[Mapping[str, Any]]) -> Path:
    """Write the setting as ``best.yaml`` and return its path; loading the file gives exactly this setting."""
    search = search_of(experiment)
    spec = resolve_params(search, tried.params)
    path = folder / FILE
    whole = {key: value for key, value in spec.to_dict().items() if key != "seed"}
    for trial in (_short(spec), whole):
        replace_file(path, _text(experiment, outcome, tried, records, json.loads(json.dumps(trial))).encode())
        if load(path).trials[0] == TrialSpec.from_dict({**spec.to_dict(), "seed": experiment.seeds[0]}):
            break
    return path


def _text(experiment: Experiment, outcome: Outcome, tried: TriedSetting, records: Sequence[Mapping[str, Any]],
          trial: Mapping[str, Any]) -> str:
    import yaml

    scores = [f"{objective.score} = {value:.4g}"
              for objective, value in zip(outcome.objectives, tried.values, strict=True)]
    search = search_of(experiment)
    count = len(outcome.settings)
    lines = [
        f"# The best of {count} setting{'s' * (count > 1)} that a search of {experiment.source} tried: number "
        f"{tried.number} of the study {outcome.study!r}, sampler {search.sampler.name}.",
        f"# Searched for: {', '.join(scores)}; mean over {tried.seeds} seed{'s' * (tried.seeds > 1)}.",
    ]
    if len(outcome.objectives) > 1 and len(outcome.front) > 1:
        others = ", ".join(str(other.number) for other in outcome.front if other is not tried)
        lines.append(f"# Of {len(outcome.front)} settings that no other one beats, the best by "
                     f"{outcome.objectives[0].score}; the others are {others}.")
    tested = [f"{name} = {value:.4g}" for name in TEST if (value := _mean(records, name)) is not None]
    if tested:
        lines.append(f"# On the test split, which the search did not look at: {', '.join(tested)}.")
    name = experiment.name[:LONGEST_NAME - len(SUFFIX)] + SUFFIX
    body = {"name": name, "trial": trial, "seeds": list(experiment.seeds)}
    return "\n".join(lines) + "\n" + yaml.safe_dump(body, sort_keys=False, default_flow_style=None, width=110)


def _mean(records: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [record["scores"][name] for record in records if name in record["scores"]]
    return sum(values) / len(values) if values else None


def _short(spec: TrialSpec) -> dict[str, Any]:
    """Return a setting in short form: every choice, and the knobs that differ from their defaults."""
    plain: dict[str, Any] = {}
    for key, kind in CHOICES.items():
        choice: Choice = getattr(spec, key)
        knobs = _changed(kind, choice)
        plain[key] = {"name": choice.name, **knobs} if knobs else choice.name
    for key, knob in KNOBS.items():
        if getattr(spec, key) != knob.default:
            plain[key] = getattr(spec, key)
    plain["losses"] = {loss.name: _changed("losses", loss) for loss in spec.losses}
    return plain


def _changed(kind: str, choice: Choice) -> dict[str, Any]:
    defaults = {knob.name: knob.default for knob in variant(kind, choice.name).knobs}
    return {name: value for name, value in choice.knobs.items() if value != defaults[name]}
