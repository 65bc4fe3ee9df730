"""n8n: a key that outlives the container, and addresses that others can call."""

import pytest

from stackgen.domain.fronts import Front
from stackgen.domain.linked import Exposure, SecretKey
from stackgen.domain.plan import Plan, Verdict
from stackgen.domain.stack import Service
from stackgen.engines.n8n import ENGINE
from tests.support.engines import BOX, found, kinds, lower, planned, service
from tests.support.planning import stack

KEY = "encryption_key: {secret: {name: n8n, key: encryption-key}}"
LEAST = f"{{options: {{{KEY}}}, volumes: {{data: d}}}}"


def test_the_least() -> None:
    linked = service(ENGINE, LEAST)
    assert kinds(ENGINE, linked) == []
    run = lower(ENGINE, linked)
    assert run.env == {
        "N8N_PORT": "5678",
        "N8N_RUNNERS_ENABLED": "true",
        "N8N_DIAGNOSTICS_ENABLED": "false",
        "N8N_ENCRYPTION_KEY": SecretKey("n8n", "encryption-key"),
    }
    assert [(m.volume, str(m.target)) for m in run.mounts] == [("d", "/home/node/.n8n")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            LEAST.replace("{options", "{expose: {hostname: flows.example.org}, options"),
            {
                "N8N_HOST": "flows.example.org",
                "N8N_PROTOCOL": "https",
                "N8N_PROXY_HOPS": "1",
                "WEBHOOK_URL": "https://flows.example.org/",
            },
        ),
        (LEAST.replace(KEY, f"{KEY}, secure_cookie: false"), {"N8N_SECURE_COOKIE": "false"}),
        (LEAST.replace(KEY, f"{KEY}, webhook_url: 'http://a:1/'"), {"WEBHOOK_URL": "http://a:1/"}),
        (
            LEAST.replace(KEY, f"{KEY}, generic_timezone: Europe/Berlin"),
            {"GENERIC_TIMEZONE": "Europe/Berlin", "TZ": "Europe/Berlin"},
        ),
        (LEAST.replace(KEY, f"{KEY}, executions_data_max_age: 24"), {"EXECUTIONS_DATA_MAX_AGE": "24"}),
        (
            LEAST.replace(KEY, f"{KEY}, postgres: {{host: db, password: {{secret: {{name: db, key: pw}}}}}}"),
            {
                "DB_TYPE": "postgresdb",
                "DB_POSTGRESDB_HOST": "db",
                "DB_POSTGRESDB_PORT": "5432",
                "DB_POSTGRESDB_DATABASE": "n8n",
                "DB_POSTGRESDB_USER": "n8n",
                "DB_POSTGRESDB_PASSWORD": SecretKey("db", "pw"),
            },
        ),
    ],
)
def test_options_are_variables(text: str, expected: dict[str, object]) -> None:
    usual = lower(ENGINE, service(ENGINE, LEAST)).env
    env = lower(ENGINE, service(ENGINE, text)).env
    assert {name: value for name, value in env.items() if usual.get(name) != value} == expected


def test_networks_that_are_closed_let_it_reach_its_database() -> None:
    postgres = "postgres: {host: 'fd00::5', password: {secret: {name: db, key: pw}}}"
    assert lower(ENGINE, service(ENGINE, LEAST)).calls == ()
    assert lower(ENGINE, service(ENGINE, LEAST.replace(KEY, f"{KEY}, {postgres}"))).calls == (
        "[fd00::5]:5432",
    )


def test_what_would_be_lost() -> None:
    linked = service(ENGINE, "{}")
    assert kinds(ENGINE, linked) == ["n8n/no-encryption-key", "n8n/no-data"]
    own = service(ENGINE, "{volumes: {data: d}, env: {N8N_ENCRYPTION_KEY: {secret: {name: a, key: b}}}}")
    assert kinds(ENGINE, own) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("publish: {port: 5678, address: 0.0.0.0}", True),
        ("publish: 5678", False),
        ("publish: {port: 5678, address: 0.0.0.0}, expose: {hostname: a.b}", False),
    ],
)
def test_nobody_can_log_in_without_https(more: str, said: bool) -> None:
    linked = service(ENGINE, LEAST.replace("{options", f"{{{more}, options"))
    assert ("n8n/no-log-in" in kinds(ENGINE, linked)) is said


def test_it_has_neither_gpus_nor_models() -> None:
    assert (
        found(ENGINE, service(ENGINE, LEAST.replace("{options", "{gpus: [0], options")), "n8n/gpu").path[-1]
        == "gpus"
    )
    parsed = ENGINE.use_options(
        {}, Service(engine="n8n", host="box"), None, ("services", "it", "models", "m")
    )
    assert [d.kind for d in parsed.diagnostics] == ["spec/no-models"]


def test_people_who_come_by_http_can_log_in() -> None:
    linked = service(ENGINE, LEAST.replace("{options", "{expose: {hostname: flows.lan}, options"))
    front = Front(exposure=Exposure("flows.lan"), scheme="http")
    plan = Plan(stack=stack([BOX], [linked]), verdict=Verdict.FITS, fronts={linked.name: front})
    env = ENGINE.lower(planned(ENGINE, linked), plan).env
    assert (env["WEBHOOK_URL"], env["N8N_SECURE_COOKIE"]) == ("http://flows.lan/", "false")
