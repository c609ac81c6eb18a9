"""The command `new`: writes a commented experiment that runs as it stands."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from harness.config.load import read_name, shipped, shipped_folders
from harness.config.located_yaml import Located
from harness.config.schema import FILE, MODELINE
from harness.errors import OK, UsageError
from harness.store.atomic_files import write_file

TEMPLATE = """\
# Which fusion gives the best keypoints? Write your question into this line; `harness plan` shows what would run.
# Under two minutes on 2 cores as it stands; numbers that mean something take more steps, scenes and seeds.
{modeline}
name: {name}

trial:  # settings that all trials share; `harness list trial` shows all of them, with their defaults
  model: tiny_zero123plus  # `harness list models`; a folder of your own: {{name: sd15, path: /models/sd15}}
  data: {{name: figures, family: biped, views: 6}}  # `harness list data`; your photos: {{name: folder, root: photos}}
  steps: 20  # optimisation steps
  scenes_per_step: 1
  optimise_scenes: 12  # scenes that the tokens are optimised on, without labels
  fit_scenes: 12  # scenes whose labels tie tokens to keypoints
  test_scenes: 12  # scenes that are scored
  losses:  # `harness list losses`
    sharpening: {{weight: 100}}
    equivariance: {{weight: 1000}}
    nvs: {{weight: 1}}

grid:  # settings that vary, each with its values; every combination is run with every seed
  fusion: [none, blend]  # `harness list fusion`; with a knob: [none, {{name: blend, alpha: 0.5}}]
  # learning_rate: [0.01, 0.02]

seeds: 2  # the replicates; with fewer than 6 no difference can be significant

report:
  rows: [fusion]  # settings that name a row of the tables
  baseline: {{fusion: none}}  # every row is compared with it, seed by seed
  # tests: [pck@0.1]  # scores that are tested; fewer tests need fewer seeds
  # columns: [pck_oracle@0.1]  # further scores
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("new", metavar="name", help="its name, or a path; NAME.yaml is written")


def main(args: argparse.Namespace) -> int:
    """Write the file and print its path; an existing file stays as it is."""
    path = Path(args.new)
    path = path if path.suffix in (".yaml", ".yml") else path.with_name(f"{path.name}.yaml")
    name = read_name(Located(path.stem, args.new))
    if name in shipped():
        raise UsageError(f"{name}: is a shipped experiment, and their results would mix; choose another name")
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path}: exists already, and is left as it is; choose another name")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: there is no such folder")
    schema = os.path.relpath(shipped_folders()[1] / FILE, path.parent)
    write_file(path, TEMPLATE.format(name=name, modeline=f"{MODELINE}{Path(schema).as_posix()}").encode())
    print(path)
    print(f"python -m harness run {shlex.quote(str(path))}", file=sys.stderr)
    return OK
