"""Notes on averages: missing trials and rows that must not be compared are named under every table."""

import pytest

from harness.config.spec import RESULTS_VERSION, ReportSpec
from harness.report.tables.build import build
from tests.report.fakes import fusion_records, plain, record, scores

FUSION = ReportSpec(("fusion",), {"fusion": "none"})


def notes(records, planned=None, running=(), report=FUSION):
    """Return the notes under the table of keypoints."""
    return build(records, report, planned, running)[0].notes


def fusion(name, seed):
    return plain(seed, fusion={"name": name, "strength": 1.0})


@pytest.mark.parametrize("status", ["failed", "pruned", "interrupted"])
def test_trials_that_did_not_finish_are_named_by_what_became_of_them(status):
    records = fusion_records()
    records[4] |= {"status": status, "reason": "a reason", "scores": {}}
    found = notes(records)
    assert f"{status.capitalize()}: fusion=concat, seed=1 (a reason)." in found
    assert "Rows lack some of the 3 seeds: concat has 2, not seed 1." in found


def test_trials_that_did_not_finish_are_named_by_the_knob_that_tells_them_apart():
    losses = [{"sharpening": {"weight": 100.0}, "equivariance": {"weight": weight}} for weight in (500.0, 2000.0)]
    specs = [plain(losses=each, fusion={"name": "blend", "strength": strength})
             for each in losses for strength in (0.5, 1.0)]
    records = [record(specs[0], {"pck@0.1": 0.5}), record(specs[1], status="failed")]
    found = notes(records, specs, [specs[2]])
    named = "losses=sharpening + equivariance equivariance.weight"
    assert f"Failed: fusion=blend strength=1, {named}=500, seed=0." in found
    assert f"Running: fusion=blend strength=0.5, {named}=2000, seed=0." in found
    assert f"Not run yet: fusion=blend strength=1, {named}=2000, seed=0." in found


def test_pruned_trials_are_never_averaged_even_where_they_left_scores():
    records = fusion_records()
    records[4] |= {"status": "pruned", "scores": {"pck@0.1": 99.0}}
    row = next(row for row in build(records, FUSION)[0].rows if row.labels == ("concat",))
    assert row.seeds == 2
    assert row.cells[1].interval.mean < 1


def test_running_trials_are_told_from_those_that_have_not_begun():
    records = fusion_records(seeds=1)
    planned = [fusion(name, seed) for name in ("none", "concat") for seed in range(2)]
    found = notes(records, planned, [fusion("concat", 1)])
    assert "So far 2 of 4 planned trials have finished." in found
    assert "Running: fusion=concat, seed=1." in found
    assert "Not run yet: fusion=none, seed=1." in found


def test_a_running_trial_of_another_setting_is_not_this_reports():
    found = notes(fusion_records(seeds=1), [fusion(name, 0) for name in ("none", "concat")], [fusion("blend", 9)])
    assert not any(note.startswith(("Running", "So far")) for note in found)


def test_without_a_plan_running_trials_are_named_too():
    found = notes(fusion_records(seeds=1), None, [fusion("concat", 7)])
    assert "So far 6 of 7 planned trials have finished." in found
    assert "Running: fusion=concat, seed=7." in found


def test_what_many_rows_lack_is_counted():
    found = notes(fusion_records(seeds=1), [fusion("none", seed) for seed in range(9)])
    assert "Not run yet: seed=1; seed=2; seed=3; seed=4; and 4 more." in found


@pytest.mark.parametrize("version", [RESULTS_VERSION - 1, RESULTS_VERSION + 1, None])
def test_other_results_versions_are_never_averaged(version):
    other = [record(plain(seed), scores(0.9, seed), results_version=version) for seed in range(5, 7)]
    found = build([*other, record(plain(), scores(0.5, 0))], FUSION)[0]
    assert found.rows[0].seeds == 1
    assert "Left out: 2 trials of another results version." in found.notes


def test_a_score_that_some_trials_lack_is_averaged_over_the_others_and_named():
    records = fusion_records()
    for i in (0, 2, 5):
        del records[i]["scores"]["steps_to_90"]
    found = next(table for table in build(records, FUSION) if table.name == "convergence")
    at = next(i for i, column in enumerate(found.columns) if column.score == "steps_to_90")
    assert [row.cells[at].interval.count for row in found.rows[:3]] == [1, 2, 3]
    assert found.rows[0].cells[at].text.endswith(" (1)")
    lacking = "steps to 90% of none, seeds 0, 2; steps to 90% of concat, seed 2"
    assert f"Without a value, so averaged over the others: {lacking}." in found.notes
    assert "In brackets: how many seeds have this score, where not all do." in found.notes[0]


def test_a_score_that_a_row_lacks_altogether_is_a_dash():
    records = fusion_records()
    for each in records[:3]:
        del each["scores"]["nme"]
    found = build(records, FUSION)[0]
    assert found.rows[0].cells[-1].text == "—"
    assert not any(note.startswith("Without a value") for note in found.notes)


def test_normalisers_are_never_mixed():
    # A normaliser is a knob of the data: rows that differ in it differ in their test data.
    records = [
        record(plain(seed, data={"name": "figures", "normaliser": kind}, fusion={"name": name}),
               {"pck@0.1": level, "pck_mean_pose@0.1": 0.1})
        for kind, level in (("box", 0.2), ("diagonal", 0.9)) for name in ("none", "concat") for seed in range(3)
    ]
    found = build(records, FUSION)[0]
    assert [row.labels for row in found.rows if row.is_reference] == [("mean pose", "figures normaliser=box"),
                                                                      ("mean pose", "figures normaliser=diagonal")]
    assert [row.cells[0].difference.interval.mean for row in found.rows if row.labels[0] == "concat"] == [0, 0]
    assert [row.cells[0].best for row in found.rows if not row.is_reference] == [True] * 4
    assert "Rows differ in their test data (2 kinds), and only rows of one are compared" in " ".join(found.notes)


def test_data_that_changed_between_trials_makes_other_rows():
    records = fusion_records()
    records[1]["fingerprints"] = {"data": "d2", "weights": "w1"}
    found = build(records, FUSION)[0]
    assert [(row.labels, row.seeds) for row in found.rows[:2]] == [(("none", "d1"), 2), (("none", "d2"), 1)]


def test_code_that_was_not_committed_and_mixed_devices_are_named():
    surroundings = [{"git_commit": "a" * 40, "git_dirty": True, "device": "cpu"},
                    {"git_commit": "b" * 40, "git_dirty": False, "device": "gpu"}]
    found = notes([record(plain(seed), scores(0.5, seed), environment=each) for seed, each in enumerate(surroundings)])
    (line,) = [note for note in found if "commits" in note]
    assert line.split(". ") == ["Trials come from 2 commits: aaaaaaaa; bbbbbbbb",
                                "1 of 2 trials ran on changes that no commit holds",
                                "Trials ran on 2 kinds of device: cpu; gpu."]


@pytest.mark.parametrize(("fit_scenes", "said"), [(40, True), (100, False)])
def test_regressed_points_of_few_samples_are_named(fit_scenes, said):
    """16 tokens are 32 unknowns; 8 of 10 keypoints are visible in a scene, so 40 scenes have 32 samples of each."""
    one = record(plain(fit_scenes=fit_scenes, test_scenes=50, keypoints=16, tokens=64),
                 {"pck@0.1": 0.5, "nme": 0.2, "visible_points": 400.0}, keypoints=list("abcdefghij"))
    wanted = ("Regressed points rest on few samples of the fit split (fit_scenes), so their errors may be those of "
              "interpolation: fake has about 32 of each keypoint for 32 unknowns.")
    assert (wanted in build([one], ReportSpec())[0].notes) == said
