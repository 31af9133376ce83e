"""YAML that others wrote, as plain data: the one reader, bounded in size, depth and time.

Settings are small: a file or a value that is not is a mistake or an attack, and refused before it costs anything.
Of YAML, what settings have no use for is refused too: tags (`!!int`), anchors and aliases (which grow without bound),
documents after the first. A date or a time stays text. A message names line and column, and quotes at most 80
characters.
"""

import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from lge_sweep.text import error_text, shorten, visible

MAX_BYTES = 256 * 1024
_TOO_LARGE = f"it is larger than {MAX_BYTES // 1024} KiB, which settings are not"
_MAX_NODES = 10_000
"""Values, lists and mappings in one document."""
MAX_DEPTH = 32
"""Lists and mappings in each other."""
_MAX_TEXT = 1000
"""Characters of a text or a number; the longest that are meant are paths and regular expressions."""
_PLAIN_TEXT_TAGS = ("timestamp", "merge", "value")
"""Kinds of values that are text here."""
_INTEGER_LIMIT = 2**63
"""Whole numbers are smaller, either sign: what files, seeds and databases hold."""


def read_yaml_file(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no YAML that settings can be; the message says where and why.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(_TOO_LARGE)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start})") from error
    return parse_yaml(text)


def parse_yaml(text: str) -> Any:
    """Return the plain data of a YAML text: mappings, lists, text, numbers, booleans, None.

    Raises:
        ValueError: it is no YAML that settings can be; the message says where and why.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(_TOO_LARGE)
    try:
        return _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}{shorten(error.problem or error.context or 'not YAML')}") from error
    except yaml.YAMLError as error:
        raise ValueError(error_text(error)) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, in Python, with bounds."""

    def __init__(self, text: str) -> None:
        """Begin with nothing read."""
        super().__init__(text)
        self.nodes = self.depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose one value after it is known that it may be there."""
        untyped: Any = self
        event = untyped.peek_event()
        self.nodes += 1
        self.depth += 1
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise _error_at(event, "anchors (&) and aliases (*) are not used in settings: write the value out")
        if event.tag and event.tag != "!":
            raise _error_at(
                event, f"tags are not used in settings, got {shorten(event.tag, 40)}: write the value alone"
            )
        if self.depth > MAX_DEPTH:
            raise _error_at(event, f"lists and mappings are more than {MAX_DEPTH} deep in each other")
        if self.nodes > _MAX_NODES:
            raise _error_at(event, f"there are more than {_MAX_NODES} values")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        """Return a node's value; one that is no number although it looks like one is refused."""
        if not isinstance(node, ScalarNode):
            return super().construct_object(node, deep)
        if len(node.value) > _MAX_TEXT:
            raise _error_at(node, f"a value has {len(node.value)} characters; at most {_MAX_TEXT} are read")
        try:
            value = super().construct_object(node, deep)
        except (ValueError, ArithmeticError) as error:
            raise _error_at(node, f"'{shorten(node.value, 40)}' cannot be read as a number") from error
        if ":" in node.value and isinstance(value, int | float):  # 4:00:00 would be a number to the base of 60
            return node.value
        if isinstance(value, int) and abs(value) >= _INTEGER_LIMIT:
            raise _error_at(node, f"the number {shorten(node.value, 40)} is too large")
        if isinstance(value, float) and not math.isfinite(value):
            raise _error_at(node, f"'{shorten(node.value, 40)}' is not a finite number")
        if isinstance(value, str) and visible(value) != value:
            raise _error_at(node, f"'{shorten(value, 40)}' holds a character that cannot be seen")
        return value

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping whose keys are plain and occur once."""
        known: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, ScalarNode):
                raise _error_at(key_node, "a key must be a single word or number")
            key = self.construct_object(key_node, deep=True)
            if key in known:
                raise _error_at(key_node, f"the key '{shorten(key, 40)}' is there twice")
            known.add(key)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in _PLAIN_TEXT_TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _error_at(place: Any, problem: str) -> yaml.MarkedYAMLError:
    """Return the error to raise at a node or an event."""
    return yaml.constructor.ConstructorError(None, None, problem, place.start_mark)
