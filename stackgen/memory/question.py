"""The question that llama-fit-params can answer about a model of llama-server.

The tool is not llama-server: it reserves logits for every token of a micro-batch, knows no unified cache, and
neither drafts nor embeds. Where its question differs from the server's, `left_out` says so.
"""

from collections.abc import Sequence

from stackgen.domain.llama import LlamaParams

ALL_LAYERS = 9999
AUTO_SLOTS = 4
"""Slots of a server that was not told how many; they share one cache."""


def as_asked(params: LlamaParams, devices: Sequence[int]) -> LlamaParams:
    """The nearest question that the tool understands, with the split between devices of these bytes spelled out.

    Slots that share a cache become one sequence: one stream of all cells, with one mask, is what they are.
    """
    slots = max(1, params.n_parallel) if params.n_parallel >= 0 else AUTO_SLOTS
    return params._replace(
        n_parallel=1 if _shares(params) else slots,
        kv_unified=False,
        n_batch=min(params.n_batch, params.n_ubatch or params.n_batch)
        if params.embeddings
        else params.n_batch,
        tensor_split=params.tensor_split or (tuple(map(float, devices)) if len(devices) > 1 else ()),
        embeddings=False,
        all_outputs=True,
        spec_type="none",
    )


def is_servers_own(params: LlamaParams) -> bool:
    """Whether it asks for what the server does, but for the logits, of which the tool reserves more."""
    return _shares(params) <= 1 and params.spec_type == "none" and not params.embeddings


def _shares(params: LlamaParams) -> int:
    """How many slots share one cache; 0 = each has its own."""
    slots = AUTO_SLOTS if params.n_parallel < 0 else params.n_parallel
    shared = params.n_parallel < 0 if params.kv_unified is None else params.kv_unified
    return slots if shared else 0


def left_out(params: LlamaParams) -> tuple[str, ...]:
    """How the server's own figures differ from those for the tool's question, in sentences."""
    found = []
    if not params.embeddings:
        found.append(
            "logits for every token of a micro-batch (a server from b9496 on keeps one row per slot, and takes less)"
        )
    if (slots := _shares(params)) > 1:
        found.append(f"one sequence for the {slots} slots that share a cache")
    if params.spec_type != "none":
        found.append(f"no speculative decoding ({params.spec_type})")
    if params.embeddings:
        found.append("no pooling of embeddings")
    return tuple(found)


def arguments(params: LlamaParams, devices: Sequence[int] = ()) -> tuple[str, ...]:
    """The tool's arguments, without the model and the devices; every default is spelled out."""
    params = as_asked(params, devices)
    pairs: dict[str, object] = {
        "-c": params.n_ctx,
        "-np": params.n_parallel,
        "-b": params.n_batch,
        "-ub": params.n_ubatch,
        "-fa": params.flash_attn,
        "-ctk": params.type_k,
        "-ctv": params.type_v,
        "-ngl": ALL_LAYERS if params.n_gpu_layers < 0 else params.n_gpu_layers,
        "-sm": params.split_mode,
        "-mg": params.main_gpu,
    }
    words = [word for flag, value in pairs.items() for word in (flag, str(value))]
    if params.tensor_split:
        words += ["-ts", ",".join(f"{share:.9g}" for share in params.tensor_split)]
    if params.n_cpu_moe:
        words += ["-ncmoe", str(params.n_cpu_moe)]
    if params.override_tensor:
        words += ["-ot", ",".join(f"{pattern}={kind}" for pattern, kind in params.override_tensor)]
    switches = {
        "-cmoe": params.cpu_moe,
        "--swa-full": params.swa_full,
        "-nkvo": not params.kv_offload,
        "--no-op-offload": not params.op_offload,
    }
    # Repacked weights are in buffers that the table does not count as the host's.
    return (*words, *(flag for flag, on in switches.items() if on), "-nr")
