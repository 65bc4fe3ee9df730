"""Clusters of many kinds, and the objects that are rendered for them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from stackgen.domain.delivery import Deploy
from stackgen.domain.diagnostic import Diagnostic
from stackgen.domain.document import Document, Format, YamlStream
from stackgen.domain.hosts import Sharing
from stackgen.domain.interface import Interface, Scrape
from stackgen.domain.linked import Exposure, LinkedHost, Publication, SecretKey
from stackgen.domain.stack import Volume
from stackgen.domain.units import GIB
from stackgen.domain.workload import (
    Deployment,
    GroupFact,
    Health,
    HostDeployment,
    Mount,
    Port,
    ServiceUrl,
    Workers,
    Workload,
)
from stackgen.targets.kubernetes import TARGET
from tests.support.workloads import DOWNLOAD, deployment, gpu, home, host, workload

LAN = Publication(port=80, address="10.0.0.9")
API = workload("api", ports=(Port(name="http", number=9000),), health=Health(port=9000, path="/ok"))
CHAT = workload("chat", env={"URL": ServiceUrl(service="api", path="/v1")}, after=("api",))
EXPOSED = replace(API, expose=Exposure("api.example.org", 1800))


def cluster_home() -> Deployment:
    """Everybody's machines, as nodes of a cluster."""
    found = home()
    hosts = tuple(replace(item, host=replace(item.host, platform="kubernetes")) for item in found.hosts)
    data = Volume.model_validate({"managed": True, "size": "20GiB", "storage_class": "longhorn"})
    return replace(found, hosts=hosts, volumes={**found.volumes, "data": data}, downloads=(DOWNLOAD,))


def starting_anew(found: Deployment) -> Deployment:
    """The same where no program reads a file while it runs."""
    hosts = (replace(h, workloads=tuple(replace(w, reload=None) for w in h.workloads)) for h in found.hosts)
    return replace(found, hosts=tuple(hosts))


def in_cluster(*workloads: Workload, deploy: Mapping[str, Any] | None = None, **options: Any) -> Deployment:
    found = deployment(*workloads, platform="kubernetes", **options)
    return replace(found, deploy=Deploy.model_validate(deploy or {}))


def spread(deploy: Mapping[str, Any] | None = None, **changes: Any) -> Deployment:
    """One program on two nodes."""
    other = LinkedHost(name="second", platform="kubernetes", gpus=(gpu(0), gpu(1)))
    big = workload(
        "big",
        gpus=(gpu(0), gpu(1)),
        workers=Workers(
            hosts=(other,),
            leader_args=("--lead",),
            worker_args=("--follow", GroupFact.LEADER),
            tensor=2,
            pipeline=2,
            weights=PurePosixPath("/m/owner/name"),
        ),
        mounts=(Mount(volume="models", target=PurePosixPath("/m"), read_only=True),),
        ports=(Port(name="http", number=8000, publish=LAN),),
        health=Health(port=8000, path="/health"),
        shm_size=GIB,
    )
    found = replace(big, **changes)
    return in_cluster(found, others=(HostDeployment(host=other, workloads=()),), deploy=deploy)


def with_secret(name: str = "api", key: str = "token") -> Workload:
    return replace(API, env={"TOKEN": SecretKey(name, key)})


GATEWAY = {"gateway": {"name": "internal", "namespace": "gateway", "section": "https"}}
CLAIMED = Deploy.model_validate({"cluster": {"gpus": "claims"}})
SHARED = host(platform="kubernetes", gpus=(gpu(0),), sharing=Sharing(replicas=4))
OPERATOR = {
    "cluster": {"monitoring": {"namespace": "figures", "labels": {"release": "kube-prometheus-stack"}}}
}


def asked(
    *found: Scrape, deploy: Mapping[str, Any] | None = None, key: SecretKey | None = None, **changes: Any
) -> Deployment:
    """A service that offers figures, published on the LAN."""
    secret = {"KEY": key} if key else {}
    published = replace(API, ports=(Port(name="http", number=9000, publish=LAN),), env=secret, **changes)
    interfaces = {"api": Interface(scrapes=found, key=key)}
    return replace(in_cluster(published, CHAT, deploy=deploy or OPERATOR), interfaces=interfaces)


PER_MODEL = tuple(
    Scrape(parameters=(("model", model), ("autoload", "false")), authorized=True) for model in ("a", "b")
)
SHAPES: Mapping[str, Deployment] = {
    "monitored": asked(*PER_MODEL, key=SecretKey("api", "token")),
    "spread": spread(),
    "kserve": spread({"cluster": {"multi_node": "kserve"}}),
    "gateway": in_cluster(EXPOSED, CHAT, deploy={**GATEWAY, "cluster": {"network": "cilium"}}),
    "ingress": in_cluster(EXPOSED, deploy={"ingress_class": "nginx"}),
    "certificate": in_cluster(EXPOSED, deploy={"ingress_issuer": "letsencrypt"}),
    "argocd": replace(
        cluster_home(),
        deploy=Deploy.model_validate(
            {
                "gitops": "argocd",
                "repository": {"url": "https://example.org/home.git", "path": "apps/ai"},
                "secrets": "external-secrets",
                "secret_store": "vault",
                **GATEWAY,
            }
        ),
    ),
    "flux": replace(
        cluster_home(),
        deploy=Deploy.model_validate({"gitops": "flux", "repository": {"path": "apps"}, "secrets": "sops"}),
    ),
    "claims": in_cluster(
        workload("one", gpus=(gpu(0),)),
        workload("two", gpus=(gpu(0), gpu(1, uuid="GPU-4a3c5b1e-0000-1111-2222-333344445555"))),
        deploy={"cluster": {"gpus": "claims"}},
    ),
    "shared": in_cluster(
        workload("one", gpus=(gpu(0),)), workload("two", gpus=(gpu(0),)), on=SHARED, deploy={"gitops": "flux"}
    ),
}
"""Clusters of many kinds."""


def documents(found: Deployment) -> dict[str, Document]:
    return {str(document.path): document for document in TARGET.render(found).documents}


def all_objects(found: Deployment) -> list[Any]:
    bodies = [d.body for d in TARGET.render(found).documents if d.format is Format.YAML]
    flat = [one for body in bodies for one in (body.documents if isinstance(body, YamlStream) else [body])]
    return [one for one in flat if "metadata" in one]


def objects(found: Deployment, kind: str) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in all_objects(found) if one["kind"] == kind}


def pod(found: Deployment, name: str = "llama") -> Any:
    return objects(found, "Deployment")[name]["spec"]["template"]["spec"]


def container(found: Workload, *others: Workload, **options: Any) -> Any:
    return pod(in_cluster(found, *others, **options), found.name)["containers"][0]


def findings(found: Deployment) -> list[Diagnostic]:
    return list(TARGET.render(found).diagnostics)


def kinds(found: Deployment) -> list[str]:
    return [finding.kind for finding in findings(found)]
