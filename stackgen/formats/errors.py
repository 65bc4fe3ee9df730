"""What can be wrong with the bytes of a weights file."""

from stackgen.domain.failure import Failure


class FormatError(Failure):
    """The bytes are not what they should be; the message is for people."""


class Truncated(FormatError):  # noqa: N818  a call for more bytes, mostly not a failure
    """The bytes end before the header does: at least `need` bytes from the start of the file are needed.

    That much may not be enough either, so whoever reads on had better double what there is.
    """

    def __init__(self, need: int) -> None:
        self.need = need
        super().__init__(f"the header is incomplete: its first {need} bytes are needed")
