"""What Helm makes of a service that a chart installs, in each of the ways that the kubernetes target has."""

import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.support.programs import require

CHARTS = Path(__file__).parents[1] / "charts"
"""Stand-ins for charts, of the same names, that take the same values."""


class Release(NamedTuple):
    """What Argo CD, Flux or somebody at a keyboard tells Helm."""

    name: str
    chart: str
    version: str
    namespace: str
    values: Mapping[str, Any]


def releases(objects: Iterable[Mapping[str, Any]], folder: Path) -> Iterator[Release]:
    """Those among the objects of a cluster, and those that are left to people in a folder of rendered files."""
    for one in objects:
        spec = one.get("spec", {})
        if one["kind"] == "HelmRelease":
            chart = spec["chart"]["spec"]
            yield Release(
                spec["releaseName"],
                chart["chart"],
                chart["version"],
                one["metadata"]["namespace"],
                spec["values"],
            )
        if one["kind"] == "Application" and "helm" in spec["source"]:
            source, namespace = spec["source"], spec["destination"]["namespace"]
            helm = source["helm"]
            yield Release(
                helm["releaseName"],
                source["chart"],
                source["targetRevision"],
                namespace,
                helm["valuesObject"],
            )
    for file in sorted(folder.rglob("values.yaml")):
        yield _by_hand(file)


def _by_hand(file: Path) -> Release:
    """The command on top of a file of values."""
    text = file.read_text("utf-8")
    (line,) = [line for line in text.splitlines() if "helm upgrade" in line]
    words = shlex.split(line.removeprefix("#"))
    assert words[:3] == ["helm", "upgrade", "--install"]
    name, chart, *pairs = words[3:]
    options = dict(zip(pairs[::2], pairs[1::2], strict=True))
    assert (file.parents[1] / options["-f"]).samefile(file)
    return Release(name, chart, options["--version"], options["--namespace"], yaml.safe_load(text))


def installed(objects: Iterable[Mapping[str, Any]], folder: Path) -> str:
    """Everything that Helm adds to the objects of a cluster, whose files are in a folder."""
    return "".join(f"\n{template(release, folder)}" for release in releases(objects, folder))


def template(release: Release, folder: Path) -> str:
    """The objects that Helm makes."""
    file = folder / f"{release.name}.values"
    file.write_text(yaml.safe_dump(dict(release.values)))
    chart = CHARTS / release.chart
    done = subprocess.run(
        [
            require("helm"),
            *("template", release.name, str(chart), "--namespace", release.namespace, "-f", str(file)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout
