"""`import harness`: recorded experiments as frames with the report's numbers, and runs from Python."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.errors import UsageError
from harness.report.layout import write_layout
from harness.report.writers.csv_json import to_json
from harness.store.mlflow_tracker import Tracker
from harness.store.store import Store
from tests.report import stores
from tests.runner.executors import fake

HEAVY = ("torch", "pandas", "numpy", "mlflow", "optuna")
PRINTS = fake.FINGERPRINTS


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    place = tmp_path_factory.mktemp("results")
    stores.study(place)
    stores.add(place, "fake", 9, status="failed", fusion=stores.fusion("spatial"))
    return place


def test_importing_the_package_is_light():
    program = f"import sys, harness; print([name for name in {HEAVY!r} if name in sys.modules], harness.__version__)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("[] ")
    assert set(harness.__all__) <= set(dir(harness))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = harness.lod


def test_trials_has_a_row_for_each_record_with_its_settings_and_scores(results):
    loaded = harness.load("fake", results)
    records = {record["id"]: record for record in Store(results, "fake").records()}
    assert set(loaded.trials.index) == set(records)
    assert loaded.trials.attrs["varying"] == ["fusion", "fusion.strength"] or "fusion" in loaded.trials.columns
    for trial, row in loaded.trials.iterrows():
        assert row["fusion"] == records[trial]["spec"]["fusion"]["name"]
        assert (row["seed"], row["status"]) == (records[trial]["spec"]["seed"], records[trial]["status"])
        for name, value in records[trial]["scores"].items():
            assert row[name] == value
    assert "9 of 10 recorded trials finished" in repr(loaded)
    assert loaded.trials["losses"].unique().tolist() == ["sharpening+equivariance"]


def test_points_give_the_recorded_pck(results):
    loaded = harness.load(results / "fake")
    points = loaded.points[loaded.points["visible"]]
    hits = (points["error"] <= 0.1 * points["normaliser"]).groupby(points["trial"], observed=True).mean()
    finished = loaded.trials[loaded.trials["status"] == "finished"]
    np.testing.assert_allclose(hits[finished.index], finished["pck@0.1"])
    assert set(points["fusion"]) == {"none", "concat", "blend"}


def test_curves_are_the_recorded_ones(results):
    loaded = harness.load("fake", results)
    trial = loaded.curves["trial"].iloc[0]
    own = loaded.curves[loaded.curves["trial"] == trial]
    assert own["loss"].tolist() == Store(results, "fake").curve(trial)["loss"]


def test_a_table_is_the_reports_own(results):
    loaded = harness.load("fake", results)
    for plain in to_json(loaded.report.tables):
        frame = loaded.table(plain["name"])
        assert len(frame) == len(plain["rows"])
        for (_, row), expected in zip(frame.iterrows(), plain["rows"], strict=True):
            for score, cell in expected["scores"].items():
                assert row[score, "mean"] == cell["mean"]
                assert row[score, "seeds"] == cell["seeds"]
        assert frame.attrs["notes"] == plain["notes"]
    with pytest.raises(UsageError, match="no table 'pkc'; did you mean 'pck'"):
        loaded.table("pkc")


def test_best_is_the_setting_with_the_best_mean(results):
    loaded = harness.load("fake", results)
    best = loaded.best()
    assert best.name == "blend"
    own = loaded.trials.loc[best["trials"], "pck@0.1"]
    assert best["mean"] == pytest.approx(own.mean())
    assert loaded.best("nvs_loss")["mean"] == loaded.table("views")["nvs_loss", "mean"].iloc[:3].min()
    with pytest.raises(UsageError, match="no table has a score 'entropy'"):
        loaded.best("entropy")


def test_tokens_are_found_by_the_beginning_of_an_id(results):
    loaded = harness.load("fake", results)
    tokens = loaded.tokens(loaded.best()["trials"][0][:10])
    assert (tokens["tokens"].shape, tokens["kept"].tolist()) == ((2, 3), [0, 1])
    with pytest.raises(UsageError, match="begins the ids of 10 trials"):
        loaded.tokens("")


def test_xarray_is_asked_for_in_one_line_or_gives_the_scores_by_setting_and_seed(results):
    loaded = harness.load("fake", results)
    if importlib.util.find_spec("xarray") is None:
        with pytest.raises(UsageError, match="pip install xarray"):
            loaded.to_xarray()
        return
    data = loaded.to_xarray()
    trial = loaded.best()["trials"][1]
    own = loaded.trials.loc[trial]
    assert float(data["pck@0.1"].sel(fusion="blend", seed=own["seed"])) == own["pck@0.1"]


def test_no_records_and_no_tables_say_so(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    with pytest.raises(UsageError, match="no records of 'fusoin'"):
        harness.load("fusoin")
    with pytest.raises(UsageError, match="no records of 'fak'; did you mean 'fake'"):
        harness.load("fak", results)
    stores.add(tmp_path / "results", "broken", status="failed")
    loaded = harness.load("broken")
    assert (len(loaded.points), loaded.trials["status"].tolist()) == (0, ["failed"])
    with pytest.raises(UsageError, match="no table: no trial has finished"):
        loaded.table()
    (tmp_path / "results" / "broken" / "trials" / loaded.trials.index[0] / "record.json").write_text("{")
    assert harness.load("broken").trials.columns[:2].tolist() == ["status", "reason"]


def test_records_by_name_come_from_the_folder_that_the_commands_use(results, monkeypatch):
    monkeypatch.setenv("HARNESS_RESULTS", str(results))
    assert len(harness.load("fake").trials) == 10


def made(spec, on_step, options):
    return fake.result(spec)


def test_run_plans_as_the_command_does_and_returns_the_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    monkeypatch.setattr("harness.method.trial.run", made)
    monkeypatch.setattr("harness.method.fingerprints.fingerprints", lambda spec: PRINTS)
    monkeypatch.setattr("harness.store.mlflow_tracker.MlflowTracker", lambda store: Tracker())
    Path("probe.yaml").write_text("name: probe\ngrid: {fusion: [none, concat]}\nreport: {baseline: {fusion: none}}\n")
    changes = {"trial.steps": 3, "trial.learning_rate": 1e-05, "seeds": 2}
    ran = harness.run("probe.yaml", changes, executor="inline")
    assert ran.trials["status"].tolist() == ["finished"] * 4
    assert set(ran.trials["learning_rate"]) == {1e-05}
    assert "fusion=concat seed=1: done" in capsys.readouterr().err
    assert json.loads(Path("results/probe/experiment.json").read_text())["report"]["baseline"] == {"fusion": "none"}
    harness.run("probe.yaml", changes, executor="inline")
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError, match="'search'; `harness sweep` runs it"):
        harness.run("sweep", executor="inline")
    with pytest.raises(UsageError, match="steps: 'many'"):
        harness.run("probe.yaml", {"trial.steps": "many"})
    with pytest.raises(UsageError, match="unknown value 'ray'"):
        harness.run("probe.yaml", executor="ray")


def test_a_layout_of_the_command_names_the_rows(results, tmp_path):
    from harness.config.load import load as read

    stores.study(tmp_path, experiment="laid")
    (tmp_path / "laid.yaml").write_text("name: laid\ngrid: {fusion: [none, blend]}\nreport: {baseline: {fusion: none}}")
    write_layout(Store(tmp_path, "laid"), read(tmp_path / "laid.yaml"), ())
    assert "difference" in harness.load("laid", tmp_path).table()["pck@0.1"]


def test_the_documents_example_runs(results, tmp_path, monkeypatch):
    """The block of docs/operations.md on recorded trials, without the calls that need a package or a real run."""
    text = (Path(__file__).parents[1] / "docs" / "operations.md").read_text().split("## From Python")[1]
    block = text.split("```python\n")[1].split("```")[0]
    stores.study(tmp_path, experiment="fusion")
    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path))
    trial = harness.load("fusion").trials.index[0]
    monkeypatch.setattr("harness.api.run", lambda experiment, set: (experiment, set))
    kept = [line.replace("3f2a", trial) for line in block.splitlines() if "xarray" not in line]
    namespace: dict[str, object] = {}
    exec("\n".join(kept), namespace)
    assert namespace["r"] == ("quick", {"trial.steps": 3})
