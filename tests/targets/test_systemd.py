"""Deployments -> units for programs of a host, as value trees."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from stackgen.domain.diagnostic import Diagnostic, Severity
from stackgen.domain.document import UnitArgv, UnitRaw, UnitWords
from stackgen.domain.linked import Publication, SecretKey
from stackgen.domain.stack import Volume
from stackgen.domain.units import GIB
from stackgen.domain.workload import Deployment, HostDeployment, Mount, Port, ServiceUrl, Workload
from stackgen.emit import to_text
from stackgen.targets.systemd import TARGET
from tests.support.golden import assert_tree
from tests.support.workloads import DOWNLOAD, EVERY_FIELD, SEARCH, deployment, gpu, home, host, workload

PLAIN = workload("plain", image="", program="/opt/plain/serve")
WRITES = (Mount(volume="images", target=PurePosixPath("/images")),)


def on_systemd(*workloads: Workload, **options: Any) -> Deployment:
    return deployment(*workloads, platform="systemd", **options)


def systemd_home() -> Deployment:
    """Everybody's machines, without containers."""
    found = home()
    hosts = tuple(replace(item, host=replace(item.host, platform="systemd")) for item in found.hosts)
    memory = {"llama": {0: 20 * GIB, 1: 20 * GIB + 1}}
    return replace(found, hosts=hosts, gpu_memory=memory, downloads=(DOWNLOAD,))


def body(found: Deployment, name: str) -> Any:
    [unit] = [d for d in TARGET.render(found).documents if d.path.name == name]
    return unit.body


def service(found: Deployment, name: str) -> Any:
    return body(found, f"home-{name}.service")["Service"]


def findings(found: Deployment) -> list[Diagnostic]:
    return list(TARGET.render(found).diagnostics)


def errors(found: Deployment) -> list[Diagnostic]:
    return [finding for finding in findings(found) if finding.severity is Severity.ERROR]


def test_the_files_of_a_home(request: pytest.FixtureRequest) -> None:
    rendered = TARGET.render(systemd_home())
    texts = {document.path: to_text(document) for document in rendered.documents}
    assert_tree(Path(__file__).parents[1] / "golden" / "targets" / "systemd", texts, request)
    assert [d.kind for d in rendered.diagnostics] == ["render/expose-without-proxy"]


def test_only_hosts_of_this_platform_are_rendered() -> None:
    other = HostDeployment(host=host("rig"), workloads=(workload("api"),))
    paths = {document.path for document in TARGET.render(on_systemd(SEARCH, others=(other,))).documents}
    assert {path.parts[:2] for path in paths} == {("systemd", "box")}


@pytest.mark.parametrize("field", sorted(TARGET.handles - {"calls", "entrypoint", "offline", "watches"}))
def test_a_program_that_never_had_an_image_answers_every_field(field: str) -> None:
    """Conformance looks at those that have one; this is the other half."""
    ports = EVERY_FIELD["ports"] if field == "listen" else ()
    plain = replace(PLAIN, program="/opt/plain/other", ports=ports)
    set_to = replace(plain, **{field: EVERY_FIELD[field]})
    assert TARGET.render(on_systemd(set_to, SEARCH)) != TARGET.render(on_systemd(plain, SEARCH))


class TestWhoItRunsAs:
    def test_somebody_who_exists_only_meanwhile(self) -> None:
        found = service(on_systemd(PLAIN), "plain")
        assert (found["DynamicUser"], found["ProtectSystem"]) == (True, "strict")

    def test_or_the_owner_of_what_it_keeps(self) -> None:
        found = on_systemd(replace(PLAIN, mounts=WRITES))
        assert service(found, "plain")["User"] == "home"
        assert body(found, "sysusers.conf").values[0][1][1] == 'u home - "keeps the data of home" -'
        [*_, acl] = body(found, "tmpfiles.conf").values[0][1]
        assert acl == "a+ /srv/comfyui - - - - user:home:rwx,default:user:home:rwx"

    def test_or_who_the_stack_says(self) -> None:
        found = service(on_systemd(replace(PLAIN, user="1000:100", mounts=WRITES)), "plain")
        assert (found["User"], found["Group"]) == ("1000", "100")

    def test_but_not_who_an_image_has_inside(self) -> None:
        assert "User" not in service(on_systemd(replace(SEARCH, user="977:977")), "search")

    def test_nobody_is_made_for_nothing(self) -> None:
        names = {d.path.name for d in TARGET.render(on_systemd(PLAIN)).documents}
        assert names == {"home-plain.service", "gate.sh", "install.sh"}

    def test_linux_takes_the_name_of_the_owner(self) -> None:
        found = replace(on_systemd(replace(PLAIN, mounts=WRITES)), name="a" * 63)
        [unit] = [d for d in TARGET.render(found).documents if d.path.suffix == ".service"]
        assert len(unit.body["Service"]["User"]) == 31


class TestSecrets:
    def test_variables_come_from_a_file_of_the_host(self) -> None:
        found = on_systemd(replace(PLAIN, env={"KEY": SecretKey("llama", "key")}))
        assert service(found, "plain")["EnvironmentFile"] == "/var/lib/secrets/home/plain.env"
        assert body(found, "secrets.env.example") == {"KEY": ""}

    def test_a_token_of_a_download_is_a_credential(self) -> None:
        job = service(systemd_home(), "download-models")
        assert job["LoadCredential"] == ["HF_TOKEN:/var/lib/secrets/home/hugging-face/token"]
        assert UnitRaw("HF_TOKEN_PATH=%d/HF_TOKEN") in job["Environment"]


class TestUrls:
    CHAT = replace(PLAIN, name="chat", env={"URL": ServiceUrl(service="api", path="/v1")})

    def test_beside_it(self) -> None:
        api = workload("api", ports=(Port(name="http", number=9),))
        found = service(on_systemd(self.CHAT, api), "chat")
        assert UnitWords(("URL=http://127.0.0.1:9/v1",)) in found["Environment"]

    def test_on_another_host(self) -> None:
        lan = Publication(port=8080, address="0.0.0.0")  # noqa: S104
        api = workload("api", ports=(Port(name="http", number=9, publish=lan),))
        other = HostDeployment(host=host("rig", address="rig.lan"), workloads=(api,))
        found = service(on_systemd(self.CHAT, others=(other,)), "chat")
        assert UnitWords(("URL=http://rig.lan:8080/v1",)) in found["Environment"]

    def test_or_nowhere(self) -> None:
        [finding] = findings(on_systemd(self.CHAT))
        assert (finding.kind, finding.path) == ("render/unreachable", ("services", "chat", "uses"))


class TestFindings:
    @pytest.mark.parametrize("program", ["a program", "/opt/", "./serve", ""])
    def test_what_systemd_cannot_start(self, program: str) -> None:
        found = on_systemd(replace(PLAIN, program=program))
        assert [finding.kind for finding in findings(found)] == ["systemd/program"]
        assert "ExecStart" not in service(found, "plain")

    def test_a_port_that_nothing_maps(self) -> None:
        port = Port(name="http", number=80, publish=Publication(port=8080, address="127.0.0.1"))
        [finding] = errors(on_systemd(replace(PLAIN, ports=(port,))))
        assert (finding.kind, finding.hint) == ("render/port-mapping", "publish: 80")

    def test_a_port_that_two_want(self) -> None:
        port = (Port(name="http", number=80),)
        two = (replace(PLAIN, ports=port), replace(PLAIN, name="other", ports=port))
        [finding] = errors(on_systemd(*two))
        assert (finding.kind, finding.path) == ("render/same-port", ("services", "plain"))
        assert errors(on_systemd(*(replace(w, exclusive=("gpu",)) for w in two))) == []

    @pytest.mark.parametrize(
        ("volume", "kind"),
        [
            (Volume(path="/srv/a:b"), "render/colon-in-path"),
            (Volume(path="/srv/a", mount_options=["noatime"]), "render/mount-options"),
        ],
    )
    def test_what_no_volume_can_be(self, volume: Volume, kind: str) -> None:
        found = on_systemd(replace(PLAIN, mounts=WRITES), volumes={"images": volume})
        assert [finding.kind for finding in findings(found)] == [kind]


def test_what_lies_in_the_home_of_an_image_is_found_there() -> None:
    mount = Mount(volume="data", target=PurePosixPath("/root/.ollama"))
    found = service(on_systemd(replace(PLAIN, mounts=(mount,))), "plain")
    assert found["ProtectHome"] == "tmpfs"
    assert UnitWords(("HOME=/root",)) in found["Environment"]


def test_nfs_is_a_mount_unit_of_the_right_name() -> None:
    mount = body(systemd_home(), "mnt-home-models.mount")["Mount"]
    assert mount["What"] == "192.168.10.133:/mnt/tank/models"
    assert mount["Options"] == "_netdev,nconnect=16"


def test_the_gate_asks_for_what_the_plan_allows() -> None:
    command = service(systemd_home(), "llama")["ExecStartPre"]
    assert isinstance(command, UnitArgv)
    assert command.words[:2] == ("/bin/bash", "/etc/stackgen/home/gate.sh")
    assert "0=20480" in command.words
    assert "1=20481" in command.words


def test_several_cards_may_find_each_other() -> None:
    one, two = replace(PLAIN, gpus=(gpu(0),)), replace(PLAIN, gpus=(gpu(0), gpu(1)))
    assert "AF_NETLINK" not in service(on_systemd(one), "plain")["RestrictAddressFamilies"]
    assert "AF_NETLINK" in service(on_systemd(two), "plain")["RestrictAddressFamilies"]


@pytest.mark.parametrize(("limit", "quota"), [(4000, "400%"), (500, "50%"), (1, "0.1%"), (1250, "125%")])
def test_cpus_are_percents_of_one(limit: int, quota: str) -> None:
    assert service(on_systemd(replace(PLAIN, cpu_limit=limit)), "plain")["CPUQuota"] == quota


@pytest.mark.parametrize(
    ("request_", "weight"), [(1000, 100), (500, 50), (4000, 400), (1, 1), (200_000, 10_000)]
)
def test_a_request_of_cpus_is_a_weight(request_: int, weight: int) -> None:
    assert service(on_systemd(replace(PLAIN, cpu_request=request_)), "plain")["CPUWeight"] == weight


def test_nothing_keeps_memory_free() -> None:
    (finding,) = findings(on_systemd(replace(PLAIN, memory_request=GIB)))
    assert (finding.kind, finding.path) == ("render/request", ("services", "plain", "ram", "request"))
