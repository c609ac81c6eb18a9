"""What an evolution holds: captured maps at each noise level or optimisation step, level by level, pass by pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Bool, Float
from torch import Tensor

from harness.method.localise import Located
from harness.models.attention.capture import Residual


@dataclass(frozen=True)
class Level:
    """The kept tokens' maps at one noise level; ``scored``: the trial's scores were computed from these maps.

    ``noise`` is the share of noise in the variance of the latents. ``pictures`` are the noisy views in the localising
    pass, the model's estimate of the clean views in the view pass. ``under`` is what the maps lie over: the true views,
    or that estimate.
    """

    timestep: int
    noise: float
    scored: bool
    residual: Residual
    pictures: Float[Tensor, "V 3 h w"]
    under: Float[Tensor, "V 3 _ _"]
    maps: Float[Tensor, "V J H W"]
    step: int | None = None  # of the tokens, in a track over optimisation steps

    @property
    def at(self) -> str:
        """The place in its track, in words."""
        return f"noise remaining {100 * self.noise:.0f}%" if self.step is None else f"after {self.step} steps"

    @property
    def mark(self) -> str:
        """The same in short."""
        return f"{100 * self.noise:.0f}%" if self.step is None else str(self.step)

    @property
    def key(self) -> str:
        """The same in a file: the timestep, or the step."""
        return f"t{self.timestep}" if self.step is None else f"s{self.step}"


@dataclass(frozen=True)
class Track:
    """One pass over the noise levels, from most noise to least; ``source`` says what was captured.

    Or, if its levels have a ``step``, the localising pass at the trial's noise level over the steps of optimisation.
    """

    name: str
    source: str
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Evolution:
    """One test scene's attention over noise levels, and the readout of the first test scenes: captured tensors only.

    ``located`` holds every token's point and the kept tokens' maps in M scenes, as the trial's scores had them.
    ``groups`` is each context group's share of the first captured layer's attention; {} if the tokens stand alone.
    """

    scene: int
    scene_name: str
    kept: tuple[int, ...]
    keypoint_names: tuple[str, ...]
    tracks: tuple[Track, ...]
    located: Located
    truth_yx: Float[Tensor, "M V K 2"]
    visible: Bool[Tensor, "M V K"]
    normaliser_px: Float[Tensor, "M V"]
    size_px: tuple[int, int]
    groups: Mapping[str, Float[Tensor, "V h w"]] = field(default_factory=dict)
