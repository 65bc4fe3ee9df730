"""Deployments -> Kubernetes objects, as value trees."""

from dataclasses import replace
from pathlib import Path

import pytest

from stackgen.domain.stack import Volume
from stackgen.domain.workload import Deployment
from stackgen.emit import to_text
from stackgen.targets.kubernetes import TARGET
from tests.conformance.test_downloads import DOWNLOAD
from tests.support.golden import assert_tree
from tests.support.workloads import home


def cluster_home() -> Deployment:
    """Everybody's machines, as nodes of a cluster."""
    found = home()
    hosts = tuple(replace(item, host=replace(item.host, platform="kubernetes")) for item in found.hosts)
    volumes = {
        **found.volumes,
        "data": Volume.model_validate({"managed": True, "size": "20GiB", "storage_class": "longhorn"}),
    }
    return replace(found, hosts=hosts, volumes=volumes, downloads=(DOWNLOAD,))


def test_the_files_of_a_home(request: pytest.FixtureRequest) -> None:
    rendered = TARGET.render(cluster_home())
    texts = {document.path: to_text(document) for document in rendered.documents}
    assert_tree(Path(__file__).parents[1] / "golden" / "targets" / "kubernetes", texts, request)
    assert sorted(d.kind for d in rendered.diagnostics) == [
        "kubernetes/any-address",
        "kubernetes/publish-on-loopback",
        "kubernetes/shared-volume",
    ]
