"""The engine's own figures beside ours: for one file, and for every model of a plan that llama.cpp serves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stackgen.app.loading import Loaded
from stackgen.app.questions import Question, answers, questions
from stackgen.domain.diagnostic import Diagnostic, YamlPath, error, warning
from stackgen.domain.failure import Failure
from stackgen.domain.linked import LinkedStack
from stackgen.domain.llama import LlamaParams
from stackgen.domain.lock import Lock
from stackgen.domain.plan import Plan
from stackgen.domain.witness import TERMS, TOLERANCE, Comparison, Statement


def of_file(model: Path, params: LlamaParams, devices: tuple[int, ...], folder: Path | None) -> Comparison:
    """One file on devices of these free bytes. Raises WitnessError, FormatError and FactsError."""
    from stackgen.facts.derive import derive
    from stackgen.io import sparse, witness
    from stackgen.io.local import read_gguf
    from stackgen.memory.witness import compare

    programs = witness.find(folder)
    said = witness.witness(sparse.from_file(model), params, devices, programs)
    return compare(model.name, derive(read_gguf(model)), params, devices, said)


def of_plan(loaded: Loaded, planned: Plan, folder: Path | None) -> tuple[Plan, tuple[Comparison, ...]]:
    """The plan with a finding for each model that differs or was not answered, and all answers beside ours."""
    known = {name: model for s in planned.services.values() for name, model in s.known.items()}
    asked = list(questions(loaded.stack, known))
    heard, found = ask(loaded.stack, loaded.lock, asked, folder)
    noted = (*planned.diagnostics, *found)
    return replace(planned, diagnostics=noted), tuple(q.beside(said) for q, said in heard)


def ask(
    stack: LinkedStack, lock: Lock, asked: list[Question], folder: Path | None
) -> tuple[list[tuple[Question, Statement]], tuple[Diagnostic, ...]]:
    """The answers that there were, and the findings about them, of which the owner may have accepted some."""
    from stackgen.spec import allow

    heard: list[tuple[Question, Statement]] = []
    found: list[Diagnostic] = []
    for question, answer in answers(asked, lock, folder):
        path = question.use.path if question else ()
        if isinstance(answer, Failure):
            found.append(unavailable(path, str(answer), answer.hint))
        elif question:
            heard.append((question, answer))
            found += differences(question.beside(answer), path)
    return heard, allow.noted(found, stack.stack.allow)


def unavailable(path: YamlPath, message: str, hint: str | None) -> Diagnostic:
    """The engine was asked for and did not answer: nobody must take silence for agreement."""
    return error("oracle/unavailable", path, message, hint)


def differences(compared: Comparison, path: YamlPath) -> Iterator[Diagnostic]:
    """A warning for each model of which we and the engine do not say the same."""
    if not compared.differs:
        return
    parts = [
        f"{place.name} {term} {off:+} MiB"
        for place in compared.places
        for term, off in zip(TERMS, place.differences or (), strict=False)
        if abs(off) > TOLERANCE
    ]
    yield warning(
        "oracle/differs",
        path,
        f"`{compared.label}`: our figures less llama-fit-params {compared.build}: {', '.join(parts)}",
        "`stackgen lock --oracle` plans with the engine's; please report the model and the arguments shown",
    )
