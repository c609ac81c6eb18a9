"""Fusions that cannot act: such trials compute the baseline, so they are planned as the baseline, once."""

from collections.abc import Iterable
from functools import cache

from harness.config.located_yaml import Located
from harness.config.settings import normalise, resolve_field
from harness.config.spec import Choice, TrialSpec

DECISIVE = ("fusion", "losses", "view_scenes", "generated_scenes")  # settings that `acting_fusion` reads


def acting_fusion(spec: TrialSpec) -> Choice:
    """Return the fusion that a trial's result depends on: `none` without knobs of its own if no view is painted."""
    return spec.fusion if spec.paints_views and spec.fusion.name != "none" else _baseline()


def idle_remark(specs: Iterable[TrialSpec]) -> str:
    """Return a line about the fusions that cannot act in some of these trials, "" if there are none.

    `none` at several strengths is no mistake, as in a grid of fusions and strengths; it runs once without a word.
    """
    idle = [spec.fusion for spec in specs if spec.fusion != acting_fusion(spec)]
    names = sorted({fusion.name for fusion in idle} - {"none"})
    return (f"fusion {', '.join(names)} has no effect where no view is painted (no nvs loss, view_scenes and "
            "generated_scenes 0): such trials are equal, and run once, as fusion=none") if names else ""


@cache
def _baseline() -> Choice:
    choice: Choice = resolve_field("fusion", {"fusion": normalise("fusion", Located("none", "default"))})
    return choice
