"""Downloads in a compose project: one-shot services that others wait for, as Docker Compose itself reads them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackgen.domain.stack import Volume
from stackgen.domain.workload import Deployment, Download
from stackgen.emit import to_text
from stackgen.targets.compose import TARGET
from tests.support.compose import config, write
from tests.support.workloads import DOWNLOAD, VOLUMES, home, workload


def project(deployment: Deployment) -> dict[str, Any]:
    (document,) = [
        d for d in TARGET.render(deployment).documents if str(d.path) == "compose/rig/compose.yaml"
    ]
    found: dict[str, Any] = yaml.safe_load(to_text(document))
    return found


def test_a_service_waits_until_its_files_are_there() -> None:
    services = project(replace(home(), downloads=(DOWNLOAD,)))["services"]
    assert services["llama"]["depends_on"]["download-models"] == {
        "condition": "service_completed_successfully"
    }
    assert "download-models" not in services["comfyui"].get("depends_on", {})
    job = services["download-models"]
    assert job["entrypoint"] == ["sh"]
    assert job["command"] == ["/download.sh", "/volume"]
    assert job["restart"] == "no"
    assert job["user"] == "0:0"
    assert job["environment"] == {
        "HF_TOKEN": "${SECRET_HUGGING_FACE_TOKEN:?set it in .env, as .env.example shows}"
    }
    assert [v["target"] for v in job["volumes"]] == ["/volume", "/download.sh", "/tmp"]  # noqa: S108
    assert "read_only" not in job["volumes"][0]


def test_who_opens_the_file_reads_what_to_do_when_a_download_fails() -> None:
    def head(deployment: Deployment) -> tuple[str, ...]:
        documents = {str(d.path): d for d in TARGET.render(deployment).documents}
        return documents["compose/rig/compose.yaml"].header

    assert "  docker compose logs --follow download-models" in head(replace(home(), downloads=(DOWNLOAD,)))
    assert not any("logs" in line for line in head(home()))


def test_the_script_lies_where_the_job_looks_for_it() -> None:
    paths = {str(d.path) for d in TARGET.render(replace(home(), downloads=(DOWNLOAD,))).documents}
    assert "compose/rig/download-models/download.sh" in paths


def test_a_job_may_write_to_a_folder_of_the_host() -> None:
    folder = dict(VOLUMES) | {"models": Volume(path="/srv/models")}
    job = project(replace(home(), downloads=(DOWNLOAD,), volumes=folder))["services"]["download-models"]
    assert job["cap_add"] == ["DAC_OVERRIDE"]
    assert job["cap_drop"] == ["ALL"]


def test_another_list_of_files_makes_another_container() -> None:
    label = [
        project(replace(home(), downloads=(d,)))["services"]["download-models"]["labels"]["stackgen.config"]
        for d in (DOWNLOAD, replace(DOWNLOAD, commit="0" * 40))
    ]
    assert label[0] != label[1]


def test_all_models_of_a_volume_are_one_job() -> None:
    second = replace(DOWNLOAD, model="other", repo="owner/Other-GGUF", token=None)
    services = project(replace(home(), downloads=(second, DOWNLOAD)))["services"]
    assert [name for name in services if name.startswith("download")] == ["download-models"]


def test_a_service_of_the_same_name_keeps_it() -> None:
    found = home()
    rig = replace(found.hosts[0], workloads=(*found.hosts[0].workloads, workload("download-models")))
    services = project(replace(found, hosts=(rig,), downloads=(DOWNLOAD,)))["services"]
    assert services["download-models"]["image"] == "example.org/llama:b1"
    assert "download-models-files" in services


@pytest.mark.parametrize("download", [replace(DOWNLOAD, hosts=("small",), services=("ollama",))])
def test_other_hosts_download_what_is_theirs(download: Download) -> None:
    services = project(replace(home(), downloads=(download,)))["services"]
    assert not [name for name in services if name.startswith("download")]


@pytest.mark.tool
def test_docker_compose_accepts_the_project(tmp_path: Path) -> None:
    write(tmp_path, TARGET.render(replace(home(), downloads=(DOWNLOAD,))).documents)
    folder = tmp_path / "compose" / "rig"
    (folder / ".env").write_text(
        (folder / ".env.example").read_text().replace('""', "x").replace("=\n", "=x\n")
    )
    services = config(folder, "llama")["services"]
    assert services["download-models"]["environment"]["HF_TOKEN"] == "x"
    assert services["llama"]["depends_on"]["download-models"]["condition"] == "service_completed_successfully"
