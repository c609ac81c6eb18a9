"""Zero123++'s switches through a whole trial: what each changes, and the data that they need."""

from dataclasses import replace

import pytest

from harness.plugins import UsageError
from harness.spec import Choice
from harness.trial import run
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
    from harness.spec import RunOptions

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
