"""Train the tiny diffusion models that the package ships, on `figures`, on a CPU.

    python scripts/train_tiny.py vae sd card_sd zero123plus card_zero123plus
    python scripts/train_tiny.py see_zero123plus further_zero123plus decay_zero123plus score_zero123plus

Every stage resumes from runs/train_tiny/ when it was interrupted and logs a line of JSON every 20 steps there.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from _train_tiny.further import Recipe  # noqa: E402
from _train_tiny.stages import STAGES  # noqa: E402


def main() -> None:
    """Run the stages named on the command line, in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="+", choices=tuple(STAGES), help="what to do, in order")
    parser.add_argument("--minutes", type=float, help="time budget of each training stage (default: the stage's own)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "train_tiny", help="checkpoints, data and logs")
    parser.add_argument("--weights", type=Path, default=ROOT / "harness" / "models" / "weights", help="where models go")
    parser.add_argument("--start", type=Path, help="tiny_zero123plus to go on from (default: the one in --weights)")
    parser.add_argument("--name", default="further", help="folder below --runs of a further run (default further)")
    for option in fields(Recipe):
        parser.add_argument(f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default,
                            help=f"further run: {option.metadata['help']} (default {option.default})")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.runs.mkdir(parents=True, exist_ok=True)
    for stage in arguments.stages:
        STAGES[stage](arguments)


if __name__ == "__main__":
    main()
