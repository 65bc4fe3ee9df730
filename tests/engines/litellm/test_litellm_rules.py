"""Each mistake that LiteLLM starts with is a finding at its place."""

from typing import Any

import pytest

from stackgen.domain.diagnostic import Diagnostic, Severity, dotted
from stackgen.domain.interface import Api, Interface, ServedModel, Task
from stackgen.domain.linked import SecretKey
from stackgen.domain.stack import Service
from stackgen.engines.litellm import ENGINE
from tests.support.engines import kinds, service
from tests.support.gateway import BEHIND, LLAMA, SMALL, findings, gateway, model, openai

BASE = "services.gateway."


def only(found: list[Diagnostic], kind: str) -> Diagnostic:
    """The one finding, which is of this kind."""
    (single,) = found
    assert single.kind == kind
    return single


def places(found: list[Diagnostic], kind: str) -> list[str]:
    return [dotted(d.path).removeprefix(BASE) for d in found if d.kind == kind]


def test_nothing_is_wrong_with_a_plain_gateway() -> None:
    assert findings(gateway("aliases: {gpt-4: coder}, fallbacks: {nano: [tiny]}")) == []
    assert list(ENGINE.check(gateway(), {})) == []


def test_no_master_key() -> None:
    assert kinds(ENGINE, service(ENGINE, "uses: {models: [llama]}")) == ["litellm/no-master-key"]


def test_a_gpu_and_a_salt_for_nothing() -> None:
    assert kinds(ENGINE, gateway(more="gpus: [0]")) == ["litellm/gpu"]
    assert kinds(ENGINE, gateway("salt_key: {secret: {name: s}}")) == ["litellm/no-database"]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"fallback": {}}, "fallback"),
        ({"drop_param": True}, "drop_param"),
        ({"routing_strategy": "weighted-pick"}, "routing_strategy"),
        ({"names": {"a*": "llama/coder"}}, "names.a*"),
        ({"names": {"a, b": "llama/coder"}}, "names.a, b"),
        ({"names": {"a": "llama"}}, "names.a"),
        ({"fallbacks": {"a": "b"}}, "fallbacks.a"),
        ({"fallbacks": [{"a": ["b"]}]}, "fallbacks"),
        ({"context_window_fallbacks": [{"a": ["b"]}]}, "context_window_fallbacks"),
        ({"timeout": 300}, "timeout"),
        ({"num_retries": "2"}, "num_retries"),
        ({"master_key": "sk-1234"}, "master_key"),
    ],
)
def test_options_are_strict(options: dict[str, Any], path: str) -> None:
    raw = Service(engine="litellm", host="box", options=options)
    parsed = ENGINE.options(raw, ("services", "gateway"))
    assert parsed.value is None
    assert {dotted(d.path) for d in parsed.diagnostics} == {f"{BASE}options.{path}"}


def test_a_service_without_known_models() -> None:
    behind = {"llama": LLAMA, "bare": Interface(apis={Api.OPENAI: "/v1"})}
    found = only(findings(gateway(uses="[llama, bare]"), behind), "litellm/no-models")
    assert dotted(found.path) == f"{BASE}uses.models[1]"


def test_a_gateway_behind_a_gateway() -> None:
    found = findings(gateway(uses="[llama, gateway]"))
    assert "is a gateway itself" in only(found, "litellm/no-models").message


def test_a_protocol_that_litellm_does_not_speak() -> None:
    behind = {"llama": LLAMA, "pictures": Interface(apis={Api.COMFYUI: ""}, models=(model("flux"),))}
    found = only(findings(gateway(uses="[llama, pictures]"), behind), "litellm/protocol")
    assert "comfyui" in found.message
    rerank = {
        "ollama": Interface(apis={Api.OLLAMA: ""}, models=(ServedModel(id="r", task=Task.RERANK),)),
    }
    assert "rerank" in only(findings(gateway(uses="[ollama]"), rerank), "litellm/protocol").message


def test_an_id_that_clients_cannot_ask_for() -> None:
    behind = {"llama": openai(model("a, b"), model("all/*"))}
    found = findings(gateway(uses="[llama]"), behind)
    assert places(found, "litellm/name") == ["uses.models[0]", "uses.models[0]"]
    assert found[0].hint == "options: {names: {a-b: 'llama/a, b'}}"
    assert findings(gateway("names: {a: 'llama/a, b', all: 'llama/all/*'}", "[llama]"), behind) == []


def test_names_that_lead_nowhere() -> None:
    linked = gateway(
        "names: {x: llama/codder}, aliases: {gpt-4: codr}, fallbacks: {cdoer: [tiny], nano: [tinny]},"
        " context_window_fallbacks: {nano: [codes]}, default_fallbacks: [tny]"
    )
    found = findings(linked)
    assert places(found, "litellm/unknown-model") == [
        "options.names.x",
        "options.aliases.gpt-4",
        "options.fallbacks.cdoer",
        "options.fallbacks.nano[0]",
        "options.context_window_fallbacks.nano[0]",
        "options.default_fallbacks[0]",
    ]
    assert all(d.hint and d.hint.startswith("did you mean") for d in found)
    assert [d.at_key for d in found] == [False, False, True, False, False, False]


def test_a_fallback_may_name_an_alias() -> None:
    assert findings(gateway("aliases: {cheap: tiny}, fallbacks: {nano: [cheap]}")) == []


def test_different_models_under_one_name() -> None:
    behind = {"llama": openai(model("m")), "small": openai(model("m"))}
    assert findings(gateway(), behind) == []
    found = only(
        findings(gateway(), behind | {"small": openai(ServedModel(id="m", task=Task.EMBEDDINGS))}),
        "litellm/same-name",
    )
    assert found.hint == "options: {names: {m-small: small/m}}"
    named = gateway("names: {m: llama/coder}", "[llama, small]")
    other = {"llama": openai(model("coder")), "small": openai(model("m"))}
    assert "litellm/same-name" in [d.kind for d in findings(named, other)]


def test_an_alias_that_is_a_model() -> None:
    found = only(findings(gateway("aliases: {nano: coder}")), "litellm/same-name")
    assert dotted(found.path) == f"{BASE}options.aliases.nano"


def test_a_second_route_where_an_alias_would_do() -> None:
    linked = gateway("names: {llama-70b: llama/coder, gpt-4: llama/coder}")
    found = only(findings(linked), "litellm/duplicate-route")
    assert found.severity is Severity.WARNING
    assert found.hint == "aliases: {gpt-4: llama-70b}"


def test_keys_for_nobody_and_keys_that_are_known() -> None:
    behind = {"llama": openai(model("a"), key=SecretKey("llama", "k")), "small": SMALL}
    linked = gateway("keys: {lama: {secret: {name: x}}, llama: {secret: {name: y}}}")
    assert places(findings(linked, behind), "litellm/key") == ["options.keys.lama", "options.keys.llama"]


def test_a_timeout_that_ends_before_a_model_is_loaded() -> None:
    found = findings(gateway("timeout: 5m, stream_timeout: 1m"))
    assert places(found, "litellm/timeout") == ["options.timeout", "options.stream_timeout"]
    assert "`llama` may take 10 min to load" in found[0].message
    assert found[0].hint == "leave it out, or make it longer than 600s"
    assert findings(gateway("timeout: 5m", "[small]")) == []


def test_services_that_are_never_up_together() -> None:
    groups = [["llama", "small"]]
    found = only(findings(gateway(), exclusive=groups), "litellm/exclusive")
    assert found.severity is Severity.WARNING
    assert findings(gateway("default_fallbacks: [tiny]"), exclusive=groups) == []
    assert findings(gateway(uses="[small]"), exclusive=groups) == []


def test_a_model_that_stands_in_for_itself() -> None:
    linked = gateway(
        "aliases: {n: nano}, fallbacks: {nano: [nano, tiny]}, context_window_fallbacks: {nano: [n]}"
    )
    assert places(findings(linked), "litellm/fallback-to-itself") == [
        "options.fallbacks.nano[0]",
        "options.context_window_fallbacks.nano[0]",
    ]


def test_a_model_for_something_else() -> None:
    behind = {**BEHIND, "small": openai(ServedModel(id="embed", task=Task.EMBEDDINGS))}
    found = only(findings(gateway("fallbacks: {nano: [embed]}"), behind), "litellm/fallback-task")
    assert "`nano` is for chat, and `embed` is for embeddings" in found.message


def test_a_shorter_context() -> None:
    found = only(findings(gateway("fallbacks: {coder: [tiny]}")), "litellm/fallback-context")
    assert found.severity is Severity.WARNING
    found = only(findings(gateway("context_window_fallbacks: {nano: [tiny]}")), "litellm/fallback-context")
    assert found.severity is Severity.ERROR
    assert findings(gateway("context_window_fallbacks: {tiny: [coder]}")) == []


def test_fallbacks_in_a_ring() -> None:
    linked = gateway("fallbacks: {nano: [tiny], tiny: [nano]}")
    found = findings(linked)
    assert places(found, "litellm/fallback-cycle") == ["options.fallbacks.nano[0]"]
    assert findings(gateway("fallbacks: {nano: [tiny]}, context_window_fallbacks: {tiny: [coder]}")) == []


def test_fallbacks_that_are_down_together() -> None:
    linked = gateway("fallbacks: {nano: [coder]}")
    assert places(findings(linked), "litellm/fallback-together") == ["options.fallbacks.nano"]
    assert findings(gateway("fallbacks: {nano: [coder, tiny]}")) == []
