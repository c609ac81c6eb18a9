"""A trial whose scores are a formula of its setting, and searches for the best of it."""

import math
import os
from pathlib import Path

from harness.config.load import load
from harness.runner.coordinator import Policy, run_trials
from harness.runner.executors.inline import Inline
from harness.search.sweep import Sweep
from tests.runner.executors import fake

RUN = "tests.search.synthetic:run"
JOURNAL = "SYNTHETIC_JOURNAL"  # names the file that lists every run; worker processes inherit the environment
BONUS = {"none": 0.0, "concat": 0.1, "blend": 0.2, "spatial": -0.3}

HEAD = """\
name: hunt
trial: {model: tiny_sd, data: {name: figures, views: 1}, steps: 4, fit_scenes: 6}
"""
SPACE = """\
    fusion: [none, {name: blend, alpha: {low: 0, high: 1}}]
    learning_rate: {low: 1e-3, high: 1e-1, log: true}
"""


def experiment(folder, search="", *overrides, seeds=1, space=SPACE, budget="{trials: 8}"):
    """Return the experiment of a search, read from YAML as a user writes it; ``search`` holds further lines."""
    path = Path(folder) / "hunt.yaml"
    ends = f"  budget: {budget}\n" if budget else ""
    path.write_text(f"{HEAD}seeds: {seeds}\nsearch:\n{search}{ends}  space:\n{space}")
    return load(path, overrides)


def quality(spec):
    """Return a setting's score: best at learning_rate 0.01, and for `blend` at alpha 0.5."""
    score = 0.5 - 0.2 * abs(math.log10(spec.learning_rate) + 2) + BONUS[spec.fusion.name]
    return score - 0.2 * abs(spec.fusion.knobs.get("alpha", 0.5) - 0.5)


def run(spec, on_step, options):
    """Write the run to the journal, step, and score the setting with a small difference per seed and scene."""
    if os.environ.get(JOURNAL):
        with Path(os.environ[JOURNAL]).open("a") as journal:
            journal.write(f"{spec.learning_rate!r} {spec.fusion.name} {spec.seed}\n")
    from harness.method.optimise import Step

    score = quality(spec) + 0.01 * spec.seed
    for step in range(1, spec.steps + 1):
        probed = options.probe_every and step % options.probe_every == 0
        on_step(Step(step, spec.steps, {"loss": 1.0 / step}, 0.1 * step,
                     probe={"pck_fit@0.1": score * step / spec.steps} if probed else {}))
    if spec.fusion.name == "spatial":
        raise ValueError("spatial fails here")
    if spec.fusion.name == "concat":
        score = float("nan")
    scenes = list(range(spec.fit_scenes))
    return fake.result(spec, scores={"pck_fit@0.1": score, "nvs_loss": spec.learning_rate, "pck@0.1": score / 2},
                       fit={"scene": scenes, "pck_fit@0.1": [score + 0.01 * scene for scene in scenes]})


def journal(path):
    """Return learning rate, fusion and seed of each run."""
    if not path.exists():
        return []
    return [(float(rate), fusion, int(seed)) for rate, fusion, seed in map(str.split, path.read_text().splitlines())]


def sweep(experiment, store, **options):
    """Return the source of a search over synthetic trials."""
    return Sweep(experiment, store, **{"fingerprints": fake.fingerprints, **options})


def go(experiment, store, **options):
    """Run a search to its end and return the summary."""
    source = sweep(experiment, store, **options)
    try:
        return run_trials(source, store, Inline(RUN), policy=Policy(retries=0))
    finally:
        source.close()


def trials_of(store, name="hunt"):
    """Return the study's trials, read from the database."""
    import optuna

    return optuna.load_study(study_name=name, storage=f"sqlite:///{store.folder / 'study.db'}").trials
