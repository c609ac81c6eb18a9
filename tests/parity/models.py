"""The tiny random models that some cases need, built with diffusers' and transformers' own classes."""

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from harness.models.pipelines.diffusion import Diffusion
from harness.models.pipelines.parts import Parts
from harness.models.pipelines.zero123plus import Zero123Plus
from tests.parity.golden import FOLDER, INDEX, Case

SKIPPED = ("num_inference_steps", "type")  # of a case's scheduler: not settings of the class


def configuration(given: Case) -> dict[str, Any]:
    """Return the configuration of the models whose weights the case names."""
    return next(model for model in INDEX["models"].values() if model["file"] == given.weights)


@cache
def _weights(file: str) -> dict[str, Any]:
    return {name: value.float() for name, value in load_file(FOLDER / file).items()}


def load(module, given: Case, prefix: str):
    own = {k.removeprefix(f"{prefix}."): v for k, v in _weights(given.weights).items() if k.startswith(f"{prefix}.")}
    wanted = module.state_dict()
    if not set(own) <= set(wanted):  # transformers 5 drops the leading text_model. and vision_model.
        own = {k.removeprefix("text_model.").removeprefix("vision_model."): v for k, v in own.items()}
    missing, unexpected = module.load_state_dict(own, strict=False)
    assert not unexpected, unexpected
    assert all(name.endswith("position_ids") for name in missing), missing
    return module.eval().requires_grad_(False)


def unet_key(given: Case, side: int) -> str:
    """Return which UNet of the configuration the case ran: the one that was built for latents of its size.

    Where that does not tell, it is the first one, but for the case of layers beyond the size limit.
    """
    unets = {key: value["sample_size"] for key, value in configuration(given).items() if key.startswith("unet")}
    fitting = [key for key, size in unets.items() if size == side]
    return fitting[0] if len(fitting) == 1 else list(unets)[-1 if given.name.endswith("size_limit") else 0]


def scheduler(settings: dict[str, Any]):
    from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler

    chosen = DDIMScheduler if settings.get("type") == "DDIM" else EulerAncestralDiscreteScheduler
    return chosen(**{name: value for name, value in settings.items() if name not in SKIPPED})


def text(given: Case):
    """Return the case's tokenizer and text encoder."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    known = configuration(given)
    encoder = load(CLIPTextModel(CLIPTextConfig(**known["text_encoder"])), given, "text_encoder")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "vocab.json").write_text(json.dumps(known["tokenizer"]["vocab"]))
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *known["tokenizer"]["merges"], ""]))
        tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"),
                                  model_max_length=known["text_encoder"]["max_position_embeddings"])
    return tokenizer, encoder


def parts(given: Case, settings: dict[str, Any], key: str = "unet", **extra: Any) -> Parts:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    known = configuration(given)
    unet = load(UNet2DConditionModel(**known[key]), given, key)
    vae = load(AutoencoderKL(**known["vae"]), given, "vae")
    tokenizer, encoder = text(given)
    return Parts(unet, vae, encoder, tokenizer, scheduler(settings), **extra)


def diffusion(given: Case, settings: dict[str, Any] | None = None, key: str = "unet") -> Diffusion:
    return Diffusion(parts(given, settings or given.constants["scheduler"], key), "fp32", "cpu")


def zero123plus(given: Case) -> Zero123Plus:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    known = configuration(given)
    vision = CLIPVisionModelWithProjection(CLIPVisionConfig(**known["vision_encoder"]))
    ramp = given["in.ramp"].tolist() if "in.ramp" in given else given.constants["ramp"]
    extra = {"vision_encoder": load(vision, given, "vision_encoder"), "ramp": tuple(ramp),
             "clip_size": known["feature_extractor_clip"]["size"]}
    return Zero123Plus(parts(given, given.constants["scheduler"], **extra), "fp32", "cpu")


def bytes_to_image(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.float() / 255
