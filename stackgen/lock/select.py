"""Which files of a repository a request means: one quantization, whole, or an error with the candidates."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stackgen.domain.diagnostic import Diagnostic, YamlPath, did_you_mean, error
from stackgen.domain.linked import ModelRequest
from stackgen.domain.lock import PROJECTOR, LockedFile

SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf$)")
QUANT = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q\d\w*|TQ\d_\d|BF16|F16|F32|MXFP4(?:_MOE)?|NVFP4))(?=[-.]|$)", re.IGNORECASE
)
"""A quantization in a file name: Q4_K_M, UD-Q4_K_XL, IQ4_XS, BF16 ...; after a separator, before the end."""
SAFETENSORS_SHARD = re.compile(r"(?:^|/)model-\d{5}-of-\d{5}\.safetensors$")
SNAPSHOT = (".safetensors", ".json", ".jinja", ".model", ".tiktoken", "merges.txt", "vocab.txt")
"""What vLLM, TabbyAPI and diffusers read of a repository; never its code."""
WORST_CANDIDATES = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Files to download: the weights (all shards, in order), then projector and others.

    Weights are one model in GGUF; safetensors are among the others.
    """

    weights: tuple[LockedFile, ...] = ()
    mmproj: LockedFile | None = None
    others: tuple[LockedFile, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def files(self) -> tuple[LockedFile, ...]:
        """Everything, in the order of download."""
        return (*self.weights, *((self.mmproj,) if self.mmproj else ()), *self.others)


def quant_of(path: str) -> str | None:
    """The quantization that a file's name states, in upper case; of several the last."""
    name = SHARD.sub("", path.rsplit("/", 1)[-1].removesuffix(".gguf"))
    found = QUANT.findall(name)
    return found[-1].upper() if found else None


def select(request: ModelRequest, files: Sequence[LockedFile], path: YamlPath) -> Selection:
    """The files that a request means. What is missing or ambiguous is in the diagnostics, at `path`."""
    if request.repo is None:
        return _everything(files)
    by_path = {f.path: f for f in files}
    found: list[Diagnostic] = []
    weights: tuple[LockedFile, ...] = ()
    if request.file is not None:
        weights = _named(request.file, by_path, (*path, "file"), found)
    elif request.quant is not None:
        weights = _quantized(request.quant, files, path, found)
    elif not request.files:
        weights = _only_model(files, path, found)
    mmproj: tuple[LockedFile, ...] = ()
    if request.mmproj is not None:
        mmproj = _one(request.mmproj, by_path, (*path, "mmproj"), found)
    others = [
        f for folder, name in request.files for f in _one(name, by_path, (*path, "files", folder), found)
    ]
    if not weights and request.file is None and request.quant is None and not request.files and not found:
        others = _snapshot(files, (*path, "hf"), found)
    return Selection(
        weights=weights, mmproj=mmproj[0] if mmproj else None, others=tuple(others), diagnostics=tuple(found)
    )


def _everything(files: Sequence[LockedFile]) -> Selection:
    """Of a source that has the files of one model alone."""
    models = [f for f in files if f.path.endswith(".gguf")]
    mmproj = next((f for f in models if f.path == PROJECTOR), None)
    return Selection(
        weights=tuple(f for f in models if f is not mmproj),
        mmproj=mmproj,
        others=tuple(f for f in files if f not in models),
    )


def _one(
    name: str, by_path: dict[str, LockedFile], path: YamlPath, found: list[Diagnostic]
) -> tuple[LockedFile, ...]:
    """A file by its path, or by its name when only one folder has it."""
    matches = [f for p, f in by_path.items() if p == name] or [
        f for p, f in by_path.items() if p.rsplit("/", 1)[-1] == name
    ]
    if len(matches) == 1:
        return tuple(matches)
    if not matches:
        hint = did_you_mean(name, by_path) or _listed("the repository has", by_path)
        found.append(error("lock/no-such-file", path, f"the repository has no file {name!r}", hint))
    else:
        text = f"{name!r} stands in several folders of the repository"
        found.append(error("lock/ambiguous", path, text, _listed("write one of", [f.path for f in matches])))
    return ()


def _named(
    name: str, by_path: dict[str, LockedFile], path: YamlPath, found: list[Diagnostic]
) -> tuple[LockedFile, ...]:
    first = _one(name, by_path, path, found)
    return _all_shards(first[0], by_path, path, found) if first else ()


def _quantized(
    quant: str, files: Sequence[LockedFile], path: YamlPath, found: list[Diagnostic]
) -> tuple[LockedFile, ...]:
    wanted = quant.upper().replace("UD_", "UD-", 1)
    weights = [f for f in files if _is_weights(f.path)]
    matches = [f for f in weights if quant_of(f.path) == wanted]
    models = {SHARD.sub("", f.path) for f in matches}
    if not models:
        there = sorted({q for f in weights if (q := quant_of(f.path))})
        hint = (
            _listed("it has", there)
            if there
            else "it has no GGUF files: is this the repository with the GGUF files?"
        )
        found.append(
            error("lock/no-such-quant", (*path, "hf"), f"the repository has no {quant} weights", hint)
        )
        return ()
    if len(models) > 1:
        text = f"{quant} could be any of {len(models)} models in the repository"
        found.append(
            error("lock/ambiguous", (*path, "hf"), text, _listed("name one with `file:`", sorted(models)))
        )
        return ()
    by_path = {f.path: f for f in files}
    return _all_shards(min(matches, key=lambda f: f.path), by_path, (*path, "hf"), found)


def _only_model(
    files: Sequence[LockedFile], path: YamlPath, found: list[Diagnostic]
) -> tuple[LockedFile, ...]:
    """The GGUF model of a repository that has just one; nothing when it has none."""
    matches = [f for f in files if _is_weights(f.path)]
    models = {SHARD.sub("", f.path) for f in matches}
    if len(models) > 1:
        text = f"the repository has {len(models)} models, and this does not say which"
        quants = {q for f in matches if (q := quant_of(f.path))}
        hint = _listed("add a quantization after a colon", quants or models)
        found.append(error("lock/ambiguous", (*path, "hf"), text, hint))
        return ()
    if not models:
        return ()
    by_path = {f.path: f for f in files}
    return _all_shards(min(matches, key=lambda f: f.path), by_path, (*path, "hf"), found)


def _snapshot(files: Sequence[LockedFile], path: YamlPath, found: list[Diagnostic]) -> list[LockedFile]:
    """A whole repository of safetensors, with what programs need beside them, and without its prose."""
    if not any(f.path.endswith(".safetensors") for f in files):
        found.append(error("lock/no-weights", path, "the repository has neither GGUF nor safetensors files"))
        return []
    sharded = any(SAFETENSORS_SHARD.search(f.path) for f in files)
    return [
        f
        for f in files
        if f.path.endswith(SNAPSHOT)
        # Mistral's repositories hold the same weights a second time, under this name.
        and not (sharded and f.path.rsplit("/", 1)[-1].startswith("consolidated"))
    ]


def _is_weights(path: str) -> bool:
    name = path.rsplit("/", 1)[-1].lower()
    helper = name.startswith(("mmproj", "imatrix", "mtp-", "dspark-", "dflash-")) or "imatrix" in name
    return name.endswith(".gguf") and not helper


def _all_shards(
    first: LockedFile, by_path: dict[str, LockedFile], path: YamlPath, found: list[Diagnostic]
) -> tuple[LockedFile, ...]:
    match = SHARD.search(first.path)
    if match is None:
        return (first,)
    count = int(match[2])
    names = [
        SHARD.sub(f"-{number:05}-of-{match[2]}", first.path) for number in range(1, min(count, 1000) + 1)
    ]
    missing = [n for n in names if n not in by_path]
    if count > len(names) or missing:
        text = f"the repository lacks {len(missing) or count} of {count} shards of {first.path!r}"
        found.append(error("lock/missing-shard", path, text, _listed("missing", missing)))
        return ()
    return tuple(by_path[n] for n in names)


def _listed(lead: str, names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - WORST_CANDIDATES} more" if len(listed) > WORST_CANDIDATES else ""
    return f"{lead}: {', '.join(listed[:WORST_CANDIDATES])}{more}"
