"""The waist of the hourglass: what an engine wants to run, in words that every target understands.

Nothing here names a platform. A target handles each field or refuses it with a diagnostic; a test
holds every target to that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from stackgen.domain.delivery import Deploy
from stackgen.domain.diagnostic import YamlPath
from stackgen.domain.document import Format
from stackgen.domain.interface import Interface
from stackgen.domain.linked import Exposure, LinkedGpu, LinkedHost, Publication, SecretKey
from stackgen.domain.stack import Volume

if TYPE_CHECKING:
    from stackgen.domain.fronts import Front


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceUrl:
    """The URL of another service of the stack; each target knows its own names for them."""

    service: str
    path: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceAddress:
    """`host:port` of another service of the stack, for config files that take no URL."""

    service: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts put together to one string, such as a list of URLs."""

    parts: tuple["str | ServiceUrl", ...]


EnvValue = str | SecretKey | ServiceUrl | Joined


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigFile:
    """A file that the program reads. Leaves of `body` may be ServiceUrl, ServiceAddress or Joined."""

    name: str
    target: PurePosixPath
    """Where the program expects it."""
    format: Format
    body: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A volume of the stack, and where the program sees it."""

    volume: str
    target: PurePosixPath
    read_only: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """A TCP port of the program."""

    name: str
    number: int
    publish: Publication | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listen:
    """How to tell a program that has no network of its own where to listen; `{address}` and `{port}` are put in.

    Arguments come after all others.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()


Tool = Literal["curl", "wget", "python3", "bash"]
"""A program that can ask for a page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """How to see that the program answers, without making it load anything; times in seconds."""

    port: int
    path: str
    start_period: int = 60
    interval: int = 30
    timeout: int = 5
    tool: Tool = "curl"
    """One inside the image."""
    address: str = "127.0.0.1"
    """Where it answers whoever asks beside it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reload:
    """How to make the program read all of its config files anew while it runs: a GET where it answers for its health.

    A program that refuses a file says so by a status of 400 or more, and goes on with what it read before. Nothing
    but config files is in their folders.
    """

    path: str
    key: str | None = None
    """The variable of its environment with a key, to be sent along as bearer token."""
    fixed: tuple[str, ...] = ()
    """What of the files it takes over only when it starts, so that a change of it is a restart."""


class GroupFact(Enum):
    """What only the platform knows of a program that runs in several places at once."""

    LEADER = "address of the first place"
    SIZE = "number of places"
    RANK = "number of this place, from 0 for the first"


@dataclass(frozen=True, kw_only=True, slots=True)
class Workers:
    """Further hosts on which a part of a program runs, with GPUs of the same indexes; the first one leads.

    `leader_args` follow the arguments on the first host, `worker_args` on the others; the rest says once more
    what all arguments say, for platforms that want to know.
    """

    hosts: tuple[LinkedHost, ...]
    leader_args: tuple[str | GroupFact, ...] = ()
    worker_args: tuple[str | GroupFact, ...] = ()
    tensor: int = 1
    """GPUs that each layer is split over."""
    pipeline: int = 1
    """Stages of layers, one after another."""
    weights: PurePosixPath | None = None
    """Where the program finds its model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """One program to run."""

    name: str
    engine: str
    image: str
    program: str
    """Its executable, for platforms without containers."""
    entrypoint: tuple[str, ...] = ()
    """What a container runs in place of the image's own entry point; `args` follow."""
    working_dir: PurePosixPath | None = None
    """Where it starts; None = the image's own."""
    args: tuple[str, ...] = ()
    env: Mapping[str, EnvValue] = field(default_factory=dict)
    config_files: tuple[ConfigFile, ...] = ()
    mounts: tuple[Mount, ...] = ()
    gpus: tuple[LinkedGpu, ...] = ()
    watches: bool = False
    """Whether it only looks at its GPUs, so that nobody has to do without them."""
    workers: Workers | None = None
    ports: tuple[Port, ...] = ()
    listen: Listen | None = None
    """None: nothing can tell it, and it listens on its own ports, on every address."""
    health: Health | None = None
    reload: Reload | None = None
    """None: a change of its config files is a restart."""
    after: tuple[str, ...] = ()
    """Services of the same host that must be up first."""
    exclusive: tuple[str, ...] = ()
    """Names of the exclusive groups that it belongs to."""
    expose: Exposure | None = None
    memory_request: int | None = None
    memory_limit: int | None = None
    cpu_request: int | None = None
    """Thousandths of a CPU, as all figures of CPUs."""
    cpu_limit: int | None = None
    shm_size: int | None = None
    lock_memory: bool = False
    stop_grace: int = 30
    read_only_root: bool = True
    writable: tuple[PurePosixPath, ...] = ()
    """Folders that the program writes to and nobody keeps."""
    capabilities: tuple[str, ...] = ()
    """Linux capabilities without CAP_ that a container keeps, such as CHOWN; all others are taken away."""
    user: str | None = None
    """uid:gid inside the container; None = the image's own."""
    calls: tuple[str, ...] = ()
    """`host:port` of programs that are not in the stack; without a host, wherever it is."""
    offline: bool = False
    """Whether it needs nothing but other services of the stack, so that the internet can be closed to it."""

    @property
    def path(self) -> YamlPath:
        """Where it stands in stack.yaml."""
        return ("services", self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadFile:
    """One file: its path in the repository, and where it goes below the volume.

    `sha256` proves it; a small file may have `oid` instead, git's own hash of a blob. `url` is where it is if
    not on the hub; of a file that is made and not downloaded, `text` is what stands in it.
    """

    path: str
    target: PurePosixPath
    size: int
    sha256: str | None = None
    oid: str | None = None
    url: str | None = None
    text: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """The files of one model that must be on a volume before the services that serve it can start."""

    model: str
    volume: str
    repo: str
    commit: str
    files: tuple[DownloadFile, ...]
    hosts: tuple[str, ...]
    """Those that see the volume."""
    services: tuple[str, ...]
    token: SecretKey | None = None
    """For a gated repository."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, kw_only=True, slots=True)
class HostDeployment:
    """All workloads of one host."""

    host: LinkedHost
    workloads: tuple[Workload, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """Everything to deploy: hosts with their workloads, and the volumes these name."""

    name: str
    source: str
    """Name of the stack file, for the comment on top of generated files."""
    hosts: tuple[HostDeployment, ...]
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    exclusive: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(group name, services) pairs; where somebody must be first, the first is."""
    scenarios: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(name, services) pairs: what is loaded together, where that is expected to fit."""
    downloads: tuple[Download, ...] = ()
    """What is locked; one for each model on each volume."""
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    """How others talk to each service, by its name."""
    fronts: "Mapping[str, Front]" = field(default_factory=dict)
    """Who answers for the host name of a service, by its name."""
    gpu_memory: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """By service and index of a GPU: the most that it may take there, in bytes; nothing where nobody knows."""
    deploy: Deploy = field(default_factory=Deploy)
    """How rendered files reach the machines, and where secrets come from."""
