"""Open WebUI as a workload: the official image and its environment."""

from pathlib import PurePosixPath
from typing import Final

from stackgen.domain import engine_defaults as defaults
from stackgen.domain.fronts import url_of
from stackgen.domain.plan import Plan, PlannedService
from stackgen.domain.workload import Health, Listen, Port, Workload
from stackgen.engines.open_webui.connections import connections
from stackgen.engines.open_webui.options import environment

IMAGE: Final = "ghcr.io/open-webui/open-webui:v0.12.4"
PORT: Final = 8080
DATA: Final = PurePosixPath("/app/backend/data")


def workload(service: PlannedService, plan: Plan) -> Workload:
    """The official image, which copies files into its own folders at each start."""
    linked = service.linked
    url = url_of(linked, plan.fronts)
    own = connections(linked, plan.interfaces) | ({"WEBUI_URL": url} if url else {})
    return Workload(
        name=linked.name,
        engine=service.linked.engine,
        image=linked.image or IMAGE,
        program="open-webui",
        env=defaults.environment(linked, own | environment(linked.options)),
        mounts=defaults.mounts(linked, {"data": DATA}),
        gpus=linked.gpus,
        ports=(Port(name="http", number=PORT, publish=linked.publish),),
        listen=Listen(args=("serve", "--host", "{address}", "--port", "{port}")),
        # The first start downloads an embedding model.
        health=Health(port=PORT, path="/health", start_period=300),
        expose=linked.expose,
        read_only_root=False,
    )
