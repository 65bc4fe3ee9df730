"""SearXNG: settings that programs need, and a secret that is never in a file."""

import pytest

from stackgen.domain.linked import SecretKey
from stackgen.engines.searxng import ENGINE
from tests.support.engines import found, kinds, lower, service

SECRET = "secret: {secret: {name: searxng, key: secret}}"


def test_the_least() -> None:
    linked = service(ENGINE, f"options: {{{SECRET}}}")
    assert kinds(ENGINE, linked) == []
    run = lower(ENGINE, linked)
    (settings,) = run.config_files
    assert str(settings.target) == "/etc/searxng/settings.yml"
    assert settings.body == {
        "use_default_settings": True,
        "search": {"formats": ["html", "json"]},
        "server": {"limiter": False},
    }
    assert run.env == {"SEARXNG_SECRET": SecretKey("searxng", "secret")}
    assert run.read_only_root
    assert run.health is not None
    assert (run.health.path, run.health.tool) == ("/healthz", "wget")


def test_what_is_given_is_written() -> None:
    text = (
        f"options: {{{SECRET}, keep_only: [wikipedia], safe_search: 0, image_proxy: true, default_lang: de}}"
    )
    (settings,) = lower(ENGINE, service(ENGINE, text)).config_files
    assert settings.body == {
        "use_default_settings": {"engines": {"keep_only": ["wikipedia"]}},
        "search": {"safe_search": 0, "default_lang": "de", "formats": ["html", "json"]},
        "server": {"limiter": False, "image_proxy": True},
    }


def test_without_a_secret_the_hint_shows_how_to_write_it() -> None:
    hint = found(ENGINE, service(ENGINE, name="search"), "searxng/no-secret").hint
    assert hint is not None
    linked = service(ENGINE, hint, name="search")
    assert kinds(ENGINE, linked) == []


def test_a_secret_among_the_variables_will_do() -> None:
    assert kinds(ENGINE, service(ENGINE, "env: {SEARXNG_SECRET: {secret: {name: searxng}}}")) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"options: {{{SECRET}, formats: [html]}}", "searxng/no-json"),
        (f"{{gpus: [0], options: {{{SECRET}}}}}", "searxng/gpu"),
    ],
)
def test_findings(text: str, kind: str) -> None:
    assert kinds(ENGINE, service(ENGINE, text)) == [kind]
