from dataclasses import replace

from harness.report.markdown import render
from harness.report.tables import build
from harness.spec import ReportSpec

from .fakes import fusion_records, plain, record

FUSION = ReportSpec(("fusion",), {"fusion": "none"})


def test_columns_are_aligned_and_lines_fit_a_terminal():
    for table in build(fusion_records(), FUSION):
        lines = render([table]).splitlines()
        assert max(map(len, lines)) <= 110
        assert len({len(line) for line in lines if line.startswith("|")}) == 1


def test_small_table_letter_by_letter():
    records = [
        record(plain(seed, fusion={"name": name}), {"pck@0.1": level + seed / 100, "visible_points": 9.0})
        for name, level in (("none", 0.2), ("concat", 0.4)) for seed in range(2)
    ]
    (table,) = build(records, FUSION)
    assert render([replace(table, notes=("A note.", "Another."))]) == (
        "### Keypoints: PCK and normalised mean error\n"
        "\n"
        "| fusion          |  n |        PCK@0.1 |\n"
        "| --------------- | -: | -------------: |\n"
        "| none (baseline) |  2 |     0.205±.064 |\n"
        "| concat          |  2 | **0.405±.064** |\n"
        "\n"
        "A note.\n"
        "Another.\n"
    )


def test_wide_table_is_continued_with_its_labels():
    text = render([table for table in build(fusion_records(), FUSION) if table.name == "pck"], width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("| none (baseline) ") == 3
    assert text.count("| fusion ") == 3


def test_bars_in_labels_do_not_break_the_table():
    text = render(build([record(plain(context="a|b"), {"pck@0.1": 0.5})], ReportSpec(("context",))))
    assert r"| a\|b" in text
