"""A plan as a JUnit report, for CI systems that show one: a case for each GPU, each scenario, each further error."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stackgen.domain.diagnostic import Diagnostic, Severity, YamlPath, dotted
from stackgen.domain.plan import Plan
from stackgen.domain.source import Source
from stackgen.domain.units import show_size


class _Case(NamedTuple):
    """A thing that is proved, and what was found instead."""

    group: str
    name: str
    failure: Diagnostic | None = None


def as_junit(plan: Plan | None, source: Source, diagnostics: Sequence[Diagnostic]) -> str:
    """XML; a stack that is wrong has no plan, and only cases that fail."""
    from xml.sax.saxutils import escape, quoteattr

    cases = list(_cases(plan, [d for d in diagnostics if d.severity is Severity.ERROR]))
    failures = sum(case.failure is not None for case in cases)
    name = quoteattr(plan.stack.name if plan else source.name)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites tests="{len(cases)}" failures="{failures}">',
        f'<testsuite name={name} tests="{len(cases)}" failures="{failures}" errors="0" skipped="0">',
    ]
    for case in cases:
        start = f"<testcase classname={quoteattr(case.group)} name={quoteattr(case.name)}"
        if case.failure is None:
            lines.append(f"{start}/>")
            continue
        found = case.failure
        place = source.positions.of(found)
        text = f"{source.name}:{place.line}:{place.column}: {found.message}"
        text += f"\nhint: {found.hint}" if found.hint else ""
        failure = f"<failure type={quoteattr(found.kind)} message={quoteattr(_legal(found.message))}>"
        lines += [
            f'{start} file={quoteattr(source.name)} line="{place.line}">',
            f"{failure}{escape(_legal(text))}</failure>",
            "</testcase>",
        ]
    return "\n".join((*lines, "</testsuite>", "</testsuites>")) + "\n"


def _legal(text: str) -> str:
    """Without characters that XML cannot hold."""
    return "".join(c if c >= " " or c in "\t\n" else "\ufffd" for c in text)


def _cases(plan: Plan | None, errors: Sequence[Diagnostic]) -> Iterator[_Case]:
    left = list(errors)

    def found(kind: str, path: YamlPath) -> Diagnostic | None:
        one = next((d for d in left if d.kind == kind and d.path == path), None)
        if one is not None:
            left.remove(one)
        return one

    for gpu in plan.gpus if plan else ():
        name = f"{gpu.host} GPU {gpu.index} ({gpu.model}) holds {show_size(gpu.usable)}"
        yield _Case("gpus", name, found("plan/over-budget", ("hosts", gpu.host, "gpus", gpu.index)))
    for host in plan.hosts if plan else ():
        if host.ram is not None:
            name = f"{host.host} has {show_size(host.ram)} of main memory"
            yield _Case("hosts", name, found("plan/host-ram", ("hosts", host.host, "ram")))
    for result in plan.scenarios if plan else ():
        name = f"{result.name}: {result.expected.value}"
        yield _Case("scenarios", name, found("plan/scenario", ("scenarios", result.name)))
    for error in left:
        yield _Case("findings", f"{error.kind} at {dotted(error.path) or 'the file'}", error)
    if not left:
        yield _Case("findings", "nothing else is wrong")
