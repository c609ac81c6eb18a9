"""Averages of attention maps, as StableKeypoints, attention-map-diffusers and DAAM take them."""

import math

import torch
from diffusers import DDIMScheduler

from harness.models.attention import heatmaps
from harness.models.attention.capture import CapturePass
from tests.parity.golden import covers
from tests.parity.models import diffusion


def in_space(stored):
    """(A, res * res, T), as StableKeypoints stores a layer, to (A, T, res, res)."""
    side = math.isqrt(stored.shape[1])
    return stored.transpose(-1, -2).unflatten(-1, (side, side))


@covers("sk_collect_maps")
def check_collected(given):
    constants = given.constants
    layers = [in_space(given[f"in.layer{i}"]) for i in range(constants["n_layers"])]
    side = constants["upsample_res"]
    given.check(heatmaps.stablekeypoints(layers, side), "out.mean_all_layers")
    some = heatmaps.stablekeypoints([layers[i] for i in constants["layers"]], side)
    given.check(some[given["in.indices"]], "out.mean_some_layers_indices")
    same = [layers[i] for i in constants["same_res_layers"]]
    given.check(heatmaps.stablekeypoints(same), "out.mean_no_upsample")
    square, small = [in_space(given["in.square_layer0"])], constants["upsample_res_square"]
    # the reference's slip, which only `literal` keeps: a layer is resized whatever the number of tokens
    given.check(heatmaps.stablekeypoints(square, small, literal=True), "out.skip_quirk")
    assert heatmaps.stablekeypoints(square, small).shape[-2:] == (small, small)


def sample(given, paths):
    """Sample as StableDiffusionPipeline does, watching cross-attention on some paths; grids by step, whole batches."""
    settings = {k: v for k, v in given.constants["scheduler"].items() if k != "type"}
    scheduler = DDIMScheduler(**settings)
    scheduler.set_timesteps(given.constants["num_inference_steps"])
    given.check(scheduler.timesteps, "out.timesteps")
    model = diffusion(given)
    ids = given["in.input_ids"][None]
    encode = model.parts.text_encoder
    context = torch.cat([model.text, encode(ids)[0]])
    given.check(context, "out.encoder_hidden_states")
    names = [name for path in paths for name in model.hooks.names if name.endswith("attn2") and name.startswith(path)]
    latents, inputs, steps = given["in.latents"] * scheduler.init_noise_sigma, [], []
    for timestep in scheduler.timesteps:
        both = scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        inputs.append(both)
        watching = CapturePass(names, tuple(both.shape[-2:]), whole=True)
        with torch.no_grad():
            plain, guided = model._run(both, timestep, context, watching).chunk(2)
        in_order = {layer.layer: layer for layer in watching.captured}
        steps.append({name: in_order[name] for name in names})
        noise = plain + given.constants["guidance_scale"] * (guided - plain)
        latents = scheduler.step(noise, timestep, latents).prev_sample
    given.check(torch.stack(inputs), "out.model_input")
    return steps


def conditional(steps):
    return [[heatmaps.grid(layer) for layer in step.values()] for step in steps]


@covers("amd_attention_maps")
def check_attention_map_diffusers(given):
    steps = sample(given, ("down_blocks", "mid_block", "up_blocks"))
    grids, kept = conditional(steps), given.constants["kept_tokens"]
    for prefix, step in (("out.layer.unet.", steps[-1]), ("out.layer_first_step.unet.", steps[0])):
        for name in given.names(prefix):
            stored = given[name].shape[-1]
            given.check(step[name.removeprefix(prefix)].probabilities()[..., :stored], name)
    mean = heatmaps.attention_map_diffusers(grids)[:kept]
    given.check(mean.flatten(-2).transpose(-1, -2)[None], "out.aggregate")
    given.check(torch.tensor(sum(map(len, grids))), "out.aggregate_count")
    given.check(heatmaps.attention_map_diffusers(grids, legacy=True)[:kept], "out.legacy_total")


@covers("daam_heat_maps")
def check_daam(given):
    constants, steps = given.constants, sample(given, ("up_blocks", "down_blocks"))
    grids = conditional(steps)
    kept, side = constants["kept_tokens"], given["out.global_heat_map"].shape[-1]
    heat = heatmaps.daam(grids, side)
    given.check(heat[:kept], "out.global_heat_map")
    words = len(constants["tokens"])
    share = heat / (heat[1:words + 1].sum(0) + 1e-6)
    given.check(thinned(share[:kept], given, "out.global_heat_map_normalized"), "out.global_heat_map_normalized")
    factors = [heatmaps.daam_factor(layer, side) for layer in grids[0]]
    # in the order of the layers, without those of factor 8
    keys = [[factor, index, head] for index, factor in enumerate(factors) if factor != 8
            for head in range(len(grids[0][index]))]
    given.check_set(torch.tensor(keys), "out.keys")
    for name in given.names("out.raw."):
        factor, index, head = (int("".join(filter(str.isdigit, word))) for word in name.split(".")[-1].split("_"))
        assert factors[index] == factor
        summed = torch.stack([step[index][head] for step in grids]).sum(0)
        given.check(summed[:len(given[name])], name)
    for name in given.names("out.word_"):
        rows = rows_of(name.removeprefix("out.word_"), constants["tokens"])
        given.check(thinned(heat[rows].mean(0), given, name), name)


def thinned(values, given, name):
    """The rows and columns that the case keeps: every so many, from the first."""
    step = values.shape[-1] // given[name].shape[-1]
    return values[..., ::step, ::step]


def rows_of(word, tokens):
    """The rows of a word's tokens, wherever it stands; row 0 is the start token's."""
    spans = [(start, end) for start in range(len(tokens)) for end in range(start + 1, len(tokens) + 1)
             if "".join(tokens[start:end]) == f"{word}</w>"]
    assert spans, f"{word!r} is not in {tokens}"
    return [row + 1 for start, end in spans for row in range(start, end)]
