"""What services, scenarios, groups and figures say about each other by name."""

from collections import Counter
from collections.abc import Iterator, Sequence

from stackgen.domain.contracts import Engine, Gateway
from stackgen.domain.diagnostic import Diagnostic, YamlPath, did_you_mean, error, warning
from stackgen.domain.linked import LinkedScenario, MeasuredUse
from stackgen.domain.stack import Stack
from stackgen.domain.wording import one_of, quoted
from stackgen.spec.names import Scope, reference, unresolved


def check_uses(scope: Scope) -> Iterator[Diagnostic]:
    """`uses`: roles that the engine has, filled by services that can fill them."""
    for name, service in scope.stack.services.items():
        path: YamlPath = ("services", name, "uses")
        if service.engine not in scope.engines:
            continue
        engine = scope.engines[service.engine]
        for role, written in service.uses.items():
            if role not in engine.use_roles:
                yield _no_role(engine, role, (*path, role))
                continue
            if isinstance(written, list) and len(written) > 1 and not engine.use_roles[role].many:
                message = f"`{engine.name}` uses one service for `{role}`, and these are {len(written)}"
                yield error("link/too-many", (*path, role), message)
            for place, text in _places(written, (*path, role)):
                yield from _check_use(scope, name, role, text, place)
        for role, about in engine.use_roles.items():
            if about.required and role not in service.uses:
                message = f"`{engine.name}` needs `{role}`: {about.description}"
                yield error("link/missing-role", (*path, role), message, _able(scope, name, role))
    yield from _cycles(scope.stack)


def _places(written: str | list[str], path: YamlPath) -> list[tuple[YamlPath, str]]:
    return (
        [(path, written)]
        if isinstance(written, str)
        else [((*path, i), text) for i, text in enumerate(written)]
    )


def _no_role(engine: Engine, role: str, path: YamlPath) -> Diagnostic:
    roles = engine.use_roles
    hint = did_you_mean(role, roles) or (
        f"it uses: {', '.join(roles)}" if roles else "it uses no other service"
    )
    return error("link/unknown-role", path, f"`{engine.name}` does not use `{role}`", hint, at_key=True)


def _check_use(scope: Scope, user: str, role: str, text: str, path: YamlPath) -> Iterator[Diagnostic]:
    used = reference(text).service
    engine = scope.stack.services[used].engine if used in scope.stack.services else ""
    gateway = engine in scope.engines and isinstance(scope.engines[engine], Gateway)
    # What a gateway offers follows from what is behind it, which the plan knows.
    if found := unresolved(scope.stack, used if gateway else text, path):
        yield found
        return
    if used == user:
        yield error("link/use-cycle", path, f"`{user}` cannot use itself")
    elif engine in scope.engines and not _fills(scope, user, engine, role):
        message = f"`{used}` runs {engine}, which cannot serve as `{role}`"
        yield error("link/role-not-offered", path, message, _able(scope, user, role))


def _able(scope: Scope, user: str, role: str) -> str:
    """Which services, or else which engines, can fill a role of this one."""
    services = scope.stack.services.items()
    here = [n for n, s in services if n != user and _fills(scope, user, s.engine, role)]
    if here:
        return f"{one_of(quoted(here))} can: uses: {{{role}: {here[0]}}}"
    able = [name for name in scope.engines if _fills(scope, user, name, role)]
    return f"add a service whose engine can: {', '.join(able)}" if able else "no engine can"


def _fills(scope: Scope, user: str, engine: str, role: str) -> bool:
    about = scope.engines[scope.stack.services[user].engine].use_roles[role]
    needed = about.fillers or (role,)
    return engine in scope.engines and (about.anyone or not scope.engines[engine].offers.isdisjoint(needed))


def _cycles(stack: Stack) -> Iterator[Diagnostic]:
    """Services of one host that wait for each other at start."""
    waits = {
        name: {
            used
            for texts in service.uses.values()
            for _, text in _places(texts, ())
            if (used := reference(text).service) != name
            and used in stack.services
            and stack.services[used].host == service.host
        }
        for name, service in stack.services.items()
    }
    while ready := [name for name, others in waits.items() if not others & waits.keys()]:
        for name in ready:
            del waits[name]
    # What is left waits for a ring or is in one; those that nobody waits for are outside.
    while outside := [name for name in waits if not any(name in others for others in waits.values())]:
        for name in outside:
            del waits[name]
    if ring := list(waits):
        message = f"{one_of(quoted(ring), 'and')} wait for each other at start"
        hint = "remove one entry of `uses`; a URL in `env` connects two services without waiting"
        yield error("link/use-cycle", ("services", ring[0], "uses"), message, hint, at_key=True)


def check_groups(stack: Stack) -> Iterator[Diagnostic]:
    """`exclusive`: groups of services that share a GPU."""
    for number, group in enumerate(stack.exclusive):
        path: YamlPath = ("exclusive", number)
        yield from _check_list(stack, group, path)
        for index, text in enumerate(group):
            if "/" in text and reference(text).service in stack.services:
                hint = f"write `{reference(text).service}`"
                yield error(
                    "link/exclusive", (*path, index), "a group is made of services, not of models", hint
                )
        once = len(set(group)) == len(group)
        if once and stack.services.keys() >= set(group) and not _share_gpu(stack, group):
            message = "no two services of this group share a GPU, so it has no effect"
            yield warning("link/nothing-shared", path, message)


def _share_gpu(stack: Stack, group: Sequence[str]) -> bool:
    services = [stack.services[name] for name in set(group)]
    held = Counter((host, gpu) for s in services for host in (s.host, *s.workers) for gpu in set(s.gpus))
    return any(count > 1 for count in held.values())


def _check_list(stack: Stack, texts: Sequence[str], path: YamlPath) -> Iterator[Diagnostic]:
    for index, text in enumerate(texts):
        if found := unresolved(stack, text, (*path, index)):
            yield found
        elif text in texts[:index]:
            yield error("link/named-twice", (*path, index), f"`{text}` is named twice")


def check_scenarios(stack: Stack) -> Iterator[Diagnostic]:
    """`scenarios`: what is loaded must exist."""
    for name, scenario in stack.scenarios.items():
        yield from _check_list(stack, scenario.loaded, ("scenarios", name, "loaded"))


def check_measured(stack: Stack) -> Iterator[Diagnostic]:
    """`measured`: a figure for each GPU of a service."""
    for number, measured in enumerate(stack.measured):
        path: YamlPath = ("measured", number)
        if found := unresolved(stack, measured.use, (*path, "use")):
            yield found
            continue
        gpus = stack.services[reference(measured.use).service].gpus
        if len(gpus) != len(measured.gpus):
            message = (
                f"`{measured.use}` runs on {_gpus(len(gpus))}, but this measures {_gpus(len(measured.gpus))}"
            )
            hint = "give one figure for each GPU, in their order"
            yield error("link/measured-gpus", (*path, "gpus"), message, hint)
        if any(measured.use == earlier.use for earlier in stack.measured[:number]):
            yield error("link/named-twice", (*path, "use"), f"`{measured.use}` has figures already")


def _gpus(count: int) -> str:
    return f"{count} GPU{'s' * (count != 1)}"


def link_scenarios(stack: Stack) -> tuple[LinkedScenario, ...]:
    """The scenarios, when nothing is wrong with them."""
    return tuple(
        LinkedScenario(name=name, loaded=tuple(map(reference, s.loaded)), expected=s.expect)
        for name, s in stack.scenarios.items()
    )


def link_measured(stack: Stack) -> tuple[MeasuredUse, ...]:
    """The measured figures, when nothing is wrong with them."""
    return tuple(
        MeasuredUse(use=reference(m.use), gpus=tuple(m.gpus), ram=m.ram, reason=m.reason, index=index)
        for index, m in enumerate(stack.measured)
    )
