"""Options are checked against the build of the image, and wrong ones say what to write instead."""

from typing import Any

import pytest

from stackgen.domain.diagnostic import Diagnostic, Severity
from stackgen.domain.linked import SecretKey
from stackgen.domain.llama import LATEST_BUILD
from stackgen.domain.plan import Limit
from stackgen.domain.stack import Service
from stackgen.engines.llama_server import ENGINE, table
from stackgen.engines.llama_server.options import ServiceOptions, UseOptions
from stackgen.engines.llama_server.table import Presence, Role

PATH = ("services", "llama")
OLD, NEW = "ghcr.io/ggml-org/llama.cpp:server-cuda-b8006", "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434"


def read(options: dict[str, Any], image: str | None = NEW) -> tuple[ServiceOptions | None, list[Diagnostic]]:
    service = Service(engine="llama-server", host="box", image=image, options=options)
    parsed = ENGINE.options(service, PATH)
    return parsed.value, list(parsed.diagnostics)


def only(options: dict[str, Any], image: str | None = NEW) -> Diagnostic:
    value, found = read(options, image)
    assert len(found) == 1, found
    assert (value is None) == (found[0].severity is Severity.ERROR)
    return found[0]


def entry(data: dict[str, Any], image: str = NEW) -> tuple[UseOptions | None, list[Diagnostic]]:
    service = Service(engine="llama-server", host="box", image=image)
    options = ENGINE.options(service, PATH).value
    parsed = ENGINE.use_options(data, service, options, (*PATH, "models", "it"))
    return parsed.value, list(parsed.diagnostics)


def test_typed_values() -> None:
    options, found = read(
        {
            "parallel": 1,
            "cache_type_k": "q8_0",
            "context": 8192,
            "flash_attn": True,
            "cache_ram": "8GiB",
            "fit_target": ["1GiB", "512MiB"],
            "tensor_split": [3, 1.5],
            "n_gpu_layers": "all",
            "sleep_idle_seconds": "30m",
            "temperature": 0.7,
            "chat_template_kwargs": {"enable_thinking": False},
            "override_tensor": ["exps=CPU", "output=CUDA0"],
            "spec_type": ["draft-mtp", "ngram-mod"],
        }
    )
    assert found == []
    assert options is not None
    assert options.build == 11434
    assert options.backend == "cuda"
    assert options.models_max is Limit.AUTO
    assert options.values == {
        "parallel": 1,
        "cache-type-k": "q8_0",
        "ctx-size": 8192,
        "flash-attn": "on",
        "cache-ram": 8192,
        "fit-target": (1024, 512),
        "tensor-split": (3, 1.5),
        "n-gpu-layers": "all",
        "sleep-idle-seconds": 1800,
        "temperature": 0.7,
        "chat-template-kwargs": '{"enable_thinking":false}',
        "override-tensor": ("exps=CPU", "output=CUDA0"),
        "spec-type": ("draft-mtp", "ngram-mod"),
    }


def test_keys_of_the_service() -> None:
    secret = {"secret": {"name": "llama", "key": "api-key"}}
    options, found = read({"models_max": 3, "api_key": secret, "fa_all_quants": True})
    assert found == []
    assert options is not None
    assert (options.models_max, options.fa_all_quants) == (3, True)
    assert options.api_key == SecretKey("llama", "api-key")


def test_keys_of_a_model() -> None:
    use, found = entry({"context": 4096, "alias": ["a b"], "load_on_startup": True, "draft": "small"})
    assert found == []
    assert use == UseOptions(values={"ctx-size": 4096}, alias=("a b",), load_on_startup=True, draft="small")


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("ctk", "write `cache_type_k`"),
        ("cache-type-k", "write `cache_type_k`"),
        ("LLAMA_ARG_CACHE_TYPE_K", "write `cache_type_k`"),
        ("ctx_size", "write `context`"),
        ("c", "write `context`"),
        ("n_gpu_layers_draft", "write `spec_draft_ngl`"),
        ("no_kv_offload", "write `kv_offload: false`"),
        ("no_mmap", "write `load_mode: none`"),
    ],
)
def test_another_spelling_says_which_is_right(key: str, hint: str) -> None:
    found = only({key: True})
    assert (found.kind, found.hint, found.at_key) == ("llama-server/spelling", hint, True)
    assert found.path == (*PATH, "options", key)


def test_unknown_key() -> None:
    found = only({"cache_typ_k": "q8_0"})
    assert (found.kind, found.hint) == ("spec/unknown-key", "did you mean `cache_type_k`?")


@pytest.mark.parametrize(
    ("image", "options", "message", "hint"),
    [
        (NEW, {"mlock": True}, "removed by b10878", "write `load_mode: mlock`"),
        (NEW, {"mmap": False}, "removed by b10878", "write `load_mode: none`"),
        (NEW, {"draft_max": 8}, "removed by b9093", "write `spec_draft_n_max`"),
        (OLD, {"load_mode": "none"}, "first seen in b10156", "write `mmap`, `mlock` or `direct_io`"),
        (OLD, {"spec_draft_n_max": 8}, "first seen in b9093", "write `draft_max`"),
        (OLD, {"lazy_mode": "on"}, "first seen in b10867", "use a newer image"),
    ],
)
def test_options_of_other_builds(image: str, options: dict[str, Any], message: str, hint: str) -> None:
    found = only(options, image)
    assert found.kind == "llama-server/not-in-build"
    assert message in found.message
    assert found.hint == hint


def test_an_option_that_came_between_two_read_builds_is_only_doubted() -> None:
    image = "ghcr.io/ggml-org/llama.cpp:server-cuda-b10700"
    found = only({"lazy_mode": "on"}, image)
    assert (found.kind, found.severity) == ("llama-server/uncertain-option", Severity.WARNING)


def test_words_of_other_builds() -> None:
    assert only({"split_mode": "tensor"}, OLD).message == (
        "`split_mode` must be `none`, `layer` or `row`, got the string 'tensor'"
    )
    assert read({"split_mode": "tensor"})[1] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache_type_k": "q8"}, "`cache_type_k` must be `f32`, "),
        ({"context": "32k"}, "`context` must be a whole number of at least 0, got the string '32k'"),
        ({"context": True}, "`context` must be a whole number"),
        ({"parallel": 0}, "`parallel` must be a whole number from -1 to 256, not 0, got 0"),
        ({"cpu_moe": "yes"}, "`cpu_moe` must be `true` or `false`"),
        ({"cache_ram": 8192}, "`cache_ram` needs a unit; write 8192MiB"),
        ({"cache_ram": "1500KB"}, "`cache_ram` must be a whole number of mebibytes"),
        ({"temperature": "hot"}, "`temperature` must be a number of at least 0"),
        ({"tensor_split": []}, "`tensor_split` must be a list of numbers, one per GPU"),
        ({"chat_template_kwargs": "{"}, "`chat_template_kwargs` must be JSON"),
        ({"chat_template": 5}, "`chat_template` must be text, got 5; put it in quotes"),
        (
            {"override_tensor": ["a,b=CPU"]},
            "`override_tensor` must be text, or a list of texts without commas",
        ),
        ({"sleep_idle_seconds": 0}, "`sleep_idle_seconds` must be a duration such as 30m"),
        ({"repeat_penalty": 0}, "`repeat_penalty` must be a number of at least 0, not 0"),
    ],
)
def test_wrong_values(options: dict[str, Any], message: str) -> None:
    found = only(options)
    assert (found.kind, found.path) == ("spec/value", (*PATH, "options", *options))
    assert found.message.startswith(message)


def test_a_misspelled_word_gets_the_nearest() -> None:
    assert only({"cache_type_k": "q80"}).hint == "did you mean `q8_0`?"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"port": 9000}, "write `publish` or `expose` on the service"),
        ({"host": "::"}, "leave it out: "),
        ({"models_dir": "/models"}, "write each model by name under `models`"),
        ({"model": "/models/a.gguf"}, "write `hf` or `path` under models.<name>"),
        ({"hf_repo": "a/b"}, "write `hf` under models.<name>"),
        ({"spec_draft_model": "a.gguf"}, "write `draft: <a name under models>`"),
        ({"version": True}, "leave it out"),
        ({"load_on_startup": True}, "write it under a model"),
    ],
)
def test_reserved_keys_say_where_to_write_it(options: dict[str, Any], hint: str) -> None:
    found = only(options)
    assert found.kind in ("llama-server/reserved-option", "llama-server/misplaced-option")
    assert found.hint is not None
    assert found.hint.startswith(hint)


@pytest.mark.parametrize("text", ["a;b", "a # b", "two\nlines", " padded "])
def test_what_a_presets_file_cannot_hold(text: str) -> None:
    assert only({"chat_template": text}).kind == "llama-server/not-expressible"


def test_samplers_have_a_spelling_without_semicolons() -> None:
    assert only({"samplers": "top_k;min_p"}).hint == "write `sampling_seq`"


def test_the_build_of_a_custom_image() -> None:
    options, found = read({"build": 11434, "backend": "cuda"}, "localhost/llama:mine")
    assert found == []
    assert options is not None
    assert (options.build, options.backend) == (11434, "cuda")


def test_an_unknown_build_is_assumed_to_be_the_newest() -> None:
    found = only({}, "llama-cpp-service:latest")
    assert (found.kind, found.severity, found.path) == (
        "llama-server/unknown-build",
        Severity.WARNING,
        (*PATH, "image"),
    )
    assert f"b{LATEST_BUILD} is assumed" in found.message


def test_a_stated_build_must_not_contradict_the_tag() -> None:
    assert only({"build": 8006}).kind == "llama-server/unknown-build"


@pytest.mark.parametrize(("build", "side"), [(5000, "older"), (12000, "newer")])
def test_builds_outside_of_those_that_were_read(build: int, side: str) -> None:
    found = only({}, f"ghcr.io/ggml-org/llama.cpp:server-cuda-b{build}")
    assert found.kind == "llama-server/unchecked-build"
    assert side in found.message


def test_no_image_means_the_newest_checked_one() -> None:
    options, found = read({}, None)
    assert found == []
    assert options == ServiceOptions()


def test_a_command_line_is_checked_as_well() -> None:
    found = only({"command_line": ["-b", "4096", "--no-mmap"]})
    assert (found.kind, found.path[-2:]) == ("llama-server/command-line", ("command_line", 2))
    assert found.hint == "write `--load-mode none`"


def test_the_table_is_sound() -> None:
    names = [option.name for option in table.options()]
    assert len(names) == len(set(names)) == len(table.by_yaml_name())
    spelled = [(s.argument) for o in table.options() for s in o.spellings if o.role is not Role.PRESET]
    assert len(spelled) == len(set(spelled))
    for option in table.options():
        for build in table.builds():
            assert option.kind(build).schema
        assert option.since in table.builds()
        assert option.until is None or option.until in table.builds()
        assert option.presence(option.since) is Presence.YES
        for on in (True, False):
            for name, value in option.instead(on=on):
                assert name in names
                other = next(o for o in table.options() if o.name == name)
                assert value is None or other.kind(LATEST_BUILD).parse(value)


def test_the_newest_build_is_in_the_table() -> None:
    assert table.builds()[-1] == LATEST_BUILD


def test_schemas_accept_what_is_accepted() -> None:
    options, model = ENGINE.schema()
    for schema in (options, model):
        assert schema["additionalProperties"] is False
        assert schema["properties"]["cache_type_k"]["enum"] == [
            *("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"),
        ]
        assert "mlock" not in schema["properties"]
        assert "port" not in schema["properties"]
    assert "models_max" in options["properties"]
    assert "alias" in model["properties"]
    assert "alias" not in options["properties"]
