"""A Deployment of ours -> the values with which the Helm chart `ollama` makes the same one, and what it cannot make.

Facts: otwld/ollama-helm, values.yaml and templates/{deployment,service,serviceaccount}.yaml.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from stackgen.domain.target_defaults import present
from stackgen.targets.kubernetes.cards import AMD, NVIDIA
from stackgen.targets.kubernetes.text import verbatim

_STORE: Final = "ollama-data"
"""What the chart calls the one volume that it mounts by itself."""
_CARDS: Final[Mapping[str, str]] = {NVIDIA: "nvidia", AMD: "amd"}
"""Its types of cards, and the limit that it makes of each."""
_POD: Final[Mapping[str, str]] = {
    "affinity": "affinity",
    "nodeSelector": "nodeSelector",
    "priorityClassName": "priorityClassName",
    "runtimeClassName": "runtimeClassName",
    "securityContext": "podSecurityContext",
    "terminationGracePeriodSeconds": "terminationGracePeriodSeconds",
}
"""Fields of a pod, by the values that go into them as they are."""
_SHAPED: Final = frozenset(
    {
        *("replicas", "selector", "strategy", "template"),
        *("automountServiceAccountToken", "containers", "initContainers", "tolerations", "volumes"),
        *("args", "env", "image", "name", "ports", "resources", "securityContext", "volumeMounts"),
        *("livenessProbe", "readinessProbe", "startupProbe"),
    }
)
"""Fields that have values of another shape."""
_DISPENSABLE: Final = frozenset({"enableServiceLinks", "progressDeadlineSeconds", "revisionHistoryLimit"})
"""Fields that have no value, and without which Ollama runs all the same."""


class Values(NamedTuple):
    """What the chart is told, and which fields of the Deployment it has no value for."""

    values: dict[str, Any]
    lacking: tuple[str, ...] = ()


def values(deployment: Mapping[str, Any]) -> Values:
    """The values for a Deployment of a service; its labels and the chart's find the same pods."""
    spec, name = deployment["spec"], deployment["metadata"]["name"]
    pod = spec["template"]["spec"]
    (main,) = pod["containers"]
    lacking = sorted(_lacking(spec, pod, main))
    if lacking:
        return Values({}, tuple(lacking))
    port = main["ports"][0]["containerPort"]
    repository, tag = _image(main["image"])
    gpu, resources = _resources(main.get("resources", {}))
    store, persistent, more = _volumes(pod, main)
    told = {
        "fullnameOverride": name,
        "replicaCount": spec["replicas"],
        "updateStrategy": {"type": spec["strategy"]["type"]},
        "image": {"repository": repository, "tag": tag},
        "ollama": present({"port": port, "mountPath": store, "gpu": gpu}),
        "service": {"port": port},
        "serviceAccount": {"automount": pod["automountServiceAccountToken"]},
        "podLabels": _labels(spec["template"]["metadata"]["labels"]),
        **{value: pod[field] for field, value in _POD.items() if field in pod},
        "securityContext": main["securityContext"],
        "resources": resources,
        "tolerations": [t for t in pod.get("tolerations", []) if not _tolerates(gpu, t)],
        "extraArgs": main.get("args"),
        "extraEnv": [variable for variable in main.get("env", []) if variable["name"] != "OLLAMA_HOST"],
        **_probes(main),
        "persistentVolume": persistent,
        **more,
        # Its pod would ask through a network policy that lets nobody in.
        "tests": {"enabled": False},
    }
    return Values(present(told))


def _lacking(spec: Mapping[str, Any], pod: Mapping[str, Any], main: Mapping[str, Any]) -> Iterator[str]:
    yield from (spec.keys() | pod.keys() | main.keys()) - _SHAPED - _POD.keys() - _DISPENSABLE
    ports = [port["containerPort"] for port in main.get("ports", [])]
    if len(ports) != 1:
        yield "ports"
    for variable in main.get("env", []):
        # It sets these two itself.
        if variable["name"] == "PATH" or (
            variable["name"] == "OLLAMA_HOST" and variable.get("value") not in [f"0.0.0.0:{p}" for p in ports]
        ):
            yield f"env {variable['name']}"
    for probe in ("livenessProbe", "readinessProbe"):
        if probe in main and main[probe]["httpGet"]["port"] not in ports:
            yield probe
    # kustomize gives these a name that nothing inside of values follows.
    yield from (f"volume {volume['name']}" for volume in pod.get("volumes", []) if "configMap" in volume)


def _image(image: str) -> tuple[str, str]:
    """The chart puts a colon between the two; without a tag it would take one of its own."""
    folder, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{folder}{slash}{name}", tag or "latest"


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those that the chart does not have itself."""
    own = ("app.kubernetes.io/name", "app.kubernetes.io/instance")
    return {key: value for key, value in labels.items() if key not in own}


def _resources(resources: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Cards of one type, which the chart adds to the limits, and the rest."""
    limits = resources.get("limits", {})
    card = next((resource for resource in _CARDS if resource in limits), None)
    rest = {
        key: present({name: value for name, value in resources.get(key, {}).items() if name != card})
        for key in ("requests", "limits")
    }
    gpu = {"enabled": True, "type": _CARDS[card], "number": int(limits[card])} if card else {}
    return gpu, present(rest)


def _tolerates(gpu: Mapping[str, Any], toleration: Mapping[str, Any]) -> bool:
    """Whether the chart adds it by itself."""
    return gpu.get("type") == "nvidia" and toleration["key"] == NVIDIA


def _probes(main: Mapping[str, Any]) -> dict[str, Any]:
    """The chart knows no probe for the start: nobody may call it dead before that one would have."""
    if "livenessProbe" not in main:
        return {probe: {"enabled": False} for probe in ("livenessProbe", "readinessProbe")}
    start = main["startupProbe"]
    delays = {"livenessProbe": start["periodSeconds"] * start["failureThreshold"], "readinessProbe": 0}
    return {
        probe: {
            "path": main[probe]["httpGet"]["path"],
            "initialDelaySeconds": delay,
            **{key: main[probe][key] for key in ("periodSeconds", "timeoutSeconds", "failureThreshold")},
        }
        for probe, delay in delays.items()
    }


def _volumes(
    pod: Mapping[str, Any], main: Mapping[str, Any]
) -> tuple[str | None, dict[str, Any], dict[str, Any]]:
    """Where the chart's own volume is mounted, the claim behind it, and all other volumes and mounts."""
    volumes, mounts = pod.get("volumes", []), main.get("volumeMounts", [])
    kept = {
        v["name"]: v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v
    }
    empty = [v["name"] for v in volumes if v.get("emptyDir") == {}]
    first = next(
        (m for names in (kept, empty) for m in mounts if m["name"] in names and not m.get("readOnly")), None
    )
    if first is None:
        return None, {}, {"volumes": volumes, "volumeMounts": mounts, **_before(pod, None)}
    own = first["name"]
    return (
        first["mountPath"],
        {"enabled": True, "existingClaim": kept[own]} if own in kept else {},
        {
            "volumes": [volume for volume in volumes if volume["name"] != own],
            "volumeMounts": [_renamed(mount, own) for mount in mounts if mount is not first],
            **_before(pod, own),
        },
    )


def _before(pod: Mapping[str, Any], own: str | None) -> dict[str, Any]:
    """Init containers, which the chart reads as a template."""
    return {
        "initContainers": [
            verbatim(present(one | {"volumeMounts": [_renamed(m, own) for m in one.get("volumeMounts", [])]}))
            for one in pod.get("initContainers", [])
        ]
    }


def _renamed(mount: Mapping[str, Any], own: str | None) -> dict[str, Any]:
    return {**mount, "name": _STORE} if mount["name"] == own else dict(mount)
