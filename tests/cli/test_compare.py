"""The compare and show commands, on trials whose points and scores are made up."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.__main__ import main
from harness.cli._lookup import parse_where
from harness.config.spec import TrialSpec
from harness.store.store import Store
from tests.report import stores

DATA = {"name": "figures", "family": "biped", "views": 1}


def table(seed, spread, scenes=8):
    """Points of ten keypoints in one view, as `figures` has them, the more spread the worse."""
    truth = np.random.default_rng(0).uniform(0.2, 0.8, (scenes * 10, 2))
    found = truth + np.random.default_rng([seed, round(100 * spread)]).normal(0, spread, truth.shape)
    errors = 64 * np.linalg.norm(found - truth, axis=1).reshape(scenes, 1, 10)
    places = {"truth_y": truth[:, 0], "truth_x": truth[:, 1], "found_y": found[:, 0], "found_x": found[:, 1]}
    return stores.points(errors, normaliser=48.0, **places)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one experiment of three fusions and three seeds; tests work on copies."""
    results = tmp_path_factory.mktemp("recorded") / "results"
    for name, spread, level in (("none", 0.1, 0.3), ("blend", 0.05, 0.4), ("concat", 0.09, 0.31)):
        for seed in range(3):
            stores.add(results, "probe", seed, points=table(seed, spread), curve=stores.curve([3.0, 2.0, 2.5]),
                       scores={"pck@0.1": level + seed / 100, "pck_untrained@0.1": 0.2, "steps_to_90": 1.0},
                       data=DATA, fusion=stores.fusion(name))
    note = {"report": {"rows": ["fusion"], "baseline": {"fusion": "none"}, "columns": []}, "trials": {}}
    (results / "probe" / "experiment.json").write_text(json.dumps(note))
    return results


@pytest.fixture
def run(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    shutil.copytree(recorded, "results")

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return command


def ids(fusion):
    found = Store("results", "probe").records()
    return [record["id"] for record in found if record["spec"]["fusion"]["name"] == fusion]


def test_two_settings_of_an_experiment(run):
    code, out, err = run("compare", "probe", "--where", "fusion=none", "--where", "fusion=blend")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["A  probe: none", "B  probe: blend"]
    assert "fusion   none  blend" in lines
    assert any(line.split()[:4] == ["pck@0.1", "0.310±.025", "0.410±.025", "+0.100±.000"] for line in lines)
    assert "n too small: with 3 shared seeds no corrected p can reach 0.05." in lines
    picture = Path(out.split("picture  ")[1].strip())
    assert picture == Path("results/probe/compare/probe-none-vs-probe-blend.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_one_setting_is_compared_with_the_baseline(run):
    once = run("compare", "probe", "--where", "fusion=blend")[1]
    assert once == run("compare", "probe", "--where", "fusion=none", "--where", "fusion=blend")[1]


def test_json_has_every_number_and_the_scenes(run):
    (found,) = json.loads(run("compare", "probe", "--where", "fusion=blend", "--json")[1])
    assert (found["a"], found["b"], found["seeds"]) == ("probe: none", "probe: blend", [0, 1, 2])
    assert found["settings"] == {"fusion": ["none", "blend"]}
    assert sorted(found["trials"][1]) == sorted(ids("blend"))
    score = found["scores"]["pck@0.1"]
    assert score["difference"]["mean"] == pytest.approx(0.1)
    assert score["p"] == 0.25
    worst = found["scenes"]["each"][0]
    errors = [[np.reshape(table(seed, spread)["error"], (8, 10)) for seed in range(3)] for spread in (0.1, 0.05)]
    near = [np.mean([own[worst["scene"]] <= 4.8 for own in side]) for side in errors]
    assert (worst["one"], worst["other"]) == pytest.approx(near)
    assert Path(found["picture"]).is_file()


def test_two_trials_by_the_beginning_of_their_ids(run):
    one, other = ids("none")[0], ids("blend")[0]
    code, out, _ = run("compare", one[:10], other[:10], "--picture", "here.png")
    assert code == 0
    assert out.startswith(f"A  probe {one[:8]}\nB  probe {other[:8]}\n")
    assert "One pair of trials: no interval over seeds and no test." in out
    assert Path("here.png").is_file()


def test_two_experiments_are_compared_setting_by_setting(run):
    for seed in range(3):
        stores.add("results", "longer", seed, points=table(seed, 0.07), scores={"pck@0.1": 0.5}, data=DATA, steps=400,
                   fusion=stores.fusion("none"))
    found = json.loads(run("compare", "probe", "longer", "--json")[1])
    assert [(each["a"], each["settings"]) for each in found] == [("probe: none", {"steps": [100, 400]})]
    assert run("compare", "probe", "longer", "--where", "fusion=none")[0] == 0
    err = run("compare", "probe", "longer", "--where", "fusion=blend", "--where", "steps=400")[2]
    assert err == ""  # one setting on either side: they are what is compared


def test_a_half_width_above_ten_keeps_its_digits(run):
    """PCK of the two scenes is 1 and 0 against 0 and 0.6: differences -1 and 0.6, half width 12.706 * 1.6 / 2."""
    for name, hits in (("none", (5, 0)), ("blend", (0, 3))):
        errors = [[[0.1] * count + [9.0] * (5 - count)] for count in hits]
        stores.add("results", "wide", points=stores.points(errors), scores={"pck@0.1": 0.5}, fusion=stores.fusion(name))
    out = run("compare", "wide", "--where", "fusion=none", "--where", "fusion=blend")[1]
    assert "mean scene -0.200\N{PLUS-MINUS SIGN}10.165 over scenes" in out


def test_a_score_that_some_pairs_lack_tells_how_many_have_it(run):
    for name in ("none", "blend"):
        for seed in range(3):
            more = {"nme": 0.2} if seed else {}
            stores.add("results", "gaps", seed, scores={"pck@0.1": 0.5, **more}, fusion=stores.fusion(name))
    out = run("compare", "gaps", "--where", "fusion=none", "--where", "fusion=blend")[1]
    cells = {line.split()[0]: line.split()[1:7] for line in out.splitlines() if "\N{PLUS-MINUS SIGN}." in line}
    level, more = "0.200\N{PLUS-MINUS SIGN}.000", "+0.000\N{PLUS-MINUS SIGN}.000"
    assert cells["nme"] == [level, "(2)", level, "(2)", more, "(2)"]
    assert "(" not in "".join(cells["pck@0.1"])
    assert "In brackets: the number of seeds with this score, if not all have it." in out


def test_trials_of_other_weights_are_told_apart(run):
    for path in list(Path("results/probe/trials").glob("*/record.json")):
        record = json.loads(path.read_text())
        if record["spec"]["fusion"]["name"] == "blend":
            trial = TrialSpec.from_dict(record["spec"]).id("d1", "w2")
            path.write_text(json.dumps({**record, "id": trial, "fingerprints": {"data": "d1", "weights": "w2"}}))
            path.parent.rename(path.parents[1] / trial)
    lines = run("compare", "probe", "--where", "fusion=blend")[1].splitlines()
    assert "weights fingerprint  w1    w2" in lines


def test_view_scores_of_other_noise_levels_are_not_compared(run):
    for levels in ([200], [800]):
        for seed in range(2):
            stores.add("results", "levels", seed, points=table(seed, 0.1), data=DATA, view_timesteps=levels,
                       scores={"pck@0.1": 0.5, "nvs_loss": levels[0] / 1000})
    out = run("compare", "levels", "--where", "view_timesteps=200", "--where", "view_timesteps=800")[1]
    line = "Not compared, since A and B were measured on different scenes or noise levels: nvs_loss."
    assert line in out.splitlines()
    assert next(line.split()[3] for line in out.splitlines() if line.startswith("nvs_loss")) == "\N{EM DASH}"


def test_data_without_keypoints_has_no_scene_to_compare(run):
    for name in ("none", "blend"):
        stores.add("results", "bare", scores={"entropy": 0.5}, points={}, fusion=stores.fusion(name))
    code, out, err = run("compare", "bare", "--where", "fusion=none", "--where", "fusion=blend")
    assert (code, err) == (0, "")
    assert out.endswith("No scene can be compared: a trial has no points, or a scene has none.\n")


def test_numbers_in_a_condition_are_read_as_in_an_experiment(run):
    assert parse_where("fusion.strength=5e-1,tokens=64,view_pass=on") == {
        "fusion.strength": 0.5, "tokens": 64, "view_pass": "on"}
    every = run("compare", "probe", "--where", "fusion=none,fusion.strength=1e0", "--where", "fusion=blend")
    assert every[0] == 0


def test_settings_without_a_counterpart_are_named(run):
    stores.add("results", "longer", points=table(0, 0.07), scores={"pck@0.1": 0.5}, data=DATA, steps=400,
               fusion=stores.fusion("spatial"))
    assert "no setting of probe (3) agrees with one of longer (1)" in run("compare", "probe", "longer")[2]


def test_a_picture_is_left_out_where_the_data_is_laid_out_otherwise(run):
    for name in ("none", "blend"):
        stores.add("results", "other", points=stores.points(np.ones((4, 2, 3))), scores={"pck@0.1": 0.5}, data=DATA,
                   fusion=stores.fusion(name))
    code, out, _ = run("compare", "other", "--where", "fusion=none", "--where", "fusion=blend")
    assert code == 0
    assert "worst for B" in out
    assert "picture" not in out


@pytest.mark.parametrize(("arguments", "words"), [
    (["probe"], "what is 'probe' compared with?"),
    (["probe", "--where", "fusion=bled"], "did you mean 'blend'?"),
    (["probe", "--where", "fuson=blend"], "did you mean 'fusion'?"),
    (["probe", "--where", "fusion"], "expected SETTING=VALUE"),
    (["probe", "--where", "fusion={"], "--where fusion={: not valid YAML"),
    (["probe", *["--where", "fusion=none"] * 3], "given 3 times"),
    (["probe", *["--where", "fusion=none"] * 2], "both sides are the same trials"),
    (["probe", "nowhere"], "neither an experiment nor a trial is called 'nowhere'"),
    (["prob", "probe"], "did you mean 'probe'?"),
    (["probe", "probe", "--picture", "x.png", "--where", "seed=0", "--where", "seed=1"], "no setting 'seed'"),
])
def test_what_cannot_be_compared_is_said_in_one_line(run, arguments, words):
    code, out, err = run("compare", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


def test_trials_that_did_not_finish_are_refused(run):
    record = stores.add("results", "probe", 9, status="failed")
    code, _, err = run("compare", record["id"], ids("none")[0])
    assert code == 2
    assert "is failed; only finished ones are compared" in err


def test_show_tells_settings_scores_and_files(run):
    trial = ids("blend")[0]
    code, out, _ = run("show", trial[:9])
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    seed = Store("results", "probe").record(trial)["spec"]["seed"]
    assert lines[0] == ["trial", trial, "of", "probe,", "seed", str(seed)]
    assert ["status", "finished"] in lines
    assert ["fusion", "blend", "none"] in lines
    assert ["pck@0.1", f"{0.4 + seed / 100:.4g}", "untrained", "tokens", "0.2"] in lines
    assert "loss     3 to 2.5 in 3 steps, lowest 2, 90% of the drop at step 1" in out
    assert f"results/probe/trials/{trial}/panel.png" in out
    assert not any(line[:1] == ["learning_rate"] for line in lines)  # at its default


def test_show_as_json(run):
    trial = ids("blend")[0]
    found = json.loads(run("show", trial, "--json")[1])
    assert (found["id"], found["changed"]["fusion"]) == (trial, {"value": "blend", "default": "none"})


def test_show_names_what_it_cannot_find(run):
    assert "no trial's id begins with 'zzzz'" in run("show", "zzzz")[2]
    assert "'probe' is an experiment, not a trial" in run("show", "probe")[2]
    code, _, err = run("show", "")
    assert code == 2
    assert "begins the ids of 9 trials" in err
    assert "nearest: " in run("show", ids("none")[0][:6] + "zz")[2]


def test_show_distrusts_a_torn_folder(run):
    trial = ids("none")[0]
    Path("results/probe/trials", trial, "points.parquet").unlink()
    code, out, _ = run("show", trial)
    assert (code, "is not trusted: points.parquet is missing or torn" in out) == (1, True)
