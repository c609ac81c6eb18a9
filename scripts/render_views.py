"""Render your own meshes into Zero123++'s views: a folder that `data: objaverse` reads. On the CPU, without a display.

    python scripts/render_views.py chair.glb mug.obj meshes/ --to renders
    python -m harness doctor --data objaverse --root renders

Takes textured OBJ, GLB, glTF, PLY, OFF and STL files and folders of them (needs `pip install -e '.[data]'`). Writes
<to>/rendering_zero123plus/<name>/000.png (condition view) and 001.png to 006.png, RGBA, with cameras.json beside them,
and adds the names to <to>/lvis-annotations.json. For a mesh that cannot be used it prints one line and exits with 1.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _render_views.layout import add_to_list, find_meshes, folder_of, write

from harness.cli._options import demand_no_file
from harness.data.rendering.meshes import UPRIGHT, apply_placement, load_mesh, placement
from harness.errors import UsageError
from harness.ops.rig import ZERO123PLUS_ELEVATIONS


def main(argv: list[str] | None = None) -> int:
    """Render every named mesh; return 1 if one of them cannot be rendered, 2 if no mesh is found."""
    args = _arguments(argv)
    try:
        demand_no_file(args.to, "--to")
        meshes = find_meshes(args.meshes)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    failed = 0
    for name, path in meshes.items():
        if (folder_of(args.to, name) / "006.png").is_file() and not args.force:
            print(f"{path}: already there; --force renders it again", flush=True)
            add_to_list(args.to, args.category, name)
            continue
        started = time.perf_counter()
        try:
            mesh = load_mesh(path)
            turn, shift = placement(mesh.corners, args.normalise, args.up)
            notes = write(folder_of(args.to, name), path, apply_placement(mesh, turn, shift), args)
            add_to_list(args.to, args.category, name)
        except UsageError as error:
            print(f"skipped: {error}", file=sys.stderr)
            failed += 1
            continue
        seconds = time.perf_counter() - started
        print("; ".join([f"{path}: {len(mesh.corners)} triangles, {seconds:.1f} s", *notes]), flush=True)
    return 1 if failed else 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meshes", nargs="+", type=Path, metavar="MESH", help="a mesh file, or a folder of them")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="where the renders go")
    parser.add_argument("--size", type=int, default=320, help="side of the six views in pixels (320)")
    parser.add_argument("--condition-size", type=int, default=512, help="side of the condition view in pixels (512)")
    parser.add_argument("--normalise", choices=("sphere", "cube"), default="sphere",
                        help="farthest point at distance 1, as in Zero123++'s training (default), or longest side 2")
    parser.add_argument("--up", choices=tuple(UPRIGHT), default="y",
                        help="y up, front along z (glTF; default); z up, front along -y (Blender); ShapeNet's")
    parser.add_argument("--version", choices=tuple(ZERO123PLUS_ELEVATIONS), default="v1.2",
                        help="Zero123++ version (v1.2)")
    parser.add_argument("--azimuth", type=float, default=0.0, help="of the condition view, in degrees (0: front)")
    parser.add_argument("--elevation", type=float, default=20.0, help="of the condition view, in degrees (20)")
    parser.add_argument("--category", default="own", help="the objects' category in the list file (own)")
    parser.add_argument("--force", action="store_true", help="render again what exists")
    args = parser.parse_args(argv)
    for name in ("size", "condition_size"):
        if not 16 <= getattr(args, name) <= 4096:
            parser.error(f"--{name.replace('_', '-')} is {getattr(args, name)}; expected 16 to 4096")
    return args


if __name__ == "__main__":
    sys.exit(main())
