"""Every target answers every field of Workload: it shows in the output, or a finding names it."""

import re
from dataclasses import MISSING, fields, replace
from pathlib import PurePosixPath

import pytest

from stackgen import registry
from stackgen.domain.contracts import Rendered, Target
from stackgen.domain.delivery import Cluster, Deploy
from stackgen.domain.values import NAME_PATTERN
from stackgen.domain.workload import Deployment, Workload
from stackgen.emit import to_text
from tests.support.workloads import EVERY_FIELD, SEARCH, deployment, home, maximal, workload

FIELDS = tuple(field.name for field in fields(Workload))
TARGETS: tuple[Target, ...] = tuple(registry.targets().values())
MEANT_FOR_OTHERS = {
    **{(name, "program"): "the image knows its own program" for name in ("compose", "kubernetes", "quadlet")},
    **{
        (name, "listen"): "a container has a network of its own"
        for name in ("compose", "kubernetes", "nixos", "quadlet")
    },
    **{
        (name, field): "nothing there closes the way to others"
        for field in ("calls", "offline")
        for name in ("compose", "files", "nixos", "quadlet", "systemd")
    },
    **{
        (name, "watches"): "nobody has to do without a GPU that another service has"
        for name in ("compose", "files", "nixos", "quadlet", "systemd")
    },
    ("compose", "reload"): "a changed file makes another container, by its label",
    ("nixos", "reload"): "a changed file is another path of the store, which makes another unit",
    ("nixos", "program"): "the image knows its own program; what has none is in tests/targets/test_nixos.py",
}
"""What a target may pass over in silence, and why."""

WRITTEN = {"memory_request": "ram", "cpu_request": "cpus"}
"""Keys of stack.yaml that are called otherwise than the field."""

GOES_WITH = {
    "watches": ("gpus",),
    "listen": ("ports",),
    "expose": ("ports",),
    "reload": ("config_files", "gpus", "health", "ports"),
}
"""Fields that mean nothing without others."""

PAGES = {"clients"}
"""Targets that write for people: they run nothing, so most of a workload is none of their business."""

each_runner = pytest.mark.parametrize(
    "target", [target for target in TARGETS if target.name not in PAGES], ids=lambda target: target.name
)
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


def of(target: Target, found: Deployment) -> Deployment:
    """The deployment with every host on the target's platform."""
    if not target.platform:
        return found
    hosts = (replace(item, host=replace(item.host, platform=target.name)) for item in found.hosts)
    return replace(found, hosts=tuple(hosts))


def texts(rendered: Rendered) -> dict[PurePosixPath, str]:
    return {document.path: to_text(document) for document in rendered.documents}


@each_target
def test_it_is_described(target: Target) -> None:
    assert re.fullmatch(NAME_PATTERN, target.name)
    assert target.summary
    assert not target.summary.endswith(".")


def test_the_sample_values_cover_every_field() -> None:
    assert set(EVERY_FIELD) == set(FIELDS)
    for field in fields(Workload):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        assert EVERY_FIELD[field.name] != default


@each_target
def test_only_a_platform_that_keeps_others_waiting_hands_out_by_request(target: Target) -> None:
    by_number = set(target.scheduled(Deploy()))
    assert (by_number == {"cpu", "ram", "nvidia", "amd", "intel"}) is (target.name == "kubernetes")
    named = target.scheduled(Deploy(cluster=Cluster(gpus="claims")))
    assert set(named) == by_number - {"nvidia"}
    assert all(kept >= 0 for kept in named.values())


@each_runner
def test_handles_and_rejects_are_all_fields(target: Target) -> None:
    assert target.handles.isdisjoint(target.rejects)
    assert target.handles | target.rejects == set(FIELDS)


@each_runner
@pytest.mark.parametrize("field", FIELDS)
def test_every_field_has_an_answer(target: Target, field: str) -> None:
    plain = workload("plain", **{needed: EVERY_FIELD[needed] for needed in GOES_WITH.get(field, ())})
    set_to = replace(plain, **{field: EVERY_FIELD[field]})
    before = target.render(of(target, deployment(plain, SEARCH)))
    after = target.render(of(target, deployment(set_to, SEARCH)))
    if field in target.handles:
        passed_over = (target.name, field) in MEANT_FOR_OTHERS
        assert (texts(after) == texts(before)) is passed_over
    else:
        new = [finding for finding in after.diagnostics if finding not in before.diagnostics]
        assert any(finding.path[:3] == ("services", "plain", WRITTEN.get(field, field)) for finding in new)


@each_runner
def test_every_part_of_a_large_workload_can_be_written(target: Target) -> None:
    assert texts(target.render(of(target, deployment(maximal, SEARCH))))


@each_target
def test_the_same_deployment_gives_the_same_files(target: Target) -> None:
    found = of(target, home())
    turned = replace(
        found,
        hosts=tuple(replace(h, workloads=tuple(reversed(h.workloads))) for h in reversed(found.hosts)),
        volumes=dict(reversed(list(found.volumes.items()))),
    )
    first = target.render(found)
    assert target.render(found) == first
    assert texts(target.render(turned)) == texts(first)


@each_target
def test_every_file_has_a_place_of_its_own(target: Target) -> None:
    paths = [document.path for document in target.render(of(target, home())).documents]
    assert len({str(path).casefold() for path in paths}) == len(paths)
    assert not any(path.is_absolute() or ".." in path.parts for path in paths)


def test_targets_do_not_write_to_the_same_folder() -> None:
    tops = [
        {document.path.parts[0] for document in target.render(of(target, home())).documents}
        for target in TARGETS
    ]
    assert sum(len(top) for top in tops) == len(set[str]().union(*tops))
