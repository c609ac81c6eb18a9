import math
import re

import pandas as pd
import pytest
import torch

from harness.config.spec import ReportSpec
from harness.method.metrics._errors import errors_px
from harness.method.metrics.base import Observations
from harness.method.metrics.pck import Pck
from harness.ops.tensors import generator
from harness.report.statistics import Interval
from harness.report.tables.build import build
from harness.report.tables.cells import format_interval
from harness.report.tables.columns import Column
from harness.report.writers import markdown
from harness.report.writers.csv_json import to_json
from tests.report.fakes import fusion_records, plain, record, scores

FUSION = ReportSpec(("fusion",), {"fusion": "none"})


def table(records, name="pck", report=FUSION, planned=None):
    return next(table for table in build(records, report, planned) if table.name == name)


def row(found, label):
    return next(row for row in found.rows if row.labels[0] == label)


def test_one_row_per_setting_then_the_references():
    found = table(fusion_records())
    names = ["none", "concat", "weighted", "hierarchical", "spatial", "blend", "mean pose", "untrained tokens"]
    assert [row.labels[0] for row in found.rows] == names
    assert [row.is_baseline for row in found.rows] == [True] + [False] * 7
    assert [row.is_reference for row in found.rows] == [False] * 6 + [True] * 2


def test_cell_is_the_mean_with_its_t_interval():
    records = [record(plain(seed), {"pck@0.1": value}) for seed, value in enumerate((0.4, 0.5, 0.6))]
    (cell,) = table(records).rows[0].cells
    assert cell.text == "0.500±.248"  # 4.302653 * 0.1 / sqrt 3


def test_single_seed_has_no_interval_and_the_note_says_so():
    found = table([record(plain(), scores(0.5, 0))])
    assert "±" not in found.rows[0].cells[0].text
    assert found.notes[0] == "n = 1 seed per row, so no interval; 40 test scenes, 480 visible points."


def of_values(column="pck@0.1", **values):
    """Records of one score: a fusion's values, one per seed, None for none."""
    return [
        record(plain(seed, fusion={"name": name}), {} if value is None else {column: value})
        for name, levels in values.items() for seed, value in enumerate(levels)
    ]


def test_best_mean_is_marked_and_what_is_clear_of_it_is_not():
    found = table(fusion_records())
    assert row(found, "spatial").cells[1].best
    assert sum(row.cells[1].best for row in found.rows) == 1
    assert not any(row.cells[1].tied for row in found.rows)
    assert "Bold: best mean." in found.notes[0]


def test_tied_is_what_a_paired_interval_does_not_tell_from_the_best():
    # Differences of blend to concat: 0.1, 0.1, 0.12, of none: 0.1, -0.1, 0.2; spread over seeds is far wider.
    found = table(of_values(concat=(0.5, 0.6, 0.7), none=(0.4, 0.7, 0.5), blend=(0.4, 0.5, 0.58)))
    assert [row.cells[0].best for row in found.rows] == [True, False, False]
    assert [row.cells[0].tied for row in found.rows] == [False, True, False]
    assert "Italic: not told apart from it" in found.notes[0]


def test_equal_means_are_all_best():
    found = table(of_values(none=(0.5, 0.6), spatial=(0.5, 0.6), blend=(0.1, 0.2)))
    assert [row.cells[0].best for row in found.rows] == [True, True, False]


def test_one_seed_marks_nothing():
    found = table(of_values(none=(0.5,), blend=(0.6,)))
    assert not any(cell.best or cell.tied for row in found.rows for cell in row.cells)
    assert "Bold" not in found.notes[0]


def test_untrained_tokens_can_be_the_best_row():
    records = [
        record(plain(seed, fusion={"name": name}), {"pck@0.1": 0.3 + seed / 1000, "pck_untrained@0.1": 0.6})
        for name in ("none", "concat") for seed in range(3)
    ]
    assert [row.labels[0] for row in table(records).rows if row.cells[0].best] == ["untrained tokens"]


def test_less_is_better_for_errors():
    records = [
        record(plain(seed, fusion={"name": name}), {"pck@0.1": 0.5, "nme": level + seed / 1000})
        for name, level in (("none", 0.1), ("concat", 0.2)) for seed in range(3)
    ]
    assert row(table(records), "none").cells[1].best


def test_reference_shared_by_all_settings_counts_its_seeds_once():
    found = row(table(fusion_records(seeds=4)), "untrained tokens")
    assert found.seeds == 4
    assert found.cells[1].interval.count == 4


def test_references_that_differ_get_a_row_each():
    records = [
        record(plain(seed, tokens=n), {"pck@0.1": 0.5, "pck_untrained@0.1": n / 100, "pck_mean_pose@0.1": 0.1})
        for n in (16, 32) for seed in range(2)
    ]
    found = table(records, report=ReportSpec(("tokens",)))
    assert [row.labels for row in found.rows if row.is_reference] == [
        ("mean pose",), ("untrained tokens: 16",), ("untrained tokens: 32",)
    ]


def test_other_test_data_is_never_compared_or_merged():
    records = [
        record(plain(seed, data={"name": "figures", "family": family}), {"pck@0.1": level, "pck_mean_pose@0.1": 0.1})
        for family, level in (("biped", 0.9), ("bird", 0.2)) for seed in range(3)
    ]
    found = table(records, report=ReportSpec(("data.family",)))
    assert [row.labels[0] for row in found.rows if row.is_reference] == ["mean pose: biped", "mean pose: bird"]
    assert [row.labels[0] for row in found.rows if row.cells[0].best] == ["biped", "bird"]  # over their own mean pose
    assert "Rows differ in their test data (2 kinds), and only rows of one are compared: biped; bird." in found.notes


def test_older_results_versions_are_left_out_and_counted():
    old = [record(plain(seed), scores(0.9, seed), results_version=0) for seed in range(2)]
    found = table([*old, record(plain(), scores(0.5, 0))])
    assert found.rows[0].seeds == 1
    assert "Left out: 2 trials of another results version." in found.notes


def test_failed_and_missing_trials_are_named():
    records = fusion_records()
    records[4] |= {"status": "failed", "reason": "NaN in the loss at step 12", "scores": {}}
    planned = [r["spec"] for r in records] + [plain(9, fusion={"name": "blend", "strength": 1.0})]
    found = table(records, planned=planned)
    assert row(found, "concat").seeds == 2
    assert "So far 17 of 19 planned trials have finished." in found.notes
    assert "Failed: fusion=concat, seed=1 (NaN in the loss at step 12)." in found.notes
    assert "Rows lack some of the 3 seeds: concat has 2, not seed 1." in found.notes
    assert "Not run yet: fusion=blend, seed=9." in found.notes


def test_rows_follow_the_plan_and_other_settings_are_left_out():
    records = fusion_records()
    planned = [r["spec"] for r in reversed(records) if r["spec"]["fusion"]["name"] in ("none", "spatial")]
    found = table(records, planned=planned)
    assert [row.labels[0] for row in found.rows if not row.is_reference] == ["spatial", "none"]
    assert "Left out: 12 trials not planned." in found.notes


def test_without_a_plan_rows_stand_in_the_order_they_were_run():
    records = [
        record(plain(fusion={"name": name}), {"pck@0.1": 0.5}, started=f"2025-01-0{day}T00:00:00+00:00")
        for name, day in (("blend", 3), ("none", 1), ("concat", 2))
    ]
    assert [row.labels[0] for row in table(records).rows] == ["none", "concat", "blend"]


def test_score_that_some_seeds_lack_is_marked():
    records = fusion_records()
    records[0]["scores"]["nme"] = math.nan
    found = table(records)
    assert row(found, "none").cells[4].text.endswith(" (2)")
    assert "In brackets: how many seeds have this score" in found.notes[0]
    assert "Without a value, so averaged over the others: NME of none, seed 0." in found.notes


def test_diverged_is_a_count_beside_entropy():
    records = fusion_records()
    records[0]["scores"]["diverged"] = 1.0
    found = table(records, "convergence")
    heads = [column.head for column in found.columns]
    assert {"diverged", "entropy", "peak mass"} <= set(heads)
    assert found.rows[0].cells[heads.index("diverged")].text == "1/3"


def test_attention_by_layer_and_view_in_order():
    values = {f"entropy_{part}": 0.5 for part in ("16x16", "8x8", "view10", "view9", "view_pass")}
    found = table([record(plain(), {"entropy": 0.5, **values})], "attention")
    assert [column.head for column in found.columns] == ["entropy", "view pass", "8x8", "16x16", "view 9", "view 10"]


def test_views_with_their_baseline_only_where_measured():
    measured = {"nvs_loss": 0.2, "nvs_loss_forced": 0.1, "nvs_loss@t500": 0.3, "nvs_loss_baseline": 0.25}
    found = table([record(plain(), measured)], "views")
    assert [column.score for column in found.columns] == ["nvs_loss", "nvs_loss_forced", "nvs_loss@t500"]
    assert [cell.text for cell in row(found, "no fusion").cells] == ["0.2500", "—", "—"]
    assert "views" not in {table.name for table in build(fusion_records(), FUSION)}


def test_columns_that_are_asked_for_come_from_scores_or_cost():
    records = [record(plain(), {"pck@0.1": 0.5, "pck_oracle@0.1": 0.75}, cost={"seconds_per_step": 0.25})]
    found = table(records, "extra", ReportSpec(columns=("pck_oracle@0.1", "seconds_per_step")))
    assert [cell.text for cell in found.rows[0].cells] == ["0.7500", "0.2500"]


def test_no_finished_trial_gives_no_table():
    assert build([record(plain(), status="failed")], FUSION) == ()


def test_several_commits_are_named():
    records = [record(plain(seed), scores(0.5, seed), environment={"git_commit": f"{seed}" * 40}) for seed in range(2)]
    assert "Trials come from 2 commits: 00000000; 11111111." in table(records).notes


def test_json_has_every_number():
    found = to_json(build(fusion_records(), FUSION))
    first = found[0]["rows"][0]
    assert first["setting"] == {"fusion": "none"}
    assert first["is_baseline"]
    assert {"mean", "half_width", "seeds", "values", "trials", "interquartile_mean"} <= set(first["scores"]["pck@0.1"])
    other = found[0]["rows"][1]["scores"]["pck@0.1"]["difference"]
    assert other["baseline"] == "none"
    assert {"mean", "half_width", "seeds", "p", "adjusted_p", "effect_size", "probability_of_improvement"} <= set(other)


@pytest.fixture
def points_of_trials(tmp_path):
    """Three seeds' records with their points.parquet, as a trial makes them."""
    records, files = [], []
    for seed in range(3):
        random = generator("points", seed)
        truth = torch.rand(5, 2, 4, 2, generator=random, dtype=torch.float64)
        found = truth + 0.08 * torch.randn(5, 2, 4, 2, generator=random, dtype=torch.float64)
        found[:, :, 3] = math.nan  # a keypoint that no token was matched to
        visible = torch.rand(5, 2, 4, generator=random) < 0.8
        normaliser = 40 + 20 * torch.rand(5, 2, generator=random, dtype=torch.float64)
        seen = Observations(truth, visible, normaliser, (64, 64), {"": found})
        index = [axis.flatten() for axis in torch.meshgrid(*map(torch.arange, (5, 2, 4)), indexing="ij")]
        columns = dict(zip(("scene", "view", "keypoint"), index, strict=True))
        columns |= {"error": errors_px(found, truth, (64, 64)), "visible": visible}
        columns["normaliser"] = normaliser[..., None].expand(5, 2, 4)
        files.append(tmp_path / f"{seed}.parquet")
        pd.DataFrame({name: values.flatten().numpy() for name, values in columns.items()}).to_parquet(files[-1])
        records.append(record(plain(seed), Pck()(seen)))
    return records, files


def test_table_recomputed_from_the_points_with_plain_pandas_is_the_printed_one(points_of_trials):
    records, files = points_of_trials
    text = markdown.to_markdown(build(records, ReportSpec()))
    printed = next(line for line in text.splitlines() if line.startswith("| fake"))
    for place, alpha in ((3, 0.05), (4, 0.1), (5, 0.2)):
        shares = []
        for file in files:
            points = pd.read_parquet(file)
            points = points[points.visible]
            shares.append((points.error <= alpha * points.normaliser).mean())
        mean, half = pd.Series(shares).mean(), 4.302653 * pd.Series(shares).std() / math.sqrt(3)
        cell = printed.split("|")[place].strip()
        assert cell == f"{mean:.3f}±{re.sub('^0', '', f'{half:.3f}')}"


@pytest.mark.parametrize(("mean", "half", "like", "text"), [
    (0.0, 0.7956, None, "0.0000±.7956"),
    (0.1165, 0.0111, None, "0.1165±.0111"),
    (-12.5, 0.0, 0.0, "-12.50±.00"),
    (4.8e-9, 1.2e-9, None, "4.800e-09±1.200e-09"),
    (0.0, 0.0, None, "0±0"),
    (2000.0, 10.165, None, "2000±10"),
    (0.0, 10.165, 0.5, "0.00±10.16"),
])
def test_numbers_without_digits_of_their_own_show_four_of_the_largest(mean, half, like, text):
    assert format_interval(Interval(mean, half, 3), Column("loss_final", "loss", digits=None), like=like) == text


def test_columns_that_no_trial_has_are_named_below():
    records = [record(plain(seed), {"pck@0.1": 0.5, "pck_oracle@0.1": 0.9}) for seed in range(2)]
    tables = build(records, ReportSpec(columns=("pck_oracel@0.1", "pck_oracle@0.1")))
    assert [table.name for table in tables] == ["pck", "extra"]
    assert all("No trial has the further scores: pck_oracel@0.1." in table.notes for table in tables)
    assert not any("further" in note for table in build(records, ReportSpec(columns=("pck_oracle@0.1",)))
                   for note in table.notes)
