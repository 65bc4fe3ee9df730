"""Units for programs of a host, judged by the real programs: systemd reads them, a shell installs them."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given

from stackgen import app
from stackgen.domain.diagnostic import has_errors
from stackgen.domain.systemd import path_name
from stackgen.domain.workload import Deployment, Mount, Reload
from stackgen.emit import to_text
from stackgen.targets.systemd import TARGET
from tests.support import installing
from tests.support.compose import write
from tests.support.examples import ON_ANY_PLATFORM
from tests.support.hostile import BATCHES, texts
from tests.support.installing import changes
from tests.support.programs import require
from tests.support.unitfile import argv_of, settings_of, words_of
from tests.support.unitroot import exposure, root_with, verify
from tests.support.workloads import DOWNLOAD, READER, SEARCH, maximal, with_presets
from tests.targets.test_systemd import on_systemd, systemd_home

pytestmark = pytest.mark.tool

SERVE = replace(maximal, name="serve", image="", program="/opt/it/serve")
SHUT_IN = replace(SERVE, name="shut-in", capabilities=(), user=None, exclusive=(), gpus=(), mounts=())
DEPLOYMENTS = {
    "home": systemd_home(),
    "everything": on_systemd(maximal, SEARCH),
    "plain": on_systemd(SERVE, SHUT_IN, SEARCH),
}
MOST_EXPOSED = {
    "home": {"chat": 1.4, "comfyui": 1.6, "download-models": 2.1, "llama": 1.6, "search": 1.4},
    "plain": {"serve": 2.1, "shut-in": 1.4},
}
"""What systemd finds of services, 0 to 10; these figures may only fall. NCCL needs netlink for two cards."""


def units(found: Deployment, host: str | None = None) -> dict[str, str]:
    return {
        d.path.name: to_text(d)
        for d in TARGET.render(found).documents
        if d.path.suffix in (".service", ".mount") and host in (None, d.path.parts[1])
    }


FOUND = on_systemd(replace(SHUT_IN, env={}), SEARCH)


def install(tmp_path: Path, found: Deployment, *, uid: int = 0) -> subprocess.CompletedProcess[str]:
    return installing.install(tmp_path, "systemd/box", TARGET.render(found).documents, uid=uid)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_systemd_takes_every_unit(tmp_path: Path, name: str) -> None:
    found = units(DEPLOYMENTS[name])
    root = root_with(found, tmp_path / "root")
    assert {unit: said for unit in found if (said := verify(unit, root))} == {}


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_services_are_shut_in(tmp_path: Path, name: str) -> None:
    root = root_with(units(DEPLOYMENTS[name]), tmp_path / "root")
    found = {unit: exposure(f"home-{unit}.service", root) for unit in MOST_EXPOSED[name]}
    assert all(found[unit] <= most for unit, most in MOST_EXPOSED[name].items()), found


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_unit_that_is_named_exists(name: str) -> None:
    """systemd passes over a misspelt name in silence."""
    found = units(DEPLOYMENTS[name])
    for text in found.values():
        named = {
            word for key, value in settings_of(text)["Unit"] if key in RELATIONS for word in words_of(value)
        }
        assert named <= {*found, "network-online.target"}


RELATIONS = {"After", "Wants", "Requires", "Conflicts"}


def test_a_program_gets_its_words_and_variables() -> None:
    odd = replace(SERVE, env={"MARKS": 'a$b ${C} 100% %n "\n\\'})
    service = settings_of(units(on_systemd(odd, SEARCH))["home-serve.service"])["Service"]
    [command] = [value for key, value in service if key == "ExecStart"]
    assert argv_of(command) == [SERVE.program, *SERVE.args, "--port", "18080"]
    assigned = [argv_of(value.replace("$", "$$"))[0] for key, value in service if key == "Environment"]
    assert dict(item.split("=", 1) for item in assigned)["MARKS"] == odd.env["MARKS"]


@BATCHES
@given(paths=texts)
def test_paths_become_the_names_that_systemd_gives_them(paths: list[str]) -> None:
    odd = re.compile(r"\0|//|(^|/)\.\.?(/|$)")
    short = [path for path in paths if max(len(part.encode()) for part in path.split("/")) < 256]
    found = [f"/{path.strip('/')}" for path in short if not odd.search(path)]
    done = subprocess.run([require("systemd-escape"), "--path", *found], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [path_name(path) for path in found]


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    for name, found in DEPLOYMENTS.items():
        write(tmp_path / name, TARGET.render(found).documents)
    scripts = [str(file) for file in tmp_path.rglob("*.sh")]
    assert {"install.sh", "gate.sh", "download.sh"} <= {Path(script).name for script in scripts}
    done = subprocess.run([require("shellcheck"), *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_users_and_folders_are_made(tmp_path: Path) -> None:
    write(tmp_path, TARGET.render(systemd_home()).documents)
    folder, root = tmp_path / "systemd" / "rig", tmp_path / "root"
    for path in ("etc", "srv/comfyui", "var/lib"):
        root.joinpath(path).mkdir(parents=True)
    for tool, file in (("systemd-sysusers", "sysusers.conf"), ("systemd-tmpfiles", "tmpfiles.conf")):
        options = ["--create"] if tool == "systemd-tmpfiles" else []
        command = [require(tool), f"--root={root}", *options, str(folder / file)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, "rror" in done.stderr) == (0, False), done.stderr
    assert re.search(
        r"^home:.*:keeps the data of home:", root.joinpath("etc/passwd").read_text(), re.MULTILINE
    )
    assert root.joinpath("var/lib/secrets/home").stat().st_mode & 0o777 == 0o700


class TestInstalling:
    def test_links_and_starts(self, tmp_path: Path) -> None:
        done = install(tmp_path, FOUND)
        assert (done.returncode, done.stderr) == (0, "")
        log = changes(tmp_path)
        assert "systemctl link /etc/stackgen/home/home-search.service" in log
        assert log[-2:] == [
            "systemctl enable --now home-search.service home-shut-in.service",
            "systemctl try-restart home-search.service home-shut-in.service",
        ]

    def test_a_second_time_nothing_is_restarted(self, tmp_path: Path) -> None:
        install(tmp_path, FOUND)
        assert install(tmp_path, FOUND).returncode == 0
        assert not any("restart" in line for line in changes(tmp_path))

    def test_what_changed_is(self, tmp_path: Path) -> None:
        install(tmp_path, FOUND)
        install(tmp_path, on_systemd(replace(SHUT_IN, env={}), replace(SEARCH, stop_grace=31)))
        assert changes(tmp_path)[-1] == "systemctl try-restart home-search.service"

    def test_what_can_read_its_files_anew_is_not_restarted_and_finds_them_where_they_were(
        self, tmp_path: Path
    ) -> None:
        file = tmp_path / "root/etc/stackgen/home/reader/presets.ini"
        install(tmp_path, on_systemd(READER))
        there = file.stat().st_ino
        install(tmp_path, on_systemd(READER))
        assert not any("systemctl try-" in line for line in changes(tmp_path))
        install(tmp_path, on_systemd(with_presets(READER, 7)))
        assert changes(tmp_path)[-1] == "systemctl try-reload-or-restart home-reader.service"
        assert (file.stat().st_ino, "ctx-size = 7" in file.read_text()) == (there, True)

    def test_what_a_reload_does_not_take_over_is_a_restart(self, tmp_path: Path) -> None:
        install(tmp_path, on_systemd(READER))
        install(
            tmp_path, on_systemd(replace(with_presets(READER, 7), reload=Reload(path="/r", fixed=("b",))))
        )
        assert changes(tmp_path)[-1] == "systemctl try-restart home-reader.service"

    def test_what_is_asked_before_a_start_restarts_nothing(self, tmp_path: Path) -> None:
        install(tmp_path, FOUND)
        other = on_systemd(replace(SHUT_IN, env={}, ports=SHUT_IN.ports[:1]), SEARCH)
        install(tmp_path, other)
        assert not any("systemctl try-" in line for line in changes(tmp_path))
        unit = "etc/stackgen/home/home-shut-in.service"
        assert "--port 9090" not in (tmp_path / "root" / unit).read_text()

    def test_a_download_of_more_runs_again(self, tmp_path: Path) -> None:
        reader = replace(READER, mounts=(Mount(volume="images", target=PurePosixPath("/models")),))
        download = replace(DOWNLOAD, volume="images", hosts=("box",), services=("reader",), token=None)
        found = replace(on_systemd(reader), downloads=(download,))
        install(tmp_path, found)
        install(tmp_path, replace(found, downloads=(replace(download, files=download.files[:1]),)))
        assert changes(tmp_path)[-1] == "systemctl try-restart home-download-images.service"

    def test_what_is_gone_is_stopped(self, tmp_path: Path) -> None:
        install(tmp_path, FOUND)
        install(tmp_path, on_systemd(replace(SHUT_IN, env={}, after=())))
        assert "systemctl disable --now home-search.service" in changes(tmp_path)

    def test_without_its_secrets_nothing_starts(self, tmp_path: Path) -> None:
        done = install(tmp_path, on_systemd(SHUT_IN, SEARCH))
        assert done.returncode == 1
        assert "/var/lib/secrets/home/shut-in.env" in done.stderr
        assert not any("enable" in line for line in changes(tmp_path))

    def test_only_root_may(self, tmp_path: Path) -> None:
        done = install(tmp_path, FOUND, uid=1000)
        assert (done.returncode, changes(tmp_path)) == (1, [])


@pytest.mark.parametrize("example", ON_ANY_PLATFORM, ids=lambda example: example.parent.name)
def test_every_example_would_run_without_containers(tmp_path: Path, example: Path) -> None:
    stack = tmp_path / "stack.yaml"
    stack.write_text(re.sub(r"platform: \w+", "platform: systemd", example.read_text()))
    loaded = app.load(stack)
    found = app.deploy(app.plan(loaded.stack), "stack.yaml")
    told = TARGET.render(found).diagnostics
    assert not has_errors(d for d in told if d.kind not in ("render/port-mapping", "render/same-port")), told
    for name in {d.path.parts[1] for d in TARGET.render(found).documents}:
        made = units(found, name)
        root = root_with(made, tmp_path / name)
        assert {unit: said for unit in made if (said := verify(unit, root))} == {}
