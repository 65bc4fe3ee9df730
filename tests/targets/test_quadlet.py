"""Deployments -> quadlets, as value trees."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.document import UnitWords
from stackgen.domain.linked import Publication, SecretKey
from stackgen.domain.stack import Volume
from stackgen.domain.units import GIB
from stackgen.domain.workload import Deployment, HostDeployment, Mount, Port, ServiceUrl, Workload
from stackgen.emit import to_text
from stackgen.targets.quadlet import TARGET
from tests.support.golden import assert_tree
from tests.support.workloads import DOWNLOAD, SEARCH, deployment, gpu, home, host, workload


def on_quadlet(*workloads: Workload, **options: Any) -> Deployment:
    return deployment(*workloads, platform="quadlet", **options)


def quadlet_home() -> Deployment:
    """Everybody's machines, with Podman."""
    found = home()
    hosts = tuple(replace(item, host=replace(item.host, platform="quadlet")) for item in found.hosts)
    memory = {"llama": {0: 20 * GIB, 1: 20 * GIB + 1}}
    return replace(found, hosts=hosts, gpu_memory=memory, downloads=(DOWNLOAD,))


def body(found: Deployment, name: str) -> Any:
    [unit] = [d for d in TARGET.render(found).documents if d.path.name == name]
    return unit.body


def container(found: Deployment, name: str) -> Any:
    return body(found, f"home-{name}.container")["Container"]


def findings(found: Deployment) -> list[Diagnostic]:
    return list(TARGET.render(found).diagnostics)


def test_the_files_of_a_home(request: pytest.FixtureRequest) -> None:
    rendered = TARGET.render(quadlet_home())
    texts = {document.path: to_text(document) for document in rendered.documents}
    assert_tree(Path(__file__).parents[1] / "golden" / "targets" / "quadlet", texts, request)
    assert [d.kind for d in rendered.diagnostics] == ["render/expose-without-proxy"]


def test_only_hosts_of_this_platform_are_rendered() -> None:
    other = HostDeployment(host=host("rig"), workloads=(workload("api"),))
    paths = {document.path for document in TARGET.render(on_quadlet(SEARCH, others=(other,))).documents}
    assert {path.parts[:2] for path in paths} == {("quadlet", "box")}


def test_containers_are_closed() -> None:
    found = container(on_quadlet(SEARCH), "search")
    assert (found["DropCapability"], found["NoNewPrivileges"], found["ReadOnly"]) == ("all", True, True)
    assert "AddCapability" not in found
    assert "io.containers.autoupdate=disabled" in found["Label"]


@pytest.mark.parametrize(
    ("cards", "devices"),
    [
        ((gpu(1), gpu(0)), ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]),
        ((gpu(0, uuid="GPU-a"),), ["nvidia.com/gpu=GPU-a"]),
        ((gpu(1, vendor="amd"),), ["/dev/dri", "/dev/kfd"]),
    ],
)
def test_gpus(cards: tuple[Any, ...], devices: list[str]) -> None:
    found = container(on_quadlet(workload(gpus=cards), on=host(platform="quadlet", gpus=cards)), "llama")
    assert found["AddDevice"] == devices


def test_amd_cards_of_others_are_left_out() -> None:
    found = container(on_quadlet(workload(gpus=(gpu(1, vendor="amd"),))), "llama")
    assert found["Environment"] == [UnitWords(("ROCR_VISIBLE_DEVICES=1",))]


def test_secrets_are_podmans() -> None:
    found = on_quadlet(workload(env={"KEY": SecretKey("a", "b.c")}))
    assert container(found, "llama")["Secret"] == ["home.a.b.c,type=env,target=KEY"]
    job = container(quadlet_home(), "download-models")
    assert job["Secret"] == ["home.hugging-face.token"]
    assert UnitWords(("HF_TOKEN_PATH=/run/secrets/home.hugging-face.token",)) in job["Environment"]


def test_a_download_runs_once_before_those_that_wait() -> None:
    job = body(quadlet_home(), "home-download-models.container")
    assert (job["Service"]["Type"], job["Service"]["RemainAfterExit"]) == ("oneshot", True)
    assert "Install" not in job
    assert body(quadlet_home(), "home-llama.container")["Unit"]["Requires"].words == (
        "home-download-models.service",
    )


def test_volumes() -> None:
    mounts = tuple(
        Mount(volume=name, target=PurePosixPath("/", name), read_only=name == "models")
        for name in ("data", "images", "models")
    )
    found = on_quadlet(workload(mounts=mounts))
    assert container(found, "llama")["Volume"] == [
        "home-data.volume:/data",
        "/srv/comfyui:/images",
        "/mnt/home/models:/models:ro",
    ]
    assert body(found, "home-data.volume") == {"Volume": {"VolumeName": "home-data"}}
    assert body(found, "mnt-home-models.mount")["Mount"]["Options"] == "_netdev,nconnect=16"


def test_urls() -> None:
    chat = workload("chat", env={"URL": ServiceUrl(service="api", path="/v1")})
    api = workload("api", ports=(Port(name="http", number=9),))
    assert UnitWords(("URL=http://api:9/v1",)) in container(on_quadlet(chat, api), "chat")["Environment"]
    lan = replace(api, ports=(Port(name="http", number=9, publish=Publication(port=8, address="0.0.0.0")),))  # noqa: S104
    other = HostDeployment(host=host("rig", address="rig.lan"), workloads=(lan,))
    found = container(on_quadlet(chat, others=(other,)), "chat")
    assert UnitWords(("URL=http://rig.lan:8/v1",)) in found["Environment"]
    assert [finding.kind for finding in findings(on_quadlet(chat))] == ["render/unreachable"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"image": ""}, "quadlet/no-image"), ({"args": ("a", "")}, "quadlet/empty-argument")],
)
def test_what_podman_cannot_run(changes: dict[str, Any], kind: str) -> None:
    assert [finding.kind for finding in findings(on_quadlet(workload(**changes)))] == [kind]


@pytest.mark.parametrize(
    ("volume", "kind"),
    [
        (Volume(path="/srv/a:b"), "render/colon-in-path"),
        (Volume(path="/srv/a", mount_options=["noatime"]), "render/mount-options"),
    ],
)
def test_what_no_volume_can_be(volume: Volume, kind: str) -> None:
    mount = Mount(volume="images", target=PurePosixPath("/images"))
    found = on_quadlet(workload(mounts=(mount,)), volumes={"images": volume})
    assert [finding.kind for finding in findings(found)] == [kind]


def test_who_starts_stops_the_others_first() -> None:
    found = on_quadlet(workload("a", exclusive=("gpu",)), workload("b", exclusive=("gpu",)))
    unit = body(found, "home-a.container")
    assert unit["Unit"]["Conflicts"].words == ("home-b.service",)
    assert "Install" not in unit


def test_limits_are_podmans_and_weights_are_of_the_unit() -> None:
    found = on_quadlet(workload("it", cpu_request=2000, cpu_limit=2500, memory_limit=GIB))
    assert container(found, "it")["PodmanArgs"] == ["--cpus=2.5", f"--memory={GIB}b"]
    assert body(found, "home-it.container")["Service"]["CPUWeight"] == 200
