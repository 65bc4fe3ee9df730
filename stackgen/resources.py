"""Finds the templates: in the installed package, or beside it in a checkout; a user's folder comes first."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath


def template(name: str, overrides: Traversable | None = None) -> str | None:
    """The text of a template, or None if no folder has it. A name cannot leave its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        return None
    for folder in (overrides, shipped()):
        if folder is not None and (file := folder.joinpath(*path.parts)).is_file():
            return file.read_text(encoding="utf-8")
    return None


def shipped() -> Traversable:
    """The folder of the templates that come with the program."""
    package = files("stackgen")
    installed = package.joinpath("_templates")
    return installed if installed.is_dir() else package.joinpath("..", "templates")
