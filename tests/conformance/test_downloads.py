"""Every target that runs services sees to it that their files are there first."""

from dataclasses import replace

import pytest

from stackgen import registry
from stackgen.domain.contracts import Target
from stackgen.domain.workload import Deployment
from stackgen.emit import to_text
from tests.support.workloads import COMMIT, DOWNLOAD, OID, SHA256, home


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
