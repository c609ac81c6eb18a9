"""Tiny diffusers folders with random weights, so that tests need no trained model."""

import json
from pathlib import Path

import torch

WIDTH = 24


def save_tiny(folder: Path, *, zero123plus: bool, prediction_type: str | None = None) -> Path:
    """Save a random model of two levels as a standard diffusers folder and return it."""
    from diffusers import AutoencoderKL, DDIMScheduler, EulerAncestralDiscreteScheduler, UNet2DConditionModel
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTokenizer,
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
    )

    torch.manual_seed(7)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "tokenizer/vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "tokenizer/merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(folder / "tokenizer/vocab.json"), str(folder / "tokenizer/merges.txt"),
                  model_max_length=77).save_pretrained(folder / "tokenizer")
    text = CLIPTextConfig(hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4,
                          vocab_size=len(tokens), bos_token_id=52, eos_token_id=53, pad_token_id=53)
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, cross_attention_dim=WIDTH, attention_head_dim=4,
        norm_num_groups=4, down_block_types=("CrossAttnDownBlock2D",) * 2, up_block_types=("CrossAttnUpBlock2D",) * 2,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4, latent_channels=4,
    ).save_pretrained(folder / "vae")
    betas = {"beta_start": 0.00085, "beta_end": 0.012}
    index = {"_class_name": "StableDiffusionPipeline"}
    if zero123plus:
        index = {"_class_name": "Zero123PlusPipeline", "ramping_coefficients": [i / 77 for i in range(77)]}
        vision = CLIPVisionConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
                                  image_size=16, patch_size=8, projection_dim=WIDTH)
        CLIPVisionModelWithProjection(vision).save_pretrained(folder / "vision_encoder")
        (folder / "feature_extractor_clip").mkdir()
        clip = {"size": {"shortest_edge": 16}, "image_mean": [0.5] * 3, "image_std": [0.3] * 3}
        (folder / "feature_extractor_clip/preprocessor_config.json").write_text(json.dumps(clip))
        settings = betas | {"beta_schedule": "linear", "prediction_type": prediction_type or "v_prediction"}
        EulerAncestralDiscreteScheduler(**settings).save_pretrained(folder / "scheduler")
    else:
        DDIMScheduler(**betas, beta_schedule="scaled_linear", prediction_type=prediction_type or "epsilon"
                      ).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
