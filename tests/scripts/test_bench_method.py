"""Every section of the bench that times paired cases runs, at tiny sizes; what it times is what it says."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from _bench import _document, _turns, capture, full_size, fusion, reading, scaling, selection, start, step, trial

from harness import registry, user_cache


def cases(figures):
    """Return the cases of the only group; each has a time and ratios in order."""
    (group,) = figures["groups"].values()
    for case in group["cases"].values():
        assert case["seconds"] > 0
        assert 0 < case["low"] <= case["ratio"] <= case["high"]
    assert group["cases"][group["base"]]["ratio"] == 1
    return group["cases"]


def test_a_step_is_the_references_and_is_timed_beside_it():
    found = step.measure("tiny", (30,), rounds=2)
    assert list(cases(found)) == ["plain forward", "floor", "ours", "maps", "reference"]
    assert all(case["megabytes"] >= 0 for case in cases(found).values())
    gains = found["gains"]["tiny, 30 tokens"]
    assert gains["maps_apart"] < 1e-6
    assert gains["gradients_apart"] < 1e-5


def test_processes_that_take_turns_one_at_a_time_are_timed_alike():
    cases = {name: (step.plain, {"size": "tiny", "tokens": 20}) for name in ("a", "b")}
    seconds, megabytes = _turns.turns_of_processes(cases, 2, one_at_a_time=True)
    assert [len(values) for values in seconds.values()] == [2, 2]
    assert all(value > 0 for values in seconds.values() for value in values)
    assert list(megabytes) == ["a", "b"]


def test_a_step_that_is_not_the_references_is_not_timed(monkeypatch):
    tempered = dict(step.losses())
    tempered.pop("equivariance")
    monkeypatch.setattr(step, "losses", lambda: tempered)
    with pytest.raises(RuntimeError, match="our step is not the reference's: tokens"):
        step.check("tiny", 30)


def test_steps_are_timed_along_each_axis_and_drawn(monkeypatch, tmp_path):
    monkeypatch.setattr(scaling, "TOKENS", 20)
    found = scaling.measure("tiny", rounds=2)
    assert list(found["groups"]) == list(found["exponents"]) == ["tokens", "map side", "latent side", "views", "scenes"]
    assert list(found["groups"]["views"]["cases"]) == ["plain forward", "1", "2", "4", "6"]
    shared = [found["groups"][axis]["cases"][value] for axis, value in (("tokens", "20"), ("views", "1"))]
    assert shared[0] == shared[1]  # one measurement
    made = {"sections": {"scaling": found}, "date": "", "quick": True, "commit": "",
            "machine": dict.fromkeys(("python", "torch", "diffusers", "device", "cpu_count"), "")}
    _document.write(tmp_path / "bench.json", made)
    drawn = (tmp_path / "bench_scaling.svg").read_text()
    assert "<svg" in drawn
    assert "## scaling" in (tmp_path / "bench.md").read_text()


def test_exponents_are_slopes_of_logarithms():
    grown = scaling.slopes([2, 4, 8], [1 + 2.0, 1 + 4.0, 1 + 8.0])
    assert 0.7 < grown["all"] < grown["largest"] == 0.85


def test_the_step_at_full_size_is_the_step(monkeypatch):
    monkeypatch.setattr(step, "measure", lambda *arguments: {"asked": arguments})
    assert full_size.measure() == {"asked": ("sd15", (500,), 3)}


def test_capture_is_timed_beside_a_bare_forward():
    assert len(cases(capture.measure("tiny", rounds=2))) == 5


def test_every_fusion_is_timed_beside_a_bare_forward():
    assert set(registry.names("fusion")) < set(cases(fusion.measure("tiny", rounds=2)))


def test_selection_is_timed_beside_the_references():
    found = selection.measure(tokens=40, side=32, candidates=(12,), rounds=2)
    assert [title.partition(",")[0] for title in found["groups"]] == [
        "rank 40 tokens", "sharpen 10 maps", "10 furthest of 12"]
    assert all(list(group["cases"]) == ["reference", "ours"] for group in found["groups"].values())


@pytest.mark.slow
def test_a_second_trial_finds_its_untrained_reading_on_disk(monkeypatch):
    monkeypatch.setattr(user_cache, "changed_since_start", lambda: False)  # also moments after an edit
    found = reading.measure(scenes=3, copies=2, rounds=2)
    assert list(cases(found)) == ["bare forward", "localise", "localise on 2 copies"]
    assert found["missed"] == []
    assert found["first_trial"]["untrained_images"] == 9  # three scenes of three splits
    assert found["second_trial"]["untrained_images"] == 0
    assert found["second_trial"]["unet_images"] == found["first_trial"]["unet_images"] - 9


def test_a_reading_that_is_not_found_is_missed(monkeypatch):
    trials = iter([{"untrained_images": 0}, {"untrained_images": 9}])
    monkeypatch.setattr(reading, "once", lambda function, **rest: next(trials) if "spec" in rest else {})
    assert len(reading.measure()["missed"]) == 2


@pytest.mark.slow
def test_a_trials_seconds_are_those_of_its_stages():
    found = trial.measure(rounds=2, steps=2, tokens=8, keypoints=4, optimise_scenes=2, fit_scenes=2, test_scenes=2,
                          view_scenes=1)
    stages = {name: case["seconds"] for name, case in cases(found).items()}
    whole = stages.pop("whole trial")
    assert stages.pop("optimise: nvs") < stages["optimise"]
    del stages["bare forward"]
    assert {"read trained tokens", "read untrained tokens", "view errors", "check capture"} < set(stages)
    assert sum(stages.values()) == pytest.approx(whole, rel=0.5)  # medians of stages need not add up
    assert {"load", "encode"} < set(found["first_trial"])


def test_the_start_of_a_command_is_timed_beside_an_interpreter():
    found = cases(start.measure(("list",), rounds=1))
    assert list(found) == ["bare interpreter", "list --help", "list", "plan quick", "status"]
    assert found["bare interpreter"]["megabytes"] < found["list"]["megabytes"]


def test_a_short_case_is_repeated_within_a_round():
    calls = []
    found = _turns.turns({"short": lambda: calls.append(1)}, rounds=3)
    assert len(found["short"]) == 3
    assert len(calls) > 100


def test_cases_take_turns(monkeypatch):
    monkeypatch.setattr(_turns, "SHORT", 0.0)  # no repeats
    order = []
    _turns.turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == [*"abab", *"abab"]  # the first four fill caches and count repeats


def test_the_memory_of_a_case_is_its_own():
    _, megabytes = _turns.turns_of_processes({"small": (allocate, {"count": 1}), "large": (allocate, {"count": 40})}, 1)
    assert megabytes["small"] < 20 < 35 < megabytes["large"]


def allocate(count):
    """Return a case that takes so many megabytes while it runs."""
    return lambda: len(bytearray(count * 2**20))


def fail():
    raise ValueError("a case that cannot be built")


def test_a_case_that_fails_is_no_measurement():
    with pytest.raises(RuntimeError, match="a case's process ended"):
        _turns.once(fail)
