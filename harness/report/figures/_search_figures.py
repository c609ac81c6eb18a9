"""The figures of a search: history, importances and Pareto front.

They are drawn from plain numbers, not from the search's own classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.report.figures._base import Chart
from harness.report.figures._style import COLOURS, COLUMN_IN, FAINT, INK, draw_legend, height_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class HistoryPoint:
    """One trial of a search: its number, the objective's value (None without one), and its status."""

    number: int
    value: float | None
    status: str = "finished"


@dataclass(frozen=True)
class History(Chart):
    """Every trial's value in order, and the best so far; ``better`` is 1 if more is better, else -1."""

    objective: str
    better: int
    trials: tuple[HistoryPoint, ...]
    title: ClassVar[str] = "Optimisation history"

    @property
    def best(self) -> tuple[tuple[int, float], ...]:
        """Return the best finished value up to each finished trial."""
        best: list[tuple[int, float]] = []
        for trial in sorted(self.trials, key=lambda trial: trial.number):
            if trial.status == "finished" and trial.value is not None:
                is_beaten = best and self.better * best[-1][1] >= self.better * trial.value
                best.append((trial.number, best[-1][1] if is_beaten else trial.value))
        return tuple(best)

    @property
    def caption(self) -> str:
        """Return the caption; it counts the trials without a value."""
        lost = sum(trial.value is None for trial in self.trials)
        return f"{self.objective} of every trial in the order tried; line: the best so far." + (
            f" {lost} trials without a value are not shown." if lost else "")

    def size_in(self) -> tuple[float, float]:
        """Return the size."""
        return COLUMN_IN, height_in(["finished", "pruned"], COLUMN_IN)

    def paint(self, figure: "Figure") -> None:
        """Draw a mark per trial and the best so far."""
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        marks: dict[str, dict[str, Any]] = {"finished": {"marker": "o", "color": COLOURS[0]}}
        for status in dict.fromkeys(["finished", *(trial.status for trial in self.trials)]):
            points = [(t.number, t.value) for t in self.trials if t.status == status and t.value is not None]
            look = marks.get(status, {"marker": "x", "color": FAINT})
            if points:
                axes.plot(*zip(*points, strict=True), linestyle="none", label=status, **look)
        axes.step([number for number, _ in self.best], [value for _, value in self.best], where="post", color=INK,
                  label="best so far")
        axes.set(xlabel="trial", ylabel=self.objective)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        draw_legend(figure, axes)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per trial."""
        best = dict(self.best)
        return [{"trial": t.number, "status": t.status, self.objective: t.value, "best": best.get(t.number)}
                for t in self.trials]


@dataclass(frozen=True)
class Importances(Chart):
    """The importance of each dimension of the space to the objective, as shares of 1."""

    objective: str
    shares: Mapping[str, float]
    title: ClassVar[str] = "What mattered"

    @property
    def caption(self) -> str:
        """Return the caption; it names the objective and the measure."""
        return f"How far each dimension decides whether a setting is among the best by {self.objective} (PED-ANOVA)."

    def size_in(self) -> tuple[float, float]:
        """Return the size."""
        return COLUMN_IN, 0.55 + 0.2 * len(self.shares)

    def paint(self, figure: "Figure") -> None:
        """Draw a bar per setting, the largest on top."""
        axes = figure.subplots()
        ordered = sorted(self.shares.items(), key=lambda item: item[1])
        bars = axes.barh([name for name, _ in ordered], [share for _, share in ordered], color=COLOURS[0], height=0.62)
        axes.bar_label(bars, [f"{share:.2f}" for _, share in ordered], padding=2, fontsize=6.5)
        axes.set(xlabel="importance", xlim=(0, 1.12 * max([share for _, share in ordered], default=1.0) or 1.0))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per setting."""
        return [{"setting": name, "importance": share} for name, share in self.shares.items()]


@dataclass(frozen=True)
class Front(Chart):
    """Two objectives of every trial, and the Pareto front."""

    objectives: tuple[str, str]
    better: tuple[int, int]
    values: tuple[tuple[int, float, float], ...]
    title: ClassVar[str] = "Pareto front"

    @property
    def front(self) -> tuple[int, ...]:
        """Return the numbers of the trials that no other dominates: as good in both objectives and better in one."""
        signed = [(number, self.better[0] * x, self.better[1] * y) for number, x, y in self.values]
        return tuple(
            number for number, x, y in signed
            if not any(other_x >= x and other_y >= y and (other_x, other_y) != (x, y) for _, other_x, other_y in signed)
        )

    @property
    def caption(self) -> str:
        """Return the caption; it names both objectives."""
        return f"{self.objectives[0]} and {self.objectives[1]} of every finished trial; ringed: no other is better."

    def size_in(self) -> tuple[float, float]:
        """Return the size."""
        return COLUMN_IN, height_in(["Pareto front"], COLUMN_IN, 2.2)

    def paint(self, figure: "Figure") -> None:
        """Draw a mark per trial and join the front."""
        axes = figure.subplots()
        best = sorted((x, y) for number, x, y in self.values if number in self.front)
        axes.plot([x for _, x, _ in self.values], [y for _, _, y in self.values], linestyle="none", marker="o",
                  color=COLOURS[0], alpha=0.7, label="trials")
        axes.plot([x for x, _ in best], [y for _, y in best], linestyle=(0, (1, 1.5)), marker="o", markersize=6.5,
                  markerfacecolor="none", color=INK, label="Pareto front")
        wish = [f"{name} ({'more' if sign > 0 else 'less'} is better)"
                for name, sign in zip(self.objectives, self.better, strict=True)]
        axes.set(xlabel=wish[0], ylabel=wish[1])
        draw_legend(figure, axes)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per trial."""
        front = self.front
        return [{"trial": number, self.objectives[0]: x, self.objectives[1]: y, "on_front": number in front}
                for number, x, y in self.values]


def charts(objectives: Sequence[tuple[str, int]], trials: Sequence[tuple[int, Sequence[float | None], str]],
           importances: Mapping[str, Mapping[str, float]]) -> dict[str, Chart]:
    """Return a search's figures by file name.

    ``objectives`` are names with 1 (more is better) or -1; ``trials`` are number, a value per objective (or None) and
    status; ``importances`` are shares by objective and setting. Two objectives add their Pareto front.
    """
    figures: dict[str, Chart] = {}
    for place, (name, better) in enumerate(objectives):
        suffix = f"-{place + 1}" if len(objectives) > 1 else ""
        points = tuple(HistoryPoint(number, values[place], status) for number, values, status in trials)
        figures[f"history{suffix}"] = History(name, better, points)
        if importances.get(name):
            figures[f"importances{suffix}"] = Importances(name, dict(importances[name]))
    if len(objectives) == 2:
        (x, x_better), (y, y_better) = objectives
        pairs = [(number, values[0], values[1]) for number, values, status in trials if status == "finished"]
        complete = tuple((number, a, b) for number, a, b in pairs if a is not None and b is not None)
        figures["front"] = Front((x, y), (x_better, y_better), complete)
    return figures
