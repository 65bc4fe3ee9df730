"""A gateway in front of services that are made up: what they offer, and the plan of all of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.interface import Api, Interface, ServedModel
from stackgen.domain.linked import LinkedService, SecretKey
from stackgen.domain.plan import Plan, Verdict
from stackgen.domain.workload import Workload
from stackgen.engines.litellm import ENGINE, Litellm
from tests.support import planning
from tests.support.engines import BOX, planned, service

MASTER = "master_key: {secret: {name: litellm, key: master-key}}"


def openai(*models: ServedModel, key: SecretKey | None = None, first_answer: int = 600) -> Interface:
    """A service with the OpenAI API."""
    return Interface(apis={Api.OPENAI: "/v1"}, models=models, key=key, first_answer=first_answer)


def model(name: str, context: int | None = 8192, **rest: Any) -> ServedModel:
    """A chat model."""
    return ServedModel(id=name, context=context, **rest)


LLAMA = openai(model("coder", 32768), model("nano"))
SMALL = openai(model("tiny"), first_answer=60)
BEHIND: Mapping[str, Interface] = {"llama": LLAMA, "small": SMALL}


def gateway(options: str = "", uses: str = "[llama, small]", more: str = "") -> LinkedService:
    """A gateway with a master key and these options."""
    inner = ", ".join(filter(None, (MASTER, options)))
    return service(ENGINE, f"uses: {{models: {uses}}}\noptions: {{{inner}}}\n{more}", name="gateway")


def plan(
    linked: LinkedService,
    behind: Mapping[str, Interface] = BEHIND,
    *,
    exclusive: Iterable[Iterable[str]] = (),
) -> Plan:
    """The plan of a gateway and what is behind it; the weights of a model are called as it is."""
    others = [
        planning.service(name, BOX, {served.id: {"gpus": {}} for served in offered.models})
        for name, offered in behind.items()
    ]
    everything = planning.stack([BOX], [linked, *others], exclusive=exclusive)
    return Plan(
        stack=everything,
        verdict=Verdict.FITS,
        interfaces={**behind, linked.name: Litellm().gateway(planned(ENGINE, linked), behind)},
    )


def findings(
    linked: LinkedService, behind: Mapping[str, Interface] = BEHIND, **rest: Any
) -> list[Diagnostic]:
    """Everything that a gateway has wrong with what is behind it."""
    return list(Litellm().connections(planned(ENGINE, linked), plan(linked, behind, **rest)))


def lowered(linked: LinkedService, behind: Mapping[str, Interface] = BEHIND) -> Workload:
    """What the gateway wants to run."""
    return ENGINE.lower(planned(ENGINE, linked), plan(linked, behind))


def config(linked: LinkedService, behind: Mapping[str, Interface] = BEHIND) -> dict[str, Any]:
    """The tree of its config.yaml."""
    (file,) = lowered(linked, behind).config_files
    body: dict[str, Any] = file.body
    return body
