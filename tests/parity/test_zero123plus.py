"""Zero123++'s scaling, reference attention and conditioning against the reference pipeline's own numbers."""

import pytest
import torch

from harness.attention.hooks import Pass, attend, heads
from harness.attention.reference import ReadPass, WritePass
from harness.models._diffusion import Condition
from harness.models._zero123plus import (
    Zero123Plus,
    scale_image,
    scale_latents,
    unscale_image,
    unscale_latents,
)
from tests.parity.golden import case
from tests.parity.models import config, load, parts


def vision():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    settings = CLIPVisionConfig(**config("tiny_zero123plus")["vision_encoder"])
    return load(CLIPVisionModelWithProjection(settings), "tiny_zero123plus", "vision_encoder")


def zero123plus(given, ramp=(0.0,)):
    extra = {"vision_encoder": vision(), "ramp": tuple(ramp), "clip_size": 32}
    return Zero123Plus(parts("tiny_zero123plus", given.constants, **extra), "fp32", "cpu")


def test_scaling():
    given = case("z123_scaling")
    for name, function, source in (
        ("scale_image", scale_image, "in.image"), ("unscale_image", unscale_image, "in.image"),
        ("scale_latents", scale_latents, "in.latents"), ("unscale_latents", unscale_latents, "in.latents"),
    ):
        given.check(function(given[source]), f"out.{name}")


def test_one_reference_attention_layer():
    given = case("z123_reference_attention")
    from diffusers.models.attention_processor import Attention

    layer = Attention(query_dim=given.constants["dim"], heads=given.constants["heads"],
                      dim_head=given.constants["dim"] // given.constants["heads"])
    prefix = "in.weight_"
    layer.load_state_dict({k.removeprefix(prefix): v for k, v in given.arrays.items() if k.startswith(prefix)})

    def run(current: Pass, hidden, context=None):
        query = heads(layer.to_q(hidden), layer.heads)
        return layer.to_out[0](attend(layer, query, current.memory("attn1", hidden) if context is None else context))

    writing = WritePass()
    given.check(run(writing, given["in.cond_hidden"]), "out.write")
    given.check(writing.stored["attn1"], "out.stored")
    given.check(run(ReadPass(writing.stored), given["in.hidden"]), "out.read")
    given.check(run(Pass(), given["in.hidden"]), "out.disabled_self")
    given.check(run(Pass(), given["in.hidden"], given["in.encoder"]), "out.disabled_cross")


@pytest.mark.parametrize("mode", ["evaluation", "training"])
def test_two_passes_of_the_reference_unet(mode):
    given = case("z123_refonly_unet")
    model = zero123plus(given)
    suffix = "_train" if mode == "training" else ""
    timestep = given["in.train_timestep"] if mode == "training" else given["in.timestep"]
    states = given["in.encoder_hidden_states"]
    if mode == "training":
        noisy = model.noised(given["in.cond_lat"], given["in.noise_train"], timestep)
    else:
        sigma = given["out.sigma"]
        noisy = (given["in.cond_lat"] + sigma * given["in.noise"]) / (sigma**2 + 1).sqrt()
        whole = model.noised(given["in.cond_lat"], given["in.noise"], int(timestep.round()))
        assert (whole - given["out.noisy_cond"]).abs().max() < 0.02  # a fractional timestep, to the nearest whole one
    given.check(noisy.float(), f"out.noisy_cond{suffix}")
    writing = WritePass()
    model._run(noisy.float(), timestep, states, writing)
    if mode == "evaluation":
        for name in [k for k in given.arrays if k.startswith("out.ref_")]:
            given.check(writing.stored[name.removeprefix("out.ref_")], name)
    prediction = model._run(given["in.sample"], timestep, states, ReadPass(writing.stored))
    given.check(prediction, f"out.prediction{suffix}")
    given.check(model._run(given["in.sample"], given["in.timestep"], states, Pass()), "out.prediction_unreferenced")


def test_conditioning_and_decoding():
    given = case("z123_conditioning")
    model = zero123plus(given, given["in.ramp"].tolist())
    model.text = given["in.text_states"]
    image = given["out.pixel_values_vae"] * 0.8 + 0.5  # what the pipeline's feature extractor normalised
    condition = model.encode_condition(image, noise=given["in.vae_noise_image"])
    torch.testing.assert_close(condition.latents[0], given["out.cond_lat"][1], atol=1e-5, rtol=1e-4)
    grey = model.encode_condition(torch.full_like(image, 0.5), noise=given["in.vae_noise_zeros"])
    torch.testing.assert_close(grey.latents[0], given["out.cond_lat"][0], atol=1e-5, rtol=1e-4)
    given.check(model._context(Condition(None, given["in.image_embeds"]), 1), "out.encoder_hidden_states")
    given.check(unscale_latents(given["in.sampled_latents"]), "out.latents")
    given.check(model.decode(given["in.sampled_latents"][:, None])[:, 0], "out.image")


def test_the_condition_is_the_posterior_mean_without_a_draw():
    given = case("z123_conditioning")
    model = zero123plus(given, given["in.ramp"].tolist())
    image = given["out.pixel_values_vae"] * 0.8 + 0.5
    mean = model.encode_condition(image)
    drawn = model.encode_condition(image, noise=torch.zeros_like(given["in.vae_noise_image"]))
    torch.testing.assert_close(mean.latents, drawn.latents)
