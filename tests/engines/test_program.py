"""Any program: what it declares is what is planned and run."""

from pathlib import PurePosixPath

import pytest

from stackgen.domain.linked import Publication, SecretKey
from stackgen.domain.plan import Limit
from stackgen.domain.stack import Service
from stackgen.domain.units import GIB, MIB
from stackgen.domain.workload import Health, Mount, Port, ServiceUrl
from stackgen.engines.program import ENGINE
from tests.support.engines import BOX, found, kinds, lower, service
from tests.support.planning import host

N8N = """
image: docker.io/n8nio/n8n:2.41.3
uses: {chat: llama, api: [orchestrator]}
publish: 5678
expose: {hostname: n8n.example.org}
volumes: {/home/node/.n8n: n8n-data, /files: shared}
ram: 2GiB
env: {GENERIC_TIMEZONE: Europe/Berlin, N8N_ENCRYPTION_KEY: {secret: {name: n8n, key: encryption-key}}}
options:
  port: 5678
  health: {path: /healthz, tool: wget, start_period: 90s}
  urls: {LLAMA_URL: {service: llama, path: /v1}}
  args: [start]
  read_only: [/files]
  shm_size: 64MiB
  stop_grace: 1m
"""
LLAMA, ORCHESTRATOR = (
    service(ENGINE, "image: a:1.0", name="llama"),
    service(ENGINE, "image: b:1.0", name="orchestrator"),
)


def test_everything_that_is_said_is_run() -> None:
    linked = service(ENGINE, N8N, name="n8n")
    assert kinds(ENGINE, linked) == []
    run = lower(ENGINE, linked, LLAMA, ORCHESTRATOR)
    assert run.image == "docker.io/n8nio/n8n:2.41.3"
    assert run.args == ("start",)
    assert run.env == {
        "LLAMA_URL": ServiceUrl(service="llama", path="/v1"),
        "GENERIC_TIMEZONE": "Europe/Berlin",
        "N8N_ENCRYPTION_KEY": SecretKey("n8n", "encryption-key"),
    }
    assert run.mounts == (
        Mount(volume="shared", target=PurePosixPath("/files"), read_only=True),
        Mount(volume="n8n-data", target=PurePosixPath("/home/node/.n8n")),
    )
    assert run.ports == (Port(name="http", number=5678, publish=Publication(port=5678, address="127.0.0.1")),)
    assert run.health == Health(port=5678, path="/healthz", tool="wget", start_period=90)
    assert run.after == ("llama", "orchestrator")
    assert (run.shm_size, run.stop_grace) == (64 * MIB, 60)
    assert run.read_only_root is False


def test_it_waits_only_for_what_runs_beside_it() -> None:
    elsewhere = service(ENGINE, "image: a:1.0", name="llama", host=host("other"))
    assert lower(ENGINE, service(ENGINE, N8N), elsewhere, ORCHESTRATOR).after == ("orchestrator",)


def test_declared_memory_is_on_each_of_its_gpus() -> None:
    linked = service(ENGINE, "{image: wan:1.0, gpus: [0, 1], vram: {low: 20GiB, high: 28GiB}}")
    (resident,) = ENGINE.demand(linked, {}).residents
    assert {index: (m.low, m.high) for index, m in resident.gpus.items()} == {
        0: (20 * GIB, 28 * GIB),
        1: (20 * GIB, 28 * GIB),
    }
    assert lower(ENGINE, linked).gpus == BOX.gpus


def test_all_its_models_are_there_at_once() -> None:
    linked = service(
        ENGINE,
        """
        image: "w:1.0"
        gpus: [1]
        models:
          align: {model: align, vram: {low: 1GiB, high: 2GiB}}
          large: {model: large, vram: {low: 3GiB, high: 4GiB}}
        """,
    )
    demand = ENGINE.demand(linked, {})
    assert demand.limit is Limit.ALL
    assert {r.label: r.gpus[1].high for r in demand.residents} == {"it/align": 2 * GIB, "it/large": 4 * GIB}
    assert not demand.unknown


def test_a_gpu_without_declared_memory_has_no_verdict() -> None:
    linked = service(ENGINE, "{image: a:1.0, gpus: [0]}")
    assert ENGINE.demand(linked, {}).unknown
    assert kinds(ENGINE, linked) == ["engine/undeclared-memory"]
    one = service(ENGINE, "{image: a:1.0, gpus: [0], models: {m: {model: m}}}")
    assert ENGINE.demand(one, {}).unknown
    assert found(ENGINE, one, "engine/undeclared-memory").path == ("services", "it", "models", "m")


def test_a_program_that_only_watches_takes_nothing() -> None:
    linked = service(ENGINE, "{image: watch:1.0, gpus: [0], vram: {low: 0B, high: 0B}}")
    assert kinds(ENGINE, linked) == []
    assert [r.gpus[0].high for r in ENGINE.demand(linked, {}).residents] == [0]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{}", "program/no-image"),
        ("{image: a:1.0, vram: {low: 1GiB, high: 1GiB}}", "engine/memory-without-gpu"),
        ("{image: a:1.0, publish: 80}", "program/no-port"),
        ("{image: a:1.0, expose: {hostname: a.lan}}", "program/no-port"),
        ("{image: a:1.0, options: {read_only: [/conf]}}", "program/no-such-folder"),
        ("{image: a:1.0, options: {urls: {X: {service: llama}}}}", "program/url-without-use"),
    ],
)
def test_what_is_missing_is_said(text: str, kind: str) -> None:
    assert kinds(ENGINE, service(ENGINE, text)) == [kind]


def test_an_executable_is_enough_without_containers() -> None:
    linked = service(ENGINE, "options: {program: /run/current-system/sw/bin/ntfy}")
    assert kinds(ENGINE, linked) == []
    assert lower(ENGINE, linked).program == "/run/current-system/sw/bin/ntfy"


def test_health_needs_a_port() -> None:
    raw = Service(engine="program", host="box", options={"health": {"path": "/health"}})
    assert [d.path for d in ENGINE.options(raw, ("services", "it")).diagnostics] == [
        ("services", "it", "options")
    ]
