"""Zero123++'s pipeline, written once more from diffusers' own parts, paints the canvas that the harness paints.

Nothing of the harness is in the first half: reference attention is a pair of attention processors around diffusers'
own, sampling is its Euler ancestral scheduler's. Both sides get the same noise.
"""

import json

import pytest
import torch

from harness.method.generate import sample_views
from harness.method.passes import Passes
from harness.models.loading.folder import load_parts
from harness.models.pipelines.zero123plus import Zero123Plus
from harness.ops.euler_ancestral import Draws, schedule
from harness.registry import build
from tests.conftest import small_spec

SIDE, GUIDANCE = 8, 4.0  # latents of a view


class Remember:
    """Diffusers' attention, whose self-attention input is kept by the layer's name."""

    def __init__(self, inner, name, store):
        self.inner, self.name, self.store = inner, name, store

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **rest):
        if encoder_hidden_states is None:
            self.store[self.name] = hidden_states
        return self.inner(attn, hidden_states, encoder_hidden_states, **rest)


class Recall(Remember):
    """Diffusers' attention, whose self-attention sees its own input and what was kept."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **rest):
        seen = encoder_hidden_states
        if seen is None:
            seen = torch.cat([hidden_states, self.store[self.name]], 1)
        return self.inner(attn, hidden_states, seen, **rest)


class Pipeline:
    """What the published pipeline does, step by step."""

    def __init__(self, folder):
        from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
        self.vae = AutoencoderKL.from_pretrained(folder / "vae").eval()
        self.text = CLIPTextModel.from_pretrained(folder / "text_encoder").eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        self.vision = CLIPVisionModelWithProjection.from_pretrained(folder / "vision_encoder").eval()
        plain = EulerAncestralDiscreteScheduler.from_pretrained(folder / "scheduler")
        self.scheduler = EulerAncestralDiscreteScheduler.from_config(plain.config, timestep_spacing="trailing")
        self.ramp = torch.tensor(json.loads((folder / "model_index.json").read_text())["ramping_coefficients"])
        self.clip = json.loads((folder / "feature_extractor_clip/preprocessor_config.json").read_text())

    def predict(self, sample, timestep, states, condition):
        from diffusers.models.attention_processor import AttnProcessor2_0

        store = {}
        for kind, given in ((Remember, condition), (Recall, sample)):
            processors = {name: kind(AttnProcessor2_0(), name, store) for name in self.unet.attn_processors}
            self.unet.set_attn_processor(processors)
            found = self.unet(given, timestep, encoder_hidden_states=states).sample
        return found

    @torch.no_grad()
    def __call__(self, image, noise, generator, steps):
        """Paint from an image in [0, 1]; ``noise`` is the first latents' and the condition's, by step and half."""
        pixels = (torch.cat([torch.full_like(image, 0.5), image]) - 0.5) / 0.8
        condition = self.vae.encode(pixels).latent_dist.mode()
        ids = self.tokenizer("", padding="max_length", max_length=77, return_tensors="pt").input_ids
        empty = self.text(ids).last_hidden_state
        mean, std = (torch.tensor(self.clip[name])[:, None, None] for name in ("image_mean", "image_std"))
        known = empty + self.vision((image - mean) / std).image_embeds[:, None] * self.ramp[None, :, None]
        states = torch.cat([empty, known])
        self.scheduler.set_timesteps(steps)
        latents = noise["initial"] * self.scheduler.init_noise_sigma
        for number, timestep in enumerate(self.scheduler.timesteps):
            both = self.scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
            noisy = self.scheduler.add_noise(condition, noise["condition"][number], timestep[None])
            noisy = self.scheduler.scale_model_input(noisy, timestep)
            without, given = self.predict(both, timestep, states, noisy).chunk(2)
            guided = without + GUIDANCE * (given - without)
            latents = self.scheduler.step(guided, timestep, latents, generator=generator).prev_sample
        decoded = self.vae.decode((latents / 0.75 + 0.22) / self.vae.config.scaling_factor).sample
        return latents, (decoded / 0.5 * 0.8 * 0.5 + 0.5).clamp(0, 1)


def in_views(canvas):
    """(..., C, 3 h, 2 w) to (..., 6, C, h, w)."""
    rows = canvas.unflatten(-2, (3, -1)).unflatten(-1, (2, -1)).movedim((-4, -2), (-5, -4))
    return rows.flatten(-5, -4)


@pytest.mark.parametrize(("prediction_type", "steps"), [
    pytest.param("v_prediction", 28, marks=pytest.mark.slow), ("v_prediction", 3), ("epsilon", 3),
])
def test_the_same_canvas(random_folders, tmp_path, prediction_type, steps):
    from tests.models import layouts

    folder = layouts.copy(random_folders["tiny_zero123plus"], tmp_path / "model")
    layouts.edit(folder / "scheduler/scheduler_config.json", prediction_type=prediction_type)
    draws = torch.Generator().manual_seed(11)
    image = torch.rand(1, 3, 16, 16, generator=draws)
    noise = {"initial": torch.randn(1, 4, 3 * SIDE, 2 * SIDE, generator=draws),
             "condition": torch.randn(steps, 2, 4, SIDE, SIDE, generator=draws)}
    expected, expected_image = Pipeline(folder)(image, noise, torch.Generator().manual_seed(12), steps)

    model = Zero123Plus(load_parts(folder, zero123plus=True), "fp32", "cpu")
    again = torch.Generator().manual_seed(12)
    fresh = torch.stack([torch.randn(expected.shape, generator=again) for _ in range(steps)])
    given = Draws(in_views(noise["initial"]), in_views(fresh), noise["condition"][:, :, None])
    passes = Passes(model, build("fusion", "none"), small_spec(guidance=GUIDANCE, sampling_steps=steps))
    levels = schedule(model.parts.scheduler.config, steps)
    *_, latents = sample_views(passes, model.encode_condition(image), levels, given, torch.zeros(1, model.width),
                        torch.tensor([0]), {})
    assert expected.std() > 0.1
    torch.testing.assert_close(latents, in_views(expected), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.decode(latents), in_views(expected_image), atol=1e-4, rtol=0)


def test_views_lie_row_by_row():
    canvas = torch.arange(6.0).reshape(3, 2).repeat_interleave(SIDE, 0).repeat_interleave(SIDE, 1)[None, None]
    assert in_views(canvas)[0, :, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
