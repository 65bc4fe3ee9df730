"""Failures that are neither findings in a stack nor bugs: a missing file, a folder that cannot be written."""


class Failure(Exception):  # noqa: N818 - it is caught by this name at the very edge; the subclasses end in Error
    """Something outside stopped us. `hint` says what to do, `status` is the exit status."""

    status = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
