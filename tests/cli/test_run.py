"""The commands that run and show experiments, with fake trials."""

import json
import os
import re
import shlex
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.__main__ import main
from harness.cli import _plan_view
from harness.cli._report_pages import write_report as WRITE_REPORT
from harness.config.spec import RunOptions, TrialSpec
from harness.method.optimise import Step
from harness.method.results import TrialResult
from harness.store.mlflow_tracker import Tracker
from harness.store.store import Store

PROBE = """\
name: probe
trial: {steps: 2}
grid: {fusion: [none, concat]}
seeds: 2
report: {baseline: {fusion: none}}
"""
PRINTS = {"data": "d", "weights": "w"}
Run = Callable[..., int]


def fake(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
    """Replace harness.method.trial.run; the scores depend on the setting only."""
    for step in range(spec.steps):
        on_step(Step(step + 1, spec.steps, {"loss": 1.0}, 0.0))
    scores = {"pck@0.1": (0.5 if spec.fusion.name == "none" else 0.75) + 0.01 * spec.seed, "nvs_loss": 0.25}
    curve = {"step": [0.0, 1.0], "loss": [2.0, 1.0]}
    points = {"scene": [0], "view": [0], "keypoint": [0], "error": [1.0], "normaliser": [2.0], "visible": [True]}
    return TrialResult("finished", "", scores, {"seconds_total": 1.0}, curve, points,
                       {"tokens": torch.zeros(1, 1)}, None, PRINTS)


def interrupting(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
    os.kill(os.getpid(), signal.SIGINT)
    return fake(spec, on_step, options)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command in an empty folder, with trials replaced."""
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_RESULTS", "HARNESS_DEBUG", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("harness.method.trial.run", fake)
    monkeypatch.setattr("harness.method.fingerprints.fingerprints", lambda spec: PRINTS)
    monkeypatch.setattr("harness.store.mlflow_tracker.MlflowTracker", lambda store: Tracker())
    monkeypatch.setattr("harness.cli._report_pages.write_report", lambda *arguments: [])  # drawing takes a second
    monkeypatch.setattr("harness.store.mlflow_tracker.push_files", lambda store: "")
    Path("probe.yaml").write_text(PROBE)

    def command(*arguments: str) -> int:
        inline = ["--executor", "inline"] if arguments[0] == "run" else []
        return main([*arguments, *inline])

    return command


def plan(run: Run, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run("plan", "probe.yaml", "--json", *arguments) == 0
    trials: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return trials


def test_a_run_ends_with_the_table_on_stdout_and_where_everything_lies_on_stderr(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("run", "probe.yaml") == 0
    out, err = capsys.readouterr()
    rows = [line for line in out.splitlines() if line.startswith("|")]
    assert any("none (baseline)" in row and "0.505" in row for row in rows)
    assert any("concat" in row and "0.755" in row for row in rows)
    assert "[1/4] fusion=none seed=0: started" in err
    assert "4 planned: 4 done" in err
    assert "results/probe/report.md" in err
    assert "harness ui" in err
    assert {path.suffix for path in Path("results/probe").glob("report.*")} >= {".md", ".tex", ".csv", ".json"}


def test_a_run_ends_by_naming_its_page_one_figure_and_the_command_report(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.cli._report_pages.write_report", WRITE_REPORT)
    assert run("run", "probe.yaml") == 0
    *before, page, figure, report = capsys.readouterr().err.splitlines()
    (tables,) = [line for line in before if line.startswith("tables ")]
    assert [Path(path).name for path in tables.split("tables")[1].split(",")] == [
        "report.md", "report.tex", "report.csv", "report.json"]
    assert page == "page     results/probe/report.html"
    assert figure == "figure   results/probe/figures/pck.png"
    assert report == "report   python -m harness report probe"
    assert Path("results/probe/report.html").is_file()
    assert Path("results/probe/figures/pck.png").is_file()
    assert run("run", "probe.yaml", "--results", "my results") == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("report   python -m harness report probe --results 'my results'")
    assert run(*shlex.split(line)[4:]) == 0


def test_a_page_that_cannot_be_drawn_costs_a_warning(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: Any) -> list[Path]:
        raise RuntimeError("no font")

    monkeypatch.setattr("harness.cli._report_pages.write_report", broken)
    assert run("run", "probe.yaml") == 0
    err = capsys.readouterr().err
    assert "warning: no page: RuntimeError: no font" in err
    assert err.splitlines()[-1] == "report   python -m harness report probe"
    assert Path("results/probe/report.md").is_file()


def test_what_is_finished_is_not_run_again_unless_forced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def counting(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
        seen.append((spec.fusion.name, spec.seed))
        return fake(spec, on_step, options)

    monkeypatch.setattr("harness.method.trial.run", counting)
    assert run("run", "probe.yaml", "--set", "seeds=1") == 0
    assert seen == [("none", 0), ("concat", 0)]
    assert run("run", "probe.yaml") == 0
    assert seen[2:] == [("none", 1), ("concat", 1)]
    assert run("run", "probe.yaml") == 0
    assert len(seen) == 4
    assert run("run", "probe.yaml", "--force") == 0
    assert len(seen) == 8


def test_plan_lists_ids_settings_and_status(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "probe.yaml", "--set", "seeds=1") == 0
    trials = plan(run, capsys)
    assert [(t["settings"]["fusion"]["name"], t["settings"]["seed"], t["status"]) for t in trials] == [
        ("none", 0, "finished"), ("none", 1, "missing"), ("concat", 0, "finished"), ("concat", 1, "missing"),
    ]
    assert {t["id"] for t in trials if t["status"] == "finished"} == {
        path.name for path in Path("results/probe/trials").iterdir()
    }


def test_a_dry_run_shows_the_plan_and_starts_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "probe.yaml", "--dry-run") == 0
    assert "4 planned: 4 missing" in capsys.readouterr().out
    assert not Path("results").exists()


def costing(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
    """Report a cost of 10 s, and 2 s for each step."""
    for step in range(1, spec.steps + 1):
        on_step(Step(step, spec.steps, {"loss": 1.0}, 2.0 * step))
    cost = {"seconds_total": 10.0 + 2.0 * spec.steps, "seconds_per_step": 2.0, "peak_memory_mb": 500.0}
    return replace(fake(spec, lambda step: None, options), cost=cost)


def test_a_plan_does_not_guess_what_it_costs(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "probe.yaml") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("cost: unknown, since nothing like it has finished here; --measure ")
    assert re.fullmatch(r"UNet images: [\d,]+( to [\d,]+)? in the first trial on a data set and seed, [\d,]+ to [\d,]+ "
                        "in each further one", lines[-1])
    images = [trial["unet_images"] for trial in plan(run, capsys)]
    for name in ("first", "further"):
        assert f"{min(each[name] for each in images):,}" in lines[-1]
        assert f"{max(each[name] for each in images):,}" in lines[-1]
    assert all(each["first"] > each["further"] > 0 for each in images)


def test_a_plan_with_nothing_left_costs_no_image(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "probe.yaml") == 0
    capsys.readouterr()
    assert run("plan", "probe.yaml") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 planned: 4 finished"


def test_a_plan_costs_what_finished_trials_did_and_says_what_it_knows_nothing_of(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.method.trial.run", costing)
    assert run("run", "probe.yaml", "--set", "grid.fusion=[none]", "--set", "seeds=1") == 0
    capsys.readouterr()
    assert run("plan", "probe.yaml", "--set", "trial.steps=5", "--workers", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4] == "cost: 2 trials, 40 s of one worker, 20 s with 2, no GPU; 500 MB of memory each"
    assert lines[-3].split() == ["and", "2", "of", "kinds", "whose", "cost", "is", "unknown"]
    assert lines[-2].strip().startswith("from finished trials of 1 kind on cpu: ")


def test_a_plan_measures_each_kind_once_and_records_nothing(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[tuple[str, int]] = []

    def noting(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
        measured.append((spec.fusion.name, spec.steps))
        return costing(spec, on_step, options)

    monkeypatch.setattr("harness.method.trial.run", noting)
    assert run("plan", "probe.yaml", "--measure", "--executor", "inline", "--set", "trial.steps=20") == 0
    out, err = capsys.readouterr()
    assert measured == [("none", 3), ("concat", 3)]
    assert "cost: 4 trials, 3 min of one worker, no GPU; 500 MB of memory each" in out  # 4 x (10 s + 20 x 2 s)
    assert out.splitlines()[-2].strip() == "from a few measured steps of 2 kinds"
    assert "measuring 2 of 2 kinds of trial" in err
    assert not Path("results").exists()


def test_an_empty_plan_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    _plan_view._print_json([])
    assert json.loads(capsys.readouterr().out) == []


def test_json_goes_to_stdout_alone(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "probe.yaml", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["summary"]["done"] == 4
    (row, *_) = content["tables"][0]["rows"]
    assert row["scores"]["pck@0.1"]["mean"] == pytest.approx(0.505)


def test_a_failed_trial_gives_exit_code_1_and_is_named(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
        if spec.fusion.name == "concat" and spec.seed == 1:
            raise ValueError("a reason")
        return fake(spec, on_step, options)

    monkeypatch.setattr("harness.method.trial.run", breaking)
    assert run("run", "probe.yaml") == 1
    err = capsys.readouterr().err
    assert re.search(r"fusion=concat seed=1: broke after \d+ s, attempt 2 follows: ValueError: a reason", err)
    assert re.search(r"fusion=concat seed=1: failed after \d+ s: ValueError: a reason", err)
    assert "3 done, 1 failed" in err
    assert run("status", "probe") == 0
    assert "ValueError: a reason" in capsys.readouterr().out


def test_an_interrupted_run_exits_75_and_resumes(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.method.trial.run", interrupting)
    assert run("run", "probe.yaml") == 75
    assert "1 done, 3 not started" in capsys.readouterr().err
    monkeypatch.setattr("harness.method.trial.run", fake)
    assert run("run", "probe.yaml") == 0
    assert "3 done, 1 done before" in capsys.readouterr().err


@pytest.mark.parametrize(("signals", "code"), [
    ([signal.SIGTERM], 143), ([signal.SIGINT] * 2, 75), ([signal.SIGINT] * 3, 130)])
def test_the_exit_code_tells_how_a_run_was_stopped_and_it_resumes(
    run: Run, monkeypatch: pytest.MonkeyPatch, signals: list[int], code: int
) -> None:
    def stopping(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
        for number in signals:
            os.kill(os.getpid(), number)
            time.sleep(0.05)  # signals that come together count as one
        return fake(spec, on_step, options)

    monkeypatch.setattr("harness.method.trial.run", stopping)
    assert run("run", "probe.yaml") == code
    assert [record["status"] for record in Store("results", "probe").records()] == (
        [] if code == 130 else ["interrupted"])
    monkeypatch.setattr("harness.method.trial.run", fake)
    assert run("run", "probe.yaml") == 0
    assert {record["status"] for record in Store("results", "probe").records()} == {"finished"}


@pytest.mark.parametrize("wrong", [
    ["--retries", "-1"], ["--timeout", "0"], ["--max-failures", "few"], ["--probe", "x"]])
def test_a_wrong_number_is_refused_in_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    assert run("run", "probe.yaml", *wrong) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: argument {wrong[0]}: ")
    assert len(err.splitlines()) == 1
    assert not Path("results").exists()


def test_the_results_flag_beats_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_RESULTS", "from_environment")
    assert run("run", "probe.yaml", "--set", "seeds=1") == 0
    assert run("run", "probe.yaml", "--set", "seeds=1", "--results", "from_flag") == 0
    assert Path("from_environment/probe/trials").is_dir()
    assert Path("from_flag/probe/trials").is_dir()
    assert not Path("results").exists()


def test_status_counts_by_experiment_and_lists_what_is_not_finished(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("run", "probe.yaml") == 0
    trial = plan(run, capsys, "--set", "seeds=[9]")[0]["id"]
    Store("results", "probe").mark_started(trial)
    capsys.readouterr()
    assert run("status") == 0
    assert capsys.readouterr().out.split() == ["probe", "4", "finished,", "1", "running"]
    assert run("status", "probe") == 0
    assert capsys.readouterr().out.splitlines()[0].split() == [trial, "running"]
    assert run("status", "probe", "--json") == 0
    found = json.loads(capsys.readouterr().out)["probe"]
    assert (found["planned"], found["left"], found["running"]) == (4, 0, False)
    assert found["trials"][trial] == {"status": "running", "reason": "", "attempts": 0}
    assert found["counts"] == {"finished": 4, "running": 1}


def test_status_tells_of_a_run_that_goes_on(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def looking(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
        on_step(Step(1, spec.steps, {"loss": 0.5}, 1.0, {"pck_fit@0.1": 0.25}))
        monkeypatch.setattr("harness.runner.heartbeat.EVERY", 0.0)
        on_step(Step(2, spec.steps, {"loss": 0.25}, 2.0, {"pck_fit@0.1": 0.5}))
        capsys.readouterr()
        assert run("status", "probe") == 0
        seen.append(capsys.readouterr().out)
        if spec.seed == 1:
            raise ValueError("broke")
        return fake(spec, on_step, options)

    monkeypatch.setattr("harness.method.trial.run", looking)
    assert run("run", "probe.yaml", "--set", "grid.fusion=[none]", "--set", "seeds=3", "--retries", "1") == 1
    first, _, repeated, last = (text.splitlines() for text in seen)
    assert re.search(r"running +fusion=none seed=0, for 0 s, step 2/2, loss 0.25, pck_fit@0.1 0.500$", first[0])
    assert re.search(rf"1 running, 3 of 3 left; run by process {os.getpid()} on \S+ since \S+ UTC$", first[-1])
    assert re.search(r"running +fusion=none seed=1, for .* \(attempt 2\)$", repeated[0])
    assert re.search(r"failed +ValueError: broke \(attempt 2\)$", last[1])
    assert re.search(r"1 failed, 1 finished, 1 running, 2 of 3 left; run by .*; \d+ trials/h, \d+ s left$", last[-1])


def test_status_says_why_a_run_gave_up(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
        raise ValueError("no")

    monkeypatch.setattr("harness.method.trial.run", breaking)
    assert run("run", "probe.yaml", "--retries", "0", "--max-failures", "2") == 1
    assert "stopped: 2 trials in a row failed, the last one: ValueError: no" in capsys.readouterr().err
    assert run("status") == 0
    assert capsys.readouterr().out.split(None, 1)[1] == (
        "2 failed, 4 of 4 left; stopped: 2 trials in a row failed, the last one: ValueError: no\n")


def test_status_of_an_empty_folder_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status") == 0
    assert capsys.readouterr().out.startswith("nothing was recorded in ")


def test_an_interrupted_run_with_force_says_what_resumes(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.method.trial.run", interrupting)
    assert run("run", "probe.yaml", "--results", "my birds") == 75
    err = capsys.readouterr().err
    assert "The same command resumes: what is finished is not run again." in err
    assert "python -m harness ui --results 'my birds'\n" in err
    assert run("run", "probe.yaml", "--force") == 75
    assert "The same command without --force resumes: what is finished is not run again." in capsys.readouterr().err


def test_status_is_json_also_where_a_loss_is_not_a_number(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def looking(spec: TrialSpec, on_step: Callable[[Step], None], options: RunOptions) -> TrialResult:
        monkeypatch.setattr("harness.runner.heartbeat.EVERY", 0.0)
        on_step(Step(1, spec.steps, {"loss": float("nan")}, 1.0))
        capsys.readouterr()
        assert run("status", "probe", "--json") == 0
        seen.append(capsys.readouterr().out)
        return fake(spec, on_step, options)

    monkeypatch.setattr("harness.method.trial.run", looking)
    assert run("run", "probe.yaml", "--set", "grid.fusion=[none]", "--set", "seeds=1") == 0
    found = json.loads(seen[0], parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    (trial,) = found["probe"]["trials"].values()
    assert trial["at"]["losses"] == {"loss": None}


def test_a_plan_as_json_refuses_to_measure(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "probe.yaml", "--json", "--measure") == 2
    assert capsys.readouterr().err.startswith("error: --measure: ")


def test_a_trial_whose_recorded_setting_was_changed_is_computed_again(run: Run, capsys: pytest.CaptureFixture[str],
                                                                      ) -> None:
    assert run("run", "probe.yaml") == 0
    trial, path = min((path.parent.name, path) for path in Path("results").glob("*/trials/*/record.json"))
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "spec": {**whole["spec"], "steps": whole["spec"]["steps"] + 1}}))
    capsys.readouterr()
    assert run("run", "probe.yaml") == 0
    assert f"{trial} is not trusted: spec or fingerprints in record.json were changed" in capsys.readouterr().err
    assert json.loads(path.read_text())["spec"] == whole["spec"]


def test_one_damaged_record_is_named_and_stops_no_command(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "probe.yaml") == 0
    trial, path = min((path.parent.name, path) for path in Path("results").glob("*/trials/*/record.json"))
    whole = path.read_text()
    path.write_text(json.dumps({**json.loads(whole), "scores": None}))
    capsys.readouterr()
    assert run("status", "probe") == 0
    assert f"{trial}  unreadable   scores in record.json is not a mapping" in capsys.readouterr().out
    assert run("show", trial) == 1
    assert run("report", "probe", "--format", "csv") == 0
    assert run("run", "probe.yaml", "--dry-run") == 0
    capsys.readouterr()
    assert run("run", "probe.yaml") == 0
    assert f"{trial} is not trusted: scores in record.json is not a mapping; set aside as " in capsys.readouterr().err
    assert len(list(Path("results/probe/set_aside").iterdir())) == 1
    path.write_text(json.dumps({"id": trial, "experiment": "probe", "results_version": 99}))
    assert run("status", "probe") == 0
    assert f"{trial}  stale" in capsys.readouterr().out
    assert run("show", trial) == 0
    out = capsys.readouterr().out
    assert "status   stale" in out
    assert "default" not in out  # its settings cannot be read


def test_a_trial_is_json_also_where_a_score_is_not_a_number(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "probe.yaml") == 0
    path = min(Path("results").glob("*/trials/*/record.json"))
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "scores": {**record["scores"], "nme": None}}))
    capsys.readouterr()
    assert run("show", path.parent.name, "--json") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert found["scores"]["nme"] is None


def test_points_outside_their_image_are_named_before_the_first_trial(run, capsys, tmp_path):
    from PIL import Image

    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(8):
        Image.new("RGB", (64, 64)).save(photos / f"{number}.png")
    (photos / "keypoints.csv").write_text("image,keypoint,x,y\n0.png,nose,900,3\n1.png,nose,20,30\n1.png,tail,5,6\n")
    Path("own.yaml").write_text(
        "name: own\ntrial:\n  model: tiny_sd\n  data: {name: folder, root: photos, side_px: 64}\n  view_scenes: 0\n"
        "  losses: {sharpening: {weight: 1}}\n  optimise_scenes: 2\n  scenes_per_step: 1\n  fit_scenes: 2\n"
        "  test_scenes: 2\n")
    assert run("run", "own.yaml") == 0
    lines = capsys.readouterr().err.splitlines()
    first = "keypoints.csv, line 2: 'nose' of '0.png' at x 900, y 3 lies outside its image of 64 x 64 px"
    assert lines[0].startswith("warning: ")
    assert lines[0].endswith(first)
    assert lines[1] == "warning: points outside their image are not scored (1 of them)"


def test_fusions_that_cannot_act_are_said_beforehand_and_run_once(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    single = PROBE.replace("{steps: 2}", "{steps: 2, model: tiny_sd, data: {name: figures, views: 1}, view_scenes: 0}")
    Path("single.yaml").write_text(single)
    for command in ("plan", "run"):
        assert run(command, "single.yaml") == 0
        said = capsys.readouterr()
        assert said.err.splitlines()[0].startswith("warning: fusion concat has no effect where no view is painted")
    assert len(Store(Path("results"), "probe").records()) == 2
    assert "2 planned: 2 done" in said.err


def test_a_run_pushes_its_tables_to_mlflow_if_a_trial_ran(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed: list[str] = []

    def push(store: Store) -> str:
        pushed.append((store.folder / "report.json").read_text()[:1])
        return "MLflow is down"

    monkeypatch.setattr("harness.store.mlflow_tracker.push_files", push)
    run("run", "probe.yaml")
    assert pushed == ["{"]
    assert "warning: MLflow is down" in capsys.readouterr().err
    run("run", "probe.yaml")
    assert pushed == ["{"]  # nothing ran, and MLflow, which takes seconds to import, is left alone
