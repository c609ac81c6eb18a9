"""Readouts that trials share: equal tokens are read once in a process, untrained ones once in the cache folder."""

import hashlib
import inspect
from collections import OrderedDict
from collections.abc import Callable
from functools import cache as once
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness import user_cache
from harness.method import cache
from harness.method.encode import Encoder, Split
from harness.method.evaluate import Assignment, Readout, read_out
from harness.method.localise import Located
from harness.method.metrics.base import HeldOut
from harness.method.optimise import initial_tokens
from harness.method.passes import Passes
from harness.method.selection.base import Selection

KEPT = 16  # readouts in memory
TRAINING = ("fusion", "losses", "steps", "learning_rate", "gate_learning_rate", "untrained", "view_scenes",
            "view_timesteps", "generated_scenes", "sampling_steps", "guidance")  # act on a readout through its tokens
Splits = tuple[Split, Split, Split]  # optimise, fit, test


class Readings:
    """The readouts of one session's model and data, by everything that decides them.

    ``key`` stands for model, weights, data and device, as in the cache of encoded scenes.
    """

    def __init__(self, encoder: Encoder, key: str) -> None:
        self._encoder, self._key = encoder, key
        self._kept: OrderedDict[str, Readout] = OrderedDict()

    def of(self, passes: Passes, splits: Splits, tokens: Tensor, selection: Selection) -> Readout:
        """Return the readout of a trial's tokens; `none` and `spatial` of one seed have equal ones."""
        return self._once(self._text(passes, tokens), lambda: read_out(passes, *splits, tokens, selection))

    def untrained(self, passes: Passes, splits: Splits, selection: Selection) -> Readout:
        """Return the readout of a trial's initial tokens, which trials that differ in training alone share."""
        model, spec = passes.model, passes.spec
        tokens = initial_tokens(spec.tokens, model.width, spec.seed).to(model.device)
        text = self._text(passes, tokens)

        def read() -> Readout:
            if user_cache.changed_since_start():  # older code would read them in the name of the code in the files
                return read_out(passes, *splits, tokens, selection)
            made_by = (torch.__version__, torch.get_num_threads(), _code(type(selection)))  # decide last digits
            path = cache.path("untrained", repr((text, made_by)))
            stamp = repr([self._encoder.stamp(name, len(split))
                          for name, split in zip(("optimise", "fit", "test"), splits, strict=True)])
            stored = cache.read(path, stamp)
            if stored is not None:
                return _restore(stored, tokens)
            readout = read_out(passes, *splits, tokens, selection)
            cache.write(path, _flat(readout), stamp)
            return readout

        return self._once(text, read)

    def _text(self, passes: Passes, tokens: Tensor) -> str:
        """Return everything that decides a readout, as text."""
        settings = {name: value for name, value in passes.spec.to_dict().items() if name not in TRAINING}
        states = tokens, *(embeddings for _, embeddings in passes.beside.further)
        digests = [hashlib.sha256(state.detach().cpu().contiguous().numpy().tobytes()).hexdigest() for state in states]
        return repr((self._key, passes.options.micro_batch, settings, *digests))

    def _once(self, text: str, read: Callable[[], Readout]) -> Readout:
        if text not in self._kept:
            self._kept[text] = read()
        self._kept.move_to_end(text)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[text]


@once
def _code(selection: type) -> str:
    """Return a hash of the code that reads tokens, so that a change to it never meets an older reading."""
    folders = [user_cache.PACKAGE / name for name in ("method", "ops", "models", "data")]
    files = [path for folder in folders for path in user_cache.modules(folder)]
    digest = hashlib.sha256()
    for path in [*files, Path(inspect.getfile(selection))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _flat(readout: Readout) -> dict[str, Tensor]:
    """Return a readout's tensors by name, all but its tokens."""
    assignment, located, held_out = readout.assignment, readout.located, readout.held_out
    tensors = {
        "kept": readout.kept, "matched": torch.tensor(assignment.matched), "oracle": torch.tensor(assignment.oracle),
        "regressor": assignment.regressor, "points_yx": located.points_yx, "maps": located.maps,
        **{f"statistics.{name}": value for name, value in located.statistics.items()},
        **({f"held_out.{name}": value for name, value in vars(held_out).items()} if held_out is not None else {}),
    }
    return {name: value.cpu().contiguous() for name, value in tensors.items()}


def _restore(stored: dict[str, Tensor], tokens: Tensor) -> Readout:
    parts = _below("held_out.", stored)
    assignment = Assignment(tuple(stored["matched"].tolist()), tuple(stored["oracle"].tolist()), stored["regressor"])
    located = Located(stored["points_yx"], _below("statistics.", stored), stored["maps"])
    return Readout(tokens, stored["kept"], assignment, located, HeldOut(**parts) if parts else None)


def _below(prefix: str, stored: dict[str, Tensor]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
