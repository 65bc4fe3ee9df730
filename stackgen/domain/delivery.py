"""How rendered files and secrets reach the machines, in stack.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from stackgen.domain.strict import Strict
from stackgen.domain.values import Name, NodeName
from stackgen.domain.wording import Form


class SecretRef(Strict):
    """Where a secret lives; its value never stands in stack.yaml."""

    name: Name = Field(description="name of the secret: a file or an object, depending on deploy.secrets")
    key: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9._-]{1,253}$"),
        Form("made of letters, digits, `.`, `_` and `-`, at most 253 in all"),
    ] = Field(default="value", description="entry inside the secret")


class Gateway(Strict):
    """A Gateway of the cluster, to which routes for `expose` are attached."""

    name: NodeName = Field(description="of the Gateway")
    namespace: Name | None = Field(default=None, description="where it is; the stack's own unless told")
    section: NodeName | None = Field(default=None, description="the one of its listeners to attach to")
    pods: Name | None = Field(
        default=None, description="namespace of its pods, such as envoy-gateway-system; its own unless told"
    )
    scheme: Literal["https", "http"] = Field(default="https", description="by which people reach it")


class Repository(Strict):
    """Where rendered files are kept, for the object that makes Argo CD or Flux apply them."""

    url: Annotated[str, Field(pattern=r"^\S+$")] | None = Field(
        default=None, description="of the git repository; Argo CD needs it"
    )
    path: Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$")] = Field(
        default="", description="folder in it that `render -o` writes to"
    )
    revision: str = Field(default="HEAD", description="branch or tag, for Argo CD")
    source: NodeName = Field(default="flux-system", description="name of Flux's GitRepository")


LabelKey = Annotated[
    str,
    Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"),
    Form("the key of a Kubernetes label, such as release or example.org/team"),
]
LabelValue = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"),
    Form("made of letters, digits and inner `-`, `_` and `.`, at most 63 in all"),
]


class Monitoring(Strict):
    """A Prometheus of the Prometheus operator."""

    namespace: Name = Field(default="monitoring", description="where its pods are")
    labels: dict[LabelKey, LabelValue] = Field(
        default={}, description="those by which it selects ServiceMonitors, such as release: NAME"
    )


class Chart(Strict):
    """A service that Helm installs by a chart."""

    version: Annotated[str, Field(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$"), Form("such as 1.77.0")] | None = (
        Field(default=None, description="of the chart; one whose values are known unless told")
    )


class Cluster(Strict):
    """What is installed in a Kubernetes cluster."""

    version: Annotated[str, Field(pattern=r"^1\.\d{1,3}$"), Form('such as "1.34", in quotes')] = Field(
        default="1.34", description="its minor version; device claims need 1.34"
    )
    network: Literal["cilium", "other"] = Field(
        default="other", description="its network plugin; Cilium's gateway needs a policy of its own"
    )
    load_balancer: Literal["cilium", "metallb"] | None = Field(
        default=None, description="who gives services their fixed addresses; as `network` says, else metallb"
    )
    gpus: Literal["device-plugin", "claims"] = Field(
        default="device-plugin",
        description="how pods get cards: by number, or those that the stack names (dynamic resource allocation)",
    )
    runtime_class: NodeName | None = Field(
        default="nvidia", description="of pods with NVIDIA cards; null if containers get them without"
    )
    gpu_namespace: Name = Field(
        default="gpu-operator", description="where NVIDIA's device plugin reads its configuration"
    )
    multi_node: Literal["leader-worker-set", "kserve"] = Field(
        default="leader-worker-set", description="who runs a service that has `workers`"
    )
    charts: dict[Name, Chart] = Field(
        default={}, description="services that Helm installs by a chart, in place of a Deployment of our own"
    )
    monitoring: Monitoring | None = Field(
        default=None, description="the Prometheus that asks services for figures, where there is the operator"
    )


class Deploy(Strict):
    """How rendered files reach the machines."""

    gitops: Literal["argocd", "flux", "none"] = Field(
        default="none", description="who applies what is rendered for Kubernetes"
    )
    secrets: Literal["sops", "external-secrets", "env-file", "sops-nix", "agenix"] = Field(
        default="env-file", description="where the values of secrets come from"
    )
    hub_token: SecretRef | None = Field(default=None, description="a token to download gated models with")
    namespace: Name | None = Field(
        default=None, description="namespace on Kubernetes; the stack's name unless told"
    )
    gateway: Gateway | None = Field(
        default=None, description="the Gateway that answers for the host names under `expose`"
    )
    ingress_class: NodeName | None = Field(
        default=None, description="class of the Ingress that does, where there is no `gateway`"
    )
    ingress_issuer: NodeName | None = Field(
        default=None,
        description="ClusterIssuer of cert-manager for Ingresses, which answer by http:// without one",
    )
    secret_store: NodeName | None = Field(
        default=None, description="the ClusterSecretStore that holds secrets, with external-secrets"
    )
    repository: Repository | None = Field(
        default=None, description="where Argo CD or Flux finds the rendered files"
    )
    cluster: Cluster = Field(default=Cluster(), description="what is installed in a Kubernetes cluster")
    nixos_modules: list[Name] = Field(
        default=[], description="services that NixOS runs by the modules of nixpkgs, in place of images"
    )

    @property
    def scheme(self) -> Literal["https", "http"]:
        """By which people reach the host names that a cluster answers for."""
        if self.gateway is not None:
            return self.gateway.scheme
        return "https" if self.ingress_issuer else "http"
