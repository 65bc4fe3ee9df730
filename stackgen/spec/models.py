"""The models of a stack: which weights each name means."""

import re
from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, YamlPath, error
from stackgen.domain.linked import LinkedModel, ModelRequest
from stackgen.domain.stack import Model

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_HF = re.compile(rf"({_NAME}/{_NAME})(?::([A-Za-z0-9][A-Za-z0-9._-]*))?")
# Plain text, compiled by `re` when a stack needs it: most stacks need none of these.
_ADDRESS: Final = (
    r"(?:https?://|hf://)?(?:www\.)?(?:huggingface\.co/|hf\.co/)?([^/:\s]+/[^/:\s?#]+)(?::([\w.-]+))?"
    r"(?:/(?:blob|resolve|tree|raw)/([^/?#\s]+)(?:/([^?#\s]+))?)?.*"
)
_QUANT: Final = r"(?i)(?:UD-)?(?:I?Q\d\w*|TQ\d_\d|BF16|F16|F32|MXFP4\w*)"
_OLLAMA: Final = r"(?a)(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*(?::[A-Za-z0-9][\w.-]*)?"
_OLLAMA_ADDRESS: Final = (
    r"(?:https?://)?(?:www\.)?(?:registry\.)?ollama\.(?:com|ai)/(?:library/)?([^?#\s]+)(?:[?#].*)?"
)
_URL: Final = r"https?://[^\s/?#\"'<>\\^`{|}]+(/[^\s?#\"'<>\\^`{|}]*)(?:\?[^\s#\"'<>\\^`{|}]*)?"
_GOES_WITH: Final = {"hf": ("revision", "file", "files", "mmproj"), "path": ("mmproj",), "url": ("sha256",)}
_OLLAMA_FORM: Final = "name:tag, such as qwen3:8b, or owner/name:tag"
_FORM: Final = "owner/repo:quant, such as unsloth/Qwen3-30B-A3B-GGUF:Q4_K_M"


def check(models: dict[str, Model]) -> Iterator[Diagnostic]:
    """What is wrong with the sources of the models."""
    for name, model in models.items():
        path: YamlPath = ("models", name)
        if model.hf is not None:
            yield from _check_hf(model, model.hf, (*path, "hf"))
        if model.ollama is not None:
            yield from _check_ollama(model.ollama, (*path, "ollama"))
        if model.url is not None:
            yield from _check_url(model, model.url, path)
        if model.path is not None:
            yield from _check_path(model.path, (*path, "path"))
        yield from _check_companions(model, path)
        for key in ("file", "mmproj"):
            yield from _check_file(getattr(model, key), (*path, key))
        for folder, files in model.files.items():
            yield from _check_file(folder, (*path, "files", folder), at_key=True)
            for place, file in _each(files):
                yield from _check_file(file, (*path, "files", folder, *place))


def _each(files: str | list[str]) -> Iterator[tuple[YamlPath, str]]:
    """The files of a folder, and where each stands below it."""
    yield from [((), files)] if isinstance(files, str) else (((i,), file) for i, file in enumerate(files))


def _check_hf(model: Model, text: str, path: YamlPath) -> Iterator[Diagnostic]:
    match = _HF.fullmatch(text)
    if match is None:
        yield _misspelled(text, path)
    elif match[2] is None and not (model.file or model.files) and "gguf" in match[1].lower():
        message = f"`{text}` has many quantizations, and this does not say which"
        yield _wrong(path, message, f"add one, such as {text}:Q4_K_M, or name the file in `file`")
    elif match[2] and match[2].lower().endswith((".gguf", ".safetensors")):
        message = f"after the colon stands a quantization, not the file `{match[2]}`"
        yield _wrong(path, message, f"write `hf: {match[1]}` and `file: {match[2]}`")


def _wrong(path: YamlPath, message: str, hint: str) -> Diagnostic:
    return error("link/model-source", path, message, hint)


def _misspelled(text: str, path: YamlPath) -> Diagnostic:
    """Not owner/repo:quant: say what it is instead, and how to write it."""
    plain = text.strip()
    if re.match(r"https?://|hf://|(www\.)?(huggingface|hf)\.co/", plain):
        return _wrong(path, f"`{text}` is an address, not a repository", _from_address(plain))
    if plain != text or " " in plain:
        fixed = re.sub(r"\s*([/:])\s*", r"\1", plain)
        hint = f"write {fixed}" if _HF.fullmatch(fixed) else f"write {_FORM}"
        return _wrong(path, f"`{text}` has spaces in it", hint)
    if "@" in plain:
        repo, _, revision = plain.partition("@")
        hint = f"write `hf: {repo}` and `revision: {revision}`"
        return _wrong(path, f"`{text}` has a revision in it", hint)
    if plain.count("/") > 1:
        owner, repo, *rest = plain.split("/")
        if len(rest) == 1 and re.fullmatch(_QUANT, rest[0]):
            message = f"`{text}` has a `/` before the quantization"
            return _wrong(path, message, f"write {owner}/{repo}:{rest[0]}")
        hint = (
            f"write `hf: {owner}/{repo}` and `file: {'/'.join(rest)}`"
            if "." in rest[-1]
            else f"write {_FORM}"
        )
        return _wrong(path, f"`{text}` has more than an owner and a repository", hint)
    if "/" not in plain:
        return _wrong(path, f"`{text}` has no owner", f"write {_FORM}")
    return _wrong(path, f"`{text}` is no repository on the hub", f"write {_FORM}")


def _from_address(text: str) -> str:
    match = re.fullmatch(_ADDRESS, text)
    if match is None:
        return f"write {_FORM}"
    repo, quant, revision, file = match.groups()
    parts = [f"`hf: {repo}{f':{quant}' if quant else ''}`"]
    if file:
        parts.append(f"`file: {file}`")
    elif not quant and "gguf" in repo.lower():
        parts = [f"`hf: {repo}:QUANT`, with a quantization such as Q4_K_M"]
    if revision and revision != "main":
        parts.append(f"`revision: {revision}`")
    return f"write {' and '.join(parts)}"


def _check_ollama(text: str, path: YamlPath) -> Iterator[Diagnostic]:
    if re.fullmatch(_OLLAMA, text):
        return
    if address := re.fullmatch(_OLLAMA_ADDRESS, text.strip()):
        yield _wrong(path, f"`{text}` is an address, not a model", f"write {address[1].strip('/')}")
    elif text.startswith(("hf.co/", "huggingface.co/")):
        yield _wrong(path, f"`{text}` is on the Hugging Face hub", f"write `hf: {text.partition('/')[2]}`")
    else:
        yield _wrong(path, f"`{text}` is no model of Ollama's library", f"write {_OLLAMA_FORM}")


def _check_url(model: Model, text: str, path: YamlPath) -> Iterator[Diagnostic]:
    match = re.fullmatch(_URL, text)
    if match is None or not _is_inside(match[1].removeprefix("/")) or match[1].endswith("/"):
        message = f"`{text}` is not the address of a file"
        yield _wrong((*path, "url"), message, "such as https://example.org/models/mine-Q4_K_M.gguf")
    elif model.sha256 is None:
        message = "`url` needs the `sha256` of its file: nothing else says which bytes are meant"
        yield _wrong((*path, "url"), message, "`sha256sum` tells it once the file is downloaded")


def _check_path(text: str, path: YamlPath) -> Iterator[Diagnostic]:
    if not text.startswith("/"):
        message = f"`path` must be an absolute path on the host, got `{text}`"
        hint = "write the whole path: `~` is another folder for each user" if text.startswith("~") else None
        yield error("link/model-file", path, message, hint)


def _check_companions(model: Model, path: YamlPath) -> Iterator[Diagnostic]:
    """Keys that say something of another kind of source."""
    source = next(key for key in ("hf", "ollama", "url", "path") if getattr(model, key) is not None)
    for key in ("revision", "file", "files", "mmproj", "sha256"):
        if getattr(model, key) and key not in _GOES_WITH.get(source, ()):
            message = f"`{key}` goes with `{'url' if key == 'sha256' else 'hf'}`, not with `{source}`"
            yield error("link/model-file", (*path, key), message, at_key=True)


def _check_file(text: str | None, path: YamlPath, *, at_key: bool = False) -> Iterator[Diagnostic]:
    if text is None:
        return
    if not _is_inside(text):
        address = re.fullmatch(_ADDRESS, text) if "://" in text else None
        inside = (address[4] if address else None) or text.lstrip("/").replace("\\", "/")
        hint = f"write {inside}" if _is_inside(inside) else "such as Q8_0/model-Q8_0.gguf"
        yield error(
            "link/model-file", path, f"`{text}` is no path inside the repository", hint, at_key=at_key
        )


def _is_inside(text: str) -> bool:
    """Whether a path can only lead to a file below the folder that it starts from."""
    outside = not text or text.startswith(("/", "~")) or "://" in text or "\\" in text
    return not outside and ".." not in text.split("/")


def build(models: dict[str, Model]) -> dict[str, LinkedModel]:
    """The models, when nothing is wrong with them."""
    return {
        name: LinkedModel(
            name=name,
            request=_request(model),
            declared=(model.vram.low, model.vram.high) if model.vram else None,
        )
        for name, model in models.items()
    }


def _request(model: Model) -> ModelRequest:
    match = _HF.fullmatch(model.hf) if model.hf else None
    return ModelRequest(
        repo=match[1] if match else None,
        quant=match[2] if match else None,
        ollama=model.ollama,
        url=model.url,
        sha256=model.sha256,
        path=model.path,
        revision=model.revision,
        file=model.file,
        files=tuple(
            sorted((folder, file) for folder, files in model.files.items() for _, file in _each(files))
        ),
        mmproj=model.mmproj,
        catalog=model.catalog,
    )
