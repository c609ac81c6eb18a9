"""A step in micro-batches is the step at once: same draws, same losses, same gradient."""

import pytest
import torch

from harness import registry
from harness.config.spec import RunOptions
from harness.method.forward import draw_batch, forward
from harness.method.passes import Passes
from harness.method.trial import run
from tests.conftest import open_session, small_spec

pytestmark = pytest.mark.usefixtures("random_models")

ALL = registry.names("losses")


def gradients(spec, micro_batch):
    """One step's terms by name, each with its gradient of tokens and gates."""
    session = open_session(spec)
    fusion = registry.build("fusion", spec.fusion.name)
    passes = Passes(session.model, fusion, spec, RunOptions(micro_batch=micro_batch))
    split = session.encoder.split("optimise", spec.optimise_scenes, (1, 15.0, 0.8, 0.25))
    tokens = torch.randn(12, session.model.width, generator=torch.Generator().manual_seed(1)).requires_grad_()
    gates = {name: gate.detach().requires_grad_() for name, gate in passes.fusion.gates(tokens.shape[1]).items()}
    batch = draw_batch(passes, split, torch.Generator().manual_seed(0), torch.Generator().manual_seed(1))
    inputs = forward(passes, split, registry.build("selection", "gaussian_fps"), tokens, gates, batch)
    learned, found = [tokens, *gates.values()], {}
    for name in ALL:
        term = registry.build("losses", name)(inputs)
        found[name] = [term.detach(), *torch.autograd.grad(term, learned, retain_graph=True, materialize_grads=True)]
    return found


@pytest.mark.parametrize(("settings", "micro_batch"), [
    ({}, 1), ({}, 2), ({"view_pass": "canvas", "loss_level": "grid", "context": "concat"}, 1),
    ({"resize": "maps", "layers": (0, 2)}, 2), ({"data": {"views": 1}, "model": "tiny_sd"}, 2),
], ids=str)
def test_every_losss_gradient_is_that_of_the_whole_batch(settings, micro_batch):
    spec = small_spec(fusion="hierarchical", scenes_per_step=3, optimise_scenes=3, **settings)
    whole, parts = gradients(spec, 0), gradients(spec, micro_batch)
    for name in ALL:
        for one, other in zip(whole[name], parts[name], strict=True):
            scale = max(1e-6, one.abs().max().item())
            torch.testing.assert_close(other / scale, one / scale, atol=1e-4, rtol=0)


def test_a_trial_in_micro_batches_ends_with_the_same_tokens():
    spec = small_spec(fusion="concat", steps=3, scenes_per_step=3, optimise_scenes=4, losses=ALL)
    whole = run(spec)
    for micro_batch in (1, 2, 3):
        parts = run(spec, options=RunOptions(micro_batch=micro_batch))
        torch.testing.assert_close(parts.tokens["tokens"], whole.tokens["tokens"], atol=1e-5, rtol=0)
        for name, values in whole.curve.items():
            assert parts.curve[name] == pytest.approx(values, rel=1e-4, abs=1e-6), name
    assert torch.equal(parts.tokens["tokens"], whole.tokens["tokens"])  # as many at once as there are


def test_no_more_than_a_micro_batch_runs_at_once(monkeypatch):
    spec = small_spec(scenes_per_step=4, optimise_scenes=4, steps=1, fit_scenes=4, test_scenes=4)
    sizes, keypoint = [], Passes.keypoint

    def noted(self, noisy, *others, **checks):
        sizes.append(len(noisy))
        return keypoint(self, noisy, *others, **checks)

    monkeypatch.setattr(Passes, "keypoint", noted)
    run(spec, options=RunOptions(micro_batch=2))
    assert max(sizes) == 2 * 2  # the views and their warped copies


def test_the_draws_are_the_same_whatever_the_micro_batch():
    spec = small_spec(scenes_per_step=3)
    session = open_session(spec)
    split = session.encoder.split("optimise", 4, (2, 15.0, 0.8, 0.25))
    drawn = []
    for micro_batch in (0, 1):
        passes = Passes(session.model, registry.build("fusion", "none"), spec, RunOptions(micro_batch=micro_batch))
        batch = draw_batch(passes, split, torch.Generator().manual_seed(5), torch.Generator().manual_seed(6))
        drawn.append(batch)
    for part in ("scenes", "clean", "noise", "theta", "timestep", "view_noise", "reference"):
        assert torch.equal(getattr(drawn[0], part), getattr(drawn[1], part))
    assert [part.stop - part.start for part in drawn[0].parts(2)] == [2, 1]
