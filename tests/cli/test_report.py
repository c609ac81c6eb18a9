"""The report command, on an experiment whose scores come from made-up points and curves."""

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.config.load import load
from harness.errors import UsageError
from harness.report.verify import verify
from harness.runner.repair import repair_store
from harness.store import mlflow_mirror
from harness.store.store import Store
from tests.report.recorded import keep, keep_all, keep_spec, spec_of

Run = Callable[..., tuple[int, str, str]]
YAML = """\
name: probe
trial:
  model: tiny_sd
  data: {name: figures, family: biped, views: 1}
grid: {fusion: [none, concat, blend]}
seeds: 4
report: {baseline: {fusion: none}}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `report` in an empty folder and returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        plain = [] if any(each.startswith("--") for each in arguments) else ["--format", "markdown"]  # writes nothing
        code = main(["report", *arguments, *plain])
        return code, *capsys.readouterr()

    return command


def note(name: str = "probe", seeds: int = 3, baseline: str = "none",
         fusions: tuple[str, ...] = ("none", "concat", "blend"), **report: Any) -> None:
    """Write what a run leaves of its plan."""
    trials = [spec_of(seed, fusion) for fusion in fusions for seed in range(seeds)]
    content = {"report": {"rows": ["fusion"], "baseline": {"fusion": baseline}, "columns": [], **report},
               "trials": {spec.id("d1", "w1"): spec.to_dict() for spec in trials}}
    Path("results", name, "experiment.json").write_text(json.dumps(content))


def test_every_recorded_experiment_has_its_own_report(run: Run) -> None:
    keep_all("results", "one", seeds=1)
    keep_all("results", "two", seeds=2)
    code, out, _ = run()
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("## ")] == ["## one", "## two"]


def test_formats(run: Run) -> None:
    keep_all("results")
    note()
    assert "| none (baseline)" in run("probe")[1]
    assert r"\begin{tabular}" in run("probe", "--format", "latex")[1]
    content = json.loads(run("probe", "--format", "json")[1])["probe"]
    assert {table["name"] for table in content["tables"]} == {"pck", "convergence", "attention", "cost", "authenticity"}
    assert len(content["trials"]) == 9
    cell = content["tables"][0]["rows"][1]["scores"]["pck@0.1"]
    assert set(cell["trials"]) <= set(content["trials"])
    lines = list(csv.DictReader(io.StringIO(run("probe", "--format", "csv")[1])))
    line = next(line for line in lines if line["setting.fusion"] == "concat" and line["score"] == "pck@0.1")
    assert float(line["mean"]) == cell["mean"]
    assert float(line["difference"]) == cell["difference"]["mean"]
    assert line["trials"].split() == cell["trials"]


def test_a_folder_gets_every_format(run: Run) -> None:
    keep_all("results", seeds=1)
    code, out, _ = run("probe", "--output", "paper")
    assert code == 0
    own = {f"paper/probe.{suffix}" for suffix in ("md", "tex", "csv", "json", "html")}
    drawn = {f"paper/probe-figures/{kind}.{form}" for kind in ("pck", "keypoints", "convergence", "cost", "entropy")
             for form in ("pdf", "svg", "png", "csv")}
    assert set(out.split()) == own | drawn
    assert all(Path(path).is_file() for path in own | drawn)
    assert "probe-trials/001-none.html#t-" in Path("paper/probe.html").read_text()
    assert r"\toprule" in Path("paper/probe.tex").read_text()


def test_equal_records_give_equal_bytes(run: Run) -> None:
    keep_all("results")
    for folder in ("one", "two"):
        run("probe", "--output", folder)
    files = {path.relative_to("one") for path in Path("one").rglob("*") if path.is_file()}
    assert len(files) > 10
    for path in files:
        assert Path("one", path).read_bytes() == Path("two", path).read_bytes()


def test_without_a_format_tables_are_printed_and_everything_lies_beside_the_records(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_all("results", seeds=1)
    assert main(["report", "probe"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("### Keypoints")
    assert err == "page     results/probe/report.html\nfigures  results/probe/figures/\n"
    assert Path("results/probe/report.html").is_file()
    assert Path("results/probe/report.tex").is_file()
    assert Path("results/probe/figures/pck.pdf").is_file()


def test_pages_link_runs_on_a_server_and_do_without_one_that_is_down(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (trial,) = keep_all("results", seeds=1, fusions=("none",))
    started = (Store("results", "probe").record(trial) or {})["started"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example")
    address = "https://mlflow.example/#/experiments/1/runs/abc"
    monkeypatch.setattr(mlflow_mirror, "run_pages", lambda store, uri: {(trial, started): address})
    run("probe", "--format", "html")
    assert f'href="{address}"' in Path("results/probe/report-trials/001-probe.html").read_text()

    def down(store: Store, uri: str) -> dict[tuple[str, str], str]:
        raise ConnectionError("refused")

    monkeypatch.setattr(mlflow_mirror, "run_pages", down)
    code, _, err = run("probe", "--format", "html")
    assert (code, len(err.splitlines())) == (0, 1)
    assert "pages without links to MLflow: https://mlflow.example: ConnectionError: refused" in err
    text = Path("results/probe/report-trials/001-probe.html").read_text()
    assert "Its run may be in MLflow at https://mlflow.example." in text
    assert "secret" not in text


def test_the_page_alone(run: Run) -> None:
    keep_all("results", seeds=1, fusions=("none",))
    assert "results/probe/report.html" in run("probe", "--format", "html")[1].split()
    assert not Path("results/probe/report.md").exists()


def test_a_folder_that_cannot_be_written_is_named(run: Run) -> None:
    keep_all("results", seeds=1, fusions=("none",))
    Path("paper").write_text("a file")
    for place in ("paper", "paper/below"):
        assert run("probe", "--output", place) == (2, "", f"error: --output {place}: paper is a file; expected a "
                                                   "folder\n")


def test_nothing_finished_says_so(run: Run) -> None:
    Store("results", "probe").fail("f" * 16, spec_of(0), "broke", {})
    assert run("probe") == (1, "", "probe: no trial has finished, 1 failed\n")


def test_trials_of_other_settings_are_counted_and_their_settings_named(run: Run) -> None:
    for seed in range(2):
        keep_spec("results", "probe", spec_of(seed, steps=20))
    Store("results", "probe").fail("f" * 16, spec_of(0, steps=30), "broke", {})
    note(seeds=2, fusions=("none",))
    steps = spec_of(0).steps
    assert run("probe") == (1, "", "probe: none of the 2 planned trials has finished, 2 finished with other settings "
                            f"(steps 20, planned {steps})\n")
    note(seeds=1, fusions=("none", "concat"))
    assert f"(steps 20, planned {steps}; " not in run("probe")[2]


def test_a_renamed_folder_says_how_to_rename_it(run: Run) -> None:
    """The command that is named works: it puts the new name into the records."""
    keep_all("results", seeds=1)
    Path("results/probe").rename("results/new")
    code, out, err = run("new", "--verify")
    assert code == 1
    assert "3 records could not be checked" in out
    assert err.count("warning") == 1
    assert "3 records are not trusted: its folder was renamed from 'probe'; name it probe again, or " in err
    assert main(["status"]) == 0
    with pytest.raises(UsageError, match="renamed from 'probe'"):  # a run would set every record aside
        repair_store(Store("results", "new"))
    subprocess.run(err.split("`")[1], shell=True, check=True)
    assert run("new")[0] == 0
    assert repair_store(Store("results", "new")) == []


def test_a_name_is_shown_as_last_run_and_a_file_as_it_stands(run: Run) -> None:
    keep_all("results")
    note(seeds=2)
    assert "n = 2 seeds" in run("probe")[1]
    assert "Left out: 3 trials not planned." in run("probe")[1]
    Path("probe.yaml").write_text(YAML)
    keep_spec("results", "probe", load("probe.yaml").trials[0])
    text = run("probe.yaml")[1]
    assert "Left out: 9 trials not planned." in text
    assert "So far 1 of 12 planned trials have finished." in text
    assert "Not run yet: fusion=none, seed=1; " in run("probe.yaml", "--set", "seeds=2")[1]


def test_while_it_runs_the_report_says_what_is_missing(run: Run) -> None:
    keep_all("results", seeds=2, fusions=("none", "concat"))
    note(seeds=2)
    store = Store("results", "probe")
    store.mark_started(spec_of(0, "blend").id("d1", "w1"), spec_of(0, "blend"), {"data": "d1", "weights": "w1"})
    text = " ".join(run("probe")[1].split())
    assert "So far 4 of 6 planned trials have finished." in text
    assert "Running: fusion=blend, seed=0." in text
    assert "Not run yet: fusion=blend, seed=1." in text


def test_several_are_joined_and_a_trial_counts_once(run: Run) -> None:
    keep_all("results", "one", fusions=("none", "concat"))
    keep_all("results", "two", fusions=("none", "blend"))
    for name in ("one", "two"):
        note(name, fusions=("none", "concat") if name == "one" else ("none", "blend"))
    code, out, _ = run("one", "two", "--format", "json")
    assert code == 0
    content = json.loads(out)["one+two"]
    rows = content["tables"][0]["rows"]
    assert [(row["setting"]["fusion"], row["seeds"]) for row in rows][:3] == [("none", 3), ("concat", 3), ("blend", 3)]
    assert rows[2]["scores"]["pck@0.1"]["difference"]["baseline"] == "none"
    assert "3 trials of several experiments at once; each counts once." in content["tables"][0]["notes"]


def test_joined_experiments_with_other_baselines_have_none(run: Run) -> None:
    for name, baseline in (("one", "none"), ("two", "concat")):
        keep_all("results", name)
        note(name, baseline=baseline)
    out = " ".join(run("one", "two")[1].split())
    assert "(baseline)" not in out
    assert "The experiments name different baselines (fusion), so none is used." in out


def test_verify_takes_every_cell_again(run: Run) -> None:
    keep_all("results")
    note()
    code, out, _ = run("probe", "--verify")
    assert (code, "every number is confirmed" in out) == (0, True)


@pytest.mark.parametrize("damage", [lambda text: text[:40], lambda text: text.replace('"status"', '"statsu"')])
def test_verify_fails_where_a_record_cannot_be_checked(run: Run, damage: Callable[[str], str]) -> None:
    (trial, *_) = keep_all("results")
    note()
    path = Path("results/probe/trials", trial, "record.json")
    path.write_text(damage(path.read_text()))
    code, out, err = run("probe", "--verify")
    assert code == 1
    assert "is not trusted" in err
    assert out.splitlines()[-1] == "1 records could not be checked and are in no table; see the warnings"


def test_a_record_whose_setting_was_changed_by_hand_is_named_in_the_report(run: Run) -> None:
    (trial, *_) = keep_all("results")
    note()
    path = Path("results/probe/trials", trial, "record.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "spec": {**record["spec"], "steps": 7}}))
    code, out, err = run("probe")
    assert code == 0
    assert f"{path.parent} is not trusted: spec or fingerprints in record.json were changed" in err
    assert "the next run of probe computes it again" in err
    assert f"Left out, since they are not trusted: trial {trial} (spec or fingerprints" in " ".join(out.split())
    assert run("probe", "--verify")[0] == 1
    keep_all("results", "other", fusions=("none",))
    assert f"not trusted: trial {trial}" in " ".join(run("probe", "other")[1].split())


def test_verify_says_how_many_p_it_could_not_take_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_all("results", seeds=1)
    assert "p not recomputed" not in run("probe", "--verify")[1]
    monkeypatch.setattr(verify, "verify", lambda report, read: verify.Verification(cells=3, sampled_p=2))
    code, out, _ = run("probe", "--verify")
    assert (code, "; 2 p not recomputed, since their sign patterns were drawn at random" in out) == (0, True)


def test_verify_names_the_cell_both_values_and_the_trial(run: Run) -> None:
    (trial, *_) = keep_all("results")
    path = Path("results/probe/trials", trial, "record.json")
    record = json.loads(path.read_text())
    true = record["scores"]["pck@0.1"]
    record["scores"]["pck@0.1"] = true + 1e-6
    path.write_text(json.dumps(record))
    code, out, _ = run("probe", "--verify")
    assert code == 1
    (line,) = [line for line in out.splitlines() if "value" in line]
    assert line == f"probe: pck | none | PCK@0.1: value is {true + 1e-6}, found {true}, trial {trial}"


@pytest.mark.parametrize("name", ["points.parquet", "curve.parquet"])
def test_verify_names_a_file_that_cannot_be_read_and_its_trial(run: Run, name: str) -> None:
    (trial, *_) = keep_all("results")
    path = Path("results/probe/trials", trial, name)
    path.write_bytes(bytes(path.stat().st_size))
    code, out, err = run("probe", "--verify")
    assert (code, err) == (1, "")
    assert out.splitlines()[:-1] == [
        f"probe: record: {name} is recorded, found a file that cannot be read, trial {trial}"]


@pytest.fixture
def old(run: Run) -> str:
    """Write a report of two seeds."""
    keep_all("results", seeds=2)
    note()
    run("probe", "--output", "old")
    return "old/probe.json"


def test_diff_of_nothing(run: Run, old: str) -> None:
    assert run("--diff", old) == (0, "probe: nothing changed\n", "")


def test_diff_names_new_trials(run: Run, old: str) -> None:
    trial = keep("results", "probe", 2, "blend", 2.0)
    code, out, _ = run("--diff", old)
    assert code == 1
    assert "pck | blend\n" in out
    assert "(n = 2) -> " in out
    assert f"because: new trial {trial}, seed 2" in out
    assert "pck | concat" not in out


def test_diff_names_the_code_of_a_trial_that_ran_again(run: Run, old: str) -> None:
    trial = keep("results", "probe", 1, "concat", 1.5, environment={"git_commit": "b" * 40})
    out = run("--diff", old)[1]
    assert f"because: trial {trial}, seed 1, ran again on " in out
    assert "code aaaaaaaaaaaa -> bbbbbbbbbbbb" in out


def test_diff_names_other_data_and_other_settings(run: Run, old: str) -> None:
    for path in Path("results/probe/trials").iterdir():
        (path / "record.json").unlink()
    for seed in range(2):
        keep("results", "probe", seed, "none", 1.2, marks={"data": "d2", "weights": "w1"})
    out = run("--diff", old)[1]
    assert "data d1 -> d2" in out
    assert "blend" in out
    assert "-> nothing" in out


def test_diff_refuses_what_is_no_report(run: Run, old: str) -> None:
    Path("x.json").write_text("[]")
    for name, reason in (("x.json", "is no report.json"), ("missing.json", "cannot be read")):
        code, _, err = run("--diff", name)
        assert code == 2
        assert reason in err


def test_diff_to_a_file_that_is_no_text_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_bytes(b"\xff\xfe")
    assert run("--diff", str(tmp_path / "old.json")) == (
        2, "", f"error: {tmp_path / 'old.json'}: cannot be read: it is not UTF-8\n")
