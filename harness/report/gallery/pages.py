"""The pages of a gallery: the index, and a page in each trial's folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.report.compare.setting_changes import changed, text
from harness.report.html._addresses import path
from harness.report.html._templates import fill
from harness.report.statistics import mean_interval
from harness.report.tables.rows import Group, Record

HEADLINE = "pck@0.1"
FOLDERS = "pages"  # of the trials' folders, beside the index
SHOWN = (HEADLINE, "pck_untrained@0.1", "pck_mean_pose@0.1", "entropy", "peak_mass", "nvs_loss", "attention_residual")


@dataclass(frozen=True)
class Folder:
    """A trial's folder in the gallery: its record, its files, its scenes' PCK by file, and what its tokens look at."""

    record: Record
    files: tuple[str, ...] = ()
    scenes: Mapping[str, float] = field(default_factory=dict)
    described: Sequence[tuple[str, Sequence[str]]] = ()

    @property
    def id(self) -> str:
        """Return the trial's id."""
        return str(self.record["id"])

    @property
    def address(self) -> str:
        """Return the address of its page, from the index."""
        return path(FOLDERS, self.id, "index.html")

    @property
    def seed(self) -> int:
        """Return the trial's seed."""
        return int(self.record["spec"]["seed"])

    @property
    def has_evolution(self) -> bool:
        """True if its folder holds the evolution of its attention."""
        return "evolution.json" in self.files


@dataclass(frozen=True)
class RowView:
    """A row of the index: a setting's name and mean score, its trials, and the one that the scenes are shown of."""

    name: str
    score: str
    trials: tuple[Folder, ...]
    is_baseline: bool

    @property
    def shown(self) -> Folder:
        """Return the first trial that has pictures of scenes, else the first."""
        return next((trial for trial in self.trials if trial.scenes), self.trials[0])

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Return address and score of every scene's picture."""
        return [(path(FOLDERS, self.shown.id, name), "" if pck != pck else f"{pck:.2f}")
                for name, pck in self.shown.scenes.items()]


def index_page(name: str, groups: Sequence[Group], folders: Mapping[str, Folder], others: Sequence[Record]) -> str:
    """Return the index: one table for each test data, a row for each setting, a column for each scene."""
    tables: dict[str, list[RowView]] = {}
    for group in groups:
        trials = tuple(sorted((folders[record["id"]] for record in group.records), key=lambda trial: trial.seed))
        tables.setdefault(group.test_data, []).append(RowView(group.name, _score(group), trials, group.is_baseline))
    count = max((len(row.cells) for rows in tables.values() for row in rows), default=0)
    data = [rows[0].shown.record["spec"]["data"]["name"] for rows in tables.values()]
    head = groups[0].heads[0] if groups and len(groups[0].heads) == 1 else "setting"
    titled = list(zip(data, tables.values(), strict=True))
    unfinished = [(str(record["id"]), record["status"], str(record.get("reason") or "")) for record in others]
    return fill("gallery.html", title=f"{name}: gallery", name=name, tables=titled, scenes=count, head=head,
                headline=HEADLINE, trials=len(folders), others=unfinished)


def trial_page(name: str, label: str, folder: Folder) -> str:
    """Return the page in a trial's folder; ``label`` is its setting's name."""
    record = folder.record
    scores = [(score, f"{record['scores'][score]:.4g}") for score in SHOWN if score in record["scores"]]
    settings = [(s.name, text(s.value), text(s.default)) for s in changed(record["spec"])]
    animations = [file for file in folder.files if file.endswith(".webp") and file not in folder.scenes]
    return fill("gallery_trial.html", title=f"{label}, seed {folder.seed} \N{EN DASH} {name}", name=name, label=label,
                folder=folder, scores=scores, settings=settings, animations=animations, address=path)


def metadata(folder: Folder, stamp: str) -> dict[str, Any]:
    """Return the content of a trial's metadata.json."""
    record = folder.record
    return {
        "trial": folder.id, "experiment": record["experiment"], "seed": folder.seed, "status": record["status"],
        "started": record["started"], "ended": record["ended"], "spec": record["spec"], "scores": record["scores"],
        "fingerprints": record["fingerprints"], "environment": record["environment"],
        "files": list(folder.files), "scenes": dict(folder.scenes),
        "tokens": {head: list(sentences) for head, sentences in folder.described}, "stamp": stamp,
    }


def description(folder: Folder) -> str:
    """Return what the tokens look at, as plain text."""
    return "\n\n".join(f"{head}\n{' '.join(sentences)}" for head, sentences in folder.described) + "\n"


def _score(group: Group) -> str:
    values = [scores[HEADLINE] for scores in group.scores if HEADLINE in scores]
    if not values:
        return ""
    interval = mean_interval(values)
    half = "" if interval.half_width is None else f" \N{PLUS-MINUS SIGN} {interval.half_width:.3f}"
    return f"{interval.mean:.3f}{half}"
