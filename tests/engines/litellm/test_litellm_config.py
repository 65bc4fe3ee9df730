"""What stands in config.yaml: routes, names, limits, and no key."""

from stackgen.domain.interface import Api, Interface, ServedModel, Task
from stackgen.domain.linked import SecretKey
from stackgen.domain.workload import ServiceUrl
from stackgen.engines.litellm import ENGINE, Litellm
from tests.support.engines import planned, service
from tests.support.gateway import BEHIND, config, gateway, lowered, model, openai, plan

OLLAMA = Interface(
    apis={Api.OLLAMA: "", Api.OPENAI: "/v1"},
    models=(
        model("llama3.1:8b"),
        ServedModel(id="nomic-embed-text", task=Task.EMBEDDINGS),
        ServedModel(id="reranker", task=Task.RERANK),
    ),
)


def test_a_service_stands_for_all_its_models_and_a_model_for_itself() -> None:
    names = [d["model_name"] for d in config(gateway(uses="[llama/nano, small]"))["model_list"]]
    assert names == ["nano", "tiny"]
    assert [d["model_name"] for d in config(gateway())["model_list"]] == ["coder", "nano", "tiny"]
    twice = config(gateway(uses="[llama/nano, llama]"))["model_list"]
    assert [d["model_name"] for d in twice] == ["nano", "coder"]


def test_a_model_of_the_openai_api() -> None:
    coder = config(gateway(uses="[llama/coder]"))["model_list"]
    assert coder == [
        {
            "model_name": "coder",
            "litellm_params": {
                "model": "openai/coder",
                "api_base": ServiceUrl(service="llama", path="/v1"),
                "api_key": "none",
            },
            "model_info": {
                "mode": "chat",
                "max_input_tokens": 32768,
                "input_cost_per_token": 0,
                "output_cost_per_token": 0,
            },
        }
    ]


def test_ollama_is_asked_in_its_own_protocol_where_litellm_has_one() -> None:
    listed = config(gateway(uses="[ollama]"), {"ollama": OLLAMA})["model_list"]
    asked = [(d["litellm_params"]["model"], d["litellm_params"]["api_base"].path) for d in listed]
    assert asked == [
        ("ollama_chat/llama3.1:8b", ""),
        ("ollama/nomic-embed-text", ""),
        ("hosted_vllm/reranker", "/v1"),
    ]
    assert [d["model_info"]["mode"] for d in listed] == ["chat", "embedding", "rerank"]
    assert "api_key" not in listed[0]["litellm_params"]


def test_speech_and_pictures() -> None:
    speech = ServedModel(id="whisper-1", task=Task.TRANSCRIPTION)
    seeing = model("vl", vision=True)
    first, second = config(gateway(uses="[s]"), {"s": openai(speech, seeing)})["model_list"]
    assert first["model_info"]["mode"] == "audio_transcription"
    assert "max_input_tokens" not in first["model_info"]
    assert second["model_info"]["supports_vision"] is True


def test_names_take_the_place_of_ids_and_aliases_point_at_them() -> None:
    behind = {"llama": openai(model("coder", aliases=("coder - qwen3", "x")), model("nano"))}
    linked = gateway("names: {big one: llama/coder}, aliases: {gpt-4: big one, x: nano}", "[llama]")
    body = config(linked, behind)
    assert [d["model_name"] for d in body["model_list"]] == ["big one", "nano"]
    assert body["router_settings"]["model_group_alias"] == {
        "gpt-4": "big one",
        "x": "nano",
        "coder - qwen3": "big one",
    }


def test_limits() -> None:
    settings = config(gateway())["router_settings"]
    assert settings == {
        "routing_strategy": "simple-shuffle",
        "enable_pre_call_checks": True,
        "timeout": 1200,
    }
    given = gateway(
        "timeout: 30m, stream_timeout: 15m, num_retries: 0, allowed_fails: 1, cooldown_time: 30s, max_fallbacks: 2"
    )
    settings = config(given)["router_settings"]
    assert (settings["timeout"], settings["stream_timeout"], settings["cooldown_time"]) == (1800, 900, 30)
    assert (settings["num_retries"], settings["allowed_fails"], settings["max_fallbacks"]) == (0, 1, 2)


def test_fallbacks_are_lists_of_single_pairs() -> None:
    linked = gateway(
        "fallbacks: {coder: [nano, tiny]}, context_window_fallbacks: {nano: [coder]}, default_fallbacks: [tiny]"
    )
    settings = config(linked)["router_settings"]
    assert settings["fallbacks"] == [{"coder": ["nano", "tiny"]}]
    assert settings["context_window_fallbacks"] == [{"nano": ["coder"]}]
    assert settings["default_fallbacks"] == ["tiny"]


def test_who_asks_for_an_alias_has_the_same_fallbacks() -> None:
    linked = gateway(
        "aliases: {gpt-4: coder, cheap: tiny}, fallbacks: {coder: [cheap]}, context_window_fallbacks: {tiny: [gpt-4]}"
    )
    settings = config(linked)["router_settings"]
    assert settings["fallbacks"] == [{"coder": ["tiny"]}, {"gpt-4": ["tiny"]}]
    assert settings["context_window_fallbacks"] == [{"tiny": ["coder"]}, {"cheap": ["coder"]}]


def test_keys_are_references_only() -> None:
    behind = {
        "my-llama": openai(model("coder"), key=SecretKey("llama", "api-key")),
        "tabby": openai(model("t")),
    }
    linked = gateway(
        "keys: {tabby: {secret: {name: tabby}}}, database_url: {secret: {name: db, key: url}},"
        " salt_key: {secret: {name: litellm, key: salt}}",
        "[my-llama, tabby]",
    )
    body, run = config(linked, behind), lowered(linked, behind)
    assert run.calls == (":5432",)
    assert body["general_settings"] == {
        "master_key": "os.environ/LITELLM_MASTER_KEY",
        "database_url": "os.environ/DATABASE_URL",
        "background_health_checks": False,
    }
    assert [d["litellm_params"]["api_key"] for d in body["model_list"]] == [
        "os.environ/BACKEND_KEY_MY_LLAMA",
        "os.environ/BACKEND_KEY_TABBY",
    ]
    secrets = {name: value for name, value in run.env.items() if isinstance(value, SecretKey)}
    assert secrets == {
        "LITELLM_MASTER_KEY": SecretKey("litellm", "master-key"),
        "DATABASE_URL": SecretKey("db", "url"),
        "LITELLM_SALT_KEY": SecretKey("litellm", "salt"),
        "BACKEND_KEY_MY_LLAMA": SecretKey("llama", "api-key"),
        "BACKEND_KEY_TABBY": SecretKey("tabby", "value"),
    }


def test_it_asks_nobody_how_it_is_and_fetches_nothing() -> None:
    run = lowered(gateway())
    assert run.health
    assert run.health.path == "/health/liveliness"
    assert run.after == ()
    assert {name for name, value in run.env.items() if value == "True"} >= {"LITELLM_LOCAL_MODEL_COST_MAP"}


def test_figures_only_for_those_who_have_the_key() -> None:
    assert "callbacks" not in config(gateway())["litellm_settings"]
    linked = gateway("metrics: true")
    assert config(linked)["litellm_settings"]["callbacks"] == ["prometheus"]
    (scrape,) = Litellm().gateway(planned(ENGINE, linked), BEHIND).scrapes
    assert scrape.authorized


def test_others_see_its_names_its_key_and_its_slowest_model() -> None:
    linked = gateway("names: {big: llama/coder}, aliases: {gpt-4: big}")
    offered = plan(linked).interfaces["gateway"]
    assert offered.apis == {Api.OPENAI: "/v1", Api.ANTHROPIC: ""}
    assert {m.id: (m.aliases, m.context) for m in offered.models} == {
        "big": (("gpt-4",), 32768),
        "nano": ((), 8192),
        "tiny": ((), 8192),
    }
    assert offered.key == SecretKey("litellm", "master-key")
    assert offered.first_answer == 600


def test_of_a_shared_name_others_see_what_every_service_can_do() -> None:
    behind = {"a": openai(model("m", 8192, vision=True)), "b": openai(model("m", 4096))}
    (shared,) = plan(gateway(uses="[a, b]"), behind).interfaces["gateway"].models
    assert (shared.context, shared.vision) == (4096, False)


def test_the_master_key_may_stand_under_env() -> None:
    linked = service(
        ENGINE,
        "{uses: {models: [llama]}, env: {LITELLM_MASTER_KEY: {secret: {name: mine, key: k}}}}",
        name="gateway",
    )
    assert plan(linked).interfaces["gateway"].key == SecretKey("mine", "k")
    assert "litellm/no-master-key" not in [d.kind for d in ENGINE.check(linked, {})]
