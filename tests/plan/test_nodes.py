"""Limits that would kill a service, and what a node cannot give to all who ask for it."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.snippets import planned

KINDS = {"plan/ram-limit", "plan/cpu-requests", "plan/ram-requests", "plan/cpu-limit"}


def stack(*, platform: str = "kubernetes", host: Any = None, **more: Any) -> dict[str, Any]:
    """Two programs that each want the only card of a node."""
    program = {"engine": "program", "host": "node", "gpus": [0], "vram": {"low": "1GiB", "high": "2GiB"}}
    services = {name: {**program, "image": f"example.org/{name}:1.0"} for name in ("one", "two")}
    node = {"platform": platform, "ram": "64GiB", "gpus": ["rtx-3090"], **(host or {})}
    return {"version": 1, "name": "home", "hosts": {"node": node}, "services": services, **more}


def found(written: dict[str, Any], folder: Path) -> list[str]:
    return [d.kind for d in planned(written, folder).diagnostics if d.kind in KINDS]


@pytest.mark.parametrize(("limit", "kinds"), [("100GiB", ["plan/ram-limit"]), ("300GiB", [])])
def test_a_limit_below_what_models_take(limit: str, kinds: list[str], tmp_path: Path) -> None:
    service = {
        "engine": "llama-server",
        "host": "node",
        "gpus": [0, 1],
        "image": "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434",
        "models": {"big": {"model": "big", "context": 8192, "cpu_moe": True}},
        "volumes": {"models": "models"},
        "ram": limit,
    }
    big = {"hf": "unsloth/Qwen3.5-397B-A17B-GGUF:UD-Q4_K_XL"}
    node = {"ram": "512GiB", "gpus": ["rtx-3090", "rtx-3090"]}
    written = stack(host=node, models={"big": big}, volumes={"models": {"path": "/srv/models"}})
    assert found(written | {"services": {"llama": service}}, tmp_path) == kinds


def small(limit: str, image: str = "0.32.15") -> dict[str, Any]:
    """Ollama with a model on the card, so that little but prompts needs main memory."""
    service = {
        "engine": "ollama",
        "host": "node",
        "gpus": [0],
        "image": f"docker.io/ollama/ollama:{image}",
        "models": {"small": {"model": "small"}},
        "volumes": {"models": "models"},
        "ram": limit,
    }
    models = {"small": {"hf": "unsloth/Qwen3-4B-Instruct-2507-GGUF:Q4_K_M"}}
    return stack(models=models, volumes={"models": {"path": "/srv/models"}}) | {
        "services": {"small": service}
    }


def test_a_limit_that_caches_fill_in_use(tmp_path: Path) -> None:
    (finding,) = [d for d in planned(small("4GiB"), tmp_path).diagnostics if d.kind in KINDS]
    assert "killed in use" in finding.message
    assert "cache_ram" in (finding.hint or "")


@pytest.mark.parametrize(("limit", "kinds"), [("2GiB", ["plan/ram-limit"]), ("20GiB", [])])
def test_a_model_on_the_cpu_is_killed_when_it_is_loaded(limit: str, kinds: list[str], tmp_path: Path) -> None:
    written = small(limit)
    del written["services"]["small"]["gpus"]
    told = [d for d in planned(written, tmp_path).diagnostics if d.kind.endswith(("-limit", "memory-limit"))]
    assert [d.kind for d in told] == kinds
    assert all("killed when they are loaded" in d.message for d in told)


def test_an_ollama_without_llama_server_keeps_no_prompts(tmp_path: Path) -> None:
    assert found(small("4GiB", "0.17.1"), tmp_path) == []


def test_a_limit_is_not_added_to_what_it_limits(tmp_path: Path) -> None:
    written = stack(host={"gpu_sharing": {"replicas": 2}})
    for service in written["services"].values():
        service["ram"] = "20GiB"
    (host,) = planned(written, tmp_path).hosts
    assert host.ram_high == 40 * 1024**3


def asking(*, exclusive: bool = False, node: dict[str, Any], **each: Any) -> dict[str, Any]:
    """Two programs without a card that ask a node for something else."""
    service = {"engine": "program", "host": "node", "image": "example.org/one:1.0", **each}
    node = {"platform": "kubernetes", "ram": "16GiB", **node}
    groups = {"exclusive": [["one", "two"]]} if exclusive else {}
    services = {"one": service, "two": service}
    return {"version": 1, "name": "home", "hosts": {"node": node}, "services": services, **groups}


def test_a_pod_waits_for_cpus(tmp_path: Path) -> None:
    written = asking(node={"cpus": 4}, cpus={"request": "2500m", "limit": 4})
    (finding,) = [d for d in planned(written, tmp_path).diagnostics if d.kind in KINDS]
    assert (finding.kind, finding.path) == ("plan/cpu-requests", ("hosts", "node", "cpus"))
    assert (
        "`one` and `two` ask node for 5 CPUs, and it has 4: one of them would stay Pending" in finding.message
    )


def test_a_pod_that_asks_for_more_than_there_is_waits_alone(tmp_path: Path) -> None:
    written = asking(node={"cpus": 4}, cpus={"request": 6})
    written["services"].pop("two")
    (finding,) = [d for d in planned(written, tmp_path).diagnostics if d.kind in KINDS]
    assert "`one` asks node for 6 CPUs, and it has 4: it would stay Pending" in finding.message
    assert "exclusive" not in (finding.hint or "")


@pytest.mark.parametrize(
    "written",
    [
        asking(node={"cpus": 4}, cpus={"request": 2, "limit": 4}),
        asking(node={"cpus": 4}, cpus={"request": 3}, exclusive=True),
        asking(node={}, cpus={"request": 64}),
        asking(node={"cpus": 4, "platform": "compose"}, cpus={"request": 3}),
    ],
)
def test_cpus_that_are_enough_or_not_handed_out(written: dict[str, Any], tmp_path: Path) -> None:
    assert found(written, tmp_path) == []


def test_a_limit_alone_is_requested_as_well(tmp_path: Path) -> None:
    assert found(asking(node={"cpus": 4}, cpus=3), tmp_path) == ["plan/cpu-requests"]


def test_the_kubelet_keeps_some_memory_free(tmp_path: Path) -> None:
    """Half of the node each is 16 GiB together, of which pods get 100 MiB less."""
    written = asking(node={}, ram={"request": "8GiB"})
    (finding,) = [d for d in planned(written, tmp_path).diagnostics if d.kind in KINDS]
    assert (finding.kind, finding.path) == ("plan/ram-requests", ("hosts", "node", "ram"))
    assert found(asking(node={}, ram={"request": "8142MiB"}), tmp_path) == []
    assert found(asking(node={"platform": "compose"}, ram={"request": "8GiB"}), tmp_path) == []


def test_a_limit_that_nobody_reaches(tmp_path: Path) -> None:
    written = asking(node={"cpus": 4, "platform": "systemd"}, cpus=6)
    finding, _ = [d for d in planned(written, tmp_path).diagnostics if d.kind in KINDS]
    assert (finding.kind, finding.path) == ("plan/cpu-limit", ("services", "one", "cpus"))
    assert finding.message == "`one` may take 6 CPUs, and node has 4"
    assert found(asking(node={"cpus": 6, "platform": "systemd"}, cpus=6), tmp_path) == []


def test_what_is_asked_for_is_counted_where_it_is_handed_out(tmp_path: Path) -> None:
    each: dict[str, Any] = {"cpus": {"request": 1, "limit": 2}, "ram": {"request": "1GiB", "limit": "2GiB"}}
    (node,) = planned(asking(node={"cpus": 8}, **each), tmp_path).hosts
    assert (node.cpu_requests, node.ram_requests, node.ram_high) == (2000, 2 * 1024**3, 4 * 1024**3)
    (box,) = planned(asking(node={"cpus": 8, "platform": "nixos"}, **each), tmp_path).hosts
    assert (box.cpus, box.cpu_requests, box.ram_requests) == (8000, 0, 0)
