"""Published numbers of others in every format; they are neither tested nor verified."""

import csv
import io
import json
from dataclasses import replace

import pytest

from harness.__main__ import main
from harness.config.load import load
from harness.config.spec import Published, ReportSpec
from harness.report import html
from harness.report.inputs import ReportInputs, join_inputs
from harness.report.tables.build import build
from harness.report.writers import csv_json, latex, markdown
from tests.report.fakes import fusion_records, record
from tests.report.fakes import plain as spec_of
from tests.report.recorded import keep_spec

SOURCE = "Someone et al., 2024; to be checked"
OURS = ReportSpec(("fusion",), {"fusion": "none"})
CITED = replace(OURS, published=(Published("pck@0.1", 0.7, SOURCE, {"fusion": "blend"}),
                                 Published("nme", 0.0341, SOURCE, {"fusion": "blend"})))


def table_of(report, name="pck", records=None):
    return next(table for table in build(records or fusion_records(), report) if table.name == name)


def test_a_figure_stands_in_a_row_of_its_own_below_the_references_with_its_source_in_a_note():
    table = table_of(CITED)
    row = table.rows[-1]
    assert (row.labels, row.seeds, row.count, row.is_reference) == (("published: blend",), 0, "—", True)
    shown = {column.score: cell.text for column, cell in zip(table.columns, row.cells, strict=True)}
    assert shown == {"pck@0.05": "—", "pck@0.1": "0.700", "pck@0.2": "—", "pck_regressed@0.1": "—", "nme": "0.034"}
    assert table.notes.count(f"published: not run here, so without interval or test. {SOURCE}.") == 1


def test_our_own_numbers_and_the_other_tables_stay_as_they_are():
    ours, cited = build(fusion_records(), OURS), build(fusion_records(), CITED)
    assert [table.rows for table in cited[1:]] == [table.rows for table in ours[1:]]
    assert cited[0].rows[:-1] == ours[0].rows
    assert cited[0].differences() == ours[0].differences()


def test_a_figure_of_a_setting_without_a_row_is_named_below():
    alone = [each for each in fusion_records() if each["spec"]["fusion"]["name"] != "blend"]
    ours, cited = (table_of(report, records=alone) for report in (OURS, CITED))
    assert cited.rows == ours.rows
    assert set(cited.notes) - set(ours.notes) == {
        'Published, but of settings without a row: PCK@0.1, NME of {"fusion": "blend"}.'}
    assert table_of(CITED, "attention", alone) == table_of(OURS, "attention", alone)


def test_a_figure_without_a_setting_is_of_all_rows_and_each_source_has_a_number():
    figures = (Published("pck@0.1", 0.7, "One"), Published("pck@0.1", 0.8, "Other."))
    table = table_of(replace(OURS, published=figures))
    assert [row.labels for row in table.rows[-2:]] == [("published [1]",), ("published [2]",)]
    assert [note.rsplit(". ", 1)[1] for note in table.notes if note.startswith("published [")] == ["One.", "Other."]


def test_a_figure_of_a_score_that_no_table_shows_is_named_below():
    figures = (Published("pck_oracle@0.1", 0.9, SOURCE), Published("inter_eye", 5.0, SOURCE), *CITED.published)
    line = "Published, but of scores that no table shows: pck_oracle@0.1; inter_eye."
    for table in build(fusion_records(), replace(CITED, published=figures)):
        assert table.notes.count(line) == 1
    shown = [record(spec_of(), {"pck@0.1": 0.5, "pck_oracle@0.1": 0.8, "inter_eye": 6.0})]
    for table in build(shown, ReportSpec(columns=("pck_oracle@0.1",), published=figures[:2])):
        assert not any("no table shows" in note for note in table.notes)


def test_labels_tell_what_the_figure_is_of():
    records = [record(spec_of(seed, fusion={"name": fusion}, keypoints=count), {"pck@0.1": 0.5})
               for fusion in ("none", "blend") for count in (4, 8) for seed in range(2)]
    report = ReportSpec(("fusion", "keypoints"), published=(
        Published("pck@0.1", 0.7, SOURCE, {"fusion": "blend", "keypoints": 8}),
        Published("pck@0.1", 0.6, SOURCE, {"keypoints": 4})))
    assert [row.labels for row in table_of(report, records=records).rows[-2:]] == [("published: blend", "8"),
                                                                                  ("published", "4")]


def test_every_format_has_figure_and_source():
    table = table_of(CITED)
    assert "| published: blend " in markdown.to_markdown([table])
    assert SOURCE in markdown.to_markdown([table], width=200)
    text = latex.to_latex([table], "fake")
    assert "published: blend & --- & --- & 0.700 & ---" in text
    assert SOURCE in text
    page = html.report_page(html.Content("fake", (table,), {}))
    assert "<th scope=\"row\">published: blend</th><td>\N{EM DASH}</td>" in page
    (row,) = [row for row in csv_json.to_json([table])[0]["rows"] if row["setting"]["fusion"] == "published: blend"]
    assert row["scores"]["pck@0.1"] == {"mean": 0.7, "half_width": None, "seeds": 0, "best": False, "tied": False,
                                        "star": False, "values": [], "trials": [], "source": SOURCE}
    lines = [line for line in csv.DictReader(io.StringIO(csv_json.to_csv([table]))) if line["source"]]
    assert [(line["score"], line["mean"], line["source"]) for line in lines] == [("pck@0.1", "0.7", SOURCE),
                                                                               ("nme", "0.0341", SOURCE)]


def test_joined_experiments_keep_their_figures():
    parts = [ReportInputs(name, tuple(fusion_records()), CITED) for name in ("one", "other")]
    assert join_inputs(parts).layout.published == CITED.published * 2
    assert table_of(join_inputs(parts).layout).rows == table_of(CITED).rows


YAML = """\
name: probe
trial: {model: tiny_sd, data: {name: figures, family: biped, views: 1}}
grid: {fusion: [none, concat, blend]}
seeds: 3
report:
  baseline: {fusion: none}
  published: [{score: "pck@0.1", value: 0.7, source: Someone et al., setting: {fusion: blend}}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("published")
    (found / "probe.yaml").write_text(YAML)
    for spec in load(found / "probe.yaml").trials:
        keep_spec(found / "results", "probe", spec)
    return found


def test_a_report_with_figures_is_written_verified_and_compared_with_an_older_one(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    assert main(["report", "probe.yaml", "--output", "before"]) == 0
    for suffix in ("md", "tex", "csv", "json", "html"):
        assert "Someone et al." in (folder / f"before/probe.{suffix}").read_text()
    assert main(["report", "probe.yaml", "--verify"]) == 0
    assert "every number is confirmed" in capsys.readouterr().out
    assert main(["report", "probe.yaml", "--diff", "before/probe.json"]) == 0
    (folder / "probe.yaml").write_text(YAML.replace("0.7", "0.8"))
    capsys.readouterr()
    assert main(["report", "probe.yaml", "--diff", "before/probe.json"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "pck | published: blend", "  pck@0.1 0.7 (n = 0) -> 0.8 (n = 0)",
        "  because: the experiment cites another figure", "probe: 1 rows changed"]
    content = json.loads((folder / "before/probe.json").read_text())
    assert not any(trial for row in content["tables"][0]["rows"] if row["seeds"] == 0
                   for cell in row["scores"].values() for trial in cell["trials"])
