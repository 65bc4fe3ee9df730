"""Grafana as a workload: the official image, with its data source and its dashboard provisioned."""

from pathlib import PurePosixPath
from typing import Any, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.document import Format
from stackgen.domain.fronts import url_of
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import Plan, PlannedService
from stackgen.domain.workload import ConfigFile, EnvValue, Health, Listen, Port, ServiceUrl, Workload
from stackgen.engines.grafana.dashboard import SOURCE, dashboard
from stackgen.engines.grafana.options import GrafanaOptions

IMAGE: Final = "docker.io/grafana/grafana:12.1.1"
USER: Final = "472:472"
"""Of its image."""
PORT: Final = 3000
DATA: Final = PurePosixPath("/var/lib/grafana")
PROVISIONING: Final = PurePosixPath("/etc/grafana/provisioning")
DASHBOARDS: Final = PurePosixPath("/etc/grafana/stackgen")


def workload(service: PlannedService, plan: Plan) -> Workload:
    """The server, which asks nobody on the internet."""
    linked = service.linked
    (source,) = linked.uses.get("metrics", ())[:1] or (None,)
    url = ServiceUrl(service=source.service) if source else ""
    return Workload(
        name=linked.name,
        engine=linked.engine,
        image=linked.image or IMAGE,
        program="grafana",
        env=defaults.environment(linked, _environment(linked, url_of(linked, plan.fronts))),
        config_files=(
            _file(PROVISIONING / "datasources" / "stackgen.yaml", Format.YAML, _sources(url)),
            _file(PROVISIONING / "dashboards" / "stackgen-dashboards.yaml", Format.YAML, _providers()),
            _file(DASHBOARDS / "stackgen.json", Format.JSON, dashboard(plan)),
        ),
        mounts=defaults.mounts(linked, {"data": DATA}),
        ports=(Port(name="http", number=PORT, publish=linked.publish),),
        health=Health(port=PORT, path="/api/health", start_period=60, tool="wget"),
        after=defaults.used_on_same_host(linked, plan),
        expose=linked.expose,
        writable=(DATA,),
        user=defaults.own_user(linked, IMAGE, USER),
        listen=Listen(env={"GF_SERVER_HTTP_ADDR": "{address}", "GF_SERVER_HTTP_PORT": "{port}"}),
    )


def _file(target: PurePosixPath, format_: Format, body: Any) -> ConfigFile:
    return ConfigFile(name=target.name, target=target, format=format_, body=body)


def _environment(service: LinkedService, url: str | None) -> dict[str, EnvValue]:
    options: GrafanaOptions = service.options
    env: dict[str, EnvValue] = {
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_USERS_ALLOW_SIGN_UP": "false",
    }
    if url:
        env["GF_SERVER_ROOT_URL"] = url
    if options.anonymous:
        env |= {"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer"}
    if options.admin_password:
        env["GF_SECURITY_ADMIN_PASSWORD"] = defaults.secret_key(options.admin_password)
    return env


def _sources(url: ServiceUrl | str) -> dict[str, Any]:
    source = {
        "name": "Prometheus",
        **SOURCE,
        "access": "proxy",
        "url": url,
        "isDefault": True,
        "editable": False,
    }
    return {"apiVersion": 1, "datasources": [source]}


def _providers() -> dict[str, Any]:
    provider = {
        "name": "stackgen",
        "type": "file",
        "allowUiUpdates": False,
        "options": {"path": str(DASHBOARDS)},
    }
    return {"apiVersion": 1, "providers": [provider]}
