"""Quadlets, judged by the real programs: Podman makes units of them, systemd reads these, a shell installs them."""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen import app
from stackgen.domain.diagnostic import has_errors
from stackgen.domain.workload import Deployment
from stackgen.emit.unit import why_not_word
from stackgen.targets.quadlet import TARGET
from tests.support import installing
from tests.support.compose import write
from tests.support.examples import ON_ANY_PLATFORM
from tests.support.hostile import BATCHES, argvs
from tests.support.installing import changes
from tests.support.programs import require
from tests.support.unitfile import expanded, resolved, settings_of, words_of
from tests.support.unitroot import root_with, verify
from tests.support.workloads import READER, SEARCH, maximal, with_presets, workload
from tests.targets.test_quadlet import on_quadlet, quadlet_home

pytestmark = pytest.mark.tool

DEPLOYMENTS = {"home": quadlet_home(), "everything": on_quadlet(maximal, SEARCH)}


def generated(folder: Path) -> dict[str, str]:
    """The units that Podman makes of the quadlets of a folder; fails on any complaint."""
    options = {"QUADLET_UNIT_DIRS": str(folder)}
    done = subprocess.run(
        [require("quadlet"), "-dryrun"], env=options, capture_output=True, text=True, cwd=folder
    )
    complaints = [line for line in done.stderr.splitlines() if "Loading source unit file" not in line]
    assert not complaints, "; ".join(complaints)
    assert done.returncode == 0
    parts = re.split(r"(?m)^---(\S+)---$", done.stdout)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def units(found: Deployment, folder: Path, host: str) -> dict[str, str]:
    """The units of a host: those that Podman makes, and those that stand there already."""
    write(folder, TARGET.render(found).documents)
    place = folder / "quadlet" / host
    return generated(place) | {file.name: file.read_text() for file in place.glob("*.mount")}


def words(unit: str) -> list[str]:
    """What Podman is started with."""
    [command] = [value for key, value in settings_of(unit)["Service"] if key == "ExecStart"]
    return words_of(command)


def options(unit: str, name: str) -> list[str]:
    """The values of an option, as systemd hands them on."""
    all_words = words(unit)
    values = [b for a, b in pairwise(all_words) if a == name]
    return [expanded(resolved(value)) for value in values]


def after_image(unit: str, image: str) -> list[str]:
    all_words = words(unit)
    return [expanded(resolved(word)) for word in all_words[all_words.index(image) + 1 :]]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_systemd_takes_every_unit_that_podman_makes(tmp_path: Path, name: str) -> None:
    for item in DEPLOYMENTS[name].hosts:
        found = units(DEPLOYMENTS[name], tmp_path / "files", item.host.name)
        assert {f"home-{w.name}.service" for w in item.workloads} <= found.keys()
        plain = {unit: text.replace("X-Container", "X-Other") for unit, text in found.items()}
        root = root_with(plain, tmp_path / item.host.name)
        assert {unit: said for unit in found if (said := verify(unit, root))} == {}


def test_every_unit_that_is_named_exists(tmp_path: Path) -> None:
    """systemd passes over a misspelt name in silence."""
    relations = {"After", "Wants", "Requires", "Conflicts"}
    for item in quadlet_home().hosts:
        found = units(quadlet_home(), tmp_path, item.host.name)
        for text in found.values():
            head = settings_of(text)["Unit"]
            named = {word for key, value in head if key in relations for word in words_of(value)}
            assert named <= {*found, "network-online.target"}


def test_podman_gets_exactly_what_was_asked_for(tmp_path: Path) -> None:
    unit = units(DEPLOYMENTS["everything"], tmp_path, "box")["home-maximal.service"]
    assert after_image(unit, maximal.image) == list(maximal.args)
    assert {"MARKS=a$b $$ ${C:-d} 100%", "SEARCH_URL=http://search:8080/search?q=<query>"} <= set(
        options(unit, "--env")
    )
    assert json.loads(options(unit, "--entrypoint")[0]) == list(maximal.entrypoint)
    assert json.loads(options(unit, "--health-cmd")[0])[-1].endswith(
        "urlopen('http://127.0.0.1:8080/health?x=$y')"
    )
    assert options(unit, "--user") == ["1000:1000"]
    assert options(unit, "--cap-drop") == ["all"]
    assert options(unit, "--secret") == ["home.litellm.master-key,type=env,target=API_KEY"]
    assert options(unit, "--device") == [
        "nvidia.com/gpu=GPU-4a3c5b1e-0000-1111-2222-333344445555",
        "nvidia.com/gpu=1",
    ]
    assert options(unit, "--publish") == ["127.0.0.1:18080:8080/tcp"]
    assert {"--init", "--sdnotify=healthy", "--security-opt=no-new-privileges"} <= set(words(unit))


WRITABLE = argvs.map(lambda words: [word for word in words if word and why_not_word(word) is None])
ENVIRONMENTS = st.dictionaries(
    st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), WRITABLE.map("".join), max_size=9
)


@settings(BATCHES, max_examples=25)
@given(argv=WRITABLE, env=ENVIRONMENTS)
def test_any_words_and_variables_come_through(
    tmp_path_factory: pytest.TempPathFactory, argv: list[str], env: Mapping[str, str]
) -> None:
    found = on_quadlet(workload(args=tuple(argv), env=env))
    unit = units(found, tmp_path_factory.mktemp("any"), "box")["home-llama.service"]
    assert after_image(unit, workload().image) == argv
    assert set(options(unit, "--env")) == {f"{name}={value}" for name, value in env.items()}


def test_an_empty_argument_would_be_lost_with_all_that_follow(tmp_path: Path) -> None:
    """Why `quadlet/empty-argument` is an error; if this fails, it need not be one any longer."""
    unit = units(on_quadlet(workload(args=("a", "", "b"))), tmp_path, "box")["home-llama.service"]
    assert after_image(unit, workload().image) == ["a"]


def test_the_generator_sees_a_misspelt_key(tmp_path: Path) -> None:
    tmp_path.joinpath("a.container").write_text("[Container]\nImage=a:1\nReadonly=true\n")
    with pytest.raises(AssertionError, match="unsupported key 'Readonly'"):
        generated(tmp_path)


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    for name, found in DEPLOYMENTS.items():
        write(tmp_path / name, TARGET.render(found).documents)
    scripts = [str(file) for file in tmp_path.rglob("*.sh")]
    done = subprocess.run([require("shellcheck"), *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


class TestInstalling:
    FOUND = on_quadlet(SEARCH, replace(maximal, name="serve", after=()))
    SECRETS = ("home.litellm.master-key",)

    def install(self, folder: Path, found: Deployment, *secrets: str) -> subprocess.CompletedProcess[str]:
        return installing.install(folder, "quadlet/box", TARGET.render(found).documents, secrets=secrets)

    def test_copies_links_and_starts(self, tmp_path: Path) -> None:
        done = self.install(tmp_path, self.FOUND, *self.SECRETS)
        assert (done.returncode, done.stderr) == (0, "")
        copied = {file.name for file in (tmp_path / "root/etc/containers/systemd/home").iterdir()}
        assert {"home.network", "home-search.container", "home-data.volume"} <= copied
        assert changes(tmp_path)[-2:] == [
            "systemctl start home-search.service",
            "systemctl try-restart home-search.service home-serve.service",
        ]
        assert "systemctl link /etc/stackgen/home/mnt-home-models.mount" in changes(tmp_path)

    def test_what_can_read_its_files_anew_finds_them_where_they_were(self, tmp_path: Path) -> None:
        file = tmp_path / "root/etc/stackgen/home/reader/presets.ini"
        self.install(tmp_path, on_quadlet(READER))
        there = file.stat().st_ino
        self.install(tmp_path, on_quadlet(with_presets(READER, 7)))
        assert changes(tmp_path)[-1] == "systemctl try-reload-or-restart home-reader.service"
        assert (file.stat().st_ino, "ctx-size = 7" in file.read_text()) == (there, True)

    def test_what_is_gone_is_stopped(self, tmp_path: Path) -> None:
        self.install(tmp_path, self.FOUND, *self.SECRETS)
        self.install(tmp_path, on_quadlet(SEARCH))
        assert "systemctl stop home-serve.service" in changes(tmp_path)
        assert not (tmp_path / "root/etc/containers/systemd/home/home-serve.container").exists()

    def test_without_its_secrets_nothing_starts(self, tmp_path: Path) -> None:
        done = self.install(tmp_path, self.FOUND)
        assert done.returncode == 1
        assert self.SECRETS[0] in done.stderr
        assert not any(" start" in line for line in changes(tmp_path))


@pytest.mark.parametrize("example", ON_ANY_PLATFORM, ids=lambda example: example.parent.name)
def test_every_example_would_run_with_podman(tmp_path: Path, example: Path) -> None:
    stack = tmp_path / "stack.yaml"
    stack.write_text(re.sub(r"platform: \w+", "platform: quadlet", example.read_text()))
    loaded = app.load(stack)
    found = app.deploy(app.plan(loaded.stack), "stack.yaml")
    told = TARGET.render(found).diagnostics
    assert not has_errors(d for d in told if d.kind != "quadlet/no-image"), told
    for item in found.hosts:
        if all(w.image for w in item.workloads):
            made = units(found, tmp_path, item.host.name)
            assert {f"{found.name}-{w.name}.service" for w in item.workloads} <= made.keys()
