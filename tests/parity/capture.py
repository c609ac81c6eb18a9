"""StableKeypoints' maps, optimisation and localisation on its tiny UNet shaped like Stable Diffusion's."""

import torch
from diffusers import DDIMScheduler

from harness.method.losses.base import LossInputs
from harness.method.losses.equivariance import Equivariance
from harness.method.losses.sharpening import Sharpening
from harness.method.selection.gaussian_fps import GaussianFps
from harness.models.attention.blocks import resample
from harness.models.attention.capture import CapturePass
from harness.models.attention.token_maps import token_maps
from harness.ops.warps import unwarped_mean, warp
from tests.parity.golden import covers
from tests.parity.models import bytes_to_image, diffusion, unet_key

# what the reference runs on, where a case does not say
DDIM = {"type": "DDIM", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "set_alpha_to_one": False, "steps_offset": 0, "num_inference_steps": 50}


def timestep_of(settings, noise_level):
    """The reference counts its 50 noise levels from the noisiest; -1 is the last, timestep 0."""
    scheduler = DDIMScheduler(**{k: v for k, v in settings.items() if k not in ("type", "num_inference_steps")})
    scheduler.set_timesteps(settings["num_inference_steps"])
    return int(scheduler.timesteps[noise_level])


def keypoint_maps(model, clean, noise, tokens, timestep, layers, side):
    """(B V N side side), and what was captured."""
    passed = model.keypoint_pass(model.noised(clean, noise, timestep), tokens, timestep, layers=model.layers(layers),
                                 canvas=False)
    return token_maps(passed.captured, (side, side), tokens=len(tokens)), passed.captured


@covers("sk_run_and_find_attn", "sk_run_and_find_attn_size_limit")
def check_maps(given):
    constants = given.constants
    settings = DDIM | constants.get("scheduler", {})
    model = diffusion(given, settings, unet_key(given, given["in.noise"].shape[-1]))
    timestep = timestep_of(settings, constants["noise_level"])
    given.check(torch.tensor([timestep]), "out.timestep")
    given.check(model.alphas[timestep], "out.alphas_cumprod_t")
    latents = model.encode(bytes_to_image(given["in.image"])[None])
    if "out.latent" in given:
        given.check(latents[0], "out.latent", atol=2e-6, rtol=1e-5)
    noise = given["in.noise"][None]
    noisy = model.noised(latents, noise, timestep)
    given.check(noisy[0], "out.noisy_latent")
    if "out.noise_prediction" in given:
        check_output(given, model, noisy[0], timestep)
    tokens, side = given["in.context"][0], constants["feature_upsample_res"]
    stored = range(len(given.names("out.stored_attention_")))
    maps, captured = keypoint_maps(model, latents, noise, tokens, timestep, stored, side)
    for index, layer in enumerate(captured):
        logits = layer.query @ layer.key.transpose(-1, -2) * layer.scale
        heads = resample(logits.transpose(-1, -2).unflatten(-1, layer.size), (side, side)).softmax(2)
        given.check(heads[0].flatten(-2).transpose(-1, -2), f"out.stored_attention_{index}")
    if list(stored) != list(constants["layers"]):
        maps, _ = keypoint_maps(model, latents, noise, tokens, timestep, constants["layers"], side)
    given.check(maps[0, 0, given["in.indices"]], "out.maps_native_indices")
    size = constants["upsample_res"]
    larger = torch.nn.functional.interpolate(maps[0], size=(size, size), mode="bilinear", align_corners=False)
    given.check(larger[0], "out.maps")


def check_output(given, model, noisy, timestep):
    """Watching changes nothing that the UNet computes."""
    watching = CapturePass(model.up_layers, tuple(noisy.shape[-2:]), whole=True, check=True)
    given.check(model._run(noisy, timestep, given["in.context"], watching), "out.noise_prediction")
    assert watching.residual.attention < 1e-5
    assert 0 < watching.residual.rows < 1e-5


@covers("sk_augmented_inference")
def check_augmented(given):
    constants = given.constants
    model = diffusion(given, DDIM)
    image, theta = bytes_to_image(given["in.image"]), given["in.theta"]
    copies = warp(image.expand(len(theta), -1, -1, -1), theta)
    clean = model.encode(copies[None])[0][:, None]
    tokens, side = given["in.context"][0], constants["feature_upsample_res"]
    maps, _ = keypoint_maps(model, clean, given["in.noise"][:, None], tokens, 0, constants["layers"], side)
    size = constants["upscale_size"]
    chosen = maps[:, 0, given["in.indices"]]
    larger = torch.nn.functional.interpolate(chosen, size=(size, size), mode="bilinear", align_corners=False)
    given.check(larger, "out.maps_per_copy")
    given.check(unwarped_mean(zip(larger, theta, strict=True)), "out.attention_maps")


@covers("sk_optimize_embedding")
def check_optimisation(given):
    """With zeros outside the warped copy and ranks by softmax, as the reference has them."""
    constants = given.constants
    model = diffusion(given, DDIM)
    tokens = torch.nn.Parameter(given["in.context"][0].clone())
    adam = torch.optim.Adam([tokens], lr=constants["lr"])
    selection = GaussianFps(candidates=constants["furthest_point_num_samples"], divergence="softmax")
    side, layers, sigma = constants["feature_upsample_res"], constants["layers"], constants["sigma"]
    timestep, batch = timestep_of(DDIM, constants["noise_level"]), constants["batch_size"]
    weights = constants["sharpening_loss_weight"], constants["equivariance_attn_loss_weight"]
    terms, ranked, picked = [], [], []
    for iteration, image_index in enumerate(given["in.image_index"].tolist()):
        image = bytes_to_image(given["in.images"][image_index])[None, None]
        theta = given["in.theta"][iteration][None, None]
        noise = given["in.noise"][2 * iteration:2 * iteration + 2, None]
        clean = model.encode(torch.cat([image, warp(image, theta)]))
        maps, _ = keypoint_maps(model, clean, noise, tokens, timestep, layers, side)
        if iteration == 0:
            given.check(maps[0, 0].detach(), "out.maps_first")
        plain, warped = maps.chunk(2)
        ranked.append(selection.ranking(plain.detach(), sigma)[0, 0, :selection.candidates])
        chosen = selection(plain.detach(), warped.detach(), keypoints=constants["top_k"], sigma_px=sigma)
        picked.append(chosen[0, 0])
        views = plain[:, :, chosen[0, 0]]
        seen = LossInputs(views, views, views, warped[:, :, chosen[0, 0]], theta, tokens, None, None, sigma)
        pair = torch.stack([Sharpening()(seen), Equivariance(border="zeros")(seen)])
        terms.append(pair.detach())
        ((pair * torch.tensor(weights)).sum() / batch).backward()
        if (iteration + 1) % batch == 0:
            check_step(given, tokens, adam, iteration // batch)
    sharpening, equivariance = torch.stack(terms).unbind(-1)
    given.check(sharpening, "out.sharpening", atol=0, rtol=1e-4)
    given.check(equivariance, "out.equivariance", atol=0, rtol=1e-4)
    given.check(torch.stack(ranked), "out.candidates")
    given.check(torch.stack(picked), "out.selected")
    logged = (torch.stack(terms) * torch.tensor(weights)).unflatten(0, (-1, batch)).mean(1).double()
    given.check(logged.sum(-1), "out.logged_loss", atol=0, rtol=1e-4)
    given.check(logged[:, 0], "out.logged_running_sharpening_loss", atol=0, rtol=1e-4)
    given.check(logged[:, 1], "out.logged_running_equivariance_attn_loss", atol=0, rtol=1e-4)


def check_step(given, tokens, adam, step):
    expected = given[f"out.grad_step_{step}"][0]
    assert (tokens.grad - expected).abs().max() < 5e-3 * expected.abs().max()
    given.done.add(f"out.grad_step_{step}")
    adam.step()
    adam.zero_grad()
    given.check(tokens.detach()[None], f"out.context_step_{step}")
