"""docs/notebook.ipynb: its cells run in order, and its stored outputs are of these cells."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.method.results import TrialResult
from harness.runner.executors.inline import Inline
from harness.store.mlflow_tracker import Tracker
from tests.report import stores
from tests.runner.executors import fake

ROOT = Path(__file__).parent.parent
NOTEBOOK = json.loads((ROOT / "docs" / "notebook.ipynb").read_text())
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def trial(spec, on_step, options):
    """Replace a trial by made-up errors in six views."""
    random = np.random.default_rng(spec.seed)
    made = stores.points(random.gamma(2, 3, (4, 6, 5)))
    scores = {"pck@0.1": 0.3 + 0.1 * spec.seed, "nvs_loss": 0.1}
    result = fake.result(spec)
    return TrialResult("finished", "", scores, {"seconds_total": 1.0}, stores.curve([3.0, 2.0]), made,
                       {**result.tokens}, None, fake.FINGERPRINTS)


@pytest.fixture
def place(tmp_path, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    monkeypatch.setattr("harness.method.trial.run", trial)
    monkeypatch.setattr("harness.method.fingerprints.fingerprints", lambda spec: fake.FINGERPRINTS)
    monkeypatch.setattr("harness.store.mlflow_tracker.MlflowTracker", lambda store: Tracker())
    monkeypatch.setattr("harness.api.Processes", lambda **options: Inline())
    return tmp_path


def test_its_cells_run_from_nothing_to_a_figure(place):
    from notebook import run_cells

    outputs = list(run_cells(NOTEBOOK))
    kinds = [[sorted(output.get("data", {"text": ""})) for output in found] for found in outputs]
    stored = [[sorted(output.get("data", {"text": ""})) for output in cell["outputs"]] for cell in CODE]
    assert kinds == stored, "run `python scripts/notebook.py`"
    assert (place / "by_view.pdf").stat().st_size > 1000
    assert "<quick: 4 of 4 recorded trials finished>" in str(outputs[0])


def test_it_is_a_notebook_with_outputs_and_without_a_path_of_the_machine_that_made_it():
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    assert all(cell["outputs"] for cell in CODE)
    outputs = [output for cell in CODE for output in cell["outputs"]]
    texts = [text for output in outputs
             for text in (*output.get("text", ()), *output.get("data", {}).get("text/plain", ()))]
    assert not [text for text in texts if str(ROOT) in text or "/tmp" in text or "Traceback" in text]
