"""What trials share gives the scores that each would compute alone, and is never older than what it was made from."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from harness import registry, user_cache
from harness.method import generate, readings, session
from harness.method.encode import Encoder
from harness.method.passes import Passes
from harness.method.trial import run
from tests.conftest import open_session, small_spec
from tests.method.test_trial import same

pytestmark = pytest.mark.usefixtures("random_models")


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Give a cache folder of its own and a function that forgets what this process keeps."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(user_cache, "changed_since_start", lambda: False)  # also moments after an edit
    session._session.cache_clear()
    yield session._session.cache_clear
    session._session.cache_clear()


def count(monkeypatch, module, name):
    """Count the calls of a function of a module."""
    calls, real = [], getattr(module, name)

    def counting(*given, **named):
        calls.append(given)
        return real(*given, **named)

    monkeypatch.setattr(module, name, counting)
    return calls


def equal(first, second):
    assert first.scores.keys() == second.scores.keys()
    assert all(same(first.scores[name], second.scores[name]) for name in first.scores)
    assert repr(first.points) == repr(second.points)
    assert repr(first.fit) == repr(second.fit)
    assert torch.equal(first.tokens["kept"], second.tokens["kept"])


@pytest.mark.parametrize("settings", [
    {}, {"localise_copies": 2}, {"data": {"views": 1}, "model": "tiny_sd"}, {"selection": "all", "fit_scenes": 1},
], ids=str)
def test_the_untrained_reading_from_the_cache_folder_gives_equal_scores(fresh, monkeypatch, settings):
    spec = small_spec(**settings)
    first = run(spec)
    fresh()
    read = count(monkeypatch, readings, "read_out")
    second = run(spec)
    assert len(read) == 1  # the trained tokens alone
    equal(first, second)


@pytest.mark.parametrize("change", [
    {"seed": 1}, {"tokens": 14}, {"keypoints": 3}, {"timestep": 80}, {"context": "concat"}, {"warp_degrees": 10.0},
    {"fit_scenes": 3}, {"precision": "bf16"}, {"localise_copies": 1}, {"view_pass": "canvas"}, {"sigma_px": 2.0},
], ids=str)
def test_a_setting_that_acts_on_it_is_read_anew(fresh, monkeypatch, change):
    run(small_spec(steps=1))
    fresh()
    read = count(monkeypatch, readings, "read_out")
    run(replace(small_spec(steps=1), **change))
    assert len(read) == 2


def test_a_scene_that_changed_is_read_anew(fresh, monkeypatch):
    run(small_spec(steps=1))
    fresh()
    monkeypatch.setattr(Encoder, "_stamp", lambda self, name, count: "other")
    read = count(monkeypatch, readings, "read_out")
    run(small_spec(steps=1))
    assert len(read) == 2


def test_other_code_reads_anew(fresh, monkeypatch):
    run(small_spec(steps=1))
    fresh()
    monkeypatch.setattr(readings, "_code", lambda selection: "changed")
    read = count(monkeypatch, readings, "read_out")
    run(small_spec(steps=1))
    assert len(read) == 2


def test_a_process_that_may_hold_older_code_keeps_no_reading(fresh, monkeypatch):
    run(small_spec(steps=1))
    with monkeypatch.context() as older:
        older.setattr(user_cache, "changed_since_start", lambda: True)
        older.setattr(readings, "_code", lambda selection: "edited")
        fresh()
        read = count(older, readings, "read_out")
        run(small_spec(steps=1))
        assert len(read) == 2
    monkeypatch.setattr(readings, "_code", lambda selection: "edited")
    fresh()
    read = count(monkeypatch, readings, "read_out")
    run(small_spec(steps=1))
    assert len(read) == 2


def test_equal_tokens_are_read_once(fresh, monkeypatch):
    alone = run(small_spec(fusion="spatial"))
    fresh()
    run(small_spec(fusion="none"))
    read = count(monkeypatch, readings, "read_out")
    equal(run(small_spec(fusion="spatial")), alone)
    assert read == []


def test_unguided_predictions_are_made_once_for_all_trials(fresh, monkeypatch):
    spec = small_spec(fusion="concat", view_scenes=2, view_timesteps=(200, 500))
    alone = run(spec)
    fresh()
    baseline = run(replace(small_spec(fusion="none", view_scenes=2, view_timesteps=(200, 500)), seed=3))
    passes = count(monkeypatch, generate, "predict")
    equal(run(spec), alone)
    assert len(passes) == 2 * 2 * 2  # guided and forced, for two scenes at two levels
    assert baseline.scores["nvs_loss_baseline"] == alone.scores["nvs_loss_baseline"]


@pytest.mark.parametrize("model", ["tiny_zero123plus", "tiny_sd"])
def test_a_guided_pass_of_the_baseline_is_the_unguided_one_to_the_last_bit(model):
    """`view_errors` takes one for the other where the fusion does not act."""
    spec = small_spec(model, "none", data={"views": 6 if model == "tiny_zero123plus" else 1})
    opened = open_session(spec)
    passes = Passes(opened.model, registry.build("fusion", "none", spec.fusion.knobs), spec)
    split = opened.encoder.split("test", 1)
    views = generate.NoisyViews.draw(passes, split, 0, 500)
    tokens, kept = torch.randn(spec.tokens, opened.model.width), torch.arange(spec.keypoints)
    with torch.no_grad():
        maps = passes.maps(split.latents[[0]], tokens, split.condition[[0]])[:, :, kept]
        plain, _ = generate.predict(passes, views)
        guided, _ = generate.predict(passes, views, maps=maps, tokens=tokens[kept], gates={})
    assert torch.equal(plain, guided)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_passes_at_one_noise_level_share_the_condition_image_to_the_last_bit(monkeypatch, guidance):
    """Views at one level, and the halves of a sampler's step, read the same noised condition, or another one."""
    spec = small_spec("tiny_zero123plus", "concat", data={"views": 6}, view_scenes=2, view_timesteps=(200, 500),
                      sampling_steps=2, guidance=guidance)
    opened = open_session(spec)
    model, split = opened.model, opened.encoder.split("test", 2)
    passes = Passes(model, registry.build("fusion", "concat", spec.fusion.knobs), spec)
    tokens, kept = torch.randn(spec.tokens, model.width), torch.arange(spec.keypoints)

    def found():
        before = model.images
        errors, _ = generate.view_errors(passes, split, tokens, kept, {})
        middle = model.images
        return errors | {"painted": generate.painted_views(passes, split, 1, tokens, kept, {})}, \
            (middle - before, model.images - middle)

    shared, fewer = found()
    monkeypatch.setattr(type(model), "one_reference", lambda model: nullcontext())
    apart, all_images = found()
    assert shared.keys() == apart.keys()
    assert all(torch.equal(shared[name], apart[name]) for name in shared)
    assert all_images[0] - fewer[0] == 2 * 2 * 2  # of three passes two find the condition read, scene by level
    assert all_images[1] - fewer[1] == 2  # the guided pass of each step
