"""The command `compare`: shows how two settings, trials or experiments differ in settings, scores and scenes."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.cli import _compare_view, _lookup
from harness.cli._lookup import Side
from harness.cli._options import add_results, demand_no_file, results_of
from harness.cli._trial_files import reader
from harness.config.spec import TrialSpec
from harness.errors import UsageError
from harness.report.compare import pairs
from harness.report.compare.pairs import Pair, SceneComparison, ScenesComparison, ScoreComparison
from harness.store.atomic_files import replace_file

NAMED = 3  # scenes at either end that are named, and shown in the picture if a scene has several views
BESIDE = 6  # scenes of a single view in a row of the picture


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("one", metavar="A", help="a recorded experiment, or the beginning of a trial's id")
    parser.add_argument("other", metavar="B", nargs="?", help="the same; none: two settings of A")
    parser.add_argument("--where", action="append", default=[], metavar="KEY=VALUE,...",
                        help="the settings to compare, such as fusion=blend; of one experiment: twice, or once to "
                        "compare with its baseline; of two: once for both, or once for each")
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--picture", metavar="FILE.png", type=Path,
                        help="where the picture of the scenes goes (results/A/compare/, named after both sides)")


def main(args: argparse.Namespace) -> int:
    """Print the differences, pair by pair, and save a picture of the scenes that differ most."""
    results = results_of(args)
    if args.picture and args.picture.is_dir():
        raise UsageError(f"--picture {args.picture}: is a folder; expected the name of a file")
    if args.picture:
        demand_no_file(args.picture.parent, "--picture")
    sides = _sides(results, args)
    titled_pairs = _pairs(sides)
    if args.picture and len(titled_pairs) > 1:
        raise UsageError(f"--picture: there are {len(titled_pairs)} pairs of settings, and one picture each; "
                         "narrow --where")
    plain = []
    for i, (titles, pair) in enumerate(titled_pairs):
        scores, scenes = pairs.compare_scores(pair), pairs.compare_scenes(pair, reader(results))
        picture = _save_picture(results, args.picture, titles, pair, scenes) if scenes else None
        plain.append(_plain(titles, pair, scores, scenes, picture))
        if not args.json:
            print("\n" * (i > 0) + _text(titles, pair, scores, scenes, picture))
    if args.json:
        print(json.dumps(plain, indent=1))
    return 0


def _sides(results: Path, args: argparse.Namespace) -> tuple[Side, Side]:
    """Return both sides of the comparison from the names and the --where flags."""
    wheres = [_lookup.parse_where(text) for text in args.where]
    if len(wheres) > 2:
        raise UsageError(f"--where: given {len(wheres)} times; expected one for each side")
    if args.other is not None:
        first, last = (wheres[0], wheres[-1]) if wheres else ({}, {})
        return _lookup.find_side(results, args.one, first), _lookup.find_side(results, args.other, last)
    if not wheres:
        raise UsageError(f"what is {args.one!r} compared with? Name a second experiment or trial, or settings of one: "
                         f"harness compare {args.one} --where fusion=none --where fusion=blend")
    chosen = _lookup.find_side(results, args.one, wheres[-1])
    if len(wheres) == 1:
        return _lookup.baseline_side(results, args.one), chosen
    return _lookup.find_side(results, args.one, wheres[0]), chosen


def _pairs(sides: tuple[Side, Side]) -> list[tuple[tuple[str, str], Pair]]:
    """Return the pairs of settings to compare, each with the titles of both sides."""
    one, other = sides
    groups = pairs.match_settings(one.groups, other.groups)
    if not groups:
        raise UsageError(f"no setting of {one.name} ({len(one.groups)}) agrees with one of {other.name} "
                         f"({len(other.groups)}) in all that varies inside them, weights and data included; narrow "
                         "them with --where, or name two trials")
    titled = [((one.title(mine), other.title(yours)), pairs.pair_by_seed(mine.records, yours.records))
              for mine, yours in groups]
    shared = [(titles, pair) for titles, pair in titled if pair is not None]
    first, second = titled[0][0]
    if not shared:
        raise UsageError(f"{first} and {second} share no finished seed")
    if all(mine.records[0]["id"] == yours.records[0]["id"] for mine, yours in groups):
        raise UsageError(f"both sides are the same trials ({first})")
    return shared


def _text(titles: tuple[str, str], pair: Pair, scores: Sequence[ScoreComparison], scenes: ScenesComparison | None,
          picture: Path | None) -> str:
    parts = [f"A  {titles[0]}\nB  {titles[1]}", _compare_view.setting_lines(pair),
             _compare_view.score_lines(pair, scores), _compare_view.note_lines(pair, scores)]
    if scenes:
        parts.append(_compare_view.scene_lines(scenes, NAMED))
    elif pair.is_comparable:
        parts.append("No scene can be compared: a trial has no points, or a scene has none.")
    parts.append(f"picture  {picture}" if picture else "")
    return "\n\n".join(part for part in parts if part)


def _plain(titles: tuple[str, str], pair: Pair, scores: Sequence[ScoreComparison], scenes: ScenesComparison | None,
           picture: Path | None) -> dict[str, Any]:
    return {
        "a": titles[0], "b": titles[1], "seeds": list(pair.seeds), "paired_by_seed": pair.by_seed,
        "comparable": pair.is_comparable,
        "trials": [[str(record["id"]) for record in side] for side in (pair.one, pair.other)],
        "settings": {name: [mine, yours] for name, mine, yours in pair.knobs},
        "scores": {score.column.score: {name: value for name, value in asdict(score).items() if name != "column"}
                   for score in scores},
        "scenes": asdict(scenes) if scenes else None,
        "picture": str(picture) if picture else None,
    }


def _save_picture(results: Path, path: Path | None, titles: tuple[str, str], pair: Pair,
                  scenes: ScenesComparison) -> Path | None:
    """Save a picture of the scenes that differ most; return its file, None if the data is not on this machine."""
    from harness.report.html import slug

    content = _draw(results, titles, pair, scenes)
    if content is None:
        return None
    experiment = results / str(pair.one[0]["experiment"])
    path = path or experiment / "compare" / f"{slug(titles[0])}-vs-{slug(titles[1])}.png"
    try:
        replace_file(path, content)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def _draw(results: Path, titles: tuple[str, str], pair: Pair, scenes: ScenesComparison) -> bytes | None:
    """Return the picture of the worst and best scenes for B as PNG, None if the data is not on this machine."""
    from harness.method.fingerprints import dataset
    from harness.report.pictures.scene_pairs import ScenePair, of_scene, picture

    read = reader(results)
    try:
        data = dataset(TrialSpec.from_dict(pair.one[0]["spec"]).data)
        views = {scene.scene: data.scene("test", scene.scene).views.numpy() for scene in _extremes(scenes, data.views)}
    except UsageError:
        return None
    tables: dict[int, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
    sights = []
    for scene in _extremes(scenes, data.views):
        if scene.shown not in tables:
            tables[scene.shown] = (read(pair.one[scene.shown], "points"), read(pair.other[scene.shown], "points"))
        mine, yours = (of_scene(points, scene.scene) for points in tables[scene.shown])
        if not {"truth_y", "found_y"} <= mine.keys() or set(mine["view"]) != set(range(data.views)):
            return None  # points without true or found positions, or a dataset of that name with another layout
        seed = pair.seeds[scene.shown]
        label = f"scene {scene.scene}\n{scene.difference:+.2f}" + (f"\nseed {seed}" if len(pair.one) > 1 else "")
        sights.append(ScenePair(label, views[scene.scene], (mine, yours)))
    title = f"Where B ({titles[1]}) does worst and best against A ({titles[0]}): difference in PCK@0.1 by scene"
    columns = len(sights) // 2 if data.views == 1 and len(sights) > 1 else 1
    return picture(title, (f"A  {titles[0]}", f"B  {titles[1]}"), sights, columns)


def _extremes(scenes: ScenesComparison, views: int) -> list[SceneComparison]:
    """Return equally many of the worst and the best scenes for B."""
    most = BESIDE if views == 1 else NAMED
    count = min(most, len(scenes.each) // 2)
    return [*scenes.each[:count], *scenes.each[len(scenes.each) - count :]] if count else list(scenes.each)
