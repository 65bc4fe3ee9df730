"""Stack -> LinkedStack: every name resolved, and every option checked by the engine that owns it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from stackgen.domain.contracts import Engines, Targets
from stackgen.domain.diagnostic import StackError, has_errors
from stackgen.domain.linked import LinkedStack
from stackgen.domain.stack import Stack
from stackgen.spec import allow, conflicts, hosts, models, references, services, volumes
from stackgen.spec.names import Scope

if TYPE_CHECKING:
    from stackgen.domain.gpu import GpuModel


def link(
    stack: Stack,
    *,
    engines: Engines,
    platforms: Targets,
    gpu: "Callable[[str], GpuModel | None]",
    gpu_names: Callable[[], Iterable[str]],
) -> LinkedStack:
    """The stack with its names resolved; findings that do not stop it are its notes.

    Raises StackError with everything that is wrong.
    """
    scope = Scope(stack=stack, engines=engines, platforms=platforms, gpu=gpu, gpu_names=gpu_names)
    options = services.read_options(scope)
    found = (
        *hosts.check(scope),
        *models.check(stack.models),
        *services.check(scope, options),
        *references.check_uses(scope),
        *references.check_groups(stack),
        *references.check_scenarios(stack),
        *references.check_measured(stack),
        *volumes.check(stack.volumes),
        *conflicts.check(scope, options),
        *allow.check(stack),
    )
    if has_errors(found):
        # What looks unused may only be misspelled where it is used.
        raise StackError(d for d in found if d.kind not in conflicts.UNUSED)
    linked_hosts, linked_models = hosts.build(scope), models.build(stack.models)
    return LinkedStack(
        name=stack.name,
        hosts=linked_hosts,
        models=linked_models,
        services=services.build(scope, options, linked_hosts, linked_models),
        volumes=stack.volumes,
        exclusive=tuple(map(frozenset, stack.exclusive)),
        scenarios=references.link_scenarios(stack),
        measured=references.link_measured(stack),
        headroom=stack.budget.headroom,
        stack=stack,
        notes=found,
    )
