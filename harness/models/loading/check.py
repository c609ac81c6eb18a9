"""Checks of a model folder that need no library: configuration values, safetensors headers, unsupported parts.

`compatibility.check` calls them before any trial; opening the folder compares every tensor's shape as well.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.models.loading.files import PLAIN, STEMS, ZERO123PLUS, demand, read_json, weights

UNSUPPORTED = {  # keys of the UNet's config.json that change the forward pass, and their names for the user
    "class_embed_type": "class embeddings", "num_class_embeds": "class embeddings",
    "addition_embed_type": "added embeddings, as in SDXL", "encoder_hid_dim_type": "a projection of the text's states",
    "encoder_hid_dim": "a projection of the text's states", "dual_cross_attention": "dual cross-attention",
    "only_cross_attention": "blocks with cross-attention alone", "time_cond_proj_dim": "conditioned time embeddings",
    "cross_attention_norm": "a norm in cross-attention", "mid_block_only_cross_attention": "cross-attention alone",
    "attention_type": "gated attention (GLIGEN)",
}
PLAIN_VALUES: tuple[object, ...] = (None, False, "default", [], 0)
ADAPTERS = {"lora": "LoRA", "ip_adapter": "IP-Adapter", "image_proj": "IP-Adapter", "to_k_ip": "IP-Adapter",
            "to_v_ip": "IP-Adapter", "hada_w": "LoHa", "lokr_w": "LoKr", "controlnet": "ControlNet"}
PREDICTIONS = ("epsilon", "v_prediction", "sample")
LATENTS = 4
LARGEST_HEADER = 2**27  # bytes; the format's own limit is 100 MB


@dataclass(frozen=True)
class Expected:
    """Properties that a named model must have: the width of its tokens and the UNet's kind of prediction."""

    name: str
    width: int
    prediction_type: str


def check_folder(folder: Path, zero123plus: bool = False, expected: Expected | None = None) -> None:
    """Raise UsageError naming the first thing about a model folder that cannot be used; loads no weights."""
    folder = folder.expanduser()
    parts = ZERO123PLUS if zero123plus else PLAIN
    demand(folder, parts)
    unet = read_json(folder / "unet" / "config.json")
    check_unet(folder, unet)
    _check_kind(folder, unet, zero123plus, expected)
    check_scheduler(folder)
    for part in parts:
        if part in STEMS:
            check_weights(folder, part)


def _check_kind(folder: Path, unet: Mapping[str, Any], zero123plus: bool, expected: Expected | None) -> None:
    """Raise UsageError if the folder holds another kind of model."""
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


def check_unet(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise UsageError naming a value of the UNet's configuration that cannot be used."""
    place = f"model folder {folder}: unet/config.json"
    width = config.get("cross_attention_dim")
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise UsageError(f"{place}: cross_attention_dim is {width!r}; expected one whole number")
    for key, meaning in UNSUPPORTED.items():
        value = config.get(key)
        plain = value in PLAIN_VALUES or (isinstance(value, list) and not any(value))
        if not plain:
            raise UsageError(f"{place}: {key} is {value!r} ({meaning}): not supported")
    for key in ("in_channels", "out_channels"):
        if not isinstance(config.get(key, 4), int):
            raise UsageError(f"{place}: {key} is {config[key]!r}; expected a whole number")


def check_scheduler(folder: Path) -> None:
    """Raise UsageError if the scheduler names a kind of prediction that is unknown."""
    config = read_json(folder / "scheduler" / "scheduler_config.json")
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise UsageError(f"model folder {folder}: scheduler/scheduler_config.json: prediction_type is {prediction!r}; "
                         f"expected {', '.join(PREDICTIONS)}")


def check_weights(folder: Path, part: str) -> None:
    """Raise UsageError if a weight file of a part is torn, or holds an adapter's tensors."""
    for path in weights(folder, part):
        if path.suffix != ".safetensors":
            continue
        for name in tensor_names(path):
            for mark, kind in ADAPTERS.items():
                if mark in name.lower():
                    raise UsageError(f"model folder {folder}: {part}/{path.name} holds {kind} tensors ({name}), which "
                                     "would be ignored; fuse them and save the model again, or use plain weights")


def tensor_names(path: Path) -> list[str]:
    """Return the names of the tensors in a safetensors file; raise UsageError if the file is torn.

    Reads the header alone: eight bytes of its length, then JSON. Source: github.com/huggingface/safetensors, format.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, LARGEST_HEADER):
            raise UsageError(f"model file {path}: not a safetensors file, or cut short")
        try:
            header = json.loads(file.read(length))
            entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
            end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        except (ValueError, AttributeError, KeyError, TypeError, IndexError, RecursionError):
            raise UsageError(f"model file {path}: its header is damaged") from None
    if not isinstance(end, int) or 8 + length + end != size:
        raise UsageError(f"model file {path}: {size} bytes, but its header describes {8 + length + end}; download it "
                         "again")
    return list(entries)
