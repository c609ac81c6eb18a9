"""The page of one setting: what it was, what each of its seeds gave, and where that comes from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

from harness.report.compare import setting_changes
from harness.report.html._page import link, page, scrolling
from harness.report.statistics import mean_interval
from harness.report.tables.rows import Group, Record

SHOWN = ("command", "git_commit", "git_dirty", "device", "threads", "python", "torch", "diffusers", "platform")
PICTURE = "Test scenes with true and found keypoints, before and after optimisation, and the tokens' maps"


@dataclass(frozen=True)
class Trial:
    """One trial as its page shows it: pictures and files as addresses, its MLflow run as a link or in words."""

    record: Record
    pictures: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    hint: str = ""


def anchor(trial: str) -> str:
    """Return the name by which a trial is found on its page."""
    return f"t-{trial}"


def setting_page(label: str, trials: Sequence[Trial], home: str, name: str) -> str:
    """Return the page of a setting's trials; ``home`` is the report's address, ``name`` its name."""
    spec = trials[0].record["spec"]
    body = f"""<header>
<p>{link(home, name)}</p>
<h1>{escape(label)}</h1>
<p class="lead">{_count(len(trials))}</p>
</header>
<main id="main">
<h2 id="settings">Settings</h2>
{_settings(spec)}
<h2 id="trials">Trials</h2>
{"".join(map(_section, trials))}
<h2 id="scores">Scores</h2>
{_scores([trial.record for trial in trials])}
</main>"""
    return page(f"{label} \N{EN DASH} {name}", body)


def _count(trials: int) -> str:
    return "One trial." if trials == 1 else f"{trials} trials, one per seed; equal in every other setting."


def _settings(spec: Mapping[str, Any]) -> str:
    every = list(setting_changes.settings(spec))
    own = [setting for setting in every if not setting.is_default]
    rest = [setting for setting in every if setting.is_default]
    text = "<p>Every setting has its default.</p>" if not own else _table(
        "Settings that are not the default", ("setting", "value", "default"),
        [(s.name, setting_changes.text(s.value), setting_changes.text(s.default)) for s in own])
    defaults = _table("Settings left at their default", ("setting", "value"),
                      [(s.name, setting_changes.text(s.value)) for s in rest])
    return f"{text}\n<details><summary>{len(rest)} settings are at their default</summary>{defaults}</details>"


def _scores(records: Sequence[Record]) -> str:
    found = Group((), tuple(records), is_baseline=False).scores
    rows = []
    for name in dict.fromkeys(name for scores in found for name in scores):
        values = [scores[name] for scores in found if name in scores]
        interval = mean_interval(values)
        half = "" if interval.half_width is None else f" \N{PLUS-MINUS SIGN} {interval.half_width:.2g}"
        seeds = [f"{scores[name]:.5g}" if name in scores else "\N{EM DASH}" for scores in found]
        rows.append((name, f"{interval.mean:.5g}{half}", *seeds))
    heads = [f'<a href="#{anchor(record["id"])}">seed {record["spec"]["seed"]}</a>' for record in records]
    return _table("Scores and costs: mean, half width of the 95% t interval, and every seed", (
        "score", "mean", *heads), rows, numbers=True, are_html=True)


def _section(trial: Trial) -> str:
    record = trial.record
    where = record.get("environment") or {}
    facts = {"status": f"{record['status']} {record.get('reason') or ''}".strip(),
             "ran": _when(record),
             **{name.replace("_", " "): str(where[name]) for name in SHOWN if name in where},
             **{f"{name} fingerprint": str(value) for name, value in (record.get("fingerprints") or {}).items()}}
    pictures = "".join(
        f'<figure class="wide"><a href="{escape(address)}"><img src="{escape(address)}" loading="lazy" '
        f'alt="{PICTURE if name == "panel.png" else escape(name)}"></a></figure>'
        if not address.startswith("data:") else
        f'<figure class="wide"><img src="{address}" alt="{PICTURE if name == "panel.png" else escape(name)}"></figure>'
        for name, address in trial.pictures.items()
    )
    run = link(trial.run, "its run in MLflow") if trial.run else escape(trial.hint)
    files = " ".join(link(address, name) for name, address in trial.files.items())
    rows = [(name, value) for name, value in facts.items() if value]
    return f"""<section class="trial" aria-labelledby="{anchor(record["id"])}">
<h3 id="{anchor(record["id"])}">seed {record["spec"]["seed"]}: <code>{escape(str(record["id"]))}</code></h3>
<p>{run}</p>
{f'<p class="files">{files}</p>' if files else ""}
{pictures}
{_table(f"Where seed {record['spec']['seed']} comes from", ("what", "value"), rows)}
</section>
"""


def _when(record: Record) -> str:
    """Return when a trial started, and for how long it was under way."""
    try:
        started, ended = (datetime.fromisoformat(str(record.get(name))) for name in ("started", "ended"))
    except ValueError:
        return ""
    return f"{started:%Y-%m-%d %H:%M} {started.tzname() or ''}, {(ended - started).total_seconds():.0f} s".strip()


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False,
           are_html: bool = False) -> str:
    """Return a small table; text wraps unless it is numbers. Heads that are links come as HTML."""
    side = "" if numbers else ' class="label"'
    head = "".join(f'<th scope="col"{side if i else " class=label"}>{text if are_html else escape(text)}</th>'
                   for i, text in enumerate(heads))
    cell = "<td>" if numbers else '<td class="wrap">'
    body = "\n".join(f'<tr><th scope="row">{escape(row[0])}</th>'
                     + "".join(f"{cell}{escape(text)}</td>" for text in row[1:]) + "</tr>" for row in rows)
    return scrolling(f"<table>\n<caption>{escape(title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
                     f"<tbody>\n{body}\n</tbody>\n</table>", title)


def slug(label: str) -> str:
    """Return a setting's words as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:60] or "setting"
