"""llama-swap in front of llama-server: its configuration, a command line for each model (v250)."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain.footprint import TermName
from stackgen.domain.plan import Plan, PlannedService, Resident
from stackgen.domain.units import GIB
from stackgen.emit import shell
from stackgen.engines.llama_server import table
from stackgen.engines.llama_server.effective import Case
from stackgen.engines.llama_server.options import ServiceOptions
from stackgen.engines.llama_server.params import Values
from stackgen.engines.llama_server.together import sets

CONFIG: Final = PurePosixPath("/config/llama-swap.yaml")
KEY: Final = "LLAMA_SWAP_API_KEY"
"""The variable with the key that clients must send; the file names it, so that the key is not in the file."""
_LOAD: Final = 600
"""Seconds that the largest models take to load from a disk that is not quick."""


def config(
    planned: PlannedService, plan: Plan, cases: Mapping[str, Case], files: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """The configuration; `files` are the options that name files, by model."""
    options: ServiceOptions = planned.linked.options
    pinned = [name for name, this in cases.items() if this.own.load_on_startup]
    return {
        "healthCheckTimeout": _LOAD,
        **({"globalTTL": options.global_ttl} if options.global_ttl else {}),
        **({"apiKeys": [f"${{env.{KEY}}}"]} if options.api_key else {}),
        "models": {name: _model(this, files[name]) for name, this in cases.items()},
        **({"matrix": _matrix(planned, plan)} if len(cases) > 1 else {}),
        **({"hooks": {"on_startup": {"preload": pinned}}} if pinned else {}),
    }


def _model(this: Case, files: Mapping[str, str]) -> dict[str, Any]:
    words = (
        *("llama-server", "--host", "127.0.0.1", "--port", "${PORT}"),
        *(word for key, value in files.items() for word in (f"--{key}", value)),
        *command_line(this.values, this.options.build),
    )
    stops = this.values.get("stop-timeout")
    return {
        "cmd": shell.join(words),
        **({"aliases": list(this.own.alias)} if this.own.alias else {}),
        **({"unloadTimeout": stops} if stops else {}),
    }


def command_line(values: Values, build: int) -> Iterator[str]:
    """Options as arguments, in the order of the table."""
    at = table.nearest_read(build)
    for option in table.options():
        value = values.get(option.name)
        if value is None or option.name in ("stop-timeout", "load-on-startup"):
            continue
        kind = option.kind(at)
        if kind.takes_value:
            yield from (f"--{option.key(at)}", kind.spell(value))
        elif value:
            yield f"--{option.key(at)}"
        elif not option.is_flag:
            yield _negated(option, at)


def _negated(option: table.Option, build: int) -> str:
    return next(s.argument for s in option.spellings if s.negated and s.since <= build)


def _matrix(planned: PlannedService, plan: Plan) -> dict[str, Any]:
    """What may be loaded together. A set of llama-swap stands for all parts of it as well."""
    options: ServiceOptions = planned.linked.options
    residents = {r.use: r for r in planned.demand.residents if r.use is not None}
    short = {use.id: f"m{number}" for number, use in enumerate(planned.linked.models, 1)}
    limit = options.models_max if isinstance(options.models_max, int) and options.models_max else None
    proven = [[short[name] for name in names] for names in sets(planned, plan, limit)]
    any_of = f"({' | '.join(short.values())})"
    return {
        "vars": {name: use for use, name in short.items()},
        "evict_costs": {name: _cost(residents[use]) for use, name in short.items() if use in residents},
        "sets": {f"fits{number}": " & ".join(names) for number, names in enumerate(proven, 1)}
        if proven
        else {"any": " & ".join([any_of] * planned.models_max)},
    }


def _cost(resident: Resident) -> int:
    """GiB of weights to be read again when it is asked for the next time."""
    places = (*resident.gpus.values(), resident.host)
    return 1 + sum(term.best for memory in places for term in memory.of(TermName.WEIGHTS)) // GIB
