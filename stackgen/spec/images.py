"""Container image references: whether they are one, and whether they always mean the same image."""

import re
from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, YamlPath, error, warning

_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REGISTRY = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(?::\d+)?"
_IMAGE = re.compile(
    rf"(?P<name>(?:{_REGISTRY}/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_FIXED: Final = r"\d\.\d|\d{8}|(?:^|-)b\d{3,}|(?:^|-)[0-9a-f]{7,40}$|^v?\d+$"
"""What a tag that stays has in it: a version, a date, a build number or a commit."""
_MOVING: Final = r"(?:^|-)(?:latest|main|master|nightly|edge|dev)(?:-|$)"


def check(image: str, path: YamlPath) -> Iterator[Diagnostic]:
    """What is wrong with an image reference."""
    match = _IMAGE.fullmatch(image)
    if match is None:
        yield error("link/image", path, f"`{image}` is no image reference", _repair(image))
    elif match["digest"] is None and (reason := _moves(match["tag"])):
        message = f"`{image}` {reason}, so the same stack may run another program tomorrow"
        hint = "choose a tag with a version, a date or a build, or add the digest: …@sha256:…"
        yield warning("link/unpinned-image", path, message, hint)


def _moves(tag: str | None) -> str | None:
    if tag is None:
        return "has no tag, which means `latest`"
    # A date makes even nightly-20260814 stay; a moving word together with a version is a moving tag still.
    if not re.search(_FIXED, tag) or (re.search(_MOVING, tag) and "latest" in tag):
        return "has a tag that moves" if re.search(_MOVING, tag) else "names no version"
    return None


def _repair(image: str) -> str:
    text = re.sub(r"^(?:docker|podman|nerdctl) pull |^[a-z-]+://", "", image.strip())
    name, colon, tag = text.rpartition(":") if ":" in text.rpartition("/")[2] else (text, "", "")
    fixed = f"{name.lower()}{colon}{tag}"
    if fixed != image and _IMAGE.fullmatch(fixed):
        return f"write {fixed}"
    return "such as ghcr.io/ggml-org/llama.cpp:server-cuda-b11434"
