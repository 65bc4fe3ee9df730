"""What stack.yaml says of machines: what runs services on them, and what they have."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stackgen.domain.strict import Strict
from stackgen.domain.values import NodeName, Rate, Size
from stackgen.domain.wording import Form


class Gpu(Strict):
    """One GPU, in the long form."""

    model: str | None = Field(default=None, description="name in the built-in table, such as rtx-3090")
    capacity: Size | None = Field(
        default=None, description="memory as the driver offers it, for a card not in the table"
    )
    vendor: Literal["nvidia", "amd", "intel"] | None = Field(
        default=None, description="of a card not in the table; nvidia unless told"
    )
    driver: Literal["i915", "xe"] | None = Field(
        default=None,
        description="the kernel's for an Intel card, as lspci -k prints it; its series' own unless told",
    )
    reserve: Size = Field(default=0, description="memory that other programs take, such as a desktop")
    uuid: str | None = Field(
        default=None, description="GPU-… as nvidia-smi -L prints it; steadier than the index"
    )

    @model_validator(mode="after")
    def _known_or_sized(self) -> "Gpu":
        if self.model is None and self.capacity is None:
            raise ValueError("give `model` (a name such as rtx-3090) or `capacity` (such as 23.5GiB)")
        return self


class Sharing(Strict):
    """How pods share each card of a node. It divides time, not memory: the plan adds up what all of them take."""

    mode: Literal["time-slicing", "mps"] = Field(
        default="time-slicing", description="how the device plugin lets several pods onto a card"
    )
    replicas: Annotated[int, Field(ge=2, le=48)] = Field(description="how many pods each card is offered to")


class Host(Strict):
    """A machine: what it runs on it, and what it has."""

    platform: str = Field(
        description="what runs services here: compose, kubernetes, nixos, quadlet or systemd"
    )
    node: NodeName | None = Field(
        default=None, description="name of its Kubernetes node, if that is not the host's own"
    )
    gpu_sharing: Sharing | None = Field(
        default=None, description="several pods on each card of a Kubernetes node"
    )
    address: str | None = Field(
        default=None, description="name or IP address under which other hosts reach it"
    )
    ram: Size | None = Field(default=None, description="main memory")
    cpus: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        default=None, description="logical CPUs, as nproc counts them"
    )
    download_rate: Rate | None = Field(
        default=None, description="what comes in from the network, for the time that downloads take"
    )
    gpus: Annotated[
        list[Annotated[str | Gpu, Form("a GPU name such as rtx-3090, or a mapping with `model`")]],
        Form("a list of GPU names, such as [rtx-3090, rtx-3090]"),
    ] = Field(default=[], description="in PCI bus order, as nvidia-smi lists them")
