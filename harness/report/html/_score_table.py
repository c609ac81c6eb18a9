"""Words and links of a score table's rows and cells."""

from collections.abc import Mapping, Sequence

from harness.report.tables.cells import Difference, Row
from harness.report.tables.columns import Column


def trials_of(row: Row) -> list[str]:
    """Return the ids of a row's trials, each once."""
    return list(dict.fromkeys(trial for cell in row.cells for trial in cell.trials))


def listed(addresses: Mapping[str, str], trials: Sequence[str], values: Sequence[float]) -> list[tuple[str, str, str]]:
    """Return each trial's address ("" without a page), its short id, and its value ("" without values)."""
    texts = [f"{value:.4g}" for value in values] or [""] * len(trials)
    return [(addresses.get(trial, ""), trial[:8], text) for trial, text in zip(trials, texts, strict=True)]


def comparison(difference: Difference, column: Column) -> str:
    """Return a cell's comparison with its baseline in words."""
    interval, half = difference.interval, difference.interval.half_width
    words = f"{interval.mean:+.4g}" + (f" \N{PLUS-MINUS SIGN} {half:.2g}" if half is not None else "")
    words += f" to {' '.join(difference.baseline)} over {interval.count} shared seeds; p = {difference.p:.3g}"
    words += f", after correction {difference.adjusted:.3g}" if difference.adjusted is not None else ""
    words += f"; effect size {difference.effect:.2g}" if difference.effect is not None else ""
    better = difference.improvement
    return words if better is None else f"{words}; better in {100 * better:.0f}% of pairs"
