import math
import random

import pytest

from harness.config.spec import ReportSpec
from harness.report.tables.build import build
from harness.report.verify.from_scores import recompute_improvement
from tests.report.fakes import plain, record

FUSION = ReportSpec(("fusion",), {"fusion": "none"}, tests=("pck@0.1",))


def table(records, report=FUSION, name="pck"):
    return next(table for table in build(records, report) if table.name == name)


def of_values(**values):
    """Records of one score: a fusion's values, one per seed, None for none."""
    return [
        record(plain(seed, fusion={"name": name}), {"pck@0.1": value} if value is not None else {"pck@0.2": 0.5})
        for name, levels in values.items() for seed, value in enumerate(levels)
    ]


def difference(found, label, column="pck@0.1"):
    at = next(i for i, each in enumerate(found.columns) if each.score == column)
    return next(row for row in found.rows if " ".join(row.labels) == label).cells[at].difference


def null_table(rows, seeds, draw):
    """Records of settings among which nothing differs but chance; each seed is easier or harder for all alike."""
    shared = [draw.gauss(0, 0.05) for _ in range(seeds)]
    return [
        record(plain(seed, fusion={"name": f"way{row}" if row else "none"}),
               {"pck@0.1": 0.4 + shared[seed] + draw.gauss(0, 0.02)})
        for row in range(rows) for seed in range(seeds)
    ]


def test_a_table_of_ten_rows_without_any_difference_is_starred_in_at_most_5_of_100():
    draw, tables = random.Random(0), 200
    starred = uncorrected = 0
    for _ in range(tables):
        found = table(null_table(10, 10, draw))
        cells = [row.cells[0] for row in found.rows if row.cells[0].difference]
        assert len(cells) == 9
        assert all(cell.difference.reachable for cell in cells)
        starred += any(cell.star for cell in cells)
        uncorrected += any(cell.difference.p <= 0.05 for cell in cells)
    assert starred / tables <= 0.05
    assert starred > 0  # stars are within reach
    assert uncorrected / tables > 0.15  # what the correction holds back


def test_a_real_difference_is_starred():
    draw = random.Random(1)
    starred = 0
    for _ in range(50):
        records = null_table(10, 10, draw)
        for each in records:
            each["scores"]["pck@0.1"] += 0.06 * (each["spec"]["fusion"]["name"] == "way3")
        found = table(records)
        starred += next(row for row in found.rows if row.labels == ("way3",)).cells[0].star
    assert starred >= 45


def test_difference_by_hand():
    # Differences 1, 2, 3 tenths: mean 0.2, t(0.975, 2) * 0.1 / sqrt 3 = 0.248414; of 8 sign patterns 2 are as far.
    found = difference(table(of_values(none=(0.1, 0.2, 0.3), blend=(0.2, 0.4, 0.6))), "blend")
    assert found.baseline == ("none",)
    assert (found.interval.mean, found.interval.half_width) == pytest.approx((0.2, 0.248414), abs=1e-6)
    assert (found.p, found.adjusted) == (pytest.approx(0.25), pytest.approx(0.25))
    assert found.effect == pytest.approx(2 / math.sqrt(math.pi))
    assert found.improvement == pytest.approx(7.5 / 9)  # 0.2 beats 0.1 and ties with 0.2; 0.4 and 0.6 beat all


def test_less_is_better_turns_the_probability_of_improvement_round():
    records = [record(plain(seed, fusion={"name": name}), {"pck@0.1": 0.5, "nme": level + seed / 1000})
               for name, level in (("none", 0.2), ("blend", 0.1)) for seed in range(3)]
    assert difference(table(records, ReportSpec(("fusion",), {"fusion": "none"})), "blend", "nme").improvement == 1


@pytest.mark.parametrize(("none", "blend"), [((0.1,), (0.2,)), ((0.1, 0.3), (0.2,)), ((0.1,), (0.2, 0.4))])
def test_a_single_run_has_no_probability_of_improvement(none, blend):
    found = difference(table(of_values(none=none, blend=blend)), "blend")
    assert found.improvement is None
    assert recompute_improvement(blend, none, 1) is None


@pytest.mark.parametrize("score", ["nvs_loss_forced", "entropy_view_pass"])
def test_a_column_in_which_neither_more_nor_less_is_better_has_no_improvement(score):
    records = [record(plain(seed, fusion={"name": name}), {"pck@0.1": 0.5, "nvs_loss": 0.1, score: level + seed / 1000})
               for name, level in (("none", 0.2), ("blend", 0.1)) for seed in range(3)]
    asked = ReportSpec(("fusion",), {"fusion": "none"}, columns=(score,))
    differences = [difference(found, "blend", score) for found in build(records, asked)
                   if any(column.score == score for column in found.columns)]
    assert differences
    assert [found.improvement for found in differences] == [None] * len(differences)


def test_only_seeds_that_both_have_are_paired():
    found = difference(table(of_values(none=(0.1, None, 0.3, 0.3), blend=(0.2, 0.9, 0.5))), "blend")
    assert found.interval.count == 2
    assert found.interval.mean == pytest.approx(0.15)


def test_holm_is_over_all_that_the_table_tests():
    values = {"none": (0.0,) * 6, "a": (0.1,) * 6, "b": (0.2,) * 6, "c": (0.1, -0.1, 0.1, -0.1, 0.1, -0.1)}
    found = table(of_values(**values))
    assert [difference(found, name).adjusted for name in "abc"] == pytest.approx([3 / 32, 3 / 32, 1])
    assert "sign flips over seeds, Holm's correction over the table's 3 tests; it takes 7" in " ".join(found.notes)


def test_too_few_seeds_are_said_and_nothing_is_starred():
    found = table(of_values(none=(0.1,) * 5, blend=(0.9,) * 5))
    assert not difference(found, "blend").reachable
    assert not difference(found, "blend").star
    assert "n too small: with 5 shared seeds no difference can reach p ≤ 0.05" in " ".join(found.notes)
    found = table(of_values(none=(0.1,) * 6, blend=(0.9,) * 6))
    assert difference(found, "blend").star
    assert any(note.startswith("*: p ≤ 0.05 by sign flips over seeds") for note in found.notes)


def test_rows_with_too_few_seeds_do_not_hide_behind_the_others():
    found = table(of_values(none=(0.1,) * 9, blend=(0.9,) * 9, concat=(0.5,) * 3))
    assert difference(found, "blend").star
    assert not difference(found, "concat").reachable
    assert any("which some rows have too few seeds for" in note for note in found.notes)


def test_tests_are_those_that_the_report_names():
    records = [record(plain(seed, fusion={"name": name}), {"pck@0.1": 0.5 + seed, "pck@0.2": 0.6 + seed})
               for name in ("none", "blend") for seed in range(3)]
    every = table(records, ReportSpec(("fusion",), {"fusion": "none"}))
    assert difference(every, "blend", "pck@0.2").adjusted is not None
    named = table(records, ReportSpec(("fusion",), {"fusion": "none"}, tests=("pck@0.1",)))
    assert difference(named, "blend", "pck@0.2").adjusted is None
    assert [column.score for column in named.differences().columns] == ["pck@0.1"]


def test_a_score_to_be_tested_that_no_table_has_is_named():
    found = table(of_values(none=(0.1,), blend=(0.9,)), ReportSpec(("fusion",), {"fusion": "none"}, tests=("pck@.1",)))
    assert "No table has the scores to be tested: pck@.1." in found.notes


def test_the_baseline_is_the_one_with_the_same_other_settings():
    records = [
        record(plain(seed, fusion={"name": name}, tokens=tokens), {"pck@0.1": tokens / 100 + 0.01 * (name != "none")})
        for name in ("none", "blend") for tokens in (16, 32) for seed in range(2)
    ]
    found = table(records, ReportSpec(("fusion", "tokens"), {"fusion": "none"}))
    assert difference(found, "blend 16").baseline == ("none", "16")
    assert difference(found, "blend 32").baseline == ("none", "32")
    assert difference(found, "blend 32").interval.mean == pytest.approx(0.01)
    assert found.differences().title == "Difference to each row's baseline"


def test_of_several_baselines_the_nearest_in_knobs_is_taken():
    settings = [{"name": name, "strength": strength} for name in ("none", "blend") for strength in (0.5, 1.0)]
    records = [record(plain(0, fusion=fusion), {"pck@0.1": 0.5}) for fusion in settings]
    found = table(records)
    assert difference(found, "blend strength=0.5").baseline == ("none strength=0.5",)


def test_a_setting_whose_baseline_is_missing_is_not_compared_and_named():
    other = record(plain(0, fusion={"name": "blend"}, tokens=7), {"pck@0.1": 0.5})
    found = table([*of_values(none=(0.1,), blend=(0.2,)), other])
    assert difference(found, "blend 7") is None
    assert "No baseline of the same data and other settings: fusion=blend tokens=7." in found.notes


@pytest.mark.parametrize("marks", [{"data": "d2", "weights": "w1"}, {"data": "d1", "weights": "w2"}])
def test_other_data_and_other_weights_are_not_compared(marks):
    records = of_values(none=(0.1,), blend=(0.2,))
    records[1]["fingerprints"] = marks
    found = table(records)
    assert difference(found, "blend") is None
    assert any(note.startswith(("Weights differ under one model setting: none; blend",
                                "Rows differ in their test data (2 kinds)")) for note in found.notes)


def test_models_are_compared_although_their_weights_differ():
    records = [record(plain(0, model={"name": name}), {"pck@0.1": 0.5}, fingerprints={"data": "d1", "weights": name})
               for name in ("tiny_sd", "other")]
    found = table(records, ReportSpec(("model",), {"model": "tiny_sd"}))
    assert difference(found, "other").interval.mean == 0


def test_a_lone_setting_is_tested_against_its_references():
    values = [{"pck@0.1": 0.5 + seed / 100, "pck_untrained@0.1": 0.1 + seed / 50, "pck_mean_pose@0.1": 0.2}
              for seed in range(7)]
    found = table([record(plain(seed), scores) for seed, scores in enumerate(values)], ReportSpec())
    assert difference(found, "untrained tokens").baseline == ("fake",)
    assert difference(found, "untrained tokens").star
    assert difference(found, "mean pose").adjusted == pytest.approx(2 / 64)


def test_beside_settings_references_are_shown_but_not_tested():
    records = of_values(none=(0.5,) * 6, blend=(0.6,) * 6)
    for each in records:
        each["scores"]["pck_mean_pose@0.1"] = 0.1
    found = table(records)
    assert difference(found, "mean pose").adjusted is None
    assert difference(found, "mean pose").interval.mean == pytest.approx(-0.4)
    assert difference(found, "blend").adjusted == pytest.approx(1 / 32)


def test_without_a_baseline_nothing_is_compared_and_the_note_says_so():
    found = table(of_values(none=(0.1,), blend=(0.2,)), ReportSpec(("fusion",)))
    assert difference(found, "blend") is None
    assert "No baseline is named (report.baseline), so no setting is compared." in found.notes


def test_a_dotted_setting_names_the_baseline_and_all_else_has_to_be_equal():
    settings = (("blend", 1.0), ("concat", 0.5), ("concat", 1.0))  # blend's own baseline has not run
    records = [record(plain(0, fusion={"name": name, "strength": strength}), {"pck@0.1": strength})
               for name, strength in settings]
    found = table(records, ReportSpec(("fusion", "fusion.strength"), {"fusion.strength": 0.5}))
    compared = {row.labels[0]: row.cells[0].difference for row in found.rows}
    assert compared["blend"] is None
    assert compared["concat strength=1"].interval.mean == 0.5
    assert "No baseline of the same data and other settings: fusion=blend strength=1." in found.notes


def test_a_choices_name_stands_for_the_choice_with_its_knobs():
    records = [record(plain(0, fusion=fusion), {"pck@0.1": 0.5})
               for fusion in ({"name": "none"}, {"name": "blend", "strength": 1.0})]
    found = table(records, ReportSpec(("fusion",), {"fusion.name": "none"}))
    assert difference(found, "blend").baseline == ("none",)


@pytest.mark.parametrize(("setting", "alike"), [
    ("view_scenes", ["psnr"]),
    ("view_timesteps", ["nvs_loss@t500", "psnr"]),
])
def test_view_scores_of_other_scenes_or_noise_levels_are_not_compared(setting, alike):
    scores = {"nvs_loss": 0.1, "nvs_loss@t500": 0.1, "psnr": 20.0}
    values = {"view_scenes": (6, 40), "view_timesteps": ([500], [200, 500])}[setting]
    records = [record(plain(seed, fusion={"name": name}, **{setting: value}), scores)
               for name, value in zip(("none", "blend"), values, strict=True) for seed in range(2)]
    report = ReportSpec(("fusion",), {"fusion": "none", setting: values[0]})
    found = table(records, report, "views")
    other = next(row for row in found.rows if not row.is_baseline)
    compared = [column.score for column, cell in zip(found.columns, other.cells, strict=True) if cell.difference]
    assert compared == alike
    assert [column.score for column, cell in zip(found.columns, other.cells, strict=True) if cell.best] == alike
    assert any(note.startswith("Of other scenes or noise levels in some rows (view_scenes") for note in found.notes)


def test_references_beside_settings_are_not_tested_though_no_setting_has_a_baseline():
    values = [{"pck@0.1": 0.5 + seed / 100, "pck_untrained@0.1": 0.1} for seed in range(7)]
    records = [record(plain(seed, fusion={"name": name}, tokens=tokens), scores)
               for name, tokens in (("none", 7), ("blend", 8)) for seed, scores in enumerate(values)]
    found = table(records)
    assert difference(found, "blend 8") is None
    assert difference(found, "untrained tokens ").adjusted is None


def test_a_row_that_shares_too_few_seeds_with_the_best_is_said_to():
    few = [record(plain(seed, fusion={"name": name}), {"pck@0.1": 0.5 + (name == "none")})
           for name, seeds in (("none", (0, 1)), ("blend", (2, 3))) for seed in seeds]
    said = "holds 0, or they share fewer than two seeds)"
    assert said in table(few).notes[0]
    enough = table(of_values(none=(0.5, 0.6), blend=(0.6, 0.51))).notes[0]
    assert "Italic" in enough
    assert said not in enough


def test_a_difference_says_how_many_seeds_it_is_over():
    found = table(of_values(none=(0.1, 0.2), blend=(0.2, 0.4, 0.6))).differences()
    assert [row.seeds for row in found.rows] == [2]


def test_a_difference_over_fewer_seeds_than_its_row_says_so():
    records = of_values(none=(0.1, 0.2, 0.3), blend=(0.2, 0.4, 0.6))
    for each in records[1:]:
        each["scores"]["nme"] = 0.1
    shown = table(records, ReportSpec(("fusion",), {"fusion": "none"})).differences()
    assert [row.seeds for row in shown.rows] == [3]
    texts = {column.score: cell.text for column, cell in zip(shown.columns, shown.rows[0].cells, strict=True)}
    assert texts["nme"].endswith(" (2)")
    assert not texts["pck@0.1"].endswith(")")
