"""The container beside llama-server: what changes in a ConfigMap reaches the real router; what it refuses is told."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from stackgen.domain.target_defaults import reload_command
from stackgen.domain.workload import Health, Reload
from stackgen.emit import ini
from stackgen.engines.llama_server import ENGINE
from stackgen.engines.llama_server.lower import presets
from tests.support import everything
from tests.support import llama_server as program
from tests.support.config_volume import ConfigVolume
from tests.support.engines import service
from tests.support.programs import require
from tests.support.router import Router, serving
from tests.support.workloads import READER

pytestmark = pytest.mark.tool


@cache
def files() -> dict[str, str]:
    """What a stack with a key for its llama-server renders to."""
    with TemporaryDirectory() as folder:
        _, output = everything.planned("kubernetes", Path(folder))
    return {str(path): file.text for path, file in output.files["kubernetes"].items()}


def pod() -> dict[str, Any]:
    """The template of the service `llama`."""
    template: dict[str, Any] = yaml.safe_load(files()["kubernetes/llama/deployment.yaml"])["spec"]["template"]
    return template


def script() -> str:
    return files()["kubernetes/llama/reload.sh"]


@dataclass(frozen=True)
class Watcher:
    """The container's own command, with its places moved below a folder, and less patience between two looks."""

    folder: Path
    shell: tuple[str, ...]
    port: int
    container: dict[str, Any]

    @property
    def log(self) -> str:
        return (self.folder / "watcher.log").read_text()

    def command(self, words: list[str]) -> list[str]:
        """What the container runs, here."""
        _, _, *rest = words
        moved = [re.sub(r"^/(config|volumes)$", rf"{self.folder}/\1", word) for word in rest]
        return [
            *self.shell,
            str(self.folder / "reload.sh"),
            *(w.replace(":8080/", f":{self.port}/") for w in moved),
        ]

    def state(self) -> tuple[bool, str]:
        """Whether the container is ready, and what its probe says."""
        words = self.container["readinessProbe"]["exec"]["command"]
        done = subprocess.run(self.command(words), capture_output=True, text=True, timeout=10)
        return done.returncode == 0, done.stdout + done.stderr


@contextmanager
def watching(folder: Path, shell: tuple[str, ...], port: int) -> Iterator[Watcher]:
    (container,) = [one for one in pod()["spec"]["containers"] if one["name"] == "reload"]
    text = script().replace("/tmp/", f"{folder}/").replace("sleep 5", "sleep 0.1")  # noqa: S108
    (folder / "reload.sh").write_text(text)
    watcher = Watcher(folder, shell, port, container)
    env = {"PATH": os.environ["PATH"], "RELOAD_KEY": "its key"}
    with (folder / "watcher.log").open("wb") as log:
        command = watcher.command(container["command"])
        process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield watcher
            assert process.poll() is None, watcher.log
        finally:
            process.terminate()
            assert process.wait(5) == 0


def until(what: Callable[[], bool], watcher: Watcher) -> None:
    for _ in range(200):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError((watcher.log, watcher.state()))


def rendered(model: Path, **contexts: int) -> str:
    """The presets of a service with one model under several names."""
    models = ", ".join(f"{name}: {{model: tiny, context: {size}}}" for name, size in contexts.items())
    image = f"ghcr.io/ggml-org/llama.cpp:server-cuda-b{program.build()}"
    linked = service(
        ENGINE, f"gpus: []\nimage: {image}\nmodels: {{{models}}}\nvolumes: {{models: weights}}\n"
    )
    sections = presets(linked, {})
    for name, keys in sections.items():
        if name != "*":
            keys |= {"model": str(model)}
    return ini.dump(sections)


def loaded(router: Router) -> dict[str, str]:
    return {name: model["status"]["value"] for name, model in router.models().items()}


@pytest.mark.parametrize("shell", [("sh",), ("busybox", "sh")], ids=" ".join)
def test_a_router_takes_over_what_changes_and_unloads_nothing_else(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    model = program.loadable_model(tmp_path)
    words = (require(shell[0]), *shell[1:])
    volume = ConfigVolume(tmp_path / "config")
    volume.put({"presets.ini": rendered(model, first=256, second=256)})
    with (
        serving(tmp_path / "config/presets.ini", tmp_path, key="its key") as router,
        watching(tmp_path, words, router.port) as watcher,  # type: ignore[union-attr]
    ):
        assert isinstance(router, Router)
        until(lambda: watcher.state() == (True, ""), watcher)
        assert [router.chat(name)[0] for name in ("first", "second")] == [200, 200]

        volume.put({"presets.ini": rendered(model, first=256, second=512, third=256)})
        until(lambda: "third" in router.models(), watcher)
        assert loaded(router) == {"first": "loaded", "second": "unloaded", "third": "unloaded"}
        until(lambda: watcher.state() == (True, ""), watcher)

        volume.put({"presets.ini": "[first]\nno-such-key = 1\n"})
        until(lambda: not watcher.state()[0], watcher)
        assert "HTTP 500" in watcher.state()[1]
        assert "no-such-key" in watcher.state()[1]
        assert "no-such-key" in watcher.log
        assert loaded(router) == {"first": "loaded", "second": "unloaded", "third": "unloaded"}

        volume.put({"presets.ini": rendered(model, first=256)})
        until(lambda: watcher.state()[0], watcher)
        assert loaded(router) == {"first": "loaded"}


def test_it_waits_for_weights_and_for_a_program_that_is_not_up(tmp_path: Path) -> None:
    model = program.loadable_model(tmp_path)
    volume = ConfigVolume(tmp_path / "config")
    first = {
        "presets.ini": rendered(model, first=256),
        "weights.list": "volume-weights .stackgen/complete-1\n",
    }
    volume.put(first)
    folder = tmp_path / "volumes/volume-weights/.stackgen"
    folder.mkdir(parents=True)
    folder.joinpath("complete-1").touch()
    with watching(tmp_path, (require("sh"),), 9) as watcher:
        time.sleep(0.5)
        assert watcher.state() == (False, "nobody has been asked yet\n")
    with (
        serving(tmp_path / "config/presets.ini", tmp_path) as router,
        watching(tmp_path, (require("sh"),), router.port) as watcher,  # type: ignore[union-attr]
    ):
        assert isinstance(router, Router)
        until(lambda: watcher.state()[0], watcher)
        more = {"presets.ini": rendered(model, first=256, next=256)}
        volume.put(more | {"weights.list": "volume-weights .stackgen/complete-2\n"})
        time.sleep(0.5)
        assert list(router.models()) == ["first"]
        assert watcher.state()[0]
        folder.joinpath("complete-2").touch()
        until(lambda: list(router.models()) == ["first", "next"], watcher)


def test_systemd_asks_the_same_with_the_key_of_the_service(tmp_path: Path) -> None:
    file = tmp_path / "presets.ini"
    file.write_text(f"[first]\nmodel = {tmp_path}/none.gguf\n")
    with serving(file, tmp_path, key="its key") as router:
        assert isinstance(router, Router)
        health = Health(port=router.port, path="/health")
        reload = Reload(path="/models?reload=1", key="LLAMA_API_KEY")
        command = reload_command(replace(READER, health=health, reload=reload), "curl")
        assert command is not None
        file.write_text(f"[second]\nmodel = {tmp_path}/none.gguf\n")
        env = {"PATH": os.environ["PATH"], "LLAMA_API_KEY": "its key"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert list(router.models()) == ["second"]
        file.write_text("[second]\nno-such-key = 1\n")
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
        assert done.returncode != 0
        assert "500" in done.stderr


@pytest.mark.parametrize("shell", ["sh", "dash"])
def test_shellcheck_has_nothing_to_say(shell: str) -> None:
    command = [require("shellcheck"), "-s", shell, "-"]
    done = subprocess.run(command, input=script(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_pod_sees_a_folder_that_changes_and_nothing_in_it_makes_another_pod() -> None:
    template = pod()
    server, watcher = template["spec"]["containers"]
    for container in (server, watcher):
        (mount,) = [m for m in container["volumeMounts"] if m["name"] == "config"]
        assert mount == {"name": "config", "mountPath": "/config", "readOnly": True}
    assert watcher["env"] == [
        {"name": "RELOAD_KEY", "valueFrom": {"secretKeyRef": {"name": "llama", "key": "api-key"}}}
    ]
    assert watcher["image"] != server["image"]
    assert watcher["securityContext"]["readOnlyRootFilesystem"] is True
