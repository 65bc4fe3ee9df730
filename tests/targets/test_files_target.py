"""Deployments -> config files and start scripts for people; the scripts are run by a real shell."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from stackgen.domain.document import Format
from stackgen.domain.linked import SecretKey
from stackgen.domain.workload import ConfigFile, Deployment, HostDeployment, Port, ServiceUrl, Workload
from stackgen.emit import to_text
from stackgen.targets.files import TARGET
from tests.support.golden import assert_tree
from tests.support.programs import require
from tests.support.workloads import SEARCH, deployment, gpu, home, host, maximal, workload


def texts(found: Deployment) -> dict[PurePosixPath, str]:
    return {document.path: to_text(document) for document in TARGET.render(found).documents}


def script(found: Workload, *others: Workload) -> str:
    return texts(deployment(found, *others))[PurePosixPath("files/box", found.name, "run.sh")]


def test_the_files_of_a_home(request: pytest.FixtureRequest) -> None:
    assert_tree(Path(__file__).parents[1] / "golden" / "targets" / "files", texts(home()), request)


def test_hosts_of_every_platform_have_them() -> None:
    assert set(texts(deployment(workload(), platform="nixos"))) == {PurePosixPath("files/box/llama/run.sh")}


def test_scripts_can_be_executed_and_config_files_cannot() -> None:
    documents = TARGET.render(deployment(maximal, SEARCH)).documents
    assert {document.path.name for document in documents if document.executable} == {"run.sh"}


@pytest.mark.parametrize(
    ("address", "url"), [("fd00::5", "http://[fd00::5]:9/v1"), (None, "http://rig:9/v1")]
)
def test_urls_lead_to_where_the_program_itself_listens(address: str | None, url: str) -> None:
    api = workload("api", ports=(Port(name="http", number=9),))
    chat = workload("chat", env={"URL": ServiceUrl(service="api", path="/v1")})
    assert "export URL=http://127.0.0.1:9/v1\n" in script(chat, api)
    elsewhere = HostDeployment(host=host("rig", address=address), workloads=(api,))
    found = texts(deployment(chat, others=(elsewhere,)))
    assert f"export URL={url}\n" in found[PurePosixPath("files/box/chat/run.sh")].replace("'", "")


@pytest.mark.parametrize(
    ("gpus", "line"),
    [
        ((gpu(2), gpu(0)), "CUDA_VISIBLE_DEVICES=0,2"),
        ((gpu(1, uuid="GPU-b"), gpu(0, uuid="GPU-a")), "CUDA_VISIBLE_DEVICES=GPU-a,GPU-b"),
        ((gpu(1, uuid="GPU-b"), gpu(0)), "CUDA_VISIBLE_DEVICES=0,1"),
        ((gpu(1, vendor="amd"),), "ROCR_VISIBLE_DEVICES=1"),
    ],
)
def test_only_the_claimed_gpus_are_visible(gpus: tuple[object, ...], line: str) -> None:
    assert f"export {line}\n" in script(workload(gpus=gpus))


@pytest.mark.tool
def test_a_script_starts_the_program_with_exactly_these_words(tmp_path: Path) -> None:
    """The program here is `env` and `printf`, so that it shows what it was given."""
    shown = replace(
        maximal,
        program="sh",
        args=(
            "-c",
            'env; printf "%s\\n" "$@"; pwd',
            "x",
            "/config/presets.ini",
            "a  b",
            "it's $HOME \\ \"",
            "",
        ),
    )
    folder = tmp_path / "at home"
    folder.mkdir()
    folder.joinpath("run.sh").write_text(script(shown, SEARCH))
    path = {"PATH": os.environ["PATH"]}
    run = [require("bash"), "--posix", str(folder / "run.sh")]
    refused = subprocess.run(run, env=path, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "set it to master-key of the secret litellm" in refused.stderr
    done = subprocess.run(run, env=path | {"API_KEY": "k"}, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    words = ["./presets.ini", "a  b", "it's $HOME \\ \"", "", "--port", "18080"]
    assert lines[-7:] == [*words, str(folder)]
    assert {
        "API_KEY=k",
        "PLAIN=no",
        "MARKS=a$b $$ ${C:-d} 100%",
        "SEARCH_URL=http://127.0.0.1:8080/search?q=<query>",
        "CUDA_VISIBLE_DEVICES=0,1",
    } <= set(lines)


@pytest.mark.tool
def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    for name, found in (("maximal", script(maximal, SEARCH)), ("least", script(workload()))):
        tmp_path.joinpath(f"{name}.sh").write_text(found)
    # Literal dollars in single quotes are meant.
    command = [require("shellcheck"), "--exclude=SC2016", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_config_file_that_no_argument_names_says_where_it_belongs() -> None:
    file = ConfigFile(
        name="c.ini", target=PurePosixPath("/etc/c.ini"), format=Format.INI, body={"a": {"b": 1}}
    )
    assert "# - /etc/c.ini: c.ini of this folder\n" in script(workload(config_files=(file,)))
    assert "c.ini of this folder" not in script(workload(config_files=(file,), args=("/etc/c.ini",)))


def test_a_secret_never_has_a_value() -> None:
    found = script(workload(env={"A": SecretKey("a", "b")}))
    assert 'export A="${A:?set it to b of the secret a}"\n' in found
