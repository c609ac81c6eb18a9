"""A small experiment file, loaded or refused: what the tests of this folder begin with."""

from pathlib import Path

import pytest

from harness.config.load import load as load_experiment
from harness.config.spec import Experiment
from harness.errors import UsageError

HEAD = "name: probe\n"


def load(tmp_path: Path, text: str, *overrides: str) -> Experiment:
    """Write an experiment file and return what it means."""
    file = tmp_path / "probe.yaml"
    file.write_text(text)
    return load_experiment(file, overrides)


def refused(tmp_path: Path, text: str, *overrides: str) -> str:
    """Return the error that an experiment file gives."""
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text, *overrides)
    return str(caught.value)
