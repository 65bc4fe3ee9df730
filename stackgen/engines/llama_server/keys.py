"""One mapping of options, checked key by key against the option table of a build."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from stackgen.domain import spelling
from stackgen.domain.diagnostic import Diagnostic, YamlPath, did_you_mean, error, has_errors, warning
from stackgen.domain.llama import LATEST_BUILD
from stackgen.emit.ini import why_not
from stackgen.engines.llama_server import absence, table
from stackgen.engines.llama_server.table import Option, Presence, Role, Spelling
from stackgen.engines.llama_server.values import Value


def read_values(
    given: Mapping[str, Any], build: int, path: YamlPath, *, allowed: Collection[str]
) -> tuple[dict[str, Value], list[Diagnostic]]:
    """Table-driven options by canonical name; `allowed` are further keys, for hints."""
    at = table.nearest_read(build)
    values: dict[str, Value] = {}
    found: list[Diagnostic] = []
    for key, raw in given.items():
        option = table.by_yaml_name().get(key)
        if option is None:
            found.append(_unknown(key, raw, at, path, allowed))
            continue
        wrong = list(_misfit(option, raw, at, (*path, key)))
        found += wrong
        if not has_errors(wrong):
            values[option.name] = option.kind(at).read(raw)
    return values, found


def _misfit(option: Option, raw: Any, build: int, place: YamlPath) -> Iterator[Diagnostic]:
    """What is wrong with an option that exists."""
    written = option.yaml_name
    if option.role in (Role.INFO, Role.ROUTER, Role.STACK) or option.name == "load-on-startup":
        yield _misplaced(option, place)
        return
    presence = option.presence(build)
    if presence in (Presence.NOT_YET, Presence.REMOVED):
        message = absence.sentence(option, option.spellings[0], written, build)
        hint = absence.hint(option, build, yaml_line, on=raw is not False)
        yield error("llama-server/not-in-build", place, message, hint, at_key=True)
        return
    if presence is Presence.UNCERTAIN:
        message = f"whether build b{build} has `{written}` is not known: {_seen(option)}"
        yield warning("llama-server/uncertain-option", place, message, at_key=True)
    try:
        text = option.kind(build).spell(option.kind(build).read(raw))
    except ValueError as exc:
        words = option.kind(build).schema.get("enum", ())
        hint = _meant(option, raw, build, [w for w in words if isinstance(w, str)])
        yield error("spec/value", place, f"`{written}` {exc}", hint)
        return
    if reason := why_not(text):
        message = f"`{written}` cannot be written into a presets file: {reason}"
        instead = option.instead(on=True)
        hint = f"write `{yaml_line(*instead[0])}`" if instead else None
        yield error("llama-server/not-expressible", place, message, hint)


def _meant(option: Option, raw: Any, build: int, words: list[str]) -> str | None:
    """How to write a value that cannot be read: `32k` and "32768" are numbers for a person."""
    if not isinstance(raw, str):
        return None
    if hint := did_you_mean(raw, words):
        return hint
    try:
        return f"write `{option.yaml_name}: {option.kind(build).read(int(spelling.whole_number(raw) or ''))}`"
    except ValueError:
        return None


def _seen(option: Option) -> str:
    return f"first seen in b{option.since}" + (f", last in b{option.until}" if option.until else "")


def _misplaced(option: Option, place: YamlPath) -> Diagnostic:
    name, hint = option.yaml_name, place_hint(option)
    if option.role is Role.INFO:
        message = f"`{name}` only prints something and exits"
        return error("llama-server/reserved-option", place, message, hint, at_key=True)
    if option.role is Role.ROUTER:
        message = f"`{name}` belongs to the router, which ignores it in a preset"
        return error("llama-server/reserved-option", place, message, hint, at_key=True)
    of_model = "belongs to a model" if option.role is Role.PRESET else "follows from the rest of stack.yaml"
    return error("llama-server/misplaced-option", place, f"`{name}` {of_model}", hint, at_key=True)


def place_hint(option: Option) -> str:
    """Where to write instead what a row with another role stands for."""
    note = option.note or ("nothing" if option.role is Role.INFO else "it under a model")
    return f"leave it out{note.removeprefix('nothing')}" if note.startswith("nothing") else f"write {note}"


def yaml_line(name: str, value: str | None) -> str:
    """A canonical name as stack.yaml writes it."""
    option = next((o for o in table.options() if o.name == name), None)
    key = option.yaml_name if option else name.replace("-", "_")
    return key if value is None else f"{key}: {value}"


def _unknown(key: str, raw: Any, build: int, path: YamlPath, allowed: Collection[str]) -> Diagnostic:
    found = table.find(key)
    if found is None:
        names = [o.yaml_name for o in table.options() if o.presence(build) is Presence.YES]
        plain = [name for name in names if table.by_yaml_name()[name].role in (Role.PLAIN, Role.PRESET)]
        hint = (
            _glued(key, allowed)
            or _elsewhere(key)
            or did_you_mean(key, [*allowed, *plain])
            or "`llama-server --help` lists the options of your build"
        )
        return error(
            "spec/unknown-key", (*path, key), f"llama-server has no option `{key}`", hint, at_key=True
        )
    option, spelling = found
    if option.role in (Role.INFO, Role.ROUTER, Role.STACK):
        return _misplaced(option, (*path, key))
    return error(
        "llama-server/spelling",
        (*path, key),
        f"`{key}` is another spelling of `{option.yaml_name}`",
        f"write `{_respelled(option, spelling, raw, build)}`",
        at_key=True,
    )


_ELSEWHERE: Final = {
    "context": ("n_ctx", "num_ctx", "ctx", "context_size", "context_length", "max_context", "max_model_len"),
    "n_gpu_layers": ("num_gpu", "layers"),
    "parallel": ("n_parallel", "num_parallel", "slots", "max_num_seqs"),
    "cache_type_k": ("kv_cache_type", "cache_type", "kv_type", "kv_cache_dtype"),
    "sleep_idle_seconds": ("ttl", "keep_alive", "idle_timeout"),
    "draft": ("draft_model", "speculative_model"),
    "command_line": ("extra_args", "args", "flags", "command", "cmd"),
}
"""What other programs, such as Ollama, vLLM and llama-swap, call an option."""


def _glued(key: str, allowed: Collection[str]) -> str | None:
    """The hint for `{context:32768}`, which is a key without a value."""
    name, _, value = key.partition(":")
    known = name in allowed or name in table.by_yaml_name()
    return f"a space is missing after the colon: `{name}: {value}`" if value and known else None


def _elsewhere(key: str) -> str | None:
    return next((f"did you mean `{ours}`?" for ours, theirs in _ELSEWHERE.items() if key in theirs), None)


def _respelled(option: Option, spelling: Spelling, raw: Any, build: int) -> str:
    if option.presence(build) is Presence.REMOVED and (pairs := option.instead(on=not spelling.negated)):
        return yaml_line(*pairs[0])
    if spelling.negated and isinstance(raw, bool):
        return f"{option.yaml_name}: {'false' if raw else 'true'}"
    return option.yaml_name


def properties() -> dict[str, Any]:
    """JSON Schemas of the options that the newest build takes, by their name in stack.yaml."""
    usable = (o for o in table.options() if o.role in (Role.PLAIN, Role.PRESET))
    return {o.yaml_name: _described(o) for o in usable if o.presence(LATEST_BUILD) is Presence.YES}


def _described(option: Option) -> dict[str, Any]:
    first = option.spellings[0].argument
    since = "" if option.since == table.builds()[0] else f", from b{option.since}"
    return {"description": f"llama-server's {first}{since}", **option.kind(LATEST_BUILD).schema}
