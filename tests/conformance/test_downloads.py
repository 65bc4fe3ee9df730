"""Every target that runs services sees to it that their files are there first."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from stackgen import registry
from stackgen.domain.contracts import Target
from stackgen.domain.linked import SecretKey
from stackgen.domain.workload import Deployment, Download, DownloadFile
from stackgen.emit import to_text
from tests.support.workloads import home

SHA256, OID, COMMIT = "ab" * 32, "cd" * 20, "ef" * 20
DOWNLOAD = Download(
    model="coder",
    volume="models",
    repo="owner/Coder-GGUF",
    commit=COMMIT,
    files=(
        DownloadFile(
            path="a b.gguf", target=PurePosixPath("owner/Coder-GGUF/a b.gguf"), size=7, sha256=SHA256
        ),
        DownloadFile(path="c.json", target=PurePosixPath("owner/Coder-GGUF/c.json"), size=9, oid=OID),
    ),
    hosts=("rig",),
    services=("llama",),
    token=SecretKey("hugging-face", "token"),
)


def rendered(target: Target, deployment: Deployment) -> str:
    hosts = tuple(
        replace(item, host=replace(item.host, platform=target.name)) if target.platform else item
        for item in deployment.hosts
    )
    documents = target.render(replace(deployment, hosts=hosts)).documents
    return "\n".join(to_text(document) for document in documents)


RUNS = [name for name in registry.target_names() if registry.target(name).platform or name == "files"]


@pytest.mark.parametrize("name", RUNS)
def test_a_target_downloads_exactly_what_is_locked(name: str) -> None:
    target = registry.target(name)
    without = rendered(target, home())
    text = rendered(target, replace(home(), downloads=(DOWNLOAD,)))
    for word in (f"owner/Coder-GGUF/resolve/{COMMIT}/a%20b.gguf", SHA256, OID, "HF_TOKEN"):
        assert word in text
        assert word not in without
