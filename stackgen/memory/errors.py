"""Why there is no number: the engine would refuse, or nobody has written down how the model computes."""

from collections.abc import Sequence

from stackgen.domain.failure import Failure


class Refused(Failure):
    """The engine turns this down; `kind` is stable, such as `quantized-v-without-flash-attention`."""

    def __init__(self, kind: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.kind, self.message = kind, message


class UnknownArchitecture(Failure):
    """No rule explains how the model keeps state or computes."""

    def __init__(self, architecture: str, unexplained: Sequence[str]) -> None:
        self.architecture, self.unexplained = architecture, tuple(unexplained)
        listed = ", ".join(self.unexplained[:8])
        super().__init__(
            f"no rule explains {listed} of architecture `{architecture}`",
            "declare its memory (`vram: {low: ..., high: ...}`), measure it (nvidia-smi during a long prompt),"
            " or let the engine itself answer (`--oracle`)",
        )
