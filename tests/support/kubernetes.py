"""What an API server would refuse and no offline tool notices, and the real programs for the rest."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from stackgen.domain.document import Document
from stackgen.emit import to_text
from tests.support.programs import require

OLDEST, NEWEST = "1.31", "1.37"
"""The versions of Kubernetes that rendered files are held against."""
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}$){LABEL.pattern}(\.{LABEL.pattern})*")
_SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(rf"({_SUBDOMAIN.pattern}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?")
PORT = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_QUANTITY = re.compile(r"\d+(Ki|Mi|Gi|Ti|m)?")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
CLUSTER_WIDE = frozenset({"Namespace", "PersistentVolume", "PriorityClass"})
Object = Mapping[str, Any]


def write(folder: Path, documents: Iterable[Document]) -> None:
    """Write documents below a folder, as the program does."""
    for document in documents:
        file = folder / document.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(to_text(document).encode())


def kustomize(folder: Path) -> str:
    """What `kubectl kustomize` makes of a folder; it must not even warn."""
    done = subprocess.run(
        [require("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


def objects(text: str) -> list[Any]:
    """The objects of a stream."""
    return [found for found in yaml.safe_load_all(text) if found is not None]


def presets(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The presets that each router of a folder mounts, and its arguments."""
    found = objects(kustomize(folder))
    files = {o["metadata"]["name"]: o["data"] for o in found if o["kind"] == "ConfigMap"}
    for pod in (pod for one in found for pod in pods(one)):
        container = pod["spec"]["containers"][0]
        if "--models-preset" in container.get("args", ()):
            (volume,) = [v for v in pod["spec"]["volumes"] if v["name"] == "config"]
            arguments = list(container["args"])
            at = arguments.index("--models-preset")
            del arguments[at : at + 2]
            yield files[volume["configMap"]["name"]]["presets.ini"], arguments


def complaints(text: str, version: str, folder: Path, schemas: frozenset[str]) -> list[str]:
    """What kubernetes-validate says; kinds of `schemas` have schemas elsewhere, which it need not know."""
    file = folder / f"all-{version}.yaml"
    file.write_text(text)
    done = subprocess.run(
        [require("kubernetes-validate"), "--strict", "-k", version, str(file)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = (done.stdout + done.stderr).splitlines()
    # It is silent about what it did not read, so every object must be named as passed, or be one of ours.
    passed = sum(" passed " in line for line in lines)
    unknown = [line for line in lines if "find schema for kind" in line]
    told = [line for line in unknown if re.search(r"kind (\S+)", line)[1] not in schemas]  # type: ignore[index]
    if passed + len(unknown) != len(objects(text)):
        told.append(f"{passed} of {len(objects(text))} objects passed: {lines[-3:]}")
    return told + [line for line in lines if line.startswith("ERROR")]


def pods(found: Object) -> Iterator[Object]:
    """The pod templates of an object."""
    spec = found.get("spec", {})
    if found["kind"] in ("Deployment", "Job"):
        yield spec["template"]
    if found["kind"] == "LeaderWorkerSet":
        yield from (spec["leaderWorkerTemplate"][name] for name in ("leaderTemplate", "workerTemplate"))
    if found["kind"] == "LLMInferenceService":
        labels = {
            "app.kubernetes.io/name": found["metadata"]["name"],
            "app.kubernetes.io/part-of": "llminferenceservice",
        }
        yield from ({"metadata": {"labels": labels}, "spec": spec[name]} for name in ("template", "worker"))


def problems(stream: Iterable[Object], secrets: Mapping[str, set[str]] | None = None) -> list[str]:
    """Everything that is wrong with a set of objects; `secrets` are those that somebody else applies."""
    found = list(stream)
    checked = _Checked(found, secrets or {})
    return [f"{o['kind']}/{o['metadata']['name']}: {text}" for o in found for text in checked.of(o)]


class _Checked:
    def __init__(self, found: list[Object], secrets: Mapping[str, set[str]]) -> None:
        self.by_kind: dict[str, dict[str, Object]] = {}
        for one in found:
            self.by_kind.setdefault(one["kind"], {})[one["metadata"]["name"]] = one
        self.count = len(found)
        self.secrets = dict(secrets) | {
            e["spec"]["target"]["name"]: {d["secretKey"] for d in e["spec"]["data"]}
            for e in self.by_kind.get("ExternalSecret", {}).values()
        }
        self.names = [
            (o["apiVersion"], o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in found
        ]
        self.labels = [t["metadata"]["labels"] for o in found for t in pods(o)]

    def of(self, one: Object) -> Iterator[str]:
        yield from self._metadata(one)
        for template in pods(one):
            yield from self._pod(one, template)
        check = getattr(self, f"_{one['kind'].lower()}", None)
        if check:
            yield from check(one)

    def _metadata(self, one: Object) -> Iterator[str]:
        meta = one["metadata"]
        if self.names.count(_identity(one)) > 1:
            yield "there are two"
        pattern = {"Service": _SERVICE, "Namespace": LABEL}.get(one["kind"], _SUBDOMAIN)
        if not pattern.fullmatch(meta["name"]) or (one["kind"] == "Job" and len(meta["name"]) > 63):
            yield "its name"
        if ("namespace" in meta) is (one["kind"] in CLUSTER_WIDE):
            yield "its namespace"
        for key, value in meta.get("labels", {}).items():
            if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
                yield f"label {key}: {value}"
        for key, value in meta.get("annotations", {}).items():
            if not _KEY.fullmatch(key) or not isinstance(value, str):
                yield f"annotation {key}"

    def _deployment(self, one: Object) -> Iterator[str]:
        spec = one["spec"]
        if not spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items():
            yield "its selector finds none of its pods"
        strategy = spec.get("strategy", {})
        if strategy.get("type") not in (None, "Recreate", "RollingUpdate"):
            yield "its strategy"
        if strategy.get("type") == "Recreate" and "rollingUpdate" in strategy:
            yield "Recreate with rollingUpdate"
        limits = spec["template"]["spec"]["containers"][0].get("resources", {}).get("limits", {})
        if any("gpu" in key for key in limits) and strategy.get("type") != "Recreate":
            yield "a card, and no Recreate"

    def _leaderworkerset(self, one: Object) -> Iterator[str]:
        if one["metadata"]["name"] in self.by_kind.get("Service", {}):
            yield "a Service has the name of the one that it makes"

    def _llminferenceservice(self, one: Object) -> Iterator[str]:
        spec = one["spec"]
        if "kserve-config-llm-worker-pipeline-parallel" not in self.by_kind["LLMInferenceServiceConfig"]:
            yield "no preset"
        if [len(spec[pod]["containers"]) for pod in ("template", "worker")] != [1, 1]:
            yield "more than one container"
        claim = spec["model"]["uri"].removeprefix("pvc://").partition("/")[0]
        for pod in (spec["template"], spec["worker"]):
            if pod["containers"][0]["name"] != "main":
                yield "its container"
            if claim not in {v.get("persistentVolumeClaim", {}).get("claimName") for v in pod["volumes"]}:
                yield f"{spec['model']['uri']} is not mounted"

    def _job(self, one: Object) -> Iterator[str]:
        if one["spec"]["template"]["spec"].get("restartPolicy") not in ("OnFailure", "Never"):
            yield "restartPolicy"

    def _pod(self, owner: Object, template: Object) -> Iterator[str]:
        spec = template["spec"]
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        if len(volumes) != len(spec.get("volumes", [])):
            yield "two volumes of one name"
        containers = [*spec.get("initContainers", []), *spec["containers"]]
        if len({container["name"] for container in containers}) != len(containers):
            yield "two containers of one name"
        for name, volume in volumes.items():
            if not LABEL.fullmatch(name):
                yield f"volume {name}"
            yield from self._source(volume)
        mounted = {mount["name"] for c in containers for mount in c.get("volumeMounts", [])}
        if mounted != volumes.keys():
            yield f"volumes and mounts differ: {sorted(mounted ^ volumes.keys())}"
        for container in containers:
            yield from self._container(container)
        yield from self._around(spec, containers)

    def _around(self, spec: Object, containers: list[Object]) -> Iterator[str]:
        claims = {claim["name"] for claim in spec.get("resourceClaims", [])}
        for claim in spec.get("resourceClaims", []):
            if claim["resourceClaimName"] not in self.by_kind.get("ResourceClaim", {}):
                yield f"no ResourceClaim {claim['resourceClaimName']}"
        for container in containers:
            if {claim["name"] for claim in container.get("resources", {}).get("claims", [])} - claims:
                yield "a claim of a container that the pod lacks"
        account = self.by_kind.get("ServiceAccount", {}).get(spec.get("serviceAccountName", ""), {})
        if "serviceAccountName" in spec and not account:
            yield f"no ServiceAccount {spec['serviceAccountName']}"
        priority = spec.get("priorityClassName")
        if priority and priority not in self.by_kind.get("PriorityClass", {}):
            yield f"no PriorityClass {priority}"
        if {**account, **spec}.get("automountServiceAccountToken") is not False:
            yield "a token of the service account"

    def _source(self, volume: Object) -> Iterator[str]:
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and claim not in self.by_kind.get("PersistentVolumeClaim", {}):
            yield f"no claim {claim}"
        config = volume.get("configMap", {}).get("name")
        if config and config not in self.by_kind.get("ConfigMap", {}):
            yield f"no ConfigMap {config}"
        if size := volume.get("emptyDir", {}).get("sizeLimit"):
            yield from _quantity(size)

    def _container(self, container: Object) -> Iterator[str]:
        if not LABEL.fullmatch(container["name"]):
            yield f"container {container['name']}"
        targets = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        if len(set(targets)) != len(targets) or not all(PurePosixPath(t).is_absolute() for t in targets):
            yield f"mounts at {targets}"
        ports = container.get("ports", [])
        for port in ports:
            if not PORT.fullmatch(port.get("name", "x")) or not 0 < port["containerPort"] < 65536:
                yield f"port {port}"
        if len({port.get("name") for port in ports}) != len(ports):
            yield "two ports of one name"
        numbers = {port["containerPort"] for port in ports} | {port.get("name") for port in ports}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if (asked := container.get(probe, {}).get("httpGet")) and asked["port"] not in numbers:
                yield f"{probe} asks at {asked['port']}"
        yield from _resources(container.get("resources", {}))
        yield from self._env(container.get("env", []))
        context = container["securityContext"]
        if context["allowPrivilegeEscalation"] is not False or context["capabilities"]["drop"] != ["ALL"]:
            yield "an open securityContext"

    def _env(self, env: list[Object]) -> Iterator[str]:
        if len({variable["name"] for variable in env}) != len(env):
            yield "two variables of one name"
        for variable in env:
            if not _VARIABLE.fullmatch(variable["name"]):
                yield f"variable {variable['name']}"
            if "value" in variable and not isinstance(variable["value"], str):
                yield f"{variable['name']} is no text"
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and reference["key"] not in self.secrets.get(reference["name"], ()):
                yield f"no {reference['key']} in the secret {reference['name']}"

    def _service(self, one: Object) -> Iterator[str]:
        chosen = [
            labels for labels in self.labels if one["spec"]["selector"].items() <= _with_rank(labels).items()
        ]
        if not chosen:
            yield "its selector finds no pods"
        for port in one["spec"]["ports"]:
            if not PORT.fullmatch(port["name"]):
                yield f"port {port['name']}"
            owners = [t for t in self._templates(one["spec"]["selector"]) if _opens(t, port["targetPort"])]
            if not owners:
                yield f"nobody listens on {port['targetPort']}"

    def _templates(self, selector: Mapping[str, str]) -> Iterator[Object]:
        for kind in ("Deployment", "LeaderWorkerSet", "LLMInferenceService"):
            for owner in self.by_kind.get(kind, {}).values():
                yield from (
                    t for t in pods(owner) if selector.items() <= _with_rank(t["metadata"]["labels"]).items()
                )

    def _backend(self, name: str, port: int) -> Iterator[str]:
        service = self.by_kind.get("Service", {}).get(name)
        if service is None or port not in {p["port"] for p in service["spec"]["ports"]}:
            yield f"no service {name}:{port}"

    def _servicemonitor(self, one: Object) -> Iterator[str]:
        chosen = [
            service
            for service in self.by_kind.get("Service", {}).values()
            if _matches(one["spec"]["selector"], service["metadata"]["labels"])
        ]
        if len(chosen) != 1:
            yield f"its selector finds {len(chosen)} services"
            return
        ports = {port["name"] for port in chosen[0]["spec"]["ports"]}
        asked = [
            (e["port"], e.get("path"), e.get("params"), e.get("authorization"))
            for e in one["spec"]["endpoints"]
        ]
        if any(one in asked[:index] for index, one in enumerate(asked)):
            yield "it asks the same twice"
        for endpoint in one["spec"]["endpoints"]:
            if endpoint["port"] not in ports:
                yield f"no port {endpoint['port']}"
            key = endpoint.get("authorization", {}).get("credentials")
            if key and key["key"] not in self.secrets.get(key["name"], ()):
                yield f"no {key['key']} in the secret {key['name']}"

    def _httproute(self, one: Object) -> Iterator[str]:
        for rule in one["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                yield from self._backend(backend["name"], backend["port"])

    def _ingress(self, one: Object) -> Iterator[str]:
        for rule in one["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                yield from self._backend(service["name"], service["port"]["number"])

    def _networkpolicy(self, one: Object) -> Iterator[str]:
        selected = one["spec"]["podSelector"].get("matchLabels", {})
        peers = [
            peer["podSelector"]["matchLabels"]
            for way, side in (("ingress", "from"), ("egress", "to"))
            for rule in one["spec"].get(way, [])
            for peer in rule.get(side, [])
            if "podSelector" in peer
        ]
        for selector in (selected, *peers):
            if not any(selector.items() <= labels.items() for labels in self.labels):
                yield f"{selector} selects no pods"

    def _persistentvolume(self, one: Object) -> Iterator[str]:
        spec = one["spec"]
        claim = self.by_kind.get("PersistentVolumeClaim", {}).get(spec["claimRef"]["name"])
        if claim is None or claim["spec"].get("volumeName") != one["metadata"]["name"]:
            yield "its claim names another volume"
            return
        wanted = claim["spec"]
        if wanted.get("storageClassName") != spec["storageClassName"]:
            yield "its claim is of another storage class"
        if not set(wanted["accessModes"]) <= set(spec["accessModes"]):
            yield "its claim wants other access modes"
        if wanted["resources"]["requests"]["storage"] != spec["capacity"]["storage"]:
            yield "its claim wants another size"
        if claim["metadata"]["namespace"] != spec["claimRef"]["namespace"]:
            yield "its claim is in another namespace"
        handles = [
            v["spec"]["csi"]["volumeHandle"]
            for v in self.by_kind["PersistentVolume"].values()
            if "csi" in v["spec"]
        ]
        if len(set(handles)) != len(handles):
            yield "its handle is taken"

    def _persistentvolumeclaim(self, one: Object) -> Iterator[str]:
        yield from _quantity(one["spec"]["resources"]["requests"]["storage"])
        bound = one["spec"].get("volumeName")
        if bound and bound not in self.by_kind.get("PersistentVolume", {}):
            yield f"no volume {bound}"

    def _configmap(self, one: Object) -> Iterator[str]:
        for key, value in one["data"].items():
            if not re.fullmatch(r"[-._A-Za-z0-9]{1,253}", key) or not isinstance(value, str):
                yield f"key {key}"
        if sum(map(len, one["data"].values())) > 1024**2:
            yield "more than 1 MiB"


def _identity(one: Object) -> tuple[str, str, str | None, str]:
    return one["apiVersion"], one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]


def _with_rank(labels: Mapping[str, str]) -> dict[str, str]:
    """LeaderWorkerSet gives pods their number; what we render has none."""
    return {**labels, "leaderworkerset.sigs.k8s.io/worker-index": "0"}


def _matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses an object; other operators are none of ours."""
    expressions = selector.get("matchExpressions", [])
    assert {e["operator"] for e in expressions} <= {"NotIn"}
    return selector["matchLabels"].items() <= labels.items() and not any(
        labels.get(e["key"]) in e["values"] for e in expressions
    )


def _opens(template: Object, port: int | str) -> bool:
    opened = [p for c in template["spec"]["containers"] for p in c.get("ports", [])]
    return any(port in (p["containerPort"], p.get("name")) for p in opened)


def _quantity(text: object) -> Iterator[str]:
    # An API server reads a whole number as its text.
    if not isinstance(text, int | str) or not _QUANTITY.fullmatch(str(text)):
        yield f"quantity {text!r}"


def _resources(resources: Object) -> Iterator[str]:
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for name, value in (*limits.items(), *requests.items()):
        yield from _quantity(value)
        # What is only limited is requested as well.
        if "/" in name and (not str(value).isdigit() or limits.get(name) != requests.get(name, value)):
            yield f"{name}: {value} is no number of whole cards, or not what is requested"


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """What the kubelet makes of an argument (k8s.io/kubernetes/third_party/forked/golang/expansion)."""
    out, at = "", 0
    while at < len(text):
        if text[at] == "$" and at + 1 < len(text):
            following = text[at + 1]
            if following == "$":
                out, at = out + "$", at + 2
                continue
            end = text.find(")", at + 2) if following == "(" else -1
            if end > 0:
                name = text[at + 2 : end]
                out, at = out + variables.get(name, f"$({name})"), end + 1
                continue
        out, at = out + text[at], at + 1
    return out
