"""A report as HTML: one page with tables and figures, and one page for each setting's trials.

Nothing is fetched: styles and figures are part of the page. Every number opens to the trials that it comes from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from harness.report.html._addresses import anchor, path, slug
from harness.report.html._score_table import comparison, listed, trials_of
from harness.report.html._setting_page import TrialSection, setting_page
from harness.report.html._svg import inline
from harness.report.html._templates import fill
from harness.report.tables.cells import Table

__all__ = ["Content", "PageFigure", "TrialSection", "report_page", "setting_pages", "slug"]

MOST_ROWS = 200  # settings on a page; the other formats hold all of them
MOST_LISTED = 12_000  # trials named in cells; above it only n lists the trials, and a page stays a few megabytes
WIDE_IN = 4.0


@dataclass(frozen=True)
class PageFigure:
    """A figure on the page, with the addresses of its files by format."""

    title: str
    caption: str
    svg: str
    width_in: float
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> str:
        """Return the figure's class in page.css."""
        return "wide" if self.width_in > WIDE_IN else "narrow"

    def inline(self, kind: str) -> str:
        """Return the drawing as an element of the page."""
        return inline(self.svg, kind, self.title)


@dataclass(frozen=True)
class Content:
    """A report's tables, figures and trials by id. ``stem`` is the name of the page's file."""

    name: str
    tables: Sequence[Table]
    trials: Mapping[str, TrialSection]
    figures: Mapping[str, PageFigure] = field(default_factory=dict)
    stem: str = "report"

    @cached_property
    def settings(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return label and trials' ids of every setting that has a row on the page."""
        by_setting: dict[tuple[str, str], dict[str, None]] = {}
        rows = ((table.name_of(row, ", "), row) for table in self.shortened for row in table.settings)
        for name, row in rows:
            by_setting.setdefault((name, row.test_data), {}).update(dict.fromkeys(trials_of(row)))
        return tuple((name, tuple(trials)) for (name, _), trials in by_setting.items())

    @cached_property
    def shortened(self) -> tuple[Table, ...]:
        """Return the tables, each with its first MOST_ROWS settings."""
        return tuple(_first(table, MOST_ROWS) for table in self.tables)

    def file(self, index: int) -> str:
        """Return the path of a setting's page, from the report's."""
        return path(f"{self.stem}-trials", f"{index + 1:03}-{slug(self.settings[index][0])}.html")

    @cached_property
    def addresses(self) -> Mapping[str, str]:
        """Return the address of each trial's section, from the report's page."""
        return {trial: f"{self.file(i)}#{anchor(trial)}"
                for i, (_, trials) in enumerate(self.settings) for trial in trials}


def report_page(content: Content) -> str:
    """Return the report's own page."""
    listings = 2 * sum(len(cell.trials) for table in content.shortened for row in table.rows for cell in row.cells)
    commands = dict.fromkeys(str((trial.record.get("environment") or {}).get("command") or "")
                             for trial in content.trials.values())
    return fill("report.html", title=f"{content.name}: report", content=content, summary=_summary(content),
                cells_open=listings <= MOST_LISTED, commands=list(filter(None, commands))[:3], trials_of=trials_of,
                listed=partial(listed, content.addresses), comparison=comparison)


def setting_pages(content: Content) -> Iterator[tuple[str, str]]:
    """Yield the path, from the report's page, and the text of every setting's page."""
    for i, (label, ids) in enumerate(content.settings):
        trials = sorted((content.trials[trial] for trial in ids), key=lambda trial: trial.seed)
        yield content.file(i), setting_page(label, trials, f"../{path(content.stem)}.html", content.name)


def _summary(content: Content) -> str:
    """Return the numbers of settings and trials, and the seeds."""
    seeds = sorted({trial.seed for trial in content.trials.values()})
    settings, total = len(content.settings), max((len(table.settings) for table in content.tables), default=0)
    some = f" of {total}; all stand in the other formats" if total > settings else ""
    more = f" and {len(seeds) - 12} more" if len(seeds) > 12 else ""
    return f"{settings} settings{some}, {len(content.trials)} trials, seeds {', '.join(map(str, seeds[:12]))}{more}"


def _first(table: Table, most: int) -> Table:
    """Return a table with its references and its first settings, baselines before others."""
    if len(table.settings) <= most:
        return table
    settings = sorted(table.settings, key=lambda row: not row.is_baseline)[:most]
    chosen = {id(row) for row in settings}
    return replace(table, rows=tuple(row for row in table.rows if row.is_reference or id(row) in chosen))
