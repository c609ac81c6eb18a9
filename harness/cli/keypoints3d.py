"""The command `keypoints3d`: paints the other sides of a photographed object and puts a trial's keypoints in space."""

import argparse
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import _lookup
from harness.cli._evolution import unchanged_spec
from harness.cli._options import add_results, demand_no_file, results_of
from harness.errors import UsageError
from harness.store.atomic_files import write_folder

if TYPE_CHECKING:
    from harness.method.photograph import Lifted

NUMBERS, TURNS = "keypoints.json", 24


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("image", type=Path, help="a photograph of one object")
    parser.add_argument("--trial", required=True, metavar="ID", help="the beginning of a trial's id: its model, fusion "
                        "and tokens; `harness show` finds it")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the generator's noise (0)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="a folder of its own (IMAGE's name, -3d)")
    add_results(parser)


def main(args: argparse.Namespace) -> int:
    """Write the painted views, the keypoints as JSON and PLY, and a turning picture; print where and how sure."""
    from harness.data._images import open_rgb
    from harness.method.photograph import ROUGH, lift

    store, trial = _lookup.find_trial(results_of(args), args.trial)
    record = store.record(trial)
    if record is None:
        raise UsageError(f"{store.path(trial)}: there is no whole record")
    place = args.output or Path(f"{args.image.stem}-3d")
    demand_no_file(place, "--output")
    if place.is_dir() and any(place.iterdir()) and not (place / NUMBERS).is_file():
        raise UsageError(f"--output {place}: holds other files; name a new folder")
    spec = unchanged_spec(record)
    lifted = lift(spec, store.tokens(trial), _tensor(open_rgb(args.image)), args.seed)
    write_folder(place, files(lifted, {"trial": trial, "image": str(args.image), "seed": args.seed,
                                       "model": spec.model.to_dict(), "fusion": spec.fusion.to_dict()}))
    print(f"keypoints  {place}/: {' '.join(sorted(file.name for file in place.iterdir()))}")
    print(f"agreement  the six views differ by {100 * lifted.disagreement:.1f} % of their side on average")
    if lifted.disagreement > ROUGH:
        print("           the views do not show one object: this model does not know such things, or the trial's "
              "tokens are no keypoints of them")
    return 0


def files(lifted: "Lifted", origin: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files by name."""
    points = [{"token": token, "xyz": xyz, "reprojection_px": apart} for token, xyz, apart in zip(
        lifted.tokens, lifted.points_xyz.tolist(), lifted.reprojection_px.tolist(), strict=True)]
    numbers = {**origin, "disagreement": lifted.disagreement, "points": points,
               "views_yx": lifted.points_yx.tolist(),
               "frame": "scene units; z up; the photograph is seen from azimuth 0, the x axis"}
    return {NUMBERS: json.dumps(numbers, indent=1).encode(), "keypoints.ply": ply(lifted), "views.png": _views(lifted),
            "turning.webp": _turning(lifted)}


def ply(lifted: "Lifted") -> bytes:
    """Return the points as an ASCII PLY file, coloured as in the pictures."""
    from harness.report.pictures.tiles import colours

    properties = [*(f"float {axis}" for axis in "xyz"), *(f"uchar {name}" for name in ("red", "green", "blue"))]
    head = ["ply", "format ascii 1.0", f"element vertex {len(lifted.tokens)}",
            *(f"property {name}" for name in properties), "end_header"]
    rows = [" ".join(map(str, (*xyz, *colour))) for xyz, colour in
            zip(lifted.points_xyz.tolist(), colours(len(lifted.tokens)), strict=True)]
    return "\n".join([*head, *rows, ""]).encode()


def _tensor(image: Any) -> Any:
    import numpy as np
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255  # (h w 3) -> (3 h w)


def _views(lifted: "Lifted") -> bytes:
    """Return the photograph and the six painted views with every token's point."""
    import numpy as np
    from PIL import Image

    from harness.report.pictures.tiles import colours, marked, photo

    side, count = 192, len(lifted.tokens)
    sheet = Image.new("RGB", (4 * side, 2 * side), "white")
    sheet.paste(photo(lifted.photograph.numpy(), (side, side)), (0, 0))
    truth, visible = np.full((count, 2), np.nan), np.zeros(count, bool)  # none is known
    for view, (image, points) in enumerate(zip(lifted.views, lifted.points_yx, strict=True)):
        tile = photo(image.numpy(), (side, side))
        row, column = divmod(view, 3)
        sheet.paste(marked(tile, truth, visible, points.numpy(), colours(count), 2.0),
                    ((column + 1) * side, row * side))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _turning(lifted: "Lifted") -> bytes:
    """Return the points in space, seen from cameras all around, as an animated WebP."""
    import torch
    from PIL import Image, ImageDraw

    from harness.ops.geometry import orbit, reproject
    from harness.report.pictures.tiles import colours

    side, frames = 320, []
    cameras = orbit([360.0 * i / TURNS for i in range(TURNS)], [15.0] * TURNS).matrices.double()
    points_yx, depth = reproject(cameras, lifted.points_xyz.to(torch.float64))  # (T J 2), (T J)
    for places, depths in zip(points_yx.tolist(), depth.tolist(), strict=True):
        frame = Image.new("RGB", (side, side), "white")
        draw = ImageDraw.Draw(frame)
        for j in sorted(range(len(places)), key=lambda j: -depths[j]):  # the far ones first
            y, x, radius = places[j][0] * side, places[j][1] * side, 28 / max(depths[j], 1.0)
            if y == y and x == x:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colours(len(places))[j])
        frames.append(frame)
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=120, loop=0, lossless=True)
    return buffer.getvalue()
