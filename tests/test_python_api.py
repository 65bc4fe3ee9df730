"""`stackgen.estimate`: arguments of another form are told what they should be."""

from typing import Any

import pytest

from stackgen import estimate
from tests.support.cli import ROOT, stackgen

HEADER = ROOT / "tests" / "headers" / "qwen3-30b-a3b.gguf"


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"argv": "-c 4096"}, TypeError, 'argv is a list of arguments; shlex.split makes one of "-c 4096"'),
        ({"argv": ["-c", 4096]}, TypeError, "4096 is none: write '4096'"),
        ({"devices": 24}, TypeError, r"devices is a list, with the free bytes of each GPU: \[24\]"),
        ({"devices": "24GiB"}, TypeError, "devices is a list"),
        ({"devices": ["24GiB"]}, TypeError, "whole numbers such as 24 . 2..30; '24GiB' is none"),
        ({"devices": [2.5e10]}, TypeError, "25000000000.0 is none"),
        ({"devices": [True]}, TypeError, "True is none"),
        ({"devices": [-1]}, ValueError, "a device cannot have -1 bytes"),
    ],
)
def test_arguments_of_another_form(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        estimate(HEADER, **arguments)


def test_any_sequence_will_do() -> None:
    listed = estimate(HEADER, argv=["-c", "4096"], devices=[24 * 2**30]).to_dict()
    assert estimate(str(HEADER), argv=("-c", "4096"), devices=(24 * 2**30,)).to_dict() == listed


def test_an_estimate_that_does_not_fit_has_status_1() -> None:
    big = ("estimate", HEADER, "-d", "8GiB")
    assert stackgen(*big, "--", "-c", "4096").status == 1
    assert stackgen(*big, "--json", "--", "-c", "4096").status == 0
    assert stackgen("estimate", HEADER, "-d", "80GiB", "--", "-c", "4096").status == 0
    assert stackgen("estimate", HEADER).status == 0
