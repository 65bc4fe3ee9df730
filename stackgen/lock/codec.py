"""stack.lock as text and back: JSON, sorted, versioned, small; layers that are alike are written once."""

import json
from typing import Any

from stackgen.domain.facts import Attention, Layer, ModelFacts, Recurrent, Weight
from stackgen.domain.failure import Failure
from stackgen.domain.footprint import Basis
from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import Lock, LockedFile, LockEntry, Pin, TensorGroup
from stackgen.domain.witness import Statement, Usage

VERSION = 1
WIDTH = 120
ANEW = "restore it from git, or make it anew: delete it and run `stackgen lock`"


class LockError(Failure):
    """The lock file cannot be used."""

    status = 3


def dumps(lock: Lock) -> str:
    """The text of a lock: the same for the same lock, one value a line where people read."""
    models = {name: _entry(entry) for name, entry in sorted(lock.entries.items())}
    return _pretty({"version": VERSION, "models": models}) + "\n"


def loads(text: str, name: str = "stack.lock") -> Lock:
    """A lock from its text. Raises LockError for what is not a lock of this version."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise LockError(f"{name} is not JSON", ANEW) from exc
    version = data.get("version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise LockError(f"{name} is not a lock file", ANEW)
    if version != VERSION:
        raise LockError(
            f"{name} has version {version}; this stackgen reads version {VERSION}", "update stackgen"
        )
    try:
        return Lock(entries={key: _read_entry(entry) for key, entry in data["models"].items()})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
        raise LockError(f"{name} is damaged: {exc!r}", ANEW) from exc


def _entry(entry: LockEntry) -> dict[str, Any]:
    out: dict[str, Any] = {"request": _request(entry.request), "pin": _pin(entry.pin)}
    if entry.facts is not None:
        out["facts"] = _facts(entry.facts)
    if entry.mmproj is not None:
        out["mmproj"] = entry.mmproj
    if entry.tensors:
        out["tensors"] = [[t.name, t.type, t.count, t.size] for t in entry.tensors]
    if entry.measured:
        out["measured"] = [_statement(s) for s in entry.measured]
    return out


def _statement(said: Statement) -> dict[str, Any]:
    mib = {"devices": [list(u.values) for u in said.devices], "host": list(said.host.values)}
    return {"build": said.build, "asked": list(said.asked), "MiB": mib}


def _request(request: ModelRequest) -> dict[str, Any]:
    fields = ("repo", "quant", "ollama", "url", "sha256", "path", "revision", "file", "mmproj")
    out = {f: value for f in fields if (value := getattr(request, f)) is not None}
    folders: dict[str, list[str]] = {}
    for folder, file in request.files:
        folders.setdefault(folder, []).append(file)
    files = {folder: found[0] if len(found) == 1 else found for folder, found in folders.items()}
    return out | ({"files": files} if files else {})


def _pin(pin: Pin) -> dict[str, Any]:
    fields = ("registry", "repo", "commit", "etag", "licence")
    out: dict[str, Any] = {f: value for f in fields if (value := getattr(pin, f)) is not None}
    return out | ({"gated": True} if pin.gated else {}) | {"files": [_file(f) for f in pin.files]}


def _file(file: LockedFile) -> dict[str, Any]:
    proofs = ((f, getattr(file, f)) for f in ("sha256", "oid", "header"))
    return {"path": file.path, "size": file.size, **dict([p for p in proofs if p[1] is not None][:1])}


def _facts(facts: ModelFacts) -> dict[str, Any]:
    kinds: dict[Layer, int] = {}
    runs: list[list[int]] = []
    for layer in facts.layers:
        kind = kinds.setdefault(layer, len(kinds))
        if runs and runs[-1][1] == kind:
            runs[-1][0] += 1
        else:
            runs.append([1, kind])
    return {
        "architecture": facts.architecture,
        "name": facts.name,
        "context_length": facts.context_length,
        "embedding_length": facts.embedding_length,
        "vocab_size": facts.vocab_size,
        "parameter_count": facts.parameter_count,
        "file_bytes": facts.file_bytes,
        "n_layer_nextn": facts.n_layer_nextn,
        **({} if facts.format == "gguf" else {"format": facts.format}),
        "traits": list(facts.traits),
        "hyperparameters": {k: list(v) if isinstance(v, tuple) else v for k, v in facts.hyperparameters},
        "weights": [_weight(w) for w in facts.weights],
        "kinds": [_layer(layer) for layer in kinds],
        "layers": runs,
    }


def _weight(weight: Weight) -> list[Any]:
    return [weight.name, weight.type, list(weight.shape), weight.size]


def _layer(layer: Layer) -> dict[str, Any]:
    out: dict[str, Any] = {"weights": [_weight(w) for w in layer.weights]}
    for name, part in (("attention", layer.attention), ("recurrent", layer.recurrent)):
        if part is not None:
            out[name] = {slot: getattr(part, slot) for slot in type(part).__slots__}
    return out


def _read_entry(data: dict[str, Any]) -> LockEntry:
    request, pin = dict(data["request"]), dict(data["pin"])
    files = tuple(
        (folder, file)
        for folder, found in sorted(request.pop("files", {}).items())
        for file in ([found] if isinstance(found, str) else found)
    )
    return LockEntry(
        request=ModelRequest(**request, files=files),
        pin=Pin(**pin | {"files": tuple(LockedFile(**f) for f in pin["files"])}),
        facts=_read_facts(data["facts"]) if "facts" in data else None,
        mmproj=data.get("mmproj"),
        tensors=tuple(
            TensorGroup(name=name, type=kind, count=count, size=size)
            for name, kind, count, size in data.get("tensors", ())
        ),
        measured=tuple(_read_statement(s) for s in data.get("measured", ())),
    )


def _read_statement(data: dict[str, Any]) -> Statement:
    return Statement(
        build=data["build"],
        asked=tuple(data["asked"]),
        devices=tuple(Usage(*device) for device in data["MiB"]["devices"]),
        host=Usage(*data["MiB"]["host"]),
    )


def _read_facts(data: dict[str, Any]) -> ModelFacts:
    data = dict(data)
    kinds = [_read_layer(kind) for kind in data.pop("kinds")]
    layers = tuple(kinds[kind] for count, kind in data.pop("layers") for _ in range(count))
    hyper = {k: tuple(v) if isinstance(v, list) else v for k, v in data.pop("hyperparameters").items()}
    return ModelFacts(
        layers=layers,
        hyperparameters=tuple(sorted(hyper.items())),
        weights=tuple(_read_weight(w) for w in data.pop("weights")),
        traits=tuple(data.pop("traits")),
        basis=Basis.EXACT,
        **data,
    )


def _read_weight(data: list[Any]) -> Weight:
    name, kind, shape, size = data
    return Weight(name=name, type=kind, shape=tuple(shape), size=size)


def _read_layer(data: dict[str, Any]) -> Layer:
    return Layer(
        attention=Attention(**data["attention"]) if "attention" in data else None,
        recurrent=Recurrent(**data["recurrent"]) if "recurrent" in data else None,
        weights=tuple(_read_weight(w) for w in data["weights"]),
    )


def _pretty(value: Any, indent: str = "") -> str:
    """JSON in which all that fits a line, and each list of numbers, stays on one, for short diffs."""
    line = json.dumps(value, ensure_ascii=False)
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    plain = isinstance(value, list) and not any(isinstance(v, (dict, list)) for v in nested)
    if not nested or plain or len(indent) + len(line) <= WIDTH:
        return line
    inner = indent + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + _pretty(v, inner) for v in value) + f"\n{indent}]"
    items = (f"{inner}{json.dumps(k, ensure_ascii=False)}: {_pretty(v, inner)}" for k, v in value.items())
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"
