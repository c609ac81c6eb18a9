"""Zero123++'s switches through a whole trial: what each changes, and the data that they need."""

from dataclasses import replace

import pytest

from harness.config.spec import Choice
from harness.errors import UsageError
from harness.method.trial import run
from tests.conftest import small_spec


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
