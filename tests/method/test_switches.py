"""Zero123++'s switches through a whole trial: what each changes, and the data that they need."""

from dataclasses import replace

import pytest
import torch

from harness import registry
from harness.config.spec import Choice
from harness.errors import UsageError
from harness.method.localise import locate
from harness.method.passes import Passes
from harness.method.trial import _splits, run
from tests.conftest import open_session, small_spec


def entropy(context="concat", **switches):
    spec = small_spec(context=context, steps=1, view_scenes=0, losses=("sharpening",))
    knobs = {"scaling": True, "embedding": True, "reference": "views"} | switches
    return run(replace(spec, model=Choice("tiny_zero123plus", knobs))).scores["entropy"]


def test_the_keypoint_pass_sees_the_condition_only_where_it_is_told_to(random_models):
    plain = entropy()
    assert entropy(embedding=False) != plain
    assert entropy(reference="both") != plain
    assert entropy(reference="none") == plain
    assert entropy("replace", embedding=False) == entropy("replace")


def test_a_trial_in_micro_batches_sees_the_same_condition(random_models):
    from harness.config.spec import RunOptions

    spec = replace(small_spec(context="concat", view_scenes=0, losses=("sharpening", "equivariance")),
                   model=Choice("tiny_zero123plus", {"scaling": True, "embedding": True, "reference": "both"}))
    whole, parts = run(spec), run(spec, options=RunOptions(micro_batch=1))
    assert whole.status == parts.status == "finished"
    assert parts.scores["loss_final"] == pytest.approx(whole.scores["loss_final"], rel=1e-4)


def test_data_without_a_condition_image_is_refused_by_name(random_models):
    spec = small_spec(data={"views": 1}, view_scenes=0, losses=("sharpening",))
    knobs = {"scaling": True, "embedding": True, "reference": "both"}
    with pytest.raises(UsageError, match="its keypoint pass looks at a condition image; data 'figures' has none"):
        run(replace(spec, model=Choice("tiny_zero123plus", knobs)))


def test_points_can_be_read_over_warped_copies(random_models):
    """At no rotation, zoom or shift a copy is the view: the mean over copies changes nothing."""
    still = {"warp_degrees": 0.0, "warp_scale": 1.0, "warp_translate": 0.0, "steps": 0, "view_scenes": 0}
    one, mean = (run(small_spec("tiny_sd", losses=("sharpening",), localise_copies=n, **still)) for n in (0, 3))
    assert mean.scores["pck@0.2"] == one.scores["pck@0.2"]
    assert mean.scores["entropy"] == pytest.approx(one.scores["entropy"], rel=1e-4)
    moved = run(small_spec("tiny_sd", losses=("sharpening",), localise_copies=3, steps=0, view_scenes=0))
    assert moved.scores["entropy"] != pytest.approx(one.scores["entropy"], rel=1e-6)


def _passes(opened, spec):
    return Passes(opened.model, registry.build("fusion", "none", {}), spec)


def test_the_first_fit_scenes_alone_can_be_read_over_warped_copies(random_models):
    fixed = {"losses": ("sharpening",), "data": {"views": 1}, "view_scenes": 0, "fit_scenes": 4}
    specs = [small_spec("tiny_sd", **fixed, **copies) for copies in (
        {"localise_copies": 2, "copies_scenes": 3}, {"localise_copies": 2}, {})]
    opened = open_session(specs[0])
    tokens, kept = torch.randn(12, opened.model.width), torch.arange(6)
    some, every, none = (
        locate(_passes(opened, spec), _splits(opened, spec)[1], tokens, kept, measure=False).points_yx
        for spec in specs)
    assert torch.equal(some[:3], every[:3])
    assert torch.equal(some[3:], none[3:])
    assert not torch.equal(some, every)
    assert not torch.equal(some, none)


@pytest.mark.parametrize("count", [4, 9])
def test_as_many_scenes_with_copies_as_there_are_is_the_default(random_models, count):
    fixed = {"localise_copies": 2, "losses": ("sharpening",), "data": {"views": 1}, "view_scenes": 0, "fit_scenes": 4}
    all_of_them, default = (run(small_spec("tiny_sd", **fixed, copies_scenes=n)) for n in (count, 0))
    assert all_of_them.scores == default.scores
    assert repr(all_of_them.points) == repr(default.points)  # repr: NaN equals NaN


@pytest.mark.parametrize("copies", [0, 2])
def test_points_alone_are_those_that_are_measured(random_models, copies):
    spec = small_spec("tiny_sd", data={"views": 1}, view_scenes=0, localise_copies=copies)
    opened = open_session(spec)
    tokens, kept, fit = torch.randn(12, opened.model.width), torch.arange(6), _splits(opened, spec)[1]
    measured, alone = (locate(_passes(opened, spec), fit, tokens, kept, 2, measure=flag)
                       for flag in (True, False))
    assert torch.equal(measured.points_yx, alone.points_yx)
    assert torch.equal(measured.maps, alone.maps)
    assert measured.statistics.keys() > set() == alone.statistics.keys()
