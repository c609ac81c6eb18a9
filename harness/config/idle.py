"""Settings that cannot act: a trial with them equals one without, so it is planned as that one, once."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from harness.config.located_yaml import Located
from harness.config.settings import normalise, resolve_field
from harness.config.spec import ADDED, Choice, TrialSpec

CONTEXT = ("context", "context_file", "context_softmax", "text_bias", "text_tokens")
COPIES = ("localise_copies", "copies_scenes", "fit_scenes")
DECISIVE = ("fusion", "losses", "view_scenes", "generated_scenes", *CONTEXT, *COPIES)  # settings that `effective` reads


def effective(spec: TrialSpec) -> Mapping[str, Any]:
    """Return the settings of a trial that cannot act, with the values that its result depends on."""
    fusion = acting_fusion(spec)
    values: dict[str, Any] = {} if fusion is spec.fusion else {"fusion": fusion}
    if spec.context == "replace":
        values |= {"text_tokens": 0, "text_bias": 0.0} | ({} if spec.context_file else {"context_softmax": "joint"})
    elif spec.context_softmax == "separate":
        values["text_bias"] = 0.0  # equal logits of a whole softmax cancel
    if not spec.localise_copies or spec.copies_scenes >= spec.fit_scenes:
        values["copies_scenes"] = 0
    return {name: value for name, value in values.items() if getattr(spec, name) != value}


def acting_fusion(spec: TrialSpec) -> Choice:
    """Return the fusion that a trial's result depends on: `none` without knobs of its own if no view is painted."""
    return spec.fusion if spec.paints_views and spec.fusion.name != "none" else _baseline()


def idle_remark(specs: Iterable[TrialSpec]) -> str:
    """Return a line about settings that cannot act in some of these trials, "" if there are none.

    `none` at several strengths is no mistake, as in a grid of fusions and strengths; it runs once without a word. So
    do settings of the text in trials without text, if they act in others.
    """
    idle = [(spec, effective(spec)) for spec in specs]
    names = sorted({spec.fusion.name for spec, changes in idle if "fusion" in changes} - {"none"})
    acting = {name for spec, changes in idle for name in (*CONTEXT, "copies_scenes")
              if name not in changes and getattr(spec, name) != ADDED.get(name)}
    context = sorted({name for _, changes in idle for name in changes if name in CONTEXT} - acting)
    remarks = [f"fusion {', '.join(names)} has no effect where no view is painted (no nvs loss, view_scenes and "
               "generated_scenes 0): such trials are equal, and run once, as fusion=none"] if names else []
    remarks += [f"{', '.join(context)}: no effect without text beside the tokens (context concat), of the bias nor "
                "with context_softmax separate: such trials are equal, and run once"] if context else []
    remarks += ["copies_scenes: no effect without localise_copies: such trials are equal, and run once"] if any(
        "copies_scenes" in changes and not spec.localise_copies for spec, changes in idle) \
        and "copies_scenes" not in acting else []
    return "; ".join(remarks)


@cache
def _baseline() -> Choice:
    choice: Choice = resolve_field("fusion", {"fusion": normalise("fusion", Located("none", "default"))})
    return choice
