"""YAML of users: scalars as YAML 1.2 has them, each name once, and no more values than are written."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from diffsky_factory.core.errors import InputError, shown
from diffsky_factory.core.files_read import note
from diffsky_factory.core.user_files import user_file

TAG = "tag:yaml.org,2002:"
LONGEST_INTEGER = 20  # digits of the largest of 64 bits
LARGEST = 100_000  # characters, chosen: of values that aliases repeat
DEEPEST = 100  # chosen: values within values
SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
"""Core schema of YAML 1.2, section 10.3.2: what plain scalars are; all others are text."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # ten times as fast, where compiled
    yaml_implicit_resolvers: dict = {}  # noqa: RUF012  those of YAML 1.1 take 1:30 for 90, and `no` for false


for _kind, _pattern in SCALARS.items():
    _Loader.add_implicit_resolver(TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), None)


def read_yaml_file(path: str | Path) -> Any:
    """What a yaml file holds; raises InputError naming the file, and where it can the line, that cannot be read."""
    path = user_file(path)
    note(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path and its permissions") from error
    return parsed(text, path)


def parsed(text: str, where: object) -> Any:
    """The value of a YAML text.

    Raises InputError, naming where the text is from and the line, for what is no YAML, a name that is given twice,
    tags of one's own, integers beyond 64 bits, and aliases that repeat more than is written.
    """
    try:
        node = yaml.compose(text, _Loader)
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise InputError(f"{where}{line}: not valid YAML ({problem})") from error
    return None if node is None else _Values(where, max(LARGEST, 2 * len(text))).value(node)


class _Values:
    """Values of the nodes of one text, counted as if each alias were written out."""

    def __init__(self, where: object, most: int):
        self._where, self._left = where, most

    def value(self, node: yaml.Node, depth: int = 0) -> Any:
        """Value of a node at a depth."""
        self._left -= 1 + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0)
        if depth > DEEPEST:
            raise self._error(node, f"values lie more than {DEEPEST} deep, or in themselves; flatten them")
        if self._left < 0:
            raise self._error(node, "its aliases (*name) stand for far more than is written; write the values out")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
            return [self.value(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, depth)
        raise self._error(node, f"the tag {_short(node.tag)} means nothing here; leave it out")

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict:
        found: dict = {}
        for key, item in node.value:
            name = self.value(key, depth + 1)
            if not isinstance(name, Hashable):
                raise self._error(key, "a name is wanted before the colon, not a list or mapping")
            if name == "<<":
                raise self._error(key, "'<<' merges nothing here; write the fields out")
            if name in found:
                raise self._error(key, f"{shown(name)} is given twice; leave one of them out")
            found[name] = self.value(item, depth + 1)
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind, text = node.tag.removeprefix(TAG), node.value
        if kind == "str":
            return text
        if kind not in SCALARS:
            raise self._error(node, f"the tag {_short(node.tag)} means nothing here; leave it out")
        if not re.fullmatch(SCALARS[kind], text):
            raise self._error(node, f"{shown(text)} is no {kind}")
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "float":
            return float(text.replace(".i", "i").replace(".I", "i").replace(".n", "n").replace(".N", "n"))
        if len(text.lstrip("+-")) > LONGEST_INTEGER:
            raise self._error(node, f"an integer of {len(text)} digits; quote it if it is a text")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def _error(self, node: yaml.Node, problem: str) -> InputError:
        return InputError(f"{self._where}, line {node.start_mark.line + 1}: {problem}")


def _short(tag: str) -> str:
    return shown(tag.replace(TAG, "!!"))
