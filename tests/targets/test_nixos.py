"""Deployments -> NixOS modules, as value trees."""

from dataclasses import fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from stackgen.domain.delivery import Deploy
from stackgen.domain.diagnostic import Diagnostic, Severity
from stackgen.domain.document import NixExpr, NixFunction
from stackgen.domain.linked import Publication, SecretKey
from stackgen.domain.stack import Volume
from stackgen.domain.units import GIB
from stackgen.domain.workload import Deployment, HostDeployment, Listen, Mount, Port, ServiceUrl, Workload
from stackgen.emit import to_text
from stackgen.targets.nixos import TARGET
from stackgen.targets.nixos.machine import Machine
from stackgen.targets.nixos.nixtext import interpolated
from tests.support.golden import assert_tree
from tests.support.workloads import DOWNLOAD, EVERY_FIELD, SEARCH, deployment, gpu, home, host, workload

LAN = Publication(port=8080, address="0.0.0.0")  # noqa: S104
API = workload("api", ports=(Port(name="http", number=8080),))
CHAT = workload("chat", env={"URL": ServiceUrl(service="api", path="/v1")})
OLLAMA = workload(
    "ollama",
    engine="ollama",
    program="ollama",
    ports=(Port(name="http", number=11434),),
    listen=Listen(env={"OLLAMA_HOST": "{address}:{port}"}),
)
NATIVE = workload("plain", image="", program="/opt/plain/serve")


def as_native(found: Workload) -> Workload:
    """The same as a program of the host."""
    return replace(found, image="", program="/opt/it/serve")


def on_nixos(*workloads: Workload, **options: Any) -> Deployment:
    return deployment(*workloads, platform="nixos", **options)


def nixos_home() -> Deployment:
    """Everybody's machines, on NixOS; secrets in files, and what the plan allows."""
    found = home()
    hosts = tuple(replace(item, host=replace(item.host, platform="nixos")) for item in found.hosts)
    return replace(found, hosts=hosts, gpu_memory={"llama": {0: 20 * GIB, 1: 20 * GIB + 1}})


def body(found: Deployment) -> Any:
    [module] = [d for d in TARGET.render(found).documents if d.path.name == "default.nix"]
    assert isinstance(module.body, NixFunction)
    return module.body.body


def container(found: Deployment, name: str) -> Any:
    return body(found)["virtualisation"]["oci-containers"]["containers"][f"home-{name}"]


def unit(found: Deployment, name: str) -> Any:
    return body(found)["systemd"]["services"][f"home-{name}"]


def findings(found: Deployment) -> list[Diagnostic]:
    return list(TARGET.render(found).diagnostics)


def test_the_files_of_a_home(request: pytest.FixtureRequest) -> None:
    rendered = TARGET.render(nixos_home())
    texts = {document.path: to_text(document) for document in rendered.documents}
    assert_tree(Path(__file__).parents[1] / "golden" / "targets" / "nixos", texts, request)
    assert [d.kind for d in rendered.diagnostics] == ["render/expose-without-proxy"]


def test_only_hosts_of_this_platform_are_rendered() -> None:
    other = HostDeployment(host=host("rig"), workloads=(API,))
    paths = {document.path for document in TARGET.render(on_nixos(SEARCH, others=(other,))).documents}
    assert {path.parts[:2] for path in paths} == {("nixos", "box")}


class TestWhereAProgramRuns:
    def test_with_an_image_in_a_container(self) -> None:
        found = on_nixos(SEARCH)
        assert container(found, "search")["image"] == SEARCH.image
        assert "ExecStart" not in unit(found, "search")["serviceConfig"]

    def test_without_one_as_a_plain_service(self) -> None:
        found = body(on_nixos(NATIVE))
        assert "virtualisation" not in found
        assert found["systemd"]["services"]["home-plain"]["serviceConfig"]["ExecStart"] == "/opt/plain/serve"

    @pytest.mark.parametrize("program", ["llama-server", "/opt/a program", "/opt/", ""])
    def test_a_plain_service_needs_the_path_of_a_program(self, program: str) -> None:
        found = on_nixos(replace(NATIVE, program=program))
        [finding] = findings(found)
        assert finding.kind == "nixos/program"
        assert finding.severity is Severity.ERROR
        assert "ExecStart" not in unit(found, "plain")["serviceConfig"]

    @pytest.mark.parametrize(
        "field",
        [
            f.name
            for f in fields(Workload)
            if f.name not in ("calls", "image", "entrypoint", "expose", "offline", "reload", "watches")
        ],
    )
    def test_a_plain_service_answers_every_field(self, field: str) -> None:
        """Conformance looks at containers; this is the other half."""
        ports = EVERY_FIELD["ports"] if field == "listen" else ()
        plain = replace(NATIVE, program="/opt/plain/other", ports=ports)
        set_to = replace(plain, **{field: EVERY_FIELD[field]})
        before, after = on_nixos(plain, SEARCH), on_nixos(set_to, SEARCH)
        assert TARGET.render(after) != TARGET.render(before)


class TestUrls:
    @pytest.mark.parametrize(
        ("chat", "api", "url"),
        [
            (CHAT, API, "http://api:8080/v1"),
            (CHAT, as_native(API), "http://host.containers.internal:8080/v1"),
            (as_native(CHAT), as_native(API), "http://127.0.0.1:8080/v1"),
        ],
    )
    def test_on_the_same_host(self, chat: Workload, api: Workload, url: str) -> None:
        found = on_nixos(chat, api)
        place = container(found, "chat") if chat.image else unit(found, "chat")
        assert place["environment"]["URL"] == url
        assert findings(found) == []

    @pytest.mark.parametrize(
        ("address", "url"),
        [
            ("0.0.0.0", "http://127.0.0.1:9000/v1"),  # noqa: S104
            ("127.0.0.1", "http://127.0.0.1:9000/v1"),
            ("10.0.0.9", "http://10.0.0.9:9000/v1"),
        ],
    )
    def test_a_program_of_the_host_sees_a_container_where_it_is_published(
        self, address: str, url: str
    ) -> None:
        published = Port(name="http", number=8080, publish=Publication(port=9000, address=address))
        found = on_nixos(as_native(CHAT), replace(API, ports=(published,)))
        assert unit(found, "chat")["environment"]["URL"] == url
        assert findings(found) == []

    def test_and_nowhere_else(self) -> None:
        [finding] = findings(on_nixos(as_native(CHAT), API))
        assert (finding.kind, finding.path) == ("render/unreachable", ("services", "chat", "uses"))
        assert finding.hint == "add `publish` to services.api"

    def test_another_host_by_its_address(self) -> None:
        api = replace(API, ports=(Port(name="http", number=8080, publish=LAN),))
        other = HostDeployment(host=host("rig", address="rig.lan"), workloads=(api,))
        found = on_nixos(CHAT, others=(other,))
        assert container(found, "chat")["environment"]["URL"] == "http://rig.lan:8080/v1"

    @pytest.mark.parametrize("others", [(), (workload("api"),)])
    def test_a_service_without_a_port_or_not_there_is_an_error(self, others: tuple[Workload, ...]) -> None:
        [finding] = findings(on_nixos(CHAT, *others))
        assert (finding.kind, finding.hint) == ("render/unreachable", None)

    def test_containers_may_call_the_programs_of_the_host(self) -> None:
        firewall = body(on_nixos(CHAT, as_native(API)))["networking"]["firewall"]
        assert firewall["interfaces"] == {"sg-home": {"allowedUDPPorts": [53], "allowedTCPPorts": [8080]}}


class TestGpus:
    def test_by_index_as_long_as_one_has_no_uuid(self) -> None:
        found = on_nixos(workload(gpus=(gpu(1, uuid="GPU-b"), gpu(0))))
        assert container(found, "llama")["devices"] == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]
        assert body(found)["hardware"]["nvidia-container-toolkit"] == {"enable": True}

    def test_by_uuid_when_all_cards_of_the_host_have_one(self) -> None:
        found = on_nixos(workload(gpus=(gpu(1, uuid="GPU-b"), gpu(0, uuid="GPU-a"))))
        assert container(found, "llama")["devices"] == ["nvidia.com/gpu=GPU-a", "nvidia.com/gpu=GPU-b"]
        toolkit = body(found)["hardware"]["nvidia-container-toolkit"]
        assert toolkit == {"enable": True, "device-name-strategy": "uuid"}

    def test_one_container_without_uuids_decides_for_all(self) -> None:
        found = on_nixos(workload("a", gpus=(gpu(0, uuid="GPU-a"),)), workload("b", gpus=(gpu(1),)))
        assert container(found, "a")["devices"] == ["nvidia.com/gpu=0"]

    def test_the_gate_asks_for_what_the_plan_allows(self) -> None:
        found = replace(on_nixos(workload(gpus=(gpu(0), gpu(1)))), gpu_memory={"llama": {0: GIB, 1: GIB + 1}})
        assert "--gpu 0=1024 --gpu 1=1025" in unit(found, "llama")["preStart"].text

    def test_and_only_that_they_are_there_when_nobody_knows(self) -> None:
        assert "--gpu 2=0" in unit(on_nixos(workload(gpus=(gpu(2),))), "llama")["preStart"].text

    def test_of_amd(self) -> None:
        found = on_nixos(workload(gpus=(gpu(1, vendor="amd"),)), on=host(platform="nixos", gpus=()))
        assert container(found, "llama")["devices"] == ["/dev/dri", "/dev/kfd"]
        assert container(found, "llama")["environment"] == {"ROCR_VISIBLE_DEVICES": "1"}
        native = unit(on_nixos(as_native(workload(gpus=(gpu(1, vendor="amd"),)))), "llama")["serviceConfig"]
        assert native["SupplementaryGroups"] == ["render", "video"]

    @pytest.mark.parametrize(
        ("vendor", "kind"), [("intel", "render/gpu-selection"), ("other", "render/gpu-vendor"), ("amd", None)]
    )
    def test_that_cannot_be_given_are_an_error(self, vendor: str, kind: str | None) -> None:
        cards = (gpu(0, vendor=vendor), gpu(1, vendor=vendor))
        found = findings(on_nixos(workload(gpus=cards[:1]), on=host(platform="nixos", gpus=cards)))
        assert [finding.kind for finding in found] == ([kind] if kind else [])


class TestTurns:
    GROUP = (
        workload("b", exclusive=("gpu",)),
        as_native(workload("a", exclusive=("gpu",))),
        workload("c", after=("b",)),
    )

    def test_who_starts_stops_the_others_first(self) -> None:
        found = on_nixos(*self.GROUP)
        assert unit(found, "a")["conflicts"] == ["home-b.service"]
        assert unit(found, "b")["conflicts"] == ["home-a.service"]
        ordered = [
            "home-b.service" in unit(found, "a")["after"],
            "home-a.service" in unit(found, "b")["after"],
        ]
        assert sorted(ordered) == [False, True]

    def test_none_of_them_starts_at_boot(self) -> None:
        found = on_nixos(*self.GROUP)
        assert container(found, "b")["autoStart"] is False
        assert "wantedBy" not in unit(found, "a")
        assert "autoStart" not in container(found, "c")

    def test_who_waits_for_one_of_them_does_not_start_it(self) -> None:
        found = unit(on_nixos(*self.GROUP), "c")
        assert "home-b.service" in found["after"]
        assert "wants" not in found


class TestSecrets:
    FOUND = (workload("llama", env={"KEY": SecretKey("llama", "key"), "A": "1"}), as_native(SEARCH))

    def test_a_file_on_the_host_with_an_example_beside_the_module(self) -> None:
        rendered = {d.path: d for d in TARGET.render(on_nixos(*self.FOUND)).documents}
        assert container(on_nixos(*self.FOUND), "llama")["environmentFiles"] == [
            "/var/lib/secrets/home/llama.env"
        ]
        assert rendered[PurePosixPath("nixos/box/llama/secrets.env.example")].body == {"KEY": ""}
        assert "sops" not in body(on_nixos(*self.FOUND))

    @pytest.mark.parametrize("native", [False, True])
    def test_or_what_agenix_decrypts(self, native: bool) -> None:
        llama = as_native(self.FOUND[0]) if native else self.FOUND[0]
        found = replace(on_nixos(llama), deploy=Deploy(secrets="agenix"))
        file = NixExpr('config.age.secrets."home-llama.env".path')
        place = unit(found, "llama")["serviceConfig"] if native else container(found, "llama")
        assert place["EnvironmentFile" if native else "environmentFiles"] == [file]
        [example] = [d for d in TARGET.render(found).documents if "secrets" in d.path.name]
        assert 'age.secrets."home-llama.env".file' in "\n".join(example.header)

    @pytest.mark.parametrize("native", [False, True])
    def test_or_what_sops_nix_puts_together(self, native: bool) -> None:
        llama = as_native(self.FOUND[0]) if native else self.FOUND[0]
        found = replace(on_nixos(llama), deploy=Deploy(secrets="sops-nix"))
        file = NixExpr('config.sops.templates."home-llama.env".path')
        place = unit(found, "llama")["serviceConfig"] if native else container(found, "llama")
        assert place["EnvironmentFile" if native else "environmentFiles"] == [file]
        content = NixExpr('"KEY=${config.sops.placeholder."llama/key"}\\n"')
        assert body(found)["sops"] == {
            "secrets": {"llama/key": {}},
            "templates": {"home-llama.env": {"content": content, "restartUnits": ["home-llama.service"]}},
        }
        assert not [d for d in TARGET.render(found).documents if "secrets" in d.path.name]


class TestPorts:
    @pytest.mark.parametrize(
        ("address", "spec", "opened"),
        [
            ("0.0.0.0", "9000:8080/tcp", [9000]),  # noqa: S104
            ("::", "[::]:9000:8080/tcp", [9000]),
            ("10.0.0.9", "10.0.0.9:9000:8080/tcp", [9000]),
            ("127.0.0.1", "127.0.0.1:9000:8080/tcp", None),
        ],
    )
    def test_the_firewall_opens_for_those_that_others_reach(
        self, address: str, spec: str, opened: list[int] | None
    ) -> None:
        port = Port(name="http", number=8080, publish=Publication(port=9000, address=address))
        found = on_nixos(workload(ports=(port,)))
        assert container(found, "llama")["ports"] == [spec]
        assert body(found)["networking"]["firewall"].get("allowedTCPPorts") == opened

    def test_a_plain_service_listens_to_containers_that_call_it(self) -> None:
        def host_of(chat: Workload) -> tuple[str, list[int] | None]:
            module = body(replace(on_nixos(OLLAMA, chat), deploy=Deploy(nixos_modules=["ollama"])))
            [bridge] = module["networking"]["firewall"]["interfaces"].values()
            return module["services"]["ollama"]["host"], bridge.get("allowedTCPPorts")

        asks = replace(CHAT, env={"URL": ServiceUrl(service="ollama")})
        assert host_of(replace(CHAT, env={})) == ("127.0.0.1", None)
        assert host_of(asks) == ("0.0.0.0", [11434])  # noqa: S104

    def test_nothing_maps_those_of_a_plain_service(self) -> None:
        def at(number: int) -> Deployment:
            return on_nixos(replace(NATIVE, ports=(Port(name="http", number=number, publish=LAN),)))

        assert findings(at(8080)) == []
        [finding] = findings(at(8000))
        assert (finding.kind, finding.hint) == ("render/port-mapping", "publish: 8000")


class TestVolumes:
    def test_nfs_is_mounted_on_first_use(self) -> None:
        found = on_nixos(workload(mounts=(Mount(volume="models", target=PurePosixPath("/models")),)))
        [(folder, system)] = body(found)["fileSystems"].items()
        assert (folder, system["device"]) == ("/mnt/home/models", "192.168.10.133:/mnt/tank/models")
        assert {"nconnect=16", "_netdev", "x-systemd.automount"} <= set(system["options"])
        assert unit(found, "llama")["unitConfig"] == {"RequiresMountsFor": ["/mnt/home/models"]}

    @pytest.mark.parametrize(
        ("volume", "kind"),
        [
            (Volume(path="/srv/a:b"), "render/colon-in-path"),
            (Volume(path="/srv/a", mount_options=["noatime"]), "render/mount-options"),
        ],
    )
    def test_what_no_volume_can_be(self, volume: Volume, kind: str) -> None:
        mount = Mount(volume="models", target=PurePosixPath("/models"))
        [finding] = findings(on_nixos(workload(mounts=(mount,)), volumes={"models": volume}))
        assert finding.kind == kind
        assert finding.path[:2] == ("volumes", "models")

    def test_managed_storage_is_either_podmans_or_systemds(self) -> None:
        llama = workload(mounts=(Mount(volume="data", target=PurePosixPath("/data")),))
        assert container(on_nixos(llama), "llama")["volumes"] == ["home-data:/data"]
        native = as_native(llama)
        service = unit(on_nixos(native), "llama")["serviceConfig"]
        assert (service["StateDirectory"], service["BindPaths"]) == (
            ["home/data"],
            ["/var/lib/home/data:/data"],
        )
        [finding] = findings(on_nixos(llama, replace(native, name="other")))
        assert finding.kind == "nixos/managed-volume"

    def test_root_in_a_container_may_write_to_a_folder_of_the_host(self) -> None:
        mount = Mount(volume="images", target=PurePosixPath("/images"))
        for changes, expected in (
            ({}, {"ALL": False, "DAC_OVERRIDE": True}),
            ({"user": "1000"}, {"ALL": False}),
            ({"mounts": (replace(mount, read_only=True),)}, {"ALL": False}),
        ):
            found = on_nixos(replace(workload(mounts=(mount,)), **changes))
            assert container(found, "llama")["capabilities"] == expected


def test_a_user_that_owns_nothing_is_a_warning() -> None:
    [finding] = findings(on_nixos(replace(NATIVE, read_only_root=False)))
    assert (finding.kind, finding.severity) == ("render/no-owner", Severity.WARNING)
    assert findings(on_nixos(replace(NATIVE, read_only_root=False, user="1000"))) == []


def test_who_cannot_be_waited_for_is_a_warning() -> None:
    found = on_nixos(replace(NATIVE, after=("elsewhere",)))
    assert [finding.kind for finding in findings(found)] == ["render/after-elsewhere"]
    assert "home-elsewhere.service" not in unit(found, "plain")["after"]


@pytest.mark.parametrize("name", ["home", "a" * 12, "a" * 13, "a" * 63])
def test_linux_takes_the_name_of_the_bridge(name: str) -> None:
    machine = Machine(deployment=replace(on_nixos(), name=name), host=on_nixos().hosts[0], places={})
    assert len(machine.bridge) <= 15
    assert machine.bridge.startswith("sg-")


def test_long_names_of_stacks_have_bridges_of_their_own() -> None:
    names = [f"a-long-name-of-a-stack-{letter}" for letter in "abc"]
    hosts = on_nixos().hosts
    machines = [Machine(deployment=replace(on_nixos(), name=n), host=hosts[0], places={}) for n in names]
    assert len({machine.bridge for machine in machines}) == 3


def test_a_dollar_before_what_is_put_in_stays_a_dollar() -> None:
    assert interpolated("a$", NixExpr("b"), "$").text == '"a\\$${b}\\$"'


class TestDownloads:
    FOUND = replace(nixos_home(), downloads=(DOWNLOAD,))

    def job(self, volume: Volume, *, native: bool = False) -> Any:
        mount = Mount(volume="models", target=PurePosixPath("/models"))
        llama = workload(mounts=(mount,))
        found = on_nixos(as_native(llama) if native else llama, volumes={"models": volume})
        return unit(replace(found, downloads=(replace(DOWNLOAD, hosts=("box",)),)), "download-models")

    def test_run_once_before_those_that_wait(self) -> None:
        [module] = [d for d in TARGET.render(self.FOUND).documents if str(d.path) == "nixos/rig/default.nix"]
        found = module.body.body["systemd"]["services"]
        job = found["home-download-models"]
        assert (job["serviceConfig"]["Type"], job["serviceConfig"]["RemainAfterExit"]) == ("oneshot", True)
        assert job["unitConfig"] == {"RequiresMountsFor": ["/mnt/home/models"]}
        assert job["after"] == job["wants"] == ["network-online.target"]
        assert "--mount /mnt/home/models" in job["preStart"].text
        for relation in ("requires", "after"):
            assert "home-download-models.service" in found["home-llama"][relation]
            assert "home-download-models.service" not in found["home-comfyui"].get(relation, [])
        assert "wantedBy" not in job

    def test_a_plain_service_waits_as_well(self) -> None:
        plain = on_nixos(NATIVE)
        found = replace(plain, downloads=(replace(DOWNLOAD, hosts=("box",), services=("plain",)),))
        assert unit(found, "plain")["requires"] == ["home-download-models.service"]
        assert "requires" not in unit(plain, "plain")

    def test_into_a_folder_of_the_host_they_may_write_there_and_nowhere_else(self) -> None:
        service = self.job(Volume(path="/srv/my $models"))["serviceConfig"]
        assert service["ExecStart"].text.endswith('/download.sh"} \\"/srv/my $$models\\""')
        assert service["ReadWritePaths"] == '"/srv/my $models"'
        assert service["CapabilityBoundingSet"] == "CAP_DAC_OVERRIDE"
        assert (service["ProtectSystem"], service["PrivateDevices"]) == ("strict", True)

    def test_into_storage_that_systemd_keeps(self) -> None:
        service = self.job(Volume(managed=True), native=True)["serviceConfig"]
        assert (service["DynamicUser"], service["StateDirectory"]) == (True, ["home/models"])
        assert service["ExecStart"].text.endswith(' /var/lib/home/models"')
        assert service["CapabilityBoundingSet"] == ""

    def test_into_storage_that_podman_keeps_they_run_in_a_container(self) -> None:
        command = self.job(Volume(managed=True))["serviceConfig"]["ExecStart"].text
        assert "/bin/podman run " in command
        assert " --volume=home-models:/volume " in command
        assert " --env=HF_TOKEN " in command
        assert command.endswith(':/download.sh:ro docker.io/curlimages/curl:8.16.0 sh /download.sh /volume"')

    def test_the_token_is_a_secret_like_others(self) -> None:
        example = PurePosixPath("nixos/rig/download-models/secrets.env.example")
        assert {d.path: d.body for d in TARGET.render(self.FOUND).documents}[example] == {"HF_TOKEN": ""}
        job = self.job(Volume(path="/srv"))["serviceConfig"]
        assert job["EnvironmentFile"] == ["/var/lib/secrets/home/download-models.env"]


class TestModules:
    """Modules of nixpkgs, at most one of each on a host."""

    def findings(self, *workloads: Workload, **volumes: Volume) -> list[tuple[str, str | int]]:
        names = [w.name for w in workloads]
        found = on_nixos(*workloads, **({"volumes": volumes} if volumes else {}))
        told = TARGET.render(replace(found, deploy=Deploy(nixos_modules=names))).diagnostics
        return [(finding.kind, finding.path[-1]) for finding in told]

    PORT = (Port(name="http", number=8080),)

    def test_one_of_each(self) -> None:
        one, two = workload("a", ports=self.PORT), workload("b", ports=self.PORT)
        assert self.findings(one) == []
        assert self.findings(one, two) == [("nixos/no-module", 1)]

    def test_not_for_every_engine(self) -> None:
        assert self.findings(SEARCH) == [("nixos/no-module", 0)]

    def test_for_services_that_there_are(self) -> None:
        found = replace(on_nixos(SEARCH), deploy=Deploy(nixos_modules=["nobody"]))
        assert [finding.kind for finding in findings(found)] == ["nixos/no-module"]

    @pytest.mark.parametrize(
        ("volume", "read_only", "kinds"),
        [
            (Volume(managed=True), False, []),
            (Volume(path="/srv"), True, []),
            (Volume(path="/srv"), False, [("nixos/module-volume", "x")]),
        ],
    )
    def test_they_keep_their_own_data(self, volume: Volume, read_only: bool, kinds: list[Any]) -> None:
        mount = Mount(volume="x", target=PurePosixPath("/x"), read_only=read_only)
        assert self.findings(workload(ports=self.PORT, mounts=(mount,)), x=volume) == kinds

    def test_secrets_of_sops_restart_the_unit_of_the_module(self) -> None:
        chat = workload("chat", engine="open-webui", ports=self.PORT, env={"KEY": SecretKey("a", "b")})
        deploy = Deploy(nixos_modules=["chat"], secrets="sops-nix")
        found = body(replace(on_nixos(chat), deploy=deploy))
        assert found["sops"]["templates"]["open-webui.env"]["restartUnits"] == ["open-webui.service"]


def test_containers_get_their_share_by_podman() -> None:
    found = container(on_nixos(workload("it", cpu_request=2000, cpu_limit=500)), "it")["extraOptions"]
    assert {"--cgroup-conf=cpu.weight=200", "--cpus=0.5"} <= set(found)


def test_programs_get_their_share_by_systemd() -> None:
    found = unit(on_nixos(replace(NATIVE, cpu_request=2000, cpu_limit=500)), "plain")["serviceConfig"]
    assert (found["CPUWeight"], found["CPUQuota"]) == (200, "50%")
