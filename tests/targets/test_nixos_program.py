"""NixOS modules, judged by the real programs: nix evaluates them, systemd reads the units, a shell runs the scripts."""

import hashlib
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackgen import app
from stackgen.domain.delivery import Deploy
from stackgen.domain.diagnostic import has_errors
from stackgen.domain.stack import Volume
from stackgen.domain.workload import Deployment
from stackgen.emit import to_text
from stackgen.targets.nixos import TARGET
from tests.support.cli import STACKS, stackgen
from tests.support.compose import write
from tests.support.examples import ON_ANY_PLATFORM
from tests.support.nixos import units
from tests.support.nixos.options import mistakes
from tests.support.programs import require
from tests.support.unitfile import argv_of, settings_of
from tests.support.unitroot import exposure, verify
from tests.support.workloads import DOWNLOAD, SEARCH, VOLUMES, deployment, home, maximal

pytestmark = pytest.mark.tool

SERVE = replace(
    maximal, name="serve", image="", program="/opt/it/serve", env={"MARKS": 'a$b ${C} 100% %n "\n\\'}
)
"""A program of the host that asks for everything; the odd text must reach it."""
SHUT_IN = replace(
    SERVE, name="shut-in", capabilities=(), user=None, read_only_root=True, exclusive=(), gpus=()
)
MOST_EXPOSED = {"home-serve": 2.1, "home-shut-in": 1.4}
"""What systemd finds of plain services, 0 to 10; these figures may only fall.

The first has a capability, and netlink sockets, without which NCCL does not find its two cards.
"""


def on_nixos(found: Deployment, **changes: Any) -> Deployment:
    hosts = tuple(replace(item, host=replace(item.host, platform="nixos")) for item in found.hosts)
    return replace(found, hosts=hosts, **changes)


DEPLOYMENTS = {
    "home": on_nixos(home()),
    "everything": on_nixos(deployment(maximal, SEARCH)),
    "everything-with-agenix": on_nixos(deployment(maximal, SEARCH), deploy=Deploy(secrets="agenix")),
    "everything-with-sops": on_nixos(deployment(maximal, SEARCH), deploy=Deploy(secrets="sops-nix")),
    "downloads": replace(
        on_nixos(home()),
        downloads=(DOWNLOAD, replace(DOWNLOAD, volume="data", hosts=("small",), services=("ollama",))),
    ),
    "downloads-with-sops": on_nixos(home(), downloads=(DOWNLOAD,), deploy=Deploy(secrets="sops-nix")),
    "plain": on_nixos(deployment(SERVE, SHUT_IN, replace(SERVE, name="turn"), SEARCH)),
}


def modules(found: Deployment, folder: Path) -> list[Path]:
    write(folder, TARGET.render(found).documents)
    return sorted(folder.glob("nixos/*/default.nix"))


@pytest.fixture(params=DEPLOYMENTS, scope="module")
def evaluated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp(request.param)
    return [units.evaluate(module) for module in modules(DEPLOYMENTS[request.param], folder)]


def test_systemd_takes_every_unit(evaluated: list[Any], tmp_path: Path) -> None:
    for number, config in enumerate(evaluated):
        found = units.units(config)
        root = tmp_path / str(number)
        units.install(found, root)
        assert {name: said for name in found if (said := verify(name, root))} == {}


def test_every_unit_that_is_named_exists(evaluated: list[Any]) -> None:
    """systemd passes over a misspelt name in silence."""
    provided = {"network-online.target", "nvidia-container-toolkit-cdi-generator.service"}
    for config in evaluated:
        names = {f"{name}.service" for name in config["systemd"]["services"]} | provided
        for service in config["systemd"]["services"].values():
            for relation in ("after", "wants", "requires", "conflicts"):
                assert set(service.get(relation, ())) <= names


def test_what_a_unit_does_at_most_fits_into_its_limits(evaluated: list[Any]) -> None:
    """A restart limit that is never reached restarts for ever."""
    for config in evaluated:
        for service in config["systemd"]["services"].values():
            if service["serviceConfig"].get("Type") == "oneshot":
                assert "Restart" not in service["serviceConfig"]
                continue
            waits = re.search(r"--wait (\d+)", service.get("preStart", "--wait 0"))
            assert waits
            attempt = int(waits[1]) + service["serviceConfig"]["RestartSec"]
            assert service["startLimitBurst"] * attempt < service["startLimitIntervalSec"]
            assert service["serviceConfig"]["Restart"] == "on-failure"
            assert service["serviceConfig"]["TimeoutStartSec"] > int(waits[1])


def test_shells_take_every_script(evaluated: list[Any], tmp_path: Path) -> None:
    for config in evaluated:
        for unit in units.units(config).values():
            for path, text in unit.scripts.items():
                tmp_path.joinpath(path.rsplit("/", 1)[1]).write_text(text.replace("#!/bin/sh", "#!/bin/bash"))
    # Literal dollars in single quotes are meant.
    command = [require("shellcheck"), "--exclude=SC2016", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_plain_services_are_shut_in(tmp_path: Path) -> None:
    [module] = modules(DEPLOYMENTS["plain"], tmp_path)
    root = tmp_path / "root"
    units.install(units.units(units.evaluate(module)), root)
    found = {name: exposure(f"{name}.service", root) for name in MOST_EXPOSED}
    assert all(found[name] <= most for name, most in MOST_EXPOSED.items()), found


def test_a_plain_service_gets_its_words_and_variables(tmp_path: Path) -> None:
    [module] = modules(DEPLOYMENTS["plain"], tmp_path)
    text = units.units(units.evaluate(module))["home-serve.service"].text
    service = settings_of(text)["Service"]
    [command] = [value for key, value in service if key == "ExecStart"]
    assert argv_of(command) == [SERVE.program, *SERVE.args, "--port", "18080"]
    assigned = [argv_of(value.replace("$", "$$"))[0] for key, value in service if key == "Environment"]
    variables = dict(item.split("=", 1) for item in assigned)
    assert variables["MARKS"] == SERVE.env["MARKS"]
    assert variables["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_podman_gets_exactly_what_was_asked_for(tmp_path: Path) -> None:
    """The script of the unit is run, with a stand-in for podman that shows its arguments."""
    [module] = modules(DEPLOYMENTS["everything"], tmp_path)
    scripts = units.units(units.evaluate(module))["home-maximal.service"].scripts
    [start] = [text for path, text in scripts.items() if path.endswith("home-maximal-start")]
    words = run_with(tmp_path, start, podman='printf "%s\\0" "$@"').stdout.split("\0")[:-1]
    assert words[0] == "run"
    image = words.index(maximal.image)
    assert words[image + 1 :] == [*maximal.entrypoint[1:], *maximal.args]
    assert f"--entrypoint={maximal.entrypoint[0]}" in words
    assert {"MARKS=a$b $$ ${C:-d} 100%", "SEARCH_URL=http://search:8080/search?q=<query>"} <= set(words)
    assert {"/mnt/home/models:/models:ro", "127.0.0.1:18080:8080/tcp"} <= set(words)
    assert {"--device=nvidia.com/gpu=0", "--cap-drop=ALL", "--network=home"} <= set(words)
    assert "--env-file" in words
    asked = next(word for word in words if word.startswith("--health-cmd="))
    assert asked.endswith("urlopen('http://127.0.0.1:8080/health?x=$y')\"]")


def test_a_network_is_made_once(tmp_path: Path) -> None:
    [module] = modules(DEPLOYMENTS["everything"], tmp_path)
    [script] = units.units(units.evaluate(module))["home-network.service"].scripts.values()
    shown = 'echo "$@"; test "$2" != exists'
    assert run_with(tmp_path, script, podman=shown).stdout.splitlines() == [
        "network exists home",
        "network create --interface-name=sg-home home",
    ]
    assert run_with(tmp_path, script, podman='echo "$@"').stdout == "network exists home\n"


@pytest.mark.parametrize("deploy", [Deploy(), Deploy(secrets="sops-nix")], ids=["file", "sops"])
def test_a_download_runs_and_is_shut_in(tmp_path: Path, deploy: Deploy) -> None:
    """The command of the unit, as systemd reads it, with a stand-in for curl."""
    volumes = dict(VOLUMES) | {"models": Volume(path=str(tmp_path / "my $models"))}
    tmp_path.joinpath("my $models").mkdir()
    data = b"7 bytes"
    file = replace(DOWNLOAD.files[0], size=7, sha256=hashlib.sha256(data).hexdigest())
    downloads = (replace(DOWNLOAD, files=(file,)),)
    found = on_nixos(home(), downloads=downloads, volumes=volumes, deploy=deploy)
    module = next(m for m in modules(found, tmp_path) if m.parent.name == "rig")
    made = units.units(units.evaluate(module))
    service = dict(settings_of(made["home-download-models.service"].text)["Service"])
    shell, script, folder = argv_of(service["ExecStart"])
    assert shell.endswith("/bin/sh")
    assert script.endswith("-download.sh")
    assert folder == str(tmp_path / "my $models")
    curl = 'while [ "$1" != --output ]; do shift; done; printf "7 bytes" >"$2"; echo 200'
    text = module.with_name("download-models").joinpath("download.sh").read_text()
    done = run_with(tmp_path, text, folder, curl=curl)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(folder, file.target).read_bytes() == data
    units.install(made, tmp_path / "root")
    assert exposure("home-download-models.service", tmp_path / "root") <= 2.1


BY_MODULES = on_nixos(home(), deploy=Deploy(nixos_modules=["llama", "chat", "ollama"]), downloads=(DOWNLOAD,))


def test_modules_of_nixpkgs_run_what_the_stack_asks_them_for(tmp_path: Path) -> None:
    configs = {module.parent.name: units.evaluate(module) for module in modules(BY_MODULES, tmp_path)}
    services = configs["rig"]["services"]
    assert services["llama-cpp"]["modelsPreset"]["coder"] == {
        "model": "/models/coder.gguf",
        "ctx-size": 262144,
    }
    assert services["llama-cpp"]["extraFlags"] == ["--models-max", "1"]
    # Search and ComfyUI are containers, and call nobody.
    assert (services["open-webui"]["host"], services["open-webui"]["port"]) == ("127.0.0.1", 3000)
    assert services["llama-cpp"]["host"] == "192.168.10.20"
    assert configs["small"]["services"]["ollama"]["port"] == 11434
    for name, config in configs.items():
        found = units.units(config)
        units.install(found, tmp_path / name)
        assert {unit: said for unit in found if (said := verify(unit, tmp_path / name))} == {}
    unit = configs["rig"]["systemd"]["services"]["llama-cpp"]
    assert unit["conflicts"] == ["home-comfyui.service"]
    assert unit["wantedBy"] == []
    assert "home-download-models.service" in unit["requires"]
    assert "--gpu 0=" in unit["preStart"]
    assert unit["serviceConfig"]["BindReadOnlyPaths"][0] == "/mnt/home/models:/models"
    chat = configs["rig"]["systemd"]["services"]["open-webui"]
    assert chat["serviceConfig"]["EnvironmentFile"] == ["/var/lib/secrets/home/chat.env"]
    assert chat["environment"]["OPENAI_API_BASE_URLS"].startswith("http://192.168.10.20:8080/v1")


def test_config_files_come_from_beside_the_module(tmp_path: Path) -> None:
    [module] = modules(DEPLOYMENTS["everything"], tmp_path)
    module.with_name("maximal").joinpath("presets.ini").unlink()
    with pytest.raises(AssertionError, match=r"presets\.ini"):
        units.evaluate(module)


@pytest.mark.parametrize("example", ON_ANY_PLATFORM, ids=lambda example: example.parent.name)
def test_every_example_would_run_on_nixos(tmp_path: Path, example: Path) -> None:
    stack = tmp_path / "stack.yaml"
    stack.write_text(re.sub(r"platform: \w+", "platform: nixos", example.read_text()))
    loaded = app.load(stack)
    found = app.deploy(app.plan(loaded.stack), "stack.yaml")
    assert not has_errors(TARGET.render(found).diagnostics)
    for module in modules(found, tmp_path):
        config = units.evaluate(module)
        root = tmp_path / "root" / module.parent.name
        units.install(units.units(config), root)
        said = {name: verify(name, root) for name in units.units(config)}
        assert set(said.values()) == {""}, said


def test_the_example_of_a_nixos_machine(tmp_path: Path) -> None:
    run = stackgen("render", STACKS / "nixos-box", "-o", tmp_path)
    assert run.status == 0, run.err
    config = units.evaluate(tmp_path / "nixos" / "hydra-ai" / "default.nix")
    services = config["systemd"]["services"]
    assert "--gpu 0=" in services["hydra-llama"]["preStart"]
    assert " --gpu 0=0 " not in services["hydra-llama"]["preStart"]
    assert services["hydra-tabbyapi"]["serviceConfig"]["ExecStart"].startswith(
        "/opt/tabbyapi/venv/bin/python "
    )
    assert config["fileSystems"]["/mnt/hydra/models"]["options"][-1] == "nconnect=8"


class TestTheCheckerItself:
    """It must see what it is there for."""

    def changed(self, tmp_path: Path, before: str, after: str) -> Path:
        [module] = modules(DEPLOYMENTS["everything"], tmp_path)
        text = module.read_text()
        assert before in text
        module.write_text(text.replace(before, after, 1))
        return module

    @pytest.mark.parametrize(
        ("before", "after", "said"),
        [
            ('lib.mkForce "on-failure"', '"on-failure"', "conflicting definitions for systemd.services"),
            ("startLimitBurst = 5", "StartLimitBurst = 5", "there is no option systemd.services"),
            ("startLimitBurst = 5", 'startLimitBurst = "5"', "has a value of the wrong type: '5'"),
            ("pkgs.util-linux", "pkgs.utillinux", "attribute 'utillinux' missing"),
            ('"home-network.service"', '"home network"', "value of the wrong type"),
            ("networking.firewall", "networking.fireball", "there is no option networking.fireball"),
        ],
    )
    def test_nixos_would_refuse(self, tmp_path: Path, before: str, after: str, said: str) -> None:
        with pytest.raises(AssertionError, match=re.escape(said)):
            units.evaluate(self.changed(tmp_path, before, after))

    @pytest.mark.parametrize(
        ("before", "after", "said"),
        [
            ("RestartSec = 30", "RestartSecs = 30", "'RestartSecs'"),
            ("RestartSec = 30", 'RestartSec = "soon"', "Failed to parse"),
        ],
    )
    def test_systemd_would_pass_over(self, tmp_path: Path, before: str, after: str, said: str) -> None:
        found = units.units(units.evaluate(self.changed(tmp_path, before, after)))
        units.install(found, tmp_path / "root")
        assert said in verify("home-maximal.service", tmp_path / "root")

    def test_options_are_checked_at_every_depth(self) -> None:
        assert list(mistakes({"fileSystems": {"/a": {"device": 1}}})) == [
            "fileSystems./a.device has a value of the wrong type: 1"
        ]


SMI = """
case $1 in --id=9) echo "No devices were found"; exit 6 ;; esac
cat "$(dirname "$0")/free"
"""


def run_with(folder: Path, script: str, *arguments: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run a script with stand-ins for programs."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    for name, text in programs.items():
        tool = tools / name.replace("_", "-")
        tool.write_text(f"#!/bin/sh\n{text}\n")
        tool.chmod(0o755)
    file = folder / "script.sh"
    file.write_text(script)
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    command = [require("bash"), str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=30)


class TestTheGate:
    def gate(self, folder: Path, line: str, *, free: str = "8000") -> subprocess.CompletedProcess[str]:
        [script] = [d for d in TARGET.render(DEPLOYMENTS["plain"]).documents if d.path.name == "gate.sh"]
        folder.joinpath("bin").mkdir(exist_ok=True)
        folder.joinpath("bin", "free").write_text(f"{free}\n")
        return run_with(folder, to_text(script), *shlex.split(line), nvidia_smi=SMI)

    @pytest.fixture
    def taken(self) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield server.getsockname()[1]

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "--wait 0 --device /dev/null --device /dev --gpu 0=8000 --mount /proc --folder / --port 1",
            "--gpu GPU-4a3c=7999",
        ],
    )
    def test_lets_pass(self, tmp_path: Path, line: str) -> None:
        done = self.gate(tmp_path, line)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("--device /dev/no-such-device", "there is no /dev/no-such-device: is the driver loaded?"),
            ("--device /etc/passwd", "there is no /etc/passwd"),
            ("--gpu 9=0", "nvidia-smi does not see GPU 9"),
            ("--gpu 0=8001", "GPU 0 has less than 8001 MiB free"),
            ("--mount /etc", "/etc is not mounted"),
            ("--mount /no/such/folder", "/no/such/folder is not mounted"),
            ("--folder /etc/passwd", "there is no folder /etc/passwd"),
            ("--frobnicate 1", "the gate does not know --frobnicate"),
            ("--device", "the gate does not know --device"),
        ],
    )
    def test_holds_back(self, tmp_path: Path, line: str, said: str) -> None:
        done = self.gate(tmp_path, line)
        assert done.returncode == 1
        assert done.stderr.startswith("not started: ")
        assert said in done.stderr

    def test_holds_back_while_the_driver_answers_nonsense(self, tmp_path: Path) -> None:
        assert "does not see GPU 0" in self.gate(tmp_path, "--gpu 0=1", free="[N/A]").stderr

    def test_holds_back_while_somebody_listens(self, tmp_path: Path, taken: int) -> None:
        done = self.gate(tmp_path, f"--port {taken}")
        assert done.returncode == 1
        assert f"another program listens on port {taken}" in done.stderr

    def test_waits(self, tmp_path: Path) -> None:
        """A second later the memory is there."""
        slow = 'f=$(dirname "$0")/asked; if [ -e "$f" ]; then echo 9000; else touch "$f"; echo 10; fi'
        [script] = [d for d in TARGET.render(DEPLOYMENTS["plain"]).documents if d.path.name == "gate.sh"]
        done = run_with(tmp_path, to_text(script), "--wait", "20", "--gpu", "0=8000", nvidia_smi=slow)
        assert (done.returncode, done.stderr) == (0, "")

    def test_shellcheck_has_nothing_to_say(self, tmp_path: Path) -> None:
        [script] = [d for d in TARGET.render(DEPLOYMENTS["plain"]).documents if d.path.name == "gate.sh"]
        tmp_path.joinpath("gate.sh").write_text(to_text(script))
        command = [require("shellcheck"), "--enable=all", "--exclude=SC2250,SC2310,SC2312"]
        done = subprocess.run([*command, str(tmp_path / "gate.sh")], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
