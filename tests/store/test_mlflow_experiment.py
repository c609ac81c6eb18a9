"""What an experiment shows in MLflow: descriptions, views, means and progress of the parent, and old mirrors."""

import base64
import io
import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from harness.store import mlflow_server
from harness.store.mlflow_links import MAIN_VIEW, VIEW_TAG
from harness.store.mlflow_mirror import FORM
from harness.store.mlflow_server import default_uri
from harness.store.mlflow_summary import read_tables
from harness.store.mlflow_tracker import push_files, sync
from harness.store.mlflow_trial import write_extras
from harness.store.mlflow_views import VIEWS, view_tags
from harness.store.store import Store
from tests.runner.executors import fake

QUESTION = "Does strength matter?"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = Store(tmp_path / "results", "strength")
    save(made, *(fake.spec(seed, strength=strength) for strength in (0.3, 0.5) for seed in range(2)))
    return made


def save(store, *specs):
    """Record trials whose PCK is a tenth of the seed more than their strength, and the plan that names them."""
    buffer = io.BytesIO()
    Image.new("RGB", (1600, 900), "navy").save(buffer, "PNG")
    with store.lock():
        for spec in specs:
            trial = spec.id("d0", "w0")
            store.mark_started(trial, spec, fake.FINGERPRINTS)
            pck = spec.fusion.knobs["strength"] + spec.seed / 10
            scores = {"entropy_view0": 0.8, "entropy": 0.9, "nme": 0.2, "pck@0.1": pck}
            store.save(trial, spec, fake.result(spec, scores=scores), {"panel": buffer.getvalue()},
                       {"command": "python -m harness run /here/strength.yaml", "git_commit": "c0ffee"})
    plan = {"name": "strength", "source": "strength.yaml", "question": QUESTION, "axes": ["fusion.strength"],
            "trials": {spec.id("d0", "w0"): spec.to_dict() for spec in specs}}
    (store.folder / "experiment.json").write_text(json.dumps(plan))


def read(store):
    """Return MLflow's client, the experiment, the parent and the children by name."""
    client = mlflow_server.connect(default_uri(store.results))
    experiment = client.get_experiment_by_name("strength")
    found = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    named = {run.info.run_name: run for run in children}
    assert len(named) == len(children)
    return client, experiment, parent, named


def test_people_find_the_question_the_means_and_the_picture(store):
    assert sync(store) == 4
    client, experiment, parent, children = read(store)
    note = experiment.tags["mlflow.note.content"]
    assert note.startswith(f"{QUESTION}\n\nCommand: `python -m harness run strength.yaml`")
    assert f"(#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning&viewStateShareKey=" in note
    assert sorted(children) == [f"strength={strength} seed={seed}" for strength in (0.3, 0.5) for seed in (0, 1)]
    child = children["strength=0.5 seed=1"]
    assert [child.data.tags[name] for name in ("setting", "seed", "status")] == ["strength=0.5", "1", "finished"]
    assert list(child.data.params)[:2] == ["fusion.strength", "seed"]
    assert child.data.tags["mlflow.source.name"] == "harness run strength"
    assert child.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert "3_attention/entropy_view0" not in child.data.metrics
    text = child.data.tags["mlflow.note.content"]
    assert text.startswith("**strength=0.5**, seed 1 of `strength`: PCK@0.1 0.6, NME 0.2, entropy 0.9.")
    assert f"](get-artifact?run_uuid={child.info.run_id}&path=panel_small.jpg)" in text
    small = client.download_artifacts(child.info.run_id, "panel_small.jpg")
    with Image.open(small) as picture:
        assert picture.size == (760, 428)
    assert parent.data.metrics["1_pck/pck_at_0.1/strength_0.5"] == pytest.approx(0.55)
    assert parent.data.metrics["2_error/nme/strength_0.3"] == pytest.approx(0.2)
    table = parent.data.tags["mlflow.note.content"]
    assert QUESTION in table
    assert table.index("| strength=0.5 | 2 | 0.55 |") < table.index("| strength=0.3 | 2 | 0.35 |")
    points = client.get_metric_history(parent.info.run_id, "progress/finished")
    assert [(point.step, point.value) for point in points] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert [point.timestamp for point in points] == sorted(point.timestamp for point in points)


def test_views_have_fixed_keys_and_are_written_again_without_a_copy(store):
    sync(store)
    _, experiment, _, _ = read(store)
    views = {name: value for name, value in experiment.tags.items() if name.startswith(VIEW_TAG)}
    assert set(views) == {VIEW_TAG + view.key for view in VIEWS}
    view = json.loads(views[VIEW_TAG + MAIN_VIEW])
    state = state_of(view)
    assert state["selectedColumns"][0] == state["orderByKey"] == "metrics.`1_pck/pck_at_0.1`"
    assert "params.`fusion.strength`" in state["selectedColumns"]
    assert state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "setting"}]
    assert [chart["metricKey"] for chart in state["compareRunCharts"]][:2] == ["1_pck/pck_at_0.1", "curve/loss"]
    assert max(map(len, experiment.tags.values())) < 5000  # the limit of older versions
    sync(store)
    assert read(store)[1].tags == experiment.tags


def state_of(view):
    return json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))


@pytest.mark.parametrize(("runs", "order"), [(100, ("metrics.`1_pck/pck_at_0.1`", False)),
                                             (101, ("params.`seed`", True))])
def test_means_of_runs_that_are_not_all_loaded_are_not_those_of_the_best_seeds(runs, order):
    state = state_of(json.loads(view_tags(["fusion"], runs)[VIEW_TAG + MAIN_VIEW]))
    assert (state["orderByKey"], state["orderByAsc"]) == order


def test_a_description_that_a_person_wrote_is_kept(store):
    sync(store)
    client, experiment, parent, _ = read(store)
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "Mine.")
    client.set_tag(parent.info.run_id, "mlflow.note.content", "Mine too.")
    save(store, *(fake.spec(seed, strength=0.7) for seed in range(2)))
    assert sync(store) == 2
    _, experiment, parent, _ = read(store)
    assert experiment.tags["mlflow.note.content"] == "Mine."
    assert parent.data.tags["mlflow.note.content"] == "Mine too."
    assert parent.data.metrics["1_pck/pck_at_0.1/strength_0.7"] == pytest.approx(0.75)


def test_an_experiment_that_earlier_code_mirrored_is_continued_without_a_copy(store):
    sync(store)
    client, _, parent, children = read(store)
    for run in children.values():  # as runs were written before they had a form
        client.set_tag(run.info.run_id, "harness.complete", "true")
        client.set_tag(run.info.run_id, "mlflow.runName", f"fusion=fake seed={run.data.tags['seed']}")
        client.log_metric(run.info.run_id, "pck_at_0.1", 0.5)
        client.log_param(run.info.run_id, "fusion.name", "fake")
        for name in ("setting", "seed", "status", "harness.setting", "mlflow.note.content"):
            client.delete_tag(run.info.run_id, name)
    assert sync(store) == 4
    assert sync(store) == 0
    _, _, same, again = read(store)
    assert same.info.run_id == parent.info.run_id
    assert {name: run.info.run_id for name, run in again.items()} == {
        name: run.info.run_id for name, run in children.items()}
    assert {run.data.tags["harness.complete"] for run in again.values()} == {FORM}
    assert all(len(client.get_metric_history(run.info.run_id, "curve/loss")) == 4 for run in again.values())


def test_a_setting_that_ran_with_other_values_before_is_a_group_of_its_own(store):
    sync(store)
    save(store, *(replace(fake.spec(seed, strength=0.5), steps=7) for seed in range(2)))
    assert sync(store) == 2
    _, _, _, children = read(store)
    groups = {run.data.tags["setting"] for run in children.values()}
    assert len(groups) == 3
    assert {"strength=0.3", "strength=0.5"} < groups


def test_tables_are_shown_by_mlflow_and_pushed_with_the_report(store):
    sync(store)
    row = {"setting": {"fusion.strength": "0.5"}, "seeds": 2,
           "scores": {"pck@0.1": {"mean": 0.123456789, "half_width": None}}}
    text = json.dumps({"tables": [{"name": "pck", "rows": [row]}, {"name": "empty", "rows": []}]})
    (store.folder / "report.json").write_text(text)
    assert push_files(store) == ""
    client, _, parent, _ = read(store)
    table = json.loads(Path(client.download_artifacts(parent.info.run_id, "tables/pck.json")).read_text())
    assert table["data"] == [["0.5", 2, 0.12346, None]]
    assert not any("." in name for name in table["columns"])  # MLflow's viewer shows such columns empty
    assert json.loads(parent.data.tags["mlflow.loggedArtifacts"]) == [{"path": "tables/pck.json", "type": "table"}]
    assert read_tables(b"{torn") == read_tables(b'{"tables": [1]}') == {}


def test_a_picture_that_cannot_be_read_is_shown_as_it_is(store, tmp_path):
    record = store.records()[0]
    (store.path(record["id"]) / "panel.png").write_bytes(b"no picture")
    assert write_extras(store, record, tmp_path) == {"panel.png": "panel.png"}
