"""What every loss term keeps to, whichever file it is in."""

from dataclasses import replace

import pytest
import torch

from harness.ops.geometry import orbit
from harness.ops.tensors import generator
from harness.ops.warps import random_affine
from harness.registry import build, variants
from tests.method.losses.loss_inputs import CAMERAS, loss_inputs

NAMES = [variant.name for variant in variants("losses")]
LEAVES = ("maps", "view_maps", "common_maps", "warped_maps", "tokens", "view_error")


def seen(scenes=2, views=6, tokens=4, cameras=CAMERAS, fill=None):
    """LossInputs with everything in it: random maps that are not square, or maps full of one value."""
    draws = generator("losses")

    def maps():
        values = torch.rand(scenes, views, tokens, 12, 10, generator=draws) ** 8
        return (values if fill is None else torch.full_like(values, fill)).requires_grad_()

    theta = random_affine(draws, scenes * views, 15.0, 0.8, 0.25).reshape(scenes, views, 2, 3)
    return replace(
        loss_inputs(maps(), cameras=(cameras,) * scenes), view_maps=maps(), common_maps=maps(), warped_maps=maps(),
        theta=theta, tokens=torch.randn(8, 4, generator=draws, requires_grad=True),
        view_error=torch.tensor(0.3, requires_grad=True),
    )


def gradients(loss, given):
    leaves = [getattr(given, name) for name in LEAVES]
    return [g for g in torch.autograd.grad(loss, leaves, allow_unused=True) if g is not None]


@pytest.mark.parametrize("name", NAMES)
def test_a_term_is_a_finite_scalar_whose_gradient_reaches_what_it_saw(name):
    given = seen()
    loss = build("losses", name)(given)
    assert loss.shape == ()
    assert loss.isfinite()
    assert loss > 0
    found = gradients(loss, given)
    assert all(g.isfinite().all() for g in found)
    assert any((g != 0).any() for g in found)


@pytest.mark.parametrize("name", NAMES)
def test_a_term_is_deterministic_and_leaves_its_evidence_alone(name):
    given = seen()
    before = given.view_maps.detach().clone(), given.common_maps.detach().clone()
    term = build("losses", name)
    assert term(given).item() == term(given).item() == term(seen()).item()
    assert torch.equal(given.view_maps, before[0])
    assert torch.equal(given.common_maps, before[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("setting", [
    {"fill": 0.0}, {"fill": 0.5}, {"tokens": 1}, {"scenes": 1},
    {"views": 1, "cameras": orbit([0.0], [0.0])}, {"cameras": orbit([30.0] * 6, [10.0] * 6)},
], ids=["empty maps", "flat maps", "one token", "one scene", "one view", "cameras at one place"])
def test_a_term_and_its_gradient_stay_finite(name, setting):
    given = seen(**setting)
    loss = build("losses", name)(given)
    assert loss.isfinite()
    assert loss.requires_grad
    assert all(g.isfinite().all() for g in gradients(loss, given))


@pytest.mark.parametrize("name", NAMES)
def test_terms_across_views_say_nothing_about_one_view(name):
    given = replace(seen(views=1, cameras=orbit([0.0], [0.0])), cameras=None)
    loss = build("losses", name)(given)
    assert loss.isfinite()
    assert (loss == 0) == name.startswith("consistency_")


def test_weights_grow_over_the_ramp():
    term = build("losses", NAMES[0], {"weight": 0.5, "ramp_steps": 100})
    assert [term.weight_at(step) for step in (0, 50, 100, 400)] == [0.0, 0.25, 0.5, 0.5]
    assert build("losses", NAMES[0], {"weight": 0.5}).weight_at(0) == 0.5
