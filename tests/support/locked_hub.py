"""The repositories that tests/stacks/locked asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stackgen.domain.ggml import tensor_bytes
from stackgen.domain.header import SkippedArray, TensorInfo
from stackgen.formats.gguf import parse_header
from tests.support.fake_hub import FakeHub, serving
from tests.support.gguf_builder import U16, Typed, build_gguf, one_after_another
from tests.support.hub_files import header, put, safetensors

STACK = Path(__file__).parents[1] / "stacks" / "locked"
TOKEN = "hf_" + "0" * 20
GATED = "home/vision-GGUF"
SIZES = {
    "home/nano-GGUF/nano-Q4_K_M.gguf": 20_000_000_000,
    "home/nano-GGUF/nano-UD-Q4_K_XL.gguf": 24_600_000_000,
    "home/vision-GGUF/vision-Q8_0.gguf": 34_000_000_000,
    "home/split-GGUF/split-Q8_0-00001-of-00002.gguf": 500_000_000,
    "home/split-GGUF/split-Q8_0-00002-of-00002.gguf": 400_000_000,
}


def fill(root: Path) -> None:
    """Write what the hub serves: real headers without their tokenizers, sizes made up."""
    put(
        root,
        "home/nano-GGUF",
        {
            "README.md": b"# Nano\n",
            "nano-Q4_K_M.gguf": header("qwen3-30b-a3b") + b"\0",
            "nano-UD-Q4_K_XL.gguf": header("nemotron-3-nano-30b-a3b"),
        },
    )
    projector = build_gguf(
        {"general.architecture": "clip", "clip.has_vision_encoder": True},
        one_after_another([TensorInfo("v.blk.0.attn_q.weight", (1152, 1152), 1)]),
    )
    put(
        root,
        GATED,
        {
            "vision-Q8_0.gguf": header("qwen3-vl-30b-a3b"),
            "mmproj-F16.gguf": projector + bytes(tensor_bytes(1, (1152, 1152))),
        },
    )
    halves = enumerate(shards(header("qwen3-embedding-0.6b"), 2), 1)
    put(root, "home/split-GGUF", {f"split-Q8_0-{n:05}-of-00002.gguf": half for n, half in halves})
    put(
        root,
        "home/pictures",
        {
            "split_files/turbo_fp8.safetensors": safetensors(
                {f"blocks.{n}.weight": ("F8_E4M3", [64, 64], 4096) for n in range(8)}, format="pt"
            ),
            "split_files/ae.safetensors": safetensors({"decoder.conv.weight": ("BF16", [8, 8], 128)}),
        },
    )
    parts = ("clip_l", "t5xxl", "lightning")
    weights = (safetensors({f"{part}.weight": ("BF16", [8, 8], 128)}) for part in parts)
    put(
        root,
        "home/encoders",
        {f"{part}.safetensors": data for part, data in zip(parts, weights, strict=True)},
    )


def shards(data: bytes, count: int) -> list[bytes]:
    """A model in several files, as `gguf-split` makes them: the metadata in the first."""
    whole = parse_header(data)
    metadata = {k: v for k, v in whole.metadata.items() if not isinstance(v, SkippedArray)}
    size = -(-len(whole.tensors) // count)
    files = []
    for number in range(count):
        split = {
            "split.no": Typed(U16, number),
            "split.count": Typed(U16, count),
            "split.tensors.count": len(whole.tensors),
        }
        tensors = one_after_another(whole.tensors[number * size : (number + 1) * size])
        files.append(build_gguf(metadata | split if number == 0 else split, tensors))
    return files


@contextmanager
def locked_hub(root: Path, *, port: int = 0) -> Iterator[FakeHub]:
    """A hub with these repositories, one of them gated."""
    fill(root)
    with serving(root, token=TOKEN, gated=(GATED,), port=port) as hub:
        hub.big = dict(SIZES)
        yield hub


def environment(hub: FakeHub, home: Path) -> dict[str, str]:
    """What makes a command line talk to this hub, with nothing of the user's own."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(home / "hf"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "",
    }
