"""What a router may hold, and smaller ways to serve its models."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from stackgen.domain.footprint import Basis, Memory, TermName, exact
from stackgen.domain.linked import LinkedGpu, LinkedService
from stackgen.domain.plan import Demand, KnownModel, Limit, Resident
from stackgen.domain.units import GIB, MIB
from stackgen.engines.llama_server import ENGINE
from stackgen.engines.llama_server.argv import parse_argv
from stackgen.memory.llama import footprint
from tests.support import engines

QWEN = "Qwen/Qwen3-8B-GGUF:Q8_0"
MOE = "unsloth/Qwen3-30B-A3B-GGUF:Q4_K_M"


def service(options: str = "", model: str = "", *, hf: str = QWEN, gpus: str = "[0, 1]") -> LinkedService:
    text = f"""
        image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
        gpus: {gpus}
        options: {{parallel: 1, {options}}}
        models: {{it: {{model: weights, hf: "{hf}", context: 8192, {model}}}}}
        volumes: {{models: weights}}
    """
    return engines.service(ENGINE, text)


def demand(linked: LinkedService, known: Mapping[str, KnownModel] | None = None) -> Demand:
    return ENGINE.demand(linked, engines.known(linked) if known is None else known)


def resident(linked: LinkedService, known: Mapping[str, KnownModel] | None = None) -> Resident:
    (only,) = demand(linked, known).residents
    return only


def best(memory: Memory, *names: TermName) -> int:
    return sum(term.best for term in memory.of(*names))


def test_the_figures_are_those_of_the_same_command_line() -> None:
    linked = service("cache_type_k: q8_0, cache_type_v: q8_0")
    known = engines.known(linked)
    facts = known["weights"].facts
    assert facts is not None
    line = ["-c", "8192", "-np", "1", "-ctk", "q8_0", "-ctv", "q8_0", "-ts", "24576,24576"]
    expected = footprint(facts, parse_argv(line, build=11434).params, [24 * GIB, 24 * GIB])
    mine = resident(linked)
    for gpu, memory in enumerate(expected.devices):
        for name in (TermName.WEIGHTS, TermName.KV, TermName.COMPUTE):
            assert best(mine.gpus[gpu], name) == best(memory, name)


def test_shares_follow_what_is_usable_of_each_card() -> None:
    linked = service()
    uneven = tuple(replace(gpu, reserve=16 * GIB * gpu.index) for gpu in linked.gpus)
    mine = resident(replace(linked, gpus=uneven))
    first, second = (best(mine.gpus[i], TermName.WEIGHTS) for i in (0, 1))
    assert 2.2 < first / second < 3.5


def test_shares_of_the_user_count() -> None:
    mine = resident(service("tensor_split: [0, 1]"))
    assert best(mine.gpus[0], TermName.WEIGHTS) == 0
    assert best(mine.gpus[1], TermName.WEIGHTS) > 0


def test_every_gpu_of_the_service_holds_a_context() -> None:
    mine = resident(service("device: CUDA1"))
    assert [t.name for t in mine.gpus[0].terms] == [TermName.CONTEXT]
    assert best(mine.gpus[1], TermName.WEIGHTS) > 0
    assert best(mine.gpus[1], TermName.CONTEXT) > 0


def test_gpus_are_named_by_their_index_on_the_host() -> None:
    assert list(resident(service(gpus="[1]")).gpus) == [1]


def test_without_gpus_everything_is_on_the_host() -> None:
    mine = resident(service(gpus="[]"))
    assert mine.gpus == {}
    assert best(mine.host, TermName.WEIGHTS) > 8 * GIB


def test_the_command_line_beats_the_model() -> None:
    short = resident(service('command_line: ["-c", "4096"]', "context: 40960"))
    assert best(short.gpus[0], TermName.KV) == best(
        resident(service("", "context: 4096")).gpus[0], TermName.KV
    )


def test_prompt_cache_counts_as_main_memory() -> None:
    more = resident(service("cache_ram: 8GiB")).host.high - resident(service("cache_ram: 0")).host.high
    assert more == 8 * GIB


def test_limits_and_pins() -> None:
    assert demand(service()).limit is Limit.AUTO
    assert demand(service("models_max: 2")).limit == 2
    assert resident(service("", "load_on_startup: true")).pinned
    assert not resident(service()).pinned


def test_an_approximate_recipe_widens_weights_and_nothing_else() -> None:
    linked = service()
    known = engines.known(linked)
    exactly = resident(linked, {"weights": replace(known["weights"], spread_percent=0)})
    about = resident(linked, {"weights": replace(known["weights"], spread_percent=10)})
    for term, wide in zip(exactly.gpus[0].terms, about.gpus[0].terms, strict=True):
        if term.name is TermName.WEIGHTS:
            assert (wide.low, wide.best, wide.high) == (
                term.best * 90 // 100,
                term.best,
                term.best * 110 // 100,
            )
        else:
            assert wide == term


def projector(linked: LinkedService) -> dict[str, KnownModel]:
    known = engines.known(linked)
    return {"weights": replace(known["weights"], mmproj=Memory((exact(TermName.MMPROJ, 900 * MIB),)))}


@pytest.mark.parametrize(
    ("option", "place"), [("", 0), ("mmproj_device: CUDA1", 1), ("mmproj_offload: false", None)]
)
def test_where_the_projector_sits(option: str, place: int | None) -> None:
    linked = service(option)
    mine = resident(linked, projector(linked))
    assert [best(mine.gpus[i], TermName.MMPROJ) for i in (0, 1)] == [900 * MIB * (place == i) for i in (0, 1)]
    assert best(mine.host, TermName.MMPROJ) == 900 * MIB * (place is None)


def test_a_draft_model_is_one_more_term() -> None:
    linked = service("", "draft: small")
    small = engines.known(service(hf="Qwen/Qwen3-0.6B-GGUF:Q8_0"))["weights"]
    answer = demand(linked, {**engines.known(linked), "small": small})
    assert answer.further_models == ("small",)
    assert sum(best(m, TermName.DRAFT) for m in answer.residents[0].gpus.values()) > 600 * MIB


def test_nothing_known_is_no_answer() -> None:
    linked = service(hf="somebody/Something-GGUF:Q4_K_M")
    answer = demand(linked)
    assert (answer.residents, answer.unknown) == ((), True)
    silent = replace(engines.known(linked)["weights"], diagnostics=())
    (finding,) = demand(linked, {"weights": silent}).diagnostics
    assert finding.kind == "engine/unknown-model"
    assert "vram" in (finding.hint or "")


def test_declared_memory_is_dealt_by_the_size_of_the_cards() -> None:
    linked = service("", "vram: {low: 8GiB, high: 16GiB}", hf="somebody/Something-GGUF:Q4_K_M")
    mine = resident(linked)
    for gpu in (0, 1):
        (term,) = mine.gpus[gpu].of(TermName.DECLARED)
        assert (term.low, term.best, term.high, term.basis) == (4 * GIB, 6 * GIB, 8 * GIB, Basis.DECLARED)


def test_what_the_engine_refuses_is_an_error() -> None:
    answer = demand(service("split_mode: none, main_gpu: 5"))
    assert answer.unknown
    (finding,) = answer.diagnostics
    assert finding.kind == "engine/refused"
    assert finding.path == ("services", "it", "models", "it")


def test_what_a_rule_tells_is_not_told_twice() -> None:
    answer = demand(service("flash_attn: off, cache_type_k: q8_0, cache_type_v: q8_0"))
    assert (answer.unknown, answer.diagnostics) == (True, ())


def turns(linked: LinkedService) -> dict[str, list[tuple[int, str]]]:
    """(cost, change) by knob."""
    found: dict[str, list[tuple[int, str]]] = {}
    for a in ENGINE.alternatives(linked, linked.models[0], engines.known(linked)):
        found.setdefault(a.knob, []).append((a.cost, a.change))
    return found


def test_each_knob_begins_with_its_mildest_change() -> None:
    found = turns(service("ubatch_size: 2048, parallel: 4", "context: 32768", gpus="[0]", hf=MOE))
    experts = found.pop("experts")
    assert found == {
        "cache": [
            (1, "cache_type_k: q8_0, cache_type_v: q8_0"),
            (5, "cache_type_k: q4_0, cache_type_v: q4_0"),
        ],
        "batch": [(2, "ubatch_size: 1024"), (2, "ubatch_size: 512"), (4, "ubatch_size: 256")],
        "slots": [(3, "parallel: 2"), (3, "parallel: 1")],
        "context": [
            (4, "context: 24576"),
            (4, "context: 16384"),
            (5, "context: 12288"),
            (5, "context: 8192"),
        ],
    }
    assert experts[0] == (6, "n_cpu_moe: 1")
    assert experts[-1] == (7, "n_cpu_moe: 48")


def test_a_context_is_never_advised_beyond_what_was_trained() -> None:
    # 40960 were trained.
    assert turns(service("", "context: 0", hf=MOE))["context"][0] == (4, "context: 32768")
    assert turns(service("", "context: 262144", hf=MOE))["context"][0][1] == "context: 32768"


def test_only_models_without_experts_move_layers() -> None:
    dense = turns(service(hf=QWEN))
    assert "experts" not in dense
    assert dense["layers"][0] == (8, "n_gpu_layers: 36")
    assert dense["layers"][-1] == (8, "n_gpu_layers: 0")


def test_several_gpus_get_other_shares() -> None:
    found = turns(service("", "context: 32768", hf=MOE))
    assert found["split-0"][0] == (1, "tensor_split: [48, 52]")
    assert found["split-1"][-1] == (1, "tensor_split: [82, 18]")
    # The first 24 of 48 blocks weigh little without their experts, so the first GPU takes more of them.
    assert found["experts"][23][1] == "n_cpu_moe: 24, tensor_split: [34, 15]"
    given = turns(service("tensor_split: [1, 1]", "context: 32768", hf=MOE))
    assert not [knob for knob in given if knob.startswith("split")]
    assert given["experts"][0] == (6, "n_cpu_moe: 1")


def test_alternatives_do_not_repeat_what_is_there() -> None:
    found = turns(service("cache_type_k: q4_0, cache_type_v: q4_0, cpu_moe: true", hf=MOE))
    assert not found.keys() & {"cache", "experts"}


def test_alternatives_without_flash_attention_leave_the_cache_alone() -> None:
    assert "cache" not in turns(service("flash_attn: off"))


def test_what_the_command_line_fixes_is_not_offered() -> None:
    assert "context" not in turns(service('command_line: ["-c", "65536"]'))


def test_the_strongest_setting_of_a_knob_takes_less() -> None:
    linked = service("ubatch_size: 2048, parallel: 4", "context: 32768", gpus="[0]", hf=MOE)
    known = engines.known(linked)
    whole = sum(m.high for m in resident(linked, known).gpus.values())
    last = {a.knob: a for a in ENGINE.alternatives(linked, linked.models[0], known)}
    for knob, alternative in last.items():
        smaller = sum(m.high for m in resident(alternative.service, known).gpus.values())
        if knob != "slots":  # they cost next to nothing in a model without state or windows
            assert smaller < whole, alternative.change


def test_an_amd_card_has_an_overhead_as_well() -> None:
    linked = service(gpus="[0]")
    card = LinkedGpu(index=0, model="rx-7900-xtx", capacity=24 * GIB, vendor="amd")
    assert best(resident(replace(linked, gpus=(card,))).gpus[0], TermName.CONTEXT) > 0
