"""Every command and YAML block of README and docs/, run as it stands, on small records and tiny models."""

import json
import re
import shlex
import shutil
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from harness.__main__ import main
from harness.config.load import load
from harness.method.fingerprints import fingerprints
from harness.method.optimise import Step
from harness.method.results import TrialResult
from harness.report.evolution.agreement import Agreement
from harness.store.atomic_files import write_folder
from harness.store.mlflow_tracker import Tracker
from harness.store.store import Store
from tests.report import stores
from tests.runner.executors import fake

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
TEXTS = {page: (ROOT / page).read_text() for page in PAGES}
COMMANDS = sorted({(page, line) for page, text in TEXTS.items()
                   for line in re.findall(r"^    (python -m harness .*)$", text, re.MULTILINE)})
BLOCKS = [(page, number, block) for page, text in TEXTS.items()
          for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))]
# What no test machine has: a command ends in one line that names it, before anything runs.
MISSING = {"/data/cub": "there is no folder /data/cub", "/models/sd15": "path '/models/sd15' is no folder",
           "postgresql": "postgresql", "--root renders": "there is no folder renders",
           "stablekeypoints_cub_001.yaml": "cub"}
FILES = dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```", TEXTS["docs/tutorial.md"], re.MULTILINE | re.DOTALL))
FIGURES = {"name": "figures", "family": "biped", "views": 1}


def points(seed, spread):
    truth = np.random.default_rng(0).uniform(0.2, 0.8, (80, 2))
    found = truth + np.random.default_rng([seed, round(100 * spread)]).normal(0, spread, truth.shape)
    errors = 64 * np.linalg.norm(found - truth, axis=1).reshape(8, 1, 10)
    places = {"truth_y": truth[:, 0], "truth_x": truth[:, 1], "found_y": found[:, 0], "found_x": found[:, 1]}
    return stores.points(errors, normaliser=48.0, **places)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Records of the experiments that the documents name."""
    results = tmp_path_factory.mktemp("recorded") / "results"
    for experiment in ("fusion", "fusion-long", "tokens", "stablekeypoints_cub_001", "stablekeypoints_cub_002",
                       "photos"):
        for name, spread in (("none", 0.1), ("blend", 0.05)):
            for seed in range(2):
                made = points(seed, spread)
                stores.add(results, experiment, seed, points=made, curve=stores.curve([3.0, 2.0]),
                           scores={"pck@0.1": float(np.mean(np.array(made["error"]) <= 0.1 * 48.0))},
                           data=FIGURES, fusion=stores.fusion(name), steps=20 if experiment == "fusion-long" else 10)
        layout = {"report": {"rows": ["fusion"], "baseline": {"fusion": "none"}, "columns": []}, "trials": {}}
        (results / experiment / "experiment.json").write_text(json.dumps(layout))
    (results / "mlflow.db").touch()
    return results


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The tutorial's photographs, made by its own script."""
    folder = tmp_path_factory.mktemp("photographs")
    with chdir(folder):
        exec(compile(FILES["make_photos.py"], "make_photos.py", "exec"), {})
    return folder / "photos"


@pytest.fixture(scope="module")
def earlier(recorded):
    """An earlier report of `fusion` as JSON; the commands that compare with it read it from a file."""
    with redirect_stdout(StringIO()) as written:
        assert main(["report", "fusion", "--format", "json", "--results", str(recorded)]) == 0
    return json.dumps(json.loads(written.getvalue())["fusion"])


def started(command, port, results, *, opens):
    """End here: the server would run until it is interrupted."""
    return 0


def served(results, output, port, *, opens):
    """End here, as `started`."""
    return 0


def trial(spec, on_step, options):
    """Replace a trial by one step and scores."""
    made = fake.result(spec)
    on_step(Step(1, spec.steps, {"loss": 1.0}, 0.1))
    fit = {"scene": list(range(spec.fit_scenes)), "pck_fit@0.1": [0.5] * spec.fit_scenes}
    return TrialResult("finished", "", {**made.scores, "pck_fit@0.1": 0.5, "pck@0.1": 0.5}, made.cost, made.curve,
                       made.points, made.tokens, None, fingerprints(spec), fit)


def evolution(store, record, scene=0, output=None):
    """Replace the capture of a made-up trial's attention by an evolution of no token."""
    folder = output or store.path(record["id"]) / "evolution"
    numbers = {"described_scenes": 1, "views": 1, "tokens": [], "tracks": []}
    write_folder(folder, {"evolution.json": json.dumps(numbers).encode()})
    return folder, Agreement(0, 0, None, None, ())


@pytest.fixture
def place(recorded, earlier, photographs, tmp_path, monkeypatch):
    """A folder with those records, the shipped experiments and an earlier report; trials are replaced."""
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_RESULTS", "HARNESS_DEBUG", "HARNESS_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("harness.method.trial.run", trial)
    monkeypatch.setattr("harness.store.mlflow_tracker.MlflowTracker", lambda store: Tracker())
    monkeypatch.setattr("harness.store.mlflow_tracker.push_files", lambda store: "")
    monkeypatch.setattr("harness.cli._evolution.write_evolution", evolution)
    monkeypatch.setattr("harness.cli.ui._serve", started)
    monkeypatch.setattr("harness.cli.app._serve", served)
    shutil.copytree(recorded, "results")
    shutil.copytree(ROOT / "experiments", "experiments")
    Path("paper").mkdir()
    Path("paper/fusion.json").write_text(earlier)
    blocks = dict(re.findall(r"^`([\w/.]+)`:\n\n```yaml\n(.*?)^```$", TEXTS["docs/extending.md"], re.M | re.S))
    Path("experiments/add.yaml").write_text(of_shipped_fusions(blocks["experiments/add.yaml"]))
    Path("photos").symlink_to(photographs)
    Path("photos.yaml").write_text(FILES["photos.yaml"])
    Path("hunt.yaml").write_text(next(block for page, _, block in BLOCKS if block.startswith("name: hunt")))
    return tmp_path


def of_shipped_fusions(block):
    """Return a block with a shipped fusion in the place of that which the document adds."""
    return re.sub(r"name: add, alpha: ", "name: concat, strength: ", block)


def words(line):
    """A command's arguments, small and in this process, with trials that are there."""
    arguments = shlex.split(line, comments=True)[3:]
    ids = [record["id"] for record in Store("results", "fusion").records()]
    arguments = [{"3f2a": ids[0], "91bc": ids[-1]}.get(word, word) for word in arguments]
    if "ray" in arguments:  # a cluster's workers would not know the replaced trial; tests of executors start one
        arguments = [word for word in arguments if word not in ("--executor", "ray", "--address", "auto")]
    if arguments[0] in ("run", "sweep") or "--measure" in arguments:
        arguments += ["--executor", "inline"]
    if arguments[0] == "sweep" and "--storage" not in arguments:
        arguments += ["--trials", "6"]
    return arguments


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda text: text.split("#")[0].strip())
def test_a_command_runs_as_it_stands(page, line, place, capsys):
    try:
        code = main(words(line))
    except SystemExit as end:
        code = end.code
    shown = capsys.readouterr()
    absent = next((said for mark, said in MISSING.items() if mark in line), "")
    if absent:
        assert code == 2, shown.err
        assert shown.err.splitlines()[-1].startswith("error: ")
        assert absent in shown.err.splitlines()[-1]
    else:
        assert code == 0, shown.err
        assert "error" not in shown.err


@pytest.mark.parametrize(("page", "number", "block"), BLOCKS, ids=lambda value: str(value)[:24])
def test_a_yaml_block_is_an_experiment_or_a_part_of_one(page, number, block, tmp_path):
    """A block without a name is a part, such as `report:`; it goes beside a small experiment."""
    head = "" if block.startswith(("name:", "#")) else "name: part\n"
    body = of_shipped_fusions(block)
    if "trial:" not in block:
        body += "trial: {steps: 10}\ngrid: {fusion: [none, concat], fusion.strength: [0.5, 1.0]}\n"
    (tmp_path / "block.yaml").write_text(head + body)
    assert load(tmp_path / "block.yaml").name


def test_the_tutorial_shows_what_its_commands_say(place, photographs, capsys):
    text = TEXTS["docs/tutorial.md"]
    rows = (photographs / "keypoints.csv").read_text().splitlines()[:4]
    assert "\n".join(["```text", *rows, "```"]) in text
    assert main(["doctor", "--data", "folder", "--root", "photos"]) == 0
    described = re.sub(r"in /\S+/photos,", "in .../photos,", capsys.readouterr().out)
    assert f"```text\n{described}```" in text
    few = place / "few" / "photos"
    few.mkdir(parents=True)
    for photo in sorted(photographs.glob("*.png"))[:20]:
        shutil.copy(photo, few)
    assert main(["plan", "photos.yaml", "--set", f"trial.data.root={few}"]) == 2
    assert f"```text\n{capsys.readouterr().err}```" in text


def test_the_readmes_experiment_runs(tmp_path, monkeypatch, random_models, capsys):
    """The block with `fusion.strength`, at small sizes: every trial finishes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    monkeypatch.setattr("harness.store.mlflow_tracker.MlflowTracker", lambda store: Tracker())
    monkeypatch.setattr("harness.store.mlflow_tracker.push_files", lambda store: "")
    block = next(block for page, _, block in BLOCKS if page == "README.md" and block.startswith("name:"))
    Path("strength.yaml").write_text(block)
    small = {"steps": 1, "tokens": 12, "keypoints": 6, "map_side": 16, "optimise_scenes": 3, "scenes_per_step": 1,
             "fit_scenes": 3, "test_scenes": 2, "view_scenes": 1, "view_timesteps": "[500]", "warp_bank": 1,
             "data.side_px": 32}
    flags = [part for name, value in small.items() for part in ("--set", f"trial.{name}={value}")]
    assert main(["run", "strength.yaml", *flags, "--set", "seeds=1", "--executor", "inline", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert (summary["planned"], summary["done"]) == (5, 5)  # none once, not once for each strength
    assert {record["spec"]["fusion"].get("strength") for record in Store("results", "strength").records()} == {0.5, 1.0}
