"""A trial's id is the hash of its sorted JSON, one by one and for many in a row."""

import hashlib
import json

from harness.config.grid import Cells
from harness.config.ids import Ids
from harness.config.located_yaml import parse
from harness.config.settings import fill_defaults
from harness.config.spec import ADDED, RESULTS_VERSION


def cells(grid, seeds):
    axes = {path: values.value for path, values in parse(grid, "grid").value.items()}
    return Cells(fill_defaults(None), axes, seeds)


def test_ids_of_many_are_the_ids_of_each():
    ids, specs = Ids(), cells("fusion: [blend, spatial]\nsteps: [1, 2]\nfusion.alpha: [0.1, 0.2, 0.3]", range(5))
    made = [ids.of(spec, "d", "w") for spec in specs]
    assert made == [spec.id("d", "w") for spec in specs]
    assert len(set(made)) == len(specs)
    assert ids.of(specs[0], "d2", "w") != made[0]


def test_an_id_is_what_it_always_was():
    """The hash of the sorted JSON of setting, data, weights and version: kept so, or every record is computed anew."""
    for spec in cells("losses: [[sharpening], {sharpening: {weight: 2}, equivariance: {}}]", (0, 7)):
        known = {name: value for name, value in spec.to_dict().items() if name not in ADDED}
        text = json.dumps([known, "d", "w", RESULTS_VERSION], sort_keys=True, separators=(",", ":"))
        assert spec.id("d", "w") == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_settings_that_came_later_count_where_they_are_set():
    assert {name: getattr(cells("steps: [1]", (0,))[0], name) for name in ADDED} == ADDED
    specs = cells("context: [concat]\ntext_bias: [0, -1]\ntext_tokens: [0, 1]", (0,))
    ids = Ids()
    assert [ids.of(spec, "d", "w") for spec in specs] == [spec.id("d", "w") for spec in specs]
    assert len({spec.id("d", "w") for spec in specs}) == 4
