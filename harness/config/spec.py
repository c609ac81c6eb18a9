"""Frozen dataclasses: the resolved setting of one trial with its id, and an experiment with its report and search."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from harness.config.space import Params, Space
from harness.registry import knob

RESULTS_VERSION = 2  # raise when results change meaning: records of other versions are stale
RESULTS_CHANGES = {  # what a version changed, for the comparison with an older report
    2: "kept tokens are ranked and spread out on the same maps; the noise of nvs is a stream of its own; error_3d is "
       "the mean of the middle two of an even number; entropy_view_pass of blend is entropy_view_pass_apart; views "
       "without a unit of errors are not scored",
}
PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "fp16_mixed")


@dataclass(frozen=True)
class Choice:
    """A variant's name with all its knobs, defaults included."""

    name: str
    knobs: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the form that YAML and JSON use."""
        return {"name": self.name, **self.knobs}


@dataclass(frozen=True)
class TrialSpec:
    """Everything that determines a trial's result: the variants (``Choice``), and the knobs of the trial itself."""

    model: Choice
    data: Choice
    fusion: Choice
    selection: Choice
    losses: tuple[Choice, ...]
    seed: int = 0
    tokens: int = knob(128, "tokens that are optimised (N)", low=1, high=100_000)
    keypoints: int = knob(16, "tokens that selection keeps (K)", low=1, high=10_000)
    steps: int = knob(100, "optimisation steps", low=0, high=10_000_000)
    scenes_per_step: int = knob(6, "scenes in one step (B)", low=1, high=4096)
    learning_rate: float = knob(0.02, "Adam's learning rate of the tokens", low=0.0, high=10.0)
    gate_learning_rate: float = knob(0.01, "Adam's learning rate of a fusion's gates", low=0.0, high=10.0)
    timestep: int = knob(50, "noise level of the keypoint pass, in training timesteps", low=0, high=999)
    layers: tuple[int, ...] = knob((0,), "captured cross-attention layers, counted along the up path", low=0)
    map_side: int = knob(32, "side of one view's map, in map pixels", low=4, high=512)
    sigma_px: float = knob(1.5, "spread of the Gaussian target, in map pixels", low=0.1, high=64.0)
    view_pass: str = knob("batch", "views through the UNet one by one, or as one canvas", choices=("batch", "canvas"))
    context: str = knob("replace", "tokens alone, or after the 77 text tokens", choices=("replace", "concat"))
    text_tokens: int = knob(0, "text tokens that stay with context concat, from the first on; 0: all", low=0, high=1000)
    text_bias: float = knob(0.0, "added to the text's logits with context concat", low=-100.0, high=100.0)
    context_file: str = knob("", "safetensors file of further embeddings beside the tokens", path=True)
    context_softmax: str = knob("joint", "one softmax over text, further embeddings and tokens, or one for each",
                                choices=("joint", "separate"))
    resize: str = knob("logits", "resize before the softmax, or after it", choices=("logits", "maps"))
    loss_level: str = knob("per_view", "map losses on each view, or on the canvas", choices=("per_view", "grid"))
    precision: str = knob("fp32", "arithmetic of the frozen model", choices=PRECISIONS)
    warp_degrees: float = knob(15.0, "largest rotation of the warped copies", low=0.0, high=180.0)
    warp_scale: float = knob(0.8, "smallest scale of the warped copies' sampling grid", low=0.1, high=1.0)
    warp_translate: float = knob(0.25, "largest shift of the sampling grid, half image sides", low=0.0, high=1.0)
    warp_bank: int = knob(4, "warped copies kept per image", low=1, high=1000)
    localise_copies: int = knob(0, "warped copies averaged to localise; 0: the view alone", low=0, high=100)
    copies_scenes: int = knob(0, "fit scenes that are read on warped copies, the first ones; 0: all", low=0)
    optimise_scenes: int = knob(48, "scenes that the tokens are optimised on", low=1)
    fit_scenes: int = knob(40, "scenes whose labels tie tokens to keypoints", low=1)
    test_scenes: int = knob(40, "scenes that are scored", low=1)
    untrained: bool = knob(True, "read the tokens before training too, as a baseline of the scores")
    view_scenes: int = knob(6, "test scenes on which the view pass's error is measured, at most all", low=0)
    view_timesteps: tuple[int, ...] = knob((200, 500, 800), "noise levels of that error", low=0, high=999)
    generated_scenes: int = knob(0, "test scenes whose views are generated and compared, at most all", low=0)
    sampling_steps: int = knob(28, "denoising steps of a generated canvas", low=1, high=1000)
    guidance: float = knob(4.0, "classifier-free guidance of generated canvases", low=0.0, high=100.0)

    @property
    def paints_views(self) -> bool:
        """True if the trial runs the view pass: for the nvs loss, for view errors, or for generated views."""
        return any(loss.name == "nvs" for loss in self.losses) or self.view_scenes > 0 or self.generated_scenes > 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data with every default, in field order."""
        return {f.name: self.plain(f.name) for f in fields(self)}

    def plain(self, name: str) -> Any:
        """Return one setting as plain data."""
        value = getattr(self, name)
        if isinstance(value, Choice):
            return value.to_dict()
        return {loss.name: dict(loss.knobs) for loss in value} if name == "losses" else value

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "TrialSpec":
        """Rebuild a spec from the form of `to_dict`, also after a round trip through JSON."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        for kind in ("model", "data", "fusion", "selection"):
            knobs = dict(values[kind])
            values[kind] = Choice(knobs.pop("name"), knobs)
        values["losses"] = tuple(Choice(name, knobs) for name, knobs in values["losses"].items())
        return cls(**values)

    def id(self, data_fingerprint: str, weights_fingerprint: str) -> str:
        """Return the trial's id: 16 hexadecimal digits of the SHA-256 of all that determines its result.

        Args:
            data_fingerprint: `Dataset.fingerprint()` of the trial's dataset.
            weights_fingerprint: hash of the base model's weights.

        Example:
            >>> spec = TrialSpec(Choice("tiny_sd"), Choice("figures"), Choice("none"), Choice("all"), (Choice("nvs"),))
            >>> spec.id("data", "weights")
            '29ac72b74255be5e'
        """
        return id_of(self.to_dict(), data_fingerprint, weights_fingerprint)


# Settings that came after results version 2, with the value that a trial without them had. Ids and settings of records
# leave them out at that value, so that a trial that finished before is still known.
ADDED: Mapping[str, Any] = {"text_tokens": 0, "text_bias": 0.0, "context_file": "", "context_softmax": "joint",
                            "copies_scenes": 0, "untrained": True}


def id_of(spec: Mapping[str, Any], data_fingerprint: str, weights_fingerprint: str) -> str:
    """Return the trial's id from a spec as plain data, such as a record holds."""
    known = {name: value for name, value in spec.items() if name not in ADDED or value != ADDED[name]}
    plain = [known, data_fingerprint, weights_fingerprint, RESULTS_VERSION]
    return hashlib.sha256(to_json(plain).encode()).hexdigest()[:16]


def to_json(plain: Any) -> str:
    """Return compact JSON with sorted keys: equal data gives equal text."""
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class RunOptions:
    """How a trial is computed. Results are the same up to rounding, so the id does not depend on it."""

    probe_every: int = 0  # steps between readings of PCK on the fit split while it runs; 0: none
    snapshot_every: int = 0  # steps between tokens that are kept to be looked at; 0: none
    micro_batch: int = 0  # scenes per backward pass; 0: all of scenes_per_step at once


@dataclass(frozen=True)
class Experiment:
    """An experiment: its trials in planned order, and the layout of its report."""

    name: str
    trials: Sequence[TrialSpec]
    axes: tuple[str, ...]
    seeds: tuple[int, ...]
    report: "ReportSpec"
    source: str
    search: "SearchSpec | None" = None
    remark: str = ""  # a line about settings that cannot act, for the screen


@dataclass(frozen=True)
class Published:
    """A figure that others published: its score, value and source, and the settings whose rows it is shown with."""

    score: str
    value: float
    source: str
    setting: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportSpec:
    """The experiment's `report:` block: dotted settings that name the rows, the baseline row, and extra columns.

    ``tests`` are the scores whose differences to the baseline are tested; empty: the default of each table.
    ``effects`` are settings whose main effects get a table. ``published`` are figures that others published.
    """

    rows: tuple[str, ...] = ()
    baseline: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()


@dataclass(frozen=True)
class Objective:
    """A score that a search optimises: its mean over seeds."""

    score: str
    direction: str  # maximize | minimize


@dataclass(frozen=True)
class Budget:
    """Limits that end a search: trials, minutes, or failures in a row; None for no limit."""

    trials: int | None = None
    minutes: float | int | None = None
    failures: int | None = None


@dataclass(frozen=True)
class SearchSpec:
    """The experiment's `search:` block; ``fixed`` holds the settings that it does not vary, as plain data."""

    space: Space
    fixed: Mapping[str, Any]
    objectives: tuple[Objective, ...]
    sampler: Choice
    pruner: Choice
    enqueue: tuple[Params, ...] = ()
    budget: Budget = Budget()
    storage: str = ""
