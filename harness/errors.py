"""Exit codes, and the exceptions that end a command with one line on the screen."""

from collections.abc import Iterable
from difflib import get_close_matches

OK, SOME_FAILED, USAGE, BROKEN, INTERRUPTED, KILLED, TERMINATED = 0, 1, 2, 70, 75, 130, 143


class UsageError(Exception):
    """The user's input is wrong; the message names the item, its value and the choices. Exit code 2."""


class AmbiguousId(UsageError):
    """The prefix of a trial's id matches several trials."""


class Resumable(Exception):
    """A temporary failure outside the input, such as a full disk; the same command resumes later. Exit code 75."""


def nearest(word: str, choices: Iterable[str], label: str = "choices") -> str:
    """Return the end of an error message: the nearest choice, if one is similar, and all choices."""
    choices = list(choices)
    close = get_close_matches(word, choices, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{guess} {label}: {', '.join(choices)}" if choices else "; there are none"
