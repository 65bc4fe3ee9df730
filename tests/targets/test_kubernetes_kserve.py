"""A program on several nodes as KServe's LLMInferenceService."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given

from stackgen.domain.interface import Interface, ServedModel
from stackgen.domain.workload import Deployment, Workers
from tests.support import kubernetes
from tests.support.clusters import all_objects, documents, findings, objects, spread
from tests.support.hostile import text

KSERVE = {"cluster": {"multi_node": "kserve"}}
POD = {"app.kubernetes.io/name": "big", "app.kubernetes.io/part-of": "llminferenceservice"}


def workers(**changes: Any) -> Workers:
    (big,) = spread().hosts[0].workloads
    assert big.workers is not None
    return replace(big.workers, **changes)


def served(**changes: Any) -> Any:
    (found,) = objects(spread(KSERVE, **changes), "LLMInferenceService").values()
    return found["spec"]


def test_pods_are_those_of_a_leader_worker_set() -> None:
    """But for the name of the container and for labels, which KServe gives."""
    (group,) = objects(spread(), "LeaderWorkerSet").values()
    for ours, theirs in (("leaderTemplate", "template"), ("workerTemplate", "worker")):
        pod = group["spec"]["leaderWorkerTemplate"][ours]["spec"]
        pod["containers"][0]["name"] = "main"
        assert served()[theirs] == pod
    assert "LeaderWorkerSet" not in {one["kind"] for one in all_objects(spread(KSERVE))}


def test_a_stage_for_each_host() -> None:
    """KServe makes as many pods as there are stages."""
    assert served()["parallelism"] == {"tensor": 2, "pipeline": 2}
    assert [f.kind for f in findings(spread(KSERVE))] == []
    one_stage = spread(KSERVE, workers=workers(tensor=4, pipeline=1))
    assert [f.kind for f in findings(one_stage)] == ["kubernetes/kserve-stages"]
    assert findings(spread(workers=workers(tensor=4, pipeline=1))) == []


def test_weights_are_on_the_volume() -> None:
    (claim,) = objects(spread(KSERVE), "PersistentVolumeClaim")
    assert served()["model"]["uri"] == f"pvc://{claim}/owner/name"
    assert served()["storageInitializer"] == {"enabled": False}
    for elsewhere in ({"mounts": ()}, {"workers": workers(weights=PurePosixPath("/other/name"))}):
        assert [f.kind for f in findings(spread(KSERVE, **elsewhere))] == ["kubernetes/kserve-weights"]


def test_the_model_has_the_name_that_clients_ask_for() -> None:
    found = spread(KSERVE)
    named = replace(found, interfaces={"big": Interface(models=(ServedModel(id="huge"),))})
    assert objects(named, "LLMInferenceService")["big"]["spec"]["model"]["name"] == "huge"
    assert "name" not in served()["model"]


def test_others_reach_it_as_any_service() -> None:
    found = spread(KSERVE)
    leader = {"leaderworkerset.sigs.k8s.io/worker-index": "0"}
    assert objects(found, "Service")["big"]["spec"]["selector"] == POD | leader
    policy = objects(found, "NetworkPolicy")["big"]["spec"]
    assert policy["podSelector"]["matchLabels"] == POD
    assert "router" not in served()


def test_the_preset_that_kserve_insists_on_adds_nothing() -> None:
    (preset,) = objects(spread(KSERVE), "LLMInferenceServiceConfig").values()
    assert preset["metadata"]["name"] == "kserve-config-llm-worker-pipeline-parallel"
    assert preset["spec"] == {}
    assert "kubernetes/kserve.yaml" not in documents(spread())


def test_a_name_that_kserve_makes_too_long() -> None:
    assert [f.kind for f in findings(spread(KSERVE, name="a" * 41))] == ["kubernetes/name"]
    assert findings(spread(KSERVE, name="a" * 40)) == []


def executed(template: str) -> str:
    """What text/template of Go makes of actions that are raw strings."""
    actions = re.findall(r"{{.*?}}", template)
    assert all(re.fullmatch(r"{{`[^`]*`}}", action) for action in actions)
    return re.sub(r"{{`([^`]*)`}}", r"\1", template)


@pytest.mark.parametrize("argument", ["{{ .Spec }}", "{{{{", '{"a": {"b": 1}}', "{{`x`}}", "{{{"])
def test_templates_of_go_are_text(argument: str) -> None:
    (container,) = served(args=(argument,))["template"]["containers"]
    assert executed(container["args"][0]) == argument


@given(text)
def test_every_argument_is_text(argument: str) -> None:
    (container,) = served(args=(argument,))["template"]["containers"]
    assert kubernetes.expanded(executed(container["args"][0]), {}) == argument


def turns(deploy: dict[str, Any] | None) -> str:
    found: Deployment = replace(spread(deploy, exclusive=("g",)), exclusive=(("g", ("other", "big")),))
    box = found.hosts[0]
    other = replace(box.workloads[0], name="other", workers=None)
    found = replace(found, hosts=(replace(box, workloads=(*box.workloads, other)), *found.hosts[1:]))
    return "\n".join(documents(found)["kubernetes/kustomization.yaml"].header)


def test_whose_turn_it_is() -> None:
    assert served(exclusive=("g",))["replicas"] == 1
    assert "scale deployment other --replicas=0" in turns(None)
    assert "scale leaderworkerset big-group --replicas=1" in turns(None)
    change = """patch llminferenceservice big --type=merge -p '{"spec":{"replicas":1}}'"""
    assert change in turns(KSERVE)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda spec: spec["worker"]["containers"][0].update(name="big"), "its container"),
        (lambda spec: spec["model"].update(uri="pvc://gone/owner/name"), "is not mounted"),
        (
            lambda spec: spec["template"]["containers"].append(spec["worker"]["containers"][0]),
            "more than one",
        ),
        (lambda spec: spec["template"]["containers"][0]["ports"].clear(), "nobody listens"),
    ],
)
def test_the_check_of_objects_sees(change: Callable[[Any], None], told: str) -> None:
    stream = all_objects(spread(KSERVE))
    assert kubernetes.problems(stream) == []
    change(next(one["spec"] for one in stream if one["kind"] == "LLMInferenceService"))
    assert any(told in problem for problem in kubernetes.problems(stream))
