"""CLIENTS.md: real addresses, real model ids, no keys, and snippets that their programs can read."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from stackgen import registry
from stackgen.domain.fronts import Front
from stackgen.domain.interface import Api, Interface, ServedModel, Task
from stackgen.domain.linked import Exposure, Publication, SecretKey
from stackgen.domain.workload import Deployment, HostDeployment, Port, ServiceUrl
from stackgen.emit import to_text
from tests.support.cli import ROOT
from tests.support.golden import assert_tree
from tests.support.programs import require
from tests.support.workloads import host, workload

GOLDEN = Path(__file__).parents[1] / "golden" / "targets" / "clients"
TARGET = registry.target("clients")
KEY = SecretKey("litellm", "master-key")
CODER = ServedModel(id="coder", aliases=("coder - qwen3|next",), context=131072, vision=True)
ROUTER = Interface(
    apis={Api.OPENAI: "/v1", Api.ANTHROPIC: "", Api.PAGES: ""},
    models=(CODER, ServedModel(id="embed", context=8192, task=Task.EMBEDDINGS)),
    first_answer=600,
)
GATEWAY = Interface(
    apis={Api.OPENAI: "/v1", Api.ANTHROPIC: ""}, models=(ServedModel(id="coder", context=131072),), key=KEY
)


def port(publish: Publication | None) -> tuple[Port, ...]:
    return (Port(name="http", number=8080, publish=publish),)


def deployment(**interfaces: Interface) -> Deployment:
    """A rig with a router, a gateway and pages; a small box with a model that only it reaches."""
    llama = workload("llama", ports=port(Publication(port=8080, address="0.0.0.0")))  # noqa: S104
    gateway = workload(
        "gateway",
        ports=port(None),
        env={"KEY": KEY, "UPSTREAM": ServiceUrl(service="llama", path="/v1")},
        expose=Exposure(hostname="ai.lan", timeout=1800),
    )
    chat = workload(
        "chat",
        ports=port(None),
        env={"URL": ServiceUrl(service="gateway")},
        expose=Exposure(hostname="chat.lan"),
    )
    web = workload("web", ports=port(Publication(port=443, address="0.0.0.0")))  # noqa: S104
    closed = workload("closed", ports=port(None))
    local = workload("local", ports=port(Publication(port=11434, address="127.0.0.1")))
    rig = HostDeployment(
        host=host("rig", address="192.168.1.2"), workloads=(llama, gateway, chat, web, closed)
    )
    small = HostDeployment(host=host("small"), workloads=(local,))
    given = {
        "llama": ROUTER,
        "gateway": GATEWAY,
        "chat": Interface(apis={Api.PAGES: ""}),
        "web": Interface(),
        "closed": replace(ROUTER, models=(CODER,)),
        "local": Interface(apis={Api.OLLAMA: "", Api.OPENAI: "/v1"}, models=(ServedModel(id="tiny"),)),
    }
    fronts = {
        "gateway": Front(exposure=Exposure(hostname="ai.lan"), proxy="web", own_authority=True),
        "chat": Front(exposure=Exposure(hostname="chat.lan"), port=8443, proxy="web", own_authority=True),
    }
    return Deployment(
        name="home", source="stack.yaml", hosts=(rig, small), interfaces=given | interfaces, fronts=fronts
    )


def page(found: Deployment) -> str:
    (document,) = TARGET.render(found).documents
    assert document.path == PurePosixPath("CLIENTS.md")
    return to_text(document)


def section(name: str) -> str:
    return page(deployment()).split(f"\n## {name}\n")[1].split("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_whole_page(request: pytest.FixtureRequest) -> None:
    assert_tree(GOLDEN, {PurePosixPath("CLIENTS.md"): page(deployment())}, request)


def test_a_stack_that_offers_nothing_has_no_page() -> None:
    assert TARGET.render(replace(deployment(), interfaces={})).documents == ()


def test_a_gateway_comes_first_and_is_preferred() -> None:
    headings = re.findall(r"^## (.+)$", page(deployment()), re.MULTILINE)
    assert headings == ["Certificates", "gateway", "llama", "local", "Further models"]
    assert "Prefer it" in section("gateway")
    assert "`gateway` passes requests on" in section("llama")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gateway", "<https://ai.lan> |"),
        ("chat", "<https://chat.lan:8443> |"),
        ("llama", "<http://192.168.1.2:8080> |"),
        ("local", "<http://127.0.0.1:11434> Only on `small` itself. |"),
        ("closed", "| Only services of the stack reach it"),
    ],
)
def test_the_address_that_clients_see(name: str, told: str) -> None:
    (row,) = [line for line in page(deployment()).splitlines() if re.match(rf"\| {name}\b", line)]
    assert told in row


def test_a_proxy_on_loopback_and_a_proxy_of_ones_own_are_told() -> None:
    found = deployment()
    rig, small = found.hosts
    web = workload("web", ports=port(Publication(port=443, address="127.0.0.1")))
    others = tuple(w for w in rig.workloads if w.name != "web")
    closed = replace(found, hosts=(replace(rig, workloads=(*others, web)), small))
    assert "<https://ai.lan> The proxy listens on `rig` only." in page(closed)
    assert "<https://ai.lan> The proxy in front of it is yours." in page(replace(found, fronts={}))


def test_the_key_is_named_and_shown_nowhere() -> None:
    text = page(deployment())
    assert "`master-key` of the secret `litellm`" in text
    assert 'Bearer $GATEWAY_KEY"' in text
    assert blocks(section("llama"), "sh")[0].count("Bearer") == 0


@pytest.mark.parametrize("name", ["gateway", "llama", "local"])
def test_clients_can_read_what_is_for_them(name: str) -> None:
    text = section(name)
    for command in blocks(text, "sh"):
        done = subprocess.run([require("bash"), "-n"], input=command, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")
    (program,) = blocks(text, "python")
    compile(program, "<CLIENTS.md>", "exec")
    (assistant,) = blocks(text, "yaml")
    models: list[dict[str, Any]] = yaml.safe_load(assistant)["models"]
    assert all(model["apiBase"].endswith("/v1") for model in models)
    *metadata, opencode = map(json.loads, blocks(text, "json"))
    ((provider, settings),) = opencode["provider"].items()
    assert opencode["model"].partition("/")[0] == provider
    assert settings["models"].keys() == {model["model"] for model in models}
    assert all(entry.keys() <= {f"openai/{m}" for m in settings["models"]} for entry in metadata)


def test_what_is_not_known_of_a_model_is_left_out() -> None:
    text = section("local")
    assert "| `tiny` |  | not known | chat |" in text
    assert not re.search("contextLength|max_input_tokens|limit", text)
    assert "does not speak the Anthropic API" in text


def test_models_that_do_not_chat_are_listed_and_not_configured() -> None:
    text = section("llama")
    assert "| `embed` |" in text
    assert "embed" not in "".join(blocks(text, "json"))
    assert "`coder - qwen3\\|next`" in text


def test_it_is_rendered_for_every_stack() -> None:
    from stackgen import app

    loaded = app.load(ROOT / "stacks" / "two-3090s")
    output = app.render(app.plan(loaded.stack), loaded.source)
    assert PurePosixPath("CLIENTS.md") in output.files["clients"]
    assert "clients" not in app.render(app.plan(loaded.stack), loaded.source, ["compose"]).files
