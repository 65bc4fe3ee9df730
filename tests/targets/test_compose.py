"""Deployments -> compose projects, as value trees."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from stackgen.domain.diagnostic import Diagnostic, Severity
from stackgen.domain.document import Document, Format, Template
from stackgen.domain.linked import Exposure, Publication, SecretKey
from stackgen.domain.stack import Volume
from stackgen.domain.units import GIB, KIB, MIB
from stackgen.domain.workload import (
    ConfigFile,
    Deployment,
    Health,
    HostDeployment,
    Joined,
    Mount,
    Port,
    ServiceUrl,
    Workload,
)
from stackgen.emit import to_text
from stackgen.targets.compose import TARGET
from tests.support.golden import assert_tree
from tests.support.workloads import SEARCH, deployment, gpu, home, host, maximal, workload

LOOPBACK = Publication(port=8080, address="127.0.0.1")
LAN = Publication(port=18080, address="0.0.0.0")  # noqa: S104
USES_API = workload("chat", env={"URL": ServiceUrl(service="api", path="/v1")})


def documents(found: Deployment) -> dict[str, Document]:
    return {str(document.path): document for document in TARGET.render(found).documents}


def project(*workloads: Workload, **options: Any) -> Any:
    return documents(deployment(*workloads, **options))["compose/box/compose.yaml"].body


def service(found: Workload, *others: Workload, **options: Any) -> Any:
    return project(found, *others, **options)["services"][found.name]


def findings(found: Deployment) -> list[Diagnostic]:
    return list(TARGET.render(found).diagnostics)


def two_hosts(publish: Publication | None, address: str | None = "rig.lan") -> Deployment:
    """`chat` on one host uses `api` on another, which is not even on compose."""
    api = workload("api", ports=(Port(name="http", number=8080, publish=publish),))
    other = HostDeployment(host=host("rig", platform="nixos", address=address), workloads=(api,))
    return deployment(USES_API, others=(other,))


def test_the_files_of_a_home(request: pytest.FixtureRequest) -> None:
    rendered = TARGET.render(home())
    texts = {document.path: to_text(document) for document in rendered.documents}
    assert_tree(Path(__file__).parents[1] / "golden" / "targets" / "compose", texts, request)
    assert [d.kind for d in rendered.diagnostics] == ["render/expose-without-proxy"]


def test_the_order_of_hosts_and_services_does_not_matter() -> None:
    found = home()
    turned = replace(
        found,
        hosts=tuple(replace(h, workloads=tuple(reversed(h.workloads))) for h in reversed(found.hosts)),
    )
    assert TARGET.render(turned) == TARGET.render(found)


def test_only_hosts_of_this_platform_are_rendered() -> None:
    assert list(documents(two_hosts(LAN))) == ["compose/box/compose.yaml"]


def test_a_project_keeps_its_name_when_hosts_are_added() -> None:
    assert {body.body["name"] for path, body in documents(home()).items() if "compose.yaml" in path} == {
        "home"
    }


class TestUrls:
    def test_on_the_same_host_by_name_and_container_port(self) -> None:
        api = workload("api", ports=(Port(name="http", number=9000, publish=LAN),))
        assert service(USES_API, api)["environment"] == {"URL": "http://api:9000/v1"}

    @pytest.mark.parametrize(
        ("publish", "address", "url"),
        [
            (LAN, "rig.lan", "http://rig.lan:18080/v1"),
            (LAN, "fd00::5", "http://[fd00::5]:18080/v1"),
            (Publication(port=1, address="10.0.0.9"), None, "http://10.0.0.9:1/v1"),
        ],
    )
    def test_across_hosts_by_address_and_published_port(
        self, publish: Publication, address: str | None, url: str
    ) -> None:
        found = two_hosts(publish, address)
        services = documents(found)["compose/box/compose.yaml"].body["services"]
        assert services["chat"]["environment"] == {"URL": url}
        assert findings(found) == []

    @pytest.mark.parametrize(
        ("publish", "address", "reason"),
        [
            (None, "rig.lan", "listens on no address outside its host"),
            (LOOPBACK, "rig.lan", "listens on no address outside its host"),
            (LAN, None, "has no address"),
        ],
    )
    def test_a_service_out_of_reach_is_an_error(
        self, publish: Publication | None, address: str | None, reason: str
    ) -> None:
        [finding] = findings(two_hosts(publish, address))
        assert finding.kind == "render/unreachable"
        assert finding.severity is Severity.ERROR
        assert finding.path == ("services", "chat", "uses")
        assert reason in finding.message
        assert finding.hint is not None

    @pytest.mark.parametrize(
        ("others", "reason"),
        [((), "not among the services"), ((workload("api"),), "has no port")],
    )
    def test_a_service_without_a_port_or_not_there_is_an_error(
        self, others: tuple[Workload, ...], reason: str
    ) -> None:
        [finding] = findings(deployment(USES_API, *others))
        assert finding.kind == "render/unreachable"
        assert reason in finding.message

    def test_config_files_and_joined_texts_have_them_too(self) -> None:
        url = ServiceUrl(service="search", path="/v1")
        body = {"a": [{"url": url}], "b": Joined((url, ";x;", url)), "c": (url, 1, None)}
        file = ConfigFile(name="c.yaml", target=PurePosixPath("/c.yaml"), format=Format.YAML, body=body)
        found = deployment(workload(config_files=(file,)), SEARCH)
        assert documents(found)["compose/box/llama/c.yaml"].body == {
            "a": [{"url": "http://search:8080/v1"}],
            "b": "http://search:8080/v1;x;http://search:8080/v1",
            "c": ("http://search:8080/v1", 1, None),
        }


class TestSecrets:
    found = deployment(
        workload("a", env={"MASTER": SecretKey("litellm", "master-key")}),
        workload(
            "b", env={"API_KEY": SecretKey("litellm", "master-key"), "HOME": SecretKey("home", "value")}
        ),
    )

    def test_compose_takes_them_from_env_and_refuses_to_start_without(self) -> None:
        services = documents(self.found)["compose/box/compose.yaml"].body["services"]
        assert (
            services["a"]["environment"]["MASTER"]
            == services["b"]["environment"]["API_KEY"]
            == "${SECRET_LITELLM_MASTER_KEY:?set it in .env, as .env.example shows}"
        )

    def test_an_example_lists_each_once_with_who_uses_it(self) -> None:
        example = documents(self.found)["compose/box/.env.example"]
        assert example.body == {"SECRET_HOME_VALUE": "", "SECRET_LITELLM_MASTER_KEY": ""}
        assert "SECRET_LITELLM_MASTER_KEY: MASTER of a, API_KEY of b" in example.header

    def test_the_real_file_stays_out_of_git(self) -> None:
        assert to_text(documents(self.found)["compose/box/.gitignore"]) == ".env\n"

    def test_without_secrets_there_is_nothing_to_fill_in(self) -> None:
        assert list(documents(deployment(workload()))) == ["compose/box/compose.yaml"]

    def test_two_that_would_share_a_variable_are_an_error(self) -> None:
        env = {"A": SecretKey("a-b", "c"), "B": SecretKey("a", "b.c")}
        [finding] = findings(deployment(workload(env=env)))
        assert finding.kind == "compose/same-variable"
        assert finding.path == ("services", "llama", "env", "B")


class TestGpus:
    def test_nvidia_by_uuid_or_index_in_bus_order(self) -> None:
        found = service(workload(gpus=(gpu(2), gpu(0, uuid="GPU-x"))))
        assert found["deploy"]["resources"]["reservations"]["devices"] == [
            {"driver": "nvidia", "device_ids": ["GPU-x", "2"], "capabilities": ["gpu"]}
        ]
        assert found["environment"] == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

    def test_the_user_may_set_another_order(self) -> None:
        found = service(workload(gpus=(gpu(0),), env={"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}))
        assert found["environment"] == {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}

    def test_none_without_a_claim(self) -> None:
        assert {"deploy", "devices", "environment"}.isdisjoint(service(workload()))

    @pytest.mark.parametrize(
        ("vendor", "nodes"),
        [("amd", ["/dev/dri:/dev/dri", "/dev/kfd:/dev/kfd"]), ("intel", ["/dev/dri:/dev/dri"])],
    )
    def test_other_vendors_get_their_device_nodes(self, vendor: str, nodes: list[str]) -> None:
        card = gpu(0, vendor=vendor)
        on = host(gpus=(card,))
        found = service(workload(gpus=(card,)), on=on)
        assert found["devices"] == nodes
        assert {"deploy", "environment"}.isdisjoint(found)
        assert findings(deployment(workload(gpus=(card,)), on=on)) == []

    def test_some_of_several_amd_gpus_cannot_be_chosen(self) -> None:
        cards = (gpu(0, vendor="amd"), gpu(1, vendor="amd"))
        [finding] = findings(deployment(workload(gpus=cards[:1]), on=host(gpus=cards)))
        assert finding.kind == "render/gpu-selection"
        assert finding.severity is Severity.ERROR
        assert "GPU 1 is missing" in finding.message

    @pytest.mark.parametrize(
        ("vendors", "kind"), [(("amd", "nvidia"), "compose/mixed-gpus"), (("apple",), "render/gpu-vendor")]
    )
    def test_what_no_container_can_have_is_an_error(self, vendors: tuple[str, ...], kind: str) -> None:
        cards = tuple(gpu(index, vendor=vendor) for index, vendor in enumerate(vendors))
        [finding] = findings(deployment(workload(gpus=cards), on=host(gpus=cards)))
        assert (finding.kind, finding.path) == (kind, ("services", "llama", "gpus"))

    def test_a_user_that_may_not_open_the_nodes_is_warned_of(self) -> None:
        card = gpu(0, vendor="amd")
        [finding] = findings(deployment(workload(gpus=(card,), user="1000:1000"), on=host(gpus=(card,))))
        assert (finding.kind, finding.severity) == ("render/gpu-group", Severity.WARNING)


class TestOrder:
    def test_waits_for_health_where_there_is_a_check(self) -> None:
        checked = workload("a", health=Health(port=1, path="/"))
        found = service(workload("c", after=("b", "a")), checked, workload("b"))
        assert found["depends_on"] == {
            "a": {"condition": "service_healthy"},
            "b": {"condition": "service_started"},
        }

    def test_does_not_insist_on_what_another_profile_turns_off(self) -> None:
        found = service(workload("c", after=("a",)), workload("a", exclusive=("gpu",)))
        assert found["depends_on"] == {"a": {"condition": "service_started", "required": False}}

    def test_warns_of_what_is_on_another_host(self) -> None:
        [finding] = findings(deployment(workload(after=("far",))))
        assert (finding.kind, finding.severity) == ("render/after-elsewhere", Severity.WARNING)
        assert "depends_on" not in service(workload(after=("far",)))

    def test_members_of_a_group_have_a_profile_and_the_others_have_none(self) -> None:
        found = project(workload("a", exclusive=("gpu",)), workload("b", exclusive=("gpu",)), workload("c"))
        assert [found["services"][name].get("profiles") for name in "abc"] == [["a"], ["b"], None]

    SWITCHED = (
        workload("a", exclusive=("gpu",)),
        workload("b", exclusive=("gpu",)),
        workload("c", gpus=(gpu(2),)),
        workload("d"),
    )
    SCENARIOS = (("alone", ("b",)), ("both", ("a", "c")), ("elsewhere", ("far",)))

    def test_each_scenario_is_a_profile_of_what_it_loads(self) -> None:
        found = replace(deployment(*self.SWITCHED), scenarios=self.SCENARIOS)
        services = documents(found)["compose/box/compose.yaml"].body["services"]
        assert {name: services[name].get("profiles") for name in "abcd"} == {
            "a": ["a", "both"],
            "b": ["b", "alone"],
            "c": ["c", "both"],
            "d": None,
        }
        header = documents(found)["compose/box/compose.yaml"].header
        at = header.index("Scenario both:")
        assert header[at + 1 : at + 3] == (
            "  docker compose --profile '*' stop b",
            "  docker compose --profile both up -d",
        )

    def test_where_everything_may_be_up_at_once_nothing_is_switched(self) -> None:
        found = replace(deployment(*self.SWITCHED[2:]), scenarios=self.SCENARIOS)
        services = documents(found)["compose/box/compose.yaml"].body["services"]
        assert not any("profiles" in service for service in services.values())

    @pytest.mark.parametrize(("loaded", "kinds"), [(("a", "b"), ["compose/same-profile"]), (("a",), [])])
    def test_a_scenario_may_have_the_name_of_what_it_loads_alone(
        self, loaded: tuple[str, ...], kinds: list[str]
    ) -> None:
        found = replace(deployment(*self.SWITCHED), scenarios=(("a", loaded),))
        assert [finding.kind for finding in findings(found)] == kinds

    def test_the_header_says_how_to_change_over(self) -> None:
        found = deployment(workload("a", exclusive=("gpu",)), workload("b", exclusive=("gpu",)))
        header = "\n".join(documents(found)["compose/box/compose.yaml"].header)
        assert "Only one of a, b may be up" in header
        assert "docker compose --profile a up -d" in header


class TestStorage:
    def test_folders_of_the_host_are_bound_and_never_created(self) -> None:
        found = workload(mounts=(Mount(volume="images", target=PurePosixPath("/in"), read_only=True),))
        assert service(found, volumes={"images": Volume(path="/srv/x")})["volumes"][0] == {
            "type": "bind",
            "source": "/srv/x",
            "target": "/in",
            "bind": {"create_host_path": False},
            "read_only": True,
        }
        assert "volumes" not in project(found)

    @pytest.mark.parametrize(
        ("user", "read_only", "added"),
        [(None, False, ["DAC_OVERRIDE"]), ("1000:1000", False, None), (None, True, None)],
    )
    def test_root_may_write_to_folders_of_the_host_that_belong_to_others(
        self, user: str | None, read_only: bool, added: list[str] | None
    ) -> None:
        mount = Mount(volume="images", target=PurePosixPath("/in"), read_only=read_only)
        found = service(workload(mounts=(mount,), user=user))
        assert (found["cap_drop"], found.get("cap_add")) == (["ALL"], added)

    def test_nfs_and_managed_volumes_are_named(self) -> None:
        found = project(
            workload(
                mounts=(
                    Mount(volume="models", target=PurePosixPath("/models"), read_only=True),
                    Mount(volume="data", target=PurePosixPath("/data")),
                )
            )
        )
        assert found["services"]["llama"]["volumes"][:2] == [
            {"type": "volume", "source": "models", "target": "/models", "read_only": True},
            {"type": "volume", "source": "data", "target": "/data"},
        ]
        assert found["volumes"] == {
            "data": {},
            "models": {
                "driver": "local",
                "driver_opts": {
                    "type": "nfs",
                    "o": "addr=192.168.10.133,nconnect=16",
                    "device": ":/mnt/tank/models",
                },
            },
        }

    def test_mount_options_without_nfs_are_warned_of(self) -> None:
        volumes = {"data": Volume(managed=True, mount_options=["noatime"])}
        mounts = (Mount(volume="data", target=PurePosixPath("/data")),)
        [finding] = findings(deployment(workload(mounts=mounts), volumes=volumes))
        assert (finding.kind, finding.path) == (
            "render/mount-options",
            ("volumes", "data", "mount_options"),
        )

    @pytest.mark.parametrize(
        ("read_only_root", "writable", "scratch"),
        [
            (True, ("/cache",), ["/cache", "/tmp"]),  # noqa: S108
            (False, ("/cache",), ["/cache"]),
            (False, (), []),
            (True, ("/data", "/cache"), ["/cache", "/tmp"]),  # noqa: S108
        ],
    )
    def test_what_nobody_keeps_is_in_memory(
        self, read_only_root: bool, writable: tuple[str, ...], scratch: list[str]
    ) -> None:
        found = service(
            workload(
                read_only_root=read_only_root,
                writable=tuple(PurePosixPath(folder) for folder in writable),
                mounts=(Mount(volume="data", target=PurePosixPath("/data")),),
            )
        )
        assert [v["target"] for v in found["volumes"] if v["type"] == "tmpfs"] == scratch
        assert found.get("read_only", False) is read_only_root


class TestConfigFiles:
    @staticmethod
    def label(body: Any, name: str = "c.yaml") -> str:
        file = ConfigFile(name=name, target=PurePosixPath("/c"), format=Format.YAML, body=body)
        return str(service(workload(config_files=(file,)), SEARCH)["labels"]["stackgen.config"])

    def test_are_mounted_read_only(self) -> None:
        assert service(maximal, SEARCH)["volumes"][3] == {
            "type": "bind",
            "source": "./maximal/presets.ini",
            "target": "/config/presets.ini",
            "bind": {"create_host_path": False},
            "read_only": True,
        }

    def test_a_change_recreates_the_container(self) -> None:
        labels = {
            self.label({"a": 1}),
            self.label({"a": "1"}),
            self.label({"a": 1.0}),
            self.label({"b": 1}),
            self.label({"a": 1}, name="d.yaml"),
            self.label({"a": ServiceUrl(service="search")}),
        }
        assert len(labels) == 6

    def test_the_label_is_the_same_on_every_machine(self) -> None:
        # U+A7DC is unassigned in the Unicode tables of Python 3.11 and a letter in those of Python 3.14.
        assert self.label({"ä": ["\ua7dc", "𝔸", True, None, 1.5]}) == "b114471aca339b18"

    def test_the_file_carries_no_doubled_marks(self) -> None:
        assert documents(deployment(maximal, SEARCH))["compose/box/maximal/routes.yaml"].body == {
            "routes": [{"url": "http://search:8080/v1", "note": "$5"}]
        }


@pytest.mark.parametrize(
    ("tool", "test"),
    [
        ("curl", ["CMD", "curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:1/x"]),
        ("wget", ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:1/x"]),
        (
            "python3",
            ["CMD", "python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1/x')"],
        ),
        (
            "bash",
            [
                "CMD",
                "bash",
                "-c",
                (
                    "exec 3<>/dev/tcp/127.0.0.1/1 && printf 'GET %s HTTP/1.0\\r\\n\\r\\n' \"$$0\" >&3 "
                    '&& read -r _ status _ <&3 && [ "$$status" = 200 ]'
                ),
                "/x",
            ],
        ),
    ],
)
def test_health_asks_with_what_the_image_has(tool: Any, test: list[str]) -> None:
    found = service(workload(health=Health(port=1, path="/x", tool=tool, start_period=300)))["healthcheck"]
    assert found == {
        "test": test,
        "interval": "30s",
        "timeout": "5s",
        "retries": 3,
        "start_period": "300s",
        "start_interval": "5s",
    }


@pytest.mark.parametrize(
    ("publish", "hint"),
    [(LOOPBACK, "127.0.0.1:8080"), (None, "add `publish` to services.llama")],
)
def test_a_host_name_without_a_proxy_is_warned_of(publish: Publication | None, hint: str) -> None:
    found = workload(
        ports=(Port(name="http", number=80, publish=publish),), expose=Exposure(hostname="x.example.org")
    )
    [finding] = findings(deployment(found))
    assert (finding.kind, finding.path) == (
        "render/expose-without-proxy",
        ("services", "llama", "expose"),
    )
    assert finding.severity is Severity.WARNING
    assert hint in str(finding.hint)


@pytest.mark.parametrize(
    ("size", "text"),
    [(390 * GIB, "390g"), (1536 * MIB, "1536m"), (5 * KIB, "5k"), (GIB + 1, "1073741825b"), (0, "0g")],
)
def test_sizes_are_exact(size: int, text: str) -> None:
    assert service(workload(memory_limit=size))["mem_limit"] == text


@pytest.mark.parametrize(("limit", "text"), [(4000, "4"), (500, "0.5"), (1250, "1.25")])
def test_cpus_are_decimals(limit: int, text: str) -> None:
    assert service(workload(cpu_limit=limit))["cpus"] == text


def test_docker_creates_no_container_with_more_cpus_than_there_are() -> None:
    box = host(cpus=4000)
    (finding,) = TARGET.render(deployment(workload(cpu_limit=4001), on=box)).diagnostics
    assert (finding.kind, finding.path) == ("compose/cpu-limit", ("services", "llama", "cpus"))
    assert not TARGET.render(deployment(workload(cpu_limit=4000), on=box)).diagnostics
    assert not TARGET.render(deployment(workload(cpu_limit=9000), on=host())).diagnostics


def test_requests_count_for_nothing() -> None:
    found = TARGET.render(deployment(workload(cpu_request=500, memory_request=GIB))).diagnostics
    assert [(d.kind, d.path[2:], d.severity) for d in found] == [
        ("render/request", ("ram", "request"), Severity.WARNING),
        ("render/request", ("cpus", "request"), Severity.WARNING),
    ]


def test_every_string_survives_the_interpolation_of_compose() -> None:
    found = service(workload(args=("$HOME", "$$", "${A:?b}"), env={"K": "a$b"}, user="$"))
    assert found["command"] == ["$$HOME", "$$$$", "$${A:?b}"]
    assert found["environment"] == {"K": "a$$b"}
    assert found["user"] == "$$"


def test_a_config_file_may_be_a_template() -> None:
    body = Template("x.conf", (("upstream", ServiceUrl(service="search")),))
    file = ConfigFile(name="x.conf", target=PurePosixPath("/x"), format=Format.TEXT, body=body)
    found = documents(deployment(workload(config_files=(file,)), SEARCH))["compose/box/llama/x.conf"]
    assert found.body == Template("x.conf", (("upstream", "http://search:8080"),))
