"""What a score may not see: the true views where the view pass is guided, test labels where the mean pose is taken."""

import pytest
import torch

from harness import registry
from harness.method.encode import Split
from harness.method.evaluate import mean_pose
from harness.method.generate import view_errors
from harness.method.passes import Passes, reference_noise
from harness.method.trial import run
from harness.models.pipelines.parts import Condition
from harness.ops.tensors import generator
from tests.conftest import open_session, small_spec

TIMESTEP = 500


@pytest.mark.usefixtures("random_models")
@pytest.mark.parametrize(("model", "views"), [("tiny_zero123plus", 6), ("tiny_sd", 1)])
def test_the_view_pass_is_guided_by_its_own_estimate_of_the_views(model, views):
    spec = small_spec(model, "spatial", fusion_knobs={"alpha": 1.0}, data={"views": views}, view_scenes=2,
                      view_timesteps=(TIMESTEP,))
    session = open_session(spec)
    passes = Passes(session.model, registry.build("fusion", "spatial", spec.fusion.knobs), spec)
    split = session.encoder.split("test", 2)
    tokens = 30 * torch.randn(spec.tokens, session.model.width, generator=generator("tokens"))  # maps far from uniform
    kept = torch.arange(spec.keypoints)
    errors, _ = view_errors(passes, split, tokens, kept, {})
    assert errors["nvs_loss"].shape == (2, 1)
    for scene in range(2):
        clean, condition = split.latents[[scene]], split.condition[[scene]]
        draws = generator("view error", scene, TIMESTEP)
        noise = torch.randn(clean.shape, generator=draws)
        reference, level = reference_noise(condition, draws), torch.tensor([TIMESTEP])
        signal, spread = session.model.alphas[TIMESTEP].sqrt(), (1 - session.model.alphas[TIMESTEP]).sqrt()
        noisy = signal * clean + spread * noise

        def guided(views, noisy=noisy, level=level, condition=condition, reference=reference):
            maps = passes.maps(views, tokens, condition)[:, :, kept]
            return passes.view(noisy, level, condition, reference, maps=maps, tokens=tokens[kept], gates={})[0]

        with torch.no_grad():
            plain, _ = passes.view(noisy, level, condition, reference)  # written out once more: section 3's estimate
            velocity = session.model.prediction_type == "v_prediction"
            estimate = signal * noisy - spread * plain if velocity else (noisy - spread * plain) / signal
            target = signal * noise - spread * clean if velocity else noise
            own, forced = ((guided(views) - target).square().mean().item() for views in (estimate, clean))
        assert abs(own - forced) > 1e-4 * own  # the two can be told apart
        assert errors["nvs_loss"][scene].item() == pytest.approx(own, rel=1e-6)
        assert errors["nvs_loss_forced"][scene].item() == pytest.approx(forced, rel=1e-6)


def labelled(*points, visible=None):
    """Scenes of one view with one keypoint each time."""
    truth = torch.tensor(points, dtype=torch.float32).reshape(-1, 1, 1, 2)
    shown = torch.ones(len(truth), 1, 1, dtype=torch.bool) if visible is None else torch.tensor(visible)[:, None, None]
    return Split(torch.zeros(len(truth), 1, 1, 1, 1), truth, shown, torch.ones(len(truth), 1), (100, 100), Condition())


def test_the_mean_pose_is_that_of_the_fit_splits_visible_points():
    fit = labelled((0.2, 0.4), (0.4, 0.8), (1.0, 1.0), visible=[True, True, False])
    test = labelled((0.9, 0.1), (0.7, 0.3))
    expected = torch.tensor([[0.3, 0.6]] * 2, dtype=torch.float64)
    torch.testing.assert_close(mean_pose(fit, test)[:, 0, 0], expected, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("random_models")
def test_a_trials_mean_pose_is_taken_of_its_fit_split():
    spec = small_spec(steps=0, view_scenes=0, losses=("sharpening",))
    encoder = open_session(spec).encoder
    fit, test = encoder.split("fit", spec.fit_scenes), encoder.split("test", spec.test_scenes)
    points = run(spec).points
    for row in range(len(points["error"])):
        scene, view, keypoint = (points[name][row] for name in ("scene", "view", "keypoint"))
        own = fit.truth_yx[:, view, keypoint][fit.visible[:, view, keypoint]].double()
        if len(own):
            error = (own.mean(0) - test.truth_yx[scene, view, keypoint]).norm().item() * 32
            assert points["error_mean_pose"][row] == pytest.approx(error, abs=1e-6)
