"""Rates and durations, read and shown."""

import pytest

from stackgen.domain.units import GIB, parse_rate, show_duration


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100Mbit/s", 12_500_000), ("1 Gbit/s", 125_000_000), ("12MB/s", 12_000_000), ("1.5MiB/s", 1_572_864)],
)
def test_rates_are_bytes_per_second(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["100", "100MB", "100Mbit", "Mbit/s", "100Mbps", "100MB/m", "", "/s", "bit/s"]
)
def test_what_is_no_rate_is_told_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match="write a number and a unit, such as 100Mbit/s"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (60, "60 s"),
        (61, "2 min"),
        (3600, "1 h"),
        (20 * GIB / 12_500_000, "29 min"),
        (11_000, "3 h 4 min"),
    ],
)
def test_durations_are_rounded_up(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text
