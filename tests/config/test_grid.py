"""The lazy cells of a grid are those that resolving each of them would give."""

from dataclasses import replace
from itertools import product

import pytest

from harness.config.grid import Cells
from harness.config.located_yaml import Located
from harness.config.settings import assign_all, fill_defaults, resolve
from harness.errors import UsageError


def at(value, line=1):
    if isinstance(value, dict):
        return Located({key: at(item, line) for key, item in value.items()}, f"x.yaml:{line}")
    if isinstance(value, list):
        return Located(tuple(at(item, line) for item in value), f"x.yaml:{line}")
    return Located(value, f"x.yaml:{line}")


def axes(**values):
    return {path.replace("__", "."): tuple(at(value, line) for value in given)
            for line, (path, given) in enumerate(values.items(), start=1)}


GRIDS = {
    "none": {},
    "one": {"steps": [1, 2, 3]},
    "knob": {"fusion": ["blend", "spatial"], "steps": [1, 2], "fusion__alpha": [0.1, 0.2, 0.3]},
    "losses": {"losses": [["sharpening"], {"sharpening": {"weight": 2}, "equivariance": {}}], "seed_free": None},
    "together": {"tokens": [16, 32], "keypoints": [8, 16], "layers": [[0], [0, 1]]},
}
del GRIDS["losses"]["seed_free"]


@pytest.mark.parametrize("name", GRIDS)
def test_cells_are_those_of_the_whole_product(name):
    settings, given, seeds = fill_defaults(None), axes(**GRIDS[name]), (3, 0)
    cells = Cells(settings, given, seeds)
    whole = [replace(resolve(assign_all(settings, dict(zip(given, values, strict=True)), "grid.")), seed=seed)
             for values in product(*given.values()) for seed in seeds]
    assert list(cells) == whole
    assert [cells[i] for i in range(len(cells))] == whole
    assert (len(cells), cells[-1], cells[1:4]) == (len(whole), whole[-1], tuple(whole[1:4]))
    with pytest.raises(IndexError):
        cells[len(cells)]


def test_examples_hold_every_value_and_every_seed():
    cells = Cells(fill_defaults(None), axes(**GRIDS["knob"]), (0, 5))
    examples = list(cells.examples())
    assert {(spec.fusion.name, spec.fusion.knobs["alpha"]) for spec in examples} == set(
        product(("blend", "spatial"), (0.1, 0.2, 0.3)))
    assert {spec.steps for spec in examples} == {1, 2}
    assert {spec.seed for spec in examples} == {0, 5}


@pytest.mark.parametrize(("grid", "message"), [
    ({"steps": [5, "x"]}, r"x.yaml:1: steps: 'x' is not valid"),
    ({"steps": [1], "fusion": ["none", "blind"]}, r"x.yaml:2: fusion: unknown variant 'blind'; did you mean 'blend'\?"),
    ({"fusion": ["blend", "none"], "steps": [1, 2], "fusion__alpha": [0.1]}, r"x.yaml:3: fusion: 'none' has no knob"),
    ({"tokens": [64, 8], "steps": [1, 2], "keypoints": [4, 16]}, r"x.yaml:3: keypoints: 16 of 8 tokens cannot"),
    ({"steps": [1, 2], "fusion": ["none", {"name": "none"}]}, r"x.yaml:2: grid: the point steps=1, fusion=.* twice"),
    ({"learning_rate": [1, 1.0]}, r"the point learning_rate=1.0 is listed twice"),
])
def test_a_wrong_value_anywhere_is_found_before_any_trial_is_made(grid, message):
    with pytest.raises(UsageError, match=message):
        Cells(fill_defaults(None), axes(**grid), (0,))
