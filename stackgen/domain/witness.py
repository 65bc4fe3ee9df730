"""What the engine itself says of a model's memory, beside what we say, in MiB."""

from dataclasses import dataclass
from typing import Final

TERMS: Final = ("model", "context", "compute")
"""The engine's own columns: weights; cache and recurrent state; the compute buffer."""
TOLERANCE: Final = 1
"""MiB by which two figures that were rounded down may differ and still be one."""


@dataclass(frozen=True, slots=True)
class Usage:
    """MiB of one place, rounded down as the engine prints them."""

    model: int = 0
    context: int = 0
    compute: int = 0

    @property
    def values(self) -> tuple[int, int, int]:
        """In the order of TERMS."""
        return self.model, self.context, self.compute


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """The engine's answer: per device in the order they were asked for, and on the host."""

    build: str
    """As the program calls itself: `b11434`, or its version when nobody recorded the build."""
    asked: tuple[str, ...]
    """The arguments that say what was asked, without those that name the file and the stand-ins."""
    devices: tuple[Usage, ...]
    host: Usage

    def answers(self, asked: tuple[str, ...], devices: int) -> bool:
        """Whether it is the answer to this question about so many devices; their size is in `asked`, if anywhere."""
        return self.asked == asked and len(self.devices) == devices


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One GPU or the host; `ours` is None when we have no figure."""

    name: str
    ours: Usage | None
    engine: Usage

    @property
    def differences(self) -> tuple[int, int, int] | None:
        """Ours less the engine's, in the order of TERMS."""
        if self.ours is None:
            return None
        model, context, compute = (a - b for a, b in zip(self.ours.values, self.engine.values, strict=True))
        return model, context, compute

    @property
    def differs(self) -> bool:
        """Whether any term is further off than rounding explains."""
        return any(abs(d) > TOLERANCE for d in self.differences or ())


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Both answers to the same question; `why_not` tells why there is none of ours."""

    label: str
    build: str
    asked: tuple[str, ...]
    places: tuple[Place, ...]
    left_out: tuple[str, ...] = ()
    """What the server's own question has and the one that was asked has not."""
    why_not: str | None = None

    @property
    def differs(self) -> bool:
        """Whether any place does."""
        return any(place.differs for place in self.places)
