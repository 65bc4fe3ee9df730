"""Any other program in a container: what it takes and how to reach it is declared."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, model_validator

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.engine_base import WithParts
from stackgen.domain.interface import Api, Interface, ServedModel
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.domain.stack import Strict
from stackgen.domain.values import Duration, Size

if TYPE_CHECKING:
    from stackgen.domain.workload import Health, Workload

_Folder = Annotated[str, Field(pattern=r"^/\S+$")]
_Capability = Annotated[str, Field(pattern=r"^[A-Z_]+$")]
_Path = Annotated[str, Field(pattern=r"^(/|$)")]
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class ProgramHealth(Strict):
    """How to see that it answers."""

    path: str = Field(pattern=r"^/", description="what to ask for by HTTP, such as /health")
    tool: Literal["curl", "wget", "python3"] = Field(
        default="curl", description="a program inside the image that can ask"
    )
    start_period: Duration = Field(default=60, description="how long it may take to start")


class ServiceLink(Strict):
    """The URL of another service, whatever its name and address are on this platform."""

    service: str = Field(description="a service under `uses`")
    path: str = Field(default="", pattern=r"^(/|$)", description="what follows the port, such as /v1")


class ProgramOptions(Strict):
    """How to run it."""

    args: list[str] = Field(default=[], description="arguments, in place of the image's own")
    program: str | None = Field(default=None, description="executable, for hosts without containers")
    entrypoint: list[str] = Field(
        default=[], description="what a container runs in place of the image's own entry point; args follow"
    )
    working_dir: _Folder | None = Field(default=None, description="the folder in which it starts")
    capabilities: list[_Capability] = Field(
        default=[], description="Linux capabilities that it keeps, such as CHOWN; all others are taken away"
    )
    apis: dict[Annotated[Api, Field(strict=False)], _Path] = Field(
        default={}, description="protocols that it speaks, and where each begins, such as openai: /v1"
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="the port on which it listens"
    )
    health: ProgramHealth | None = Field(default=None, description="how to see that it answers")
    urls: dict[_Variable, ServiceLink] = Field(
        default={}, description="environment variables that hold the URL of a service under `uses`"
    )
    read_only: list[_Folder] = Field(
        default=[], description="folders under `volumes` that it may only read, such as its configuration"
    )
    read_only_root: bool = Field(
        default=False, description="whether the rest of its file system is read-only, as few images allow"
    )
    writable: list[_Folder] = Field(
        default=[], description="folders that it writes to and nobody keeps, when the rest is read-only"
    )
    shm_size: Size | None = Field(default=None, description="size of /dev/shm, as PyTorch's workers need it")
    stop_grace: Duration = Field(default=30, description="how long it may take to stop")

    @model_validator(mode="after")
    def _health_needs_port(self) -> "ProgramOptions":
        if self.health is not None and self.port is None:
            raise ValueError("`health` needs a `port` to ask at")
        return self


_CALLS = {
    "chat": "a service with the OpenAI API",
    "images": "a service that makes pictures",
    "search": "a service that searches the web",
    "transcription": "a service that turns speech into text",
    "api": "any other program",
}


class _Program(WithParts):
    name = "program"
    summary = "any other program in a container, with declared memory"
    settings = ProgramOptions
    volume_roles = None
    use_roles = {role: Role(description=text, many=True) for role, text in _CALLS.items()}
    offers = frozenset({*_CALLS, "tasks"})

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """What is missing to run it, to reach it, or to plan with it."""
        yield from super().check(service, known)
        yield from _unrunnable(service)
        yield from _unreachable(service)

    def interface(self, service: PlannedService) -> Interface:
        """What the options say."""
        options: ProgramOptions = service.linked.options
        return Interface(
            apis=options.apis, models=tuple(ServedModel(id=use.id) for use in service.linked.models)
        )

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The image as it is, with what the options say."""
        from stackgen.domain.workload import Mount, Port, ServiceUrl, Workload

        linked = service.linked
        options: ProgramOptions = linked.options
        urls = {name: ServiceUrl(service=u.service, path=u.path) for name, u in options.urls.items()}
        ports = (
            () if options.port is None else (Port(name="http", number=options.port, publish=linked.publish),)
        )
        return Workload(
            name=linked.name,
            engine=self.name,
            image=linked.image or "",
            program=options.program or linked.name,
            entrypoint=tuple(options.entrypoint),
            working_dir=PurePosixPath(options.working_dir) if options.working_dir else None,
            args=tuple(options.args),
            env=defaults.environment(linked, urls),
            mounts=tuple(
                Mount(volume=volume, target=PurePosixPath(folder), read_only=folder in options.read_only)
                for folder, volume in sorted(linked.volumes.items())
            ),
            gpus=linked.gpus,
            ports=ports,
            health=_health(options),
            after=defaults.used_on_same_host(linked, plan),
            expose=linked.expose,
            shm_size=options.shm_size,
            stop_grace=options.stop_grace,
            read_only_root=options.read_only_root,
            writable=tuple(map(PurePosixPath, options.writable)),
            capabilities=tuple(options.capabilities),
        )


def _health(options: ProgramOptions) -> "Health | None":
    from stackgen.domain.workload import Health

    ask = options.health
    if ask is None or options.port is None:
        return None
    return Health(port=options.port, path=ask.path, tool=ask.tool, start_period=ask.start_period)


def _unrunnable(service: LinkedService) -> Iterable[Diagnostic]:
    options: ProgramOptions = service.options
    if service.image is None and options.program is None:
        yield error(
            "program/no-image",
            service.path,
            f"nothing says which program `{service.name}` is",
            "image: registry/name:version",
        )
    for index, folder in enumerate(options.read_only):
        if folder not in service.volumes:
            yield error(
                "program/no-such-folder",
                (*service.path, "options", "read_only", index),
                f"no volume is mounted at {folder}",
                f"volumes: {{{folder}: <a name under volumes>}}",
            )


def _unreachable(service: LinkedService) -> Iterable[Diagnostic]:
    options: ProgramOptions = service.options
    if options.port is None and (service.publish or service.expose):
        yield error(
            "program/no-port",
            (*service.path, "publish" if service.publish else "expose"),
            f"nothing says on which port `{service.name}` listens",
            "options: {port: 8000}",
        )
    used = {reference.service for references in service.uses.values() for reference in references}
    for name, link in options.urls.items():
        if link.service not in used:
            yield error(
                "program/url-without-use",
                (*service.path, "options", "urls", name, "service"),
                f"`{link.service}` is not under `uses`, so nothing makes sure that it exists",
                f"uses: {{api: {link.service}}}",
            )


ENGINE: Final[Engine] = _Program()
