"""Fixtures that several test folders share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import registry
from harness.config.spec import Choice, TrialSpec
from harness.method import session
from harness.method.session import Session
from harness.runner.executors import worker_handle
from tests.browser import launched
from tests.tiny_folders import save_tiny


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep encoded scenes out of the user's cache folder."""
    before = os.environ.get("HARNESS_CACHE")
    os.environ["HARNESS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("HARNESS_CACHE") if before is None else os.environ.update(HARNESS_CACHE=before)


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    with launched() as opened:
        yield opened


@pytest.fixture(autouse=True, scope="session")
def _no_grace() -> Iterator[None]:
    """Kill a cancelled trial that stalls soon: tests stall some on purpose."""
    before = worker_handle.GRACE
    worker_handle.GRACE = 0.1
    yield
    worker_handle.GRACE = before


@pytest.fixture(scope="session")
def random_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "tiny_sd": save_tiny(root / "sd", zero123plus=False),
        "tiny_zero123plus": save_tiny(root / "zero123plus", zero123plus=True),
    }


@pytest.fixture
def random_models(random_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shipped models' names open folders of random weights, a hundred times smaller."""
    from harness.method.session import _session
    from harness.models import tiny_sd, tiny_zero123plus, tiny_zero123plus_weights

    monkeypatch.setattr(tiny_sd, "FOLDER", random_folders["tiny_sd"])
    monkeypatch.setattr(tiny_zero123plus, "FOLDER", random_folders["tiny_zero123plus"])
    monkeypatch.setattr(tiny_zero123plus_weights, "FOLDER", random_folders["tiny_zero123plus"])
    _session.cache_clear()
    yield
    _session.cache_clear()


SMALL = {"side_px": 32}


def small_spec(model: str = "tiny_zero123plus", fusion: str = "none", *, fusion_knobs: dict | None = None,
               data: dict | None = None, selection: str = "gaussian_fps",
               losses: tuple[str, ...] = ("sharpening", "nvs"), **settings) -> TrialSpec:
    """Return a trial of seconds: 32 px views, few tokens, few scenes."""

    def choice(kind: str, name: str, knobs: dict | None = None) -> Choice:
        return Choice(name, registry.settings(kind, name, knobs or {}, kind))

    small = {"tokens": 12, "keypoints": 6, "steps": 2, "scenes_per_step": 2, "map_side": 16, "optimise_scenes": 3,
             "fit_scenes": 4, "test_scenes": 3, "view_scenes": 1, "view_timesteps": (500,), "warp_bank": 1}
    return TrialSpec(
        model=choice("models", model), data=choice("data", "figures", SMALL | (data or {})),
        fusion=choice("fusion", fusion, fusion_knobs), selection=choice("selection", selection),
        losses=tuple(choice("losses", name) for name in losses), **(small | settings),
    )


def open_session(spec: TrialSpec) -> Session:
    """Return the model and data that a spec names, as a trial opens them."""
    return session.open_session(spec)[0]
