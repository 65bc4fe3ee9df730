"""The options of LiteLLM: names, fallbacks and limits in its own words; routes follow from the stack."""

from typing import Annotated, Literal

from pydantic import Field

from stackgen.domain.stack import SecretValue, Strict
from stackgen.domain.values import Duration, Name
from stackgen.domain.wording import Form

PublicName = Annotated[
    str,
    # `*` makes it a pattern that takes in other names, and at `,` LiteLLM cuts what a client asks for in two.
    Field(pattern=r"^[^\s*,]([^*,\r\n\t]*[^\s*,])?$", max_length=200),
    Form("a name without `*` and `,`, and without blanks around it"),
]
RouteName = Annotated[
    str, Field(pattern=r"^[^/\s]+/.*\S$"), Form("`service/model`, such as llama/qwen3-coder")
]
Strategy = Literal[
    "simple-shuffle", "least-busy", "latency-based-routing", "usage-based-routing-v2", "cost-based-routing"
]


class LitellmOptions(Strict):
    """What is not given keeps LiteLLM's own default, unless the meaning says otherwise."""

    master_key: SecretValue | None = Field(
        default=None, description="the key that clients must send; it begins with sk-"
    )
    names: dict[PublicName, RouteName] = Field(
        default={}, description="what clients call a model, when not as its service does: NAME: service/model"
    )
    aliases: dict[PublicName, PublicName] = Field(
        default={}, description="further names that clients may ask for, such as gpt-4: NAME"
    )
    fallbacks: dict[PublicName, list[PublicName]] = Field(
        default={}, description="which models to try, in this order, when one does not answer"
    )
    context_window_fallbacks: dict[PublicName, list[PublicName]] = Field(
        default={}, description="which models to try when a conversation is too long for one"
    )
    default_fallbacks: list[PublicName] = Field(
        default=[], description="which models to try for those without `fallbacks` of their own"
    )
    max_fallbacks: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="how many of them to try at most (5)"
    )
    routing_strategy: Strategy = Field(
        default="simple-shuffle", description="how to choose among services that offer the same name"
    )
    timeout: Duration | None = Field(
        default=None,
        description="longest answer; unless given, the longest load of a model and 10 minutes more",
    )
    stream_timeout: Duration | None = Field(
        default=None, description="longest silence in an answer that streams; unless given, `timeout`"
    )
    num_retries: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="how often to try again before a fallback (2)"
    )
    allowed_fails: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="failures in a minute before a service is left alone (3)"
    )
    cooldown_time: Duration | None = Field(default=None, description="how long it is left alone then (5s)")
    drop_params: bool = Field(
        default=True, description="leave out what a service does not understand instead of refusing"
    )
    metrics: bool = Field(default=False, description="offer figures at /metrics, to those who have the key")
    keys: dict[Name, SecretValue] = Field(
        default={}, description="keys of services that want one and cannot say so in the stack, by service"
    )
    database_url: SecretValue | None = Field(
        default=None, description="a PostgreSQL database for keys, teams and budgets, as postgresql://…"
    )
    salt_key: SecretValue | None = Field(
        default=None, description="what encrypts secrets in that database; it must never change"
    )
