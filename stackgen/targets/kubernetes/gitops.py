"""The object that makes Argo CD or Flux apply what is rendered."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from stackgen.domain.delivery import Repository
from stackgen.domain.document import Document, Format, YamlStream
from stackgen.domain.target_defaults import present
from stackgen.targets.kubernetes.cluster import FOLDER, Cluster
from stackgen.targets.kubernetes.secrets import KEPT


def documents(cluster: Cluster) -> list[Document]:
    """The file for the tool that the stack names, if it says where the repository is."""
    deploy = cluster.deployment.deploy
    if deploy.repository is None or deploy.gitops == "none":
        return []
    made = {"argocd": _argocd, "flux": _flux}[deploy.gitops](cluster, deploy.repository)
    path = PurePosixPath(deploy.gitops, f"{cluster.deployment.name}.yaml")
    return [Document(path=path, format=Format.YAML, header=(cluster.origin,), body=made)]


def _path(repository: Repository) -> PurePosixPath:
    return PurePosixPath(repository.path) / FOLDER


def _argocd(cluster: Cluster, repository: Repository) -> dict[str, Any]:
    source = {
        "repoURL": repository.url or "",
        "targetRevision": repository.revision,
        "path": str(_path(repository)),
    }
    return application(cluster, cluster.deployment.name, source)


def application(cluster: Cluster, name: str, source: Mapping[str, Any], **meta: Any) -> dict[str, Any]:
    """What makes Argo CD apply a source to the stack's namespace."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": cluster.meta(name, namespace="argocd", **meta),
        "spec": {
            "project": "default",
            "source": dict(source),
            "destination": {"server": "https://kubernetes.default.svc", "namespace": cluster.namespace},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true", "FailOnSharedResource=true"],
                "retry": {"limit": 10, "backoff": {"duration": "30s", "factor": 2, "maxDuration": "10m"}},
            },
        },
    }


def _flux(cluster: Cluster, repository: Repository) -> Any:
    name, decrypts = cluster.deployment.name, cluster.deployment.deploy.secrets in ("sops", "sops-nix")
    wanted = decrypts and bool(cluster.secrets)
    main = _kustomization(cluster, name, _path(repository), repository, [])
    if not wanted:
        return main
    # The namespace comes first; pods wait for their secrets.
    kept = _kustomization(cluster, f"{name}-secrets", _path(repository) / KEPT, repository, [name])
    kept["spec"]["decryption"] = {"provider": "sops", "secretRef": {"name": "sops-age"}}
    return YamlStream((main, kept))


def _kustomization(
    cluster: Cluster, name: str, path: PurePosixPath, repository: Repository, after: list[str]
) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": cluster.meta(name, namespace="flux-system"),
        "spec": present(
            {
                "interval": "1h",
                "retryInterval": "2m",
                "timeout": "10m",
                "path": f"./{path}",
                "prune": True,
                "wait": False,
                "sourceRef": {"kind": "GitRepository", "name": repository.source},
                "dependsOn": [{"name": other} for other in after],
            }
        ),
    }
