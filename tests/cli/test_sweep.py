"""The command `sweep`, with synthetic trials."""

import json
import os
import shlex
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.cli._report_pages import write_report as WRITE_REPORT
from harness.config.load import load
from harness.config.spec import RunOptions, TrialSpec
from harness.method.optimise import Step
from harness.method.results import TrialResult
from harness.store.mlflow_tracker import Tracker
from harness.store.store import Store
from tests.runner.executors import fake
from tests.search import synthetic

HUNT = """\
name: hunt
trial: {model: tiny_sd, data: {name: figures, views: 1}, steps: 4, fit_scenes: 6}
seeds: 2
search:
  sampler: {name: random}
  space:
    fusion: [none, {name: blend, alpha: {low: 0, high: 1}}]
    learning_rate: {low: 1e-3, high: 1e-1, log: true}
  enqueue: [{fusion: none, learning_rate: 0.01}]
  budget: {trials: 16}
"""
Command = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs a command in an empty folder, with trials replaced."""
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_RESULTS", "HARNESS_DEBUG", "MLFLOW_TRACKING_URI", synthetic.JOURNAL):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("harness.method.trial.run", synthetic.run)
    monkeypatch.setattr("harness.method.fingerprints.fingerprints", fake.fingerprints)
    monkeypatch.setattr("harness.store.mlflow_tracker.MlflowTracker", lambda store: Tracker())
    monkeypatch.setattr("harness.store.mlflow_tracker.push_files", lambda store: "")
    monkeypatch.setattr("harness.cli._report_pages.write_report", lambda *arguments: [])  # drawing takes a second
    Path("hunt.yaml").write_text(HUNT)

    def command(*arguments: str) -> int:
        inline = ["--executor", "inline"] if arguments[0] in ("run", "sweep") else []
        return main([*arguments, *inline])

    return command


def test_a_sweep_ends_with_the_best_setting_figures_and_a_table(run: Command, capsys: pytest.CaptureFixture) -> None:
    assert run("sweep", "hunt.yaml") == 0
    out, err = capsys.readouterr()
    assert "### Best settings of 8 tried: 8 finished" in out
    assert "on the test split, which the search did not look at: pck@0.1 0." in out
    assert "### What mattered to pck_fit@0.1" in out
    assert "16 planned: 16 done" in err
    assert "python -m harness run results/hunt/best.yaml" in err
    figures = {path.name for path in Path("results/hunt/figures").iterdir()}
    assert {"history.pdf", "history.png", "history.csv", "importances.pdf", "importances.png"} <= figures


def test_progress_shows_the_objective_and_the_best_so_far_and_no_test_score(run: Command, capsys: pytest.CaptureFixture,
                                                                           ) -> None:
    run("sweep", "hunt.yaml")
    done = [line for line in capsys.readouterr().err.splitlines() if ": done after" in line]
    assert len(done) == 16
    assert not any(" pck@0.1 " in line for line in done)
    # one setting with two seeds, enqueued: 0.5 and 0.51, so its mean is known after the second
    assert done[0].endswith("fusion=none learning_rate=0.01 seed=0: done after 0 s: pck_fit@0.1 0.5")
    assert done[1].endswith("seed=1: done after 0 s: pck_fit@0.1 0.51, best so far 0.505")
    best = [float(line.rpartition(" ")[2]) for line in done[1:]]
    assert best == sorted(best)
    found = [float(line.partition("pck_fit@0.1 ")[2].partition(",")[0]) for line in done]
    means = [(one + other) / 2 for one, other in zip(found[::2], found[1::2], strict=True)]
    assert best[-1] == pytest.approx(max(means), abs=1e-4)


def test_progress_of_several_objectives_shows_the_best_of_each(run: Command, capsys: pytest.CaptureFixture) -> None:
    run("sweep", "hunt.yaml", "--set", "search.objective=[pck_fit@0.1, nvs_loss]")
    done = [line for line in capsys.readouterr().err.splitlines() if ": done after" in line]
    rates = [float(line.rpartition(" nvs_loss ")[2].partition(",")[0]) for line in done]
    assert f"; nvs_loss {rates[-1]:.4g}, best so far {min(rates):.4g}" in done[-1]


def test_a_printed_command_can_be_pasted_where_a_path_has_a_space(run: Command, capsys: pytest.CaptureFixture) -> None:
    run("sweep", "hunt.yaml", "--results", "my results", "--trials", "2")
    err = capsys.readouterr().err
    (best,) = [line for line in err.splitlines() if line.startswith("best ")]
    command = shlex.split(best.rpartition("; ")[2])
    assert command == ["python", "-m", "harness", "run", "my results/hunt/best.yaml"]
    assert "optuna-dashboard 'sqlite:///" in err


def test_the_best_setting_runs_by_itself_under_the_same_ids(run: Command, capsys: pytest.CaptureFixture) -> None:
    run("sweep", "hunt.yaml", "--json")
    found = json.loads(capsys.readouterr().out)
    best = next(tried for tried in found["settings"] if tried["number"] == found["best"])
    assert best["values"][0] == max(tried["values"][0] for tried in found["settings"])
    text = Path("results/hunt/best.yaml").read_text()
    assert f"number {found['best']} of the study 'hunt'" in text
    assert f"pck_fit@0.1 = {best['values'][0]:.4g}" in text
    assert "On the test split, which the search did not look at: pck@0.1" in text
    assert run("run", "results/hunt/best.yaml") == 0
    assert {record["id"] for record in Store("results", "hunt-best").records()} == set(best["trials"])
    assert load("results/hunt/best.yaml").name == "hunt-best"


def test_the_same_command_goes_on_and_a_larger_budget_adds(run: Command, capsys: pytest.CaptureFixture) -> None:
    run("sweep", "hunt.yaml", "--trials", "4")
    assert "4 planned: 4 done" in capsys.readouterr().err
    run("sweep", "hunt.yaml", "--trials", "4")
    assert "4 planned: 4 done before" in capsys.readouterr().err
    run("sweep", "hunt.yaml", "--trials", "6")
    assert "6 planned: 2 done, 4 done before" in capsys.readouterr().err


@pytest.mark.parametrize(("at", "code"), [(4, 0), (3, 75), (2, 75)])
def test_an_interrupted_sweep_exits_75_unless_its_budget_is_spent(
    run: Command, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, at: int, code: int
) -> None:
    ran: list[int] = []

    def interrupting(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
        ran.append(spec.seed)
        if len(ran) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return synthetic.run(spec, on_step, options)

    monkeypatch.setattr("harness.method.trial.run", interrupting)
    assert run("sweep", "hunt.yaml", "--trials", "4") == code
    assert len(ran) == at
    assert run("sweep", "hunt.yaml", "--trials", "4") == 0
    assert len(ran) == 4


def test_several_objectives_end_with_their_front(run: Command, capsys: pytest.CaptureFixture) -> None:
    assert run("sweep", "hunt.yaml", "--set", "search.objective=[pck_fit@0.1, nvs_loss]", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    front = [tried["values"] for tried in found["settings"] if tried["on_front"]]
    for quality, cost in front:
        assert not [1 for tried in found["settings"] for a, b in [tried["values"]]
                    if a >= quality and b <= cost and [a, b] != [quality, cost]]
    assert {"front.pdf", "front.png", "history-2.png"} <= {path.name for path in Path("results/hunt/figures").iterdir()}
    run("sweep", "hunt.yaml", "--set", "search.objective=[pck_fit@0.1, nvs_loss]")
    assert "### Settings that no other one beats of 8 tried" in capsys.readouterr().out


def test_a_dry_run_shows_the_space_and_starts_nothing(run: Command, capsys: pytest.CaptureFixture) -> None:
    assert run("sweep", "hunt.yaml", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "fusion.blend.alpha               0 to 1  (with fusion=blend)" in out
    assert "learning_rate                    0.001 to 0.1, log" in out
    assert "first: fusion=none learning_rate=0.01" in out
    assert "budget: 16 trials; recorded: none" in out
    assert run("sweep", "hunt.yaml", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["enqueue"] == [{"fusion": "none", "learning_rate": 0.01}]
    assert not Path("results").exists()


def test_a_sweep_ends_by_naming_its_page_one_figure_and_the_command_report(
    run: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.cli._report_pages.write_report", WRITE_REPORT)
    assert run("sweep", "hunt.yaml", "--trials", "6") == 0
    lines = capsys.readouterr().err.splitlines()
    assert "page     results/hunt/report.html" in lines
    (figure,) = [line.split()[1] for line in lines if line.startswith("figure ")]
    assert Path(figure).is_file()
    assert Path("results/hunt/report.html").is_file()
    assert lines[-1] == "report   python -m harness report hunt"


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Let a trial take 3 s and 2 s a step, 4 s a step with blend."""
    def trial(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
        per_step = 4.0 if spec.fusion.name == "blend" else 2.0
        result = synthetic.run(spec, lambda step: on_step(replace(step, seconds=per_step * step.step)), options)
        return replace(result, cost={"seconds_total": 3.0 + per_step * spec.steps, "seconds_per_step": per_step,
                                     "peak_memory_mb": 700.0})

    monkeypatch.setattr("harness.method.trial.run", trial)
    return trial


@pytest.mark.parametrize("command", [("sweep", "--dry-run"), ("plan",)])
def test_a_plan_tells_the_most_that_a_search_will_cost(
    run: Command, clocked: Command, capsys: pytest.CaptureFixture, command: tuple[str, ...]
) -> None:
    first, *rest = command
    assert run(first, "hunt.yaml", *rest) == 0
    assert "cost: unknown, since nothing like it finished on this device" in capsys.readouterr().out
    assert run(first, "hunt.yaml", *rest, "--measure", "--executor", "inline") == 0
    out = capsys.readouterr().out
    # 16 trials of 3 s and 4 steps of 2 s: the first setting is enqueued, without fusion
    assert "cost: at most 16 trials, 3 min of one worker, no GPU; 700 MB of memory each" in out
    assert "from a few measured steps of 1 kind" in out
    assert "as if every setting were the first: fusion=none learning_rate=0.01" in out
    assert out.splitlines()[-1].startswith("UNet images: ")
    assert not Path("results/hunt/trials").exists()


def test_a_plan_of_a_search_counts_the_images_of_the_whole_space(run: Command, capsys: pytest.CaptureFixture) -> None:
    def planned(*choices: int, form: str = "") -> str:
        space = f"search.space={{scenes_per_step: {list(choices)}, learning_rate: [0, 0.01]}}"
        assert run("plan", "hunt.yaml", "--set", space, "--set", "search.enqueue=[]", *form.split()) == 0
        return capsys.readouterr().out

    least, most = (planned(scenes, form="--json") for scenes in (1, 4))
    both = json.loads(planned(1, 4, form="--json"))["unet_images"]
    assert json.loads(least)["unet_images"]["further"] < both["further"]
    assert both == json.loads(most)["unet_images"]
    assert f" to {both['first']:,} in the first trial" in planned(1, 4)


def test_a_plan_of_a_search_that_has_begun_counts_what_is_left_at_the_price_of_the_slowest(
    run: Command, clocked: Command, capsys: pytest.CaptureFixture
) -> None:
    run("sweep", "hunt.yaml", "--trials", "8")
    kinds = {record["spec"]["fusion"]["name"] for record in Store("results", "hunt").records()}
    assert kinds == {"none", "blend"}
    capsys.readouterr()
    assert run("plan", "hunt.yaml", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    # 8 of 16 are left; blend takes 3 s and 4 steps of 4 s
    assert found["cost"] == {"trials": 8, "unknown": 0, "seconds": 8 * 19.0, "memory_mb": 700.0, "gpu_memory_mb": 0.0}
    assert found["recorded"] == "8 finished"
    assert found["unet_images"]["first"] > found["unet_images"]["further"] > 0
    assert run("plan", "hunt.yaml", "--set", "search.space.learning_rate={low: 0.2, high: 0.3}",
               "--set", "search.enqueue=[]") == 0
    assert "cost: unknown" in capsys.readouterr().out  # the finished trials lie outside this space
    assert run("plan", "hunt.yaml", "--set", "search.budget={trials: 8}") == 0
    assert "cost" not in capsys.readouterr().out
    assert run("plan", "hunt.yaml", "--set", "search.budget={minutes: 5}", "--workers", "2") == 0
    assert "cost: each trial, 19 s of one worker, 10 s with 2, no GPU" in capsys.readouterr().out


def test_the_shipped_sweep_is_the_default(run: Command, capsys: pytest.CaptureFixture) -> None:
    assert run("sweep", "--dry-run") == 0
    assert "fusion.concat.strength" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "reason"), [
    (("run", "hunt.yaml"), "hunt.yaml: has a 'search'; `harness sweep hunt.yaml` runs it"),
    (("sweep", "fusion"), "has no 'search'; `harness run fusion` runs its grid"),
    (("sweep", "fusion", "--trials", "3"), "has no 'search'; `harness run` runs its grid"),
    (("sweep", "hunt.yaml", "--trials", "many"), "'many' is not valid; expected a whole number"),
    (("sweep", "hunt.yaml", "--trials", "1"), "1 trials do not hold one setting of 2 seeds"),
    (("sweep", "hunt.yaml", "--minutes", "-1"), "-1 is out of range"),
    (("sweep", "hunt.yaml", "--storage", "here"), "'here' is not an address"),
    (("sweep", "hunt.yaml", "--set", "search.sampler=tpee"), "did you mean 'tpe'?"),
    (("sweep", "hunt.yaml", "--set", "search.objective=pck_fitt@0.1"), "did you mean 'pck_fit@0.1'?"),
])
def test_wrong_use_is_one_line_and_starts_nothing(run: Command, capsys: pytest.CaptureFixture,
                                                  arguments: tuple[str, ...], reason: str) -> None:
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert reason in err
    assert not list(Path().glob("results/*/trials/*"))


@pytest.mark.parametrize("command", [("sweep",), ("sweep", "--dry-run"), ("plan",)])
def test_a_space_that_model_or_data_cannot_serve_is_refused_before_anything_starts(
    run: Command, capsys: pytest.CaptureFixture, command: tuple[str, ...]
) -> None:
    first, *rest = command
    layers = "search.space.layers=[[0], [50]]"
    assert run(first, "hunt.yaml", *rest, "--set", layers) == 2
    assert f"--set {layers}: search.space: with layers=[50]: trial.layers: 50 is out" in capsys.readouterr().err
    Path("hunt.yaml").write_text(HUNT.replace("  enqueue", "    scenes_per_step: [1, 9, 12]\n"
                                                           "    optimise_scenes: [48, 10, 11]\n  enqueue"))
    assert run(first, "hunt.yaml", *rest) == 2
    # 9 of 10 and 12 of 48 are possible: the fault needs both values
    assert ("hunt.yaml:10: search.space: with scenes_per_step=12 optimise_scenes=10: trial.scenes_per_step: 12"
            in capsys.readouterr().err)
    assert not list(Path().glob("results/*/trials/*"))


def test_failures_in_a_row_end_a_sweep(run: Command, capsys: pytest.CaptureFixture) -> None:
    space = "search.space.fusion=[spatial]"
    arguments = ("sweep", "hunt.yaml", "--set", space, "--set", "search.enqueue=[]", "--retries", "0")
    assert run(*arguments, "--set", "search.budget.failures=3") == 1
    assert "stopped: 3 trials in a row failed" in capsys.readouterr().err
    assert run(*arguments, "--max-failures", "2") == 1
    assert "stopped: 2 trials in a row failed" in capsys.readouterr().err
    assert not Path("results/hunt/best.yaml").exists()
