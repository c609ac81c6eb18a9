"""Comparisons of two settings, checked by hand."""

from pathlib import Path

import numpy as np
import pytest

from harness.cli._trial_files import reader
from harness.config.spec import ReportSpec
from harness.report.compare.pairs import compare_scenes, compare_scores, match_settings, pair_by_seed
from harness.report.tables.rows import group_records
from tests.report import stores
from tests.report.fakes import fusion_records, plain, record

T2, T3 = 12.706204736, 4.302652730


def side(fusion, values, score="pck@0.1", first=0):
    return tuple(record(plain(seed, fusion={"name": fusion}), {score: value, "seconds_per_step": 1.0})
                 for seed, value in enumerate(values, first))


def test_trials_are_paired_by_seed():
    pair = pair_by_seed(side("none", (0.1, 0.2, 0.3)), side("blend", (0.5, 0.6, 0.7), first=1))
    assert pair.seeds == (1, 2)
    assert [[each["spec"]["seed"] for each in own] for own in (pair.one, pair.other)] == [[1, 2], [1, 2]]
    assert pair_by_seed(side("none", (0.1, 0.2)), side("blend", (0.5,), first=7)) is None


def test_two_single_trials_are_paired_whatever_their_seeds():
    pair = pair_by_seed(side("none", (0.1,)), side("none", (0.5,), first=7))
    assert (pair.by_seed, pair.seeds) == (False, (0,))
    assert pair.knobs == []


def test_scores_are_compared_seed_by_seed():
    pair = pair_by_seed(side("none", (0.30, 0.40, 0.20)), side("blend", (0.40, 0.45, 0.35)))
    (score,) = compare_scores(pair)
    assert score.column.score == "pck@0.1"
    assert (score.one.mean, score.other.mean, score.difference.mean) == pytest.approx((0.3, 0.4, 0.1))
    spread = (((0.1 - 0.1) ** 2 + (0.05 - 0.1) ** 2 + (0.15 - 0.1) ** 2) / 2) ** 0.5
    assert score.difference.half_width == pytest.approx(T3 * spread / 3**0.5)
    assert score.p == score.adjusted == 0.25  # all three of one sign: 2 of 8 patterns
    assert score.effect == pytest.approx(0.1 / spread * 0.5641896, rel=1e-6)  # Gamma(1) / Gamma(0.5) / sqrt(1)
    assert score.improvement == pytest.approx(7.5 / 9)  # of 9 pairs of runs one is equal and one the other way


def test_holm_corrects_over_the_scores_shown():
    one = tuple(record(plain(seed), {"pck@0.1": 0.3, "nme": 0.2}) for seed in range(3))
    other = tuple(record(plain(seed, tokens=64), {"pck@0.1": 0.4 + seed / 100, "nme": 0.2 + (-1) ** seed / 100})
                  for seed in range(3))
    found = {score.column.score: score for score in compare_scores(pair_by_seed(one, other))}
    assert (found["pck@0.1"].p, found["pck@0.1"].adjusted) == (0.25, 0.5)
    assert found["nme"].p == 1.0


def test_one_pair_has_a_difference_and_no_test():
    (score,) = compare_scores(pair_by_seed(side("none", (0.3,)), side("blend", (0.4,))))
    assert score.difference.mean == pytest.approx(0.1)
    assert (score.difference.half_width, score.p, score.adjusted, score.effect, score.improvement) == (None,) * 5


def test_scores_of_other_test_data_stand_beside_each_other_uncompared():
    other = tuple({**each, "fingerprints": {"data": "d2", "weights": "w1"}} for each in side("blend", (0.4, 0.5)))
    pair = pair_by_seed(side("none", (0.3, 0.3)), other)
    (score,) = compare_scores(pair)
    assert not pair.is_comparable
    assert (score.other.mean, score.difference, score.p) == (0.45, None, None)


def test_the_settings_that_differ_are_named():
    pair = pair_by_seed(side("none", (0.3,)), side("blend", (0.4,)))
    assert pair.knobs == [("fusion", "none", "blend")]


def test_scenes_are_ranked_by_their_difference_and_shown_with_the_most_usual_pair(tmp_path):
    """Two views of two points: hits of four. SceneComparison 0: 2 and 2 against 3 and 1; scene 1: 4, 4 against 2, 3."""
    near, far = 0.5, 5.0
    hits = {"none": [[2, 4], [2, 4]], "blend": [[3, 2], [1, 3]]}
    sides = []
    for name, seeds in hits.items():
        own = []
        for seed, counts in enumerate(seeds):
            errors = [[near] * count + [far] * (4 - count) for count in counts]
            table = stores.points(np.reshape(errors, (2, 2, 2)))
            own.append(stores.add(tmp_path, seed=seed, points=table, fusion=stores.fusion(name)))
        sides.append(own)
    found = compare_scenes(pair_by_seed(*sides), reader(Path(tmp_path)))
    assert [(each.scene, each.one, each.other) for each in found.each] == [(1, 1.0, 0.625), (0, 0.5, 0.5)]
    assert found.each[0].shown == 0  # seeds differ by -0.5 and -0.25, the mean by -0.375: a tie, the first
    differences = (0.0, -0.375)
    assert found.over_scenes.mean == pytest.approx(np.mean(differences))
    assert found.over_scenes.half_width == pytest.approx(T2 * 0.1875)
    assert found.p == 1.0  # a zero flips into itself: every pattern is as far
    assert found.both.mean == pytest.approx(-3 / 16)
    assert found.both.half_width > 0


def test_hidden_points_count_for_nothing_by_scene(tmp_path):
    visible = [[[True, False]], [[True, True]]]
    one = stores.add(tmp_path, points=stores.points([[[5.0, 0.1]], [[0.1, 5.0]]], visible=visible))
    other = stores.add(tmp_path, tokens=64, points=stores.points([[[0.1, 5.0]], [[0.1, 0.1]]], visible=visible))
    found = compare_scenes(pair_by_seed([one], [other]), reader(Path(tmp_path)))
    assert [(each.scene, each.one, each.other) for each in found.each] == [(1, 0.5, 1.0), (0, 0.0, 1.0)]
    assert found.both is None


def test_scenes_need_points_of_the_same_data(tmp_path):
    one = stores.add(tmp_path, points=stores.points([[[0.1]]]))
    other = stores.add(tmp_path, tokens=64, points=stores.points([[[0.1]], [[0.1]]]))
    assert compare_scenes(pair_by_seed([one], [other]),
                  reader(Path(tmp_path))) is None
    elsewhere = {**one, "fingerprints": {"data": "d2"}}
    assert compare_scenes(pair_by_seed([one], [elsewhere]), reader(Path(tmp_path))) is None
    without = {**one, "files": {}}
    assert compare_scenes(pair_by_seed([one], [without]), reader(Path(tmp_path))) is None


def test_settings_match_that_agree_in_what_varies_on_either_side():
    groups = group_records(fusion_records(seeds=2), ReportSpec(("fusion",)))[1]
    more = tuple(record(plain(0, steps=9, fusion={"name": name, "strength": 1.0}), {"pck@0.1": 0.5})
                 for name in ("none", "blend", "other"))
    longer = group_records(more, ReportSpec(("fusion",)))[1]
    found = match_settings(groups, longer)
    assert [(mine.labels, yours.labels) for mine, yours in found] == [(("none",), ("none",)), (("blend",), ("blend",))]
    assert [len(match_settings(groups[:1], groups[4:5])), len(match_settings(groups[:1], longer[1:]))] == [1, 0]


def of_weights(fusion, weights, **changes):
    return record(plain(fusion={"name": fusion}, **changes), {"pck@0.1": 0.5},
                  fingerprints={"data": "d1", "weights": weights})


def test_settings_match_in_weights_where_a_side_has_several():
    none, blend = ([of_weights(name, weights) for weights in ("w1", "w2")] for name in ("none", "blend"))
    one, other = (group_records(side, ReportSpec())[1] for side in (none, blend[::-1]))
    found = match_settings(one, other)
    assert [(mine.records, yours.records) for mine, yours in found] == [((none[i],), (blend[i],)) for i in (0, 1)]
    assert match_settings(one, other[:1]) == [(one[1], other[0])]  # blend of w1 is there no more
    assert match_settings(one, group_records([of_weights("blend", "w3")], ReportSpec())[1]) == []


def test_models_match_although_each_has_other_weights():
    """Weights vary with the model on either side: they are told apart by the model alone."""
    sides = [group_records([of_weights("none", f"{name} {age}", model={"name": name}) for name in ("small", "large")],
                     ReportSpec())[1] for age in ("old", "new")]
    assert [(mine.labels, yours.labels) for mine, yours in match_settings(*sides)] == [
        (("small",), ("small",)), (("large",), ("large",))]


def test_settings_match_by_a_setting_that_the_first_trial_lacks():
    first, later = plain(), {**plain(), "novel": 1}
    one = group_records([record(first, {"pck@0.1": 0.5}), record(later, {"pck@0.1": 0.5})], ReportSpec())[1]
    assert match_settings(one, one[1:]) == [(one[1], one[1])]


def test_other_weights_and_data_are_named_among_what_differs():
    pair = pair_by_seed([of_weights("none", "w1")], [of_weights("none", "w2")])
    assert pair.knobs == [("weights fingerprint", "w1", "w2")]
    elsewhere = {**of_weights("none", "w1"), "fingerprints": {"data": "d2", "weights": "w1"}}
    assert pair_by_seed([of_weights("none", "w1")], [elsewhere]).knobs == [("data fingerprint", "d1", "d2")]


def test_scores_of_generated_views_are_compared_on_the_same_scenes_and_noise_levels():
    own = {"pck@0.1": 0.5, "nvs_loss": 0.1, "psnr": 20.0}
    one, other = ([record(plain(seed, view_timesteps=levels), own) for seed in range(2)] for levels in ([200], [800]))
    found = {score.column.score: score for score in compare_scores(pair_by_seed(one, other))}
    assert {name: score.difference is None for name, score in found.items()} == {
        "pck@0.1": False, "nvs_loss": True, "psnr": False}
    assert (found["nvs_loss"].p, found["nvs_loss"].one.mean, found["nvs_loss"].other.mean) == (None, 0.1, 0.1)
    assert found["pck@0.1"].adjusted == 1.0


@pytest.mark.parametrize("table", [{}, {name: [] for name in stores.points([[[0.1]]])}])
def test_scenes_need_rows_in_every_trials_points(tmp_path, table):
    one = stores.add(tmp_path, points=stores.points([[[0.1]]]))
    other = stores.add(tmp_path, tokens=64, points=table)
    for sides in (([one], [other]), ([other], [one]), ([other], [other])):
        assert compare_scenes(pair_by_seed(*sides), reader(Path(tmp_path))) is None
