"""NVIDIA's DCGM exporter: what the GPUs of a host really hold, for Prometheus."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.contracts import Engine
from stackgen.domain.diagnostic import Diagnostic, error
from stackgen.domain.engine_base import WithoutModels
from stackgen.domain.interface import Interface, Scrape
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import Demand, KnownModel, Plan, PlannedService

if TYPE_CHECKING:
    from stackgen.domain.workload import Workload

IMAGE: Final = "nvcr.io/nvidia/k8s/dcgm-exporter:4.4.2-4.7.1-ubuntu22.04"
PORT: Final = 9400
COUNTERS: Final = PurePosixPath("/etc/dcgm-exporter/stackgen.csv")


class _DcgmExporter(WithoutModels):
    name = "dcgm-exporter"
    summary = "NVIDIA's DCGM exporter, what GPUs really hold"

    def check(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Iterable[Diagnostic]:
        """GPUs that it would leave out, and so count otherwise than the plan does."""
        cards = [gpu for gpu in service.host.gpus if gpu.vendor == "nvidia"]
        if not cards:
            message = f"`{service.host.name}` has no NVIDIA GPU to watch"
            yield error("dcgm-exporter/no-gpu", (*service.path, "host"), message, "a host that has one")
        elif {gpu.index for gpu in service.gpus} != {gpu.index for gpu in cards}:
            listed = ", ".join(str(gpu.index) for gpu in cards)
            yield error(
                "dcgm-exporter/some-gpus",
                (*service.path, "gpus") if service.gpus else service.path,
                "it counts the GPUs that it sees from 0, so it must see all NVIDIA GPUs of its host and no others",
                f"gpus: [{listed}]; it takes nothing of them",
            )

    def demand(self, service: LinkedService, known: Mapping[str, KnownModel]) -> Demand:
        """Nothing of the GPUs that it sees."""
        return Demand(residents=(), watches=True)

    def interface(self, service: PlannedService) -> Interface:
        """Figures, and among them the memory of each GPU in MiB."""
        return Interface(scrapes=(Scrape(gpu_memory="DCGM_FI_DEV_FB_USED * 1048576"),))

    def lower(self, service: PlannedService, plan: Plan) -> "Workload":
        """NVIDIA's image, told to ask only for what needs no privileges."""
        from stackgen.domain.document import Format, Template
        from stackgen.domain.workload import ConfigFile, Health, Listen, Port, Workload

        linked = service.linked
        counters = Template("dcgm-exporter/counters.csv")
        env = {"DCGM_EXPORTER_LISTEN": f":{PORT}", "DCGM_EXPORTER_COLLECTORS": str(COUNTERS)}
        return Workload(
            name=linked.name,
            engine=self.name,
            image=linked.image or IMAGE,
            program="dcgm-exporter",
            env=defaults.environment(linked, env),
            config_files=(
                ConfigFile(name=COUNTERS.name, target=COUNTERS, format=Format.TEXT, body=counters),
            ),
            gpus=linked.gpus,
            ports=(Port(name="http", number=PORT, publish=linked.publish),),
            health=Health(port=PORT, path="/health", start_period=30, tool="bash"),
            expose=linked.expose,
            # DCGM keeps files of its own in several places of the image.
            read_only_root=False,
            listen=Listen(env={"DCGM_EXPORTER_LISTEN": "{address}:{port}"}),
        )


ENGINE: Final[Engine] = _DcgmExporter()
