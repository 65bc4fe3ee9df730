"""What is wrong with a gateway: LiteLLM itself starts with nearly all of it, and says nothing."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from stackgen.domain import spelling
from stackgen.domain.diagnostic import Diagnostic, YamlPath, did_you_mean, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.domain.units import show_duration
from stackgen.domain.wording import one_of, quoted
from stackgen.engines.litellm import routes
from stackgen.engines.litellm.case import Case
from stackgen.engines.litellm.interface import MASTER_KEY
from stackgen.engines.litellm.options import LitellmOptions
from stackgen.engines.litellm.routes import Route

_Named = tuple[YamlPath, str, Collection[str], bool]
"""Where a name stands, the name, what it may be, and whether it is the key there."""


def run(this: Case) -> Iterable[Diagnostic]:
    """Everything that only the services behind the gateway can tell."""
    from stackgen.engines.litellm import fallbacks

    for rule in (*RULES, *fallbacks.RULES):
        yield from rule(this)


def alone(service: LinkedService) -> Iterator[Diagnostic]:
    """What a gateway has wrong whatever is behind it."""
    options: LitellmOptions = service.options
    if options.master_key is None and not service.env.get(MASTER_KEY):
        yield error(
            "litellm/no-master-key",
            service.path,
            "LiteLLM refuses to start without a master key, and every client would be let in",
            f"options: {{master_key: {{secret: {{name: {service.name}, key: master-key}}}}}}",
        )
    if service.gpus:
        yield error(
            "litellm/gpu", (*service.path, "gpus"), "LiteLLM has no use for a GPU", "leave `gpus` out"
        )
    if options.salt_key and not options.database_url:
        yield warning(
            "litellm/no-database",
            (*service.path, "options", "salt_key"),
            "it encrypts what is in a database, and there is none",
            "add `database_url`, or leave it out",
        )


def nothing_behind(this: Case) -> Iterator[Diagnostic]:
    """A service of which no model is known."""
    for index, reference in enumerate(this.service.uses.get(routes.ROLE, ())):
        name, path = reference.service, (*this.service.path, "uses", routes.ROLE, index)
        if name not in this.others:
            yield error(
                "litellm/no-models",
                path,
                f"`{name}` is a gateway itself",
                "name the services behind it in its place",
            )
        elif not any(route.service == name for route in this.found):
            yield error(
                "litellm/no-models",
                path,
                f"no model of `{name}` is known, so there is nothing to offer",
                f"write down what it serves under services.{name}.models",
            )


def no_way_to_ask(this: Case) -> Iterator[Diagnostic]:
    """A model of a service whose protocol LiteLLM does not speak."""
    for route in this.found:
        if route.provider is None:
            spoken = [f"{api.value}" for api in route.interface.apis]
            yield error(
                "litellm/protocol",
                route.path,
                f"LiteLLM cannot ask `{route.service}` for {route.model.task.value} with `{route.model.id}`: "
                f"it speaks {one_of(spoken, 'and') if spoken else 'no protocol that is known'}",
                f"leave `{route.label}` out of `uses`, or give services.{route.service} the OpenAI API",
            )


def unusable_names(this: Case) -> Iterator[Diagnostic]:
    """Ids that LiteLLM takes for two names, or for a pattern."""
    for route in this.found:
        if "," in route.name or "*" in route.name:
            new = spelling.model_id(route.name) or "NAME"
            yield error(
                "litellm/name",
                route.path,
                f"nobody can ask LiteLLM for `{route.name}`: at `,` it sees two names, and in `*` a pattern",
                f"options: {{names: {{{new}: '{route.label}'}}}}",
            )


def unknown_names(this: Case) -> Iterator[Diagnostic]:
    """Options that name a model which is not behind the gateway: LiteLLM starts, and they never work."""
    labels = {route.label for route in this.found}
    for path, name, known, at_key in (*_named(this, labels), *_fallbacks_named(this)):
        if name not in known:
            listed = sorted(known)
            hint = did_you_mean(name, listed) or (f"there are: {', '.join(listed)}" if listed else None)
            message = f"there is no model `{name}` behind it"
            yield error("litellm/unknown-model", path, message, hint, at_key=at_key)


def _named(this: Case, labels: Collection[str]) -> Iterator[_Named]:
    for name, label in this.options.names.items():
        yield this.option("names", name), label, labels, False
    for alias, target in this.options.aliases.items():
        yield this.option("aliases", alias), target, this.groups.keys(), False


def _fallbacks_named(this: Case) -> Iterator[_Named]:
    options, known = this.options, {*this.groups, *this.aliases}
    for option in ("fallbacks", "context_window_fallbacks"):
        given: Mapping[str, list[str]] = getattr(options, option)
        for name, targets in given.items():
            yield this.option(option, name), name, this.groups.keys(), True
            for index, target in enumerate(targets):
                yield this.option(option, name, index), target, known, False
    for index, target in enumerate(options.default_fallbacks):
        yield this.option("default_fallbacks", index), target, known, False


def same_name(this: Case) -> Iterator[Diagnostic]:
    """Different models under one name, between which requests would be dealt out at random."""
    for name, group in this.groups.items():
        first, *rest = group
        other = next((route for route in rest if not _alike(this, first, route)), None)
        if other is not None:
            new = f"{name}-{other.service}"
            yield error(
                "litellm/same-name",
                other.path,
                f"`{first.label}` and `{other.label}` would both be `{name}`, and LiteLLM sends requests to "
                "either",
                f"options: {{names: {{{new}: {other.label}}}}}",
            )
    for alias in this.options.aliases:
        if alias in this.groups:
            yield error(
                "litellm/same-name",
                this.option("aliases", alias),
                f"`{alias}` is a model of `{this.groups[alias][0].service}` already, which nobody could ask "
                "for any more",
                "choose another alias",
                at_key=True,
            )


def _alike(this: Case, first: Route, second: Route) -> bool:
    """Whether two services offer the same weights for the same task, as far as anybody knows."""
    weights = this.weights.get(first.label), this.weights.get(second.label)
    return first.model.task is second.model.task and (None in weights or weights[0] == weights[1])


def route_twice(this: Case) -> Iterator[Diagnostic]:
    """One model under two names, each of which LiteLLM watches and leaves alone on its own."""
    named: dict[str, str] = {}
    for name, label in this.options.names.items():
        if label in named:
            yield warning(
                "litellm/duplicate-route",
                this.option("names", name),
                f"`{label}` is `{named[label]}` already; LiteLLM takes two names for two services, and counts "
                "failures of each on its own",
                f"aliases: {{{name}: {named[label]}}}",
                at_key=True,
            )
        named.setdefault(label, name)


def keys(this: Case) -> Iterator[Diagnostic]:
    """Keys for services that are not behind it, or that have one."""
    behind = {reference.service for reference in this.service.uses.get(routes.ROLE, ())}
    for name in this.options.keys:
        path = this.option("keys", name)
        if name not in behind:
            hint = did_you_mean(name, behind)
            message = f"`{name}` is not behind it, so its key is of no use"
            yield error("litellm/key", path, message, hint, at_key=True)
        elif name in this.others and this.others[name].key:
            message = f"services.{name} says itself which key it wants"
            yield error("litellm/key", path, message, "leave it out", at_key=True)


def too_short(this: Case) -> Iterator[Diagnostic]:
    """Timeouts that end before a model is loaded: the request fails, and the load goes on for nobody."""
    slowest = max(this.found, key=lambda route: route.interface.first_answer, default=None)
    for option in ("timeout", "stream_timeout"):
        seconds: int | None = getattr(this.options, option)
        if seconds is not None and slowest and seconds < slowest.interface.first_answer:
            need = slowest.interface.first_answer
            yield error(
                "litellm/timeout",
                this.option(option),
                f"`{slowest.service}` may take {show_duration(need)} to load a model, and LiteLLM gives up "
                "before that",
                f"leave it out, or make it longer than {need}s",
            )


def never_together(this: Case) -> Iterator[Diagnostic]:
    """Services of which only one may be up: requests for the models of the others fail."""
    for group in this.exclusive:
        here = sorted({route.service for route in this.found} & group)
        if len(here) < 2:
            continue
        stranded = [
            name
            for name, found in this.groups.items()
            if {route.service for route in found} <= group and not this.options.default_fallbacks
            if not this.options.fallbacks.get(name)
        ]
        if stranded:
            yield warning(
                "litellm/exclusive",
                (*this.service.path, "uses", routes.ROLE),
                f"only one of {one_of(quoted(here))} may be up, so {one_of(quoted(stranded), 'and')} "
                "cannot all be asked for",
                f"options: {{fallbacks: {{{stranded[0]}: [<a model of another service>]}}}}",
            )


RULES: Final = (
    nothing_behind,
    no_way_to_ask,
    unusable_names,
    unknown_names,
    same_name,
    route_twice,
    keys,
    too_short,
    never_together,
)
