"""Write trained models as standard diffusers folders in float16, whole or not at all."""

import copy
import json
import shutil
from pathlib import Path
from typing import TypeVar

import diffusers
import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPImageProcessor, CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

Module = TypeVar("Module", bound=torch.nn.Module)


def half(module: Module) -> Module:
    """Return a float16 copy."""
    return copy.deepcopy(module).half()


def replace_folder(made: Path, folder: Path) -> None:
    """Put ``made`` in the place of ``folder``, keeping the card and the pictures that ``folder`` has."""
    for file in made.rglob("*.safetensors"):
        file.chmod(0o644)
    for file in made.rglob("config.json"):  # where a part was loaded from is nobody's business
        settings = json.loads(file.read_text("utf-8"))
        settings.pop("_name_or_path", None)
        file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", "utf-8")
    if folder.exists():
        for kept in [*folder.glob("*.md"), *folder.glob("*.png")]:
            shutil.copy2(kept, made / kept.name)
        old = folder.with_name(f".{folder.name}.old")
        folder.rename(old)
        made.rename(folder)
        shutil.rmtree(old)
    else:
        made.rename(folder)


def export_tiny_sd(folder: Path, vae: AutoencoderKL, text: CLIPTextModel, tokenizer: CLIPTokenizer,
                   vocabulary: Path, unet: UNet2DConditionModel) -> None:
    """Write a folder that StableDiffusionPipeline.from_pretrained opens."""
    noising = PNDMScheduler(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                            skip_prk_steps=True, steps_offset=1)
    # transformers opens a model in the precision of its file, diffusers in float32: the text encoder stays float32.
    pipeline = StableDiffusionPipeline(half(vae), text, tokenizer, half(unet), noising, None, None,
                                       requires_safety_checker=False)
    made = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    pipeline.save_pretrained(made, safe_serialization=True)
    for name in ("vocab.json", "merges.txt"):  # what tokenizers of older releases read
        shutil.copy2(vocabulary / name, made / "tokenizer" / name)
    replace_folder(made, folder)


def export_tiny_zero123plus(folder: Path, tiny_sd: Path, text: CLIPTextModel, unet: UNet2DConditionModel,
                            vision: CLIPVisionModelWithProjection, ramp: list[float]) -> None:
    """Write a folder with the components of Zero123++; tokenizer and autoencoder are those of ``tiny_sd``."""
    made = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    for shared in ("tokenizer", "vae"):
        shutil.copytree(tiny_sd / shared, made / shared)
    text.save_pretrained(made / "text_encoder")
    half(unet).save_pretrained(made / "unet")
    vision.save_pretrained(made / "vision_encoder")
    EulerAncestralDiscreteScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="linear", steps_offset=1,
        prediction_type="v_prediction", timestep_spacing="linspace").save_pretrained(made / "scheduler")
    side = {"shortest_edge": 64}
    CLIPImageProcessor(size=side, crop_size=64).save_pretrained(made / "feature_extractor_clip")
    CLIPImageProcessor(size=side, crop_size=64, image_mean=[0.5] * 3, image_std=[0.8] * 3
                       ).save_pretrained(made / "feature_extractor_vae")
    index = {
        "_class_name": "Zero123PlusPipeline", "_diffusers_version": diffusers.__version__,
        "feature_extractor_clip": ["transformers", "CLIPImageProcessor"],
        "feature_extractor_vae": ["transformers", "CLIPImageProcessor"], "ramping_coefficients": ramp,
        "safety_checker": [None, None], "scheduler": ["diffusers", "EulerAncestralDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        "vision_encoder": ["transformers", "CLIPVisionModelWithProjection"]}
    (made / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")
    replace_folder(made, folder)
