"""The options of Grafana."""

from pydantic import Field

from stackgen.domain.stack import SecretValue, Strict


class GrafanaOptions(Strict):
    """Who may look; everything else keeps Grafana's own default."""

    admin_password: SecretValue | None = Field(
        default=None, description="of the user admin, for the first start with an empty volume"
    )
    anonymous: bool = Field(default=False, description="anybody may look without logging in")
