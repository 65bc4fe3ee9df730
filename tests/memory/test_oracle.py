"""The number is right: a ratchet on how far the estimates are from llama.cpp's own allocator."""

import sys

import pytest

import stackgen
from stackgen.domain.units import MIB
from stackgen.memory.errors import Refused
from tests.support.oracle import Score, case, cases, facts_of, percentile, score


def table(title: str, s: Score) -> str:
    """What CI shows."""
    worst, at = max(s.errors)
    lines = [
        f"\n{title}: {len(s.errors)} places",
        *(f"  {t} exact to 1 MiB   {s.share(t):6.2f} %  ({r} of {n})" for t, (r, n) in s.exact.items()),
        (
            f"  total error         p50 {percentile(s.errors, 50):.3f} %  p95 {percentile(s.errors, 95):.3f} %"
            f"  max {worst:.2f} % ({at})"
        ),
        f"  upper bound too low {s.under[0] / MIB:.1f} MiB ({s.under[1]})",
        f"  buffer's bound, above the engine p95 {percentile(s.buffers, 95):.2f} %",
    ]
    if s.high:
        lines.append(f"  with what CUDA may add           p95 {percentile(s.high, 95):.2f} %")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def public() -> tuple[Score, Score]:
    """All public cases, estimated once."""
    return score("public")


@pytest.fixture(scope="module")
def more() -> tuple[Score, Score]:
    """The cases of other architectures."""
    return score("more")


def test_public_cases(public: tuple[Score, Score], capsys: pytest.CaptureFixture[str]) -> None:
    gpus, host = public
    with capsys.disabled():
        sys.stdout.write(table("GPUs, public cases", gpus) + table("host, public cases", host))
    assert gpus.share("model") == host.share("model") == 100
    assert gpus.share("context") == host.share("context") == 100
    assert percentile(gpus.errors, 95) <= 0.01
    assert max(gpus.errors)[0] <= 0.7
    assert max(host.errors)[0] <= 0.01
    assert gpus.under[0] <= 16 * MIB
    assert percentile(gpus.buffers, 95) <= 1


def test_architectures_that_were_not_looked_at(
    more: tuple[Score, Score], capsys: pytest.CaptureFixture[str]
) -> None:
    gpus, host = more
    with capsys.disabled():
        sys.stdout.write(table("GPUs, more architectures", gpus) + table("host, more architectures", host))
    assert gpus.share("model") == host.share("model") == 100
    assert gpus.share("context") == host.share("context") == 100
    assert percentile(gpus.errors, 95) <= 0.1
    assert max(gpus.errors)[0] <= 2
    assert gpus.under[0] <= 16 * MIB


def test_flags_drawn_at_random(capsys: pytest.CaptureFixture[str]) -> None:
    gpus, host = score("random")
    with capsys.disabled():
        sys.stdout.write(table("GPUs, random flags", gpus) + table("host, random flags", host))
    assert gpus.share("model") == host.share("model") == 100
    assert gpus.share("context") == host.share("context") == 100
    assert percentile(gpus.errors, 95) <= 0.01
    assert max(gpus.errors)[0] <= 0.6
    assert max(host.errors)[0] <= 0.01
    assert gpus.under[0] <= 2 * MIB


def test_a_second_batch_of_architectures(capsys: pytest.CaptureFixture[str]) -> None:
    gpus, host = score("second")
    with capsys.disabled():
        sys.stdout.write(table("GPUs, second batch", gpus) + table("host, second batch", host))
    assert gpus.share("model") == host.share("model") == 100
    assert gpus.share("context") == host.share("context") == 100
    assert percentile(gpus.errors, 95) <= 0.5
    assert max(gpus.errors)[0] <= 2.1
    assert gpus.under[0] <= 16 * MIB


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ref-000", "quantized-v-without-flash-attention"),
        ("ref-001", "quantized-v-without-flash-attention"),
        ("ref-002", "mixed-cache-types-mla"),
        ("ref-003", "mixed-cache-types-mla"),
        ("ref-004", "mixed-cache-types-mla"),
        ("ref-005", "argument"),
        ("ref-006", "main-gpu-out-of-range"),
        ("ref-007", "graph-too-large"),
        ("r1-127", "graph-too-large"),
    ],
)
def test_refused_as_the_engine_refuses(name: str, kind: str) -> None:
    refused = next(c for c in cases("refused") if c.id == name)
    with pytest.raises(Refused) as caught:
        stackgen.estimate(refused.header, refused.argv, refused.devices)
    assert caught.value.kind == kind
    assert str(caught.value)


@pytest.mark.parametrize("name", ["pub-131", "pub-140", "pub-238", "pub-024", "pub-133"])
def test_layer_map(name: str) -> None:
    from stackgen.api import parse_argv
    from stackgen.memory.placement import place

    c = case(name)
    placement = place(facts_of(c.header.stem), parse_argv(c.argv), c.devices)
    runs: list[tuple[str, int]] = []
    for where in placement.layers:
        label = "CPU" if where == placement.host else f"RPC{where}"
        if runs and runs[-1][0] == label:
            runs[-1] = (label, runs[-1][1] + 1)
        else:
            runs.append((label, 1))
    assert tuple(runs) == c.layers
