"""What the real Docker Compose makes of the projects."""

import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackgen import app
from stackgen.domain.document import Document
from stackgen.domain.units import GIB
from stackgen.domain.workload import Deployment
from stackgen.targets.compose import TARGET
from tests.support import compose
from tests.support.cli import STACKS
from tests.support.workloads import SEARCH, deployment, gpu, home, host, maximal, workload

pytestmark = pytest.mark.tool

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30) | st.text(
    "${}:?-aA", max_size=12
)


def written(folder: Path, found: Deployment, secrets: str = "x") -> Path:
    """The project of the first host on disk, with every secret filled in."""
    rendered = TARGET.render(found).documents
    compose.write(folder, rendered)
    for example in (d for d in rendered if d.path.name == ".env.example"):
        filled = "".join(f"{name}='{secrets}'\n" for name in example.body)
        folder.joinpath(example.path.parent, ".env").write_text(filled)
    return folder / "compose" / found.hosts[0].host.name


def body(found: Deployment) -> Any:
    document: Document = TARGET.render(found).documents[0]
    return document.body


@pytest.mark.parametrize(
    ("profiles", "services"),
    [
        ([], {"chat", "search"}),
        (["llama"], {"chat", "search", "llama"}),
        (["comfyui"], {"chat", "search", "comfyui"}),
        (["*"], {"chat", "search", "comfyui", "llama"}),
    ],
)
def test_a_home_in_each_of_its_states(tmp_path: Path, profiles: list[str], services: set[str]) -> None:
    assert set(compose.config(written(tmp_path, home()), *profiles)["services"]) == services


def test_the_profile_of_a_scenario_starts_exactly_what_it_loads(tmp_path: Path) -> None:
    """For every example with exclusive groups on a compose host."""
    seen = 0
    for example in sorted(STACKS.glob("*/stack.yaml")):
        loaded = app.load(example)
        found = app.deploy(app.plan(loaded.stack), "stack.yaml")
        compose.write(tmp_path / example.parent.name, TARGET.render(found).documents)
        for item in (h for h in found.hosts if h.host.platform == "compose"):
            folder = tmp_path / example.parent.name / "compose" / item.host.name
            if (folder / ".env.example").is_file():
                variables = re.findall(r"(?m)^(SECRET_\w+)=", (folder / ".env.example").read_text())
                folder.joinpath(".env").write_text("".join(f"{name}=x\n" for name in variables))
            always = set(compose.config(folder)["services"])
            switched = {w.name for w in item.workloads} - always
            for scenario, services in found.scenarios if switched else ():
                up = set(compose.config(folder, scenario)["services"])
                assert up - always == set(services) & switched, (example, scenario)
                seen += 1
    assert seen


def test_what_compose_does_not_check_holds_as_well(tmp_path: Path) -> None:
    """Binds have sources, only what is checked is awaited, and what runs together shares no port or GPU."""
    project = written(tmp_path, home())
    services: Mapping[str, Any] = compose.config(project, "*")["services"]
    ours = [
        Path(volume["source"])
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind" and volume["source"].startswith(str(project))
    ]
    assert ours
    assert all(source.is_file() for source in ours)
    for service in services.values():
        for name, dependency in service.get("depends_on", {}).items():
            assert dependency["condition"] == "service_healthy"
            assert services[name]["healthcheck"]["test"]
    for first, second in combinations(services.values(), 2):
        if first.get("profiles") and second.get("profiles"):
            continue
        assert ports(first).isdisjoint(ports(second))
        assert gpus(first).isdisjoint(gpus(second))


def ports(service: Any) -> set[tuple[str, str]]:
    return {(port["host_ip"], port["published"]) for port in service.get("ports", [])}


def gpus(service: Any) -> set[str]:
    devices = service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
    return {identifier for device in devices for identifier in device["device_ids"]}


def test_everything_that_can_be_asked_for(tmp_path: Path) -> None:
    found = compose.config(written(tmp_path, deployment(maximal, SEARCH)), "*")["services"]["maximal"]
    assert found["command"] == list(maximal.args)
    assert found["environment"] == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "PLAIN": "no",
        "MARKS": "a$b $$ ${C:-d} 100%",
        "SEARCH_URL": "http://search:8080/search?q=<query>",
        "URLS": "http://search:8080;http://search:8080/v1",
        "API_KEY": "x",
    }
    assert found["mem_limit"] == str(390 * GIB)
    assert found["shm_size"] == str(8 * GIB)
    assert found["ulimits"] == {"memlock": {"soft": -1, "hard": -1}}
    assert found["healthcheck"]["start_period"] == "10m0s"
    assert found["healthcheck"]["test"][-1].endswith("urlopen('http://127.0.0.1:8080/health?x=$y')")
    assert found["stop_grace_period"] == "2m0s"
    assert found["user"] == "1000:1000"
    assert gpus(found) == {"GPU-4a3c5b1e-0000-1111-2222-333344445555", "1"}
    assert [volume["target"] for volume in found["volumes"]] == [
        "/models",
        "/data",
        "/images",
        "/config/presets.ini",
        "/etc/maximal/routes.yaml",
        "/var/cache/maximal",
    ]


def test_amd_gpus(tmp_path: Path) -> None:
    card = gpu(0, vendor="amd")
    found = compose.config(written(tmp_path, deployment(workload(gpus=(card,)), on=host(gpus=(card,)))))
    assert [device["source"] for device in found["services"]["llama"]["devices"]] == ["/dev/dri", "/dev/kfd"]


@pytest.mark.parametrize("env", [None, "", "SECRET_LITELLM_MASTER_KEY=\n"])
def test_a_missing_secret_stops_compose(tmp_path: Path, env: str | None) -> None:
    project = written(tmp_path, deployment(maximal, SEARCH))
    project.joinpath(".env").unlink()
    if env is not None:
        project.joinpath(".env").write_text(env)
    done = compose.run(project, "*")
    assert done.returncode != 0
    assert "SECRET_LITELLM_MASTER_KEY is missing a value: set it in .env" in done.stderr


def test_the_example_alone_is_not_enough(tmp_path: Path) -> None:
    project = written(tmp_path, deployment(maximal, SEARCH))
    project.joinpath(".env.example").replace(project / ".env")
    assert compose.run(project, "*").returncode != 0


def test_quoted_secrets_arrive_as_they_are(tmp_path: Path) -> None:
    project = written(tmp_path, deployment(maximal, SEARCH), secrets='p$4 ${X} \\n "#')
    found = compose.config(project, "*")["services"]["maximal"]["environment"]["API_KEY"]
    assert found == 'p$4 ${X} \\n "#'


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT, min_size=1, max_size=40))
def test_any_string_arrives_as_it_is(tmp_path: Path, texts: list[str]) -> None:
    found = workload(args=tuple(texts), env={f"K{index}": text for index, text in enumerate(texts)})
    seen = compose.config(written(tmp_path, deployment(found)))["services"]["llama"]
    assert seen["command"] == texts
    assert [seen["environment"][f"K{index}"] for index in range(len(texts))] == texts
