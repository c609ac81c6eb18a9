"""Captured maps against StableKeypoints' own, on its tiny SD1.5-shaped UNet."""

import pytest
import torch

from harness.attention.capture import resample, token_maps
from harness.losses._base import Evidence
from harness.losses.equivariance import Equivariance
from harness.losses.sharpening import Sharpening
from harness.models._diffusion import Diffusion
from harness.passes import gather
from harness.selection.gaussian_fps import GaussianFps
from harness.warps import warp
from tests.parity.golden import case
from tests.parity.models import parts

DDIM = {"type": "DDIM", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "set_alpha_to_one": False, "steps_offset": 0}


@pytest.mark.parametrize(("name", "key"), [("sk_run_and_find_attn", "unet"),
                                           ("sk_run_and_find_attn_size_limit", "unet_two_level")])
def test_maps_are_the_reference_maps(name, key):
    given = case(name)
    model = Diffusion(parts("tiny_sd15", given.constants, key), "fp32", "cpu")
    timestep = int(given["out.timestep"])
    image = given["in.image"].float()[None] / 255
    latents = model.encode(image)
    if "out.latent" in given.arrays:
        torch.testing.assert_close(latents[0], given["out.latent"], atol=2e-6, rtol=1e-5)
    noisy = model.noised(latents, given["in.noise"][None], timestep)
    given.check(noisy[0], "out.noisy_latent")
    layers = model.layers(given.constants["layers"])
    tokens = given["in.context"][0]
    passed = model.keypoint_pass(noisy, tokens, timestep, layers=layers, canvas=False, concat=False)
    side = given.constants["feature_upsample_res"]
    for index, layer in enumerate(passed.captured):
        logits = layer.query @ layer.key.transpose(-1, -2) * layer.scale
        heads = resample(logits.transpose(-1, -2).unflatten(-1, layer.size), (side, side)).softmax(2)
        given.check(heads[0].flatten(-2).transpose(-1, -2), f"out.stored_attention_{index}")
    maps = token_maps(passed.captured, (side, side), tokens=len(tokens))
    given.check(maps[0, 0, given["in.indices"]], "out.maps_native_indices")
    size = given.constants["upsample_res"]
    larger = torch.nn.functional.interpolate(maps[0], size=(size, size), mode="bilinear", align_corners=False)
    given.check(larger[0], "out.maps")


def test_the_layers_output_is_untouched():
    given = case("sk_run_and_find_attn")
    model = Diffusion(parts("tiny_sd15", given.constants), "fp32", "cpu")
    from harness.attention.capture import CapturePass

    watching = CapturePass(model.up_layers, (24, 24), whole=True, check=True)
    prediction = model._run(given["out.noisy_latent"], int(given["out.timestep"]), given["in.context"], watching)
    given.check(prediction, "out.noise_prediction")
    assert watching.residual < 1e-5
    assert 0 < watching.row_residual < 1e-5


def test_two_steps_of_the_reference_optimisation():
    given = case("sk_optimize_embedding")
    constants = given.constants
    model = Diffusion(parts("tiny_sd15", {"scheduler": DDIM}), "fp32", "cpu")
    tokens = torch.nn.Parameter(given["in.context"][0].clone())
    adam = torch.optim.Adam([tokens], lr=constants["lr"])
    selection = GaussianFps(candidates=constants["furthest_point_num_samples"], divergence="softmax")
    side, layers = constants["feature_upsample_res"], model.layers(constants["layers"])
    timestep, batch = 0, constants["batch_size"]
    for iteration, image_index in enumerate(given["in.image_index"].tolist()):
        image = given["in.images"][image_index].float()[None, None] / 255
        theta = given["in.theta"][iteration][None, None]
        noises = given["in.noise"][2 * iteration:2 * iteration + 2, None]
        pair = torch.cat([image, warp(image, theta)])
        noisy = model.noised(model.encode(pair), noises, timestep)
        passed = model.keypoint_pass(noisy, tokens, timestep, layers=layers, canvas=False, concat=False)
        maps = token_maps(passed.captured, (side, side), tokens=len(tokens))
        if iteration == 0:
            given.check(maps[0, 0], "out.maps_first")
        plain, warped = maps.chunk(2)
        chosen = selection(plain.detach(), warped.detach(), keypoints=constants["top_k"], sigma_px=constants["sigma"])
        assert chosen[0, 0].tolist() == given["out.selected"][iteration].tolist()
        views = gather(plain, chosen)
        seen = Evidence(views, views, views, gather(warped, chosen), theta, tokens, None, None, constants["sigma"])
        sharp, equal = Sharpening()(seen), Equivariance(border="zeros")(seen)
        torch.testing.assert_close(sharp, given["out.sharpening"][iteration], atol=0, rtol=1e-4)
        torch.testing.assert_close(equal, given["out.equivariance"][iteration], atol=0, rtol=1e-4)
        total = constants["sharpening_loss_weight"] * sharp + constants["equivariance_attn_loss_weight"] * equal
        (total / batch).backward()
        if (iteration + 1) % batch == 0:
            step = iteration // batch
            expected = given[f"out.grad_step_{step}"][0]
            assert (tokens.grad - expected).abs().max() < 5e-3 * expected.abs().max()
            adam.step()
            adam.zero_grad()
            torch.testing.assert_close(tokens.detach(), given[f"out.context_step_{step}"][0], atol=1e-4, rtol=1e-3)
