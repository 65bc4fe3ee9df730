"""The option table and the presets, held against an installed llama-server.

LLAMA_SERVER and LLAMA_SERVER_BUILD name another program than the installed one.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackgen.domain.footprint import Basis
from stackgen.domain.linked import ModelRequest
from stackgen.domain.plan import KnownModel
from stackgen.emit import ini
from stackgen.engines.llama_server import ENGINE, table
from stackgen.engines.llama_server.argv import parse_argv
from stackgen.engines.llama_server.lower import presets
from stackgen.engines.llama_server.table import Option, Presence, Role
from tests.support import llama_server as program
from tests.support.engines import service
from tests.support.router import Refused, Router, listed, started

pytestmark = pytest.mark.tool

_CHECKED_BY_THE_PROGRAM = {
    "cpu-mask": "ff",
    "cpu-mask-batch": "ff",
    "spec-draft-cpu-mask": "ff",
    "spec-draft-cpu-mask-batch": "ff",
    "cpu-range": "0-1",
    "cpu-range-batch": "0-1",
    "spec-draft-cpu-range": "0-1",
    "device": "none",
    "spec-draft-device": "none",
    "override-tensor": "nothing=CPU",
    "spec-draft-override-tensor": "nothing=CPU",
    "override-kv": "stackgen.nothing=int:1",
    "lora-scaled": "a.gguf:1",
    "control-vector-scaled": "a.gguf:1",
    "logit-bias": "15+1",
    "chat-template": "chatml",
    "grammar": "root ::= [a-z]+",
    "cache-reuse": "0",
    "json-schema": "{}",
    "chat-template-kwargs": "{}",
    "mcp-servers-json": "{}",
    "webui-config": "{}",
    "samplers": "top_k",
    "sampling-seq": "k",
    "ctx-size": "512",
    "batch-size": "256",
    "ubatch-size": "256",
    "spec-synth-rates": "0.5",
    "lazy-mode": "on",
}
_FILES = (
    *("grammar-file", "json-schema-file", "api-key-file", "chat-template-file", "log-file"),
    *("webui-config-file", "mcp-servers-config"),
)
_FOLDERS = ("slot-save-path", "media-path", "log-prompts-dir")
_LEFT_OUT = {"rpc": "connects at once", "mmproj-device": "names a device that must be there"}


def _usable(*roles: Role) -> list[Option]:
    """The options that the installed build has for sure."""
    return [o for o in table.options() if o.role in roles and o.presence(program.build()) is Presence.YES]


def _argument(option: Option) -> str:
    """Its first spelling that the installed build knows for sure."""
    return next(s.argument for s in option.spellings if s.since <= program.build() and not s.negated)


def _sample(option: Option, folder: Path) -> str:
    """A value that does no harm."""
    if option.name in _FILES:
        file = folder / option.name
        file.write_text('root ::= "a"' if option.name == "grammar-file" else "{}")
        return str(file)
    if option.name in _FOLDERS:
        return str(folder)
    if option.name in _CHECKED_BY_THE_PROGRAM:
        return _CHECKED_BY_THE_PROGRAM[option.name]
    kind = option.kind(program.build())
    for text in ("1", "true", "{}", "1,1", "x"):
        try:
            kind.parse(text)
        except ValueError:
            continue
        return text
    return _words(option)[0]


def _words(option: Option) -> list[str]:
    """The words that an option takes, if it takes words."""
    schema = option.kind(program.build()).schema
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    return [word for word in schema.get("enum", ()) if isinstance(word, str)]


def test_the_table_lists_what_the_program_lists() -> None:
    build = program.build()
    options = [o for o in table.options() if o.role is not Role.PRESET]
    sure = {
        s.argument
        for o in options
        for s in o.spellings
        if o.presence(build) is Presence.YES and s.since <= build
    }
    unsure = {
        s.argument
        for o in options
        for s in o.spellings
        if o.presence(build) is Presence.UNCERTAIN or s.since > build
    }
    listed_ones = {a for entry in program.listed() if not entry.removed for a in entry.arguments}
    assert sure - listed_ones == set()
    assert listed_ones - sure - unsure == set()


def test_the_table_agrees_on_values_and_variables() -> None:
    for entry in program.listed():
        found = table.by_argument().get(entry.arguments[-1])
        if entry.removed:
            assert found is None or found[0].presence(program.build()) is not Presence.YES
            continue
        assert found is not None, entry
        option, _ = found
        takes = option.value == "text text" or option.kind(program.build()).takes_value
        assert takes == entry.takes_value, entry
        if entry.env:
            assert entry.env in option.env


def test_every_option_is_accepted(tmp_path: Path) -> None:
    arguments: list[str] = []
    for option in _usable(Role.PLAIN, Role.ROUTER, Role.STACK):
        if option.name in _LEFT_OUT:
            continue
        arguments.append(_argument(option))
        if option.value == "text text":
            arguments += ["1", "1"]
        elif option.kind(program.build()).takes_value:
            arguments.append(_sample(option, tmp_path))
    assert len(arguments) > 300
    assert program.refusal(*arguments) is None


def test_every_word_is_accepted() -> None:
    arguments = [a for o in _usable(Role.PLAIN) for word in _words(o) for a in (_argument(o), word)]
    assert program.refusal(*arguments) is None


@pytest.mark.parametrize(
    "name", ["cache-type-k", "split-mode", "flash-attn", "fit", "ctx-size", "n-gpu-layers"]
)
def test_a_wrong_value_is_refused_here_as_there(name: str) -> None:
    option = next(o for o in table.options() if o.name == name)
    with pytest.raises(ValueError, match="must be"):
        option.kind(program.build()).parse("nonsense")
    assert program.refusal(_argument(option), "nonsense") is not None


def test_options_of_other_builds_are_refused(tmp_path: Path) -> None:
    missing = [
        o for o in table.options() if o.presence(program.build()) in (Presence.NOT_YET, Presence.REMOVED)
    ]
    assert missing
    listed_as_removed = {a for entry in program.listed() if entry.removed for a in entry.arguments}
    for option in missing:
        spelling = option.spellings[0]
        if option.role is not Role.PRESET:
            value = ["1"] if option.kind(program.build()).takes_value else []
            assert program.refusal(spelling.argument, *value) is not None, spelling
        # What is only marked as removed is still read from a preset, and refused when the model is loaded.
        if spelling.argument not in listed_as_removed:
            answer = listed(f"[it]\n{spelling.key} = 1\n", tmp_path)
            assert isinstance(answer, Refused), spelling
    assert not isinstance(listed("[it]\nctx-size = 1\n", tmp_path), Refused)


_TEXT = """
    image: ghcr.io/ggml-org/llama.cpp:server-cuda-b{build}
    gpus: [0, 1]
    options: {{parallel: 2, ubatch_size: 256, flash_attn: auto, load_mode_or_so}}
    models:
      small: {{model: tiny, context: 512, alias: [a - small one, "other:Name"]}}
      large: {{model: tiny, context: 1024, cache_type_k: q8_0, cache_type_v: q8_0, flash_attn: on}}
      experts: {{model: tiny, cpu_moe: true, kv_unified: true, temperature: 0.7, top_k: 20, load_on_startup: true}}
    volumes: {{models: weights}}
"""


def _rendered(text: str, model: Path, extra: dict[str, Any] | None = None) -> str:
    """The presets of a service, with every weights file replaced by one that is here."""
    switch = "load_mode: none" if program.build() >= 10156 else "mmap: false"
    linked = service(ENGINE, text.format(build=program.build()).replace("load_mode_or_so", switch))
    known = {
        use.model.name: KnownModel(
            request=ModelRequest(path=str(model)), facts=None, basis=Basis.EXACT, file=str(model)
        )
        for use in linked.models
    }
    sections = presets(linked, known)
    # No GPU can be assumed here.
    sections["*"] |= {"n-gpu-layers": "0"}
    sections["*"].pop("tensor-split", None)
    for name, keys in sections.items():
        if name != "*":
            keys |= {"model": str(model), **(extra or {})}
    return ini.dump(sections)


def _complaints(router: Router) -> list[str]:
    """The lines of the log that say what is wrong."""
    words = ("error", "invalid", "failed", "unknown")
    return [line for line in router.log.read_text().splitlines() if any(w in line.lower() for w in words)][
        -20:
    ]


def test_a_rendered_router_lists_and_answers(tmp_path: Path) -> None:
    model = program.loadable_model(tmp_path)
    with started(_rendered(_TEXT, model), tmp_path, "--models-max", "3") as router:
        assert isinstance(router, Router), router
        models = router.models()
        assert {name: set(entry["aliases"]) for name, entry in models.items()} == {
            "small": {"a - small one", "other:Name"},
            "large": set(),
            "experts": set(),
        }
        for name in ("small", "a - small one", "other:Name", "large", "experts"):
            status, answer = router.chat(name)
            assert status == 200, (name, answer, _complaints(router))
        assert {entry["status"]["value"] for entry in router.models().values()} == {"loaded"}


def test_a_rendered_router_starts(tmp_path: Path) -> None:
    """What needs no model to be loaded, so that it holds on every machine."""
    text = _TEXT.replace(", load_on_startup: true", "")
    models = listed(_rendered(text, tmp_path / "none.gguf"), tmp_path, "--models-max", "3")
    assert not isinstance(models, Refused), models.log
    assert set(models) == {"small", "large", "experts"}
    assert set(models["small"]["aliases"]) == {"a - small one", "other:Name"}
    values = parse_argv(models["large"]["status"]["args"], build=program.build()).values
    assert values["ctx-size"] == 1024
    assert values["cache-type-k"] == values["cache-type-v"] == "q8_0"
    assert values["parallel"] == 2
    assert values["fit"] == "off"


_UNFIT_FOR_CHAT = {
    *("embeddings", "reranking", "pooling", "spm-infill", "grammar", "grammar-file", "json-schema"),
    *("json-schema-file", "api-prefix", "offline", "numa", "rpc", "split-mode", "tools-runtime"),
    *("mmproj-device", "kv-unified-per-slot"),
    *(
        "mcp-servers-config",
        "mcp-servers-json",
        "log-file",
        "log-disable",
        "chat-template-file",
        "override-kv",
    ),
    *("lora", "lora-scaled", "control-vector", "control-vector-scaled", "lookup-cache-static"),
    *("lookup-cache-dynamic", "webui-config-file", "spec-type", "spec-default", "tools", "agent", "path"),
    *("load-on-startup", "dedup-cache-models", "no-host", "skip-chat-parsing", "mlock", "direct-io"),
}
"""They need a file, a device or a network, or change what an answer is."""


def test_every_other_option_loads(tmp_path: Path) -> None:
    model = program.loadable_model(tmp_path)
    options = [o for o in _usable(Role.PLAIN, Role.PRESET) if o.name not in _UNFIT_FOR_CHAT]
    groups = [options[i::12] for i in range(12)]
    sections = {
        f"group-{number}": {
            "model": str(model),
            **{o.key(program.build()): _sample(o, tmp_path) for o in group},
        }
        for number, group in enumerate(groups)
    }
    with started(ini.dump(sections), tmp_path, "--models-max", "1") as router:
        assert isinstance(router, Router), router
        for name, keys in sections.items():
            status, answer = router.chat(name)
            assert status == 200, (name, keys, answer, _complaints(router))


def _value(option: Option) -> st.SearchStrategy[Any]:
    """Right values as people write them in YAML."""

    def right(value: Any) -> bool:
        try:
            option.kind(program.build()).read(value)
        except ValueError:
            return False
        return True

    return _any_value(option).filter(right)


def _any_value(option: Option) -> st.SearchStrategy[Any]:
    schema = option.kind(program.build()).schema
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    if "enum" in schema:
        return st.sampled_from([v for v in schema["enum"] if not isinstance(v, bool)])
    match schema["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(max(1, schema.get("minimum", 1)), min(99, schema.get("maximum", 99)))
        case "number":
            return st.floats(schema.get("minimum", -9), 9).map(lambda f: round(f, 3))
        case "array":
            return st.lists(st.integers(1, 9), min_size=1, max_size=2)
        case "object":
            return st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), max_size=2)
        case _ if option.value.startswith("mib"):
            return st.integers(1, 99).map(lambda n: f"{n}MiB")
        case _:
            return st.text("abcXYZ019 _=:/.*\\()\"'", min_size=1, max_size=12).map(str.strip).filter(bool)


_ANY = st.sampled_from(
    [o for o in table.options() if o.role is Role.PLAIN and o.presence(program.build()) is Presence.YES]
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_router_reads_what_was_written(tmp_path: Path, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(_ANY, min_size=1, max_size=25, unique_by=lambda o: o.name))
    written = {o.yaml_name: data.draw(_value(o), label=o.name) for o in chosen}
    image = f"ghcr.io/ggml-org/llama.cpp:server-cuda-b{program.build()}"
    half = len(written) // 2
    text = {
        "image": image,
        "gpus": [0],
        "options": dict(list(written.items())[:half]),
        "models": {"it": {"model": "tiny", **dict(list(written.items())[half:])}},
        "volumes": {"models": "weights"},
    }
    linked = service(ENGINE, ini_free(text))
    models = listed(ini.dump(presets(linked, {})), tmp_path)
    assert not isinstance(models, Refused), models.log
    read = parse_argv(models["it"]["status"]["args"], build=program.build())
    assert not read.refusals
    for option in chosen:
        kind = option.kind(program.build())
        meant = kind.read(written[option.yaml_name])
        if option.is_flag and not meant:
            assert option.name not in read.values
        elif option.name not in ("parallel", "kv-unified") or written.get("parallel", -1) != -1:
            assert kind.spell(read.values[option.name]) == kind.spell(meant)


def ini_free(data: dict[str, Any]) -> str:
    """The same as YAML text."""
    import yaml

    return str(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_arguments_are_refused_here_as_there(data: st.DataObject) -> None:
    words: list[str] = []
    for option in data.draw(st.lists(_ANY, max_size=4)):
        if option.name in {*_CHECKED_BY_THE_PROGRAM, *_FILES, *_FOLDERS, *_LEFT_OUT}:
            continue
        kind = option.kind(program.build())
        argument = _argument(option).replace("-", data.draw(st.sampled_from("-_")))
        words.append(argument.replace("_", "-", 2) if argument.startswith("_") else argument)
        if kind.takes_value:
            value = kind.spell(kind.read(data.draw(_value(option), label=option.name)))
            words.append(data.draw(st.sampled_from([value, value, value, "nonsense"])))
    words += data.draw(st.sampled_from([[], [], ["--frobnicate"], ["-ctx"], ["--ctx-size=5"], ["--c", "5"]]))
    mine = parse_argv(words, build=program.build()).refusals
    theirs = program.refusal(*words)
    assert bool(mine) == bool(theirs), (words, mine, theirs)
