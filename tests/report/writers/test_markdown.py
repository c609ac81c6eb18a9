from dataclasses import replace

from harness.config.spec import ReportSpec
from harness.report.tables.build import build
from harness.report.writers.markdown import to_markdown
from tests.report.fakes import fusion_records, plain, record

FUSION = ReportSpec(("fusion",), {"fusion": "none"})


def test_columns_are_aligned_and_lines_fit_a_terminal():
    for table in build(fusion_records(), FUSION):
        text = to_markdown([table])
        assert max(map(len, text.splitlines())) <= 110
        for block in text.split("\n\n"):
            assert len({len(line) for line in block.splitlines() if line.startswith("|")}) <= 1


def test_small_table_letter_by_letter():
    records = [
        record(plain(seed, fusion={"name": name}), {"pck@0.1": level + seed / 100, "visible_points": 9.0})
        for name, level in (("none", 0.2), ("concat", 0.4)) for seed in range(2)
    ]
    (table,) = build(records, FUSION)
    assert to_markdown([replace(table, notes=("A note.", "Another."))]) == (
        "### Keypoints: PCK and normalised mean error\n"
        "\n"
        "| fusion          |  n |        PCK@0.1 |\n"
        "| --------------- | -: | -------------: |\n"
        "| none (baseline) |  2 |     0.205±.064 |\n"
        "| concat          |  2 | **0.405±.064** |\n"
        "\n"
        "Difference to none:\n"
        "\n"
        "| fusion |  n |     PCK@0.1 |\n"
        "| ------ | -: | ----------: |\n"
        "| concat |  2 | +0.200±.000 |\n"
        "\n"
        "A note.\n"
        "Another.\n"
    )


def test_wide_table_is_continued_with_its_labels():
    text = to_markdown([table for table in build(fusion_records(), FUSION) if table.name == "pck"], width=60)
    assert max(map(len, text.splitlines())) <= 60
    scores = text.split("Difference to none:")[0]
    assert scores.count("| none (baseline) ") == 3  # two of matched tokens, one, and two of the regressor
    assert scores.count("| fusion ") == 3


def test_columns_of_a_group_stay_together():
    records = [record(plain(), {f"{name}@{a}": 0.5 for name in ("pck", "pck_regressed") for a in (0.05, 0.1, 0.2)})]
    lines = to_markdown(build(records, ReportSpec()), width=60).splitlines()
    heads = [line for line in lines if line.startswith("| experiment")]
    assert [head.count("PCK") for head in heads] == [3, 0]
    assert [head.count("regr.") for head in heads] == [0, 3]


def test_marks_of_the_best_the_tied_and_the_starred():
    (table,) = build([record(plain(), {"pck@0.1": 0.5})], ReportSpec())
    (cell,) = table.rows[0].cells

    def shown(**marks):
        row = replace(table.rows[0], cells=(replace(cell, **marks),))
        return to_markdown([replace(table, rows=(row,))]).split("|  1 |")[1].split("|")[0].strip()

    assert shown() == "0.500"
    assert shown(best=True) == "**0.500**"
    assert shown(best=True, star=True) == "**0.500***"
    assert shown(tied=True) == "_0.500_"


def test_bars_in_labels_do_not_break_the_table():
    text = to_markdown(build([record(plain(context="a|b"), {"pck@0.1": 0.5})], ReportSpec(("context",))))
    assert r"| a\|b" in text


def test_letters_that_take_two_columns_are_counted_so():
    found = [record(plain(context=context), {"pck@0.1": 0.5}) for context in ("漢字", "plain")]
    wide, narrow = (line for line in to_markdown(build(found, ReportSpec(("context",)))).splitlines() if "0.5" in line)
    assert len(narrow) == len(wide) + 2
