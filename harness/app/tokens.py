"""The tokens of a source: a trial's own, checked against its record, or a seed's untrained ones."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from harness import registry
from harness.app.sources import Source
from harness.method.evolution import Unfaithful
from harness.method.localise import choose, locate
from harness.method.optimise import initial_tokens
from harness.method.passes import Passes
from harness.method.session import Session, arithmetic
from harness.method.tracks import Evolution
from harness.method.trial import localised_split, scored_split, stored_gates
from harness.report.evolution.agreement import Agreement, agreement

if TYPE_CHECKING:
    from torch import Tensor

COMPARED_SCENES = 8  # of a trial's test scenes, to find which token is tied to which keypoint
NO_RECORD = Agreement(0, 0, None, None, ())


@dataclass(frozen=True)
class Tokens:
    """All tokens (N D), the kept ones' numbers (J), a fusion's gates, and how they agree with their record."""

    tokens: "Tensor"
    kept: "Tensor"
    gates: "dict[str, Tensor]"
    agreement: Agreement

    @property
    def order(self) -> list[int]:
        """Return the kept tokens' places, those that are tied to a keypoint first."""
        tied = [j for j in dict.fromkeys(self.agreement.tied) if j >= 0]
        return tied + [j for j in range(len(self.kept)) if j not in tied]


@torch.no_grad()
def tokens_of(source: Source, session: Session) -> Tokens:
    """Return a source's tokens.

    Raises:
        UsageError: A trial's data or weights are not those of its record.
        Unfaithful: A trial's tokens do not find the points of its record.
    """
    passes = _passes(source, session)
    with arithmetic(exact=source.spec.precision != "tf32"):
        return _untrained(source, passes, session) if source.store is None else _recorded(source, passes, session)


def _passes(source: Source, session: Session) -> Passes:
    spec = source.spec
    return Passes(session.model, registry.build("fusion", spec.fusion.name, spec.fusion.knobs), spec)


def _untrained(source: Source, passes: Passes, session: Session) -> Tokens:
    spec = source.spec
    tokens = initial_tokens(spec.tokens, session.model.width, spec.seed).to(session.model.device)
    split = localised_split(session, spec, "optimise", spec.optimise_scenes)
    selection = registry.build("selection", spec.selection.name, spec.selection.knobs)
    return Tokens(tokens, choose(passes, split, tokens, selection), {}, NO_RECORD)


def _recorded(source: Source, passes: Passes, session: Session) -> Tokens:
    assert source.store is not None
    source.demand_unchanged()
    device, stored = session.model.device, source.stored()
    tokens, kept = stored["tokens"].to(device), stored["kept"].to(device)
    first = scored_split(session, source.spec).part(slice(0, COMPARED_SCENES))
    located = locate(passes, first, tokens, kept)
    evolution = Evolution(0, "", tuple(kept.tolist()), session.data.keypoint_names, (), located, first.truth_yx,
                          first.visible, first.normaliser_px, first.size_px)
    found = agreement(evolution, source.store.points(source.trial), {})
    if found.problem:
        raise Unfaithful(f"trial {source.trial[:8]}: {found.problem}: these are not the maps of its scores; nothing is "
                         "drawn")
    return Tokens(tokens, kept, stored_gates(stored, device), found)


def few(agreed: Agreement, places: list[int]) -> Agreement:
    """Return an agreement in which only the kept tokens at ``places`` exist."""
    return replace(agreed, tied=tuple(places.index(j) if j in places else -1 for j in agreed.tied))
