"""The user's cache folder, and the hash of the package's code that tells whether what lies there is still true."""

import hashlib
import os
from pathlib import Path


def folder() -> Path:
    """Return the cache folder: HARNESS_CACHE, or the user's cache folder."""
    if named := os.environ.get("HARNESS_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harness"


def code_files() -> list[Path]:
    """Return the package's modules, sorted."""
    return sorted(Path(__file__).parent.rglob("*.py"))


def code_hash() -> str:
    """Return a hash of the package's modules; equal hashes on two machines mean equal code."""
    package, digest = Path(__file__).parent, hashlib.sha256()
    for path in code_files():
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
