"""The command `keypoints3d`: paints the other sides of a photographed object and puts a trial's keypoints in space."""

import argparse
from functools import partial
from pathlib import Path

from harness.cli import _lookup
from harness.cli._evolution import unchanged_spec
from harness.cli._options import add_results, demand_own_folder, results_of
from harness.errors import UsageError
from harness.store.atomic_files import write_folder


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("image", type=Path, help="a photograph of one object; its central square is used")
    parser.add_argument("--trial", required=True, metavar="ID", help="the beginning of a trial's id: its model, fusion "
                        "and tokens; `harness show` finds it")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the generator's noise (0)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="a folder of its own (IMAGE's name, -3d)")
    add_results(parser)


def main(args: argparse.Namespace) -> int:
    """Write the painted views, the keypoints as JSON and PLY, and a turning picture; print where and how sure."""
    from harness.app.photograph import square
    from harness.method.photograph import ROUGH, lift
    from harness.report.pictures.lifted import NUMBERS, files

    store, trial = _lookup.find_trial(results_of(args), args.trial)
    record = store.record(trial)
    if record is None:
        raise UsageError(f"{store.path(trial)}: there is no whole record")
    place = args.output or Path(f"{args.image.stem}-3d")
    demand_own_folder(place, NUMBERS)
    spec = unchanged_spec(record)
    lifted = lift(spec, store.tokens(trial), partial(square, args.image), args.seed)
    write_folder(place, files(lifted, {"trial": trial, "image": str(args.image), "seed": args.seed,
                                       "model": spec.model.to_dict(), "fusion": spec.fusion.to_dict()}))
    print(f"keypoints  {place}/: {' '.join(sorted(file.name for file in place.iterdir()))}")
    print(f"agreement  the six views differ by {100 * lifted.disagreement:.1f} % of their side on average")
    if lifted.disagreement > ROUGH:
        print("           the views do not show one object: this model does not know such things, or the trial's "
              "tokens are no keypoints of them")
    return 0
