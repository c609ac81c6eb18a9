"""Load the parts of a diffusers folder: safetensors only, never remote code, no weight left at random values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.errors import UsageError
from harness.models.loading.files import PLAIN, ZERO123PLUS, demand, fingerprint, read_json, variant
from harness.models.pipelines.diffusion import Parts

__all__ = ["SHIPPED", "Expected", "fingerprint", "load_parts"]

SHIPPED = Path(__file__).parents[1] / "weights"
LATENTS = 4


@dataclass(frozen=True)
class Expected:
    """Properties that a named model must have: the width of its tokens and the UNet's kind of prediction."""

    name: str
    width: int
    prediction_type: str


def load_parts(folder: Path, *, zero123plus: bool = False, dtype: torch.dtype = torch.float32,
               expected: Expected | None = None) -> Parts:
    """Load a local diffusers folder, the UNet in ``dtype``; raise UsageError naming a missing or unfit part."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

    folder = folder.expanduser()
    demand(folder, ZERO123PLUS if zero123plus else PLAIN)
    _check(folder, zero123plus, expected)
    _hide_progress_bars()
    return Parts(
        unet=_load(UNet2DConditionModel, folder, "unet", torch_dtype=dtype),
        vae=_load(AutoencoderKL, folder, "vae", torch_dtype=torch.float32),
        text_encoder=_load(CLIPTextModel, folder, "text_encoder", dtype=torch.float32),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        scheduler=_scheduler(folder),
        **(_zero123plus(folder, CLIPVisionModelWithProjection) if zero123plus else {}),
    )


def _zero123plus(folder: Path, vision: Any) -> dict[str, Any]:
    clip = read_json(folder / "feature_extractor_clip" / "preprocessor_config.json")
    vae = folder / "feature_extractor_vae" / "preprocessor_config.json"
    return {
        "vision_encoder": _load(vision, folder, "vision_encoder", dtype=torch.float32),
        "ramp": tuple(read_json(folder / "model_index.json")["ramping_coefficients"]),
        "condition_size": _side(read_json(vae)) if vae.is_file() else 0,
        "clip_size": _side(clip), "clip_mean": tuple(clip["image_mean"]), "clip_std": tuple(clip["image_std"]),
    }


def _load(kind: Any, folder: Path, part: str, **options: Any) -> Any:
    """Load one part; raise UsageError for missing weights, which the library would draw at random with a warning."""
    try:
        model, report = kind.from_pretrained(folder / part, variant=variant(folder, part) or None, use_safetensors=True,
                                             local_files_only=True, output_loading_info=True, **options)
    except Exception as error:  # each library has its own exceptions, and some raise bare RuntimeErrors
        reason = str(error).strip().split("\n")[0][:200]
        raise UsageError(f"model folder {folder}: {part} cannot be loaded: {reason}") from error
    missing = sorted(name for name in report["missing_keys"] if not name.endswith("position_ids"))
    wrong = [*missing, *sorted(str(key[0]) for key in report["mismatched_keys"])]
    if wrong:
        fault = "missing" if missing else "of another shape"
        raise UsageError(f"model folder {folder}: {part}'s weights do not fit its config.json: {wrong[0]} is {fault}, "
                         f"the first of {len(wrong)}")
    return model


def _check(folder: Path, zero123plus: bool, expected: Expected | None) -> None:
    """Raise UsageError if the folder holds another kind of model, before a large file is read."""
    unet = read_json(folder / "unet" / "config.json")
    width, channels = unet.get("cross_attention_dim"), unet.get("in_channels", LATENTS)
    if expected is not None and width != expected.width:
        raise UsageError(f"model {expected.name!r}: {folder} holds a UNet for tokens {width} wide, not "
                         f"{expected.width}; Stable Diffusion 1 has 768, Stable Diffusion 2 and Zero123++ have 1024")
    if channels != LATENTS:
        raise UsageError(f"model folder {folder}: a UNet of {channels} input channels (for inpainting, perhaps), "
                         f"not {LATENTS}")
    text = read_json(folder / "text_encoder" / "config.json").get("hidden_size", width)
    if text != width:
        raise UsageError(f"model folder {folder}: the text encoder is {text} wide, the UNet takes {width}")
    predicts = read_json(folder / "scheduler" / "scheduler_config.json").get("prediction_type", "epsilon")
    if expected is not None and predicts != expected.prediction_type:
        raise UsageError(f"model {expected.name!r}: the scheduler of {folder} says that the UNet predicts {predicts}, "
                         f"not {expected.prediction_type}")
    if zero123plus:
        ramp = read_json(folder / "model_index.json").get("ramping_coefficients", [])
        projection = read_json(folder / "vision_encoder" / "config.json").get("projection_dim", width)
        if not ramp:
            raise UsageError(f"model folder {folder}: model_index.json has no ramping_coefficients; not a Zero123++")
        if projection != width:
            raise UsageError(f"model folder {folder}: image embeddings are {projection} wide, the UNet takes {width}")


def _scheduler(folder: Path) -> Any:
    import diffusers

    name = str(read_json(folder / "scheduler" / "scheduler_config.json").get("_class_name", ""))
    kind: Any = getattr(diffusers, name, None)
    is_scheduler = isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)
    if not is_scheduler:
        raise UsageError(f"model folder {folder}: scheduler {name!r} is none of diffusers' own")
    return kind.from_pretrained(folder / "scheduler")


def _side(processor: dict[str, Any]) -> int:
    size = processor.get("crop_size") or processor["size"]
    return int(size if isinstance(size, int) else size.get("height") or size["shortest_edge"])


def _hide_progress_bars() -> None:
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
