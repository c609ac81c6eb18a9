"""Progress as a live view: a row per worker with its trial, step, loss and PCK, and a summary line below."""

from typing import TYPE_CHECKING

from harness.cli._progress_lines import PROBE, ProgressLines, duration
from harness.runner.coordinator import PlannedTrial

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.method.trial import Step

BAR = 20  # characters
WIDE = 120  # columns of a terminal that has room for it


class LiveProgress(ProgressLines):
    """Prints ended trials as lines and redraws running ones below them; colours depend on NO_COLOR and the terminal."""

    def __enter__(self) -> "LiveProgress":
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

    def started(self, trial: PlannedTrial) -> None:
        """Add the trial's row."""
        self.begin(trial)
        self._rows[trial.id] = "", None

    def step(self, trial: PlannedTrial, step: "Step", worker: str) -> None:
        """Record the trial's last step; a timer redraws the view."""
        self.pace.step(trial.id, step)
        self._rows[trial.id] = worker, step
        if PROBE in step.probe:
            self._probed[trial.id] = step.probe[PROBE]

    def repeated(self, trial: PlannedTrial, reason: str, how: str) -> None:
        """Remove the trial's row until its next attempt."""
        self._rows.pop(trial.id, None)
        super().repeated(trial, reason, how)

    def end(self, trial: PlannedTrial, how: str, detail: str) -> None:
        """Replace the trial's row by a permanent line."""
        self._rows.pop(trial.id, None)
        self._probed.pop(trial.id, None)
        super().end(trial, how, detail)

    def say(self, line: str) -> None:
        """Print a permanent line above the live rows."""
        self._display.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def view(self) -> "RenderableType":
        """Return the workers' rows and the summary line."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        if not self.titles:
            return Text("")
        table = Table(box=None, pad_edge=False)
        bar = [""] if self._display.console.width >= WIDE else []
        for name in ("worker", "trial", "step", *bar, "loss", *(["PCK"] if self._probed else []), "left"):
            words = name in ("worker", "trial")
            table.add_column(name, justify="left" if words or not name else "right", no_wrap=not words, overflow="fold",
                             header_style="dim", ratio=1 if name == "trial" else None)
        for trial, (worker, step) in list(self._rows.items()):  # the clock's thread draws while rows come and go
            title = self.titles.get(trial)
            if title is not None:
                table.add_row(Text(worker), Text(title), *self._cells(trial, step, bar=bool(bar)))
        return Group(table, Text(self.foot(), style="bold"))

    def foot(self) -> str:
        """Return the summary line: numbers of ended trials, speed and time left."""
        done = self.before + self.ended["done"]
        counts = [f"{done} of {self.total} done" if self.total is not None else f"{done} done",
                  *(f"{self.ended[how]} {how}" for how in ("failed", "stopped") if self.ended[how])]
        return ", ".join(filter(None, [*counts, self.overall()]))

    def _cells(self, trial: str, step: "Step | None", *, bar: bool) -> "list[RenderableType]":
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        probe = [Text(f"{self._probed[trial]:.3f}" if trial in self._probed else "")] if self._probed else []
        if step is None:
            return [Text("loading"), *[Text("")] * bar, Text(""), *probe, Text("")]
        left = duration(self.pace.left_of(trial)) if step.step < step.steps else "scoring"
        drawn = [ProgressBar(total=max(1, step.steps), completed=step.step, width=BAR)] * bar
        return [Text(f"{step.step}/{step.steps}"), *drawn, Text(f"{step.losses.get('loss', float('nan')):.4g}"), *probe,
                Text(left)]
