"""The figures of an evolution: entropy and peak mass against noise, and the correlation of noise levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._base import Chart
from harness.report.figures._style import INK, PAGE_IN, looks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Track = Mapping[str, Any]
AXIS = "noise remaining (%)"


@dataclass(frozen=True)
class NoiseCurves(Chart):
    """Entropy and peak mass of the kept tokens' maps against the noise that remains, a line for each pass."""

    tracks: tuple[Track, ...]
    title: ClassVar[str] = "Attention as noise goes"
    axis: ClassVar[str] = AXIS
    limits: ClassVar[Mapping[str, Any]] = {"xlim": (102, -2)}

    @property
    def caption(self) -> str:
        """Return the caption."""
        scored = any(level["scored"] for track in self.tracks for level in track["levels"])
        return ("Mean over the kept tokens and the views of one test scene; noise falls to the right."
                + " Filled: the noise levels of the trial's scores." * scored)

    def size_in(self) -> tuple[float, float]:
        """Return the size: the page's width."""
        return PAGE_IN, 2.6

    def paint(self, figure: "Figure") -> None:
        """Draw both scores side by side."""
        both = figure.subplots(1, 2)
        for axes, (score, label) in zip(both, (("entropy", "normalised entropy"), ("peak_mass", "peak mass")),
                                        strict=True):
            for track, look in zip(self.tracks, looks(len(self.tracks)), strict=True):
                noise = [self.place(level) for level in track["levels"]]
                values = [level[score] for level in track["levels"]]
                axes.plot(noise, values, **look.line, label=track["name"], marker=look.marker, markersize=3.5,
                          markerfacecolor="white")
                scored = [i for i, level in enumerate(track["levels"]) if level["scored"]]
                axes.plot([noise[i] for i in scored], [values[i] for i in scored], color=look.colour,
                          linestyle="none", marker=look.marker, markersize=4.5)
            axes.set(xlabel=self.axis, ylabel=label, **self.limits)
        both[0].legend(loc="best")

    def place(self, level: Mapping[str, Any]) -> float:
        """Return a level's place on the horizontal axis."""
        return 100 * float(level["noise_remaining"])

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per pass and level."""
        return [{"pass": track["name"], **level} for track in self.tracks for level in track["levels"]]


@dataclass(frozen=True)
class StepCurves(NoiseCurves):
    """Entropy and peak mass of the kept tokens' maps over the steps of optimisation."""

    title: ClassVar[str] = "Attention during optimisation"
    axis: ClassVar[str] = "step"
    limits: ClassVar[Mapping[str, Any]] = {}

    @property
    def caption(self) -> str:
        """Return the caption."""
        return ("Mean over the finally kept tokens and the views of one test scene, at the trial's noise level. "
                "Filled: the tokens of the trial's scores.")

    def place(self, level: Mapping[str, Any]) -> float:
        """Return a level's place on the horizontal axis."""
        return float(level["step"])


@dataclass(frozen=True)
class LevelCorrelation(Chart):
    """Pearson's correlation of the maps of every two noise levels, a matrix for each pass."""

    tracks: tuple[Track, ...]
    title: ClassVar[str] = "Correlation of noise levels"

    @property
    def caption(self) -> str:
        """Return the caption."""
        return "Pearson's correlation over a view's pixels, mean over the kept tokens and the views of one test scene."

    def size_in(self) -> tuple[float, float]:
        """Return the size: the page's width for two passes."""
        return (PAGE_IN, 3.7) if len(self.tracks) > 1 else (4.6, 4.1)

    def paint(self, figure: "Figure") -> None:
        """Draw a matrix for each pass, with its values if they fit."""
        panels = figure.subplots(1, len(self.tracks), squeeze=False)[0]
        for axes, track in zip(panels, self.tracks, strict=True):
            matrix = track["correlation"]
            axes.imshow(matrix, vmin=-1, vmax=1, cmap="PuOr_r")
            ticks = [f"{100 * level['noise_remaining']:.0f}" for level in track["levels"]]
            axes.set_xticks(range(len(ticks)), ticks)
            axes.set_yticks(range(len(ticks)), ticks)
            axes.tick_params(labelsize=6, length=0)
            axes.grid(visible=False)
            axes.set(xlabel=AXIS, title=track["name"])
            for i, line in enumerate(matrix):
                for k, value in enumerate(line):
                    axes.text(k, i, f"{value:.2f}".replace("0.", ".").replace("1.00", "1"), ha="center", va="center",
                              fontsize=4.4, color="#ffffff" if abs(value) > 0.65 else INK)
        panels[0].set_ylabel(AXIS)
        figure.colorbar(panels[-1].images[0], ax=list(panels), shrink=0.7, pad=0.01).ax.tick_params(labelsize=6)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per pass and two levels."""
        return [{"pass": track["name"], "noise_remaining": one["noise_remaining"],
                 "other_noise_remaining": other["noise_remaining"], "correlation": track["correlation"][i][k]}
                for track in self.tracks for i, one in enumerate(track["levels"])
                for k, other in enumerate(track["levels"])]
