"""Load the parts of a diffusers folder: safetensors only, never remote code, no weight left at random values."""

from pathlib import Path
from typing import Any

import torch

from harness.errors import UsageError, shorten
from harness.models.loading.check import Expected, check_folder
from harness.models.loading.files import SHIPPED, fingerprint, read_json, variant, without_marks
from harness.models.pipelines.parts import Parts

__all__ = ["SHIPPED", "Expected", "fingerprint", "load_parts"]

HARMLESS = ("position_ids", "text_projection.weight")  # buffers of old files; a projection that nothing here reads

def load_parts(folder: Path, *, zero123plus: bool = False, dtype: torch.dtype = torch.float32,
               expected: Expected | None = None) -> Parts:
    """Load a local diffusers folder, the UNet in ``dtype``; raise UsageError naming a missing or unfit part."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.utils import is_accelerate_available
    from transformers import CLIPTextModel, CLIPVisionModelWithProjection

    folder = folder.expanduser()
    check_folder(folder, zero123plus, expected)
    _hide_progress_bars()
    sparing = {"low_cpu_mem_usage": is_accelerate_available()}  # diffusers' default, without its advice to install it
    return Parts(
        unet=_load(UNet2DConditionModel, folder, "unet", torch_dtype=dtype, **sparing),
        vae=_load(AutoencoderKL, folder, "vae", torch_dtype=torch.float32, **sparing),
        text_encoder=_load(CLIPTextModel, folder, "text_encoder", dtype=torch.float32),
        tokenizer=_tokenizer(folder),
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
        with without_marks(folder / part) as place:
            model, report = kind.from_pretrained(place, variant=variant(folder, part) or None, use_safetensors=True,
                                                 local_files_only=True, output_loading_info=True, **options)
    except Exception as error:  # each library has its own exceptions, and some raise bare RuntimeErrors
        raise UsageError(f"model folder {folder}: {part} cannot be loaded: {_first_line(error)}") from error
    extra = sorted(name for name in report["unexpected_keys"] if not name.endswith(HARMLESS))
    if extra:
        raise UsageError(f"model folder {folder}: {part} has tensors that its config.json does not describe: {extra[0]}"
                         f", the first of {len(extra)}; they would be ignored")
    missing = sorted(name for name in report["missing_keys"] if not name.endswith("position_ids"))
    wrong = [*missing, *sorted(str(key[0]) for key in report["mismatched_keys"])]
    if wrong:
        fault = "missing" if missing else "of another shape"
        raise UsageError(f"model folder {folder}: {part}'s weights do not fit its config.json: {wrong[0]} is {fault}, "
                         f"the first of {len(wrong)}")
    return model


def _first_line(error: Exception) -> str:
    return shorten(str(error).strip().split("\n")[0], 200)


def _tokenizer(folder: Path) -> Any:
    """Return the tokenizer; one without a maximum length takes the text encoder's."""
    from transformers import CLIPTokenizer, CLIPTokenizerFast

    place = folder / "tokenizer"
    kind = CLIPTokenizer if (place / "vocab.json").is_file() else CLIPTokenizerFast
    try:
        with without_marks(place) as readable:
            tokenizer = kind.from_pretrained(readable, local_files_only=True)
    except Exception as error:  # a damaged vocabulary raises whatever its parser raises
        raise UsageError(f"model folder {folder}: tokenizer cannot be loaded: {_first_line(error)}") from error
    longest = read_json(folder / "text_encoder" / "config.json").get("max_position_embeddings", 77)
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest)
    return tokenizer


def _scheduler(folder: Path) -> Any:
    import diffusers

    name = str(read_json(folder / "scheduler" / "scheduler_config.json").get("_class_name", ""))
    kind: Any = getattr(diffusers, name, None)
    is_scheduler = isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)
    if not is_scheduler:
        raise UsageError(f"model folder {folder}: scheduler {name!r} is none of diffusers' own")
    with without_marks(folder / "scheduler") as place:
        return kind.from_pretrained(place)


def _side(processor: dict[str, Any]) -> int:
    size = processor.get("crop_size") or processor["size"]
    return int(size if isinstance(size, int) else size.get("height") or size["shortest_edge"])


def _hide_progress_bars() -> None:
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
