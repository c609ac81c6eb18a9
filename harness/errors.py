"""Exit codes, and the exceptions that end a command with one line on the screen."""

from collections.abc import Iterable
from difflib import get_close_matches

OK, SOME_FAILED, USAGE, BROKEN, INTERRUPTED, KILLED, TERMINATED = 0, 1, 2, 70, 75, 130, 143

LONGEST_WORD = 300  # characters of a word in a shortened message


class UsageError(Exception):
    """The user's input is wrong; the message names the item, its value and the choices. Exit code 2."""


class AmbiguousId(UsageError):
    """The prefix of a trial's id matches several trials."""


class Resumable(Exception):
    """A temporary failure outside the input, such as a full disk; the same command resumes later. Exit code 75."""


def shorten(text: str, most: int) -> str:
    """Return a text in one line of about ``most`` characters, its middle left out: what to do stands at the end.

    The cut is at a space and never inside a command between backquotes.

    >>> shorten("one two three four five; `harness sync` pushes them", 30)
    'one two three four ... `harness sync` pushes them'
    """
    words = text.split()
    line = " ".join(word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD // 4]}..." for word in words)
    if len(line) <= most:
        return line
    cuts = [i for i, letter in enumerate(line) if letter == " " and line[:i].count("`") % 2 == 0]
    head = min((i for i in cuts if i >= most // 2), default=most // 2)
    tail = max((i for i in cuts if i <= len(line) - most // 2), default=len(line) - most // 2)
    return f"{line[:head]} ...{line[tail:]}" if head < tail else line


def nearest(word: str, choices: Iterable[str], label: str = "choices") -> str:
    """Return the end of an error message: the nearest choice, if one is similar, and all choices."""
    choices = list(choices)
    close = get_close_matches(word, choices, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{guess} {label}: {', '.join(choices)}" if choices else "; there are none"
