"""What fits: every row is planned again from a stack that says what the row says."""

import pytest

from stackgen import app
from stackgen.app import fitting
from stackgen.app.loading import read_text
from stackgen.domain.failure import Failure
from stackgen.domain.fit import Fits
from stackgen.domain.lock import Lock
from stackgen.domain.plan import Verdict
from stackgen.domain.units import GIB
from stackgen.plan.fitting import MOST_ROWS
from stackgen.report.fit import written

TEXT = """
version: 1
name: home
hosts:
  box: {{platform: compose, ram: 64GB, gpus: [{gpus}]}}
models:
  big: {{hf: "{hf}"}}
services:
  llama:
    engine: llama-server
    host: box
    gpus: {indexes}
    options: {{parallel: 1}}
    models: {{it: {{model: big, {options}}}}}
    volumes: {{models: models}}
  whisper:
    engine: program
    host: box
    gpus: [0]
    image: example/whisper:1.0
    vram: {{low: 1GiB, high: {beside}}}
volumes: {{models: {{path: /srv/models}}}}
"""


def text(hf: str, gpus: tuple[str, ...], options: str = "", beside: str = "1GiB") -> str:
    indexes = list(range(len(gpus)))
    return TEXT.format(hf=hf, gpus=", ".join(gpus), indexes=indexes, options=options, beside=beside)


def fits(hf: str, gpus: tuple[str, ...], options: str = "", beside: str = "1GiB") -> Fits:
    _, stack = read_text("t", text(hf, gpus, options, beside))
    (found,) = fitting.in_stack(stack, Lock(), "llama/it", None)
    return found


CASES = [
    ("unsloth/Qwen3-30B-A3B-GGUF:Q4_K_M", ("rtx-3090", "rtx-4070-ti")),
    ("ggml-org/gpt-oss-120b-GGUF:MXFP4", ("rtx-3090",)),
    ("unsloth/Qwen3-8B-GGUF:UD-Q4_K_XL", ("rtx-3060",)),
]


@pytest.mark.parametrize(("hf", "gpus"), CASES)
def test_every_row_fits_and_its_next_longer_context_does_not(hf: str, gpus: tuple[str, ...]) -> None:
    found = fits(hf, gpus)
    assert 0 < len(found.rows) <= MOST_ROWS
    assert found.others == ("whisper",)
    for row in found.rows:
        weights = f"{hf.partition(':')[0]}:{row.quantization}"
        _, stack = read_text("t", text(weights, gpus, ", ".join(written(row))))
        plan = app.plan(stack)
        assert plan.verdict is Verdict.FITS, row
        assert tuple(gpu.free for gpu in plan.gpus) == row.left
        assert min(row.left) >= 0
        longer = written(row._replace(context=row.context * 3 // 2))
        if not row.experts_on_host and row.context < found.trained:
            text_ = ", ".join((longer[0], *written(row)[1:]))
            _, stack = read_text("t", text(weights, gpus, text_))
            assert app.plan(stack).verdict is Verdict.OVER_BUDGET, row


def test_the_best_is_first() -> None:
    rows = fits(*CASES[0]).rows
    whole = [row for row in rows if row.context >= 32768 and not row.experts_on_host]
    assert list(rows[: len(whole)]) == whole
    assert [row.weights for row in whole] == sorted((row.weights for row in whole), reverse=True)


def test_what_the_stack_asks_for_is_what_is_wanted() -> None:
    assert fits(*CASES[0]).context == 32768
    assert fits(*CASES[0], "context: 16384").context == 16384
    assert fits(*CASES[0], "context: 1000000").context == fits(*CASES[0]).trained


def test_what_else_is_there_counts() -> None:
    free, crowded = fits(*CASES[0]), fits(*CASES[0], beside="16GiB")
    assert crowded.rows[0].weights < free.rows[0].weights


def test_when_nothing_fits_the_smallest_is_named() -> None:
    found = fits("unsloth/Qwen3-235B-A22B-GGUF:Q4_K_M", ("rtx-3060",))
    assert found.rows == ()
    assert found.smallest is not None
    assert found.smallest > 64 * GIB


def test_cards_alone() -> None:
    by_name = fitting.alone("qwen3-30b-a3b", [fitting.card("3090"), "rtx-4070-ti"], "64GB", None)
    assert by_name.gpus == ("rtx-3090", "rtx-4070-ti")
    assert by_name.rows[0].quantization == "Q6_K"
    repo = fitting.alone("Qwen/Qwen3-30B-A3B-GGUF", ["rtx-3090", "rtx-4070-ti"], "64GB", None)
    assert [r.weights for r in repo.rows] == [r.weights for r in by_name.rows]
    assert fitting.alone("qwen3-8b", [fitting.card("24GiB")], None, None).gpus == ("24576MiB",)


@pytest.mark.parametrize(
    ("name", "gpu", "hint"),
    [
        ("Qwen2.5", "3090", "there are: qwen2.5-0.5b"),
        ("qwen3-8bb", "3090", "did you mean `qwen3-8b`?"),
        ("qwen3-8b:Q4_K_MM", "3090", "did you mean `Q4_K_M`?"),
        ("qwen3-8b", "rtx-309", "did you mean `rtx-3090`?"),
        ("qwen3-8b", "many", "24GiB"),
    ],
)
def test_names_that_are_not_known(name: str, gpu: str, hint: str) -> None:
    with pytest.raises(Failure) as caught:
        fitting.alone(name, [fitting.card(gpu)], None, None)
    assert hint in (caught.value.hint or "")


def test_names_in_a_stack() -> None:
    _, stack = read_text("t", text(*CASES[0]))
    for name in ("llama", "llama/it", "it", "big"):
        assert [f.use for f in fitting.in_stack(stack, Lock(), name, 4096)] == ["it"]
    with pytest.raises(Failure, match="nothing here is called 'lama'"):
        fitting.in_stack(stack, Lock(), "lama", None)
