"""Why there is no number: the engine would refuse, or nobody has written down how the model computes."""

from collections.abc import Sequence


class Refused(Exception):  # noqa: N818 (reads as what the engine did)
    """The engine turns this down; `kind` is stable, such as `quantized-v-without-flash-attention`."""

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        self.kind, self.message, self.hint = kind, message, hint
        super().__init__(f"{message}; {hint}" if hint else message)


class UnknownArchitecture(Exception):  # noqa: N818 (part of the interface)
    """No rule explains how the model keeps state or computes."""

    def __init__(self, architecture: str, unexplained: Sequence[str]) -> None:
        self.architecture, self.unexplained = architecture, tuple(unexplained)
        self.hint = (
            "declare its memory (`vram: {low: ..., high: ...}`), measure it (nvidia-smi during a long prompt),"
            " or let the engine itself answer (`--oracle`)"
        )
        listed = ", ".join(self.unexplained[:8])
        super().__init__(f"no rule explains {listed} of architecture `{architecture}`; {self.hint}")
