"""pydantic's errors with YAML paths: `loc` without union members, and one complaint per wrong value."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from stackgen.domain.diagnostic import YamlPath
from stackgen.domain.slots import KEY, slot_at

NO_MEMBER = "no_union_member"
"""The type of a complaint that stands for those of all members of a union."""


class Complaint(NamedTuple):
    """One error. `at_key`: it is about the last key of the path, not about what stands there."""

    type: str
    path: YamlPath
    value: Any
    message: str
    context: dict[str, Any]
    at_key: bool = False
    unions: tuple[tuple[YamlPath, str], ...] = ()
    """(path, member) of each union on the way."""

    @property
    def is_type(self) -> bool:
        """Whether the value has the wrong type."""
        return self.type.endswith(("_type", "_parsing")) or self.type in {"int_from_float", "is_instance_of"}

    def rejects(self, union: YamlPath) -> bool:
        """Whether it only says that the value at `union` is not meant for one of its members."""
        if self.path != union:
            return False
        mapping = isinstance(self.value, dict)
        return (
            self.is_type
            or self.type in {"literal_error", "enum"}
            or (self.type == "value_error" and not mapping)
        )


def complaints(exc: ValidationError, model: type[BaseModel]) -> list[Complaint]:
    """What `model` finds wrong, each thing once."""
    found = [_complaint(e, model) for e in exc.errors(include_url=False)]
    unions = {path for complaint in found for path, _ in complaint.unions}
    for union in sorted(unions, key=lambda path: -len(path)):
        found = list(_merge(found, union))
    return found


def _complaint(e: Any, model: type[BaseModel]) -> Complaint:
    path: YamlPath = ()
    unions: dict[YamlPath, str] = {}
    for part in e["loc"]:
        if part == KEY:
            continue
        if path not in unions and len(slot_at(model, path).members) > 1:
            unions[path] = str(part)
        else:
            path = (*path, part)
    return Complaint(
        type=e["type"],
        path=path,
        value=e["input"],
        message=e["msg"],
        context=e.get("ctx", {}),
        at_key=KEY in e["loc"],
        unions=tuple(unions.items()),
    )


def _merge(found: list[Complaint], union: YamlPath) -> Iterator[Complaint]:
    """The same complaints with one answer to a union that did not match.

    A member that took the value in and then found something wrong inside speaks for the union; else
    nobody does, and the value is of no type that is allowed there.
    """
    members: dict[str, list[Complaint]] = {}
    rejected = None
    for complaint in found:
        member = dict(complaint.unions).get(union)
        if member is None:
            yield complaint
        elif complaint.rejects(union):
            rejected = complaint
        else:
            members.setdefault(member, []).append(complaint)
    if members:
        yield from min(members.values(), key=len)
    elif rejected:
        yield rejected._replace(type=NO_MEMBER)
