"""What `stackgen estimate` tells people."""

import pytest

from tests.support.cli import stackgen

HEADER = "tests/headers/qwen3-32b.gguf"  # 21.1 GiB on the GPU, and 256 KiB of cache for each token


@pytest.mark.parametrize(
    ("devices", "flags", "verdict"),
    [
        (["24GiB"], ["-c", "32768"], "does not fit at worst: GPU 0 lacks 5."),
        (["24GiB"], ["-c", "8192"], "fits if the driver takes little"),
        (["24GiB"], ["-c", "4096"], "fits, with room for the driver's own 150 to 750 MiB"),
        (["rtx-3090", "12GiB"], ["-c", "32768"], "fits, with room"),
        ([], ["-c", "4096"], "all on the CPU; name each GPU with -d"),
    ],
)
def test_whether_that_is_enough(devices: list[str], flags: list[str], verdict: str) -> None:
    named = [word for device in devices for word in ("-d", device)]
    run = stackgen("estimate", HEADER, *named, "--", *flags, "-np", "1")
    assert run.status == (1 if verdict.startswith("does not fit") else 0)
    assert verdict in run.out
    assert (" left" in run.out) == bool(devices)


def test_files_of_their_own_are_said_to_be_missing() -> None:
    flags = ["-c", "4096", "--mmproj", "eye.gguf", "-md", "small.gguf"]
    run = stackgen("estimate", HEADER, "-d", "24GiB", "--", *flags)
    assert "not counted, for they are files of their own: --mmproj, the draft model" in run.out
    assert "not counted" not in stackgen("estimate", HEADER, "-d", "24GiB", "--", "-c", "4096").out


def test_a_card_that_is_almost_there() -> None:
    run = stackgen("estimate", HEADER, "-d", "rtx-3900")
    assert run.status == 2
    assert "did you mean `rtx-3090`?" in run.err
