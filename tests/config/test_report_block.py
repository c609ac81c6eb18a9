"""The `report:` block's published figures: what is read, and what is refused."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.config import scores
from harness.config.load import load as load_experiment
from harness.config.spec import Published
from harness.errors import UsageError
from harness.report import layout
from harness.report.tables.columns import TABLES
from harness.store.store import Store

YAML = """\
name: probe
trial: {model: tiny_sd, data: {name: figures, views: 1}}
grid: {keypoints: [4, 8]}
report:
  published:
"""
FIGURE = {"score": "pck@0.1", "value": "0.7", "source": "Someone"}


def load(folder, entry):
    path = folder / "probe.yaml"
    path.write_text(YAML + entry)
    return load_experiment(path)


def test_figures_are_read(tmp_path):
    found = load(tmp_path, """\
    - {score: within_6px, value: 0.7, source: "Someone  et al.", setting: {data: figures, keypoints: 8}}
    - {score: nme, value: 3, source: Other}
""").report.published
    assert found == (Published("within_6px", 0.7, "Someone et al.", {"data": "figures", "keypoints": 8}),
                     Published("nme", 3.0, "Other", {}))


def test_figures_are_known_by_the_experiments_name_afterwards(tmp_path):
    experiment = load(tmp_path, "    - {score: nme, value: 3, source: Other, setting: {keypoints: 8}}\n")
    store = Store(tmp_path / "results", "probe")
    store.folder.mkdir(parents=True)
    layout.write_layout(store, experiment, ())
    assert layout.read_layout(store).report == experiment.report


@pytest.mark.parametrize(("changes", "message"), [
    ({"score": "pkc@0.1"}, r"probe.yaml:6.*: report.published: unknown score 'pkc@0.1'; did you mean 'pck"),
    ({"score": None}, r"report.published: the key 'score' is missing"),
    ({"source": None}, r"report.published: the key 'source' is missing"),
    ({"source": "''"}, r"report.published: expected words, found ''"),
    ({"source": "12"}, r"report.published: expected words, found 12"),
    ({"value": "high"}, r"report.published.value: expected a number, found 'high'"),
    ({"value": "true"}, r"report.published.value: expected a number, found True"),
    ({"setting": "{keypoint: 4}"}, r"probe.yaml:6.*: report.published.setting: no trial has a setting 'keypoint'"),
    ({"setting": "4"}, r"report.published.setting: expected keys and values, found 4"),
    ({"where": "here"}, r"report.published: unknown key 'where'"),
])
def test_a_figure_that_is_wrong_is_named_with_file_and_line(tmp_path, changes, message):
    items = {key: value for key, value in (FIGURE | changes).items() if value is not None}
    with pytest.raises(UsageError, match=message):
        load(tmp_path, f"    - {{{', '.join(f'{key}: {value}' for key, value in items.items())}}}\n")


def test_a_list_is_expected(tmp_path):
    with pytest.raises(UsageError, match=r"report.published: expected a list of figures, found a mapping"):
        load(tmp_path, "    {score: nme}\n")


@pytest.mark.parametrize(("key", "name", "hint"), [
    ("tests", "pck@.1", "report.tests: no trial has a score 'pck@.1'; nearest: pck@0.1"),
    ("columns", "nvs_los", "report.columns: no trial has a score 'nvs_los'; nearest: nvs_loss"),
    ("columns", "zzz", "no trial has a score 'zzz'; docs/method.md lists the scores"),
])
def test_scores_that_no_trial_has_are_refused_before_a_run(tmp_path, key, name, hint):
    file = tmp_path / "probe.yaml"
    file.write_text(f"name: probe\nreport: {{{key}: [pck@0.1, {name}]}}\n")
    with pytest.raises(UsageError) as caught:
        load_experiment(file)
    assert str(caught.value).startswith(f"{file}:2: ")
    assert hint in str(caught.value)


def test_a_metric_of_ones_own_declares_its_scores(tmp_path, monkeypatch):
    file = tmp_path / "probe.yaml"
    file.write_text("name: probe\nreport: {columns: [visible_share_untrained]}\n")
    own = SimpleNamespace(cls=SimpleNamespace(names=r"visible_share(_untrained)?"))
    monkeypatch.setattr(scores, "variants", lambda kind: (own,))
    assert load_experiment(file).report.columns == ("visible_share_untrained",)


def test_every_score_of_a_report_may_be_named():
    """All scores and costs of the shipped reports, and the columns of every table."""
    documents = [json.loads(path.read_text()) for path in Path("results/reference").rglob("*.json")]
    cells = {score for document in documents for table in document.get("tables", ())
             for row in table["rows"] for score in row["scores"]}
    layouts = {column.score for layout in TABLES
               for column in layout.columns(["entropy_8x8", "entropy_view0", "nvs_loss@t200"])}
    others = {"visible_points", "nme_untrained", "pck_untrained_oracle@0.1", "entropy_8x8_untrained"}
    assert len(cells) > 30
    for name in cells | layouts | others:
        scores.check_reported(name, "here")


def test_the_question_is_the_comment_at_the_head_of_the_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# Does it work?\n#  In short.\n# yaml-language-server: $schema=schema.json\n\nname: a  # the\n"
                    "# no part of it\n")
    assert layout._question(str(path)) == "Does it work? In short."
    path.write_text("name: a\n# later\n")
    assert layout._question(str(path)) == ""
    assert layout._question(str(tmp_path / "missing.yaml")) == ""
