"""The command `schema`: writes the JSON schema of experiments, with which an editor checks and completes them."""

import argparse
import sys
from pathlib import Path

from harness.errors import OK, UsageError
from harness.store.atomic_files import replace_file


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--output", metavar="FILE", type=Path, help="write to this file instead of to stdout")


def main(args: argparse.Namespace) -> int:
    """Write the schema, with the variants of installed extensions, to stdout or a file."""
    from harness.config.schema import MODELINE, schema, to_text

    text = to_text(schema())
    if args.output is None:
        print(text, end="")
        return OK
    if args.output.is_dir():
        raise UsageError(f"--output {args.output}: is a folder; expected a file")
    replace_file(args.output, text.encode())
    print(f"{args.output}; an editor reads it where an experiment has the line `{MODELINE}{args.output.name}`",
          file=sys.stderr)
    return OK
