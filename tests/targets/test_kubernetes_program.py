"""What kubectl, the schemas of Kubernetes and those of custom resources make of the objects."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from stackgen import app, registry
from stackgen.data import load_toml
from stackgen.domain.document import Document
from stackgen.domain.workload import Deployment
from stackgen.targets.kubernetes import TARGET
from tests.support import charts, everything, kubernetes
from tests.support.clusters import SHAPES, cluster_home
from tests.support.crds import KINDS, violations
from tests.support.router import listed
from tests.support.snippets import snippets
from tests.support.workloads import SEARCH, deployment, maximal
from tests.targets.test_charts import by_chart

STACKS = Path(__file__).parents[2] / "stacks"
ON_KUBERNETES = sorted(
    folder.name
    for folder in STACKS.iterdir()
    if (folder / "stack.yaml").is_file()
    and "platform: kubernetes" in (folder / "stack.yaml").read_text("utf-8")
)
pytestmark = pytest.mark.tool

DEPLOYMENTS = {
    "home": cluster_home(),
    "maximal": deployment(maximal, SEARCH, platform="kubernetes"),
    **SHAPES,
    **{f"chart-{gitops}": by_chart(gitops=gitops) for gitops in ("argocd", "flux", "none")},
    "oldest-chart": by_chart(charts={"ollama": {"version": load_toml("charts")["ollama"]["oldest"]}}),
}


def of_stack(name: str) -> Deployment:
    if name == "everything":
        with TemporaryDirectory() as folder:
            plan, _ = everything.planned("kubernetes", Path(folder))
        return app.deploy(plan, "stack.yaml")
    loaded = app.load(STACKS / name)
    return app.deploy(app.plan(loaded.stack), "stack.yaml")


def by_kserve(name: str) -> Deployment:
    """A stack of a cluster that has KServe."""
    found = of_stack(name)
    cluster = found.deploy.cluster.model_copy(update={"multi_node": "kserve"})
    return replace(found, deploy=found.deploy.model_copy(update={"cluster": cluster}))


def rendered(name: str) -> tuple[Document, ...]:
    found = DEPLOYMENTS[name] if name in DEPLOYMENTS else of_stack(name)
    return TARGET.render(found).documents


def secrets(documents: tuple[Document, ...]) -> dict[str, set[str]]:
    """What the examples are patterns for."""
    bodies = [d.body for d in documents if "secrets.example" in d.path.parts]
    return {body["metadata"]["name"]: set(body["stringData"]) for body in bodies}


@pytest.mark.parametrize("name", [*DEPLOYMENTS, *ON_KUBERNETES])
def test_an_api_server_would_take_it(name: str, tmp_path: Path) -> None:
    documents = rendered(name)
    kubernetes.write(tmp_path, documents)
    text = kubernetes.kustomize(tmp_path / "kubernetes")
    text += charts.installed(kubernetes.objects(text), tmp_path)
    found = kubernetes.objects(text)
    assert found
    for version in (kubernetes.OLDEST, kubernetes.NEWEST):
        if any(o["kind"] == "ResourceClaim" for o in found) and version == kubernetes.OLDEST:
            continue
        assert kubernetes.complaints(text, version, tmp_path, KINDS) == []
    files = [tmp_path / d.path for d in documents if d.path.parts[0] in ("argocd", "flux")]
    own = [one for file in files for one in kubernetes.objects(file.read_text("utf-8"))]
    assert [v for one in (*found, *own) if one["kind"] in KINDS for v in violations(one)] == []
    assert kubernetes.problems(found, secrets(documents)) == []


def test_a_model_of_several_nodes_by_kserve(tmp_path: Path) -> None:
    """All that vLLM is told is what the plan counted with, whoever makes the pods."""
    found = TARGET.render(by_kserve("company"))
    assert [d for d in found.diagnostics if d.kind.startswith("kubernetes/kserve")] == []
    kubernetes.write(tmp_path, found.documents)
    stream = kubernetes.objects(kubernetes.kustomize(tmp_path / "kubernetes"))
    (served,) = [one for one in stream if one["kind"] == "LLMInferenceService"]
    assert violations(served) == []
    assert kubernetes.problems(stream) == []
    spec = served["spec"]
    assert spec["parallelism"] == {"tensor": 8, "pipeline": 2}
    assert spec["model"]["name"] == "deepseek-v3.1"
    args = spec["template"]["containers"][0]["args"]
    told = dict(pairwise(args))
    assert (told["--tensor-parallel-size"], told["--pipeline-parallel-size"]) == ("8", "2")
    assert spec["model"]["uri"].endswith(told["serve"].removeprefix("/models"))


@pytest.mark.parametrize("name", ON_KUBERNETES)
def test_each_folder_stands_alone(name: str, tmp_path: Path) -> None:
    """`kubectl apply -k` of one service."""
    kubernetes.write(tmp_path, rendered(name))
    folders = sorted(file.parent for file in tmp_path.rglob("*/kustomization.yaml"))
    assert len(folders) > 2
    for folder in folders:
        namespaces = {
            o["metadata"].get("namespace") for o in kubernetes.objects(kubernetes.kustomize(folder))
        }
        assert len(namespaces - {None, "argocd", "gpu-operator"}) == 1, folder


def templates(text: str) -> dict[str, kubernetes.Object]:
    """The pod templates of a stream, by kind, name and number."""
    return {
        f"{one['kind']}/{one['metadata']['name']}/{number}": pod
        for one in kubernetes.objects(text)
        for number, pod in enumerate(kubernetes.pods(one))
    }


def mounted_at(pod: kubernetes.Object, config_map: str) -> list[kubernetes.Object]:
    """The mounts of a ConfigMap in the containers of a pod."""
    spec = pod["spec"]
    volumes = {v["name"] for v in spec["volumes"] if v.get("configMap", {}).get("name") == config_map}
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    return [mount for c in containers for mount in c["volumeMounts"] if mount["name"] in volumes]


def generated(folder: Path) -> list[tuple[str, str]]:
    """(name in kustomization.yaml, file) of every ConfigMap that is generated there."""
    found = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    return [(one["name"], file) for one in found.get("configMapGenerator", []) for file in one["files"]]


@pytest.mark.parametrize("name", ["everything", "home", *ON_KUBERNETES])
def test_a_change_of_any_file_makes_other_pods_or_is_read_by_those_that_run(
    name: str, tmp_path: Path
) -> None:
    """kustomize puts a hash of the files into the name that pods mount, or else the pod watches what it mounts."""
    kubernetes.write(tmp_path, rendered(name))
    folders = sorted(file.parent for file in tmp_path.rglob("*/kustomization.yaml"))
    changed = [(folder, *one) for folder in folders for one in generated(folder)]
    assert bool(changed) is (name not in ("one-5070ti", "time-sliced"))
    for folder, config_map, file in changed:
        before = templates(kubernetes.kustomize(folder))
        text = (folder / file).read_text("utf-8")
        (folder / file).write_text(text + "# another line\n")
        after = templates(kubernetes.kustomize(folder))
        (folder / file).write_text(text)
        if before != after:
            continue
        for pod in before.values():
            mounts = mounted_at(pod, config_map)
            assert len(mounts) > 1, (folder, file)
            assert not [mount for mount in mounts if "subPath" in mount]
            assert "reload" in [container["name"] for container in pod["spec"]["containers"]]


def test_llama_server_lists_what_a_config_map_says(tmp_path: Path) -> None:
    loaded = app.load(STACKS / "triple-3090")
    plan = app.plan(loaded.stack)
    kubernetes.write(tmp_path, TARGET.render(app.deploy(plan, "stack.yaml")).documents)
    services = [s for name, s in sorted(plan.services.items()) if s.linked.engine == "llama-server"]
    routers = list(kubernetes.presets(tmp_path / "kubernetes"))
    for (presets, arguments), service in zip(routers, services, strict=True):
        found = listed(presets, tmp_path, *arguments)
        assert isinstance(found, dict), found
        assert {use.id for use in service.linked.models} <= found.keys()


def test_what_is_not_in_the_stack_goes_into_an_overlay(tmp_path: Path) -> None:
    """The example of the documentation, over a stack that has what it changes."""
    kubernetes.write(tmp_path, rendered("triple-3090"))
    page = STACKS.parent / "docs" / "kubernetes.md"
    (overlay,) = [s.text for s in snippets(page) if s.info == "yaml kustomization"]
    own = tmp_path / "own" / "kustomization.yaml"
    own.parent.mkdir()
    own.write_text(overlay)
    found = {
        (o["kind"], o["metadata"]["name"]): o for o in kubernetes.objects(kubernetes.kustomize(own.parent))
    }
    claim, route = found["PersistentVolumeClaim", "chat-data"], found["HTTPRoute", "chat"]
    assert claim["metadata"]["labels"]["recurring-job.longhorn.io/backup"] == "enabled"
    assert route["metadata"]["annotations"]["gethomepage.dev/enabled"] == "true"
    assert route["spec"]["hostnames"] == ["open-webui.vanillax.me"]


@pytest.mark.parametrize("version", [kubernetes.OLDEST, kubernetes.NEWEST])
def test_no_api_server_takes_an_example_of_a_secret_as_it_is(version: str, tmp_path: Path) -> None:
    kubernetes.write(tmp_path, rendered("home"))
    for example in (tmp_path / "kubernetes" / "secrets.example").iterdir():
        assert kubernetes.complaints(example.read_text(), version, tmp_path, frozenset())


def test_there_are_stacks_of_clusters() -> None:
    assert {"triple-3090", "time-sliced", "one-5070ti"} <= set(ON_KUBERNETES)
    assert registry.target("kubernetes") is TARGET
