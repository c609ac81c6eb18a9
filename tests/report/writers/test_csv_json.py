import csv
import io

from harness.config.spec import ReportSpec
from harness.report.tables.build import build
from harness.report.writers.csv_json import to_csv, to_json
from tests.report.fakes import plain, record


def factorial():
    """Two families of data, one of them under two fingerprints, times two weights of a loss."""
    return [
        record(plain(seed, data={"name": "figures", "family": family}, losses={"sharpening": {"weight": weight}}),
               {"pck@0.1": 0.5}, fingerprints={"data": mark, "weights": "w1"})
        for family, mark in (("biped", "d1"), ("biped", "d2"), ("bird", "d3")) for weight in (1.0, 2.0)
        for seed in range(2)
    ]


LAYOUT = ReportSpec(("data.family", "losses.sharpening.weight"), {"losses.sharpening.weight": 1})


def test_keys_name_the_whole_setting():
    (table,) = build(factorial(), LAYOUT)
    assert table.heads == ("family", "sharpening.weight", "data")
    keys = ["data.family", "losses.sharpening.weight", "fingerprints.data"]
    (plain_table,) = to_json([table])
    assert all(list(row["setting"]) == keys for row in plain_table["rows"])
    lines = list(csv.DictReader(io.StringIO(to_csv([table]))))
    assert [name for name in lines[0] if name.startswith("setting.")] == [f"setting.{key}" for key in keys]


def test_a_baseline_is_named_by_setting_and_value():
    rows = to_json(build(factorial(), LAYOUT))[0]["rows"]
    named = {row["scores"]["pck@0.1"]["difference"]["baseline"] for row in rows
             if "difference" in row["scores"]["pck@0.1"]}
    assert named == {f"family={family} sharpening.weight=1 data={mark}"
                     for family, mark in (("biped", "d1"), ("biped", "d2"), ("bird", "d3"))}
