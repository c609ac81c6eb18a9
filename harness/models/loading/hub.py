"""Models of the Hugging Face hub: which commit a revision is, and where its files lie.

What the cache holds is used without a word to the network. What it lacks is downloaded, safetensors and configuration
files only, unless the hub's own HF_HUB_OFFLINE forbids it.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.models.loading.files import demand

COMMIT = re.compile(r"[0-9a-f]{40}")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def is_repository(path: str) -> bool:
    """Return whether a path names a hub repository, owner/name, and no folder that is there."""
    return bool(REPOSITORY.fullmatch(path)) and not path.startswith((".", "~")) and not Path(path).exists()


def commit(repository: str, revision: str, model: str) -> str:
    """Return the commit that a revision stands for: itself, or what the cache or else the hub says."""
    from huggingface_hub import HfApi

    if COMMIT.fullmatch(revision):
        return revision
    known = _cached(repository) / "refs" / revision
    if known.is_file():
        return known.read_text("utf-8").strip()
    try:
        _demand_network()
        found = HfApi().model_info(repository, revision=revision).sha
    except Exception as error:  # the hub's, its HTTP library's and the system's errors share no base
        raise _unreachable(repository, revision, model, error) from error
    if not found:
        raise _unreachable(repository, revision, model, ValueError("the hub names no commit"))
    return found


def snapshot(repository: str, revision: str, parts: Sequence[str], model: str) -> Path:
    """Return the folder with these parts of a repository at a commit, downloaded where the cache lacks any."""
    from huggingface_hub import snapshot_download

    folder = place(repository, commit(repository, revision, model))
    if _complete(folder, parts):
        return folder
    names = ["model_index.json", *(f"{part}/*.{kind}" for part in parts for kind in ("json", "txt", "safetensors"))]
    names += ["feature_extractor_vae/*.json"]
    try:
        _demand_network()
        for ignored in (["*.fp16*", "*non_ema*"], ["*non_ema*"]):  # half-precision files only where there are no others
            folder = Path(snapshot_download(repository, revision=folder.name, allow_patterns=names,
                                            ignore_patterns=ignored))
            if _complete(folder, parts):
                break
    except Exception as error:  # as above
        raise _unreachable(repository, folder.name, model, error) from error
    return folder


def place(repository: str, commit: str) -> Path:
    """Return where the cache keeps a repository's files at a commit, whether or not it has them."""
    return _cached(repository) / "snapshots" / commit


def _complete(folder: Path, parts: Sequence[str]) -> bool:
    try:
        demand(folder, parts)
    except UsageError:
        return False
    return True


def _cached(repository: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"


def _demand_network() -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise ConnectionError("HF_HUB_OFFLINE is set")


def _unreachable(repository: str, revision: str, model: str, error: Exception) -> UsageError:
    from huggingface_hub import constants

    reason = str(error).strip().split("\n")[0][:120] or type(error).__name__
    return UsageError(
        f"model {model!r}: {repository} at {revision} is not in the cache {constants.HF_HUB_CACHE} (HF_HOME moves it) "
        f"and cannot be downloaded: {reason}; where there is a network run `hf download {repository} --revision "
        f"{revision}`, or name a diffusers folder in model.path")
