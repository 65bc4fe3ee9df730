"""What an emitter says when its syntax cannot express a value."""

TreePath = tuple[str | int, ...]
"""Keys and indexes from the root of a value tree."""


class EmitError(Exception):
    """A value that a syntax cannot express: why, and where in the value tree it stands."""

    def __init__(self, message: str, path: TreePath = ()) -> None:
        self.message = message
        self.path = path
        place = ".".join(str(step) for step in path)
        super().__init__(f"{place}: {message}" if place else message)
