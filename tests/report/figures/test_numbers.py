"""The numbers of figures, checked by hand."""

from pathlib import Path

import numpy as np
import pytest

from harness.cli._trial_files import reader
from harness.config.spec import ReportSpec
from harness.report import figures
from harness.report.figures import convergence, cost, differences, entropy, keypoints, pck
from harness.report.tables.build import build
from tests.report import stores

T2, T3 = 12.706204736, 4.302652730  # Student's t at 97.5% with 1 and 2 degrees of freedom


def source(results, records, baseline=None):
    spec = ReportSpec((), {"fusion": "none"} if baseline is None else baseline)
    return figures.source(build(records, spec), {record["id"]: record for record in records}, reader(Path(results)))


SEEN = {"pck@0.1": 0.5, "loss_final": 1.0}  # so that a trial has a row


def columns(errors, **more):
    return {name: np.asarray(values) for name, values in stores.points(errors, **more).items()}


def test_pck_counts_visible_points_up_to_the_threshold_and_misses_what_has_no_point():
    found = columns([[[0.5, 1.0, 2.01, np.inf, 0.1]]], visible=[[[True, True, True, True, False]]])
    assert pck.pck(found, "error", (0.0, 0.05, 0.1, 0.2, 0.3)).tolist() == [0, 0.25, 0.5, 0.5, 0.75]


@pytest.mark.parametrize(("error", "alpha", "normaliser"), [(1.0, 0.1, 10.0), (2.1, 0.3, 7.0), (1.1, 0.05, 22.0)])
def test_a_point_on_the_edge_counts(error, alpha, normaliser):
    """0.3 * 7 is 2.0999999999999996 in floating point."""
    assert pck.pck(columns([[[error]]], normaliser=normaliser), "error", (alpha,)).tolist() == [1]


def test_the_pck_line_is_the_mean_over_seeds_with_its_t_interval(tmp_path):
    records = [
        stores.add(tmp_path, seed=0, points=stores.points([[[0.5, 9.0]]], error_mean_pose=[2.0, 2.0]), scores=SEEN),
        stores.add(tmp_path, seed=1, points=stores.points([[[0.5, 0.6]]], error_mean_pose=[0.2, 2.0]), scores=SEEN),
    ]
    line, mean_pose = pck.PckFigure.of(source(tmp_path, records)).lines
    at = line.x.index(0.1)
    assert line.mean[at] == 0.75  # 1/2 and 2/2
    assert (line.low[at], line.high[at]) == pytest.approx((0.75 - T2 * 0.25, 0.75 + T2 * 0.25))
    assert line.mean[line.x.index(0.05)] == 0.5
    assert mean_pose.label == "mean pose"
    assert (mean_pose.mean[at], mean_pose.mean[mean_pose.x.index(0.2)]) == (0.25, 1.0)
    assert (mean_pose.low, mean_pose.high) == (None, None)


def test_the_pck_line_passes_through_the_scores(tmp_path):
    records = stores.study(tmp_path, seeds=2)
    shown = pck.PckFigure.of(source(tmp_path, records))
    for line, own in zip(shown.lines, (records[:2], records[2:4], records[4:]), strict=False):
        for alpha in (0.05, 0.1, 0.2):
            expected = np.mean([record["scores"][f"pck@{alpha}"] for record in own])
            assert line.mean[line.x.index(alpha)] == pytest.approx(expected, abs=1e-12)


def test_the_loss_is_that_of_the_convergence_scores(tmp_path):
    """The weight grows from 1 to 2, so the total stays while the term falls; the last weight counts throughout."""
    terms = {"sharpening": [4.0] * 9 + [2.0] * 9, "sharpening_weighted": [4.0] * 18}
    records = [stores.add(tmp_path, curve=stores.curve([4.0] * 18, **terms), scores=SEEN)]
    shown = convergence.ConvergenceFigure.of(source(tmp_path, records))
    assert not shown.is_relative
    (line,) = shown.loss
    assert line.x == tuple(range(1, 19))
    # 8 and 4, averaged over the nine steps around each
    assert (line.mean[0], line.mean[8], line.mean[-1]) == (8, pytest.approx((5 * 8 + 4 * 4) / 9), 4)
    assert "moving average over 9 steps." in shown.caption


def test_the_loss_of_short_runs_is_not_smoothed_away(tmp_path):
    records = [stores.add(tmp_path, seed=seed, curve=stores.curve([4.0, 2.0, 1.0]), scores=SEEN) for seed in range(2)]
    shown = convergence.ConvergenceFigure.of(source(tmp_path, records))
    assert shown.loss[0].mean == (4, 2, 1)
    assert "not smoothed in runs as short as these." in shown.caption


def test_losses_that_differ_are_drawn_relative_to_their_start(tmp_path):
    records = [
        stores.add(tmp_path, seed=seed, losses=losses, curve=stores.curve([scale] * 20 + [scale / 4] * 20), scores=SEEN)
        for seed, losses, scale in ((0, {"sharpening": {"weight": 100.0}}, 8.0), (0, {"nvs": {"weight": 1.0}}, 0.2))
    ]
    shown = convergence.ConvergenceFigure.of(source(tmp_path, records))
    assert shown.is_relative
    assert [line.mean[0] for line in shown.loss] == [1, 1]
    assert [line.mean[-1] for line in shown.loss] == pytest.approx([0.25, 0.25])


def test_probes_are_drawn_at_the_steps_that_every_probed_seed_has(tmp_path):
    readings = ({"step": [2.0, 4.0], convergence.PROBE: [0.2, 0.4]}, {"step": [2.0], convergence.PROBE: [0.4]}, None)
    records = [stores.add(tmp_path, seed=seed, curve=stores.curve([1.0] * 4), probes=found, scores=SEEN)
               for seed, found in enumerate(readings)]
    (line,) = convergence.ConvergenceFigure.of(source(tmp_path, records)).pck
    assert (line.x, line.mean) == ((2,), (pytest.approx(0.3),))
    assert line.high[0] == pytest.approx(0.3 + T2 * 0.1)


def test_entropy_stands_by_layer_in_order_of_size_with_its_interval(tmp_path):
    records = [
        stores.add(tmp_path, seed=seed, scores={"entropy_16x16": value, "entropy_8x8": 0.9, "entropy": 0.7,
                                                "entropy_8x8_untrained": 0.95 + seed / 100})
        for seed, value in enumerate((0.5, 0.6, 0.7))
    ]
    shown = entropy.EntropyFigure.of(source(tmp_path, records))
    assert shown.places == ("8\N{MULTIPLICATION SIGN}8", "16\N{MULTIPLICATION SIGN}16", "maps as\nused")
    middle = shown.cells[0][1][1]
    assert (middle.mean, middle.half_width) == pytest.approx((0.6, T3 * 0.1 / 3**0.5))
    assert shown.untrained == (pytest.approx(0.96), None, None)


def test_the_front_holds_what_no_other_row_beats_in_cost_and_pck(tmp_path):
    rows = {"none": (1.0, 0.3), "concat": (2.0, 0.2), "weighted": (3.0, 0.5), "blend": (3.5, 0.5)}
    records = [
        stores.add(tmp_path, fusion=stores.fusion(name), cost={"seconds_per_step": seconds}, scores={"pck@0.1": level})
        for name, (seconds, level) in rows.items()
    ]
    shown = cost.CostFigure.of(source(tmp_path, records))
    assert [spot.row.label for spot in shown.front] == ["none", "weighted"]
    assert [(row["row"], row["tokens"], row["seconds_per_step"], row["pck"], row["on_front"]) for row in shown.rows()
            ] == [("none", 128, 1.0, 0.3, True), ("concat", 128, 2.0, 0.2, False),
                  ("weighted", 128, 3.0, 0.5, True), ("blend", 128, 3.5, 0.5, False)]


def test_differences_are_the_tables_own_with_their_intervals(tmp_path):
    values = {"none": (0.30, 0.40, 0.20), "concat": (0.40, 0.45, 0.35), "blend": (0.30, None, 0.25)}
    records = [
        stores.add(tmp_path, seed=seed, fusion=stores.fusion(name), scores={} if value is None else {"pck@0.1": value})
        for name, own in values.items() for seed, value in enumerate(own)
    ]
    shown = differences.DifferencesFigure.of(source(tmp_path, records))
    assert shown.labels == ("concat", "blend")
    (panel,) = shown.panels
    assert panel.column.score == "pck@0.1"
    concat, blend = panel.differences
    spread = ((0.1 - 0.1) ** 2 + (0.05 - 0.1) ** 2 + (0.15 - 0.1) ** 2) / 2
    assert (concat.interval.mean, concat.interval.half_width) == pytest.approx((0.1, T3 * (spread / 3) ** 0.5))
    assert (blend.interval.mean, blend.interval.count) == (pytest.approx(0.025), 2)
    assert [row["row"] for row in shown.rows()] == ["concat", "blend"]
    assert "cannot make any of them significant" in shown.caption


def test_a_star_fills_the_mark_and_the_caption_says_so(tmp_path):
    records = [stores.add(tmp_path, seed=seed, fusion=stores.fusion(name), scores={"pck@0.1": level + seed / 1000})
               for name, level in (("none", 0.3), ("concat", 0.5)) for seed in range(8)]
    shown = differences.DifferencesFigure.of(source(tmp_path, records))
    assert shown.panels[0].differences[0].star
    assert "filled: p" in shown.caption


def test_differences_need_a_baseline_and_two_seeds(tmp_path):
    records = stores.study(tmp_path, seeds=1)
    assert differences.DifferencesFigure.of(source(tmp_path, records)) is None
    records = stores.study(tmp_path, seeds=2)
    assert differences.DifferencesFigure.of(source(tmp_path, records, {})) is None


def test_pck_by_keypoint_leaves_out_what_is_never_visible(tmp_path):
    first = stores.points([[[0.5, 5.0, 0.1]], [[5.0, 1.0, 0.1]]], visible=[[[1, 1, 0]], [[1, 1, 0]]])
    second = stores.points([[[0.5, 0.5, 0.1]], [[0.5, 0.5, 0.1]]], visible=[[[1, 1, 0]], [[1, 0, 0]]])
    records = [stores.add(tmp_path, seed=seed, points=found, scores=SEEN) for seed, found in enumerate((first, second))]
    shown = keypoints.KeypointsFigure.of(source(tmp_path, records))
    assert shown.names == ("keypoint 0", "keypoint 1", "keypoint 2")
    assert shown.cells == ((0.75, 0.75, None),)  # 1/2 and 2/2; 1/2 and 1/1


def test_keypoints_have_the_names_that_were_recorded(tmp_path):
    names = ("nose", "left ear", "right ear")
    records = [stores.add(tmp_path, points=stores.points(np.ones((1, 1, 3))), scores=SEEN, keypoints=names)]
    assert keypoints.KeypointsFigure.of(source(tmp_path, records)).names == names


def test_keypoints_of_older_records_have_the_datas_names_where_the_count_agrees(tmp_path):
    records = [stores.add(tmp_path, points=stores.points(np.ones((1, 1, 10))), scores=SEEN)]
    assert keypoints.KeypointsFigure.of(source(tmp_path, records)).names[0] == "head"


def test_many_rows_become_the_baseline_and_the_best_and_the_caption_says_so(tmp_path):
    records = [
        stores.add(tmp_path, fusion=stores.fusion("none" if i == 0 else f"f{i:02}"), cost={"seconds_per_step": 1.0},
                   scores={"pck@0.1": i / 100})
        for i in range(12)
    ]
    shown = source(tmp_path, records)
    assert [row.label for row in shown.rows] == ["none", *(f"f{i:02}" for i in range(5, 12))]
    assert [row.is_baseline for row in shown.rows] == [True] + [False] * 7
    assert "Of 12 settings" in cost.CostFigure.of(shown).caption


def test_what_has_no_numbers_is_not_drawn(tmp_path):
    records = [stores.add(tmp_path, points=stores.points([[[1.0]]]), scores=SEEN)]
    assert figures.charts(source(tmp_path, records)).keys() == {"pck", "keypoints"}


def test_trials_without_files_or_without_scores_give_no_figure(tmp_path):
    assert figures.charts(source(tmp_path, [stores.add(tmp_path, scores=SEEN)])) == {}
    assert figures.charts(source(tmp_path, [stores.add(tmp_path, seed=1)])) == {}


def test_what_rows_differ_in_is_no_reference_for_all_of_them(tmp_path):
    """Untrained tokens are the same for rows that differ in training alone, not for other numbers of tokens."""
    def trial(tokens, before, seed=0):
        points = stores.points(np.ones((1, 1, 3)), error_untrained=[before] * 3)
        return stores.add(tmp_path, seed=seed, tokens=tokens, points=points,
                          scores={**SEEN, "entropy": 0.5, "entropy_untrained": before})

    alike = figures.charts(source(tmp_path, [trial(7, 0.5), trial(8, 0.5)]))
    assert {row["pck"] for row in alike["keypoints"].rows() if row["row"] == "untrained tokens"} == {1.0}
    assert [row["mean"] for row in alike["entropy"].rows() if row["row"] == "untrained tokens"] == [0.5]
    unlike = figures.charts(source(tmp_path, [trial(9, 0.5), trial(10, 2.0)]))
    for kind in ("pck", "keypoints", "entropy"):
        assert "untrained tokens" not in {row["row"] for row in unlike[kind].rows()}
        assert "Untrained tokens differ between rows and are in the tables alone." in unlike[kind].caption


def test_a_loss_that_begins_at_0_is_left_out_of_what_is_drawn_relative_to_the_start(tmp_path):
    records = [stores.add(tmp_path, losses={"sharpening": {"weight": weight}}, scores=SEEN,
                          curve=stores.curve([weight, weight / 2])) for weight in (0.0, 100.0)]
    shown = convergence.ConvergenceFigure.of(source(tmp_path, records))
    assert len(shown.loss) == 1
    assert "Left out, as its loss begins at 0: " in shown.caption


def test_dollar_signs_in_labels_are_no_formula_and_log_axes_are_in_digits(tmp_path):
    records = [stores.add(tmp_path, scores=SEEN, cost={"seconds_per_step": seconds}, points=stores.points(
        np.ones((1, 1, 3))), keypoints=("$k_$1", "b", "c"), data={"name": "folder", "root": root})
        for root, seconds in (("$a_$b^", 1.0), ("c", 100.0))]
    drawn = figures.charts(source(tmp_path, records, {"data.root": "c"}))
    assert {"cost", "keypoints", "pck"} <= drawn.keys()
    for chart in drawn.values():
        assert figures.to_bytes(chart, ("svg",))["svg"].startswith(b"<?xml")
