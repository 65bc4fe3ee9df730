"""vLLM: its share is the plan's, what it would refuse at start is said before, and hosts are brought together."""

from dataclasses import replace
from typing import Any

import pytest

from stackgen.domain.diagnostic import Severity
from stackgen.domain.footprint import TermName
from stackgen.domain.interface import Api
from stackgen.domain.linked import LinkedService, ModelRequest, Publication
from stackgen.domain.workload import GroupFact
from stackgen.engines.vllm import ENGINE
from stackgen.engines.vllm.demand import rooms
from tests.support.engines import found, kinds, known, lower, planned, service
from tests.support.planning import host

MODEL = "models: {m: {model: m, hf: 'meta-llama/Llama-3.1-8B-Instruct', max_model_len: %d}}"


def on(gpus: str = "[0, 1]", tokens: int = 16384, options: str = "{}", **changes: Any) -> LinkedService:
    text = f"gpus: {gpus}\noptions: {options}\n{MODEL % tokens}"
    return service(ENGINE, text, **changes)


def test_it_takes_its_share_and_no_more() -> None:
    linked = on(options="{gpu_memory_utilization: 0.8}")
    [resident] = planned(ENGINE, linked).demand.residents
    for gpu in linked.gpus:
        assert resident.gpus[gpu.index].high == int(gpu.capacity * 0.8)
        assert resident.gpus[gpu.index].low == resident.gpus[gpu.index].high


def test_a_smaller_share_is_the_way_to_a_neighbour() -> None:
    linked = on()
    high = [
        planned(ENGINE, other.service).demand.residents[0].gpus[0].high
        for other in ENGINE.alternatives(linked, linked.models[0], {})
    ]
    assert high == sorted(high, reverse=True)
    assert high[0] < planned(ENGINE, linked).demand.residents[0].gpus[0].high


def test_nothing_is_wrong_with_a_plain_service() -> None:
    assert kinds(ENGINE, on()) == []


def test_one_conversation_of_full_length_must_find_room() -> None:
    finding = found(ENGINE, on("[0]", 131072), "vllm/context")
    assert finding.path == ("services", "it", "models", "m", "max_model_len")
    assert finding.hint is not None
    longest = int(finding.hint.split()[1].rstrip(","))
    assert "vllm/context" not in kinds(ENGINE, on("[0]", longest))
    assert "vllm/context" in kinds(ENGINE, on("[0]", longest + 1024))


def test_fp8_holds_twice_as_many_tokens() -> None:
    linked, small = on(), on(options="{kv_cache_dtype: fp8}")
    facts = known(linked)["m"].facts
    assert facts is not None
    [plain], [half] = rooms(linked, facts, 0)[:1], rooms(small, facts, 0)[:1]
    assert half.tokens(half.cache) == pytest.approx(2 * plain.tokens(plain.cache), abs=16)


@pytest.mark.parametrize(
    ("linked", "kind"),
    [
        (replace(on(), models=()), "vllm/one-model"),
        (on("[]"), "vllm/no-gpu"),
        (on(options="{tensor_parallel_size: 3}"), "vllm/parallel-size"),
        (on(options="{tensor_parallel_size: 3}"), "vllm/heads"),
        (on("[0]", options="{gpu_memory_utilization: 0.5}"), "vllm/no-room"),
        (on(tokens=262144), "vllm/context-beyond-training"),
        (
            service(
                ENGINE,
                "gpus: [0]\nmodels: {m: {model: m, hf: 'Qwen/Qwen3-0.6B-GGUF:Q8_0', max_model_len: 4096}}",
            ),
            "vllm/gguf",
        ),
        (on(publish=Publication(port=8000, address="192.168.1.5")), "vllm/no-key"),
    ],
)
def test_what_it_would_refuse_is_said_before(linked: LinkedService, kind: str) -> None:
    assert kind in kinds(ENGINE, linked)


def test_uneven_gpus_are_limited_by_the_smallest() -> None:
    linked = on()
    small = replace(linked.gpus[1], capacity=linked.gpus[1].capacity // 2)
    box = replace(linked.host, gpus=(linked.gpus[0], small))
    uneven = replace(linked, host=box, gpus=box.gpus)
    assert found(ENGINE, uneven, "vllm/uneven-gpus").severity is Severity.WARNING


def test_two_hosts_are_two_stages() -> None:
    linked = on(workers=(host("second", gpus=2),))
    assert kinds(ENGINE, linked) == []
    run = lower(ENGINE, linked)
    words = " ".join(run.args)
    assert "--tensor-parallel-size 2 --pipeline-parallel-size 2" in words
    assert run.workers is not None
    assert [h.name for h in run.workers.hosts] == ["second"]
    assert run.workers.worker_args[-2:] == (GroupFact.RANK, "--headless")
    assert "--headless" not in run.workers.leader_args
    alone, spread = (planned(ENGINE, s).demand for s in (on(), linked))
    assert spread.spans_hosts
    weights = [d.residents[0].gpus[0].terms[0].high for d in (alone, spread)]
    assert weights[1] < weights[0]


def test_clients_ask_for_its_model_by_any_name() -> None:
    linked = service(
        ENGINE,
        "gpus: [0, 1]\noptions: {api_key: {secret: {name: vllm, key: key}}}\n"
        "models: {m: {model: m, hf: 'Qwen/Qwen3-0.6B', max_model_len: 4096, alias: [fast]}}",
    )
    offered = ENGINE.interface(planned(ENGINE, linked))
    assert offered.apis[Api.OPENAI] == "/v1"
    assert (offered.models[0].aliases, offered.models[0].context) == (("fast",), 4096)
    run = lower(ENGINE, linked)
    assert run.args[run.args.index("--served-model-name") + 1 :][:2] == ("m", "fast")
    assert run.env["VLLM_API_KEY"] == offered.key


@pytest.mark.parametrize("argument", ["--tensor-parallel-size=2", "--max_model_len", "-tp"])
def test_what_follows_from_the_stack_is_no_argument(argument: str) -> None:
    from stackgen.domain.stack import Service

    raw = Service(engine="vllm", host="box", options={"args": [argument]})
    assert ENGINE.options(raw, ("services", "it")).value is None


def test_the_gate_counts_with_the_weights_of_the_plan() -> None:
    """Both with what the real weights may take more than those of the catalog."""
    linked = on("[0]", 131072)
    model = known(linked)["m"]
    assert model.facts is not None
    assert model.spread_percent > 0
    [room] = rooms(linked, model.facts, model.spread_percent)
    [resident] = planned(ENGINE, linked).demand.residents
    assert resident.gpus[0].of(TermName.WEIGHTS)[0].high == room.weights
    assert f"between {room.tokens(room.surely)} and" in found(ENGINE, linked, "vllm/context").message


@pytest.mark.parametrize(
    ("request_", "folder"),
    [
        (ModelRequest(repo="owner/It"), "/models/owner/It"),
        (ModelRequest(repo="owner/It", revision="w4"), "/models/owner/It-w4"),
        (ModelRequest(path="/srv/models/It"), "/srv/models/It"),
    ],
)
def test_weights_are_where_downloads_put_them(request_: ModelRequest, folder: str) -> None:
    linked = on()
    model = linked.models[0].model._replace(request=request_)
    run = lower(ENGINE, replace(linked, models=(linked.models[0]._replace(model=model),)))
    assert run.args[1] == folder
