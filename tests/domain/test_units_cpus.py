"""Numbers of CPUs, read and shown."""

import pytest

from stackgen.domain.units import parse_cpus, show_cpus


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [
        ("4", 4000),
        ("0.5", 500),
        ("500m", 500),
        (" 1000m ", 1000),
        ("2.0", 2000),
        ("0.001", 1),
        ("1.25000", 1250),
    ],
)
def test_cpus_are_thousandths(text: str, thousandths: int) -> None:
    assert parse_cpus(text) == thousandths


@pytest.mark.parametrize("text", ["", "four", "-1", "0.0001", "1.5m", "m", "4 CPUs", "1e3", "4000 m", "1,5"])
def test_what_is_no_number_of_cpus_is_told_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number of CPUs"):
        parse_cpus(text)


@pytest.mark.parametrize("text", ["0", "0.0", "0m"])
def test_no_cpu_at_all_is_too_little(text: str) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        parse_cpus(text)


@pytest.mark.parametrize(("thousandths", "text"), [(4000, "4"), (500, "0.5"), (1250, "1.25"), (1, "0.001")])
def test_cpus_are_shown_without_zeros_that_say_nothing(thousandths: int, text: str) -> None:
    assert show_cpus(thousandths) == text
    assert parse_cpus(text) == thousandths
