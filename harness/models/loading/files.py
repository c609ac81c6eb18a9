"""The files of a diffusers folder: the weights to load, missing files, a hash, and values of the configuration."""

import hashlib
import json
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.errors import UsageError

STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model",
         "vision_encoder": "model"}
SHIPPED = Path(__file__).parents[1] / "weights"  # the folders of the models trained here
PROCESSOR = ("preprocessor_config.json",)
OTHERS = {"tokenizer": ("vocab.json", "merges.txt"), "scheduler": ("scheduler_config.json",),
          "feature_extractor_clip": PROCESSOR, "feature_extractor_vae": PROCESSOR}
PLAIN = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
ZERO123PLUS = (*PLAIN, "vision_encoder", "feature_extractor_clip")
VARIANTS = ("", "fp16", "bf16")  # full-precision weights before half ones: a trial's precision casts them anyway


def variant(folder: Path, part: str) -> str:
    """Return the variant of a part's weights in the folder, "" for the plain one; raise UsageError without weights."""
    for name in VARIANTS:
        if (folder / part / _single(part, name)).is_file() or (folder / part / _index(part, name)).is_file():
            return name
    raise UsageError(f"model folder {folder}: {part}/{_single(part, '')} is missing{_instead(folder, part)}")


def _instead(folder: Path, part: str) -> str:
    """Return the end of a message: which other weights lie in a part's folder, and how to take them."""
    names = sorted(path.name for path in (folder / part).glob("*"))
    for mark, target, what in ((".safetensors.index.", _index(part, ""), "the files that it names"),
                               (".safetensors", _single(part, ""), "it")):
        if name := next((name for name in names if mark in name), ""):
            return f"; {name} lies there: rename it to {target} to take {what}"
    others = [name for name in names if Path(name).suffix in (".bin", ".ckpt", ".pt", ".msgpack")]
    return f"; {others[0]} is no safetensors file and is never loaded, convert it" if others else ""


def weights(folder: Path, part: str) -> list[Path]:
    """Return all weight files (shards) of a part; raise UsageError naming one that is missing."""
    chosen = variant(folder, part)
    single, index = folder / part / _single(part, chosen), folder / part / _index(part, chosen)
    if single.is_file():
        return [single]
    shards = sorted(set(read_json(index).get("weight_map", {}).values()))
    for shard in shards:
        if Path(shard).name != shard or not (folder / part / shard).is_file():
            raise UsageError(f"model folder {folder}: {part}/{shard} is missing, which {index.name} names")
    return [index, *(folder / part / shard for shard in shards)]


def demand(folder: Path, parts: Sequence[str]) -> None:
    """Raise UsageError naming the first file of these parts that is missing."""
    if not folder.is_dir():
        raise UsageError(f"model folder {folder}: there is no such folder")
    for part in parts:
        if not (folder / part).is_dir():
            raise UsageError(f"model folder {folder}: no {part!r} in it; needs {', '.join(parts)}")
        if part in STEMS:
            weights(folder, part)
        if part == "tokenizer" and (folder / part / "tokenizer.json").is_file():
            continue  # transformers 5 writes this file alone
        for name in ("config.json",) if part in STEMS else OTHERS[part]:
            if not (folder / part / name).is_file():
                raise UsageError(f"model folder {folder}: {part}/{name} is missing")


def fingerprint(folder: Path) -> str:
    """Return a short hash of a folder's weights and configuration files, without loading them."""
    files = sorted(set(_used(folder)))
    if not any(path.suffix == ".safetensors" for path in files):
        raise UsageError(f"model folder {folder}: no weights in it")
    stats = tuple((str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns) for p in files)
    return _hash(folder, stats)


def up_layers(folder: Path) -> int | None:
    """Return the number of cross-attention layers of the up path of a folder's UNet, None without a configuration.

    Source: diffusers, UNet2DConditionModel: each block of the up path has one layer more than that of the down path.
    """
    path = folder / "unet" / "config.json"
    if not path.is_file():
        return None
    config = read_json(path)
    blocks: Sequence[str] = config.get("up_block_types", ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3))
    layers = _per_block(config.get("layers_per_block", 2), len(blocks))
    depths = config.get("reverse_transformer_layers_per_block")
    depths = depths or _per_block(config.get("transformer_layers_per_block", 1), len(blocks))
    return sum(sum(depth) if isinstance(depth, list) else (layer + 1) * depth
               for block, layer, depth in zip(blocks, layers, depths, strict=True) if "CrossAttn" in block)


def _per_block(value: Any, blocks: int) -> list[Any]:
    """Return a setting for each block of the up path, from one number for all or a list along the down path."""
    return list(reversed(value)) if isinstance(value, list) else [value] * blocks


def read_json(path: Path) -> dict[str, Any]:
    """Return a configuration file's content; raise UsageError if it is missing or not JSON."""
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        raise UsageError(f"model file {path}: missing, or not JSON") from None
    if not isinstance(content, dict):
        raise UsageError(f"model file {path}: not a JSON object")
    return content


@contextmanager
def without_marks(folder: Path) -> Iterator[Path]:
    """Yield a folder; if JSON files in it begin with a byte order mark, which the libraries refuse, a copy without it.

    The copy's other files are links.
    """
    marked = [path for path in folder.glob("*.json") if path.read_bytes().startswith(BOM_UTF8)]
    if not marked:
        yield folder
        return
    with TemporaryDirectory(prefix="harness-") as place:
        for path in folder.iterdir():
            copy = Path(place) / path.name
            if path in marked:
                copy.write_bytes(path.read_bytes().removeprefix(BOM_UTF8))
            else:
                copy.symlink_to(path.resolve())
        yield Path(place)


def _used(folder: Path) -> Iterator[Path]:
    """Yield the files that loading reads: of the weights one variant."""
    yield from folder.glob("model_index.json")
    for part in (*STEMS, *OTHERS):
        yield from (p for p in (folder / part).glob("*") if p.suffix in (".json", ".txt") and ".index" not in p.name)
        if part in STEMS and (folder / part).is_dir():
            yield from weights(folder, part)


@cache
def _hash(folder: Path, stats: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, size, _ in stats:
        digest.update(f"{name}:{size}:".encode())
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _single(part: str, name: str) -> str:
    return f"{STEMS[part]}{f'.{name}' if name else ''}.safetensors"


def _index(part: str, name: str) -> str:
    return f"{STEMS[part]}.safetensors.index{f'.{name}' if name else ''}.json"
