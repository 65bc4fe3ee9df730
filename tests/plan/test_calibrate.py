"""Logged figures beside planned ones, place by place."""

from dataclasses import replace
from pathlib import Path

import pytest

from stackgen.domain.calibration import Calibration
from stackgen.domain.footprint import Basis, Memory, Term, TermName
from stackgen.domain.llama import LlamaParams
from stackgen.domain.loadlog import LoadLog
from stackgen.domain.plan import Resident
from stackgen.domain.units import MIB
from stackgen.facts import catalog
from stackgen.facts.derive import derive
from stackgen.formats.llama_log import parse
from stackgen.memory.llama import footprint
from stackgen.plan.calibrate import compare

LOGS = Path(__file__).parents[1] / "logs"
(CUDA,) = parse((LOGS / "qwen3-4b-cuda.log").read_text())
(P100,) = parse((LOGS / "qwen3.5-122b-4-p100-b8893.log").read_text())
PARAMS = LlamaParams(n_ctx=8192, n_parallel=4, kv_unified=True)
OVERHEAD = Term(name=TermName.CONTEXT, low=150 * MIB, best=500 * MIB, high=750 * MIB, basis=Basis.MODELLED)


def hit(name: str) -> catalog.CatalogHit:
    found = catalog.by_name(name, "Q4_K_M")
    assert found is not None
    return found


QWEN = derive(hit("qwen3-4b").header)


def resident(*gpus: int) -> Resident:
    """Qwen3-4B as it would be planned, on the first of these GPUs."""
    size = footprint(QWEN, PARAMS, [24124 * MIB])
    here = Memory((*size.devices[0].terms, OVERHEAD))
    others = {index: Memory((OVERHEAD,)) for index in gpus[1:]}
    return Resident(service="llama", use="small", gpus={gpus[0]: here} | others, host=size.host)


def calibrated(load: LoadLog, *gpus: int, params: LlamaParams = PARAMS) -> Calibration:
    return compare(load, resident(*gpus), gpus, QWEN, params)


def test_a_real_log_agrees_with_the_plan() -> None:
    """Qwen3-4B on CUDA: every logged size is within our bounds, the cache to the digit."""
    found = calibrated(CUDA, 0)
    assert found.mismatches == ()
    rows = {(r.place, r.term): r for r in found.rows}
    assert rows["GPU 0", "KV"].best == rows["GPU 0", "KV"].logged == 1152 * MIB
    assert abs(rows["GPU 0", "weights"].best - rows["GPU 0", "weights"].logged) < MIB
    assert abs(rows["GPU 0", "compute"].best - rows["GPU 0", "compute"].logged) < MIB // 20
    assert abs(rows["host", "compute"].best - rows["host", "compute"].logged) < MIB // 20
    assert all(abs(r.outside) < MIB // 20 for r in found.rows)


def test_weights_that_are_mapped_are_not_compared() -> None:
    assert ("host", "weights") not in {(r.place, r.term) for r in calibrated(CUDA, 0).rows}
    read = replace(CUDA, buffers={"CPU": CUDA.buffers["CPU_Mapped"], "CUDA0": CUDA.buffers["CUDA0"]})
    assert ("host", "weights") in {(r.place, r.term) for r in calibrated(read, 0).rows}


def test_the_entry_counts_what_is_outside_of_the_buffers() -> None:
    found = calibrated(CUDA, 0)
    assert found.gpus == (CUDA.buffers["CUDA0"].total + 750 * MIB,)
    assert "750 MiB outside of them (assumed)" in found.reason
    assert any("no memory breakdown" in note for note in found.notes)


def test_what_the_engine_found_outside_wins() -> None:
    found = compare(P100, resident(0, 1, 2, 3), (0, 1, 2, 3), None, LlamaParams())
    assert found.gpus[1] == P100.buffers["CUDA1"].total + 397 * MIB
    assert "398, 397, 398, 399 MiB outside of them (found by it)" in found.reason
    assert found.build == "b8893"
    assert "llama-server b8893" in found.reason
    outside = {r.place: r.logged for r in found.rows if r.term == "overhead"}
    assert outside == {f"GPU {i}": (397 + (i != 1) + (i == 3)) * MIB for i in range(4)}


def test_gpus_are_those_that_the_service_sees() -> None:
    found = calibrated(CUDA, 2, 5)
    assert {r.place for r in found.rows if r.term == "KV"} == {"GPU 2"}
    assert found.gpus[1] == 750 * MIB


def test_rpc_devices_follow_each_other() -> None:
    (load,) = parse((LOGS / "tiny-2-rpc-b11434.log").read_text())
    found = calibrated(load, 0, 1)
    assert {r.place for r in found.rows if r.term == "weights"} == {"GPU 0", "GPU 1"}


def test_a_gpu_that_the_service_has_not() -> None:
    found = compare(P100, resident(0, 1), (0, 1), None, LlamaParams())
    assert found.mismatches == ("the log has CUDA2, CUDA3, which the service has not",)


def test_nothing_on_a_gpu() -> None:
    load = replace(CUDA, buffers={"CPU": CUDA.buffers["CUDA0"]})
    assert calibrated(load, 0).mismatches == ("the log puts nothing on a GPU",)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (PARAMS._replace(n_ctx=16384), "n_ctx is 8192 in the log and 16384 in the plan"),
        (PARAMS._replace(n_ubatch=1024), "n_ubatch is 512 in the log and 1024 in the plan"),
        (PARAMS._replace(type_k="q8_0"), "type_k is f16 in the log and q8_0 in the plan"),
        (PARAMS._replace(kv_unified=False), "kv_unified is true in the log and false in the plan"),
    ],
)
def test_a_log_of_something_else(params: LlamaParams, message: str) -> None:
    assert message in calibrated(CUDA, 0, params=params).mismatches


def test_one_slot_is_unified_or_not() -> None:
    alone = replace(CUDA, settings={**CUDA.settings, "n_seq_max": "1"})
    found = calibrated(alone, 0, params=PARAMS._replace(n_parallel=1, kv_unified=False))
    assert found.mismatches == ()


def test_a_table_alone() -> None:
    load = replace(P100, buffers={})
    found = compare(load, resident(0, 1, 2, 3), (0, 1, 2, 3), None, LlamaParams())
    assert found.gpus[0] == (13317 + 105 + 1508 + 398) * MIB
    assert {r.term for r in found.rows if r.place == "GPU 0"} == {
        "weights",
        "KV + state",
        "compute",
        "overhead",
    }


def test_a_build_that_nobody_logged_is_the_planned_one() -> None:
    assert "b11434 (as planned; the log names no build)" in calibrated(replace(CUDA, build=""), 0).reason


def test_what_fitting_changed_is_told() -> None:
    load = replace(CUDA, fitted=("context size reduced from 131072 to 8192",))
    assert any("context size reduced" in note for note in calibrated(load, 0).notes)


def test_beyond_our_bounds() -> None:
    buffers = dict(CUDA.buffers)
    buffers["CUDA0"] = replace(buffers["CUDA0"], kv=1200 * MIB)
    (row,) = [r for r in calibrated(replace(CUDA, buffers=buffers), 0).rows if r.term == "KV"]
    assert row.outside == 48 * MIB
    assert replace(row, logged=1100 * MIB).outside == -52 * MIB
