"""Secrets by reference: objects that fetch them, or examples that no API server takes as they are."""

from collections.abc import Iterator
from typing import Any, Final

from stackgen.targets.kubernetes.cluster import Cluster

EXAMPLES: Final = "secrets.example"
KEPT: Final = "secrets"


def external(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """What makes the External Secrets operator put each secret together from the store."""
    if cluster.deployment.deploy.secrets != "external-secrets":
        return
    for name, keys in cluster.secrets.items():
        yield {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": cluster.meta(name),
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {
                    "kind": "ClusterSecretStore",
                    "name": cluster.deployment.deploy.secret_store or "",
                },
                "target": {"name": name, "creationPolicy": "Owner"},
                "data": [
                    {"secretKey": key, "remoteRef": {"key": name, "property": key}} for key in sorted(keys)
                ],
            },
        }


def examples(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """A pattern for each secret by its name; a list is no value of a secret, so forgetting one is an error."""
    if cluster.deployment.deploy.secrets == "external-secrets":
        return {}
    return {
        name: {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": cluster.meta(name),
            "type": "Opaque",
            "stringData": {key: ["put the value here instead of this list"] for key in sorted(keys)},
        }
        for name, keys in cluster.secrets.items()
    }


def how_to_fill(cluster: Cluster, name: str) -> Iterator[str]:
    """What to do with an example, as a comment on top of it."""
    place = f"{KEPT}/{name}.yaml"
    yield f"Copy it to {place}, and give each key its value. An API server takes no list, so nothing is forgotten."
    match cluster.deployment.deploy.secrets, cluster.deployment.deploy.gitops:
        case (("sops" | "sops-nix"), "flux"):
            yield f"Then: sops --encrypt --encrypted-regex '^(data|stringData)$' --in-place {place}"
            yield f"Flux decrypts and applies what is in the folder {KEPT}."
        case (("sops" | "sops-nix"), _):
            yield f"Then: sops --encrypt --encrypted-regex '^(data|stringData)$' --in-place {place}"
            yield f"To apply it: sops --decrypt {place} | kubectl apply -f -"
        case _:
            yield f"Git ignores that folder. Then: kubectl apply -f {place}"
