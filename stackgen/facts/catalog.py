"""Built-in model shapes: from a repository's name to a header such as its file has, before any download."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from stackgen.data import load_toml
from stackgen.domain.diagnostic import did_you_mean
from stackgen.domain.ggml import TYPES
from stackgen.domain.header import GgufHeader, TensorInfo
from stackgen.facts import dynamic
from stackgen.facts.layouts import Tensor, tensors
from stackgen.facts.quantize import assign, fitting, stored_bytes
from stackgen.facts.recipes import RECIPES
from stackgen.facts.shapes import Shape, metadata

_TYPE_IDS: Final = {kind.name: type_id for type_id, kind in TYPES.items()}
_FEW: Final = 8
"""Names that a hint lists."""
_ALIGNMENT: Final = 32
_SPELLINGS: Final = {
    "FP16": "F16",
    "FP32": "F32",
    "MXFP4_MOE": "MXFP4",
    "Q2_K_M": "Q2_K",
    "Q3_K": "Q3_K_M",
    "Q4_K": "Q4_K_M",
    "Q5_K": "Q5_K_M",
}
# Size of a projector's file by the type in its name, compared with F16.
_PROJECTOR_PERCENT: Final = {"bf16": 100, "f32": 200, "q8_0": 56}


class CatalogHit(NamedTuple):
    """A header as the file would have it; `spread_percent` bounds how far the real weights may be from it."""

    name: str
    quant: str
    header: GgufHeader
    source: str
    spread_percent: int = 0


def lookup(repo: str, quant: str | None = None) -> CatalogHit | None:
    """What a repository's file of that quantization is like; None when either is not known."""
    shape = find(repo)
    return synthesise(shape, quant, repo=repo) if shape else None


def by_name(name: str, quant: str | None = None, repo: str = "") -> CatalogHit | None:
    """The same for a row of the catalog, named as in `catalog: qwen3-30b-a3b`."""
    shape = _rows_for(name).get(name)
    return synthesise(shape, quant, repo=repo) if shape else None


def canonical(quant: str) -> str | None:
    """A quantization's name as the catalog writes it, whatever the spelling; None when it is not known."""
    name = quant.upper().replace("-", "_")
    if name.startswith("UD_"):
        name = f"UD-{name[3:]}"
        return name if name in dynamic.names() else None
    name = _SPELLINGS.get(name, name)
    return name if name in RECIPES else None


def quantizations() -> tuple[str, ...]:
    """All names that `canonical` knows."""
    return (*RECIPES, *dynamic.names())


def find(repo: str) -> Shape | None:
    """The shape of a repository's model, by its name alone, whatever the format of its files."""
    for name in _candidates(repo):
        if shape := _rows_for(name).get(name):
            return shape
    return None


def projector(repo: str, file: str) -> tuple[int, int] | None:
    """The least and the most bytes of a multimodal projector's file; None when no such file is known."""
    shape = find(repo)
    if shape is None or not shape.mmproj_bytes:
        return None
    name = file.lower()
    percent = next((share for kind, share in _PROJECTOR_PERCENT.items() if kind in name), 100)
    size = shape.mmproj_bytes * percent // 100
    return size * 97 // 100, size * 103 // 100


def nearest(repo: str, quant: str | None = None) -> str | None:
    """A hint: the known name most like the repository's, or the quantization most like the one asked for."""
    if find(repo) and quant:
        return did_you_mean(quant.upper(), quantizations())
    *_, name = _candidates(repo)
    known = [n for file in load_toml("catalog/index")["files"] for n in _rows(file)]
    if begins := sorted({shape.name for shape in shapes() if shape.name.startswith(name)}):
        return f"there {'is' if len(begins) == 1 else 'are'}: {', '.join(begins[:_FEW])}{', …' * (len(begins) > _FEW)}"
    return did_you_mean(name, known)


def shapes() -> Iterator[Shape]:
    """All shapes of the catalog."""
    for file in load_toml("catalog/index")["files"]:
        yield from (shape for name, shape in _rows(file).items() if name == shape.name)


def synthesise(shape: Shape, quant: str | None = None, *, repo: str = "") -> CatalogHit | None:
    """The header of a shape under a quantization; None when that is not known."""
    name = canonical(quant or shape.quant)
    if name is None:
        return None
    parts = tensors(shape)
    if name in RECIPES:
        imatrix = _owner(repo) in load_toml("catalog/index")["imatrix"]
        types, spread = assign(shape, parts, RECIPES[name], imatrix=imatrix), _spread(shape, repo)
        file_type = RECIPES[name].file_type
    else:
        types, spread = dynamic.choose(shape, parts, name, dynamic.published(repo, name))
        file_type = RECIPES[dynamic.like(name)].file_type
    found, size = _place(parts, types)
    values = metadata(shape) | {"general.name": shape.name, "general.file_type": file_type}
    header = GgufHeader(values, found, alignment=_ALIGNMENT, file_bytes=size)
    return CatalogHit(name=shape.name, quant=name, header=header, source=shape.source, spread_percent=spread)


def _place(parts: Sequence[Tensor], types: Sequence[str]) -> tuple[tuple[TensorInfo, ...], int]:
    """Tensors one after the other as in a file, and the bytes that they take."""
    found, offset = [], 0
    for part, wanted in zip(parts, types, strict=True):
        kind = fitting(wanted, part.shape[0])
        name = part.name if part.block < 0 else f"blk.{part.block}.{part.name}"
        found.append(TensorInfo(name, part.shape, _TYPE_IDS[kind], offset))
        offset += -(-stored_bytes(kind, part.shape) // _ALIGNMENT) * _ALIGNMENT
    return tuple(found), offset


def _spread(shape: Shape, repo: str) -> int:
    """How many percent a publisher's files may be from llama.cpp's own recipe."""
    known: Mapping[str, int] = load_toml("catalog/index")["spread_percent"]
    return max(known.get(_owner(repo), known["others"]), known["fused_qkv"] if shape.fused_qkv else 0)


def _owner(repo: str) -> str:
    return repo.partition("/")[0].lower() if "/" in repo else ""


def _candidates(repo: str) -> Iterator[str]:
    """The names that a repository's name may stand for, the fullest first."""
    index = load_toml("catalog/index")
    name = repo.rpartition("/")[2].lower()
    publisher, _, rest = name.partition("_")
    name = (rest if rest and publisher in index["publishers"] else name).replace("_", "-")
    yield name
    name = re.sub(rf"-({'|'.join(index['formats'])})(-.*)?$", "", name)
    yield name
    while suffix := next((w for w in index["ignored_suffixes"] if name.endswith(f"-{w}")), None):
        name = name.removesuffix(f"-{suffix}")
        yield name


def _rows_for(name: str) -> Mapping[str, Shape]:
    """The rows of the file that would hold a name."""
    files: Mapping[str, list[str]] = load_toml("catalog/index")["files"]
    fits = [
        (len(start), file) for file, starts in files.items() for start in starts if name.startswith(start)
    ]
    return _rows(max(fits)[1]) if fits else {}


@cache
def _rows(file: str) -> Mapping[str, Shape]:
    """Shapes of one file by all their names."""
    rows: dict[str, Shape] = {}
    for family in load_toml(f"catalog/{file}")["family"]:
        models = family["models"]
        shared = {key: value for key, value in family.items() if key != "models"}
        for name, row in models.items():
            shape = _shape(name, shared | models.get(row.get("like"), {}) | row)
            rows |= dict.fromkeys((name, *row.get("names", ())), shape)
    return rows


def _shape(name: str, row: dict[str, Any]) -> Shape:
    values = {key: value for key, value in row.items() if key not in ("like", "names")}
    values["norms"] = tuple(values.get("norms", ("attn_norm", "ffn_norm")))
    values["keys"] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.get("keys", {}).items()}
    return Shape(name=name, **values)
