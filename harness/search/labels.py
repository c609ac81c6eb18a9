"""Short labels of trials: the settings that vary, as in the rows of a table."""

from collections.abc import Iterable, Sequence
from typing import Any

from harness.config.dotted import get
from harness.config.setting_texts import ABSENT, texts_of, without
from harness.config.spec import Choice, TrialSpec


class Labels:
    """Labels of consecutive trials: only the settings that differ from the last trial's are formatted again."""

    def __init__(self, axes: Sequence[str], trials: Iterable[TrialSpec] = ()) -> None:
        """Keep the axes, and what tells the values of an axis apart that occur in ``trials``."""
        self._axes = [(axis, *axis.partition(".")[::2]) for axis in dict.fromkeys((*axes, "seed"))]
        self._texts = _texts([axis for axis, _, rest in self._axes if not rest and axis != "seed"], axes, trials)
        self._last: list[Any] = [None] * len(self._axes)
        self._words = [""] * len(self._axes)

    def of(self, spec: TrialSpec) -> str:
        """Return the trial's values on the axes, such as `fusion=spatial seed=0`."""
        for place, (axis, first, rest) in enumerate(self._axes):
            value = getattr(spec, first, None)
            if value is not self._last[place]:
                self._last[place], self._words[place] = value, self._word(axis, value, rest)
        return " ".join(filter(None, self._words))

    def _word(self, axis: str, value: Any, rest: str) -> str:
        """Return one axis and its value, "" if the trial has no such setting."""
        if id(value) in self._texts.get(axis, ()):
            return f"{axis}={self._texts[axis][id(value)]}"
        plain = get(_plain(value), rest) if rest else _plain(value)
        text = plain if isinstance(plain, str | int | float) or plain is None else texts_of([plain])[0]
        return "" if text in (None, ABSENT) else f"{axis}={text}"


def _texts(whole: Sequence[str], axes: Sequence[str], trials: Iterable[TrialSpec]) -> dict[str, dict[int, str]]:
    """Return the texts of each whole setting's values by identity, without what has an axis of its own."""
    values: dict[str, dict[int, Any]] = {axis: {} for axis in whole}
    for spec in trials:
        for axis, by_identity in values.items():
            value = getattr(spec, axis, None)
            by_identity[id(value)] = value
    texts = {}
    for axis, by_identity in values.items():
        inner = [other.removeprefix(f"{axis}.") for other in axes if other.startswith(f"{axis}.")]
        plain = [without(_plain(value), inner) for value in by_identity.values()]
        texts[axis] = dict(zip(by_identity, texts_of(plain), strict=True))
    return texts


def _plain(value: Any) -> Any:
    """Return a choice or losses as plain data, any other value as it is."""
    if isinstance(value, Choice):
        return value.to_dict()
    if isinstance(value, tuple) and value and isinstance(value[0], Choice):
        return {loss.name: dict(loss.knobs) for loss in value}
    return value
