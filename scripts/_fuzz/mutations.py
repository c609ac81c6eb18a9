"""Small damage to inputs, as people and programs do it: to text, to bytes, and to values."""

import random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3.5, -0.0, 1e308, 1e-320, float("inf"), float("nan"), 2**63, 10**30, "", " ", "0",
    "none", "None", "null", "~", "é", "\x00", "a" * 3000, "../..", "/", "fusion", "fusion.strength", [], [[]], [1, "a"],
    {}, {"name": "figures"}, {"": 1}, {"name": 3}, "2024-01-01", "1e3", "yes", "0x10", "*", "&a", "!!python/object:x",
)
ODD_TEXT = ("\t", "\n", ":", "-", "{", "}", "[", "]", "'", '"', "#", ",", "%", "&", "*", "!", "|", ">", "\x00",
            "\ufeff", "é", "\u202e", "😀", "e9", "-1", "1e999", "nan", "../", "\\")


def text(value: str, draw: random.Random) -> str:
    """Return text with a few characters inserted, removed, doubled or exchanged, or a line moved."""
    for _ in range(draw.randint(1, 2)):
        place = draw.randint(0, max(0, len(value)))
        match draw.randint(0, 4):
            case 0:
                value = value[:place] + draw.choice(ODD_TEXT) + value[place:]
            case 1:
                value = value[:place] + value[place + draw.randint(1, 20):]
            case 2:
                value = value[:place] + value[max(0, place - 10):place] + value[place:]
            case 3:
                lines = value.splitlines(keepends=True)
                draw.shuffle(lines)
                value = "".join(lines)
            case _:
                value = value[:place] + value[place:].swapcase()
    return value


def content(value: bytes, draw: random.Random) -> bytes:
    """Return bytes cut short, with bits flipped, a range zeroed or repeated, or nothing at all."""
    data = bytearray(value)
    for _ in range(draw.randint(1, 3)):
        if not data:
            break
        place = draw.randrange(len(data))
        match draw.randint(0, 4):
            case 0:
                del data[place:]
            case 1:
                for _ in range(draw.randint(1, 8)):
                    data[draw.randrange(len(data))] ^= 1 << draw.randint(0, 7)
            case 2:
                data[place : place + 16] = bytes(len(data[place : place + 16]))
            case 3:
                data[place:place] = data[: draw.randint(1, 64)]
            case _:
                data.clear()
    return bytes(data)


def structure(value: Any, draw: random.Random) -> Any:
    """Return plain data with one place changed: a value replaced, a key renamed, dropped or added."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        key = draw.choice(list(value))
        match draw.randint(0, 5):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return {text(str(k), draw) if k == key else k: v for k, v in value.items()}
            case 2:
                return {**value, draw.choice(("extra", "name", "seed", "weight", "", "strength")): odd(draw)}
            case _:
                return {**value, key: structure(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.7:
        place = draw.randrange(len(value))
        return [*value[:place], structure(value[place], draw), *value[place + draw.randint(0, 1):]]
    return odd(draw)


def odd(draw: random.Random) -> Any:
    """Return a value that somebody may write where another was expected."""
    return draw.choice(ODD_VALUES)
