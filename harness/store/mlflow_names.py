"""Names of settings and of runs in MLflow: what varies comes first, in words that fit a column, and the seed last."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.config import dotted
from harness.config.spec import ADDED

LONGEST_PARAM = 6000  # characters; MLflow truncates silently; record.json has the whole setting
LONGEST_NAME = 24  # characters of a run's name that its column shows beside charts
FEW = ("model", "data", "fusion", "selection", "losses", "tokens", "keypoints", "steps", "learning_rate")
Spec = Mapping[str, Any]


class Names:
    """The names of one experiment's settings.

    Args:
        experiment: the name of a setting in which nothing varies but the seed.
        axes: the settings that vary, as dotted paths, in the experiment's order.
        specs: the planned trials; knobs in which variants of one name differ are named too.

    Example:
        >>> specs = [{"fusion": {"name": "blend", "alpha": alpha}, "steps": 40, "seed": 0} for alpha in (0.3, 0.5)]
        >>> names = Names("strength", ["fusion", "steps"], specs)
        >>> names.run(names.setting(specs[0]), specs[0])
        'blend 0.3 40 seed=0'
    """

    def __init__(self, experiment: str, axes: Sequence[str] = (), specs: Iterable[Spec] = ()) -> None:
        self._experiment = experiment
        self._axes = tuple(dict.fromkeys(axis for axis in axes if axis != "seed"))
        self._owners: dict[str, str] = {}  # the digest of the setting that has a name
        self._knobs: dict[tuple[str, str], set[str]] = {}
        first: dict[tuple[str, str], dict[str, str]] = {}
        for spec in specs:
            for axis in self._axes:
                value = dotted.get(spec, axis)
                if isinstance(value, Mapping):
                    knobs, place = flatten(value), (axis, _kind(value))
                    one = first.setdefault(place, knobs)
                    differ = {path for path in one.keys() | knobs if one.get(path) != knobs.get(path)}
                    own = {path for path in differ if f"{axis}.{path}" not in self._axes}
                    self._knobs.setdefault(place, set()).update(own)

    def setting(self, spec: Spec, label: str = "") -> str:
        """Return what varies in a trial, the seed aside; of an experiment without axes what its label says."""
        words = [word for axis in self._axes for word in self._words(axis, dotted.get(spec, axis))]
        return " ".join(words) or label.rpartition("seed=")[0].strip() or self._experiment

    def distinct(self, spec: Spec, fingerprints: Mapping[str, str], setting: str) -> tuple[str, str]:
        """Return a setting's name and digest; a setting whose name another one has got its digest added to it.

        Such are a setting that was run before with another value of what does not vary now, and other weights.
        """
        digest = setting_digest(spec, fingerprints)
        is_first = self._owners.setdefault(setting, digest) == digest
        return (setting if is_first else f"{setting} {digest[:4]}"), digest

    def learn(self, setting: str, digest: str) -> None:
        """Note the name that a setting has in MLflow."""
        if setting and digest and not setting.endswith(f" {digest[:4]}"):
            self._owners.setdefault(setting, digest)

    def run(self, setting: str, spec: Spec) -> str:
        """Return the name of a trial's run: without the keys where it is too long, then cut, but never the seed."""
        seed = f" seed={spec.get('seed')}"
        room = LONGEST_NAME - len(seed)
        if len(setting) > room:
            setting = " ".join(word.rpartition("=")[2] for word in setting.split(" "))
        return (setting if len(setting) <= room else f"{setting[:room - 1]}\N{HORIZONTAL ELLIPSIS}") + seed

    def params(self, spec: Spec) -> dict[str, str]:
        """Return the params of a trial: what varies, the seed, and a few others; spec.yaml has all of them."""
        params = {}
        for axis in self._axes:
            value = dotted.get(spec, axis)
            params[axis] = _text(value)
            if isinstance(value, Mapping):
                inner = flatten(value)
                params |= {f"{axis}.{path}": inner[path] for path in sorted(self._knobs.get((axis, _kind(value)), ()))
                           if path in inner}
        params |= {key: _text(spec[key]) for key in ("seed", *FEW) if key in spec and key not in params}
        return {key: text for key, text in params.items() if text}

    def _words(self, axis: str, value: Any) -> list[str]:
        """Return an axis' value as words: a variant by its name with the knobs that differ, a number with its key."""
        if value is None:
            return []
        if isinstance(value, Mapping):
            inner = flatten(value)
            return [_kind(value), *(f"{path.rpartition('.')[2]}={inner[path]}"
                                    for path in sorted(self._knobs.get((axis, _kind(value)), ())) if path in inner)]
        text = f"{value:.4g}" if isinstance(value, float) else _text(value)
        return [value] if isinstance(value, str) else [f"{axis.rpartition('.')[2]}={text}"]


def read_plan(text: bytes | None) -> dict[str, Any]:
    """Return the content of experiment.json, as far as it can be read: axes, seeds, source, question, trials."""
    try:
        content = json.loads(text or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def setting_digest(spec: Spec, fingerprints: Mapping[str, str]) -> str:
    """Return a hash of a setting without its seed, with the fingerprints of its data and weights."""
    plain = {key: value for key, value in spec.items()
             if key != "seed" and (key not in ADDED or value != ADDED[key])}  # as in ids: runs of before keep theirs
    text = json.dumps([plain, {key: fingerprints.get(key) for key in ("data", "weights")}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as text by dotted name, truncated at LONGEST_PARAM."""
    params: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            params |= flatten(value, f"{prefix}{key}.")
        else:
            params[f"{prefix}{key}"] = _text(value)
    return params


def _kind(value: Mapping[str, Any]) -> str:
    """Return the name of a variant, or the names of several losses."""
    return str(value["name"]) if "name" in value else "+".join(value)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return _kind(value)
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return text if len(text) <= LONGEST_PARAM else text[:LONGEST_PARAM - 3] + "..."
