"""Reads a llama-server command line as llama-server itself would, for one build."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stackgen.domain.diagnostic import nearest
from stackgen.domain.llama import LlamaParams
from stackgen.engines.llama_server import absence, table
from stackgen.engines.llama_server.params import to_params
from stackgen.engines.llama_server.table import Option, Presence, Spelling
from stackgen.engines.llama_server.values import ON, Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An argument that this build of llama-server turns down; `index` as in Given."""

    index: int
    argument: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """An option that an argument sets; `index` counts the arguments from 0, -1 stands for the environment."""

    index: int
    argument: str
    option: Option
    value: Value


@dataclass(frozen=True, kw_only=True, slots=True)
class ArgvParams:
    """A command line, understood. With refusals the server would not start, so `params` mean little."""

    params: LlamaParams
    model: str | None = None
    hf: str | None = None
    mmproj: str | None = None
    draft: str | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    """Every option by its canonical name, as it counts in the end."""
    given: tuple[Given, ...] = ()
    refusals: tuple[Refusal, ...] = ()


_ADD_UP: Final = ("override-tensor", "spec-draft-override-tensor", "spec-type", "lora", "lora-scaled")
"""Given twice, these add up; of all others the last one counts (the handlers in arg.cpp, b7964 to b11434)."""


def parse_argv(argv: Sequence[str], *, build: int, env: Mapping[str, str] | None = None) -> ArgvParams:
    """What a command line means to a build of llama-server that runs in this environment; raises nothing."""
    at = table.nearest_read(build)
    found = [*_environment(env or {}, at), *_arguments(argv, at)]
    given = tuple(item for item in found if isinstance(item, Given))
    values = _summed_up(given)
    draft = _text(values, "spec-draft-model") or _text(values, "spec-draft-hf")
    return ArgvParams(
        params=to_params(values, build, draft=draft is not None),
        model=_text(values, "model"),
        hf=_text(values, "hf-repo"),
        mmproj=_text(values, "mmproj"),
        draft=draft,
        values=values,
        given=given,
        refusals=tuple(item for item in found if isinstance(item, Refusal)),
    )


def _text(values: Mapping[str, Value], name: str) -> str | None:
    return str(values[name]) if name in values else None


def _summed_up(given: Sequence[Given]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for item in given:
        name = item.option.name
        if name in _ADD_UP and name in values:
            values[name] = (*_items(values[name]), *_items(item.value))
        else:
            values[name] = item.value
    return values


def _items(value: Value) -> tuple[int | float | str, ...]:
    return value if isinstance(value, tuple) else tuple(str(value).split(","))


def _environment(env: Mapping[str, str], build: int) -> Iterator[Given | Refusal]:
    for name, text in env.items():
        option, word = _of_variable(name, text)
        # llama-server does not look at variables that it does not know, and an "off" flag is no flag.
        if option is None or option.presence(build) in (Presence.NOT_YET, Presence.REMOVED):
            continue
        if not option.is_flag or word in ON:
            yield _read(-1, name, option, word, build)


def _of_variable(name: str, text: str) -> tuple[Option | None, str]:
    if option := table.by_env().get(name):
        return option, text
    positive = table.by_env().get(name.replace("LLAMA_ARG_NO_", "LLAMA_ARG_"))
    return (positive, "0") if positive is not None and positive.value == "pair" else (None, text)


def _arguments(argv: Sequence[str], build: int) -> Iterator[Given | Refusal]:
    # A pasted line begins with the program itself.
    index = 1 if argv and not argv[0].startswith("-") else 0
    while index < len(argv):
        word = argv[index]
        # llama-server takes --ctx_size for --ctx-size, but leaves short forms alone.
        found = table.by_argument().get(word.replace("_", "-") if word.startswith("--") else word)
        if found is None or absence.missing(*found, build):
            yield _refusal(index, word, found, build)
            wanted = 1 if index + 1 < len(argv) and not argv[index + 1].startswith("-") else 0
        else:
            option, spelling = found
            wanted = _values_wanted(option, build)
            yield _given(index, word, option, spelling, argv[index + 1 : index + 1 + wanted], build)
        index += 1 + wanted


def _values_wanted(option: Option, build: int) -> int:
    if option.value == "text text":
        return 2
    return 1 if option.kind(build).takes_value else 0


def _given(
    index: int, word: str, option: Option, spelling: Spelling, texts: Sequence[str], build: int
) -> Given | Refusal:
    wanted = _values_wanted(option, build)
    if len(texts) < wanted:
        return Refusal(index=index, argument=word, message=f"`{word}` needs a value")
    if wanted == 0:
        return Given(index=index, argument=word, option=option, value=not spelling.negated)
    return _read(index, word, option, " ".join(texts), build)


def _read(index: int, word: str, option: Option, text: str, build: int) -> Given | Refusal:
    try:
        return Given(index=index, argument=word, option=option, value=option.kind(build).parse(text))
    except ValueError as exc:
        return Refusal(index=index, argument=word, message=f"`{word}` {exc}")


def _refusal(index: int, word: str, found: tuple[Option, Spelling] | None, build: int) -> Refusal:
    if found is not None:
        option, spelling = found
        message = absence.sentence(option, spelling, word, build)
        hint = absence.hint(option, build, _argument, on=not spelling.negated)
        return Refusal(index=index, argument=word, message=message, hint=hint)
    message = f"llama-server has no argument `{word}`"
    name, _, value = word.partition("=")
    if name in table.by_argument():
        hint = f"write `{name} {value}`: llama-server takes a value as the next argument"
        return Refusal(index=index, argument=word, message=message, hint=hint)
    known = (a for a, (option, _) in table.by_argument().items() if option.presence(build) is Presence.YES)
    near = nearest(word, known)
    return Refusal(
        index=index, argument=word, message=message, hint=f"did you mean `{near}`?" if near else None
    )


def _argument(name: str, value: str | None) -> str:
    return f"--{name}" if value is None else f"--{name} {value}"
