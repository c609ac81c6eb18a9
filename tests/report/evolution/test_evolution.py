"""An evolution shows captured tensors, the ones that the record's scores came from, or nothing."""

import io
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from safetensors.torch import load_file

from harness.__main__ import main
from harness.cli._evolution import write_evolution
from harness.config.spec import TrialSpec
from harness.errors import UsageError
from harness.method import evolution, trial
from harness.method.evolution import Unfaithful, evolve, noise_levels
from harness.method.metrics.attention import entropy
from harness.method.tracks import Level, Track
from harness.models.attention.capture import CapturePass, NothingCaptured, Residual
from harness.models.attention.fused import FusePass
from harness.models.attention.hooks import attend
from harness.ops.maps import peaks
from harness.report.evolution.agreement import agreement
from harness.report.evolution.numbers import correlation, elongation
from harness.store.parquet_json import read_parquet
from tests.conftest import open_session, small_spec


def values(scenes, score, scene=0):
    """The recorded values of a score in one scene, by place."""
    rows = zip(*(scenes[name] for name in ("score", "scene", "place", "value")), strict=True)
    return [value for name, number, _, value in rows if (name, number) == (score, scene)]


def without_capture(self, layer, attention, query, context):
    return attend(attention, query, context)


def evolved(recorded, *args, **settings):
    store, record = recorded(*args, **settings)
    return store, record, evolve(TrialSpec.from_dict(record["spec"]), store.tokens(record["id"]))


@pytest.mark.parametrize("settings", [
    {"model": "tiny_sd", "data": {"views": 1}}, {"fusion": "concat"}, {"fusion": "blend", "localise_copies": 2},
    {"fusion": "hierarchical", "view_pass": "canvas", "context": "concat", "resize": "maps"}, {"fusion": "spatial"},
], ids=str)
def test_scores_of_the_record_come_out_of_the_maps_in_the_files(recorded, settings):
    store, record = recorded(**settings)
    place, found = write_evolution(store, record)
    maps, numbers = load_file(place / "maps.safetensors"), json.loads((place / "evolution.json").read_text())
    scenes, points = read_parquet(store.path(record["id"]) / "scenes.parquet"), store.points(record["id"])
    own = maps[f"localising_pass.t{record['spec']['timestep']}"]  # (V J H W)
    assert entropy(own).double().mean(-1).tolist() == pytest.approx(values(scenes, "entropy"), abs=1e-6)
    places = {tuple(point) for point in peaks(own).flatten(0, 1).tolist()}
    first = [row for row, scene in enumerate(points["scene"]) if scene == 0]
    recorded_places = [(points["found_y"][row], points["found_x"][row]) for row in first]
    assert all(np.isnan(at).any() or any(np.allclose(at, other, atol=1e-6) for other in places)
               for at in recorded_places)
    if settings.get("fusion") in ("concat", "blend", "hierarchical"):
        score = "entropy_view_pass_apart" if settings["fusion"] == "blend" else "entropy_view_pass"
        means = torch.stack([entropy(maps[f"view_pass.t{t}"]) for t in record["spec"]["view_timesteps"]]).mean((0, 2))
        assert means.tolist() == pytest.approx(values(scenes, score), abs=1e-6)
        assert found.view_entropy_off < 1e-6
    assert found.equal == found.points > 0
    assert found.problem == ""
    residuals = [level["attention_residual"] for track in numbers["tracks"] for level in track["levels"]]
    assert all(0 <= residual <= trial.TOLERANCE["fp32"] for residual in residuals)
    localising = numbers["tracks"][0]["levels"]
    assert [level["timestep"] for level in localising if level["scored"]] == [record["spec"]["timestep"]]


def test_levels_hold_those_of_scores_and_fall():
    model = open_session(small_spec()).model
    levels = noise_levels(model, [50, 500])
    assert {50, 500} <= set(levels)
    assert levels == sorted(levels, reverse=True)
    assert any(abs(float(1 - model.alphas[level]) - 0.75) < 0.03 for level in levels)
    level = Level(50, 0.7504, False, Residual(), *[torch.zeros(1, 3, 4, 4)] * 2, torch.zeros(1, 1, 4, 4))
    assert (level.at, level.mark, level.key) == ("noise remaining 75%", "75%", "t50")
    assert (replace(level, step=3).at, replace(level, step=3).key) == ("after 3 steps", "s3")


def test_every_frame_is_of_its_level_and_depends_on_the_captured_maps(recorded):
    from harness.report.evolution.files import files

    store, record, found = evolved(recorded, "concat")
    checked = agreement(found, store.points(record["id"]), {})
    written = files(found, checked, record["id"], "title")
    for track in found.tracks:
        stem = track.name.replace(" ", "_")
        for form in ("webp", "gif"):
            frames = [np.asarray(frame.convert("RGB")) for frame in
                      ImageSequence.Iterator(Image.open(io.BytesIO(written[f"{stem}.{form}"])))]
            assert len(frames) == len(track.levels)
            assert all((one != other).any() for one, other in pairwise(frames))
    tracks = tuple(replace(track, levels=tuple(replace(level, maps=level.maps.flip(-1)) for level in track.levels))
                   for track in found.tracks)
    other = files(replace(found, tracks=tracks), checked, record["id"], "title")
    pictures = [name for name in written if name.endswith((".webp", ".gif")) or name in ("localising_pass.png",
                                                                                        "view_pass.png")]
    assert len(pictures) == 6
    assert [name for name in pictures if written[name] == other[name]] == []


def test_without_capture_there_is_one_line_and_no_picture(recorded, monkeypatch, capsys):
    store, record = recorded("concat")
    monkeypatch.setattr(CapturePass, "cross", without_capture)
    assert main(["show", record["id"], "--results", str(store.results), "--evolution"]) == 1
    error = capsys.readouterr().err
    assert error == "error: no attention was captured, so there is no map to score or draw\n"
    assert not (store.path(record["id"]) / "evolution").exists()
    with pytest.raises(NothingCaptured):  # nor has a trial the picture that it draws itself
        trial.run(small_spec(steps=0))


def test_without_capture_in_the_view_pass_nothing_stands_in_for_it(recorded, monkeypatch):
    store, record = recorded("concat")
    before = FusePass.__init__
    monkeypatch.setattr(FusePass, "__init__", lambda self, fuse, maps, layout, watch=(), *, check=False:
                        before(self, fuse, maps, layout, (), check=check))
    with pytest.raises(NothingCaptured):
        evolve(TrialSpec.from_dict(record["spec"]), store.tokens(record["id"]))


def test_attention_that_is_not_the_models_own_is_not_drawn(recorded, monkeypatch, capsys):
    store, record = recorded()
    monkeypatch.setattr(CapturePass, "residual", property(lambda self: Residual(0.5, 1.0, 0.0),
                                                         lambda self, value: None), raising=False)
    assert main(["show", record["id"], "--results", str(store.results), "--evolution"]) == 1
    assert capsys.readouterr().err.startswith("error: captured attention is off by 0.5 at timestep 999")


@pytest.mark.parametrize("residual", [Residual(float("nan")), Residual(rows=float("nan")), Residual(rows=1e-3)])
def test_a_residual_that_is_no_number_or_too_large_is_refused(residual):
    with pytest.raises(Unfaithful, match="nothing is drawn"):
        evolution.demand_faithful(residual, "fp32", 50)


def test_maps_of_other_tokens_are_not_taken_for_those_of_the_scores(recorded):
    store, record = recorded()
    stored = store.tokens(record["id"])
    found = evolve(TrialSpec.from_dict(record["spec"]), {**stored, "tokens": stored["tokens"].flip(0) * 3})
    scenes = read_parquet(store.path(record["id"]) / "scenes.parquet")
    assert agreement(found, store.points(record["id"]), scenes).problem


def test_changed_data_another_scene_and_a_foreign_folder_are_named(recorded, tmp_path):
    store, record = recorded()
    with pytest.raises(UsageError, match=r"its weights changed since it was recorded"):
        write_evolution(store, {**record, "fingerprints": {**record["fingerprints"], "weights": "other"}})
    with pytest.raises(UsageError, match=r"--scene 3: the trial has test scenes 0 to 2"):
        write_evolution(store, record, 3)
    with pytest.raises(UsageError, match=r"only a finished one"):
        write_evolution(store, {**record, "status": "pruned"})
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        write_evolution(store, record, output=tmp_path / "own")
    assert (tmp_path / "own" / "thesis.tex").read_text() == "mine"


def test_flags_of_the_evolution_need_it(tmp_path, capsys):
    assert main(["show", "a", "--results", str(tmp_path), "--scene", "1"]) == 2
    assert "--scene goes with --evolution" in capsys.readouterr().err


def test_the_record_stays_valid_and_a_second_call_replaces_the_folder(recorded, capsys):
    store, record = recorded(data={"views": 1}, model="tiny_sd")
    for _ in range(2):
        assert main(["show", record["id"], "--results", str(store.results), "--evolution", "--scene", "1"]) == 0
    assert "points equal" in capsys.readouterr().out
    assert store.record(record["id"]) == record
    assert [path.name for path in store.path(record["id"]).glob(".*")] == []
    assert main(["show", record["id"], "--results", str(store.results), "--evolution", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scene"] == 0


def test_correlation_is_pearsons_per_view_and_token():
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(3, 2, 4, 5, 6, generator=generator)  # (P V J H W)
    levels = tuple(Level(t, 0.5, False, Residual(), torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), level)
                   for t, level in zip((3, 2, 1), maps, strict=True))
    found = correlation(Track("view pass", "", levels))
    expected = np.mean([np.corrcoef(maps[:, view, 1].flatten(1).numpy()) for view in range(2)], 0)
    assert found[:, :, 1] == pytest.approx(expected)


def test_elongation_of_a_bar_and_of_a_disc():
    y, x = np.mgrid[:40, :40]
    bar, disc = ((abs(y - 19.5) < 2) & (abs(x - 19.5) < 8)), (y - 19.5) ** 2 + (x - 19.5) ** 2 < 50
    turned = bar.T
    found = elongation(np.stack([bar, turned, disc]).astype(float))
    assert found == pytest.approx([np.sqrt((16**2 - 1) / (4**2 - 1))] * 2 + [1.0], rel=0.02)


def test_snapshots_change_no_score_and_no_id(recorded):
    store, plain = recorded("concat", steps=5)
    assert not [name for name in store.tokens(plain["id"]) if name.startswith("step.")]
    _, kept = recorded("concat", snapshot_every=2, steps=5)
    assert (kept["id"], kept["scores"]) == (plain["id"], plain["scores"])
    assert {"step.2", "step.4"} == {name for name in store.tokens(plain["id"]) if name.startswith("step.")}


def test_an_evolution_over_steps_ends_with_the_maps_of_the_scores(recorded):
    store, record = recorded("concat", snapshot_every=2, steps=5)
    place, found = write_evolution(store, record)
    assert found.problem == ""
    maps, numbers = load_file(place / "maps.safetensors"), json.loads((place / "evolution.json").read_text())
    *_, track = numbers["tracks"]
    assert [level["step"] for level in track["levels"]] == [0, 2, 4, 5]
    assert [level["scored"] for level in track["levels"]] == [False, False, False, True]
    assert torch.equal(maps["optimisation.s5"], maps[f"localising_pass.t{record['spec']['timestep']}"])
    assert not torch.equal(maps["optimisation.s0"], maps["optimisation.s2"])
    with Image.open(place / "optimisation.webp") as animation:
        assert animation.n_frames == 4
    assert {"optimisation_curves.png", "optimisation.png", "curves.png"} <= {path.name for path in place.iterdir()}


def test_groups_of_the_context_have_a_picture_of_their_shares(recorded):
    store, record = recorded(context="concat")
    place, _ = write_evolution(store, record)
    maps = load_file(place / "maps.safetensors")
    torch.testing.assert_close(maps["group.text"] + maps["group.tokens"], torch.ones_like(maps["group.text"]))
    with Image.open(place / "groups.png") as picture:
        assert picture.height > 6 * 110
    _, alone = recorded()
    assert "groups.png" not in {path.name for path in write_evolution(store, alone)[0].iterdir()}
