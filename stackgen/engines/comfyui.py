"""ComfyUI: pictures and video by workflows; one model at a time, in memory that the user declares."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine, Role
from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.engine_base import WithParts
from stackgen.domain.interface import Api, Interface
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel, Plan, PlannedService
from stackgen.domain.stack import Strict
from stackgen.domain.units import GIB
from stackgen.domain.values import Size

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload

# There is no official image. This publisher moves the tag without the date; only a digest never moves.
IMAGE: Final = "docker.io/yanwk/comfyui-boot:cu130-slim-v2-20260814"
PORT: Final = 8188
_HOME = PurePosixPath("/root/ComfyUI")
FOLDERS: Final = {
    "models": _HOME / "models",
    "custom_nodes": _HOME / "custom_nodes",
    "input": _HOME / "input",
    "output": _HOME / "output",
    "user": _HOME / "user",
    "packages": PurePosixPath("/root/.local"),
    "cache": PurePosixPath("/root/.cache"),
}


def _argument(text: str) -> str:
    if not text or any(char.isspace() for char in text):
        raise ValueError(f"{text!r} must be one word, for the image splits its arguments at spaces")
    if text.partition("=")[0] in ("--listen", "--port", "--reserve-vram", "--cpu"):
        raise ValueError(f"{text!r} follows from the stack: ports, `reserve_vram` and `gpus`")
    return text


class ComfyuiOptions(Strict):
    """What goes onto ComfyUI's command line."""

    reserve_vram: Size | None = Field(
        default=None, description="memory that it leaves to other programs on its GPU (--reserve-vram)"
    )
    args: list[Annotated[str, AfterValidator(_argument)]] = Field(
        default=[], description="further arguments, such as --fast; the image splits them at spaces"
    )


class _Comfyui(WithParts):
    name = "comfyui"
    summary = "ComfyUI, pictures and video by workflows"
    settings = ComfyuiOptions
    at_once = 1  # to load another model, it unloads the first
    volume_roles = {
        "models": Role(description="weights, one folder per kind: diffusion_models, vae, ..."),
        "custom_nodes": Role(description="custom nodes that people install"),
        "input": Role(description="pictures that people upload"),
        "output": Role(description="what it makes"),
        "user": Role(description="workflows and settings"),
        "packages": Role(description="Python packages of custom nodes"),
        "cache": Role(description="downloads; may be lost"),
    }
    offers = frozenset({"images"})

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """Memory that nobody declared, and GPUs that it would leave idle."""
        yield from super().check(service, known)
        if len(service.gpus) > 1:
            yield error(
                "comfyui/one-gpu",
                (*service.path, "gpus"),
                f"ComfyUI works on one GPU and would leave {len(service.gpus) - 1} of these idle",
                "name one GPU, or run one service per GPU",
            )

    def interface(self, service: PlannedService) -> Interface:
        """Pages for people, and the protocol of its own."""
        return Interface(apis={Api.COMFYUI: "", Api.PAGES: ""})

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """The image runs as root and unpacks itself into /root, so its file system cannot be read-only."""
        from stackgen.domain.workload import Health, Listen, Port, Workload

        linked = service.linked
        return Workload(
            name=linked.name,
            engine=self.name,
            image=linked.image or IMAGE,
            program="comfyui",
            env=defaults.environment(linked, {"CLI_ARGS": " ".join(_arguments(linked))}),
            mounts=defaults.mounts(linked, FOLDERS),
            gpus=linked.gpus,
            ports=(Port(name="http", number=PORT, publish=linked.publish),),
            listen=Listen(args=tuple(_arguments(linked, "{address}", "{port}"))),
            # The first start unpacks the program and may install what custom nodes need.
            health=Health(port=PORT, path="/system_stats", start_period=300),
            expose=linked.expose,
            read_only_root=False,
        )


def _arguments(service: LinkedService, address: str = "0.0.0.0", port: str = str(PORT)) -> list[str]:  # noqa: S104
    options: ComfyuiOptions = service.options
    # ComfyUI counts this one in GiB.
    reserve = [] if options.reserve_vram is None else ["--reserve-vram", f"{options.reserve_vram / GIB:g}"]
    device = [] if service.gpus else ["--cpu"]
    return ["--listen", address, "--port", port, *device, *reserve, *options.args]


ENGINE: Final[Engine] = _Comfyui()
