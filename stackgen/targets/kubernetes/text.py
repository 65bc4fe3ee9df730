"""How Kubernetes reads names, quantities and text."""

import re
from hashlib import sha256
from typing import Any, Final

from stackgen.domain.units import GIB, KIB, MIB

LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123)."""
SERVICE: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""The name of a Service: it begins with a letter (RFC 1035)."""
SUBDOMAIN: Final = re.compile(rf"(?=.{{1,253}}$){LABEL.pattern}(\.{LABEL.pattern})*")
LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
PORT_NAME: Final = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
KEY: Final = re.compile(r"[-._A-Za-z0-9]{1,253}")
"""A key of a ConfigMap or a Secret."""
QUANTITY: Final = re.compile(r"\d+(Ki|Mi|Gi|Ti)?")


def literal(text: str) -> str:
    """An argument or a value of the environment, in which `$(NAME)` is replaced and `$$` stands for `$`."""
    return text.replace("$", "$$")


def verbatim(value: Any) -> Any:
    """Values that come out of a template of Go as they went in."""
    match value:
        case str():
            return value.replace("{{", "{{`{{`}}")
        case dict():
            return {key: verbatim(item) for key, item in value.items()}
        case list():
            return [verbatim(item) for item in value]
        case _:
            return value


def quantity(size: int) -> str:
    """Bytes, in the largest unit that says them exactly."""
    unit, suffix = next(
        ((u, s) for u, s in ((GIB, "Gi"), (MIB, "Mi"), (KIB, "Ki")) if size % u == 0), (1, "")
    )
    return f"{size // unit}{suffix}"


def cpus(thousandths: int) -> str:
    """CPUs as the API server spells them: `4`, `500m`."""
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def digest(value: Any, length: int = 8) -> str:
    """A few characters that change when the value does."""
    # ascii() and not repr(), whose escapes depend on the Unicode tables of the Python version.
    return sha256(ascii(value).encode()).hexdigest()[:length]


def fitted(name: str, limit: int = 63) -> str:
    """The name, or as much of it as fits beside a hash of the rest."""
    return name if len(name) <= limit else f"{name[: limit - 9].rstrip('-')}-{digest(name)}"


def hashed(name: str, value: Any, limit: int = 63) -> str:
    """A name that changes with what it stands for, where the API lets nobody change it in place."""
    return f"{fitted(name, limit - 9)}-{digest(value)}"


def port_name(name: str) -> str:
    """The name of a port as IANA has it: at most 15 characters, a letter among them."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if PORT_NAME.fullmatch(plain):
        return plain
    return f"p-{digest(name)}"


def duration(seconds: int) -> str:
    """A duration of the Gateway API: at most five digits in each unit."""
    for unit, suffix in ((3600, "h"), (60, "m")):
        if seconds % unit == 0:
            return f"{seconds // unit}{suffix}"
    return f"{seconds // 60}m{seconds % 60}s" if seconds > 60 else f"{seconds}s"
