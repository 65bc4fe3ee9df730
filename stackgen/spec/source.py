"""YAML text to plain data, with the place of every key and every value.

YAML 1.2, one document, string keys, no tags. Anchors, aliases and `<<` work: what a mapping says itself wins
over what it merges, and of several merged mappings the first wins.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NoReturn

from stackgen.domain.diagnostic import Diagnostic, Position, StackError, YamlPath
from stackgen.domain.secrets import masked
from stackgen.domain.source import WHOLE_FILE, Positions, Source
from stackgen.spec import characters
from stackgen.spec.nodes import MAX_DEPTH, AliasNode, ListNode, MapNode, Node, ScalarNode, compose

MAX_ALIASED: Final = 100_000
"""Values that aliases may bring in, so that a few lines cannot stand for billions of them."""


def read(name: str, text: str) -> Source:
    """The data and the positions of a text. Raises StackError with everything wrong about its form."""
    text = text.removeprefix("\ufeff")
    root, found = compose(text)
    reader = _Reader(found)
    data = None if root is None else reader.value(root, (), None)
    if found:
        raise StackError(found)
    return Source(name, text, data, Positions(reader.keys, reader.values))


class _Reader:
    """Nodes to data. An alias is walked again for every use, since each use has its own path."""

    def __init__(self, found: list[Diagnostic]) -> None:
        self.keys: dict[YamlPath, Position] = {}
        self.values: dict[YamlPath, Position] = {}
        self._found = found
        self._aliases = 0
        self._outermost = WHOLE_FILE
        self._aliased = 0

    def value(self, node: Node, path: YamlPath, key: Position | None) -> Any:
        """The data of a node. `key`: where its key stands, for nodes without a place of their own."""
        if isinstance(node, AliasNode):
            return self._alias(node, path)
        self._count(path)
        if isinstance(node, ScalarNode):
            self.values[path] = key if key and node.plain and node.value is None else node.position
            return node.value
        self.values[path] = key if key and node.block else node.position
        if isinstance(node, ListNode):
            return [self.value(item, (*path, index), None) for index, item in enumerate(node.items)]
        data: dict[str, Any] = {}
        self._mapping(node, path, data)
        return data

    def _alias(self, node: AliasNode, path: YamlPath) -> Any:
        with self._inside(node):
            data = self.value(node.target, path, None)
        self.values[path] = node.position
        return data

    @contextmanager
    def _inside(self, node: Node) -> Iterator[None]:
        """What is walked meanwhile is written elsewhere, if `node` is an alias."""
        if not isinstance(node, AliasNode):
            yield
            return
        if not self._aliases:
            self._outermost = node.position
        if self._aliases == MAX_DEPTH:
            self._stop(f"aliases lead to aliases more than {MAX_DEPTH} times")
        self._aliases += 1
        yield
        self._aliases -= 1

    def _mapping(self, node: MapNode, path: YamlPath, data: dict[str, Any]) -> None:
        """Add the pairs of a node to `data`, except those that it has already."""
        merges: list[Node] = []
        own: dict[str, Position] = {}
        for key, value in node.pairs:
            self._count(path)
            if isinstance(key, ScalarNode) and key.value == "<<" and key.plain:
                merges.append(value)
                continue
            name = self._name(key, value)
            if name is None or self._is_duplicate(name, key.position, path, own):
                continue
            own[name] = key.position
            if name not in data:
                below = (*path, name)
                self.keys[below] = key.position
                data[name] = self.value(value, below, key.position)
        for merged in merges:
            self._merge(merged, path, data)

    def _merge(self, node: Node, path: YamlPath, data: dict[str, Any]) -> None:
        target = node.target if isinstance(node, AliasNode) else node
        if isinstance(target, MapNode):
            with self._inside(node):
                self._mapping(target, path, data)
        elif isinstance(node, ListNode):
            for item in node.items:
                self._merge(item, path, data)
        else:
            hint = "write `<<: *name`, where `&name` marks a mapping"
            self._problem(node.position, "`<<` can only merge mappings", hint)

    def _name(self, key: Node, value: Node) -> str | None:
        if isinstance(key, ScalarNode) and isinstance(key.value, str):
            return key.value
        if not isinstance(key, ScalarNode):
            self._problem(key.position, "a key must be a string, not a list, a mapping or an alias")
        elif key.value is None:
            self._problem(key.position, "a key is missing before `:`")
        elif isinstance(value, ScalarNode) and value.plain and not value.text:
            message = f"a comma begins a new entry here, so {key.text} stands alone"
            hint = "numbers have no commas: 32768; lists stand in brackets: [3, 1]; texts may stand in quotes"
            self._problem(key.position, message, hint)
        else:
            kind = "a boolean" if isinstance(key.value, bool) else "a number"
            message = f"a key must be a string, but {key.text} is {kind}"
            self._problem(key.position, message, f'put it in quotes: "{key.text}"')
        return None

    def _is_duplicate(self, name: str, position: Position, path: YamlPath, own: dict[str, Position]) -> bool:
        if name not in own:
            return False
        if not self._aliases:
            twice = characters.problem(
                position, f"the key `{name}` is there twice", "remove one, or merge the two"
            )
            related = ((own[name], "first defined here"),)
            self._found.append(replace(twice, path=(*path, masked(name)), related=related))
        return True

    def _count(self, path: YamlPath) -> None:
        if self._aliases:
            self._aliased += 1
            if self._aliased > MAX_ALIASED:
                self._stop(f"aliases stand for more than {MAX_ALIASED} values")
            if len(path) > MAX_DEPTH:
                self._stop(f"with its aliases, more than {MAX_DEPTH} levels are nested")

    def _stop(self, message: str) -> NoReturn:
        raise StackError([*self._found, characters.problem(self._outermost, message)])

    def _problem(self, position: Position, message: str, hint: str | None = None) -> None:
        if not self._aliases:
            self._found.append(characters.problem(position, message, hint))
