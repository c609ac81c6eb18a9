"""The live view: a row per worker with its trial, step, loss and PCK so far; below it, how all of it goes."""

from typing import TYPE_CHECKING, Self

from harness.cli._progress_lines import PROBE, Lines, duration
from harness.runner.coordinator import Planned

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.method.trial import Step

BAR = 20  # characters


class Live(Lines):
    """Ended trials stay as lines; those under way are redrawn below them. Colours as NO_COLOR and the terminal say."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.live import Live as Display

        self._rows: dict[str, tuple[str, Step | None]] = {}
        self._probed: dict[str, float] = {}
        self._display = Display(console=Console(stderr=True), get_renderable=self.view, refresh_per_second=4,
                                transient=True)
        self._display.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._rows.clear()
        self._display.stop()

    def started(self, trial: Planned) -> None:
        """Add the trial's row."""
        self.begin(trial)
        self._rows[trial.id] = "", None

    def step(self, trial: Planned, step: "Step", worker: str) -> None:
        """Note where the trial is; the view is redrawn by the clock."""
        self.pace.step(trial.id, step)
        self._rows[trial.id] = worker, step
        if PROBE in step.probe:
            self._probed[trial.id] = step.probe[PROBE]

    def repeated(self, trial: Planned, reason: str, how: str) -> None:
        """Drop the trial's row until it starts again."""
        self._rows.pop(trial.id, None)
        super().repeated(trial, reason, how)

    def end(self, trial: Planned, how: str, detail: str) -> None:
        """Turn the trial's row into a line that stays."""
        self._rows.pop(trial.id, None)
        self._probed.pop(trial.id, None)
        super().end(trial, how, detail)

    def say(self, line: str) -> None:
        """Show a line that stays, above the live ones."""
        self._display.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def view(self) -> "RenderableType":
        """Draw the workers' rows and the last line."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        if not self.titles:
            return Text("")
        table = Table(box=None, pad_edge=False)
        for name in ("worker", "trial", "step", "", "loss", *(["PCK"] if self._probed else []), "left"):
            table.add_column(name, justify="left" if name in ("worker", "trial", "") else "right", no_wrap=True,
                             header_style="dim", ratio=1 if name == "trial" else None)
        for trial, (worker, step) in list(self._rows.items()):  # the clock's thread draws while rows come and go
            title = self.titles.get(trial)
            if title is not None:
                table.add_row(Text(worker), Text(title), *self._cells(trial, step))
        return Group(table, Text(self.foot(), style="bold"))

    def foot(self) -> str:
        """Return how many trials ended and how, how fast, and how long the rest will take."""
        done = self.before + self.ended["done"]
        counts = [f"{done} of {self.total} done" if self.total is not None else f"{done} done",
                  *(f"{self.ended[how]} {how}" for how in ("failed", "stopped") if self.ended[how])]
        return ", ".join(filter(None, [*counts, self.overall()]))

    def _cells(self, trial: str, step: "Step | None") -> "list[RenderableType]":
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        probe = [Text(f"{self._probed[trial]:.3f}" if trial in self._probed else "")] if self._probed else []
        if step is None:
            return [Text("loading"), Text(""), Text(""), *probe, Text("")]
        left = duration(self.pace.left_of(trial)) if step.step < step.steps else "scoring"
        bar = ProgressBar(total=max(1, step.steps), completed=step.step, width=BAR)
        return [Text(f"{step.step}/{step.steps}"), bar, Text(f"{step.losses.get('loss', float('nan')):.4g}"), *probe,
                Text(left)]
