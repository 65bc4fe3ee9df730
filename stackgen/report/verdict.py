"""The verdict of a plan, as people read it first."""

from stackgen.domain.diagnostic import Severity
from stackgen.domain.plan import Plan, Verdict
from stackgen.report.diagnostics import count


def wrong_though_it_fits(plan: Plan) -> str:
    """What keeps a stack that fits from being deployed, to follow the verdict."""
    errors = [d for d in plan.diagnostics if d.severity is Severity.ERROR]
    return f", but {count(errors)}" if errors and plan.verdict is Verdict.FITS else ""
