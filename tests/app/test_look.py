import numpy as np
import pytest
import torch
from PIL import Image

from harness.app import draw, html
from harness.app import look as module
from harness.app.keep import keep
from harness.app.look import Choices, chosen_spec, look
from harness.app.sources import Source, sources, untrained_spec
from harness.errors import UsageError
from harness.method import evolution, trial
from harness.method.evolution import Unfaithful
from harness.models.attention import capture
from harness.store.store import Store
from tests.conftest import small_spec


@pytest.fixture(autouse=True)
def _short(monkeypatch, random_models):
    """Draw fewer noise levels and paint in fewer steps, with models of random weights."""
    monkeypatch.setattr(evolution, "NOISE", (1.0, 0.75, 0.25))
    monkeypatch.setattr(module, "PAINT_STEPS", 2)


@pytest.fixture
def source():
    """Untrained tokens of a small setting."""
    def of(model="tiny_zero123plus", **settings):
        return Source("small", small_spec(model, **settings))

    return of


@pytest.fixture
def recorded(tmp_path):
    """A recorded trial, as the app offers it."""
    def record(**settings):
        spec = small_spec(**settings)
        result = trial.run(spec)
        store = Store(tmp_path, "e")
        store.save(spec.id(result.fingerprints["data"], result.fingerprints["weights"]), spec, result, {}, {})
        return next(iter(sources(tmp_path).values()))

    return record


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "mine.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(path)
    return path


def last(steps):
    *before, end = steps
    assert end.is_done
    assert not any(step.is_done for step in before)
    return end


def test_the_sources_are_recorded_trials_and_then_the_shipped_models(recorded, tmp_path):
    one = recorded()
    names = list(sources(tmp_path))
    assert names[0] == one.name
    assert one.trial[:8] in names[0]
    assert names[1:] == [f"{name}: untrained tokens" for name in ("tiny_sd", "tiny_zero123plus",
                                                                  "tiny_zero123plus_weights")]
    assert untrained_spec("tiny_sd").data.knobs["views"] == 1


def test_a_trial_at_its_own_setting_shows_the_maps_of_its_scores(recorded):
    own = recorded(fusion="concat")
    end = last(look(own, Choices(scene=1, shown=3, timestep=own.spec.timestep, levels=2)))
    assert end.agreement.equal == end.agreement.points > 0
    whole = evolution.evolve(own.spec, own.stored(), 1)
    places = [whole.kept.index(token) for token in end.evolution.kept]
    for track, other in zip(end.evolution.tracks, whole.tracks, strict=True):
        assert track.source == other.source
        levels = {level.timestep: level for level in other.levels}
        for level in track.levels:
            assert torch.equal(level.maps, levels[level.timestep].maps[:, places])
            assert level.scored == levels[level.timestep].scored
    assert end.picture[1].timestep == own.spec.timestep
    assert end.picture[1].scored


@pytest.mark.parametrize("change", [{"layers": (1,)}, {"timestep": 300}, {"fusion": "blend"}])
def test_a_changed_setting_is_never_called_that_of_the_scores(recorded, change):
    own = recorded()
    end = last(look(own, Choices(levels=2, **change)))
    assert not any(level.scored for track in end.evolution.tracks for level in track.levels)


def test_the_picture_comes_first_and_every_level_after_it(source):
    steps = [step for step in look(source(), Choices(levels=3)) if step.evolution]
    assert [sum(len(track.levels) for track in step.evolution.tracks) for step in steps] == [*range(1, len(steps) + 1)]
    assert steps[0].latest.levels[0].timestep == source().spec.timestep
    assert [step.share for step in steps] == sorted(step.share for step in steps)
    assert all(step.evolution.kept == steps[0].evolution.kept for step in steps)


@pytest.mark.parametrize(("model", "views"), [("tiny_zero123plus", 6), ("tiny_sd", 1)])
def test_a_photograph_is_looked_at_or_its_painted_views_are(source, photo, model, views):
    data = {"views": 6 if views == 6 else 1}
    steps = list(look(source(model, data=data, losses=("sharpening",)), Choices(photograph=photo, levels=2)))
    end = last(steps)
    assert [len(track.levels[0].maps) for track in end.evolution.tracks] == [views, views]
    assert sum(step.painted is not None for step in steps) == (2 if views == 6 else 0)
    assert end.evolution.truth_yx.shape[2] == 0
    assert "keypoint" not in html.picture(end)


def test_on_a_photograph_a_trials_tokens_keep_their_names_and_have_no_true_keypoint(recorded, photo):
    end = last(look(recorded(), Choices(photograph=photo, levels=2)))
    assert any(j >= 0 for j in end.agreement.tied)
    assert "white ring" not in html.picture(end)
    assert "true" not in end.picture[0].source
    assert any("tied to" in head for head, _ in draw.described(end))


def test_the_strength_of_a_fusion_changes_the_painted_views(source, photo):
    painted = [[step.painted for step in look(source(), Choices(photograph=photo, fusion="concat", strength=strength,
                                                                levels=2)) if step.painted is not None][-1]
               for strength in (0.0, 1.0)]
    assert not torch.equal(*painted)


def test_gates_of_another_fusion_are_not_those_of_the_record(recorded):
    last(look(recorded(fusion="concat"), Choices(fusion="hierarchical", levels=2)))


def test_without_capture_nothing_is_shown(source, monkeypatch):
    monkeypatch.setattr(capture.CapturePass, "cross", capture.Pass.cross)
    with pytest.raises(capture.NothingCaptured):
        list(look(source(), Choices(levels=2)))


def test_a_residual_above_the_tolerance_stops_the_look(source, monkeypatch):
    monkeypatch.setitem(evolution.TOLERANCE, "fp32", -1.0)
    with pytest.raises(Unfaithful, match="nothing is drawn"):
        list(look(source(), Choices(levels=2)))


def test_tokens_that_do_not_find_the_recorded_points_stop_the_look(recorded, monkeypatch):
    own = recorded()
    moved = {**own.stored(), "tokens": own.stored()["initial"].flip(0) * 3}
    monkeypatch.setattr(Source, "stored", lambda self: moved)
    with pytest.raises(Unfaithful, match="not the maps of its scores"):
        list(look(own, Choices()))


def test_changed_data_or_weights_stop_the_look(recorded):
    own = recorded()
    other = Source(own.name, own.spec, own.store, own.trial, (("data", "else"), ("weights", "else")))
    with pytest.raises(UsageError, match="its data and weights changed"):
        list(look(other, Choices()))


@pytest.mark.parametrize(("choices", "words"), [
    (Choices(scene=3), "scene 3: there are scenes 0 to 2"),
    (Choices(layers=(9,)), "layer 9: this model has"),
    (Choices(fusion="concat", strength=7), "strength"),
])
def test_a_choice_that_does_not_fit_is_named(source, choices, words):
    with pytest.raises(UsageError, match=words):
        chosen_spec(source(), choices)


def test_the_numbers_and_words_are_those_of_the_drawn_tokens(source):
    end = last(look(source(), Choices(shown=2, levels=2)))
    rows = draw.levels(end)
    assert {row["pass"] for row in rows} == {"localising pass", "view pass"}
    level = end.evolution.tracks[0].levels[0]
    assert rows[0]["residual"] == max(level.residual.attention, level.residual.rows) < 1e-5
    heads = [head for head, _ in draw.described(end)]
    assert [head.split(",")[0] for head in heads] == [f"Token {token}" for token in end.evolution.kept]
    assert "trial's scores" not in html.analysis(end)


def test_every_picture_lies_in_the_text_itself(source):
    end = last(look(source(), Choices(levels=2)))
    for text, kind in ((html.picture(end), "image/webp"), (html.evolution(end), "image/webp"),
                       (html.analysis(end), "image/svg+xml")):
        assert f'src="data:{kind};base64,' in text
        assert text.count("src=") == text.count('src="data:')


def test_a_look_is_kept_in_a_folder_of_its_own(source, tmp_path, photo):
    choices = Choices(levels=2)
    end = last(look(source(), choices))
    first, second = (keep(end, source(), choices, tmp_path / "looks") for _ in range(2))
    assert (first.name, second.name) == ("tiny-zero123plus-scene-0-1", "tiny-zero123plus-scene-0-2")
    assert {"picture.png", "localising_pass.webp", "view_pass.webp", "evolution.json", "maps.safetensors",
            "description.txt", "choices.json"} <= {file.name for file in first.iterdir()}
    with pytest.raises(UsageError, match="cannot be written"):
        keep(end, source(), choices, photo)
