"""Runs one command of the command line; imports only its file and turns errors into one line and an exit code."""
# PYTHON_ARGCOMPLETE_OK  (argcomplete looks for this word before it asks `python -m harness` for completions)

import argparse
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from harness.errors import BROKEN, INTERRUPTED, KILLED, OK, USAGE, Resumable, UsageError, nearest, shorten

COMMANDS = {
    "run": "run an experiment: every combination of its grid with every seed",
    "sweep": "search a space of settings for the best one",
    "plan": "show an experiment's trials, their ids and their status",
    "status": "count the recorded trials of each experiment by status",
    "show": "show one trial: its settings, scores and files",
    "report": "print the tables of recorded experiments, and write them with figures and a page",
    "keypoints3d": "paint the other sides of a photographed object and put a trial's keypoints in space",
    "gallery": "show the same scenes for every setting of an experiment, and what each trial's tokens look at",
    "compare": "compare two settings, trials or experiments, scene by scene",
    "list": "show every variant and knob",
    "new": "write a commented experiment to start from",
    "schema": "write the JSON schema of experiments, for editors",
    "doctor": "check this machine, an experiment's models, or the contents of a data folder",
    "ui": "open MLflow on the recorded experiments",
    "app": "look at scenes, or at a photograph of your own, with a trial's tokens, on a local page",
    "archive": "pack an experiment with its report into one file",
    "prune": "remove failed, stale or chosen trials, from MLflow too",
    "sync": "push records that MLflow does not have yet",
}
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)  # faults of the disk; no record is damaged
LONGEST_LINE = 1500  # characters of an error; without a limit a long value would hide the message


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of printing the usage and exiting."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as a usage error."""
        raise UsageError(f"{message}{_flag_hint(message)} (see {self.prog} --help)")


def _flag_hint(message: str) -> str:
    """Return what to do about words that no flag takes: `trial.steps=5` without --set, or the rest of a list."""
    words = message.removeprefix("unrecognized arguments: ").split() if message.startswith("unrecognized") else []
    torn = [word for word in words if not word.startswith("-") and (word[-1] in "]},:" or word[0] in "[{")]
    if torn:
        return "; quote a value that holds spaces: --set 'KEY=[A, B]'"
    settings = [word for word in words if "=" in word and not word.startswith("-")]
    return f"; write --set before a setting: --set {settings[0]}" if settings else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 ok, 1 some trials failed, 2 usage, 70 a bug, 75 interrupted and resumable, 130 and 143 ended by a signal.
    """
    _make_streams_safe()
    try:
        return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return _fail("interrupted; the same command resumes", KILLED)
    except BrokenPipeError:  # `harness list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:  # every error becomes one line
        if os.environ.get("HARNESS_DEBUG") == "1":
            raise
        if isinstance(error, UsageError):
            return _fail(str(error), USAGE)
        if isinstance(error, Resumable):
            return _fail(str(error), INTERRUPTED)
        if isinstance(error, ModuleNotFoundError) and not (error.name or "harness").startswith("harness"):
            return _fail(f"not set up: {sys.executable} has no package {error.name!r}; run scripts/demo once, then "
                         "`source .venv/bin/activate`, or use .venv/bin/python -m harness", USAGE)
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            return _fail(f"{error.filename or 'a file'}: cannot be written: {error.strerror}", INTERRUPTED)
        return _fail(f"{type(error).__name__}: {error} (HARNESS_DEBUG=1 shows where)", BROKEN)


def _make_streams_safe() -> None:
    """Let a closed stream, or one that cannot encode a character, cost no result: the character is escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: `harness run fusion >&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123  it lives as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _dispatch(argv: list[str]) -> int:
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions
        from harness.cli._completion import complete

        complete(argparse.ArgumentParser("harness"), COMMANDS)
        return OK
    overview = Parser("harness", description="Compare ways of finding keypoints in diffusion models' attention.",
                      formatter_class=argparse.RawDescriptionHelpFormatter, epilog=_epilog())
    overview.add_argument("command", choices=COMMANDS, metavar="command", help="one of the commands below")
    overview.add_argument("-V", "--version", action="store_true", help="show the version, and that of the results")
    if not argv or argv[0] in ("-h", "--help"):
        overview.print_help()
        return OK
    name = argv[0]
    if name in ("-V", "--version"):
        print(_version())
        return OK
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}{nearest(name, COMMANDS)}")
    command = importlib.import_module(f"harness.cli.{name}")
    parser = Parser(f"harness {name}", description=COMMANDS[name], allow_abbrev=False)
    command.arguments(parser)
    code = command.main(parser.parse_args(argv[1:]))
    sys.stdout.flush()
    return int(code)


def _version() -> str:
    """Return the version, and that of the results: records of other results versions are stale."""
    from harness import __version__
    from harness.config.spec import RESULTS_VERSION

    return f"harness {__version__}, results version {RESULTS_VERSION}"


def _epilog() -> str:
    commands = "\n".join(f"  {name:<11} {meaning}" for name, meaning in COMMANDS.items())
    return f"commands:\n{commands}\n\n`harness COMMAND --help` explains one of them."


def _fail(message: str, code: int) -> int:
    print(f"error: {shorten(message, LONGEST_LINE)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
