"""What the real Helm makes of our values, by a chart that takes those of Ollama's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackgen.domain.workload import Deployment, Health
from stackgen.targets.kubernetes import TARGET
from tests.support import charts, kubernetes
from tests.support.clusters import objects
from tests.support.workloads import SEARCH, gpu
from tests.targets.test_charts import OLLAMA, SMALL, by_chart

pytestmark = pytest.mark.tool

TEMPLATED = replace(SEARCH, health=Health(port=8080, path="/{{ .Values.image }}"))
AS_OURS = (
    *("nodeSelector", "priorityClassName", "runtimeClassName", "securityContext", "tolerations"),
    "terminationGracePeriodSeconds",
)
"""Fields of a pod that are the same by whomever it is made."""


def pod(found: Deployment, folder: Path) -> Any:
    """The pod of the Deployment that Helm makes."""
    kubernetes.write(folder, TARGET.render(found).documents)
    made = kubernetes.objects(charts.installed([], folder))
    (template,) = [template for one in made for template in kubernetes.pods(one)]
    return template["spec"]


@pytest.mark.parametrize(
    "ollama",
    [OLLAMA, SMALL, replace(SMALL, gpus=(gpu(0, vendor="amd"),)), replace(OLLAMA, user=None, gpus=())],
    ids=["most", "least", "amd", "cpu"],
)
def test_its_pods_are_ours(ollama: Any, tmp_path: Path) -> None:
    """Every field that ours have, theirs have as well, by the same content."""
    theirs = pod(by_chart(ollama, TEMPLATED), tmp_path)
    own = objects(by_chart(ollama, TEMPLATED, charts={}), "Deployment")["ollama"]["spec"]["template"]["spec"]
    for field in AS_OURS:
        assert theirs.get(field) == own.get(field), field
    (their, our) = (found["containers"][0] for found in (theirs, own))
    for field in ("image", "securityContext"):
        assert their[field] == our[field], field
    assert their.get("args") == our.get("args")
    set_ = {variable["name"]: variable for variable in their["env"]}
    assert len(set_) == len(their["env"])
    assert all(set_[variable["name"]] == variable for variable in our.get("env", []))
    assert mounted(theirs, their) == mounted(own, our)
    for kind, amounts in our.get("resources", {}).items():
        # What is only limited is requested as well.
        given = {**their["resources"]["limits"], **their["resources"].get(kind, {})}
        assert {key: str(value) for key, value in given.items()} == amounts
    for probe in ("livenessProbe", "readinessProbe"):
        ask, want = their.get(probe), our.get(probe)
        assert (ask is None) is (want is None)
        if ask and want:
            assert ask["httpGet"]["path"] == want["httpGet"]["path"]
            for field in ("periodSeconds", "timeoutSeconds", "failureThreshold"):
                assert ask[field] == want[field]
    waits = [(c["command"], mounted(theirs, c)) for c in theirs.get("initContainers", [])]
    assert waits == [(c["command"], mounted(own, c)) for c in own.get("initContainers", [])]


def mounted(found: Any, container: Any) -> dict[str, Any]:
    """What is behind each path."""
    sources = {
        volume["name"]: {k: v for k, v in volume.items() if k != "name"} for volume in found["volumes"]
    }
    return {
        mount["mountPath"]: (sources[mount["name"]], bool(mount.get("readOnly")))
        for mount in container.get("volumeMounts", [])
    }
