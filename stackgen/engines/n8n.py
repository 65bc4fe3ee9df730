"""n8n: workflows that call the other services."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.engine_base import WithoutModels
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService, bracketed
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.domain.stack import SecretValue, Strict

if TYPE_CHECKING:
    from stackgen.domain.workload import EnvValue, Workload

IMAGE: Final = "docker.io/n8nio/n8n:2.41.3"
USER: Final = "1000:1000"
"""Of its image."""
PORT: Final = 5678
DATA: Final = PurePosixPath("/home/node/.n8n")


class N8nPostgres(Strict):
    """A PostgreSQL database in place of the file that n8n makes for itself."""

    host: str = Field(description="name or address of the server")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(default=5432, description="its port")
    database: str = Field(default="n8n", description="name of the database")
    user: str = Field(default="n8n", description="who logs in")
    password: SecretValue = Field(description="with which password, as a secret")


class N8nOptions(Strict):
    """n8n's own variables in lower case; what is left out keeps its default there."""

    encryption_key: SecretValue | None = Field(
        default=None, description="long random text that encrypts stored credentials; a new one loses them"
    )
    webhook_url: Annotated[str, Field(pattern=r"^https?://\S+/$")] | None = Field(
        default=None, description="address under which others call it; from `expose` unless given"
    )
    secure_cookie: bool | None = Field(
        default=None, description="log in by https:// only, as n8n wants it; false for plain http://"
    )
    generic_timezone: Annotated[str, Field(pattern=r"^[A-Za-z]+(/[A-Za-z0-9_+-]+)*$")] | None = Field(
        default=None, description="time zone of schedules, such as Europe/Berlin"
    )
    executions_data_max_age: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="hours after which the records of runs are thrown away; 336 there"
    )
    diagnostics_enabled: bool = Field(default=False, description="tell its makers how it is used")
    postgres: N8nPostgres | None = Field(default=None, description="a database on a server")


class _N8n(WithoutModels):
    name = "n8n"
    summary = "n8n, workflows that call the other services"
    settings = N8nOptions
    volume_roles = {"data": Role(description="workflows, credentials and settings")}
    use_roles = {
        "chat": Role(description="services with the OpenAI API that workflows call", many=True),
        "search": Role(description="a service that searches the web", many=True),
        "images": Role(description="a service that makes pictures", many=True),
        "transcription": Role(description="a service that turns speech into text", many=True),
        "api": Role(description="any other program", many=True),
    }
    offers = frozenset({"api"})

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What would be lost, and who could not log in."""
        options: N8nOptions = service.options
        if options.encryption_key is None and "N8N_ENCRYPTION_KEY" not in service.env:
            yield error(
                "n8n/no-encryption-key",
                service.path,
                "n8n makes up a key that encrypts stored credentials, and who restores a backup without it loses them",
                f"options: {{encryption_key: {{secret: {{name: {service.name}, key: encryption-key}}}}}}",
            )
        if "data" not in service.volumes:
            yield warning(
                "n8n/no-data",
                service.path,
                "workflows and credentials are lost whenever the container is replaced",
                "volumes: {data: <a name under volumes>}",
            )
        if (
            service.publish
            and not service.publish.loopback
            and not service.expose
            and options.secure_cookie is None
        ):
            yield warning(
                "n8n/no-log-in",
                (*service.path, "publish"),
                "nobody can log in by http:// from another machine: n8n keeps its cookie for https://",
                "`expose` it behind a proxy, or secure_cookie: false in a network that you trust",
            )
        if service.gpus:
            yield error("n8n/gpu", (*service.path, "gpus"), "n8n has no use for a GPU", "leave `gpus` out")

    def interface(self, service: PlannedService) -> Interface:
        """Pages for people; its API is for workflows that somebody made."""
        return Interface(apis={Api.PAGES: ""})

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The official image, which runs as the user node (1000)."""
        from stackgen.domain.fronts import url_of
        from stackgen.domain.workload import Health, Listen, Port, Workload

        linked = service.linked
        options: N8nOptions = linked.options
        postgres = options.postgres
        return Workload(
            name=linked.name,
            engine=self.name,
            image=linked.image or IMAGE,
            program="n8n",
            env=defaults.environment(linked, _environment(linked, url_of(linked, plan.fronts))),
            mounts=defaults.mounts(linked, {"data": DATA}),
            ports=(Port(name="http", number=PORT, publish=linked.publish),),
            listen=Listen(env={"N8N_LISTEN_ADDRESS": "{address}", "N8N_PORT": "{port}"}),
            health=Health(port=PORT, path="/healthz", start_period=120, tool="wget"),
            after=defaults.used_on_same_host(linked, plan),
            expose=linked.expose,
            calls=(f"{bracketed(postgres.host)}:{postgres.port}",) if postgres else (),
            gpus=linked.gpus,
            read_only_root=False,
            user=defaults.own_user(linked, IMAGE, USER),
        )


def _environment(service: LinkedService, url: str | None) -> "dict[str, EnvValue]":
    options: N8nOptions = service.options
    env: dict[str, EnvValue] = {"N8N_PORT": str(PORT), "N8N_RUNNERS_ENABLED": "true"}
    env["N8N_DIAGNOSTICS_ENABLED"] = str(options.diagnostics_enabled).lower()
    if service.expose and url:
        scheme = url.partition(":")[0]
        env |= {
            "N8N_HOST": service.expose.hostname,
            "N8N_PROTOCOL": scheme,
            "N8N_PROXY_HOPS": "1",
            "WEBHOOK_URL": f"{url}/",
        }
        if scheme == "http":  # nobody could log in
            env["N8N_SECURE_COOKIE"] = "false"
    if options.webhook_url is not None:
        env["WEBHOOK_URL"] = options.webhook_url
    if options.encryption_key is not None:
        env["N8N_ENCRYPTION_KEY"] = defaults.secret_key(options.encryption_key)
    if options.secure_cookie is not None:
        env["N8N_SECURE_COOKIE"] = str(options.secure_cookie).lower()
    if options.generic_timezone is not None:
        env |= {"GENERIC_TIMEZONE": options.generic_timezone, "TZ": options.generic_timezone}
    if options.executions_data_max_age is not None:
        env["EXECUTIONS_DATA_MAX_AGE"] = str(options.executions_data_max_age)
    return env | (_database(options.postgres) if options.postgres else {})


def _database(postgres: N8nPostgres) -> "dict[str, EnvValue]":
    return {
        "DB_TYPE": "postgresdb",
        "DB_POSTGRESDB_HOST": postgres.host,
        "DB_POSTGRESDB_PORT": str(postgres.port),
        "DB_POSTGRESDB_DATABASE": postgres.database,
        "DB_POSTGRESDB_USER": postgres.user,
        "DB_POSTGRESDB_PASSWORD": defaults.secret_key(postgres.password),
    }


ENGINE: Final[Engine] = _N8n()
