"""On hosts without containers, nothing listens beyond what `publish` opens, or the plan says so."""

from dataclasses import replace

import pytest

from stackgen import registry
from stackgen.domain.contracts import Engine
from stackgen.domain.linked import Publication
from stackgen.domain.listening import listening
from stackgen.domain.workload import Workload
from tests.conformance.test_engines import least
from tests.support.engines import lower
from tests.support.workloads import deployment

ENGINES = [registry.engine(name) for name in registry.engine_names()]
UNTOLD = {"caddy", "program"}
"""Those that nothing can tell where to listen."""
EVERYWHERE = ("0.0.0.0", "[::]")  # noqa: S104
OF_ITS_IMAGE = {"CLI_ARGS"}
"""Variables that only the script in an image reads."""

each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)


def closed(engine: Engine) -> Workload:
    """What it runs for a service that nothing publishes."""
    return lower(engine, replace(least(engine), publish=None))


def settings(run: Workload) -> list[str]:
    """What its variables and flags say; of a flag that stands twice, the last."""
    flags = {word: run.args[at : at + 2][-1] for at, word in enumerate(run.args) if word.startswith("-")}
    variables = (str(value) for name, value in run.env.items() if name not in OF_ITS_IMAGE)
    return [*variables, *flags, *flags.values()]


@each_engine
def test_it_listens_where_it_is_told(engine: Engine) -> None:
    run = closed(engine)
    if engine.name in UNTOLD:
        assert run.listen is None
        return
    told = settings(listening(run, Publication(4711, "127.0.0.1")))
    assert any("4711" in text for text in told)
    assert any("127.0.0.1" in text for text in told)
    assert not [text for text in told if text.startswith(EVERYWHERE)]


@each_engine
def test_or_a_plan_for_plain_units_warns(engine: Engine) -> None:
    found = registry.target("systemd").render(deployment(closed(engine), platform="systemd"))
    warned = "render/listens-everywhere" in [finding.kind for finding in found.diagnostics]
    assert warned is (engine.name in UNTOLD)


@pytest.mark.parametrize(("address", "warned"), [("127.0.0.1", True), ("10.0.0.9", True), ("0.0.0.0", False)])  # noqa: S104
def test_whoever_opens_it_to_all_knows(address: str, warned: bool) -> None:
    program = registry.engine("program")
    port = closed(program).ports[0].number
    run = lower(program, replace(least(program), publish=Publication(port, address)))
    found = registry.target("systemd").render(deployment(run, platform="systemd"))
    assert ("render/listens-everywhere" in [finding.kind for finding in found.diagnostics]) is warned
