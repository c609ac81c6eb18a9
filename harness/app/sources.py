"""Where tokens come from: recorded trials, and shipped models with untrained tokens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import registry
from harness.config.spec import RESULTS_VERSION, Choice, TrialSpec
from harness.errors import UsageError
from harness.store.experiments import recorded_experiments
from harness.store.store import Store

if TYPE_CHECKING:
    from torch import Tensor

UNTRAINED_SCENES = 4  # on which untrained tokens are ranked
SCENES = 16  # of a shipped model's figures


@dataclass(frozen=True)
class Source:
    """A setting with its tokens: those of a recorded trial, or a seed's untrained ones where there is no ``store``."""

    name: str
    spec: TrialSpec
    store: Store | None = None
    trial: str = ""
    fingerprints: tuple[tuple[str, str], ...] = ()

    @property
    def layers(self) -> int:
        """The number of layers that can be captured."""
        count = registry.build("models", self.spec.model.name, self.spec.model.knobs).up_layers()
        return count or max(self.spec.layers) + 1

    @property
    def side_px(self) -> int:
        """The side of a view."""
        return int(self.spec.data.knobs.get("side_px", 256))

    def demand_unchanged(self) -> None:
        """Raise UsageError if a trial's data or weights are not those of its record."""
        from harness.method.fingerprints import fingerprints

        current = fingerprints(self.spec) if self.store else {}
        changed = [name for name, value in self.fingerprints if current.get(name) != value]
        if changed:
            raise UsageError(f"trial {self.trial[:8]}: its {' and '.join(changed)} changed since it was recorded; its "
                             "maps cannot be captured again")

    def stored(self) -> "Mapping[str, Tensor]":
        """Return a recorded trial's tokens, kept tokens and gates."""
        assert self.store is not None
        return self.store.tokens(self.trial)


def sources(results: Path) -> dict[str, Source]:
    """Return what can be chosen, by its label: recorded trials, newest first, then the shipped models."""
    trials = sorted(_trials(results), key=lambda pair: pair[0], reverse=True)
    return {source.name: source for source in [*(trial for _, trial in trials), *_untrained()]}


def _trials(results: Path) -> Iterator[tuple[str, Source]]:
    for experiment in recorded_experiments(results):
        store = Store(results, experiment)
        for record in store.records():
            if record["status"] == "finished" and record.get("results_version") == RESULTS_VERSION:
                spec = TrialSpec.from_dict(record["spec"])
                name = (f"{experiment} {record['id'][:8]}: {spec.model.name}, {spec.fusion.name}, {spec.steps} steps, "
                        f"seed {spec.seed}")
                prints = tuple(sorted(record["fingerprints"].items()))
                yield str(record["ended"]), Source(name, spec, store, str(record["id"]), prints)


def _untrained() -> Iterator[Source]:
    for variant in registry.variants("models"):
        if registry.build("models", variant.name).is_small:
            yield Source(f"{variant.name}: untrained tokens", untrained_spec(variant.name))


def untrained_spec(model: str) -> TrialSpec:
    """Return the setting of untrained tokens on a shipped model: its figures, in six views if it paints six."""
    def choice(kind: str, name: str, **knobs: Any) -> Choice:
        return Choice(name, registry.settings(kind, name, knobs, kind))

    views = 6 if registry.build("models", model).cameras else 1
    return TrialSpec(
        model=choice("models", model), data=choice("data", "figures", views=views), fusion=choice("fusion", "none"),
        selection=choice("selection", "gaussian_fps"), losses=(), steps=0, keypoints=8,
        optimise_scenes=UNTRAINED_SCENES, test_scenes=SCENES, view_scenes=1)
