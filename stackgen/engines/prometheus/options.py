"""The options of Prometheus."""

from typing import Annotated

from pydantic import Field

from stackgen.domain.stack import Strict
from stackgen.domain.values import Duration, Name, Size
from stackgen.domain.wording import Form

Address = Annotated[
    str,
    Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$"),
    Form("host:port, such as 192.168.1.2:9100"),
]


class PrometheusOptions(Strict):
    """What it keeps, how often it asks, and whom else."""

    scrape_interval: Duration = Field(default=30, description="how often it asks for figures")
    retention: Duration = Field(default=30 * 86400, description="how long figures are kept")
    retention_size: Size | None = Field(default=None, description="how much of them is kept at most")
    alerts: bool = Field(
        default=True, description="rules: more GPU memory than planned, services and units that are down"
    )
    alertmanagers: list[Address] = Field(default=[], description="where alerts go, as host:port")
    targets: dict[Name, list[Address]] = Field(
        default={}, description="others to ask, such as node: [192.168.1.2:9100] for node_exporter"
    )
