"""Every engine on every platform: one stack with all of them plans, and every target writes its files."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from stackgen import registry
from stackgen.app.rendering import Output
from stackgen.domain.diagnostic import has_errors
from stackgen.domain.plan import Plan
from tests.support import everything

each_platform = pytest.mark.parametrize("platform", everything.PLATFORMS)


@cache
def planned(platform: str) -> tuple[Plan, Output]:
    with TemporaryDirectory() as folder:
        return everything.planned(platform, Path(folder))


def test_the_stack_has_a_service_of_every_engine() -> None:
    services = everything.data("compose")["services"].values()
    assert sorted(service["engine"] for service in services) == sorted(registry.engine_names())


@each_platform
def test_every_engine_plans_and_renders_on_every_platform(platform: str) -> None:
    plan, output = planned(platform)
    assert not has_errors((*plan.diagnostics, *output.diagnostics))
    for target in registry.target_names():
        asked = target == platform or not registry.target(target).platform
        assert bool(output.files[target]) is asked, target


@each_platform
def test_no_service_is_left_out(platform: str) -> None:
    plan, output = planned(platform)
    text = "\n".join(file.text for file in output.files[platform].values())
    assert [name for name in plan.services if name not in text] == []


@each_platform
def test_a_render_is_the_same_each_time(platform: str, tmp_path: Path) -> None:
    assert everything.planned(platform, tmp_path)[1].files == planned(platform)[1].files
