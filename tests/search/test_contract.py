"""Properties of every sampler and every pruner, future ones included."""

from itertools import pairwise

import pytest

from harness import registry
from harness.search.study import IDS
from harness.store.store import Store
from tests.search.synthetic import experiment, go, journal, trials_of

SAMPLERS, PRUNERS = registry.names("search.samplers"), registry.names("search.pruners")
SPACE = """\
    fusion: [none, {name: blend, alpha: {low: 0, high: 1, step: 0.5}}]
    learning_rate: {low: 0.01, high: 0.1, step: 0.03}
    map_side: {low: 30, high: 32}
"""
READINGS = [(name, by) for name in PRUNERS for knob in registry.variant("search.pruners", name).knobs
            if knob.name == "by" for by in knob.choices]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_stays_in_the_space_and_goes_on_where_it_was(name, tmp_path, store, ran):
    sampler = f"  sampler: {{name: {name}}}\n"
    asked = experiment(tmp_path, sampler, space=SPACE, budget="{trials: 8}")
    go(asked, store)
    whole, seen = journal(ran), set()
    for trial in trials_of(store):
        assert ("fusion.blend.alpha" in trial.params) == (trial.params["fusion"] == "blend")
        assert round(trial.params["learning_rate"], 9) in (0.01, 0.04, 0.07, 0.1)
        assert trial.params["map_side"] in (30, 31, 32)
        if IDS in trial.user_attrs:
            assert trial.user_attrs[IDS][0] not in seen
            seen.add(trial.user_attrs[IDS][0])
    assert len(whole) == len(seen) == 8
    ran.unlink()
    other = Store(tmp_path / "others", "hunt")
    for trials in (3, 8):
        go(experiment(tmp_path, sampler, space=SPACE, budget=f"{{trials: {trials}}}"), other)
    assert journal(ran) == whole


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_samplers_seed_matters_unless_it_lays_out_every_cell(name, tmp_path, ran):
    found = []
    for seed in (0, 1):
        search = f"  sampler: {{name: {name}, seed: {seed}}}\n"
        go(experiment(tmp_path, search, space=SPACE, budget="{trials: 5}"), Store(tmp_path / str(seed), "hunt"))
        found.append(journal(ran))
        ran.unlink()
    assert (found[0] == found[1]) == registry.variant("search.samplers", name).cls.exhaustive


@pytest.mark.parametrize(("name", "by"), READINGS)
def test_a_pruner_stops_the_poor_and_never_the_best(name, by, tmp_path, store, ran):
    every = "every: 1, " if by == "step" else ""
    pruner = f"  sampler: grid\n  pruner: {{name: {name}, {every}by: {by}}}\n"
    rates = [0.01, 0.012, 0.014, 0.016, 0.018, 0.02, 0.09, 0.095, 0.1]
    summary = go(experiment(tmp_path, pruner, "trial.steps=20", seeds=6, budget="",
                            space=f"    learning_rate: {rates}\n"), store)
    trials = trials_of(store)
    values = [trial.value for trial in trials if trial.state.name == "COMPLETE"]
    assert trials[0].state.name == "COMPLETE"
    assert trials[0].value == max(values)
    assert "PRUNED" in [trial.state.name for trial in trials]
    assert summary.done < len(rates) * 6
    assert all(earlier != later for earlier, later in pairwise(journal(ran)))
