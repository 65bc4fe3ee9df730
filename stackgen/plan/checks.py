"""Rules about the plan as a whole; rules about one engine live with the engine."""

from collections.abc import Iterable
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, did_you_mean, error, warning
from stackgen.domain.plan import KnownModel, Plan
from stackgen.domain.units import show_size
from stackgen.plan import cards, nodes

GPU_CHOICES: Final = frozenset(
    {
        "CUDA_VISIBLE_DEVICES",
        "GGML_VK_VISIBLE_DEVICES",
        "HIP_VISIBLE_DEVICES",
        "NVIDIA_VISIBLE_DEVICES",
        "ONEAPI_DEVICE_SELECTOR",
        "ROCR_VISIBLE_DEVICES",
        "ZE_AFFINITY_MASK",
    }
)
"""Variables with which drivers and runtimes choose among the GPUs that a program could see."""


def run(plan: Plan) -> Iterable[Diagnostic]:
    """Everything that the whole plan has wrong, except GPU memory."""
    for rule in (
        host_ram,
        models_of_gateways,
        scenario_expectations,
        volume_sizes,
        unclaimed_gpus,
        gpus_chosen_twice,
        workers,
        proxies,
        nodes.ram_limits,
        cards.whole_cards,
        cards.any_card,
        nodes.requests,
        nodes.cpu_limits,
    ):
        yield from rule(plan)


def host_ram(plan: Plan) -> Iterable[Diagnostic]:
    """Main memory is a budget too: weights on the host, prompt caches, what services declare."""
    for ledger in plan.hosts:
        if ledger.ram is not None and ledger.ram_high > ledger.ram:
            yield error(
                "plan/host-ram",
                ("hosts", ledger.host, "ram"),
                f"{ledger.host} needs {show_size(ledger.ram_high)} of main memory at worst "
                f"and has {show_size(ledger.ram)}",
                "keep fewer weights on the host, lower `cache_ram`, or load fewer models at once",
            )


def models_of_gateways(plan: Plan) -> Iterable[Diagnostic]:
    """`gateway/model` under `uses`, of which only the plan knows whether the gateway offers it."""
    for service in plan.stack.services.values():
        for role, references in service.uses.items():
            for used, model in references:
                behind = plan.stack.services[used]
                if model is None or any(use.id == model for use in behind.models):
                    continue
                offered = plan.interfaces[used].models if used in plan.interfaces else ()
                names = [name for served in offered for name in (served.id, *served.aliases)]
                if model not in names:
                    yield error(
                        "plan/unknown-model",
                        (*service.path, "uses", role),
                        f"`{used}` offers no model `{model}`",
                        did_you_mean(model, names) or f"it offers: {', '.join(names) or 'nothing'}",
                    )


def scenario_expectations(plan: Plan) -> Iterable[Diagnostic]:
    """A scenario that comes out otherwise than expected, in either direction."""
    for result in plan.scenarios:
        if result.verdict is result.expected:
            continue
        worst = min(result.gpus, key=lambda g: g.free, default=None)
        detail = "nothing of it sits on a GPU"
        if worst is not None:
            sizes = f"{show_size(worst.high)} of {show_size(worst.usable)} usable"
            detail = f"GPU {worst.index} of {worst.host} needs {sizes}"
        yield error(
            "plan/scenario",
            ("scenarios", result.name),
            f"expected `{result.expected.value}`, but it comes out as `{result.verdict.value}`: {detail}",
            "change what is loaded, or `expect` when the figures are right",
        )


def volume_sizes(plan: Plan) -> Iterable[Diagnostic]:
    """Weights that are larger than the volume that is to hold them."""
    stored: dict[str, dict[str, KnownModel]] = {}
    for service in plan.services.values():
        if volume := service.linked.volumes.get("models"):
            stored.setdefault(volume, {}).update(service.known)
    for volume, models in stored.items():
        size = plan.stack.volumes[volume].size if volume in plan.stack.volumes else None
        need = sum(on_disk(m) for m in models.values())
        if size is not None and need > size:
            names = ", ".join(sorted(models))
            yield error(
                "plan/volume-size",
                ("volumes", volume, "size"),
                f"the weights of {names} take {show_size(need)}, the volume holds {show_size(size)}",
                f"make the volume at least {show_size(need + need // 20)}, or store fewer models",
            )


def on_disk(model: KnownModel) -> int:
    """Bytes of all files of a model, as far as they are known."""
    if model.disk_bytes is not None:
        return model.disk_bytes
    return 0 if model.facts is None else model.facts.file_bytes


def unclaimed_gpus(plan: Plan) -> Iterable[Diagnostic]:
    """A service of an exclusive group that claims no GPU has nothing to be exclusive about."""
    for index, group in enumerate(plan.stack.exclusive):
        for name in sorted(group):
            if not plan.stack.services[name].gpus:
                yield warning(
                    "plan/exclusive-without-gpu",
                    ("exclusive", index),
                    f"`{name}` claims no GPU, so there is nothing for it to hold exclusively",
                )


def gpus_chosen_twice(plan: Plan) -> Iterable[Diagnostic]:
    """`gpus` says which GPUs a service sees; a variable that says it again counts in a container from 0 anew."""
    for service in plan.stack.services.values():
        for name in service.env if service.gpus else ():
            if name in GPU_CHOICES:
                listed = ", ".join(str(gpu.index) for gpu in service.gpus)
                yield error(
                    "plan/visible-devices",
                    (*service.path, "env", name),
                    f"`{name}` chooses GPUs behind the plan's back, beside `gpus: [{listed}]`",
                    "leave it out: `gpus` gives the service these GPUs and no others, and it counts them from 0",
                    at_key=True,
                )


def workers(plan: Plan) -> Iterable[Diagnostic]:
    """Hosts beside the first one, for an engine that cannot spread over several."""
    for name, service in plan.services.items():
        if service.linked.workers and not service.demand.spans_hosts:
            yield error(
                "plan/one-host",
                (*service.linked.path, "workers"),
                f"{service.linked.engine} runs on one host, so `{name}` would not use the others",
                "leave `workers` out, or serve the model with an engine that spreads, such as vllm",
            )


def proxies(plan: Plan) -> Iterable[Diagnostic]:
    """A proxy that is told to answer for services without a host name, or that finds none to answer for."""
    services = plan.stack.services
    exposed = {name for name, service in services.items() if service.expose}
    for name, interface in plan.interfaces.items():
        if interface.proxy is None:
            continue
        for told in sorted((interface.proxy.services or frozenset()) - exposed):
            yield warning(
                "plan/no-host-name",
                ("services", told),
                f"`{name}` is to answer for `{told}`, which has no host name",
                f"expose: {{hostname: {told}.example.org}}",
            )
        if not exposed - {name}:
            yield warning(
                "plan/nothing-to-proxy",
                services[name].path,
                f"no service has a host name that `{name}` could answer for",
                "expose: {hostname: chat.example.org} in a service",
            )
