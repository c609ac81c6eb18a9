"""Keeps a look: a new folder with its pictures, numbers and choices."""

import re
from dataclasses import asdict
from pathlib import Path

from harness.app import draw
from harness.app.look import Choices, Look
from harness.app.sources import Source
from harness.errors import UsageError
from harness.store.atomic_files import make_folder, write_folder


def keep(look: Look, source: Source, choices: Choices, output: Path) -> Path:
    """Write a finished look into a new folder of ``output`` and return it; UsageError if it cannot be written."""
    what = "photograph" if choices.photograph else f"scene-{choices.scene}"
    stem = re.sub(r"[^a-z0-9]+", "-", f"{source.trial[:8] or source.spec.model.name}-{what}".lower())
    plain = {**asdict(choices), "photograph": choices.photograph.name if choices.photograph else None,
             "source": source.name}
    try:
        make_folder(output)
        number = next(n for n in range(1, 10**6) if not (output / f"{stem}-{n}").exists())
        folder = output / f"{stem}-{number}"
        write_folder(folder, draw.saved(look, plain, source.trial))
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error
    return folder
