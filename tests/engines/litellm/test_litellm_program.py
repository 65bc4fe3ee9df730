"""The rendered config.yaml in the real LiteLLM, in front of a real llama-server.

LITELLM names another program than the installed one, LLAMA_SERVER another llama-server.
"""

import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from stackgen import app
from stackgen.app.rendering import render
from stackgen.domain.document import Document
from stackgen.domain.interface import Api, Interface, ServedModel, Task
from stackgen.domain.linked import LinkedService, SecretKey
from stackgen.domain.reach import resolve
from stackgen.emit import ini, to_text
from stackgen.engines.litellm.options import LitellmOptions
from stackgen.engines.llama_server import ENGINE as LLAMA
from stackgen.engines.llama_server.lower import presets
from tests.support import litellm_check, litellm_proxy, tiny_gguf
from tests.support import llama_server as llama
from tests.support.cli import ROOT
from tests.support.engines import planned, service
from tests.support.gateway import gateway, lowered, model, openai
from tests.support.litellm_proxy import Asked, Proxy
from tests.support.programs import require
from tests.support.router import Router, started

pytestmark = pytest.mark.tool

EVERY_OPTION = """
    names: {big one: llama/coder, quick: llama/coder}, aliases: {gpt-4: big one}, fallbacks: {big one: [tiny]},
    context_window_fallbacks: {tiny: [big one]}, default_fallbacks: [tiny], max_fallbacks: 2,
    routing_strategy: least-busy, timeout: 20m, stream_timeout: 15m, num_retries: 1, allowed_fails: 2,
    cooldown_time: 30s, drop_params: false, metrics: true, keys: {small: {secret: {name: s}}},
    database_url: {secret: {name: db}}, salt_key: {secret: {name: salt}}
"""
TASKS = tuple(ServedModel(id=f"m-{task.value}", task=task) for task in Task)


def written(linked: LinkedService, behind: Mapping[str, Interface], ports: Mapping[str, int]) -> str:
    """config.yaml as a target would write it for services on loopback."""
    (file,) = lowered(linked, behind).config_files
    body = resolve(file.body, lambda url: f"http://127.0.0.1:{ports.get(url.service, 9)}{url.path}")
    return to_text(Document(path=file.target, format=file.format, body=body))


def test_litellm_reads_every_key_and_takes_every_model(tmp_path: Path) -> None:
    assert all(f"{name}:" in EVERY_OPTION for name in set(LitellmOptions.model_fields) - {"master_key"})
    behind = {
        "llama": openai(model("coder", vision=True), key=SecretKey("llama", "k")),
        "small": openai(model("tiny"), *TASKS),
        "ollama": Interface(apis={Api.OLLAMA: "", Api.OPENAI: "/v1"}, models=(model("a:b"), TASKS[1])),
    }
    # A database would be asked at once; its line is read like that of the master key.
    options = EVERY_OPTION.replace("database_url: {secret: {name: db}}, ", "")
    text = written(gateway(options, "[llama, small, ollama]"), behind, {})
    files = [tmp_path / "config.yaml", *of_an_example(tmp_path)]
    files[0].write_text(text)
    program = require("litellm")
    own = litellm_proxy.environment(program, tmp_path)
    done = subprocess.run(
        [Path(program).with_name("python"), litellm_check.__file__, *files],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=own | {"LITELLM_MASTER_KEY": litellm_proxy.KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def of_an_example(folder: Path) -> list[Path]:
    """The config.yaml of the gateway in a stack that people may start from."""
    loaded = app.load(ROOT / "stacks" / "three-hosts")
    output = render(app.plan(loaded.stack, loaded.lock), loaded.source)
    files = [
        file
        for rendered in output.files.values()
        for path, file in rendered.items()
        if path.parts[-2:] == ("litellm", "config.yaml")
    ]
    assert len(files) == 1
    target = folder / "example.yaml"
    target.write_text(files[0].text)
    return [target]


BIG = "{image: 'example.org/llama:server-b%d', options: {parallel: 1}, models: {coder: {model: m, context: 256}}}"
LONG = "{image: 'example.org/llama:server-b%d', options: {parallel: 1}, models: {long: {model: m, context: 4096}}}"


class Behind:
    """A llama-server with its rendered presets, whose weights are tiny."""

    def __init__(self, text: str) -> None:
        self.linked = service(LLAMA, text % llama.build())
        self.interface = LLAMA.interface(planned(LLAMA, self.linked))

    def presets(self, weights: Path) -> str:
        sections = presets(self.linked, planned(LLAMA, self.linked).known)
        for name, keys in sections.items():
            keys |= {"n-gpu-layers": "0"} if name == "*" else {"model": str(weights)}
        return ini.dump(sections)

    def start(self, stack: ExitStack, folder: Path, weights: Path) -> Router:
        folder.mkdir()
        router = stack.enter_context(started(self.presets(weights), folder))
        assert isinstance(router, Router), router
        return router


def test_a_gateway_at_work(tmp_path: Path) -> None:
    """One proxy for everything that it must do, since it takes long to start."""
    weights = llama.loadable_model(tmp_path)
    tiny_gguf.write(weights, context=4096)
    big, long = Behind(BIG), Behind(LONG)
    embeddings = ServedModel(id="e", task=Task.EMBEDDINGS)
    behind = {
        "big": big.interface,
        "long": long.interface,
        "plain": openai(
            *(m for m in TASKS if m.task not in (Task.CHAT, Task.IMAGES)), key=SecretKey("plain", "k")
        ),
        "ollama": Interface(apis={Api.OLLAMA: ""}, models=(model("llama3.1:8b"), embeddings)),
    }
    linked = gateway(
        "names: {big - and slow: big/coder}, aliases: {gpt-4: big - and slow}, num_retries: 0, metrics: true,"
        " fallbacks: {big - and slow: [long]}, context_window_fallbacks: {big - and slow: [long]}",
        "[big, long, plain, ollama]",
    )
    with ExitStack() as outer, ExitStack() as first:
        recorder = outer.enter_context(litellm_proxy.recording())
        ports = {
            "plain": recorder.port,
            "ollama": recorder.port,
            "long": long.start(outer, tmp_path / "long", weights).port,
            "big": big.start(first, tmp_path / "big", weights).port,
        }
        env = {k: v for k, v in lowered(linked, behind).env.items() if isinstance(v, str)}
        secrets = {"LITELLM_MASTER_KEY": litellm_proxy.KEY, "BACKEND_KEY_PLAIN": "sk-of-plain"}
        proxy = outer.enter_context(
            litellm_proxy.running(written(linked, behind, ports), tmp_path, env | secrets)
        )
        nobody_without_a_key(proxy)
        names_and_aliases(proxy, ports["big"])
        too_long_for_one(proxy, ports["long"])
        assert requests_by_task(proxy, recorder.asked) == [
            Asked("/api/chat", None, "llama3.1:8b"),
            Asked("/api/embed", None, "e"),
            Asked("/v1/embeddings", "Bearer sk-of-plain", "m-embeddings"),
            Asked("/v1/rerank", "Bearer sk-of-plain", "m-rerank"),
            Asked("/v1/audio/transcriptions", "Bearer sk-of-plain", None),
        ]
        first.close()
        for name in ("big - and slow", "gpt-4"):
            assert served_by(proxy.chat(name)) == ports["long"]


def served_by(answer: litellm_proxy.Answer) -> int:
    """The port of the service that answered."""
    assert answer.status == 200, answer
    assert isinstance(answer.body, dict), answer
    return int(answer.headers["x-litellm-model-api-base"].rpartition(":")[2].partition("/")[0])


def nobody_without_a_key(proxy: Proxy) -> None:
    message: Any = {"model": "gpt-4", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
    for key in (None, "sk-1234"):
        for path in ("/v1/models", "/metrics/", "/health"):
            assert proxy.ask(path, key=key).status != 200, path
        for path in ("/v1/chat/completions", "/v1/messages"):
            assert proxy.ask(path, message, key=key).status != 200, path
    assert proxy.ask("/metrics/").status == 200


def names_and_aliases(proxy: Proxy, port: int) -> None:
    listed = {found["id"] for found in proxy.ask("/v1/models").body["data"]}
    assert listed >= {"big - and slow", "gpt-4", "long", "llama3.1:8b"}
    for name in ("big - and slow", "gpt-4"):
        answer = proxy.chat(name)
        assert served_by(answer) == port
    message = {"model": "gpt-4", "max_tokens": 4, "messages": [{"role": "user", "content": "hi"}]}
    assert proxy.ask("/v1/messages", message).body["role"] == "assistant"


def too_long_for_one(proxy: Proxy, port: int) -> None:
    """More than 256 tokens, by LiteLLM's count, which therefore does not even ask the first."""
    answer = proxy.chat("big - and slow", "word " * 400)
    assert served_by(answer) == port


def requests_by_task(proxy: Proxy, asked: list[Asked]) -> list[Asked]:
    """What arrives behind the gateway for each kind of model."""
    assert proxy.chat("llama3.1:8b").status == 200
    assert proxy.ask("/v1/embeddings", {"model": "e", "input": "a"}).status == 200
    assert proxy.ask("/v1/embeddings", {"model": "m-embeddings", "input": "a"}).status == 200
    assert proxy.ask("/v1/rerank", {"model": "m-rerank", "query": "a", "documents": ["b"]}).status == 200
    parts = (("model", "", b"m-transcription"), ("file", '; filename="a.wav"', b"RIFF"))
    form = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (n.encode(), more.encode(), data)
        for n, more, data in parts
    )
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert proxy.ask("/v1/audio/transcriptions", form + b"--x--\r\n", **kind).status == 200
    return asked
