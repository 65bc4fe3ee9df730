"""What others say of a stack beside what we plan: tables for the documents, and figures for tests."""

import json
from functools import cache
from pathlib import Path

import yaml

from stackgen import app
from stackgen.domain.footprint import Memory
from stackgen.domain.plan import GpuLedger, Plan
from stackgen.domain.units import GIB
from tests.support.cli import ROOT, stackgen
from tests.support.reference import table
from tests.support.snippets import planned


@cache
def plan(stack: str) -> Plan:
    """The plan of an example."""
    return app.plan(app.load(ROOT / stack).stack)


def ledger(stack: str, scenario: str) -> GpuLedger:
    """The one GPU of a scenario."""
    (gpu,) = next(found for found in plan(stack).scenarios if found.name == scenario).gpus
    return gpu


def scenarios(stack: str, *claimed: str) -> str:
    """A row for each `scenario=GiB`: what somebody claims, and what comes out."""
    return table(
        ("loaded together", "the guide, GiB", "planned, GiB", "free at worst, GiB", "verdict"),
        (_scenario(stack, *claim.split("=")) for claim in claimed),
    )


def _scenario(stack: str, name: str, claim: str) -> tuple[str, ...]:
    gpu = ledger(stack, name)
    (verdict,) = (found.verdict.value for found in plan(stack).scenarios if found.name == name)
    return f"`{name}`", claim, _range(gpu.low, gpu.high), f"{gpu.free / GIB:.1f}", verdict


def contexts(words: list[str], folder: Path) -> str:
    """A row for each `context=GiB` of `stack service/use`, with a KV cache in f16 and in q8_0."""
    stack, use, *claimed = words
    return table(
        ("context", "the guide, GiB", "planned with an f16 cache, GiB", "with a q8_0 cache, GiB"),
        (
            (
                context,
                claim,
                *(
                    _range(memory.low, memory.high)
                    for cache_type in ("f16", "q8_0")
                    for memory in (at_context(stack, use, int(context), cache_type, folder),)
                ),
            )
            for context, claim in (claim.split("=") for claim in claimed)
        ),
    )


def at_context(stack: str, use: str, context: int, cache_type: str, folder: Path) -> Memory:
    """What one model takes of its first GPU at another context and with another type of KV cache."""
    service, _, model = use.partition("/")
    data = yaml.safe_load((ROOT / stack).read_text("utf-8"))
    options = data["services"][service].setdefault("options", {})
    options |= {"cache_type_k": cache_type, "cache_type_v": cache_type}
    data["services"][service]["models"][model]["context"] = context
    residents = planned(data, folder).services[service].demand.residents
    (memory,) = (resident.gpus[0] for resident in residents if resident.use == model)
    return memory


def findings(stack: str) -> str:
    """What is wrong with a stack, line by line, as its plan in JSON says; notes are left out."""
    found = json.loads(stackgen("plan", "--format", "json", ROOT / stack).out)["diagnostics"]
    return table(
        ("line", "kind", "what is wrong"),
        (
            (str(one["line"]), f"`{one['kind']}`", one["message"].replace("|", "\\|"))
            for one in found
            if one["severity"] != "note"
        ),
    )


def _range(low: int, high: int) -> str:
    return f"{low / GIB:.1f}" if low == high else f"{low / GIB:.1f} to {high / GIB:.1f}"
