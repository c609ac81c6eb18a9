"""Exit codes, and the errors that become one line on the screen."""

from collections.abc import Iterable
from difflib import get_close_matches

OK, SOME_FAILED, USAGE, BROKEN, INTERRUPTED, KILLED, TERMINATED = 0, 1, 2, 70, 75, 130, 143


class UsageError(Exception):
    """The user's input is wrong: one line that names the thing, the value and the choices. Exit code 2."""


class AmbiguousId(UsageError):
    """The beginning of a trial's id fits several trials."""


class Resumable(Exception):
    """A temporary failure outside the input (disk full, lock held): the same command resumes. Exit code 75."""


def nearest(word: str, choices: Iterable[str], label: str = "choices") -> str:
    """Return a phrase with the nearest choice and all choices, to end an error line with."""
    choices = list(choices)
    close = get_close_matches(word, choices, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{guess} {label}: {', '.join(choices)}" if choices else "; there are none"
