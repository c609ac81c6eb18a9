"""What the number of threads changes on the shipped models: nothing to the last bit when it is the same."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
# Both tests of a model share results, so one process runs them.
MODELS = [pytest.param(name, marks=pytest.mark.xdist_group(f"threads of {name}"))
          for name in ("tiny_sd", "tiny_zero123plus")]

CODE = """
import hashlib, json, sys
import torch
from harness.method.trial import run
from tests.conftest import small_spec

torch.set_num_threads(int(sys.argv[2]))
views = 1 if sys.argv[1] == "tiny_sd" else 6
spec = small_spec(sys.argv[1], "concat", data={"side_px": 64, "views": views}, map_side=32, tokens=64, keypoints=16,
                  steps=8, losses=("sharpening", "equivariance") + ("nvs",) * (views > 1), view_scenes=views > 1,
                  scenes_per_step=6 // views, optimise_scenes=12, fit_scenes=60 // views, test_scenes=60 // views)
found = run(spec)
digest = hashlib.sha256(found.tokens["tokens"].numpy().tobytes() + repr((found.points, found.fit)).encode())
print(json.dumps({"scores": found.scores, "curve": found.curve, "digest": digest.hexdigest(), "status": found.status}))
"""


def trial(model, threads, folder):
    """Run a short trial in a process of its own."""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", CODE, model, str(threads)], cwd=root, capture_output=True, text=True,
                          check=True, env={"PYTHONPATH": str(root), "HARNESS_CACHE": str(folder),
                                           "PYTHONHASHSEED": "random",
                                           "OMP_WAIT_POLICY": "PASSIVE"})  # other tests use the cores too
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return the result of a model, a number of threads and an attempt, each computed once."""
    folder = tmp_path_factory.mktemp("encoded")  # shared, so that all trials start from the same latents
    return cache(lambda model, threads, attempt: trial(model, threads, folder))


@pytest.mark.parametrize("model", MODELS)
def test_two_processes_with_as_many_threads_agree_to_the_last_bit(found, model):
    first, second = (found(model, 1, attempt) for attempt in (0, 1))
    assert first["status"] == "finished"
    assert first == second


@pytest.mark.parametrize("model", MODELS)
def test_one_thread_and_two_agree_closely(found, model):
    one, two = found(model, 1, 0), found(model, 2, 0)
    assert two["curve"].keys() == one["curve"].keys()
    for name, values in one["curve"].items():
        assert two["curve"][name] == pytest.approx(values, rel=1e-4), name
    for name in (name for name in one["scores"] if name.startswith("pck")):
        assert two["scores"][name] == pytest.approx(one["scores"][name], abs=0.02), name
