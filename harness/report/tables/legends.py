"""The notes of one table: the meaning of ± and of its marks, the tests, and the missing values."""

from collections.abc import Sequence

from harness.report.statistics import seeds_needed
from harness.report.statistics.paired import ALPHA
from harness.report.tables.cells import Difference, Row, Table
from harness.report.tables.columns import measured_by
from harness.report.tables.notes import average, listing, star_notes
from harness.report.tables.rows import Group, row_name
from harness.report.tables.values import RowValues

SAMPLES = 2  # per unknown of the regressor; with fewer a note warns


def legend(
    table: Table, values: Sequence[RowValues], against: Sequence[int | None], note: str, *, named: bool
) -> tuple[str, ...]:
    """Return a table's own notes; ``named``: the experiment names a baseline."""
    compared = [cell.difference for row in table.rows for cell, column in zip(row.cells, table.columns, strict=True)
                if cell.difference and column.tested]
    tested = [difference for difference in compared if difference.adjusted is not None]
    has_means = any(column.kind == "mean" for column in table.columns)
    groups = [row.members[0] for row in values if not row.is_reference]
    first = average(groups) + _marks(table, values) if has_means else ""
    return tuple(filter(None, [
        first, note, _compared(table, compared), _tests(tested), _unpaired(table, against, named=named),
        _few_samples(table, groups), _unlike(table, values), _lacking(table, values),
    ]))


def _marks(table: Table, values: Sequence[RowValues]) -> str:
    cells = [(row, column, cell) for row in table.rows for column, cell in zip(table.columns, row.cells, strict=True)]
    text = ""
    if any(cell.best for _, _, cell in cells):
        text += " Bold: best mean."
    if any(cell.tied for _, _, cell in cells):
        few = ", or they share fewer than two seeds" * _shares_few(table, values)
        text += f" Italic: not told apart from it (the 95% interval of the paired difference holds 0{few})."
    if any(_is_partial(row, cell.trials) and column.kind != "count" for row, column, cell in cells if cell.trials):
        text += " In brackets: how many seeds have this score, where not all do."
    return text


def _shares_few(table: Table, values: Sequence[RowValues]) -> bool:
    """Return whether a row is tied because it shares fewer than two seeds with the best."""
    for j in range(len(table.columns)):
        cells = [(row.cells[j], value.by_seed[j].keys()) for row, value in zip(table.rows, values, strict=True)]
        best = [seeds for cell, seeds in cells if cell.best]
        if any(cell.tied and len(seeds & others) < 2 for cell, seeds in cells for others in best):
            return True
    return False


def _compared(table: Table, differences: Sequence[Difference]) -> str:
    """Return the baseline of the differences and how they are paired."""
    if not differences:
        return ""
    names = {row_name(table.heads, difference.baseline) for difference in differences}
    baseline = next(iter(names)) if len(names) == 1 else "the baseline of the same other settings"
    return f"Differences: to {baseline}, seed by seed on the same scenes, mean ± half width of the 95% t interval."


def _tests(tested: Sequence[Difference]) -> str:
    """Return the meaning of a star, or why no difference can have one; "" without tests."""
    stars, test, takes = star_notes(tested, "some rows")
    if stars or not tested:
        return stars
    seeds = sorted({difference.interval.count for difference in tested})
    fewer = f", or {seeds_needed(1)} for a single test (report.tests)" if len(tested) > 1 else ""
    shared = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
    return (f"n too small: with {shared} shared seed{'s' * (seeds[-1] > 1)} no difference can reach p ≤ {ALPHA} by "
            f"{test}; {takes}{fewer}.")


def _unpaired(table: Table, against: Sequence[int | None], *, named: bool) -> str:
    """Return a note on the settings without a baseline."""
    settings = [i for i, row in enumerate(table.rows) if not row.is_reference]
    if not named:
        return "No baseline is named (report.baseline), so no setting is compared." if len(settings) > 1 else ""
    alone = [table.name_of(table.rows[i]) for i in settings if against[i] is None and not table.rows[i].is_baseline]
    return listing("No baseline of the same data and other settings", alone)


def _few_samples(table: Table, groups: Sequence[Group]) -> str:
    """Return a note on the rows whose regressor has so few samples that its errors may be those of interpolation.

    Least squares are worst with about as many samples as unknowns, and better again with fewer.
    """
    if not any(column.group == "regressed" for column in table.columns) and table.name != "official":
        return ""
    few = []
    for group in groups:
        record = group.records[0]
        spec, points = record["spec"], (record.get("scores") or {}).get("visible_points")
        if not record.get("keypoints") or points is None or not spec.get("test_scenes"):
            continue  # an older record without these values
        samples = spec["fit_scenes"] * points / spec["test_scenes"] / len(record["keypoints"])
        unknowns = 2 * min(spec["keypoints"], spec["tokens"])
        if samples < SAMPLES * unknowns:
            few.append(f"{group.name} has about {samples:.0f} of each keypoint for {unknowns} unknowns")
    return listing("Regressed points rest on few samples of the fit split (fit_scenes), so their errors may be those "
                   "of interpolation", few)


def _unlike(table: Table, values: Sequence[RowValues]) -> str:
    """Return a note on the scores of generated views that rows measured on different scenes or noise levels."""
    data = len({row.test_data for row in values})
    unlike = [column.head for column in table.columns if measured_by(column.score)
              and len({row.members[0].measured_on(column.score) for row in values}) > data]
    return listing("Of other scenes or noise levels in some rows (view_scenes, view_timesteps, generated_scenes), and "
                   "only rows of one are compared", unlike)


def _lacking(table: Table, values: Sequence[RowValues]) -> str:
    """Return a note on the scores that a row lacks in some of its seeds."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for named, row in zip(table.rows, values, strict=True):
        for column, by_seed in zip(table.columns, row.values, strict=True):
            seeds = [seed for seed, value in zip(row.seeds, by_seed, strict=True) if value is None]
            if seeds and len(seeds) < len(row.seeds):
                text = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, sorted(seeds)))}"
                lacking.setdefault((table.name_of(named), text), []).append(column.head)
    return listing("Without a value, so averaged over the others", [
        f"{', '.join(heads)} of {label}, {seeds}" for (label, seeds), heads in lacking.items()
    ])


def _is_partial(row: Row, trials: Sequence[str]) -> bool:
    return len(trials) < row.seeds

