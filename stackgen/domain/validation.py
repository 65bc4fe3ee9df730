"""A pydantic model's opinion of some data, as diagnostics: the YAML path, what is allowed, and a hint."""

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from stackgen.domain import spelling
from stackgen.domain.complaints import NO_MEMBER, Complaint, complaints
from stackgen.domain.diagnostic import Diagnostic, YamlPath, did_you_mean, dotted, error, nearest
from stackgen.domain.slots import KEY, Slot, slot_at
from stackgen.domain.wording import one_of, shown, subject, type_words

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], data: Any, path: YamlPath) -> tuple[M | None, list[Diagnostic]]:
    """The typed value of `data`, or None with everything that is wrong with it. `path` leads to `data`."""
    try:
        return model.model_validate(data), []
    except ValidationError as exc:
        found = complaints(exc, model)
    meant = {_meant(model, c) for c in found if c.type == "extra_forbidden"}
    cases = [_Case(model, c, path) for c in found if c.type != "missing" or c.path not in meant]
    return None, [_TELL.get(case.complaint.type, _tell)(case) for case in cases]


def _meant(model: type[BaseModel], unknown: Complaint) -> YamlPath:
    """The key that a misspelled one stands for: it is not missing as well."""
    above, key = unknown.path[:-1], str(unknown.path[-1])
    near = None if _elsewhere(model, above, key) else nearest(key, slot_at(model, above).fields)
    return (*above, near or key)


def _elsewhere(model: type[BaseModel], path: YamlPath, key: str) -> str | None:
    """The hint for a key that is right, but not here."""
    for child in slot_at(model, path).fields:
        if key in slot_at(model, (*path, child)).fields:
            return f"`{key}` belongs under `{child}`"
    if path and key in slot_at(model, path[:-1]).fields:
        return f"`{key}` belongs one level up, beside `{path[-1]}`"
    return None


class _Case(NamedTuple):
    """A complaint of a model, and the path to the data that it was given."""

    model: type[BaseModel]
    complaint: Complaint
    prefix: YamlPath

    @property
    def path(self) -> YamlPath:
        return (*self.prefix, *self.complaint.path)

    @property
    def subject(self) -> str:
        return f"the name `{self.path[-1]}`" if self.complaint.at_key else subject(self.path)

    @property
    def slot(self) -> Slot:
        path = self.complaint.path
        return slot_at(self.model, (*path[:-1], KEY) if self.complaint.at_key else path)

    @property
    def around(self) -> Slot:
        """The mapping that the key stands in."""
        return slot_at(self.model, self.complaint.path[:-1])

    def error(self, kind: str, message: str, hint: str | None = None) -> Diagnostic:
        return error(kind, self.path, message, hint, at_key=self.complaint.at_key)


def _missing(case: _Case) -> Diagnostic:
    *above, key = case.path
    where = f" in `{dotted(tuple(above))}`" if above else ""
    about = case.slot.description
    return case.error(
        "spec/missing-key", f"`{key}` is missing{where}", f"`{key}`: {about}" if about else None
    )


def _unknown(case: _Case) -> Diagnostic:
    *above, key = case.path
    where = f" in `{dotted(tuple(above))}`" if above else ""
    hint = _unknown_hint(case, str(key), case.around.fields)
    return error("spec/unknown-key", case.path, f"unknown key `{key}`{where}", hint, at_key=True)


def _unknown_hint(case: _Case, key: str, allowed: Collection[str]) -> str:
    name, colon, rest = key.partition(":")
    if colon and name in allowed:
        return f"a space is missing after the colon: `{name}: {rest}`"
    hint = _elsewhere(case.model, case.complaint.path[:-1], key) or did_you_mean(key, allowed)
    if hint := hint or spelling.foreign_key(key, allowed):
        return hint
    return f"allowed here: {', '.join(allowed)}" if allowed else "there is nothing to set here"


def _tell(case: _Case) -> Diagnostic:
    if case.complaint.is_type:
        return _wrong_type(case)
    if bounds := _bounds(case.slot):
        message = f"{case.subject} must be {bounds}, got {shown(case.complaint.value)}"
        return case.error("spec/range", message)
    return _as_pydantic_says(case, "spec/value")


def _as_pydantic_says(case: _Case, kind: str) -> Diagnostic:
    text = case.complaint.message
    return case.error(kind, f"{case.subject}: {text[:1].lower()}{text[1:]}")


def _wrong_length(case: _Case) -> Diagnostic:
    context, value = case.complaint.context, case.complaint.value
    least, most = context.get("min_length"), context.get("max_length")
    count = f"at least {least}" if least is not None else f"at most {most}"
    unit = "characters" if isinstance(value, str) else "entries"
    return case.error("spec/value", f"{case.subject} must have {count} {unit}, got {shown(value)}")


def _wrong_type(case: _Case) -> Diagnostic:
    """The value is of none of the types that are allowed, or is none of the words."""
    value, slot = case.complaint.value, case.slot
    literals = [word for member in slot.members for word in _literals(member.type)]
    wanted = [words for member in slot.members for words in type_words(member.type, member.metadata)]
    if not wanted:
        return _as_pydantic_says(case, "spec/type")
    wanted = ["true or false"] if wanted == ["a boolean"] else wanted
    # A form of strings says how to write one; here it is no string at all.
    form = None if wanted == ["a string"] else slot.form
    expected = form.words if form else one_of(list(dict.fromkeys(wanted)))
    message = f"{case.subject} must be {expected}, got {shown(value)}"
    if isinstance(value, str) and literals:
        return case.error("spec/value", message, did_you_mean(value, [str(word) for word in literals]))
    if isinstance(value, str) and form and form.repair and (repaired := form.repair(value)):
        return case.error("spec/type", message, f"write {repaired}")
    return case.error("spec/type", message, _type_hint(case, value, _types(slot)))


def _types(slot: Slot) -> list[Any]:
    return [get_origin(member.type) or member.type for member in slot.members]


def _type_hint(case: _Case, value: Any, types: list[Any]) -> str | None:
    """How to write what was probably meant."""
    if value is None:
        return "write a value, or remove the line"
    if (
        isinstance(value, str)
        and bool in types
        and value.lower() in {"yes", "no", "on", "off", "true", "false"}
    ):
        return f"write {'true' if value.lower() in {'yes', 'on', 'true'} else 'false'}"
    if isinstance(value, str) and (int in types or float in types) and re.fullmatch(_NUMBER, value.strip()):
        return f"remove the quotes: {value.strip()}"
    if isinstance(value, int | float) and str in types:
        return "put it in quotes"
    if list in types and type(value) in _types(slot_at(case.model, (*case.complaint.path, 0))):
        # A command line in one piece is several arguments.
        items = ", ".join(value.split()) if isinstance(value, str) and value.startswith("-") else value
        return f"write a list: [{items}]"
    if isinstance(value, list) and dict in types:
        pairs = [text.partition("=") for text in value if isinstance(text, str) and "=" in text]
        return (
            f"write {{{pairs[0][0]}: {pairs[0][2]}, …}}" if pairs else "write `key: value` pairs, not a list"
        )
    return None


def _literals(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _pattern(case: _Case) -> Diagnostic:
    form, value = case.slot.form, str(case.complaint.value)
    if form is None:
        words = f"match the pattern {case.complaint.context.get('pattern')}"
        return case.error(
            "spec/value", f"{case.subject} must {words}, got {shown(value)}", case.slot.description
        )
    fixed = form.repair(value) if form.repair else None
    message = f"{case.subject} must be {form.words}"
    if not case.complaint.at_key:
        message += f", got {shown(value)}"
    return case.error("spec/value", message, f"such as `{fixed}`" if fixed else None)


def _said(case: _Case) -> Diagnostic:
    """A validator raised ValueError: it has said all."""
    said = case.complaint.context.get("error", case.complaint.message)
    text = f"{case.subject}: {said}" if case.path else str(said)
    return replace(case.error("spec/value", text), at_key=isinstance(case.complaint.value, dict))


def _bounds(slot: Slot) -> str | None:
    """What constraints such as `ge` and `le` say, in words."""
    metadata = [*slot.metadata, *(item for member in slot.members for item in member.metadata)]
    low = next((item.ge for item in metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in metadata if hasattr(item, "le")), None)
    if low is not None and high is not None:
        return f"between {low} and {high}"
    words = [
        f"{text} {getattr(item, name)}"
        for name, text in _LIMITS.items()
        for item in metadata
        if getattr(item, name, None) is not None
    ]
    return one_of(list(dict.fromkeys(words)), "and") if words else None


_NUMBER: Final = r"[-+]?\d+(\.\d+)?"
_LIMITS: Final = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "lt": "less than",
    "multiple_of": "a multiple of",
}

_TELL: Final[dict[str, Callable[[_Case], Diagnostic]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _wrong_type,
    "enum": _wrong_type,
    NO_MEMBER: _wrong_type,
    "string_pattern_mismatch": _pattern,
    **dict.fromkeys(("string_too_short", "string_too_long", "too_short", "too_long"), _wrong_length),
    "value_error": _said,
    "assertion_error": _said,
}
