"""As whom containers run: what a stack says, else the user of an engine's own image."""

from pathlib import Path
from typing import Any

import pytest

from stackgen.app.rendering import deploy
from stackgen.domain.workload import Workload
from stackgen.registry import targets
from tests.support.snippets import planned


def stack(service: dict[str, Any], platform: str = "compose", **more: Any) -> dict[str, Any]:
    host = {"platform": platform, "ram": "64GiB", "gpus": ["rx-7900-xtx"]}
    return {
        "version": 1,
        "name": "home",
        "hosts": {"box": host},
        "services": {"it": {"host": "box", **service}},
        **more,
    }


def run(service: dict[str, Any], folder: Path, **more: Any) -> Workload:
    (host,) = deploy(planned(stack(service, **more), folder), "stack.yaml").hosts
    return host.workloads[0]


@pytest.mark.parametrize(
    ("service", "user"),
    [
        ({"engine": "prometheus"}, "65534:65534"),
        ({"engine": "grafana", "options": {"admin_password": {"secret": {"name": "g"}}}}, "472:472"),
        ({"engine": "n8n"}, "1000:1000"),
        ({"engine": "searxng"}, "977:977"),
        ({"engine": "open-webui"}, None),
        ({"engine": "prometheus", "user": "1000"}, "1000"),
        ({"engine": "prometheus", "image": "mirror.example.org:5000/prom/prometheus:v3.5.0"}, "65534:65534"),
        ({"engine": "prometheus", "image": "example.org/mine/prometheus:v3.5.0"}, None),
        ({"engine": "prometheus", "image": "docker.io/prom/prometheus:v3.10.0-distroless"}, None),
        ({"engine": "program", "image": "example.org/a:1", "user": "1000:100"}, "1000:100"),
    ],
)
def test_who_runs_it(service: dict[str, Any], user: str | None, tmp_path: Path) -> None:
    assert run(service, tmp_path).user == user


def test_what_searxng_filled_as_root_stays_roots(tmp_path: Path) -> None:
    service = {"engine": "searxng", "volumes": {"cache": "found"}}
    assert run(service, tmp_path, volumes={"found": {"managed": True}}).user is None


def test_llama_server_leaves_the_home_of_root_to_root(tmp_path: Path) -> None:
    service = {"engine": "llama-server", "image": "ghcr.io/ggml-org/llama.cpp:server-b11434"}
    assert "/root/.cache" in map(str, run(service, tmp_path).writable)
    assert list(map(str, run(service | {"user": "1000"}, tmp_path).writable)) == ["/tmp"]  # noqa: S108


@pytest.mark.parametrize("platform", ["compose", "kubernetes", "nixos", "quadlet"])
@pytest.mark.parametrize(
    ("service", "kind"),
    [
        ({"engine": "ollama", "user": "1000"}, "render/roots-home"),
        ({"engine": "ollama", "user": "0:0"}, None),
        ({"engine": "program", "image": "example.org/a:1", "user": "1000", "gpus": [0]}, "render/gpu-group"),
    ],
)
def test_what_a_user_may_not(
    service: dict[str, Any], kind: str | None, platform: str, tmp_path: Path
) -> None:
    found = deploy(planned(stack(service, platform), tmp_path), "stack.yaml")
    kinds = {"render/roots-home", "render/gpu-group"}
    told = [d for d in targets()[platform].render(found).diagnostics if d.kind in kinds]
    assert [d.kind for d in told] == ([kind] if kind else [])
    assert all(d.path == ("services", "it", "user") for d in told)
