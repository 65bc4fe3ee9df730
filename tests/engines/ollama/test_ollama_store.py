"""The store is what Ollama would have made of the locked files: blobs by hash, manifests by name."""

import json
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from stackgen.domain.contracts import Store
from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import LockedFile, LockEntry, Pin
from stackgen.domain.workload import DownloadFile
from stackgen.engines.ollama import ENGINE
from stackgen.engines.ollama.store import MANIFESTS
from stackgen.facts.known import from_catalog
from tests.support.engines import service

WEIGHTS, TEMPLATE, PARAMS, SYSTEM, LICENCE, CONFIG, PROJECTOR = (c * 64 for c in "0123456")
TEXT = "{{gpus: [0], models: {{coder: {{model: m, hf: 'Qwen/Qwen3-8B-GGUF:Q4_K_M', num_ctx: 8192{more}}}}}}}"


def parts(*names: tuple[str, str]) -> tuple[LockedFile, ...]:
    return tuple(LockedFile(path=name, size=10, sha256=digest) for name, digest in names)


LIBRARY = parts(
    ("model.gguf", WEIGHTS),
    ("template", TEMPLATE),
    ("params.json", PARAMS),
    ("system", SYSTEM),
    ("license-2", LICENCE),
    ("config.json", CONFIG),
)
HUB = parts(("Qwen3-8B-Q4_K_M.gguf", WEIGHTS), ("mmproj-F16.gguf", PROJECTOR), ("README.json", LICENCE))


def stored(more: str = "", *, files: tuple[LockedFile, ...] = LIBRARY) -> dict[str, DownloadFile]:
    """The files of the store by their places."""
    linked = service(ENGINE, TEXT.format(more=more))
    use = linked.models[0]
    library = files is LIBRARY
    entry = LockEntry(
        request=ModelRequest(ollama="qwen3:8b")
        if library
        else use.model.request._replace(mmproj="mmproj-F16.gguf"),
        pin=Pin(
            repo="library/qwen3", commit="c" * 64, registry="https://r" if library else None, files=files
        ),
        facts=from_catalog(use.model).facts,
    )
    assert isinstance(ENGINE, Store)
    found = list(ENGINE.stored(linked, use, entry))
    assert len({f.target for f in found}) == len(found)
    return {str(f.target): f for f in found}


def manifest(found: dict[str, DownloadFile], name: str) -> dict[str, Any]:
    text = found[str(MANIFESTS / name)].text
    assert text is not None
    data: dict[str, Any] = json.loads(text)
    return data


def digests(data: dict[str, Any]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for layer in data["layers"]:
        kinds.setdefault(layer["mediaType"].rpartition(".")[2], []).append(
            layer["digest"].removeprefix("sha256:")
        )
    return kinds


def content(found: dict[str, DownloadFile], digest: str) -> str | None:
    return found[f"blobs/sha256-{digest}"].text


def test_a_model_of_the_library_keeps_all_its_parts() -> None:
    found = stored()
    data = manifest(found, "library/coder/latest")
    kinds = digests(data)
    assert kinds["model"] == [WEIGHTS]
    assert kinds["license"] == [LICENCE]
    assert kinds["system"] == [SYSTEM]
    assert data["config"]["digest"] == f"sha256:{CONFIG}"
    # Ours come after the library's own, and Ollama reads one on top of the other.
    assert kinds["params"][0] == PARAMS
    assert json.loads(content(found, kinds["params"][1]) or "") == {"num_batch": 512, "num_ctx": 8192}
    url = found[f"blobs/sha256-{WEIGHTS}"].url
    assert url == f"https://r/v2/library/qwen3/blobs/sha256:{WEIGHTS}"


def test_everything_that_a_manifest_names_is_there_with_its_size() -> None:
    for files in (LIBRARY, HUB):
        found = stored(", system: 'Be brief.', alias: ['qwen3:8b', 'me/own']", files=files)
        for name in ("library/coder/latest", "library/qwen3/8b", "me/own/latest"):
            data = manifest(found, name)
            for layer in (data["config"], *data["layers"]):
                file = found["blobs/" + layer["digest"].replace(":", "-")]
                assert file.size == layer["size"]
                assert file.sha256 == layer["digest"].removeprefix("sha256:")


def test_what_is_written_is_what_its_hash_says() -> None:
    written = [f for f in stored(", stop: ['</s>', '\"']").values() if f.text is not None]
    assert written
    for file in written:
        assert file.text is not None
        data = file.text.encode()
        assert (file.size, file.sha256) == (len(data), sha256(data).hexdigest())


def test_a_manifest_comes_after_all_that_it_names() -> None:
    places = list(stored(", alias: ['x']"))
    first = next(i for i, place in enumerate(places) if place.startswith("manifests/"))
    assert all(place.startswith("manifests/") for place in places[first:])


def test_system_and_template_replace_those_of_the_library() -> None:
    tricky = 'A """quoted""" line\n{{ .System }} PARAMETER stop # and é'
    found = stored(f", system: {json.dumps(tricky)}, template: '{{{{ .Prompt }}}}'")
    kinds = digests(manifest(found, "library/coder/latest"))
    assert [content(found, digest) for digest in kinds["system"]] == [tricky]
    assert [content(found, digest) for digest in kinds["template"]] == ["{{ .Prompt }}"]
    assert f"blobs/sha256-{SYSTEM}" not in found


def test_parameters_are_those_that_were_written() -> None:
    found = stored(", temperature: 0.25, stop: ['a', 'b'], main_gpu: 0, use_mmap: false, alias: [x]")
    kinds = digests(manifest(found, "library/coder/latest"))
    assert json.loads(content(found, kinds["params"][1]) or "") == {
        "main_gpu": 0,
        "num_batch": 512,
        "num_ctx": 8192,
        "stop": ["a", "b"],
        "temperature": 0.25,
        "use_mmap": False,
    }


def test_a_model_of_the_hub_gets_a_config_of_its_own() -> None:
    found = stored(files=HUB)
    data = manifest(found, "library/coder/latest")
    kinds = digests(data)
    assert (kinds["model"], kinds["projector"]) == ([WEIGHTS], [PROJECTOR])
    assert kinds.keys() == {"model", "projector", "params"}
    config = json.loads(content(found, data["config"]["digest"].removeprefix("sha256:")) or "")
    assert (config["model_format"], config["model_family"], config["model_type"]) == ("gguf", "qwen3", "8.2B")
    assert f"blobs/sha256-{LICENCE}" not in found
    assert PurePosixPath("blobs", f"sha256-{WEIGHTS}") == found[f"blobs/sha256-{WEIGHTS}"].target
