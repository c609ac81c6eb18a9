"""Load the parts of a diffusers folder or hub repository: safetensors only, never remote code."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from harness.models._diffusion import Parts
from harness.plugins import UsageError

SHIPPED = Path(__file__).parent / "weights"


def load_parts(folder: Path, *, zero123plus: bool = False) -> Parts:
    """Load a local diffusers folder; raise UsageError that names what is missing."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    needed = ["unet", "vae", "text_encoder", "tokenizer", "scheduler"] + ["vision_encoder"] * zero123plus
    for name in needed:
        if not (folder / name).is_dir():
            raise UsageError(f"model folder {folder}: no {name!r} in it; needs {', '.join(needed)}")
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "torch_dtype": torch.float32}
    texts = {key: value for key, value in options.items() if key != "torch_dtype"} | {"dtype": torch.float32}
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    extra: dict[str, Any] = {}
    if zero123plus:
        clip = json.loads((folder / "feature_extractor_clip" / "preprocessor_config.json").read_text("utf-8"))
        vae = folder / "feature_extractor_vae" / "preprocessor_config.json"
        extra = {
            "vision_encoder": CLIPVisionModelWithProjection.from_pretrained(folder / "vision_encoder", **texts),
            "ramp": tuple(index["ramping_coefficients"]),
            "condition_size": _side(json.loads(vae.read_text("utf-8"))) if vae.is_file() else 0,
            "clip_size": _side(clip), "clip_mean": tuple(clip["image_mean"]), "clip_std": tuple(clip["image_std"]),
        }
    return Parts(
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", **options),
        vae=AutoencoderKL.from_pretrained(folder / "vae", **options),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", **texts),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        scheduler=_scheduler(folder),
        **extra,
    )


def fingerprint(folder: Path) -> str:
    """Return a short hash of a folder's weights and configuration files."""
    files = sorted(p for p in folder.rglob("*") if p.suffix in (".safetensors", ".json", ".txt"))
    if not files:
        raise UsageError(f"model folder {folder}: no weights in it")
    stats = tuple((str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns) for p in files)
    return _hash(folder, stats)


@cache
def _hash(folder: Path, stats: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, size, _ in stats:
        digest.update(f"{name}:{size}:".encode())
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _scheduler(folder: Path) -> Any:
    import diffusers

    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    return getattr(diffusers, config["_class_name"]).from_pretrained(folder / "scheduler")


def _side(clip: dict[str, Any]) -> int:
    size = clip.get("crop_size") or clip["size"]
    return int(size if isinstance(size, int) else size.get("height") or size["shortest_edge"])
