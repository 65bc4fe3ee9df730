"""Prometheus as a workload: the official image, its two files, and the keys that it sends along."""

from pathlib import PurePosixPath
from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.document import Format, Template
from stackgen.domain.linked import SecretKey
from stackgen.domain.plan import Plan, PlannedService
from stackgen.domain.workload import ConfigFile, Health, Listen, Port, Workload
from stackgen.engines.prometheus.config import RULES, config
from stackgen.engines.prometheus.options import PrometheusOptions
from stackgen.engines.prometheus.rules import rules
from stackgen.engines.prometheus.watched import KEYS, Watched, watched

IMAGE: Final = "docker.io/prom/prometheus:v3.5.0"
USER: Final = "65534:65534"
"""Of its image."""
PORT: Final = 9090
START: Final = PurePosixPath("/etc/prometheus/with-keys.sh")
CONFIG: Final = PurePosixPath("/etc/prometheus/prometheus.yml")
DATA: Final = PurePosixPath("/prometheus")


def workload(service: PlannedService, plan: Plan) -> Workload:
    """The server; it listens where the image does."""
    linked = service.linked
    options: PrometheusOptions = linked.options
    found = watched(linked, plan)
    keys = {one.service.name: one for one in found if one.key}
    bodies = {CONFIG: config(options, found), RULES: rules(options, found, plan)}
    files = [
        ConfigFile(name=at.name, target=at, format=Format.YAML, body=body) for at, body in bodies.items()
    ]
    return Workload(
        name=linked.name,
        engine=linked.engine,
        image=linked.image or IMAGE,
        program="sh" if keys else "prometheus",
        entrypoint=("/bin/sh",) if keys else (),
        args=(
            *([str(START)] if keys else []),
            f"--config.file={CONFIG}",
            f"--storage.tsdb.path={DATA}",
            f"--storage.tsdb.retention.time={options.retention}s",
            *([f"--storage.tsdb.retention.size={options.retention_size}B"] if options.retention_size else []),
        ),
        env=defaults.environment(linked, _keys(keys)),
        config_files=(*files, _start(keys)) if keys else tuple(files),
        mounts=defaults.mounts(linked, {"data": DATA}),
        ports=(Port(name="http", number=PORT, publish=linked.publish),),
        health=Health(port=PORT, path="/-/healthy", start_period=60, tool="wget"),
        expose=linked.expose,
        calls=tuple(
            sorted({*options.alertmanagers, *(a for group in options.targets.values() for a in group)})
        ),
        writable=(DATA, *([KEYS] if keys else [])),
        user=defaults.own_user(linked, IMAGE, USER),
        listen=Listen(args=("--web.listen-address={address}:{port}",)),
    )


def _keys(watched: dict[str, Watched]) -> dict[str, SecretKey]:
    return {one.variable: one.key for one in watched.values() if one.key}


def _start(watched: dict[str, Watched]) -> ConfigFile:
    """Prometheus reads keys from files only, and secrets come as variables: a script puts them there."""
    keys = tuple((one.variable, str(one.key_file)) for one in watched.values())
    body = Template("prometheus/with-keys.sh", (("keys", keys),))
    return ConfigFile(name=START.name, target=START, format=Format.SHELL, body=body)
