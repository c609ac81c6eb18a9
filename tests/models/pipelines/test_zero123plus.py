"""What each switch of Zero123++ changes, and that all of them off leave its UNet in a plain pipeline."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from harness.models.attention.groups import Beside
from harness.models.loading.folder import load_parts
from harness.models.pipelines.parts import Condition
from harness.models.pipelines.zero123plus import Switches, UNetAlone, Zero123Plus, squared

OFF = Switches(scaling=False, embedding=False, reference="none")


@pytest.fixture(scope="module")
def loaded(random_folders):
    return load_parts(random_folders["tiny_zero123plus"], zero123plus=True)


@pytest.fixture
def fresh(loaded):
    """A model takes its UNet's attention over: each needs one of its own."""
    def made(switches=None, kind=None):
        parts = deepcopy(loaded)
        return kind(parts, "fp32", "cpu") if kind else Zero123Plus(parts, "fp32", "cpu", switches or Switches())

    return made


@pytest.fixture(scope="module")
def scene():
    draws = torch.Generator().manual_seed(3)
    return {name: torch.rand(shape, generator=draws) for name, shape in
            {"views": (1, 6, 3, 16, 16), "image": (1, 3, 16, 16), "noise": (1, 6, 4, 8, 8), "reference": (1, 4, 8, 8),
             "tokens": (5, 24)}.items()}


def keypoints(model, scene, *, canvas=True, concat=False):
    condition = model.encode_condition(scene["image"])
    latents = model.noised(model.encode(scene["views"]), scene["noise"], 50)
    with torch.no_grad():
        passed = model.keypoint_pass(latents, scene["tokens"], 50, layers=model.up_layers[:2], canvas=canvas,
                                     beside=Beside(text=concat), condition=condition,
                                     reference_noise=scene["reference"])
    return passed.captured[-1].query


def views(model, scene):
    condition = model.encode_condition(scene["image"])
    with torch.no_grad():
        return model.view_pass(scene["noise"], torch.tensor([500]), condition, canvas=True,
                               reference_noise=scene["reference"])


@pytest.mark.parametrize("canvas", [True, False])
@pytest.mark.parametrize("concat", [True, False])
def test_all_switches_off_is_the_unet_alone(fresh, scene, canvas, concat):
    off, alone = fresh(OFF), fresh(kind=UNetAlone)
    assert torch.equal(off.encode(scene["views"]), alone.encode(scene["views"]))
    assert torch.equal(keypoints(off, scene, canvas=canvas, concat=concat),
                       keypoints(alone, scene, canvas=canvas, concat=concat))
    assert torch.equal(views(off, scene), views(alone, scene))
    latents = off.encode(scene["views"])
    assert torch.equal(off.decode(latents[:, :1]), alone.decode(latents[:, :1]))


@pytest.mark.parametrize(("on", "changes_views", "changes_replaced", "changes_concatenated"), [
    ({"embedding": True}, True, False, True),
    ({"reference": "views"}, True, False, False),
    ({"reference": "both"}, True, True, True),
    ({"scaling": True}, False, True, True),  # the view pass here starts from the same noisy latents
])
def test_each_switch_changes_what_it_says(fresh, scene, on, changes_views, changes_replaced, changes_concatenated):
    off = fresh(OFF)
    model = fresh(replace(OFF, **on))
    assert torch.equal(views(off, scene), views(model, scene)) != changes_views
    assert torch.equal(keypoints(off, scene), keypoints(model, scene)) != changes_replaced
    same = torch.equal(keypoints(off, scene, concat=True), keypoints(model, scene, concat=True))
    assert same != changes_concatenated


def test_views_run_one_by_one_share_their_scenes_condition(fresh, scene):
    """The last view alone and among six: the reference is that of its own scene."""
    model = fresh(Switches(reference="both"))
    two = {name: value if name == "tokens" else torch.cat([value, value.flip(-1)]) for name, value in scene.items()}
    together = keypoints(model, two, canvas=False).unflatten(0, (2, 6))
    alone = {name: value if name == "tokens" else value.flip(-1) for name, value in scene.items()}
    torch.testing.assert_close(together[1], keypoints(model, alone, canvas=False), atol=1e-5, rtol=1e-4)


def test_blocks_of_one_reference_share_its_run_also_after_an_inner_block_or_an_error(fresh, scene):
    model = fresh()
    condition, level = model.encode_condition(scene["image"]), torch.tensor([500])

    @torch.no_grad()
    def images():
        before = model.images
        model.view_pass(scene["noise"], level, condition, reference_noise=scene["reference"])
        return model.images - before

    with model.one_reference():
        assert [images(), images()] == [2, 1]
        with model.one_reference():
            assert images() == 1
        with pytest.raises(KeyError), model.one_reference():
            raise KeyError
        assert images() == 1
    assert [images(), images()] == [2, 2]


def test_scaling_is_undone_by_decoding(fresh, scene):
    on, off = fresh(), fresh(OFF)
    latents = on.encode(scene["views"])
    factor = off.vae.config.scaling_factor
    plain = latents / 0.75 + 0.22
    with torch.no_grad():
        expected = off.vae.decode(plain[0, :1] / factor).sample / 0.5 * 0.8 / 2 + 0.5
    torch.testing.assert_close(on.decode(latents[:, :1])[0], expected.clamp(0, 1))
    assert not torch.allclose(off.encode(scene["views"]), latents)


def test_a_model_that_looks_at_no_condition_needs_none(fresh):
    assert not fresh(OFF).needs_condition
    for switches in (Switches(), Switches(embedding=False), Switches(reference="none")):
        assert fresh(switches).needs_condition
    asking = {(s.reference, s.embedding, concat): fresh(s).keypoints_need_condition(concat)
              for s in (Switches(), Switches(reference="both", embedding=False)) for concat in (False, True)}
    assert asking == {("views", True, False): False, ("views", True, True): True, ("both", False, False): True,
                      ("both", False, True): True}


def test_guidances_negative_is_a_grey_image(fresh, scene):
    model = fresh()
    grey = model.encode_condition(torch.full_like(scene["image"], 0.5))
    negative = model.no_condition(Condition(grey.latents, grey.embedding))
    torch.testing.assert_close(negative.latents, grey.latents)
    assert negative.embedding is None


def test_images_are_resized_by_their_shorter_side_and_cut_in_the_middle():
    image = torch.linspace(0, 1, 8).expand(1, 3, 4, 8)
    found = squared(image, 4)
    assert torch.equal(found, image[..., 2:6])
    assert squared(image.mT, 2).shape == (1, 3, 2, 2)
    assert squared(image[..., :4], 4) is not None


def test_a_small_gpus_settings_change_only_rounding(fresh, scene, monkeypatch):
    plain = fresh(Switches(reference="both"))
    expected = keypoints(plain, scene), views(plain, scene), plain.encode(scene["views"])
    monkeypatch.setenv("HARNESS_SMALL_GPU", "1")
    monkeypatch.setattr("harness.models.pipelines.diffusion.ROWS_AT_ONCE", 7)
    small = fresh(Switches(reference="both"))
    found = keypoints(small, scene), views(small, scene), small.encode(scene["views"])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
