"""What stands under one table: what +- and its marks mean, what was tested, which values are missing."""

from collections.abc import Sequence

from harness.report.statistics import seeds_needed
from harness.report.statistics.paired import ALPHA
from harness.report.tables.cells import Difference, Row, Table
from harness.report.tables.columns import measured_by
from harness.report.tables.notes import average, listing
from harness.report.tables.rows import Group
from harness.report.tables.values import Line

SAMPLES = 2  # for each unknown of the regressor, below which a table says so

def legend(
    table: Table, lines: Sequence[Line], against: Sequence[int | None], note: str, *, named: bool
) -> tuple[str, ...]:
    """Return a table's own notes; ``named`` says whether the experiment names a baseline."""
    found = [cell.difference for row in table.rows for cell, column in zip(row.cells, table.columns, strict=True)
             if cell.difference and column.tested]
    tested = [difference for difference in found if difference.adjusted is not None]
    has_means = any(column.kind == "mean" for column in table.columns)
    groups = [line.members[0] for line in lines if not line.is_reference]
    first = average(groups) + _marks(table, lines) if has_means else ""
    return tuple(filter(None, [first, note, _compared(found), _tests(tested), _unpaired(lines, against, named=named),
                               _few_samples(table, groups), _unlike(table, lines), _lacking(table, lines)]))


def _marks(table: Table, lines: Sequence[Line]) -> str:
    cells = [(row, column, cell) for row in table.rows for column, cell in zip(table.columns, row.cells, strict=True)]
    text = ""
    if any(cell.best for _, _, cell in cells):
        text += " Bold: best mean."
    if any(cell.tied for _, _, cell in cells):
        few = ", or they share fewer than two seeds" * _shares_few(table, lines)
        text += f" Italic: not told apart from it (the 95% interval of the paired difference holds 0{few})."
    if any(_is_partial(row, cell.trials) and column.kind != "count" for row, column, cell in cells if cell.trials):
        text += " In brackets: how many seeds have this score, where not all do."
    return text


def _shares_few(table: Table, lines: Sequence[Line]) -> bool:
    """Return whether a row is marked as tied because it shares too few seeds with the best to tell."""
    shown = list(zip(table.rows, lines, strict=True))
    for j in range(len(table.columns)):
        best = [line.by_seed[j].keys() for row, line in shown if row.cells[j].best]
        if any(row.cells[j].tied and len(line.by_seed[j].keys() & seeds) < 2 for row, line in shown for seeds in best):
            return True
    return False


def _compared(found: Sequence[Difference]) -> str:
    """Return what differences are to and how they are paired."""
    if not found:
        return ""
    others = {" ".join(difference.baseline) for difference in found}
    what = next(iter(others)) if len(others) == 1 else "the baseline of the same other settings"
    return f"Differences: to {what}, seed by seed on the same scenes, mean ± half width of the 95% t interval."


def _tests(tested: Sequence[Difference]) -> str:
    """Return what a star means, or why there can be none."""
    if not tested:
        return ""
    count = len(tested)
    seeds = sorted({difference.interval.count for difference in tested})
    test = "sign flips over seeds" + f", Holm's correction over the table's {count} tests" * (count > 1)
    if any(difference.reachable for difference in tested):
        some = "" if all(difference.reachable for difference in tested) else ", which some rows have too few seeds for"
        return f"*: p ≤ {ALPHA} by {test}{some}."
    needed = seeds_needed(count)
    takes = f"it takes {needed}" if needed else "no number of seeds would do"
    fewer = f", or {seeds_needed(1)} for a single test (report.tests)" if count > 1 else ""
    shared = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
    return (f"n too small: with {shared} shared seed{'s' * (seeds[-1] > 1)} no difference can reach p ≤ {ALPHA} by "
            f"{test}; {takes}{fewer}.")


def _unpaired(lines: Sequence[Line], against: Sequence[int | None], *, named: bool) -> str:
    """Return which settings have no baseline to be compared with."""
    settings = [i for i, line in enumerate(lines) if not line.is_reference]
    if not named:
        return "No baseline is named (report.baseline), so no setting is compared." if len(settings) > 1 else ""
    alone = [_words(lines[i].labels) for i in settings if against[i] is None and not lines[i].is_baseline]
    return listing("No baseline of the same data and other settings", alone)


def _few_samples(table: Table, groups: Sequence[Group]) -> str:
    """Return which rows fit the regressor to so few points that its errors may be those of interpolation.

    Least squares do worst where there are about as many samples as unknowns, and better again with fewer.
    """
    if not any(column.group == "regressed" for column in table.columns) and table.name != "official":
        return ""
    few = []
    for group in groups:
        record = group.records[0]
        spec, shown = record["spec"], (record.get("scores") or {}).get("visible_points")
        if not record.get("keypoints") or shown is None or not spec.get("test_scenes"):
            continue  # older records do not tell
        samples = spec["fit_scenes"] * shown / spec["test_scenes"] / len(record["keypoints"])
        unknowns = 2 * min(spec["keypoints"], spec["tokens"])
        if samples < SAMPLES * unknowns:
            few.append(f"{_words(group.labels)} has about {samples:.0f} of each keypoint for {unknowns} unknowns")
    return listing("Regressed points rest on few samples of the fit split (fit_scenes), so their errors may be those "
                   "of interpolation", few)


def _unlike(table: Table, lines: Sequence[Line]) -> str:
    """Return which scores of generated views are of other scenes or noise levels in some rows than in others."""
    data = len({line.test_data for line in lines})
    unlike = [column.head for column in table.columns if measured_by(column.score)
              and len({line.members[0].measured_on(column.score) for line in lines}) > data]
    return listing("Of other scenes or noise levels in some rows (view_scenes, view_timesteps, generated_scenes), and "
                   "only rows of one are compared", unlike)


def _lacking(table: Table, lines: Sequence[Line]) -> str:
    """Return which rows lack which score in which seeds; a score that a row lacks altogether shows as a dash."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        for column, own in zip(table.columns, line.values, strict=True):
            seeds = [seed for seed, value in zip(line.seeds, own, strict=True) if value is None]
            if seeds and len(seeds) < len(line.seeds):
                text = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, sorted(seeds)))}"
                lacking.setdefault((_words(line.labels), text), []).append(column.head)
    return listing("Without a value, so averaged over the others", [
        f"{', '.join(heads)} of {label}, {seeds}" for (label, seeds), heads in lacking.items()
    ])


def _is_partial(row: Row, trials: Sequence[str]) -> bool:
    return len(trials) < row.seeds


def _words(labels: Sequence[str]) -> str:
    return " ".join(filter(None, labels))

