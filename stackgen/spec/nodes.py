"""YAML text to a tree of nodes with positions: the only place that knows ruamel.yaml's events."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stackgen.domain.diagnostic import Diagnostic, Position, StackError, nearest
from stackgen.spec import characters
from stackgen.spec.scalars import Scalar, resolve

if TYPE_CHECKING:
    from ruamel.yaml.events import Event

MAX_DEPTH: Final = 64


class ScalarNode(NamedTuple):
    """A value without parts, and its text. `plain` = written without quotes."""

    position: Position
    value: Scalar
    text: str
    plain: bool


class ListNode(NamedTuple):
    """A sequence. `block` = its items stand on lines of their own."""

    position: Position
    items: "list[Node]"
    block: bool


class MapNode(NamedTuple):
    """A mapping: its pairs as they are written, with duplicate keys and merges."""

    position: Position
    pairs: "list[tuple[Node, Node]]"
    block: bool


class AliasNode(NamedTuple):
    """`*name`, and what it stands for."""

    position: Position
    target: "Node"


Node = ScalarNode | ListNode | MapNode | AliasNode


def compose(text: str) -> tuple[Node | None, list[Diagnostic]]:
    """The tree of the only document (None: there is nothing in it), and what is wrong apart from syntax.

    Raises StackError where the text is no YAML, or nested too deeply.
    """
    if found := characters.unprintable(text):
        raise StackError([found])
    composer = _Composer(_events(text))
    return composer.document(text), composer.found


def _events(text: str) -> "Iterator[Event]":
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as exc:
        from stackgen.spec import syntax

        raise StackError([syntax.explain(exc, text)]) from None
    except (ValueError, OverflowError):
        from stackgen.spec import syntax

        raise StackError([syntax.unknown_character(text)]) from None


class _Composer:
    def __init__(self, events: "Iterator[Event]") -> None:
        self.found: list[Diagnostic] = []
        self._events: Iterator[Any] = events
        self._anchors: dict[str, Node | None] = {}
        self._depth = 0

    def document(self, text: str) -> Node | None:
        """The root of the tree, or None."""
        next(self._events)
        start = next(self._events)
        if type(start).__name__ == "StreamEndEvent":
            return None
        if start.version not in (None, (1, 2)):
            place = Position(text[: text.index("%YAML")].count("\n") + 1, 1, len("%YAML"))
            self.found.append(characters.problem(place, "only YAML 1.2 is read here", "remove this line"))
        root = self._node(next(self._events))
        next(self._events)
        after = next(self._events)
        if type(after).__name__ != "StreamEndEvent":
            self._problem(after, "a second document begins here", "a stack is one document: remove the `---`")
        return root

    def _node(self, event: Any) -> Node:
        if event.anchor is not None:
            if type(event).__name__ == "AliasEvent":
                return self._alias(event)
            self._anchors[event.anchor] = None
        if event.ctag is not None:
            self._tag(event)
        match type(event).__name__:
            case "ScalarEvent":
                node: Node = self._scalar(event)
            case "MappingStartEvent":
                node = MapNode(_position(event), self._pairs(event), not event.flow_style)
            case _:
                node = ListNode(_position(event), self._items(event), not event.flow_style)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _tag(self, event: Any) -> None:
        tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        hint = "put the value in quotes" if tag in {"!!str", "!"} else "remove it"
        place = _position(event)._replace(width=len(tag))
        self.found.append(characters.problem(place, f"the tag `{tag}` is not supported", hint))

    def _alias(self, event: Any) -> Node:
        name = event.anchor
        target = self._anchors.get(name)
        if target is not None:
            return AliasNode(_position(event), target)
        if name in self._anchors:
            self._problem(event, f"`*{name}` stands inside `&{name}` itself")
        else:
            near = nearest(name, self._anchors)
            hint = f"did you mean `*{near}`?" if near else "put the value in quotes if it is just text"
            self._problem(event, f"`*{name}` refers to an anchor that is not defined above", hint)
        return ScalarNode(_position(event), None, "", plain=True)

    def _scalar(self, event: Any) -> ScalarNode:
        plain, text = event.style is None, event.value
        if plain and "\xa0" in text:
            self._problem(event, "a no-break space looks like a space, but is none", "type a space")
        elif not plain and characters.unusable(text) is not None:
            self._problem(event, "an escape in this value stands for a character that cannot be used here")
        return ScalarNode(_position(event), resolve(text) if plain else text, text, plain)

    def _items(self, start: Any) -> list[Node]:
        return [self._node(event) for event in self._until(start, "SequenceEndEvent")]

    def _pairs(self, start: Any) -> list[tuple[Node, Node]]:
        return [
            (self._node(event), self._node(next(self._events)))
            for event in self._until(start, "MappingEndEvent")
        ]

    def _until(self, start: Any, end: str) -> Iterator[Any]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._problem(start, f"more than {MAX_DEPTH} levels are nested here")
            raise StackError(self.found)
        while type(event := next(self._events)).__name__ != end:
            yield event
        self._depth -= 1

    def _problem(self, event: Any, message: str, hint: str | None = None) -> None:
        self.found.append(characters.problem(_position(event), message, hint))


def _position(event: Any) -> Position:
    start, end = event.start_mark, event.end_mark
    width = end.column - start.column if start.line == end.line else 1
    return Position(start.line + 1, start.column + 1, max(width, 1))
