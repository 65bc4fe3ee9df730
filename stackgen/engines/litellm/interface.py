"""How others talk to a gateway: the OpenAI API with the names that it gives to the models behind it."""

from collections.abc import Iterable, Mapping

from stackgen.domain.engine_defaults import secret_key
from stackgen.domain.interface import Api, Interface, Scrape, ServedModel
from stackgen.domain.linked import LinkedService, SecretKey
from stackgen.engines.litellm import routes
from stackgen.engines.litellm.options import LitellmOptions

MASTER_KEY = "LITELLM_MASTER_KEY"


def interface(service: LinkedService, others: Mapping[str, Interface]) -> Interface:
    """All models behind a gateway; of a name with several services, what all of them can do."""
    options: LitellmOptions = service.options
    found = routes.routes(service, others)
    aliases = routes.aliases(options, found)
    return Interface(
        apis={Api.OPENAI: "/v1", Api.ANTHROPIC: ""},
        models=tuple(_model(name, group, aliases) for name, group in routes.by_name(found).items()),
        key=master_key(service),
        scrapes=(Scrape(path="/metrics/", authorized=True),) if options.metrics else (),
        first_answer=max(60, routes.longest_load(found)),
    )


def _model(name: str, group: list[routes.Route], aliases: Mapping[str, str]) -> ServedModel:
    return group[0].model._replace(
        id=name,
        aliases=tuple(_standing_for(name, aliases)),
        context=routes.context(group),
        vision=all(route.model.vision for route in group),
    )


def _standing_for(name: str, aliases: Mapping[str, str]) -> Iterable[str]:
    return (alias for alias, target in aliases.items() if target == name)


def master_key(service: LinkedService) -> SecretKey | None:
    """The key that clients must send."""
    options: LitellmOptions = service.options
    value = service.env.get(MASTER_KEY)
    if isinstance(value, SecretKey):
        return value
    return secret_key(options.master_key) if options.master_key else None
