"""Read YAML into values that know their file and line, so that an error can name both."""

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

from harness.errors import UsageError

_TAG = "tag:yaml.org,2002:"
_NO_SPACE = re.compile(r"([\w.@-]+):(\S+)")  # `steps:5`, which YAML takes for one word
_LARGEST = 2**63  # larger integers fit no knob and overflow on their way to float


@dataclass(frozen=True)
class Located:
    """A value with its place (file and line): a scalar, a dict of Located by key, or a tuple of Located."""

    value: Any
    where: str

    @property
    def plain(self) -> Any:
        """The value without places, as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: item.plain for key, item in self.value.items()}
        return [item.plain for item in self.value] if isinstance(self.value, tuple) else self.value


class _Loader(yaml.SafeLoader):
    """Loads YAML 1.2's scalars (`on` and `1:30` are words, `1e-3` is a number); no aliases, which nest endlessly."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML's own class attribute, filled below

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not supported", problem_mark=mark)
        return super().compose_node(parent, index)


for _name, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^{_pattern}$"), _first)


def parse(text: str, source: str, *, lines: bool = True) -> Located:
    """Return the document's root; raise UsageError that names ``source`` and, with ``lines``, the line.

    Refuses malformed YAML, duplicate keys, aliases, tags that would build Python objects, and infinite numbers.
    """
    try:
        node = _Loader(text).get_single_node()
        return Located(None, source) if node is None else _build(node, source, lines)
    except yaml.MarkedYAMLError as error:
        where = _where(source, error.problem_mark, lines) if error.problem_mark else source
        raise UsageError(f"{where}: not valid YAML: {error.problem}{_advice(error.problem, lines)}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise UsageError(f"{source}: nested too deeply") from None


def colon_hint(text: Any) -> str:
    """Return the end of an error message for a word such as `steps:5`, "" for any other value."""
    match = _NO_SPACE.fullmatch(text) if isinstance(text, str) else None
    return f"; YAML wants a space after the colon: {match[1]}: {match[2]}" if match else ""


def _advice(problem: str | None, lines: bool) -> str:
    """Return what to do about malformed YAML, where its usual cause is clear."""
    if problem == "mapping values are not allowed here":
        return "; write a space after each colon, also in the line above, and quote a value that holds one"
    return "" if lines else "; quote the whole of KEY=VALUE, or the shell cuts it at its spaces"


def _where(source: str, mark: Any, lines: bool) -> str:
    return f"{source}:{mark.line + 1}" if lines else source


def _build(node: yaml.Node, source: str, lines: bool) -> Located:
    where = _where(source, node.start_mark, lines)
    if isinstance(node, yaml.ScalarNode):
        return Located(_scalar(node, where), where)
    if node.tag not in (_TAG + "map", _TAG + "seq"):
        raise UsageError(f"{where}: the tag {_short_tag(node.tag)} is not allowed")
    if isinstance(node, yaml.SequenceNode):
        return Located(tuple(_build(item, source, lines) for item in node.value), where)
    items: dict[str, Located] = {}
    for key_node, value_node in node.value:
        place = _where(source, key_node.start_mark, lines)
        if not isinstance(key_node, yaml.ScalarNode):
            raise UsageError(f"{place}: a key must be a word")
        _scalar(key_node, place)  # refuses tags on keys too
        if key_node.value in items:
            raise UsageError(f"{place}: duplicate key {key_node.value!r}, first at {items[key_node.value].where}")
        if key_node.style is None and isinstance(value_node, yaml.ScalarNode) and not value_node.value:
            hint = colon_hint(key_node.value)
            if hint:
                raise UsageError(f"{place}: {key_node.value!r} is one word{hint}")
        # The place of a value is that of its key: a block starts a line below, but readers look for the key.
        items[key_node.value] = Located(_build(value_node, source, lines).value, place)
    return Located(items, where)


def _scalar(node: yaml.ScalarNode, where: str) -> Any:
    kind, text = node.tag.removeprefix(_TAG), node.value
    if kind == "null":
        return None
    if kind == "str":
        return text
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind not in ("int", "float"):
        raise UsageError(f"{where}: the tag {_short_tag(node.tag)} is not allowed")
    try:
        number = float(text) if kind == "float" or len(text) > 20 else int(text)
    except ValueError:
        raise UsageError(f"{where}: {text!r} is not a number") from None
    if not math.isfinite(number) or abs(number) >= _LARGEST:
        raise UsageError(f"{where}: {text[:30]} is too large a number")
    return number


def _short_tag(tag: str) -> str:
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
