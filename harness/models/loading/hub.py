"""Models of the Hugging Face hub: the commit of a revision, and the folder of its files.

Files in the cache are used without network access. Missing ones are downloaded, safetensors and configuration files
only, unless the hub's own HF_HUB_OFFLINE forbids it.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError, shorten
from harness.models.loading.files import demand

COMMIT = re.compile(r"[0-9a-f]{40}")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def is_repository(path: str) -> bool:
    """Return True if a path names a hub repository, owner/name, and not an existing folder."""
    return bool(REPOSITORY.fullmatch(path)) and not path.startswith((".", "~")) and not Path(path).exists()


def commit(repository: str, revision: str, label: str) -> str:
    """Return the commit of a revision: itself if it is a commit, else from the cache, else from the hub.

    ``label`` begins the message of an error.
    """
    from huggingface_hub import HfApi

    if COMMIT.fullmatch(revision):
        return revision
    reference = _cached(repository) / "refs" / revision
    if reference.is_file():
        return reference.read_text("utf-8").strip()
    try:
        _demand_network()
        sha = HfApi().model_info(repository, revision=revision).sha
    except Exception as error:  # errors of the hub, its HTTP library and the system share no base class
        raise _unreachable(repository, revision, label, error) from error
    if not sha:
        raise _unreachable(repository, revision, label, ValueError("the hub names no commit"))
    return sha


def snapshot(repository: str, revision: str, parts: Sequence[str], label: str) -> Path:
    """Return the folder with these parts of a repository at a commit; download them if the cache lacks any.

    ``label`` as in `commit`.
    """
    from huggingface_hub import snapshot_download

    folder = cached_folder(repository, commit(repository, revision, label))
    if _complete(folder, parts):
        return folder
    names = ["model_index.json", *(f"{part}/*.{kind}" for part in parts for kind in ("json", "txt", "safetensors"))]
    names += ["feature_extractor_vae/*.json"]
    try:
        _demand_network()
        for ignored in (["*.fp16*", "*non_ema*"], ["*non_ema*"]):  # half-precision files only if there are no others
            folder = Path(snapshot_download(repository, revision=folder.name, allow_patterns=names,
                                            ignore_patterns=ignored))
            if _complete(folder, parts):
                break
    except Exception as error:  # as above
        raise _unreachable(repository, folder.name, label, error) from error
    return folder


def cached_folder(repository: str, commit: str) -> Path:
    """Return the cache's folder for a repository's files at a commit; it need not exist yet."""
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


def _unreachable(repository: str, revision: str, label: str, error: Exception) -> UsageError:
    from huggingface_hub import constants

    reason = shorten(str(error).strip().split("\n")[0], 200) or type(error).__name__
    return UsageError(
        f"{label}: {repository} at {revision} is not in the cache {constants.HF_HUB_CACHE} (HF_HOME moves it) "
        f"and cannot be downloaded: {reason}; where there is a network run `hf download {repository} --revision "
        f"{revision}`, or name a diffusers folder in model.path")
