"""Zero123++'s scaling, reference attention, conditioning and sampling against its pipeline's own numbers."""

import torch

from harness.data._pixels import on_grey
from harness.method.generate import sample_views
from harness.method.passes import Passes
from harness.models.attention.canvas import assemble, split
from harness.models.attention.hooks import Pass, attend, heads
from harness.models.attention.reference import ReadPass, WritePass
from harness.models.pipelines import zero123plus
from harness.models.pipelines.parts import Condition
from harness.ops.euler_ancestral import Draws, schedule
from harness.registry import build
from tests.conftest import small_spec
from tests.parity.golden import covers
from tests.parity.models import zero123plus as model_of

VIEWS = 6


@covers("z123_scaling")
def check_scaling(given):
    for name in given.names("out."):
        function = name.removeprefix("out.")
        source = "in.image" if function.endswith("image") else "in.latents"
        given.check(getattr(zero123plus, function)(given[source]), name)


@covers("z123_reference_attention")
def check_one_layer(given):
    from diffusers.models.attention_processor import Attention

    count, dim = given.constants["heads"], given.constants["dim"]
    layer = Attention(query_dim=dim, heads=count, dim_head=dim // count)
    prefix = "in.weight_"
    layer.load_state_dict({k.removeprefix(prefix): v for k, v in given.arrays.items() if k.startswith(prefix)})
    layer.requires_grad_(False)

    def run(current: Pass, hidden, context=None):
        query = heads(layer.to_q(hidden), layer.heads)
        return layer.to_out[0](attend(layer, query, current.memory("attn1", hidden) if context is None else context))

    writing = WritePass()
    given.check(run(writing, given["in.cond_hidden"]), "out.write")
    given.check(writing.stored["attn1"], "out.stored")
    reading = ReadPass(writing.stored)
    given.check(run(reading, given["in.hidden"]), "out.read")
    given.check(run(reading, given["in.hidden"]), "out.keep")  # what is stored may be read again
    given.check(run(Pass(), given["in.hidden"]), "out.disabled_self")
    given.check(run(Pass(), given["in.hidden"], given["in.encoder"]), "out.disabled_cross")
    given.leave("out.store_sizes_after", why="the reference empties its store by reading; ours lives as long as a pass")
    # the flag that the pipeline never sets: the first of the batch attends to itself alone, the others to the store
    run(writing, given["in.cond_hidden_cfg"])
    alone, others = given["in.hidden"][:1], given["in.hidden"][1:]
    given.check(torch.cat([run(Pass(), alone), run(ReadPass(writing.stored), others)]), "out.read_cfg")


@covers("z123_refonly_unet")
def check_two_passes(given):
    model = model_of(given)
    states, timestep, sample = given["in.encoder_hidden_states"], given["in.timestep"], given["in.sample"]
    steps = given.constants["num_inference_steps"]
    spacing = given.constants["scheduler"].get("timestep_spacing", "linspace")
    levels = schedule(model.parts.scheduler.config, steps, spacing)
    step = given.constants["step"]
    torch.testing.assert_close(levels.timesteps[step], timestep)
    given.check(levels.sigmas[step], "out.sigma")
    noisy = model.noised(given["in.cond_lat"], given["in.noise"], timestep)
    given.check(noisy.float(), "out.noisy_cond")
    stored, prediction = two_passes(model, noisy, sample, timestep, states, states)
    for name in given.names("out.ref_"):
        given.check(stored[name.removeprefix("out.ref_")], name)
    given.check(prediction, "out.prediction")
    alone = model._run(sample, timestep, states, Pass())
    given.check(alone, "out.prediction_unreferenced")
    steps = given["in.train_timestep"]
    noisy = model.noised(given["in.cond_lat"], given["in.noise_train"], steps)
    given.check(noisy, "out.noisy_cond_train")
    given.check(two_passes(model, noisy, sample, steps, states, states)[1], "out.prediction_train")
    noisy = model.noised(given["in.cond_lat_cfg"], given["in.noise_cfg"], timestep)
    given.check(noisy.float(), "out.noisy_cond_cfg")
    guided = two_passes(model, noisy, sample[1:], timestep, states[1:], states[1:])[1]
    given.check(torch.cat([alone[:1], guided]), "out.prediction_cfg")


def two_passes(model, noisy, sample, timestep, condition_states, states):
    with torch.no_grad():
        writing = WritePass()
        model._run(noisy.float(), timestep, condition_states, writing)
        return writing.stored, model._run(sample, timestep, states, ReadPass(writing.stored))


def as_images(pixel_values):
    """Undo the pipeline's normalisation of the condition image: images in [0, 1]."""
    return pixel_values * zero123plus.IMAGE_STD + 0.5


@covers("z123_to_rgb")
def check_background(given):
    given.check(on_grey(given["in.rgba"]), "out.rgb")


def check_pixels(given, model):
    """Image libraries round resized pixels to grey levels, each in its own way; two levels are allowed for."""
    image = on_grey(given["in.rgba"]).permute(2, 0, 1)[None] / 255
    levels = 2 / 255
    given.check(model.clip_pixels(image), "out.pixel_values_clip", atol=levels / min(model.parts.clip_std), rtol=0)
    seen = (zero123plus.squared(image, given["out.pixel_values_vae"].shape[-1]) - 0.5) / zero123plus.IMAGE_STD
    given.check(seen, "out.pixel_values_vae", atol=levels / zero123plus.IMAGE_STD, rtol=0)


@covers("z123_conditioning")
def check_conditioning(given):
    model = model_of(given)
    model.text = given["in.text_states"]
    check_pixels(given, model)
    image = as_images(given["out.pixel_values_vae"])

    def drawn(noise):
        """The pipeline draws from the posterior; by default its mean is taken, so that a condition stays the same."""
        return model.encode_condition(image, noise=noise).latents

    def nothing(noise):
        return model.no_condition(Condition(drawn(noise)), noise=noise).latents

    pair = torch.cat([nothing(given["in.vae_noise_zeros"]), drawn(given["in.vae_noise_image"])])
    given.check(pair, "out.cond_lat")
    given.check(drawn(given["in.vae_noise_no_guidance"]), "out.cond_lat_no_guidance")
    two = given["in.vae_noise_two_images"]
    given.check(torch.cat([nothing(two[1])] * 2 + [drawn(two[0])] * 2), "out.cond_lat_two_images")
    torch.testing.assert_close(model.encode_condition(image).latents, drawn(torch.zeros_like(two[0])))
    given.check(model._context(Condition(None, given["in.image_embeds"])), "out.encoder_hidden_states")
    given.check(zero123plus.unscale_latents(given["in.sampled_latents"]), "out.latents")
    given.check(model.decode(given["in.sampled_latents"][:, None])[:, 0], "out.image")


@covers("z123_sampling")
def check_sampling(given):
    """The pipeline's whole call through `sample_views`, with the noise that it drew."""
    constants, model = given.constants, model_of(given)
    check_pixels(given, model)
    image = as_images(given["out.pixel_values_vae"])
    latents = model.encode_condition(image, noise=given["in.vae_noise"][:1]).latents
    embedding = model.vision(given["out.pixel_values_clip"]).image_embeds
    given.check(embedding, "out.image_embeds")
    condition = Condition(latents, embedding)
    negative = model.no_condition(condition, noise=given["in.vae_noise"][1:])
    model.no_condition = lambda condition: negative
    given.check(torch.cat([model._context(negative), model._context(condition)]), "out.encoder_hidden_states")

    levels = schedule(model.parts.scheduler.config, constants["num_inference_steps"],
                      constants["scheduler"].get("timestep_spacing", "linspace"))
    given.check(levels.timesteps, "out.timesteps")
    given.check(levels.sigmas, "out.sigmas")
    given.check(torch.tensor(levels.start), "out.init_noise_sigma")
    draws = Draws(split(given["in.init_noise"], VIEWS), in_views(given["in.step_noise"]),
                  given["in.cond_noise"][:, :, None])
    spec = small_spec(guidance=constants["guidance_scale"], losses=("sharpening",))
    passes = Passes(model, build("fusion", "none"), spec)
    seen = watch(model)
    tokens = torch.zeros(1, model.width)
    sampling = sample_views(passes, condition, levels, draws, tokens, torch.tensor([0]), {})
    steps = [assemble(latents) for latents in sampling]
    check_steps(given, seen, steps)
    given.check(zero123plus.unscale_latents(steps[-1]), "out.final_latents")
    given.check(assemble(model.decode(split(steps[-1], VIEWS))), "out.image")


def in_views(canvases):
    return torch.stack([split(canvas, VIEWS) for canvas in canvases])


def watch(model):
    """Record what goes into the UNet and comes out: condition and canvas, for the positive half, then the negative."""
    seen, run = [], model._run

    def recorded(views, *rest):
        prediction = run(views, *rest)
        seen.append((views, prediction))
        return prediction

    model._run = recorded
    return seen


def check_steps(given, seen, steps):
    known, positive, unknown, negative = (seen[i::4] for i in range(4))
    inputs = [torch.cat([b[0], a[0]]) for a, b in zip(positive, negative, strict=True)]
    predictions = [torch.cat([b[1], a[1]]) for a, b in zip(positive, negative, strict=True)]
    given.check(torch.stack(inputs), "out.model_input")
    given.check(torch.stack([torch.cat([b[0], a[0]]) for a, b in zip(known, unknown, strict=True)]), "out.noisy_cond")
    given.check(torch.stack(predictions), "out.prediction", atol=5e-4)
    scale = given.constants["guidance_scale"]
    given.check(torch.stack([p[:1] + scale * (p[1:] - p[:1]) for p in predictions]), "out.guided")
    given.check(torch.stack(steps), "out.latents_after_step")
