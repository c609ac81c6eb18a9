"""Folders of random weights laid out as the published models are: old names, half-precision files, shards."""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model",
           "vision_encoder": "model"}
OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def copy(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def halve(folder: Path) -> Path:
    """Leave half-precision variants alone, as `save_pretrained(variant="fp16")` names them."""
    for part, stem in WEIGHTS.items():
        plain = folder / part / f"{stem}.safetensors"
        if plain.is_file():
            halves = {k: v.half() if v.is_floating_point() else v for k, v in load_file(plain).items()}
            save_file(halves, folder / part / f"{stem}.fp16.safetensors", metadata={"format": "pt"})
            plain.unlink()
    return folder


def shard(folder: Path, part: str, count: int = 3) -> Path:
    """Cut a part's weights into files with an index, as large models are published."""
    stem = WEIGHTS[part]
    plain = folder / part / f"{stem}.safetensors"
    weights = load_file(plain)
    plain.unlink()
    names, places = sorted(weights), {}
    for number in range(count):
        file = f"{stem}-{number + 1:05}-of-{count:05}.safetensors"
        own = names[number::count]
        save_file({name: weights[name] for name in own}, folder / part / file, metadata={"format": "pt"})
        places |= dict.fromkeys(own, file)
    size = sum(value.numel() * value.element_size() for value in weights.values())
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / part / f"{stem}.safetensors.index.json").write_text(json.dumps(index))
    return folder


def age(folder: Path) -> Path:
    """Name weights as Stable Diffusion 1.5's files do: the autoencoder's attention, the text encoder's prefix."""
    file = folder / "vae/diffusion_pytorch_model.safetensors"
    renamed = {}
    for name, value in load_file(file).items():
        old = name
        if ".attentions." in name:
            for now, before in OLD_ATTENTION.items():
                old = old.replace(f".{now}.", f".{before}.")
        renamed[old] = value
    assert any("proj_attn" in name for name in renamed)
    save_file(renamed, file, metadata={"format": "pt"})
    file = folder / "text_encoder/model.safetensors"
    prefixed = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in load_file(file).items()}
    save_file(prefixed, file, metadata={"format": "pt"})
    return folder


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def in_cache(folder: Path, cache: Path, repository: str, commit: str, branch: str = "") -> None:
    """Put a folder where the hub's client keeps a downloaded repository."""
    own = cache / f"models--{repository.replace('/', '--')}"
    shutil.copytree(folder, own / "snapshots" / commit)
    if branch:
        (own / "refs").mkdir(parents=True, exist_ok=True)
        (own / "refs" / branch).write_text(commit)
