"""The kinds of values that stack.yaml has in many places: sizes, durations, names."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticKnownError

from stackgen.domain import spelling
from stackgen.domain.units import parse_cpus, parse_duration, parse_rate, parse_size
from stackgen.domain.wording import Form


def _with_unit(parse: Callable[[str], int], form: str) -> BeforeValidator:
    """Reads what has a unit; a bare number has none, whatever it is meant to be."""

    def read(value: object) -> int:
        if isinstance(value, str):
            return parse(value)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number:
            raise PydanticKnownError("string_type")
        raise ValueError(f"{value} has no unit; write a number and {form}")

    return BeforeValidator(read)


Size = Annotated[
    int,
    _with_unit(parse_size, "a unit, such as 24GiB, 500MiB or 400GB"),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(k?B|[KMGT]i?B)\s*$", "examples": ["24GiB"]}
    ),
    Form("a size such as 24GiB"),
]
"""Bytes, written with a unit."""

Duration = Annotated[
    int,
    _with_unit(parse_duration, "s, m, h or d, such as 30m"),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d+\s*[smhd]\s*$", "examples": ["30m"]}),
    Form("a duration such as 30m"),
]
"""Seconds, written with a unit."""

Rate = Annotated[
    int,
    _with_unit(parse_rate, "a unit, such as 100Mbit/s or 12MB/s"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*\d+(\.\d+)?\s*((k?B|[KMGT]i?B)|[kMG]bit)/s\s*$",
            "examples": ["100Mbit/s"],
        }
    ),
    Form("a rate such as 100Mbit/s"),
]
"""Bytes per second, written with a unit."""


def _cpus(value: object) -> int:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return parse_cpus(str(value))
    raise PydanticKnownError("string_type")


Cpus = Annotated[
    int,
    BeforeValidator(_cpus),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*(\d+m|\d+(\.\d+)?)\s*$"},
            ],
            "examples": [4, "500m"],
        }
    ),
    Form("a number of CPUs above 0, such as 4, 0.5 or 500m"),
]
"""Thousandths of a CPU, as `resources` of a pod has them."""

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
Name = Annotated[
    str,
    Field(pattern=NAME_PATTERN),
    Form("made of lower-case letters, digits and inner hyphens, at most 63 in all", spelling.name),
]
"""A DNS label: it becomes a host name, a container name and a folder, in every target."""

NodeName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", max_length=63),
    Form("made of lower-case letters, digits and inner `-` and `.`, at most 63 in all"),
]
"""The name of something in a cluster that is not the stack's own."""

ModelId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?$"),
    Form("made of letters, digits, `_` and inner `.` and `-`, at most 64 in all", spelling.model_id),
]
"""A model, and the id under which a service offers it: a section name, a URL part and a JSON string at once."""

Variable = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
    Form("made of letters, digits and `_`, and must not begin with a digit", spelling.variable),
]
"""The name of an environment variable."""


Sha256 = Annotated[
    str,
    Field(pattern=r"^[0-9a-f]{64}$"),
    Form("the 64 hexadecimal digits that sha256sum prints", spelling.sha256),
]
"""The hash of a file."""


def _ip_address(text: str) -> str:
    from ipaddress import ip_address

    try:
        # Spelled in one way, so that two of them can be compared.
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no IP address; 0.0.0.0 stands for all of the host's") from None


IpAddress = Annotated[str, AfterValidator(_ip_address)]
