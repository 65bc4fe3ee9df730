"""What a process takes beside its buffers: driver context on each GPU, caches of prompts in RAM."""

from functools import cache
from typing import Any

from stackgen.data import load_toml
from stackgen.domain.facts import ModelFacts
from stackgen.domain.footprint import Basis, Term, TermName
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import MIB
from stackgen.memory.cache import F32, layer_bytes, rollback_rows
from stackgen.memory.geometry import geometry


def process_overhead(capability: str | None = None) -> Term:
    """Driver context, kernels and pools of one process on one GPU of this compute capability, such as `8.6`."""
    row = _row(capability)
    low, best, high = (int(row[key]) * MIB for key in ("low", "best", "high"))
    return Term(
        name=TermName.CONTEXT, low=low, best=best, high=high, basis=Basis.MODELLED, formula=str(row["source"])
    )


@cache
def _row(capability: str | None) -> dict[str, Any]:
    table = load_toml("process_overhead")
    rows: list[dict[str, Any]] = table["capability"]
    default: dict[str, Any] = table["default"]
    return next((row for row in rows if row["capability"] == capability), default)


def host_extras(facts: ModelFacts, params: LlamaParams) -> tuple[Term, ...]:
    """RAM that grows with use: the prompt cache up to its limit, context checkpoints, the output rows."""
    geo = geometry(facts, params)
    windows = sum(
        layer_bytes(x.attention, facts, params, geo, 0) // geo.n_stream
        for x in facts.layers[: facts.n_trunk]
        if x.attention is not None and x.attention.cached and x.attention.window is not None
    )
    rows = F32 * (1 + rollback_rows(params))
    state = sum(
        rows * (x.recurrent.conv + x.recurrent.state) for x in facts.layers if x.recurrent is not None
    )
    checkpoints = params.ctx_checkpoints * geo.n_seq * (windows + state)
    prompts = max(0, params.cache_ram_mib) * MIB
    logits = geo.n_outputs * facts.vocab_size * F32
    return (
        _up_to(prompts, f"prompt cache: cache_ram = {params.cache_ram_mib} MiB"),
        _up_to(checkpoints, f"{params.ctx_checkpoints} checkpoints x {geo.n_seq} slots x state of one slot"),
        _up_to(logits, f"output rows: {geo.n_outputs} x {facts.vocab_size} x 4 B"),
    )


def _up_to(size: int, formula: str) -> Term:
    return Term(name=TermName.CONTEXT, low=0, best=size, high=size, basis=Basis.MODELLED, formula=formula)
