"""Which changes make other pods in a cluster, and which are read by those that run."""

from dataclasses import replace
from typing import Any

import pytest

from stackgen.domain.linked import SecretKey
from stackgen.domain.workload import Deployment, DownloadFile, Mount, Reload, Workload
from stackgen.targets.kubernetes import TARGET
from tests.support.clusters import cluster_home, in_cluster
from tests.support.workloads import DOWNLOAD, EVERY_FIELD, READER, with_presets


def folder(found: Deployment, service: str) -> dict[str, Any]:
    """The bodies of what is rendered for a service, by the name of the file."""
    documents = TARGET.render(found).documents
    return {d.path.name: d.body for d in documents if d.path.parent.name == service}


def pod(found: Deployment, service: str = "reader") -> dict[str, Any]:
    body: dict[str, Any] = folder(found, service)["deployment.yaml"]["spec"]["template"]
    return body


def names(template: dict[str, Any]) -> list[str]:
    return [container["name"] for container in template["spec"]["containers"]]


def generators(found: Deployment) -> list[dict[str, Any]]:
    body: list[dict[str, Any]] = folder(found, "reader")["kustomization.yaml"]["configMapGenerator"]
    return body


def test_a_file_that_is_read_anew_is_in_no_name_of_the_pod() -> None:
    found = in_cluster(READER)
    assert names(pod(found)) == ["reader", "reload"]
    assert generators(found) == [
        {"name": "reader-config", "files": ["presets.ini"], "options": {"disableNameSuffixHash": True}},
        {"name": "reader-reload", "files": ["reload.sh"]},
    ]
    assert pod(found) == pod(in_cluster(with_presets(READER, 7)))


def test_what_a_reload_does_not_take_over_makes_another_pod() -> None:
    other = replace(READER, reload=Reload(path="/models?reload=1", fixed=("coder", "writer")))
    assert pod(in_cluster(other)) != pod(in_cluster(READER))


@pytest.mark.parametrize(
    "reader",
    [
        replace(READER, reload=None),
        replace(READER, health=None),
        replace(READER, gpus=()),
        replace(READER, config_files=(replace(READER.config_files[0], name="other.ini"),)),
    ],
    ids=["cannot", "answers nobody", "a second one starts beside it", "known by another name"],
)
def test_else_the_name_has_a_hash(reader: Workload) -> None:
    found = in_cluster(reader)
    assert names(pod(found)) == ["reader"]
    assert all("options" not in one for one in generators(found))
    (mount,) = [one for one in pod(found)["spec"]["containers"][0]["volumeMounts"] if one["name"] == "config"]
    assert mount["subPath"] == reader.config_files[0].name
    assert "publishNotReadyAddresses" not in str(folder(found, "reader")["service.yaml"])


def test_clients_reach_a_program_that_has_refused_a_file() -> None:
    assert folder(in_cluster(READER), "reader")["service.yaml"]["spec"]["publishNotReadyAddresses"] is True


def test_more_weights_make_another_job_and_the_same_pod() -> None:
    found = cluster_home()
    (file, *_) = DOWNLOAD.files
    more = DownloadFile(path="more.gguf", target=file.target.with_name("more.gguf"), size=7, sha256="cd" * 32)
    grown = replace(found, downloads=(replace(DOWNLOAD, files=(*DOWNLOAD.files, more)),))
    assert pod(found, "llama") == pod(grown, "llama")
    for one in (found, grown):
        (line,) = dict(folder(one, "llama")["weights.list"].values)["lines"]
        marker = dict(folder(one, "download-models")["download.sh"].values)["marker"]
        assert line == f"volume-models .stackgen/{marker}"
    assert "weights.list" in folder(found, "llama")["kustomization.yaml"]["configMapGenerator"][0]["files"]
    jobs = [folder(one, "download-models")["job.yaml"]["metadata"]["name"] for one in (found, grown)]
    assert jobs[0] != jobs[1]


def test_it_waits_at_its_start_for_what_the_list_says() -> None:
    template = pod(cluster_home(), "llama")
    (wait,) = template["spec"]["initContainers"]
    assert "/config/weights.list" in wait["command"][-1]
    assert {mount["name"] for mount in wait["volumeMounts"]} == {"volume-models", "config"}
    watcher = template["spec"]["containers"][1]
    assert {"name": "volume-models", "mountPath": "/volumes/volume-models", "readOnly": True} in watcher[
        "volumeMounts"
    ]


@pytest.mark.parametrize("name", EVERY_FIELD["env"])
def test_another_value_of_a_variable_makes_another_pod(name: str) -> None:
    usual = replace(READER, env=EVERY_FIELD["env"])
    other = replace(usual, env={**usual.env, name: SecretKey("another", "secret")})
    assert pod(in_cluster(usual)) != pod(in_cluster(other))


def test_the_watcher_writes_to_no_volume() -> None:
    keeps = replace(
        READER, mounts=(Mount(volume="data", target=READER.config_files[0].target.parent.parent / "d"),)
    )
    watcher = pod(in_cluster(keeps))["spec"]["containers"][1]
    assert {m["name"] for m in watcher["volumeMounts"]} == {"config", "reload", "reload-state"}
