"""Which types a pydantic model expects at a path of YAML keys: what messages need and errors do not tell."""

import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stackgen.domain.diagnostic import YamlPath
from stackgen.domain.wording import Form

KEY = "[key]"
"""As the last part of a path: the key of a mapping rather than its value."""


class Member(NamedTuple):
    """One of the types that a value may have, with the metadata that `Annotated` gives it."""

    type: Any
    metadata: tuple[Any, ...] = ()


class Slot(NamedTuple):
    """A place for a value: its possible types, and what is said about all of them together."""

    members: tuple[Member, ...]
    metadata: tuple[Any, ...] = ()
    description: str | None = None

    @property
    def form(self) -> Form | None:
        """What the value must look like, where somebody put it into words."""
        metadata = self.metadata or (self.members[0].metadata if len(self.members) == 1 else ())
        return next((item for item in metadata if isinstance(item, Form)), None)

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """The keys that a mapping may have here."""
        found: dict[str, FieldInfo] = {}
        for member in self.members:
            if is_model(member.type):
                found |= {field.alias or name: field for name, field in member.type.model_fields.items()}
        return found


def is_model(kind: Any) -> bool:
    """Whether a type is a pydantic model."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def slot_at(model: type[BaseModel], path: YamlPath) -> Slot:
    """What `model` expects at `path`; nothing where it expects nothing."""
    slot = Slot((Member(model),))
    for part in path:
        slots = [found for member in slot.members for found in _below(member.type, part)]
        description = slots[0].description if slots else None
        members = tuple(member for found in slots for member in found.members)
        slot = Slot(members, tuple(item for found in slots for item in found.metadata), description)
    return slot


def _below(kind: Any, part: str | int) -> Iterator[Slot]:
    if is_model(kind):
        field = {f.alias or name: f for name, f in kind.model_fields.items()}.get(str(part))
        if field is not None:
            metadata = tuple(_flat(field.metadata))
            yield Slot(tuple(_members(field.annotation, metadata)), metadata, field.description)
        return
    arguments = get_args(kind)
    if not arguments:
        return
    wanted = arguments[0] if part == KEY or isinstance(part, int) else arguments[-1]
    metadata = tuple(_flat(wanted.__metadata__)) if get_origin(wanted) is Annotated else ()
    yield Slot(tuple(_members(wanted)), metadata)


def _members(annotation: Any, metadata: tuple[Any, ...] = ()) -> Iterator[Member]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        yield from _members(inner, (*metadata, *_flat(more)))
    elif origin is Union or origin is types.UnionType:
        for argument in get_args(annotation):
            yield from _members(argument)
    elif annotation is not type(None):
        yield Member(annotation, metadata)


def _flat(metadata: Sequence[Any]) -> Iterator[Any]:
    """Metadata, with the constraints that `Field(…)` holds inside."""
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)
