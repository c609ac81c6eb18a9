"""The model of a GPU's memory and time: beside measured steps, and printed, not typed."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import gpu_cost
from gpu_cost import GB, SD15, ZERO123PLUS, Network

from harness.runner.unet_images import FIRST, FURTHER

SMALL = Network(0, 0, 0, (64, 128, 256, 256), (32, 32), 1, 1)  # the UNet of `scripts/bench.py step`


@pytest.fixture
def celeba():
    return gpu_cost.trials()["stablekeypoints_celeba"][0]


@pytest.mark.parametrize(("network", "tokens", "measured_mb"), [
    (SD15, 500, 1850), (SMALL, 100, 163), (SMALL, 500, 401)])
def test_a_steps_memory_is_near_that_measured_on_a_cpu(celeba, network, tokens, measured_mb):
    """One scene, view and copy, float32, beyond the weights."""
    parts = gpu_cost.memory(replace(celeba, tokens=tokens), network, 1)
    one_scene = gpu_cost.memory(replace(celeba, tokens=tokens, scenes_per_step=1), network)
    assert parts["step"] == one_scene["step"]
    assert (one_scene["step"] + one_scene["maps"]) / 1e6 == pytest.approx(measured_mb, rel=0.1)


def test_a_steps_operations_are_those_counted(celeba):
    """Up to the fourth layer and back 1008 GFLOP a view."""
    one, two = (gpu_cost.gflop(replace(celeba, steps=steps, scenes_per_step=1), SD15, FURTHER) for steps in (1, 2))
    assert two - one == pytest.approx(2 * 1008, rel=0.01)


def test_less_of_anything_takes_less(celeba):
    for spec, network in gpu_cost.trials().values():
        whole = gpu_cost.needed(spec, network)
        for change in ({"precision": "bf16"}, {"tokens": 100}, {"map_side": 32}, {"fit_scenes": 50}):
            assert gpu_cost.needed(replace(spec, **change), network) < whole
        assert gpu_cost.needed(spec, network, small=True) < whole
        assert gpu_cost.hours(spec, network, gpu_cost.GPUS[0], FIRST) > gpu_cost.hours(
            spec, network, gpu_cost.GPUS[0], FURTHER)
    assert gpu_cost.needed(celeba, SD15, 1) < gpu_cost.needed(celeba, SD15, 2) < gpu_cost.needed(celeba, SD15)
    assert gpu_cost.gflop(celeba, SD15, FURTHER, 1) > gpu_cost.gflop(celeba, SD15, FURTHER)


def test_what_fits_is_the_largest_part_and_the_encoders_leave_last(celeba):
    room = gpu_cost.needed(celeba, SD15, 2)
    assert gpu_cost.fitting(celeba, SD15, room) == (2, False)
    assert gpu_cost.fitting(celeba, SD15, 1000 * GB) == (0, False)
    assert gpu_cost.fitting(celeba, SD15, gpu_cost.needed(celeba, SD15, 1, small=True)) == (1, True)
    assert gpu_cost.fitting(celeba, ZERO123PLUS, GB) is None


def test_the_documents_tables_are_those_that_are_printed():
    text = (Path(__file__).parents[2] / "docs/performance.md").read_text("utf-8")
    assert gpu_cost.table(gpu_cost.costs()) in text
    assert gpu_cost.table(gpu_cost.turns()) in text
