"""How often a step makes the host wait for the device: counted by the operators that need a value on the host."""

import traceback
from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness import registry
from harness.method.optimise import optimise
from harness.method.passes import Passes
from tests.conftest import open_session, small_spec

# On a GPU each of these waits for a value: `.item()`, `bool()`, `.tolist()`, shapes that data decide.
WAITING = {"_local_scalar_dense", "is_nonzero", "nonzero", "bincount", "unique_dim", "_unique2", "masked_select"}
STEPS = 3


class Waits(TorchDispatchMode):
    """The places in this package whose operators wait."""

    def __init__(self):
        super().__init__()
        self.places = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        masked = function.overloadpacket.__name__ == "index" and any(
            part is not None and part.dtype == torch.bool for part in args[1])
        if function.overloadpacket.__name__ in WAITING or masked:
            frames = traceback.extract_stack()
            if not any("torch/optim" in frame.filename for frame in frames):  # Adam counts its steps on the host
                own = [frame for frame in frames if "/harness/" in frame.filename] or frames[-2:-1]
                self.places.append(f"{own[-1].filename}:{own[-1].lineno}")
        return function(*args, **(kwargs or {}))


@pytest.fixture
def waits(monkeypatch):
    """Return a function that runs a trial's steps and returns the places that wait."""
    counted = Waits()
    for name in ("tolist", "cpu"):  # on the CPU they are no operators
        before = getattr(torch.Tensor, name)

        def counting(tensor, *given, name=name, before=before):
            frame = traceback.extract_stack()[-2]
            counted.places.append(f"{name} {frame.filename}:{frame.lineno}")
            return before(tensor, *given)

        monkeypatch.setattr(torch.Tensor, name, counting)
    return partial(steps_of, counted)


def steps_of(counted, spec):
    session = open_session(spec)
    passes = Passes(session.model, registry.build("fusion", spec.fusion.name, spec.fusion.knobs), spec)
    warps = (spec.warp_bank, spec.warp_degrees, spec.warp_scale, spec.warp_translate)
    split = session.encoder.split("optimise", spec.optimise_scenes, warps)
    selection = registry.build("selection", spec.selection.name, spec.selection.knobs)
    losses = {loss.name: registry.build("losses", loss.name, loss.knobs) for loss in spec.losses}
    counted.places.clear()
    with counted:
        optimise(passes, split, selection, losses, lambda step: None)
    return counted.places


@pytest.mark.usefixtures("random_models")
@pytest.mark.parametrize("settings", [
    {"fusion": "concat", "losses": ("sharpening", "equivariance", "nvs")},
    {"fusion": "hierarchical", "losses": ("sharpening", "nvs")},
    {"losses": registry.names("losses")},
    {"model": "tiny_sd", "data": {"views": 1}, "losses": ("sharpening", "equivariance"), "selection": "all"},
], ids=str)
def test_a_step_waits_for_the_device_at_most_four_times(waits, settings):
    places = waits(small_spec(**settings, steps=STEPS))
    assert len(places) <= 4 * STEPS, sorted(set(places))
    assert len(places) >= STEPS  # the values of a step are read; without it nothing would be counted


def test_the_count_sees_a_value_that_is_read():
    with Waits() as counted:
        torch.ones(()).item()
        torch.ones(3)[torch.tensor([True, False, True])]
    assert len(counted.places) == 2
