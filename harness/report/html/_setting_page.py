"""The page of one setting: its values, the scores of each seed, and the origin of every trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from harness.config.setting_texts import ABSENT
from harness.report.compare import setting_changes
from harness.report.html._addresses import anchor
from harness.report.html._templates import fill
from harness.report.statistics import mean_interval
from harness.report.tables.rows import Group, Record

ORIGIN = ("command", "git_commit", "git_dirty", "device", "threads", "python", "torch", "diffusers", "platform")


@dataclass(frozen=True)
class TrialSection:
    """One trial on its setting's page: pictures and files by address, its MLflow run as an address, else a hint."""

    record: Record
    pictures: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    hint: str = ""

    @property
    def seed(self) -> int:
        """Return the trial's seed."""
        return int(self.record["spec"]["seed"])

    @property
    def anchor(self) -> str:
        """Return the name of the section's place on the page."""
        return anchor(self.record["id"])

    @property
    def origin(self) -> list[tuple[str, list[str]]]:
        """Return name and text of the trial's status, time, code, machine and fingerprints, as far as recorded."""
        environment, prints = (self.record.get(name) or {} for name in ("environment", "fingerprints"))
        facts = {"status": f"{self.record['status']} {self.record.get('reason') or ''}".strip(),
                 "note": str(self.record.get("note") or ""), "tags": ", ".join(self.record.get("tags") or ()),
                 "ran": _time(self.record),
                 **{name.replace("_", " "): str(environment[name]) for name in ORIGIN if name in environment},
                 **{f"{name} fingerprint": str(value) for name, value in prints.items()}}
        return [(name, [text]) for name, text in facts.items() if text]


def setting_page(label: str, trials: Sequence[TrialSection], home: str, name: str) -> str:
    """Return the page of a setting's trials; ``home`` is the report's address, ``name`` its name."""
    settings = [(setting, setting_changes.text(setting.value), setting_changes.text(setting.default))
                for setting in setting_changes.settings(trials[0].record["spec"])]
    return fill("setting.html", title=f"{label} \N{EN DASH} {name}", label=label, trials=trials, home=home, name=name,
                changed=[(setting.name, texts) for setting, *texts in settings if not setting.is_default],
                defaults=[(setting.name, [text]) for setting, text, _ in settings if setting.is_default],
                scores=_scores([trial.record for trial in trials]))


def _scores(records: Sequence[Record]) -> list[tuple[str, list[str]]]:
    """Return name, and mean with half width before every seed's value, of each score and cost."""
    by_record = Group((), tuple(records), is_baseline=False).scores
    rows = []
    for name in dict.fromkeys(name for scores in by_record for name in scores):
        interval = mean_interval([scores[name] for scores in by_record if name in scores])
        half = "" if interval.half_width is None else f" \N{PLUS-MINUS SIGN} {interval.half_width:.2g}"
        seeds = [f"{scores[name]:.5g}" if name in scores else ABSENT for scores in by_record]
        rows.append((name, [f"{interval.mean:.5g}{half}", *seeds]))
    return rows


def _time(record: Record) -> str:
    """Return when a trial started and how long it ran; "" if that is not recorded."""
    try:
        started, ended = (datetime.fromisoformat(str(record.get(name))) for name in ("started", "ended"))
    except ValueError:
        return ""
    return f"{started:%Y-%m-%d %H:%M} {started.tzname() or ''}, {(ended - started).total_seconds():.0f} s".strip()
