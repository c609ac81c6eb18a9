"""What labels decide on the fit split, on points worked out by hand."""

import pytest
import torch

from harness import registry
from harness.method import localise, session
from harness.method.encode import Split
from harness.method.evaluate import assign_keypoints, hold_out
from harness.method.localise import Located
from harness.method.passes import Passes
from harness.method.trial import run
from harness.models.pipelines.parts import Condition
from tests.conftest import open_session, small_spec

HEAD, TAIL = (0.2, 0.2), (0.8, 0.8)


def split(scenes, visible=None):
    """``scenes`` of one view, with a head and a tail; images of 100 px, normaliser 50."""
    shown = torch.ones(scenes, 1, 2, dtype=torch.bool) if visible is None else torch.tensor(visible)[:, None]
    truth = torch.tensor([HEAD, TAIL]).expand(scenes, 1, 2, 2)
    return Split(torch.zeros(scenes, 1, 1, 1, 1), truth, shown, torch.full((scenes, 1), 50.0), (100, 100), Condition())


def located(tokens):
    """Points of each token, one per scene: ``tokens[n][m]``."""
    points = torch.tensor(tokens, dtype=torch.float64).transpose(0, 1)[:, None]
    return Located(points, {}, torch.empty(0, 1, 0, 1, 1))


def test_each_half_is_scored_with_the_ties_of_the_other():
    # Token 0 marks the head in even scenes and the tail in odd ones, token 1 the other way round: each half ties them
    # so that the other half is wrong everywhere, though ties made on all scenes would be right half of the time.
    swapping = located([[HEAD, TAIL, HEAD, TAIL], [TAIL, HEAD, TAIL, HEAD]])
    fit = hold_out(swapping, split(4), torch.tensor([0, 1]))
    torch.testing.assert_close(fit.error_px, torch.full((4, 1, 2), 60 * 2**0.5, dtype=torch.float64))
    steady = located([[TAIL] * 4, [HEAD] * 4])
    assert hold_out(steady, split(4), torch.tensor([0, 1])).error_px.abs().max() < 1e-5


def test_only_the_kept_tokens_are_tied():
    three = located([[HEAD] * 4, [TAIL] * 4, [(0.5, 0.5)] * 4])
    fit = hold_out(three, split(4), torch.tensor([2, 1]))
    torch.testing.assert_close(fit.error_px[..., 0], torch.full((4, 1), 30 * 2**0.5, dtype=torch.float64))
    assert fit.error_px[..., 1].abs().max() < 1e-5


def test_a_keypoint_that_the_other_half_never_shows_has_no_token():
    visible = [[True, True], [True, False], [True, True], [True, False]]  # odd scenes show no tail
    fit = hold_out(located([[HEAD] * 4, [TAIL] * 4]), split(4, visible), torch.tensor([0, 1]))
    assert fit.error_px[0::2, 0, 1].isnan().all()  # even scenes are tied by the odd ones
    assert fit.error_px[1::2, 0, 1].isfinite().all()
    assert fit.error_px[..., 0].isfinite().all()


def test_a_half_that_shows_nothing_ties_nothing():
    visible = [[True, True], [False, False]]
    fit = hold_out(located([[HEAD] * 2, [TAIL] * 2]), split(2, visible), torch.tensor([0, 1]))
    assert fit.error_px[0].isnan().all()


def test_one_scene_cannot_be_held_out():
    assert hold_out(located([[HEAD], [TAIL]]), split(1), torch.tensor([0, 1])) is None


def test_ties_are_those_of_least_error_over_all_scenes():
    found = located([[(0.5, 0.5)] * 3, [TAIL] * 3, [HEAD] * 3])
    ties = assign_keypoints(found, split(3), torch.tensor([0, 1]))
    assert ties.matched == (0, 1)  # of the kept ones
    assert ties.oracle == (2, 1)


def sizes(free, monkeypatch, **settings):
    """Return the sizes of a reading's batches of 40 scenes, with so many bytes of GPU memory."""
    monkeypatch.setattr(localise, "free_memory", lambda device: free)
    spec = small_spec("tiny_sd", data={"views": 1}, view_scenes=0, **settings)
    opened = open_session(spec)
    passes = Passes(opened.model, registry.build("fusion", "none", {}), spec)
    return [len(range(40)[rows]) for rows in localise._batches(opened.encoder.split("test", 40), passes)]


def test_on_a_gpu_batches_follow_the_free_memory(random_models, monkeypatch):
    assert sizes(2**40, monkeypatch) == [40]
    assert sizes(0, monkeypatch) == [1] * 40
    found = [max(sizes(free, monkeypatch)) for free in (2**20, 2**22, 2**24)]
    assert found == sorted(set(found))
    assert all(size & (size - 1) == 0 for size in found)  # powers of two
    small, large = (max(sizes(2**22, monkeypatch, tokens=n, map_side=32)) for n in (12, 200))
    assert large < small


def test_on_the_cpu_batches_are_always_the_same(random_models, monkeypatch):
    assert localise.free_memory(torch.device("cpu")) is None
    assert sizes(None, monkeypatch) == [40]
    assert sizes(None, monkeypatch, tokens=4096, map_side=32) == [16, 16, 8]


def test_memory_that_pytorch_keeps_for_reuse_is_free(monkeypatch):
    for name, value in {"mem_get_info": (100, 1000), "memory_reserved": 70, "memory_allocated": 30}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert localise.free_memory(torch.device("cuda", 0)) == 140


@pytest.mark.parametrize("copies", [0, 2])
def test_another_size_of_batches_changes_rounding_alone(random_models, monkeypatch, copies):
    spec = small_spec("tiny_sd", data={"views": 1}, view_scenes=0, steps=0, localise_copies=copies, copies_scenes=3)
    found = []
    for free in (0, 2**40):
        monkeypatch.setattr(localise, "free_memory", lambda device, free=free: free)
        session._session.cache_clear()  # equal tokens are read once in a process
        found.append(run(spec).scores)
    assert found[0]["entropy"] == pytest.approx(found[1]["entropy"], rel=1e-4)
    assert found[0]["pck_oracle@0.2"] == pytest.approx(found[1]["pck_oracle@0.2"], abs=0.1)
