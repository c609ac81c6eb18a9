"""Ids of many trials in a row: a faster way to `TrialSpec.id`."""

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from operator import is_, itemgetter
from typing import Any

from harness.config.spec import ADDED, RESULTS_VERSION, TrialSpec, to_json


class Ids:
    """Equals `TrialSpec.id`, but converts to JSON only the settings that changed since the previous trial.

    A plan of 100,000 trials, each with its id, has to be listed within 5 s (`scripts/bench.py`). `TrialSpec.id` takes
    3.4 s for them, `Ids` 0.8 s: neighbours in a grid share most of their settings as the same objects, so an identity
    test finds the few that differ.
    """

    def __init__(self) -> None:
        self._names = sorted(f.name for f in fields(TrialSpec))
        self._values_of = itemgetter(*self._names)
        self._last_values: Sequence[Any] = [object()] * len(self._names)  # identical to no setting
        self._texts = [""] * len(self._names)
        self._fingerprints: tuple[str, ...] = ()

    def of(self, spec: TrialSpec, data_fingerprint: str, weights_fingerprint: str) -> str:
        """Return the id of a trial; arguments as in `TrialSpec.id`."""
        values = self._values_of(vars(spec))
        for i, same in enumerate(map(is_, values, self._last_values)):
            if not same:
                name = self._names[i]
                value = spec.plain(name)
                self._texts[i] = "" if name in ADDED and value == ADDED[name] else to_json({name: value})[1:-1]
        self._last_values = values
        if (data_fingerprint, weights_fingerprint) != self._fingerprints:
            self._fingerprints = data_fingerprint, weights_fingerprint
            self._rest = to_json([*self._fingerprints, RESULTS_VERSION])[1:]
        text = f"[{{{','.join(filter(None, self._texts))}}},{self._rest}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]
