"""Requests and limits of services, in the short form and in the long one."""

from pathlib import Path
from typing import Any

import pytest

from stackgen.domain.linked import Bounds
from stackgen.domain.units import GIB
from tests.support.snippets import planned


def bounds(key: str, written: Any, folder: Path) -> Bounds:
    service = {"engine": "program", "host": "box", "image": "example.org/one:1.0", key: written}
    hosts = {"box": {"platform": "compose", "cpus": 16, "ram": "64GiB"}}
    stack = planned(
        {"version": 1, "name": "home", "hosts": hosts, "services": {"one": service}}, folder
    ).stack
    assert stack.hosts["box"].cpus == 16000
    found: Bounds = getattr(stack.services["one"], key)
    return found


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (4, Bounds(limit=4000)),
        (0.5, Bounds(limit=500)),
        ("500m", Bounds(limit=500)),
        ({"request": "1000m", "limit": 4}, Bounds(request=1000, limit=4000)),
        ({"request": 2}, Bounds(request=2000)),
        ({"limit": 2}, Bounds(limit=2000)),
    ],
)
def test_cpus(written: Any, expected: Bounds, tmp_path: Path) -> None:
    assert bounds("cpus", written, tmp_path) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("4GiB", Bounds(limit=4 * GIB)),
        ({"request": "2GiB", "limit": "4GiB"}, Bounds(request=2 * GIB, limit=4 * GIB)),
        ({"request": "2GiB"}, Bounds(request=2 * GIB)),
    ],
)
def test_main_memory(written: Any, expected: Bounds, tmp_path: Path) -> None:
    assert bounds("ram", written, tmp_path) == expected


def test_a_limit_alone_is_asked_for_and_a_request_alone_may_be_all() -> None:
    assert Bounds(limit=4).asked == 4
    assert Bounds(request=2, limit=4).asked == 2
    assert Bounds(request=2).most == 2
    assert Bounds(request=2, limit=4).most == 4
    assert Bounds().asked == Bounds().most == 0
