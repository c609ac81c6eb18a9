"""Cut objects out of photographs: transparent PNGs in a folder of their own, with the keypoints carried along.

    python scripts/cut_out.py photos --to photos-cut
    python -m harness run keypoints --set grid={} --set 'trial.data={name: folder, root: photos-cut}'

The background is removed by rembg (pip install -e '.[matting]'), which downloads its model once. Photographs
are turned as their EXIF says; their size stays, so keypoints keep their coordinates. The photographs are never changed.
Pictures that are there already are kept, so an interrupted run goes on.
"""

import argparse
import csv
import io
import math
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from harness.cli._options import demand_no_file  # noqa: E402
from harness.data._images import SUFFIXES, open_rgb, size_or_none  # noqa: E402
from harness.data.formats.annotations import Annotations, Files, checked  # noqa: E402
from harness.data.formats.find_annotations import FORMATS, TABLE, read_annotations  # noqa: E402
from harness.data.formats.photo_folder import files_in  # noqa: E402
from harness.errors import OK, SOME_FAILED, USAGE, UsageError  # noqa: E402

Remove = Callable[[Image.Image], Image.Image]


def main(argv: list[str] | None = None) -> int:
    """Cut out every photograph; the exit code is 1 if one of them failed, 2 for wrong input."""
    args = _arguments(argv)
    try:
        root, target = args.photos.resolve(), args.to.resolve()
        demand_no_file(target, "--to")
        names = _names(root, target)
        labels = checked(read_annotations(root, Files(root, list(names)), args.annotations, args.annotations_format),
                         lambda file: size_or_none(root / file))
        for remark in labels.problems:
            print(f"warning: {remark}", file=sys.stderr)
        left = {file: name for file, name in names.items() if args.force or not (target / name).is_file()}
        failed = _cut_all(root, target, left, args.model) if left else 0
        if labels.points:
            _replace(target / TABLE, _table(labels, names).encode())
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    print(f"{len(left) - failed} pictures cut out, {len(names) - len(left)} there already, {failed} failed: {target}")
    return SOME_FAILED if failed else OK


def _names(root: Path, target: Path) -> dict[str, str]:
    """Return the name of each photograph's picture; raise UsageError if one would lie among the photographs."""
    if not root.is_dir():
        raise UsageError(f"{root}: there is no such folder")
    if target == root or target.is_relative_to(root) or root.is_relative_to(target):
        raise UsageError(f"--to {target}: choose a folder outside {root}; photographs are never changed in place")
    files = files_in(root, SUFFIXES)
    if not files:
        raise UsageError(f"{root}: no photographs in it ({', '.join(SUFFIXES)})")
    names = {file: Path(file).with_suffix(".png").as_posix() for file in files}
    by_name: dict[str, str] = {}
    for file, name in names.items():
        if name in by_name:
            raise UsageError(f"{root}: {by_name[name]!r} and {file!r} would both become {name!r}; rename one")
        by_name[name] = file
    return names


def _cut_all(root: Path, target: Path, names: dict[str, str], model: str) -> int:
    """Cut out photographs, each written whole or not at all; return how many failed."""
    remove, failed = remover(model), 0
    for file, name in names.items():
        try:
            content = io.BytesIO()
            remove(open_rgb(root / file)).convert("RGBA").save(content, "PNG")
        except UsageError as error:
            print(f"skipped: {error}", file=sys.stderr)
            failed += 1
            continue
        _replace(target / name, content.getvalue())
    return failed


def remover(model: str) -> Remove:
    """Return rembg's background removal with one loaded model; raise UsageError if the tool or the model is missing."""
    try:
        from rembg import new_session, remove
    except ImportError as error:
        raise UsageError(f"background removal needs rembg ({error}): pip install -e '.[matting]'") from error
    try:
        session = new_session(model)
    except Exception as error:  # rembg raises whatever its download or its model reader raises
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(f"rembg's model {model!r} cannot be opened: {reason[:120]}; run this once where rembg can "
                         "download it, or copy the model to the folder that REMBG_HOME or U2NET_HOME names") from error
    return lambda image: remove(image, session=session)


def _table(labels: Annotations, names: dict[str, str]) -> str:
    """Return our own keypoint table for the pictures."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "keypoint", "x", "y", "visible"))
    for file, points in labels.points.items():
        for keypoint, (y, x, visible) in points.items():
            place = ("", "", 0) if math.isnan(y) else (f"{x:.10g}", f"{y:.10g}", int(visible))
            writer.writerow((names[file], keypoint, *place))
    return text.getvalue()


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of photographs, with or without an annotation file")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="where the pictures go")
    parser.add_argument("--model", default="isnet-general-use", help="rembg's model (isnet-general-use)")
    parser.add_argument("--annotations", default="", help="the annotation file below the folder (looked for)")
    parser.add_argument("--annotations-format", default="auto", choices=FORMATS, help="its format (auto)")
    parser.add_argument("--force", action="store_true", help="cut out again what is there")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
