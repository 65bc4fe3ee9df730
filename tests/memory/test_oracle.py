"""The number is right: a ratchet on how far the estimates are from llama.cpp's own allocator."""

import sys
from dataclasses import dataclass

import pytest

import stackgen
from stackgen.domain.units import GIB, MIB
from stackgen.memory.errors import Refused, UnknownArchitecture
from tests.support.oracle import BATCHES, Score, case, cases, facts_of, header_path, percentile, score


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


@dataclass(frozen=True, kw_only=True)
class Ratchet:
    """How good a batch of cases has been; never raise these."""

    p95: float = 0.01
    """Of the total's error on GPUs, in per cent."""
    worst: float
    worst_host: float = 0.01
    under_mib: float = 0
    """How far an upper bound may be below the engine's figure."""
    buffers_p95: float = 2
    """How far the bound of the buffers may be above the engine's total, in per cent."""


RATCHETS = {
    "public": Ratchet(worst=0.11, buffers_p95=0.8),
    "more": Ratchet(worst=0.5, buffers_p95=1.1),
    "random": Ratchet(worst=0.05),
    "second": Ratchet(worst=1, worst_host=0.25, p95=0.5, buffers_p95=5.5),
    "third": Ratchet(worst=6.5, worst_host=1.2, p95=0.1, buffers_p95=5.5, under_mib=16),
    "mixed": Ratchet(worst=13, buffers_p95=5.5, under_mib=16),
}


@pytest.mark.parametrize("batch", BATCHES)
def test_estimates_stay_as_good_as_they_are(batch: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights and caches exact everywhere, totals nearly so, and bounds that hold."""
    (gpus, host), limit = score(batch), RATCHETS[batch]
    with capsys.disabled():
        sys.stdout.write(table(f"GPUs, {batch} cases", gpus) + table(f"host, {batch} cases", host))
    assert gpus.share("model") == host.share("model") == 100
    assert gpus.share("context") == host.share("context") == 100
    assert percentile(gpus.errors, 95) <= limit.p95
    assert max(gpus.errors)[0] <= limit.worst
    assert max(host.errors)[0] <= limit.worst_host
    assert gpus.under[0] <= limit.under_mib * MIB
    assert percentile(gpus.buffers, 95) <= limit.buffers_p95


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("t5", "an encoder and a decoder"),
        ("t5encoder", "relative positions"),
        ("hy_v4", "hyper-connections"),
        ("minimax-01", "lightning attention"),
        ("minimax-m3", "sparse attention by blocks"),
        ("nanbeige-loops", "num_loops"),
    ],
)
def test_what_no_rule_models_has_no_figure(header: str, reason: str) -> None:
    with pytest.raises(UnknownArchitecture, match=reason) as caught:
        stackgen.estimate(header_path(header), (), (24 * GIB,))
    assert "--oracle" in str(caught.value.hint)


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
