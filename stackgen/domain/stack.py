"""stack.yaml as pydantic models: its outer shape. Engines own what stands below `options` and `models`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from stackgen.domain import spelling
from stackgen.domain.bounds import CpuBudget, RamBudget
from stackgen.domain.delivery import Deploy, SecretRef
from stackgen.domain.hosts import Host
from stackgen.domain.strict import Strict as Strict  # noqa: PLC0414  engines take it from here
from stackgen.domain.values import Duration, IpAddress, ModelId, Name, NodeName, Sha256, Size, Variable
from stackgen.domain.wording import Form


class SecretValue(Strict):
    """The form of a value that is a secret: `{secret: {name: …, key: …}}`."""

    secret: SecretRef


class Declared(Strict):
    """Memory that the user states, because the engine has no memory model of its own."""

    low: Size = Field(description="the least that it takes, such as 12GiB")
    high: Size = Field(description="the most that it takes, such as 16GiB")

    @model_validator(mode="after")
    def _ordered(self) -> "Declared":
        if self.low > self.high:
            raise ValueError("`low` is larger than `high`")
        return self


class Model(Strict):
    """Weights: where they come from, and which of them."""

    hf: str | None = Field(
        default=None, description="owner/repo:quant on the Hugging Face hub, as llama-server's -hf"
    )
    ollama: str | None = Field(
        default=None, description="name:tag of Ollama's library, or owner/name:tag, by its GGUF file"
    )
    url: str | None = Field(default=None, description="address of a file anywhere else; needs `sha256`")
    sha256: Sha256 | None = Field(default=None, description="of the file at `url`, as sha256sum prints it")
    path: str | None = Field(default=None, description="a file or folder on the host")
    revision: str | None = Field(default=None, description="branch, tag or commit on the hub")
    file: str | None = Field(
        default=None, description="the file in the repository, when its name is not the usual one"
    )
    files: dict[str, Annotated[str | list[str], Form("a file of the repository, or a list of them")]] = Field(
        default={}, description="folder: file or files, for programs that take several"
    )
    mmproj: str | None = Field(default=None, description="the multimodal projector's file name")
    catalog: str | None = Field(
        default=None, description="shape in the built-in catalog, when the name does not tell it"
    )
    vram: Declared | None = Field(
        default=None, description="declared memory, for engines without a memory model"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "Model":
        if sum(source is not None for source in (self.hf, self.ollama, self.url, self.path)) != 1:
            raise ValueError(
                "give exactly one of `hf` (a hub repository), `ollama` (a model of its library), `url` (an "
                "address) and `path` (a file on the host)"
            )
        return self


class Publish(Strict):
    """A port on the host."""

    port: Annotated[int, Field(ge=1, le=65535)]
    address: IpAddress = Field(
        default="127.0.0.1", description="where it listens; 0.0.0.0 opens it to the network"
    )


class Expose(Strict):
    """A host name under which people reach a service."""

    hostname: Annotated[
        str,
        Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", max_length=253),
        Form("a host name in lower case, without `https://` and without a path", spelling.hostname),
    ]
    timeout: Duration | None = Field(
        default=None, description="longest answer, for proxies; models need minutes"
    )


class Service(Strict):
    """A program on a host. `options` and the entries of `models` are the engine's own."""

    engine: str = Field(description="which program runs, such as llama-server")
    host: str = Field(description="a name under `hosts`")
    workers: list[str] = Field(
        default=[],
        description="further hosts, each with the same `gpus`, for a model that no host holds alone",
    )
    gpus: Annotated[
        list[Annotated[int, Field(ge=0), Form("an index into the host's `gpus`, of which 0 is the first")]],
        Form("a list of indexes into the host's `gpus`, such as [0, 1]"),
    ] = Field(default=[], description="indexes into the host's `gpus`")
    image: str | None = Field(default=None, description="container image with a pinned tag")
    options: dict[str, Any] = Field(default={}, description="the engine's options")
    models: dict[
        ModelId, Annotated[dict[str, Any], Form("a mapping such as {model: NAME}", spelling.use_mapping)]
    ] = Field(default={}, description="what it serves, by the id that clients use")
    uses: dict[str, str | list[str]] = Field(
        default={}, description="other services, as `service` or `service/model`"
    )
    publish: Annotated[
        Annotated[int, Field(ge=1, le=65535)] | Publish | None,
        Form("a port such as 8080, or a mapping with `port`", spelling.publication),
    ] = Field(default=None, description="port on the host; on 127.0.0.1 unless an address is given")
    expose: Expose | None = Field(default=None, description="a host name behind a proxy or gateway")
    volumes: dict[str, str] = Field(default={}, description="what the engine stores, and the volume where")
    env: dict[Variable, str | int | bool | SecretValue] = Field(
        default={}, description="further environment variables"
    )
    vram: Declared | None = Field(
        default=None, description="declared memory per GPU of a program without a model"
    )
    ram: RamBudget = Field(default=None, description="main memory that it takes at most")
    cpus: CpuBudget = Field(default=None, description="CPUs that it gets at most")
    user: (
        Annotated[
            str,
            Field(pattern=r"^\d+(:\d+)?$"),
            Form('numbers in quotes, such as "1000" or "1000:1000"'),
        ]
        | None
    ) = Field(default=None, description="uid or uid:gid to run as; the image's own unless told")


class Volume(Strict):
    """Storage: exactly one of `path`, `nfs` and `managed`."""

    path: (
        Annotated[
            str, Field(pattern=r"^/"), Form("an absolute path, such as /srv/models", spelling.absolute_path)
        ]
        | None
    ) = Field(default=None, description="folder on the host")
    nfs: (
        Annotated[
            str,
            Field(pattern=r"^[^:/ ]+:/.*$"),
            Form("server:/path, such as nas:/models", spelling.nfs_share),
        ]
        | None
    ) = Field(default=None, description="server:/path")
    managed: bool = Field(default=False, description="storage that the platform provides")
    size: Size | None = Field(default=None, description="what it holds at most")
    mount_options: list[str] = Field(default=[], description="options of an NFS mount, such as nconnect=8")
    storage_class: NodeName | None = Field(
        default=None,
        description="of a managed volume on Kubernetes, such as longhorn; the cluster's own unless told",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Volume":
        if sum((self.path is not None, self.nfs is not None, self.managed)) != 1:
            raise ValueError("give exactly one of `path`, `nfs` and `managed: true`")
        if self.storage_class is not None and not self.managed:
            raise ValueError("`storage_class` is for a volume with `managed: true`")
        return self


class Scenario(Strict):
    """What is loaded together, and what is expected of it."""

    loaded: list[str] = Field(description="`service` (with its largest models) or `service/model`")
    expect: Literal["fits", "over-budget"] = "fits"


class Measured(Strict):
    """A measured figure that replaces our own, with the reason to trust it."""

    use: str = Field(description="service/model")
    gpus: list[Size] = Field(description="memory on each of the service's GPUs, in order")
    ram: Size | None = None
    reason: Annotated[str, Field(min_length=8)] = Field(
        description="how and with which build it was measured"
    )


class Allow(Strict):
    """A finding that the owner accepts, and why."""

    kind: str = Field(description="the finding's kind, such as plan/over-budget")
    at: str | None = Field(default=None, description="only here, as services.llama or hosts.gpu-1")
    reason: Annotated[str, Field(min_length=8)]


class Budget(Strict):
    """Safety margins."""

    headroom: Size = Field(default=512 * 1024**2, description="left free on every GPU")


def _groups(value: object) -> object:
    """One group is easily taken for the list of groups."""
    if isinstance(value, list) and len(value) > 1 and all(isinstance(item, str) for item in value):
        raise ValueError(f"each group is a list of its own; write [[{', '.join(value)}]]")
    return value


class Stack(Strict):
    """The whole of stack.yaml."""

    version: Literal[1] = Field(description="the version of this language: 1")
    name: Name = Field(description="the stack's own name, such as home")
    hosts: dict[Name, Host] = Field(description="the machines, by name")
    models: dict[ModelId, Annotated[Model, Form("a mapping with `hf` or `path`", spelling.hub_mapping)]] = (
        Field(default={}, description="the weights, by name")
    )
    services: dict[Name, Service] = Field(default={}, description="the programs, by name")
    volumes: dict[
        Name,
        Annotated[
            Volume, Form("a mapping with one of `path`, `nfs` and `managed: true`", spelling.volume_mapping)
        ],
    ] = Field(default={}, description="where things are stored, by name")
    exclusive: Annotated[list[list[str]], BeforeValidator(_groups)] = Field(
        default=[], description="groups of services of which one at a time holds its GPUs"
    )
    scenarios: dict[Name, Scenario] = Field(
        default={}, description="what is loaded together, and what is expected of it"
    )
    measured: list[Measured] = Field(default=[], description="measured figures in place of ours")
    allow: list[Allow] = Field(default=[], description="findings that you accept, with a reason")
    deploy: Deploy = Field(default=Deploy(), description="how files and secrets reach the machines")
    budget: Budget = Field(default=Budget(), description="safety margins")
