"""Volumes in which programs would find links to nothing."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, warning
from stackgen.domain.stack import Volume

SNAPSHOT: Final = "link/snapshot-volume"
_SNAPSHOT: Final = re.compile(r"(.+)/(models--[^/]+/snapshots(?:/.*)?)")
"""The hub's cache keeps files in models--OWNER--REPO/blobs, and links to them in snapshots/COMMIT beside it."""


def check(volumes: Mapping[str, Volume]) -> Iterator[Diagnostic]:
    """Folders of the hub's cache that hold links alone."""
    for name, volume in volumes.items():
        for key, place in (("path", volume.path), ("nfs", volume.nfs)):
            if place and (found := _SNAPSHOT.fullmatch(place)):
                yield warning(
                    SNAPSHOT,
                    ("volumes", name, key),
                    f"`{found[2]}` holds links to `blobs` beside it, which lead to nothing where only this is mounted",
                    f"mount the whole cache, `{key}: {found[1]}`, and name files of models by all of their path",
                )
