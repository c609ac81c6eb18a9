"""The models that the package ships: sizes, standard folders, and that they do what their cards say."""

import pytest
import torch

from harness.models.loading.folder import SHIPPED
from harness.registry import build, names
from tests.conftest import open_session, small_spec

FOLDERS = sorted(path.parent.name for path in SHIPPED.glob("*/model_index.json"))
MEGABYTES = 15


def test_both_models_are_there():
    assert FOLDERS == ["tiny_sd", "tiny_zero123plus"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_model_is_small_and_holds_safetensors_alone(folder: str):
    files = [path for path in (SHIPPED / folder).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MEGABYTES * 2**20
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".py")]
    assert (SHIPPED / folder / "README.md").is_file()


def test_tiny_sd_opens_with_diffusers_own_pipeline():
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(SHIPPED / "tiny_sd")
    pipeline.set_progress_bar_config(disable=True)
    draws = torch.Generator().manual_seed(0)
    images = pipeline("a biped with a red head, a blue body", height=64, width=64, num_inference_steps=2,
                      generator=draws, output_type="np").images
    assert images.shape == (1, 64, 64, 3)
    assert 0 <= images.min() < images.max() <= 1


@pytest.mark.parametrize("name", [name for name in names("models") if name.startswith("tiny_")])
def test_every_model_opens_and_has_a_fingerprint(name: str):
    source = build("models", name)
    assert len(source.fingerprint()) == 12
    model = source.open("fp32", "cpu")
    assert model.width == 96
    assert len(model.up_layers) == 4


@pytest.mark.parametrize("name", ["tiny_sd", "tiny_zero123plus"])
def test_the_vae_gives_back_what_it_was_given(name: str):
    session = open_session(small_spec(name, data={"side_px": 64}))
    views = session.data.scene("test", 0).views[None]
    error = (session.model.decode(session.model.encode(views)) - views).square().mean()
    assert -10 * torch.log10(error) > 24  # dB


def test_latents_have_about_unit_spread():
    session = open_session(small_spec("tiny_sd", data={"side_px": 64}))
    assert 0.5 < session.encoder.split("test", 3).latents.std() < 2


def test_the_condition_tells_tiny_zero123plus_what_to_paint():
    """Denoising with the scene's own photograph is easier than with another scene's."""
    session = open_session(small_spec("tiny_zero123plus", data={"side_px": 64}))
    split, model = session.encoder.split("test", 8), session.model
    level = torch.full((8,), 600)
    draws = torch.Generator().manual_seed(0)
    noise, reference = (torch.randn(like.shape, generator=draws) for like in (split.latents, split.condition.latents))
    noisy, target = model.noised(split.latents, noise, level), model.target(split.latents, noise, level)
    errors = []
    for condition in (split.condition, split.condition[torch.arange(8).roll(1)]):
        with torch.no_grad():
            found = model.view_pass(noisy, level, condition, reference_noise=reference)
        errors.append((found - target).square().mean())
    assert errors[0] < errors[1]


def test_no_configuration_names_the_machine_that_wrote_it():
    assert [path for path in SHIPPED.rglob("config.json") if "_name_or_path" in path.read_text("utf-8")] == []
