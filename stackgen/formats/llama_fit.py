"""The language of llama-fit-params: arguments in, and the table, the devices and the complaints that come out.

Checked with build 11434; `--fit-print` came with b8500 or so, older programs of that name do not have it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stackgen.domain.witness import Usage

_ROW = re.compile(r"^(\S+) (\d+) (\d+) (\d+)\s*$", re.MULTILINE)
_DEVICE = re.compile(r"^\s+(\S+): (.+)$", re.MULTILINE)
_VERSION = re.compile(r"version: (\S+)(?: \((?:build (\d+), )?)?")
# The engine's own words for giving up, best first: what it logged, what it was thrown, where it aborted.
_REASONS = (
    r"^\S+ E (?:\w+: )?(?!terminate called)(.+)$",
    r"^(error.*)$",
    r"what\(\):\s*(.+)$",
    r"^(?:\S*/)?([\w.-]+\.(?:cpp|c|cu):\d+: .+)$",
)


@dataclass(frozen=True, slots=True)
class StandIn:
    """A device that stands in for a GPU: its name in the program, and where it listens."""

    name: str
    endpoint: str


def addressed(asked: Sequence[str], devices: Sequence[StandIn]) -> tuple[str, ...]:
    """Arguments with the stand-ins for the GPUs that they name as buffer types."""
    words = list(asked)
    if "-ot" in words:
        at = words.index("-ot") + 1
        pairs = (pair.rpartition("=") for pair in words[at].split(","))
        words[at] = ",".join(f"{pattern}={_buffer(kind, devices)}" for pattern, _, kind in pairs)
    return tuple(words)


def _buffer(kind: str, devices: Sequence[StandIn]) -> str:
    """The buffer type of the stand-in for `CUDA1` and its like; others as they are."""
    match = re.fullmatch(r"(?i)(?:cuda|rocm|hip|vulkan|sycl|musa|metal)(\d+)", kind)
    if match and int(match[1]) < len(devices):
        # Each server has one device, which is its number 0.
        return f"RPC0[{devices[int(match[1])].endpoint}]"
    return kind


def table(text: str) -> Mapping[str, Usage]:
    """The rows of `--fit-print on`, by device; the one for main memory is called Host."""
    return {name: Usage(int(m), int(c), int(b)) for name, m, c, b in _ROW.findall(text)}


def stand_ins(text: str, endpoints: Sequence[str]) -> tuple[StandIn, ...]:
    """The devices of `--list-devices` that are at these endpoints, in the order of the endpoints."""
    names = {
        endpoint: name
        for name, rest in _DEVICE.findall(text)
        for endpoint in endpoints
        if rest.startswith(f"{endpoint} ") or name.endswith(f"[{endpoint}]")
    }
    return tuple(StandIn(names[e], e) for e in endpoints if e in names)


def build(text: str) -> str:
    """`b11434` from `--version`, or the version where the packager recorded no build."""
    match = _VERSION.search(text)
    if match is None:
        return "of an unknown build"
    number = match[2] or match[1]
    return f"b{number}" if number.isdigit() and int(number) else match[1]


def logged_error(text: str) -> bool:
    """Whether the program said why it gave up, either in its log or about an argument."""
    return any(re.search(pattern, text, re.MULTILINE) for pattern in _REASONS[:2])


def reason(text: str, status: int) -> str:
    """Why the program gave up, in its own words."""
    for pattern in _REASONS:
        if match := re.search(pattern, text, re.MULTILINE):
            return match[1].strip()
    return f"it ended with status {status} and said nothing"
