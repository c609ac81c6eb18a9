"""The tiny random models that some golden cases need, built with diffusers' and transformers' own classes."""

import json
from functools import cache
from typing import Any

from safetensors.torch import load_file

from harness.models._diffusion import Parts
from tests.parity.golden import FOLDER


@cache
def config(model: str) -> dict[str, Any]:
    return json.loads((FOLDER / "cases.json").read_text())["models"][model]


@cache
def _weights(model: str) -> dict[str, Any]:
    return {name: value.float() for name, value in load_file(FOLDER / config(model)["file"]).items()}


def load(module, model: str, prefix: str):
    own = {k.removeprefix(f"{prefix}."): v for k, v in _weights(model).items() if k.startswith(f"{prefix}.")}
    wanted = module.state_dict()
    if not set(own) <= set(wanted):  # transformers 5 drops the leading text_model. and vision_model.
        own = {k.removeprefix("text_model.").removeprefix("vision_model."): v for k, v in own.items()}
    missing, unexpected = module.load_state_dict(own, strict=False)
    assert not unexpected, unexpected
    assert all(name.endswith("position_ids") for name in missing), missing
    return module.eval().requires_grad_(False)


def unet(model: str, key: str = "unet"):
    from diffusers import UNet2DConditionModel

    return load(UNet2DConditionModel(**config(model)[key]), model, key)


def vae(model: str):
    from diffusers import AutoencoderKL

    return load(AutoencoderKL(**config(model)["vae"]), model, "vae")


def scheduler(constants: dict[str, Any]):
    from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler

    settings = dict(constants["scheduler"])
    settings.pop("num_inference_steps", None)
    if settings.pop("type", "euler") == "DDIM":
        return DDIMScheduler(**settings)
    return EulerAncestralDiscreteScheduler(**settings)


class Silent:
    """A tokenizer and text encoder of one empty token: cases that bring their own states need no text."""

    model_max_length = 1

    def __call__(self, texts, **options):
        import torch

        return type("Ids", (), {"input_ids": torch.zeros(1, 1, dtype=torch.long)})


def silent_encoder(width: int):
    from torch import nn

    class Encoder(nn.Module):
        def forward(self, ids):
            import torch

            return (torch.zeros(1, 1, width),)

    return Encoder()


def parts(model: str, constants: dict[str, Any], key: str = "unet", **extra: Any) -> Parts:
    width = config(model)[key]["cross_attention_dim"]
    return Parts(unet(model, key), vae(model), silent_encoder(width), Silent(), scheduler(constants), **extra)
