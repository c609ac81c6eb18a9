"""Formats the screen of `compare`: the settings that differ, scores side by side, and scenes."""

from collections.abc import Sequence

from harness.report.compare.pairs import Pair, SceneComparison, ScenesComparison, ScoreComparison
from harness.report.compare.setting_changes import text
from harness.report.statistics import Interval, smallest_p
from harness.report.statistics.paired import ALPHA
from harness.report.tables.cells import format_interval
from harness.report.tables.columns import Column

PCK = Column("pck@0.1", "PCK@0.1", 1)  # the score that is compared by scene


def setting_lines(pair: Pair) -> str:
    """Return the settings and the fingerprints of data and weights in which both sides differ."""
    rows = [(name, text(mine), text(yours)) for name, mine, yours in pair.knobs]
    if not rows:
        return "No setting differs" + ("." if pair.by_seed else " but the seed.")
    return align_columns([("setting", "A", "B"), *rows])


def score_lines(pair: Pair, scores: Sequence[ScoreComparison]) -> str:
    """Return a line for every score: both sides and their difference; in brackets the number of pairs if not all."""
    head = ("score", "A", "B", "B - A", "p", "Holm", "effect", "B better")
    rows = []
    for score in scores:
        like = score.one.mean
        few = f" ({score.one.count})" if score.one.count < len(pair.one) else ""
        rows.append((
            score.column.score,
            format_interval(score.one, score.column) + few, format_interval(score.other, score.column) + few,
            format_interval(score.difference, score.column, signed=True, like=like) + few if score.difference
            else "\N{EM DASH}",
            _or_dash(score.p, "{:.3g}"), _or_dash(score.adjusted, "{:.3g}"), _or_dash(score.effect, "{:+.2f}"),
            _or_dash(score.improvement, "{:.0%}"),
        ))
    return align_columns([head, *rows], right=range(1, len(head)))


def note_lines(pair: Pair, scores: Sequence[ScoreComparison]) -> str:
    """Return the notes: the meaning of the columns, and the limits of the numbers."""
    if not pair.is_comparable:
        return "A and B were scored on different test data: differences between their scores have no meaning."
    count = len(pair.one)
    tested = [score.one.count for score in scores if score.p is not None]
    lines = []
    if not pair.by_seed:
        lines.append(f"Seeds {pair.one[0]['spec']['seed']} and {pair.other[0]['spec']['seed']} are paired: the "
                     "randomness of the seed is part of every difference.")
    if count == 1:
        lines.append("One pair of trials: no interval over seeds and no test.")
    else:
        some = " In brackets: the number of seeds with this score, if not all have it."
        lines += [
            f"Mean \N{PLUS-MINUS SIGN} half width of the 95% t interval over n = {count} seeds; B - A seed by seed."
            + some * any(score.one.count < count for score in scores),
            f"p: sign flips; Holm: corrected over {len(tested)} scores; effect: Hedges' g; B better: share of pairs of "
            "runs.",
        ]
        if tested and len(tested) * smallest_p(max(tested)) > ALPHA:
            lines.append(f"n too small: with {max(tested)} shared seeds no corrected p can reach {ALPHA}.")
    apart = [score.column.score for score in scores if score.difference is None]
    if apart:
        lines.append("Not compared, since A and B were measured on different scenes or noise levels: "
                     f"{', '.join(apart)}.")
    return "\n".join(lines)


def scene_lines(scenes: ScenesComparison, most: int) -> str:
    """Return the differences of the test scenes, and the scenes that differ most."""
    better = sum(scene.difference > 0 for scene in scenes.each)
    worse = sum(scene.difference < 0 for scene in scenes.each)
    lines = [
        f"PCK@0.1 by test scene: B better in {better}, worse in {worse}, equal in "
        f"{len(scenes.each) - better - worse} of {len(scenes.each)}; mean scene {_signed(scenes.over_scenes)} over "
        f"scenes, p = {scenes.p:.3g}."
    ]
    if scenes.both:
        lines.append(f"All points, for other seeds and other scenes: {_signed(scenes.both)}.")
    lines.append("worst for B  " + ", ".join(_scene(scene) for scene in scenes.each[:most]))
    lines.append("best for B   " + ", ".join(_scene(scene) for scene in reversed(scenes.each[-most:])))
    return "\n".join(lines)


def align_columns(rows: Sequence[Sequence[str]], right: Sequence[int] | range = ()) -> str:
    """Return rows as columns two spaces apart; the columns in ``right`` are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) if i in right else cell.ljust(width)
                  for i, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )


def _or_dash(value: float | None, form: str) -> str:
    return "\N{EM DASH}" if value is None else form.format(value)


def _signed(interval: Interval) -> str:
    return format_interval(interval, PCK, signed=True)


def _scene(scene: SceneComparison) -> str:
    return f"{scene.scene} ({scene.one:.2f} \N{RIGHTWARDS ARROW} {scene.other:.2f})"
