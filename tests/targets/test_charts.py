"""Services that Helm installs: what makes it do so, with which values, and what no chart can do."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from stackgen.domain.delivery import Deploy
from stackgen.domain.document import Format
from stackgen.domain.linked import Exposure, SecretKey
from stackgen.domain.units import GIB
from stackgen.domain.workload import (
    ConfigFile,
    Deployment,
    Health,
    HostDeployment,
    Mount,
    Port,
    Workers,
    Workload,
)
from stackgen.emit import to_text
from stackgen.targets.kubernetes import TARGET
from stackgen.targets.kubernetes.container import TMP
from tests.support.charts import CHARTS
from tests.support.clusters import GATEWAY, LAN, documents, findings, kinds, objects
from tests.support.golden import assert_tree
from tests.support.workloads import DOWNLOAD, SEARCH, deployment, gpu, host, workload

HOME = PurePosixPath("/root/.ollama")
OLLAMA = workload(
    "ollama",
    engine="ollama",
    image="docker.io/ollama/ollama:0.32.15",
    program="ollama",
    args=("serve",),
    env={
        "OLLAMA_HOST": "0.0.0.0:11434",
        "OLLAMA_MODELS": "/models",
        "OLLAMA_NUM_PARALLEL": "1",
        "HTTPS_PROXY": SecretKey("proxy", "url"),
        "MARKS": "$HOME ${X} {{ .Values.image }} 'no' \"yes\"",
    },
    mounts=(Mount(volume="models", target=PurePosixPath("/models")),),
    gpus=(gpu(0), gpu(1)),
    ports=(Port(name="http", number=11434, publish=LAN),),
    health=Health(port=11434, path="/", start_period=60),
    after=("search",),
    exclusive=("cards",),
    expose=Exposure("ollama.example.org", 1800),
    memory_limit=6 * GIB,
    writable=(HOME,),
    user="0:1000",
)
SMALL = workload(
    "ollama",
    engine="ollama",
    image="docker.io/ollama/ollama@sha256:" + "ab" * 32,
    ports=(Port(name="http", number=11434),),
    writable=(HOME, PurePosixPath("/models")),
)
"""On the CPU, with nothing that it keeps."""


def by_chart(
    *workloads: Workload, gitops: str = "none", charts: Mapping[str, Any] | None = None, **cluster: Any
) -> Deployment:
    """Ollama on a node that is also called by others, installed by its chart."""
    asked = {"ollama": {}} if charts is None else charts
    settings = {"gitops": gitops, "cluster": {"charts": asked, **cluster}, **GATEWAY}
    download = replace(DOWNLOAD, hosts=("box",), services=("ollama",))
    found = deployment(*(workloads or (OLLAMA, SEARCH)), platform="kubernetes")
    downloads = (download,) if any(w.mounts for w in found.hosts[0].workloads) else ()
    return replace(found, deploy=Deploy.model_validate(settings), downloads=downloads)


def values(found: Deployment, name: str = "ollama") -> Any:
    return documents(found)[f"kubernetes/{name}/values.yaml"].body


@pytest.mark.parametrize("gitops", ["none", "argocd", "flux"])
def test_the_files_of_a_chart(gitops: str, request: pytest.FixtureRequest) -> None:
    """Only what is another than without."""
    rendered = TARGET.render(by_chart(gitops=gitops))
    assert rendered.diagnostics == ()
    ours = TARGET.render(by_chart(gitops=gitops, charts={})).documents
    texts = {d.path: to_text(d) for d in rendered.documents if d not in ours}
    assert_tree(
        Path(__file__).parents[1] / "golden" / "targets" / f"kubernetes-chart-{gitops}", texts, request
    )


def test_nothing_else_changes() -> None:
    """But for its Deployment and its Service inside the cluster, everything of a service stays ours."""
    ours = {str(d.path): d.body for d in TARGET.render(by_chart(charts={})).documents}
    theirs = {str(d.path): d.body for d in TARGET.render(by_chart()).documents}
    changed = {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)}
    head = documents(by_chart())["kubernetes/kustomization.yaml"].header
    assert "Not in here is ollama, which Helm installs: see ollama/values.yaml." in head
    assert changed == {
        f"kubernetes/ollama/{name}.yaml" for name in ("deployment", "kustomization", "service", "values")
    }
    assert set(objects(by_chart(), "Service")) == {"ollama-lan", "search"}


def test_argo_cds_object_stays_in_its_namespace() -> None:
    """kustomize would put everything of a folder into the namespace that it is given."""
    body = documents(by_chart(gitops="argocd"))["kubernetes/ollama/kustomization.yaml"].body
    assert "namespace" not in body
    for gitops in ("flux", "none"):
        body = documents(by_chart(gitops=gitops))["kubernetes/ollama/kustomization.yaml"].body
        assert body["namespace"] == "home"


def test_the_turn_of_another_is_no_replica() -> None:
    other = workload("other", gpus=(gpu(0),), exclusive=("cards",))
    assert values(by_chart(OLLAMA, SEARCH, other))["replicaCount"] == 1
    found = by_chart(other, OLLAMA, SEARCH)
    assert values(found)["replicaCount"] == 0
    head = "\n".join(documents(found)["kubernetes/kustomization.yaml"].header)
    assert "kubectl -n home scale deployment ollama --replicas=1" in head


@pytest.mark.parametrize(
    ("image", "repository", "tag"),
    [
        ("ollama/ollama:0.32.15", "ollama/ollama", "0.32.15"),
        ("registry.lan:5000/ollama", "registry.lan:5000/ollama", "latest"),
        ("ollama/ollama@sha256:abcd", "ollama/ollama@sha256", "abcd"),
        ("a.b:5000/c/d:1@sha256:abcd", "a.b:5000/c/d", "1@sha256:abcd"),
    ],
)
def test_an_image_in_two_parts(image: str, repository: str, tag: str) -> None:
    assert values(by_chart(replace(SMALL, image=image)))["image"] == {"repository": repository, "tag": tag}


def test_cards_of_each_vendor() -> None:
    def of(*gpus: Any) -> Any:
        found = values(by_chart(replace(SMALL, gpus=gpus)))
        return found["ollama"].get("gpu"), found.get("tolerations"), found.get("resources")

    amd = gpu(0, vendor="amd")
    tolerated = [{"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert of() == (None, None, None)
    assert of(gpu(0), gpu(1)) == ({"enabled": True, "type": "nvidia", "number": 2}, None, None)
    assert of(amd) == ({"enabled": True, "type": "amd", "number": 1}, tolerated, None)
    one = {"amd.com/gpu": "1"}
    both = ({"enabled": True, "type": "nvidia", "number": 1}, tolerated, {"requests": one, "limits": one})
    assert of(gpu(1), amd) == both
    xe = {"gpu.intel.com/xe": "1"}
    assert of(gpu(0, vendor="intel", driver="xe"))[::2] == (None, {"requests": xe, "limits": xe})


def test_who_keeps_nothing_has_the_charts_own_empty_volume() -> None:
    found = values(by_chart(SMALL))
    assert "persistentVolume" not in found
    targets = {mount["mountPath"] for mount in found["volumeMounts"]}
    assert {found["ollama"]["mountPath"]} | targets == {"/models", str(HOME), str(TMP)}
    assert found["ollama"]["mountPath"] not in targets
    assert found["livenessProbe"] == found["readinessProbe"] == {"enabled": False}


def test_a_template_inside_of_text_is_none() -> None:
    search = replace(SEARCH, health=Health(port=8080, path="/{{ .Values.image }}"))
    (wait,) = [c for c in values(by_chart(OLLAMA, search))["initContainers"] if "services" in c["name"]]
    assert "/{{`{{`}} .Values.image }}" in wait["command"][2]


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        ({"entrypoint": ("/bin/sh",)}, "command"),
        ({"working_dir": PurePosixPath("/srv")}, "workingDir"),
        ({"ports": (*OLLAMA.ports, Port(name="metrics", number=9090))}, "ports"),
        ({"env": {"OLLAMA_HOST": "127.0.0.1:11434"}}, "env OLLAMA_HOST"),
        ({"env": {"PATH": "/bin"}}, "env PATH"),
        (
            {"config_files": (ConfigFile(name="a", target=HOME / "a", format=Format.YAML, body={}),)},
            "volume config",
        ),
    ],
)
def test_what_the_chart_has_no_value_for_is_an_error(change: Mapping[str, Any], lacking: str) -> None:
    found = [d for d in findings(by_chart(replace(OLLAMA, **change), SEARCH)) if d.kind.startswith("kub")]
    assert [(d.kind, d.path) for d in found] == [
        ("kubernetes/chart-lacks", ("deploy", "cluster", "charts", "ollama"))
    ]
    assert f"`{lacking}`" in found[0].message


def test_the_chart_claims_no_card_by_name() -> None:
    told = findings(by_chart(gpus="claims"))
    assert [d.kind for d in told] == ["kubernetes/chart-lacks"]
    assert "`resourceClaims`" in told[0].message


def test_the_chart_has_one_pod_on_one_node() -> None:
    other = host("second", platform="kubernetes")
    found = replace(OLLAMA, workers=Workers(hosts=(other,)))
    assert "kubernetes/chart-lacks" in kinds(by_chart(found, SEARCH))


@pytest.mark.parametrize("name", ["search", "nobody", "elsewhere"])
def test_a_chart_that_nobody_knows(name: str) -> None:
    other = HostDeployment(host=host("rig"), workloads=(workload("elsewhere", engine="ollama"),))
    found = by_chart(charts={name: {}})
    found = replace(found, hosts=(*found.hosts, other))
    assert [(d.kind, d.path) for d in findings(found)] == [
        ("kubernetes/no-chart", ("deploy", "cluster", "charts", name))
    ]
    if name == "search":
        assert "objects" in str(findings(found)[0].hint)
        assert "search" in objects(found, "Deployment")


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("1.22.9", ["kubernetes/chart-version"]),
        ("1.23.0", []),
        ("1.41.0", []),
        ("1.99.0", []),
        ("2.0.0", ["kubernetes/chart-version"]),
    ],
)
def test_versions_whose_values_are_known(version: str, told: list[str]) -> None:
    found = by_chart(gitops="flux", charts={"ollama": {"version": version}})
    assert kinds(found) == told
    (release,) = objects(found, "HelmRelease").values()
    assert release["spec"]["chart"]["spec"]["version"] == version


def test_a_release_has_a_shorter_name_than_a_service() -> None:
    name = "a" * 54
    found = by_chart(replace(OLLAMA, name=name), SEARCH, charts={name: {}})
    assert kinds(found) == ["kubernetes/name"]


@pytest.mark.parametrize("found", [by_chart(), by_chart(SMALL), by_chart(replace(SMALL, gpus=(gpu(0),)))])
def test_every_value_is_one_of_the_chart(found: Deployment) -> None:
    """Values that a chart does not know are ignored."""
    known = json.loads((CHARTS / "ollama.json").read_text("utf-8"))
    for path, value in leaves(values(found)):
        within = [".".join(path[:depth]) for depth in range(len(path), 0, -1)]
        place = next((name for name in within if name in known), None)
        assert place is not None, path
        kind = "map" if place != within[0] else KINDS[type(value)]
        assert known[place] in (kind, "any"), path


KINDS = {dict: "map", list: "list", str: "text", bool: "bool", int: "number"}


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Everything that is no map, by its place; what a chart takes as a whole is one."""
    whole = {"nodeSelector", "podLabels", "podSecurityContext", "securityContext", "affinity"}
    if not isinstance(value, dict) or (path[:1] and path[0] in whole):
        return [(path, value)]
    return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
