"""Which quantization, cache type and context of a model fit: in a stack, or on cards that are named alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from stackgen import registry
from stackgen.app.knowledge import known_models
from stackgen.app.loading import link, read_text
from stackgen.domain.diagnostic import did_you_mean
from stackgen.domain.failure import Failure
from stackgen.domain.fit import Fits
from stackgen.domain.linked import LinkedStack, LinkedUse
from stackgen.domain.lock import Lock
from stackgen.facts import catalog
from stackgen.facts.known import quantizations
from stackgen.plan import trial as trials
from stackgen.plan.fitting import Question, answer
from stackgen.plan.solve import first_limit, solve

Card = str | dict[str, str]
"""A graphics card as stack.yaml has it: a name, or the long form."""
_LARGEST: Final[dict[str, Any]] = {"context": 0, "cache_type_k": "f16", "cache_type_v": "f16"}
"""From here the search goes down; a context of 0 is the trained one."""
_SEARCHED: Final = ("n_cpu_moe", "cpu_moe", "tensor_split", "n_gpu_layers")
"""Options of a model that the search finds anew."""


def in_stack(stack: LinkedStack, lock: Lock, name: str, context: int | None) -> tuple[Fits, ...]:
    """For `service`, `service/model` or a name under `models`. Raises Failure."""
    uses = _uses(stack, name)
    return tuple(_one(stack, lock, use, context) for use in uses)


def _uses(stack: LinkedStack, name: str) -> list[LinkedUse]:
    every = [use for service in stack.services.values() for use in service.models]
    service, _, rest = name.partition("/")
    found = [
        use
        for use in every
        if name in (use.service, use.model.name) or (use.service, use.id) == (service, rest) or name == use.id
    ]
    if found:
        return found
    names = dict.fromkeys(
        n for use in every for n in (use.service, f"{use.service}/{use.id}", use.model.name)
    )
    hint = did_you_mean(name, names) or f"there is: {', '.join(names)}"
    raise Failure(f"nothing here is called {name!r}", f"{hint}; or name your cards: --gpu rtx-3090")


def _one(stack: LinkedStack, lock: Lock, use: LinkedUse, context: int | None) -> Fits:
    written = stack.stack.services[use.service]
    entry = {k: v for k, v in written.models[use.id].items() if k not in _SEARCHED} | _LARGEST
    service = written.model_copy(update={"models": {**written.models, use.id: entry}})
    if not stack.services[use.service].gpus:
        raise Failure(f"{use} has no GPU to fit on", "give its service `gpus`")
    if not hasattr(registry.engine(written.engine), "process"):
        raise Failure(
            f"{use} runs on {written.engine}, whose memory is declared, not worked out",
            "`fit` works for engines that run llama.cpp",
        )
    largest = link(
        stack.stack.model_copy(update={"services": {**stack.stack.services, use.service: service}})
    )
    known = known_models(largest, lock)
    plan = solve(largest, known, registry.engines())
    host = stack.services[use.service].host.name
    trial = trials.of(plan, known, registry.engines(), lambda _: (), host)
    trial = replace(trial, limits={name: first_limit(demand) for name, demand in trial.demands.items()})
    label = f"{use.service}/{use.id}"
    others = [
        r.label for name, d in trial.demands.items() for r in d.residents if name != use.service or r.pinned
    ]
    trial = trial.only(dict.fromkeys((label, *others)))
    if known[use.model.name].facts is None:
        raise Failure(
            f"nothing is known of the memory of {use.model.name}", "`stackgen lock` reads it from the hub"
        )
    listed = quantizations(use.model) or (known[use.model.name],)
    mine = known[use.model.name]
    # What is locked is exact, whatever the catalog says of it.
    listed = tuple(mine if m.request.quant == mine.request.quant else m for m in listed)
    given = written.models[use.id].get("context") or written.options.get("context")
    context = context or (given if isinstance(given, int) else None)
    return answer(Question(trial, use.service, use.id, listed, context), plan.services[use.service])


def alone(name: str, cards: Sequence[Card], ram: str | None, context: int | None) -> Fits:
    """For a name of the catalog, a repository of the hub, or a GGUF file, on cards of one machine. Raises Failure."""
    _, stack = read_text("the command line", _text(name, cards, ram))
    return in_stack(stack, Lock(), "llama/it", context)[0]._replace(model=name)


def _text(name: str, cards: Sequence[Card], ram: str | None) -> str:
    """The least stack that serves a model. A list of cards is JSON, which is YAML."""
    import json

    host = {"platform": "compose", "gpus": list(cards)} | ({"ram": ram} if ram else {})
    data = {
        "version": 1,
        "name": "fit",
        "hosts": {"here": host},
        "models": {"it": _source(name)},
        "services": {
            "llama": {
                "engine": "llama-server",
                "host": "here",
                "gpus": list(range(len(cards))),
                "options": {"parallel": 1},
                "models": {"it": {"model": "it"}},
                "volumes": {"models": "models"},
            }
        },
        "volumes": {"models": {"managed": True}},
    }
    return json.dumps(data)


def card(text: str) -> Card:
    """A card as stack.yaml has it: its name, or what it has. Raises Failure."""
    from stackgen.data import gpus

    name, colon, rest = text.partition(":")
    key, _, reserve = rest.partition("=")
    if colon and (key != "reserve" or not _is_size(reserve)):
        raise Failure(f"{rest!r} says nothing of a GPU", f"such as {name}:reserve=2GiB, for other programs")
    kept = {"reserve": reserve} if colon else {}
    if found := gpus.gpu(name):
        return {"model": found.name, **kept} if kept else found.name
    if not _is_size(name):
        near = did_you_mean(name, gpus.names())
        raise Failure(
            f"there is no GPU {name!r} in the built-in table",
            near or "name its memory instead, such as 24GiB",
        )
    return {"capacity": name, **kept}


def _is_size(text: str) -> bool:
    from stackgen.domain.units import parse_size

    try:
        return parse_size(text) > 0
    except ValueError:
        return False


def _source(name: str) -> dict[str, str]:
    """Where the weights come from, as stack.yaml has it. Raises Failure."""
    if name.endswith(".gguf"):
        return {"path": str(Path(name).absolute())}
    repo, _, quant = name.partition(":")
    shape = catalog.find(repo)
    if shape is None:
        near = catalog.nearest(repo)
        raise Failure(
            f"the built-in catalog knows no model {repo!r}", near or "`stackgen models` lists what it knows"
        )
    if quant and catalog.canonical(quant) is None:
        raise Failure(
            f"there is no quantization {quant!r}", did_you_mean(quant.upper(), catalog.quantizations())
        )
    owned = repo if "/" in repo else f"catalog/{repo}"
    return {"hf": f"{owned}:{quant or shape.quant}", "catalog": shape.name}
