"""SearXNG: web search for other services, as a page and as JSON."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.engine_base import WithoutModels
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.domain.stack import SecretValue, Strict

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload

IMAGE: Final = "docker.io/searxng/searxng:2026.9.1-18af21159"
USER: Final = "977:977"
"""Of its image, which begins as root and has no need to."""
PORT: Final = 8080
SETTINGS: Final = PurePosixPath("/etc/searxng/settings.yml")
CACHE: Final = PurePosixPath("/var/cache/searxng")


class SearxngOptions(Strict):
    """What goes into settings.yml; everything else keeps SearXNG's own default."""

    secret: SecretValue | None = Field(
        default=None, description="any long random text that signs its links; becomes SEARXNG_SECRET"
    )
    formats: list[Literal["html", "json", "csv", "rss"]] = Field(
        default=["html", "json"], description="answers it gives; programs such as Open WebUI need json"
    )
    keep_only: list[str] = Field(
        default=[], description="the only search engines to ask, such as [duckduckgo, wikipedia]; empty = all"
    )
    safe_search: Literal[0, 1, 2] | None = Field(default=None, description="0 off, 1 moderate, 2 strict")
    default_lang: str | None = Field(default=None, description="language of results, such as en or auto")
    autocomplete: str | None = Field(default=None, description="who completes queries, such as duckduckgo")
    image_proxy: bool | None = Field(default=None, description="fetch pictures for the browser")


class _Searxng(WithoutModels):
    name = "searxng"
    summary = "SearXNG, a web search that asks other search engines"
    settings = SearxngOptions
    volume_roles = {"cache": Role(description="what its engines remember; may be lost")}
    offers = frozenset({"search"})

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """The secret, the format that programs need, GPUs that it has no use for."""
        options: SearxngOptions = service.options
        if options.secret is None and "SEARXNG_SECRET" not in service.env:
            yield error(
                "searxng/no-secret",
                service.path,
                "SearXNG refuses to start with the secret that it ships",
                f"options: {{secret: {{secret: {{name: {service.name}, key: secret}}}}}}",
            )
        if "json" not in options.formats:
            yield warning(
                "searxng/no-json",
                (*service.path, "options", "formats"),
                "without `json`, SearXNG answers programs with 403 Forbidden",
                "formats: [html, json]",
            )
        if service.gpus:
            yield error(
                "searxng/gpu", (*service.path, "gpus"), "SearXNG has no use for a GPU", "leave `gpus` out"
            )

    def interface(self, service: PlannedService) -> Interface:
        """Pages for people, and the protocol of its own."""
        return Interface(apis={Api.SEARXNG: "", Api.PAGES: ""})

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image with our settings.yml, closed but for its cache."""
        from stackgen.domain.document import Format
        from stackgen.domain.workload import ConfigFile, Health, Listen, Port, Workload

        linked = service.linked
        options: SearxngOptions = linked.options
        secret = {"SEARXNG_SECRET": defaults.secret_key(options.secret)} if options.secret else {}
        return Workload(
            name=linked.name,
            engine=self.name,
            image=linked.image or IMAGE,
            program="searxng-run",
            env=defaults.environment(linked, secret),
            config_files=(
                ConfigFile(name="settings.yml", target=SETTINGS, format=Format.YAML, body=_settings(options)),
            ),
            mounts=defaults.mounts(linked, {"cache": CACHE}),
            ports=(Port(name="http", number=PORT, publish=linked.publish),),
            listen=Listen(env={"SEARXNG_BIND_ADDRESS": "{address}", "SEARXNG_PORT": "{port}"}),
            health=Health(port=PORT, path="/healthz", start_period=30, tool="wget"),
            expose=linked.expose,
            writable=(CACHE,),
            # As root it has filled volumes that its own user could not write to.
            user=None if linked.volumes else defaults.own_user(linked, IMAGE, USER),
        )


def _settings(options: SearxngOptions) -> dict[str, Any]:
    search = {
        "safe_search": options.safe_search,
        "autocomplete": options.autocomplete,
        "default_lang": options.default_lang,
        "formats": list(options.formats),
    }
    # The limiter keeps robots away from public instances; here the robots are the other services.
    server = {"limiter": False, "image_proxy": options.image_proxy}
    return {
        "use_default_settings": {"engines": {"keep_only": options.keep_only}} if options.keep_only else True,
        "search": {key: value for key, value in search.items() if value is not None},
        "server": {key: value for key, value in server.items() if value is not None},
    }


ENGINE: Final[Engine] = _Searxng()
