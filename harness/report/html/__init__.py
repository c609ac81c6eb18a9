"""A report as pages: one that stands alone, with tables and figures, and one for each setting's trials.

Nothing is fetched: styles and figures are part of the page. Every number opens to the trials that it comes from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape

from harness.report.html._page import link, notes, page, path
from harness.report.html._setting_page import Trial, anchor, setting_page, slug
from harness.report.html._svg import inline
from harness.report.html._table import table
from harness.report.tables.cells import Table
from harness.report.tables.rows import Record

__all__ = ["Content", "Drawn", "Trial", "pages", "render"]

MOST_ROWS = 200  # settings on a page; all of them stand in the other formats
MOST_LISTED = 12_000  # trials named in cells; beyond that they stand by row, and a page stays a few megabytes
WIDE_IN = 4.0


@dataclass(frozen=True)
class Drawn:
    """A figure as the page shows it, with the addresses of its files by format."""

    title: str
    caption: str
    svg: str
    width_in: float
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """What a page is made of. ``trials`` holds every trial that a cell names; ``stem`` is the page's name."""

    name: str
    tables: Sequence[Table]
    trials: Mapping[str, Trial]
    figures: Mapping[str, Drawn] = field(default_factory=dict)
    stem: str = "report"

    @cached_property
    def settings(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the rows that are shown, as words and ids of trials."""
        found: dict[tuple[str, ...], dict[str, None]] = {}
        for shown in self.shown:
            for row in shown.settings:
                trials = found.setdefault((*row.labels, row.test_data), {})
                trials.update({trial: None for cell in row.cells for trial in cell.trials})
        return tuple((", ".join(key[:-1]), tuple(trials)) for key, trials in found.items())

    @cached_property
    def shown(self) -> tuple[Table, ...]:
        """Return the tables as the page has them: of very many settings, the first ones."""
        return tuple(_first(found, MOST_ROWS) for found in self.tables)

    def file(self, index: int) -> str:
        """Return the path of a setting's page, from the report's."""
        return path(f"{self.stem}-trials", f"{index + 1:03}-{slug(self.settings[index][0])}.html")

    @cached_property
    def addresses(self) -> Mapping[str, str]:
        """Return where each trial's page has it, from the report's page."""
        return {trial: f"{self.file(i)}#{anchor(trial)}"
                for i, (_, trials) in enumerate(self.settings) for trial in trials}


def render(content: Content) -> str:
    """Return the report's own page."""
    cells_open = sum(len(cell.trials) for found in content.shown for row in found.rows for cell in row.cells) * 2
    listed = cells_open <= MOST_LISTED
    sections = "\n".join(_section(found, content, listed=listed) for found in content.shown)
    title = f"{content.name}: report"
    body = f"""<header>
<h1>{escape(content.name)}</h1>
{_lead(content, listed=listed)}
<nav aria-label="Contents"><ul>
{"".join(f"<li>{link(f'#{found.name}', found.title)}</li>" for found in content.shown)}
{'<li><a href="#figures">Figures</a></li>' if content.figures else ""}
<li><a href="#settings">Settings and trials</a></li>
</ul></nav>
</header>
<main id="main">
{sections}
{_figures(content.figures)}
{_index(content)}
</main>"""
    return page(title, body)


def pages(content: Content) -> Iterator[tuple[str, str]]:
    """Yield the path, from the report's page, and the content of every setting's page."""
    for i, (label, trials) in enumerate(content.settings):
        known = sorted((content.trials[trial] for trial in trials), key=lambda trial: _seed(trial.record))
        yield content.file(i), setting_page(label, known, f"../{path(content.stem)}.html", content.name)


def _lead(content: Content, *, listed: bool) -> str:
    records = [trial.record for trial in content.trials.values()]
    seeds = sorted({_seed(record) for record in records})
    commands = dict.fromkeys(str((record.get("environment") or {}).get("command") or "") for record in records)
    shown = [f"<code>{escape(command)}</code>" for command in list(filter(None, commands))[:3]]
    settings, every = len(content.settings), max((_settings(found) for found in content.tables), default=0)
    some = f" of {every}; all stand in the other formats" if every > settings else ""
    words = f"{settings} settings{some}, {len(records)} trials, seeds {', '.join(map(str, seeds[:12]))}"
    words += f" and {len(seeds) - 12} more" if len(seeds) > 12 else ""
    opening = "A number opens to the trials that it comes from." if listed else "n opens to the trials of its row."
    made = f'<p class="lead">Made by {", ".join(shown)}.</p>' if shown else ""
    return f'<p class="lead">{escape(words)}. <span class="screen">{opening}</span></p>\n{made}'


def _section(found: Table, content: Content, *, listed: bool) -> str:
    def href(trial: str) -> str:
        return content.addresses.get(trial, "")

    compared = found.differences()
    parts = [table(found, href, cells_open=listed, heading=found.title)]
    if compared:
        parts.append(table(compared, href, cells_open=False, heading=found.title))
    return (f'<section>\n<h2 id="{found.name}">{escape(found.title)}</h2>\n'
            + "\n".join(parts) + f"\n{notes(found.notes)}\n</section>")


def _figures(figures: Mapping[str, Drawn]) -> str:
    if not figures:
        return ""
    parts = []
    for kind, drawn in figures.items():
        files = " ".join(link(address, form.upper()) for form, address in drawn.files.items())
        size = "wide" if drawn.width_in > WIDE_IN else "narrow"
        parts.append(f'<figure class="{size}">\n{inline(drawn.svg, kind, drawn.title)}\n<figcaption>'
                     f"<b>{escape(drawn.title)}.</b> {escape(drawn.caption)} "
                     f'<span class="files">{files}</span></figcaption>\n</figure>')
    inside = "\n".join(parts)
    return (f'<section>\n<h2 id="figures">Figures</h2>\n<div class="figures">\n{inside}\n'
            "</div>\n</section>")


def _index(content: Content) -> str:
    items = "\n".join(f"<li>{link(content.file(i), label)}, {len(trials)} trial{'s' * (len(trials) != 1)}</li>"
                      for i, (label, trials) in enumerate(content.settings))
    return (f'<section class="screen">\n<h2 id="settings">Settings and trials</h2>\n'
            f"<ul>\n{items}\n</ul>\n</section>")


def _first(found: Table, most: int) -> Table:
    """Return a table with its first settings, baselines among them, and its references."""
    if _settings(found) <= most:
        return found
    kept = [row for row in found.settings if row.is_baseline][:most]
    rest = [row for row in found.settings if not row.is_baseline][: most - len(kept)]
    shown = {id(row) for row in (*kept, *rest)}
    return replace(found, rows=tuple(row for row in found.rows if row.is_reference or id(row) in shown))


def _settings(found: Table) -> int:
    return len(found.settings)


def _seed(record: Record) -> int:
    return int(record["spec"]["seed"])
