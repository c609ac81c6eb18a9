"""Whole trials on random weights: what a result promises, whatever the setting."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness import registry
from harness.config.spec import Choice, RunOptions
from harness.errors import UsageError
from harness.method import evaluate, trial
from harness.method.encode import Encoder
from harness.method.forward import draw_batch, forward
from harness.method.passes import Diverged, Passes, on_canvas
from harness.method.session import _session
from harness.method.trial import TOLERANCE, run
from harness.ops.tensors import generator
from harness.report.verify.from_files import recompute_from_curve, recompute_from_points, recompute_from_scenes
from tests.conftest import open_session, small_spec

pytestmark = pytest.mark.usefixtures("random_models")


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def test_the_same_spec_gives_bitwise_equal_scores_and_tokens():
    spec = small_spec(fusion="concat", losses=("sharpening", "equivariance", "nvs"))
    first = run(spec)
    _session.cache_clear()  # nothing may depend on what the process has done before
    second = run(spec)
    assert first.scores.keys() == second.scores.keys()
    assert [name for name in first.scores if not same(first.scores[name], second.scores[name])] == []
    assert torch.equal(first.tokens["tokens"], second.tokens["tokens"])
    assert repr(first.points) == repr(second.points)  # repr: NaN equals NaN


@pytest.mark.parametrize("settings", [
    {"fusion": "concat", "losses": ("sharpening", "equivariance", "nvs"), "view_scenes": 2, "generated_scenes": 1},
    {"data": {"views": 1}, "model": "tiny_sd"},
])
def test_every_score_comes_out_again_from_the_files(settings):
    found = run(small_spec(**settings))
    files = {name: {column: np.asarray(values) for column, values in getattr(found, name).items()}
             for name in ("points", "curve", "scenes")}
    ways = {"points": recompute_from_points, "curve": recompute_from_curve, "scenes": recompute_from_scenes}
    alone = {name for name in found.scores if name.startswith(("pck_fit", "attention_residual", "row_sum_residual"))}
    for name in found.scores.keys() - alone:
        again = next(value for file, way in ways.items() if (value := way(files[file], name)) is not None)
        assert again == pytest.approx(found.scores[name], rel=1e-9, abs=1e-12), name


def test_maps_that_are_not_finite_fail_the_trial_where_points_are_located(monkeypatch):
    token_maps = Passes.token_maps
    monkeypatch.setattr(Passes, "token_maps", lambda *given: token_maps(*given) * float("nan"))
    monkeypatch.setattr(evaluate, "choose", lambda passes, *given: torch.arange(passes.spec.keypoints))
    found = run(small_spec(steps=0))
    assert (found.status, found.scores) == ("failed", {"diverged": 1.0})
    assert "maps are not finite" in found.reason


def test_another_number_of_threads_gives_the_same_tokens_to_1e4():
    spec = small_spec(fusion="hierarchical", steps=3)
    threads = torch.get_num_threads()
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(run(spec))
    torch.set_num_threads(threads)
    torch.testing.assert_close(found[0].tokens["tokens"], found[1].tokens["tokens"], atol=1e-4, rtol=1e-4)
    for name in ("loss_final", "nvs_loss", "entropy"):
        assert found[0].scores[name] == pytest.approx(found[1].scores[name], rel=1e-4)


@pytest.mark.parametrize("fusion", [name for name in registry.names("fusion") if name != "none"])
def test_strength_zero_is_the_same_trial_as_none(fusion):
    off = run(small_spec(fusion=fusion, fusion_knobs={"strength": 0.0}))
    none = run(small_spec(fusion="none"))
    assert repr(off.points) == repr(none.points)
    assert off.curve == none.curve
    assert all(same(off.scores[name], none.scores[name]) for name in none.scores)
    assert none.scores["nvs_loss"] == none.scores["nvs_loss_baseline"]


@pytest.mark.parametrize("settings", [
    {"view_pass": "canvas"}, {"context": "concat"}, {"resize": "maps"}, {"loss_level": "grid"},
    {"view_pass": "canvas", "loss_level": "grid", "context": "concat", "resize": "maps"},
    {"data": {"views": 1}, "model": "tiny_sd"}, {"model": "tiny_zero123plus_weights", "view_pass": "canvas"},
    {"selection": "multiview"}, {"selection": "all"}, {"steps": 0}, {"fusion": "blend", "layers": (0, 2)},
    {"generated_scenes": 1, "sampling_steps": 2, "fusion": "spatial"},
    {"losses": registry.names("losses")},
], ids=str)
def test_every_setting_runs_and_scores(settings):
    result = run(small_spec(**settings))
    assert result.status == "finished", result.reason
    assert {"pck@0.1", "pck_regressed@0.1", "pck_untrained@0.1", "pck_mean_pose@0.1", "entropy", "peak_mass",
            "nvs_loss", "attention_residual"} <= result.scores.keys()
    assert result.scores["attention_residual"] <= 1e-5
    assert 0 <= result.scores["pck@0.1"] <= 1


@pytest.mark.parametrize("precision", [name for name in TOLERANCE if name != "fp32"])
def test_every_precision_runs(precision):
    result = run(small_spec(precision=precision, steps=1, test_scenes=2, fit_scenes=2, optimise_scenes=2,
                            losses=registry.names("losses")))
    assert result.status == "finished", result.reason
    assert result.tokens["tokens"].dtype == torch.float32


def test_pck_is_what_the_points_say():
    result = run(small_spec())
    rows = zip(*(result.points[name] for name in ("error", "normaliser", "visible")), strict=True)
    hits = [error <= 0.1 * normaliser for error, normaliser, visible in rows if visible]
    assert sum(hits) / len(hits) == pytest.approx(result.scores["pck@0.1"], abs=1e-12)


def test_the_keypoints_of_the_points_have_names():
    result = run(small_spec())
    assert len(set(result.keypoints)) == 1 + max(result.points["keypoint"])


def test_the_first_images_are_encoded_in_exact_arithmetic_too(tmp_path, monkeypatch):
    allowed, encode = [], Encoder._encode

    def encoding(*given):
        allowed.append(torch.backends.cudnn.allow_tf32)
        return encode(*given)

    monkeypatch.setattr(Encoder, "_encode", encoding)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))  # where nothing is encoded yet
    _session.cache_clear()
    torch.backends.cudnn.allow_tf32 = True  # as PyTorch begins
    run(small_spec(steps=0, data={"family": "bird"}))
    assert allowed
    assert not any(allowed)


def test_looking_at_the_fit_split_while_it_runs_changes_nothing():
    spec = small_spec(fusion="concat", steps=4, losses=("sharpening", "equivariance", "nvs"))
    plain, steps = run(spec), []
    probed = run(spec, steps.append, RunOptions(probe_every=2))
    for part in ("scores", "points", "curve", "fit"):
        assert repr(getattr(probed, part)) == repr(getattr(plain, part))  # repr: NaN equals NaN
    assert torch.equal(probed.tokens["tokens"], plain.tokens["tokens"])
    assert [sorted(step.probe) for step in steps] == [[], ["pck_fit@0.05", "pck_fit@0.1", "pck_fit@0.2"]] * 2


def test_the_last_look_is_the_trials_own_score():
    steps = []
    result = run(small_spec(steps=3), steps.append, RunOptions(probe_every=3))
    assert steps[-1].probe == {name: result.scores[name] for name in steps[-1].probe}
    assert len(steps[-1].probe) == 3
    assert result.probes == {"step": [3.0], **{name: [value] for name, value in steps[-1].probe.items()}}


def test_the_fit_split_is_scored_scene_by_scene():
    result = run(small_spec(fit_scenes=5))
    assert result.fit["scene"] == [0, 1, 2, 3, 4]
    shown = result.fit["visible_points"]
    hits = sum(share * count for share, count in zip(result.fit["pck_fit@0.2"], shown, strict=True) if count)
    assert hits / sum(shown) == pytest.approx(result.scores["pck_fit@0.2"], abs=1e-12)


def test_one_fit_scene_gives_no_score_to_search_by():
    result = run(small_spec(fit_scenes=1), options=RunOptions(probe_every=1))
    assert result.status == "finished"
    assert result.fit == {}
    assert not any(name.startswith("pck_fit") for name in result.scores)


def test_the_test_split_has_no_part_in_what_a_search_sees():
    one, other = run(small_spec(test_scenes=2)), run(small_spec(test_scenes=3))
    assert one.fit == other.fit
    assert one.scores["pck_fit@0.1"] == other.scores["pck_fit@0.1"]


def test_a_trial_that_diverges_fails_and_says_where(monkeypatch):
    def broken(*args, **kwargs):
        raise Diverged("sharpening is nan at step 1")

    monkeypatch.setattr(trial, "optimise", broken)
    result = run(small_spec())
    assert (result.status, result.reason) == ("failed", "sharpening is nan at step 1")


def test_captured_attention_that_is_off_fails_the_trial(monkeypatch):
    monkeypatch.setattr(trial, "capture_residuals", lambda *args: ({}, 0.5))
    result = run(small_spec())
    assert result.status == "failed"
    assert "0.5" in result.reason


def test_only_tokens_and_gates_are_optimised():
    spec = small_spec(fusion="hierarchical")
    session = open_session(spec)
    before = {name: weight.clone() for name, weight in session.model.unet.state_dict().items()}
    result = run(spec)
    assert all(torch.equal(weight, before[name]) for name, weight in session.model.unet.state_dict().items())
    assert not torch.equal(result.tokens["tokens"], result.tokens["initial"])
    assert result.tokens["gate.context"] != 0


@pytest.mark.parametrize("level", ["per_view", "grid"])
def test_losses_see_live_maps(level):
    spec = small_spec(loss_level=level)
    session = open_session(spec)
    passes = Passes(session.model, registry.build("fusion", "none"), spec)
    split = session.encoder.split("optimise", 3, (1, 15.0, 0.8, 0.25))
    tokens = torch.randn(12, session.model.width, requires_grad=True)
    draws = torch.Generator().manual_seed(0)
    batch = draw_batch(passes, split, draws, None)
    inputs = forward(passes, split, registry.build("selection", "gaussian_fps"), tokens, {}, batch)
    assert inputs.maps.shape == ((2, 6, 6, 16, 16) if level == "per_view" else (2, 1, 6, 48, 32))
    assert inputs.view_maps.shape == inputs.warped_maps.shape == (2, 6, 6, 16, 16)
    for maps in (inputs.maps, inputs.view_maps, inputs.common_maps, inputs.warped_maps):
        tokens.grad = None
        maps.square().sum().backward(retain_graph=True)
        assert tokens.grad.abs().sum() > 0


@pytest.mark.parametrize("settings", [{}, {"loss_level": "grid"}, {"selection": "multiview"}], ids=str)
def test_the_kept_tokens_are_chosen_on_the_views_own_maps(settings):
    """As StableKeypoints' find_best_indices: ranked and spread out on the same maps, counted over all images."""
    spec = small_spec(steps=2, tokens=24, optimise_scenes=4, **settings)
    result, session = run(spec), open_session(spec)
    passes = Passes(session.model, registry.build("fusion", spec.fusion.name), spec)
    split = session.encoder.split("optimise", 4, (1, spec.warp_degrees, spec.warp_scale, spec.warp_translate))
    level = on_canvas if spec.loss_level == "grid" else lambda maps: maps
    selection = registry.build("selection", spec.selection.name, spec.selection.knobs)

    def most_often(copy):
        tokens, counts = result.tokens["tokens"], torch.zeros(24, dtype=torch.long)
        with torch.no_grad():
            for row in (slice(i, i + 1) for i in range(4)):
                own, warped = (level(passes.maps(latents, tokens, split.condition[row]))
                               for latents in (split.latents[row], split.warped[row, 0]))
                picked = selection(own, warped if copy else own, keypoints=spec.keypoints, sigma_px=spec.sigma_px)
                counts += torch.bincount(picked.flatten(), minlength=24)
        return counts.argsort(descending=True, stable=True)[: spec.keypoints].sort().values

    kept = torch.as_tensor(result.tokens["kept"]).sort().values
    assert torch.equal(kept, most_often(copy=False))
    assert not torch.equal(kept, most_often(copy=True))  # else the test could not fail


def test_the_view_passs_noise_leaves_scenes_and_keypoint_noise_alone():
    spec = small_spec(scenes_per_step=2)
    session = open_session(spec)
    passes = Passes(session.model, registry.build("fusion", "none"), spec)
    split = session.encoder.split("optimise", 4, (2, 15.0, 0.8, 0.25))
    without, beside = generator("optimise", 0), generator("optimise", 0)
    views = generator("optimise view pass", 0)
    for _ in range(3):
        one, other = draw_batch(passes, split, without, None), draw_batch(passes, split, beside, views)
        assert torch.equal(one.scenes, other.scenes)
        assert torch.equal(one.theta, other.theta)
        assert torch.equal(one.noise, other.noise)
    assert other.view_noise is not None


def test_a_null_term_of_the_view_pass_changes_no_token():
    """The same trial with `nvs` at weight 0 draws the same scenes and noise, so its tokens are the same."""
    plain = run(small_spec(steps=3, losses=("sharpening",)))
    (sharpening,) = small_spec(losses=("sharpening",)).losses
    null = Choice("nvs", registry.settings("losses", "nvs", {"weight": 0.0}, "losses"))
    other = run(replace(small_spec(steps=3), losses=(sharpening, null)))
    assert torch.equal(plain.tokens["tokens"], other.tokens["tokens"])


def test_layers_beyond_the_model_are_named():
    with pytest.raises(UsageError, match=r"trial.layers: 9 .* up path has 4"):
        run(small_spec(layers=(9,)))
