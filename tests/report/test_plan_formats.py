"""A plan as HTML and as JUnit: well-formed, whole, and safe whatever a stack says."""

from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from stackgen.domain.plan import Plan
from stackgen.domain.source import Positions, Source
from stackgen.plan.solve import solve
from stackgen.report.html import as_html
from stackgen.report.junit import as_junit
from tests.support.planning import SizedEngine, host, known, service, stack

SOURCE = Source("<stack>.yaml", "version: 1\n", {"version": 1}, Positions({}, {}))


def plan_of(size: int, expected: str = "fits") -> Plan:
    box = host(gpus=2, ram=32)
    models = {"a": {"gpus": {0: size}, "ram": 1}}
    linked = stack([box], [service("r", box, models)], scenarios={"all": (("r",), expected)})
    return solve(linked, known(linked), {"sized": SizedEngine()})


class Page(HTMLParser):
    """Which elements are open, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_has_everything_that_the_plan_has() -> None:
    page = Page(as_html(plan_of(30), SOURCE))
    assert page.open == []
    for text in (
        "over-budget",
        "box GPU 0",
        "6.0 GiB too much",
        "r/a",
        "Main memory",
        "Scenarios",
        "plan/over-budget",
    ):
        assert text in page.text
    assert not {"script", "link", "img"} & set(page.tags)


def test_html_escapes_what_a_stack_says() -> None:
    plan = plan_of(30)
    gpu = replace(plan.gpus[0], model="<script>alert(1)</script>")
    page = Page(as_html(replace(plan, gpus=(gpu,)), SOURCE))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text


def cases(plan: Plan | None, found: Plan) -> dict[str, str | None]:
    """The kind of each case's failure, by the name of the case."""
    suites = ET.fromstring(as_junit(plan, SOURCE, found.diagnostics))  # noqa: S314 - it is our own
    (suite,) = suites
    failures = {
        case.attrib["name"]: None if (failed := case.find("failure")) is None else failed.attrib["type"]
        for case in suite
    }
    assert suite.attrib["tests"] == str(len(suite))
    assert suite.attrib["failures"] == str(sum(kind is not None for kind in failures.values()))
    return failures


def test_junit_has_a_case_for_each_thing_that_is_proved() -> None:
    assert cases(plan_of(20), plan_of(20)) == {
        "box GPU 0 (card) holds 24.0 GiB": None,
        "box GPU 1 (card) holds 24.0 GiB": None,
        "box has 32.0 GiB of main memory": None,
        "all: fits": None,
        "nothing else is wrong": None,
    }
    over = cases(plan_of(30), plan_of(30))
    assert over["box GPU 0 (card) holds 24.0 GiB"] == "plan/over-budget"
    assert over["box GPU 1 (card) holds 24.0 GiB"] is None
    assert over["all: fits"] == "plan/scenario"


def test_junit_of_a_stack_that_is_wrong_fails() -> None:
    found = plan_of(30)
    assert "plan/over-budget at hosts.box.gpus[0]" in cases(None, found)


def test_junit_holds_any_text() -> None:
    plan = plan_of(30)
    odd = replace(plan.diagnostics[0], message='a <b> & \x00 "c" ]]>')
    text = as_junit(None, SOURCE, [odd])
    (failure,) = ET.fromstring(text).iter("failure")  # noqa: S314 - it is our own
    assert failure.attrib["message"] == 'a <b> & \ufffd "c" ]]>'
