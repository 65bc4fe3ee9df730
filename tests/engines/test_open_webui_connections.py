"""What Open WebUI sends to the services that it uses, and what only they can tell is wrong."""

from collections.abc import Mapping

from stackgen.domain.diagnostic import Diagnostic, Severity
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService, SecretKey
from stackgen.domain.plan import Plan, Verdict
from stackgen.domain.workload import EnvValue, ServiceUrl
from stackgen.engines.open_webui import ENGINE, OpenWebui
from tests.support.engines import BOX, planned, service
from tests.support.planning import stack

KEY = SecretKey("litellm", "master-key")
GATEWAY = Interface(apis={Api.OPENAI: "/v1"}, key=KEY, first_answer=600)
OPEN = Interface(apis={Api.OPENAI: "/openai"}, first_answer=60)


def plan(linked: LinkedService, others: Mapping[str, Interface]) -> Plan:
    neighbours = [service(ENGINE, name=name) for name in others]
    return Plan(stack=stack([BOX], [linked, *neighbours]), verdict=Verdict.FITS, interfaces=others)


def env(linked: LinkedService, **others: Interface) -> Mapping[str, EnvValue]:
    return ENGINE.lower(planned(ENGINE, linked), plan(linked, others)).env


def findings(linked: LinkedService, **others: Interface) -> list[Diagnostic]:
    return list(OpenWebui().connections(planned(ENGINE, linked), plan(linked, others)))


def test_the_key_of_a_single_service_is_sent_by_itself() -> None:
    linked = service(ENGINE, "uses: {chat: gateway}")
    assert env(linked, gateway=GATEWAY)["OPENAI_API_KEYS"] == KEY
    assert findings(linked, gateway=GATEWAY) == []


def test_several_services_without_keys_need_no_secret() -> None:
    linked = service(ENGINE, "uses: {chat: [a, b]}")
    assert env(linked, a=OPEN, b=OPEN)["OPENAI_API_KEYS"] == "none;none"
    assert findings(linked, a=OPEN, b=OPEN) == []


def test_several_services_with_a_key_need_one_secret_for_all() -> None:
    linked = service(ENGINE, "uses: {chat: [gateway, plain]}", name="chat")
    (found,) = findings(linked, gateway=GATEWAY, plain=OPEN)
    assert (found.kind, found.path) == ("open-webui/backend-key", ("services", "chat", "uses", "chat"))
    assert found.hint
    assert found.hint.endswith("<key of gateway>;none")
    given = "options: {openai_api_keys: {secret: {name: chat, key: openai-api-keys}}}"
    linked = service(ENGINE, f"{{uses: {{chat: [gateway, plain]}}, {given}}}")
    assert findings(linked, gateway=GATEWAY, plain=OPEN) == []
    assert env(linked, gateway=GATEWAY, plain=OPEN)["OPENAI_API_KEYS"] == SecretKey("chat", "openai-api-keys")


def test_speech_has_a_key_too() -> None:
    linked = service(ENGINE, "uses: {transcription: ears}")
    assert env(linked, ears=GATEWAY)["AUDIO_STT_OPENAI_API_KEY"] == KEY
    found = env(linked, ears=OPEN)
    assert found["AUDIO_STT_OPENAI_API_KEY"] == "none"
    assert found["AUDIO_STT_OPENAI_API_BASE_URL"] == ServiceUrl(service="ears", path="/openai")


def test_patience_that_is_shorter_than_a_load() -> None:
    linked = service(ENGINE, "{uses: {chat: [gateway]}, options: {aiohttp_client_timeout: 5m}}")
    (found,) = findings(linked, gateway=GATEWAY)
    assert (found.kind, found.severity) == ("open-webui/timeout", Severity.WARNING)
    assert findings(linked, gateway=OPEN) == []
