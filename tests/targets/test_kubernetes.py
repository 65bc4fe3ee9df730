"""Deployments -> Kubernetes objects, as value trees."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.domain.delivery import Deploy
from stackgen.domain.document import Format
from stackgen.domain.hosts import Sharing
from stackgen.domain.linked import Exposure, LinkedGpu, Publication, SecretKey
from stackgen.domain.stack import Volume
from stackgen.domain.units import GIB, MIB
from stackgen.domain.workload import (
    ConfigFile,
    Deployment,
    Health,
    HostDeployment,
    Mount,
    Port,
    Workers,
)
from stackgen.emit import to_text
from stackgen.targets.kubernetes import TARGET
from stackgen.targets.kubernetes.text import duration, fitted, hashed, literal, port_name, quantity
from tests.support import kubernetes
from tests.support.clusters import (
    API,
    CHAT,
    CLAIMED,
    EXPOSED,
    GATEWAY,
    LAN,
    SHAPES,
    all_objects,
    cluster_home,
    container,
    documents,
    in_cluster,
    kinds,
    objects,
    pod,
    spread,
    starting_anew,
    with_secret,
)
from tests.support.golden import assert_tree
from tests.support.hostile import text
from tests.support.workloads import DOWNLOAD, SEARCH, deployment, gpu, host, maximal, workload

NAMESPACE = "kubernetes.io/metadata.name"
ATTRIBUTES = "device.attributes['gpu.nvidia.com']"
MEMORY = "device.capacity['gpu.nvidia.com'].memory"


def tcp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "TCP"}


def test_the_files_of_a_home(request: pytest.FixtureRequest) -> None:
    rendered = TARGET.render(cluster_home())
    texts = {document.path: to_text(document) for document in rendered.documents}
    assert_tree(Path(__file__).parents[1] / "golden" / "targets" / "kubernetes", texts, request)
    assert sorted(d.kind for d in rendered.diagnostics) == [
        "kubernetes/any-address",
        "kubernetes/publish-on-loopback",
        "kubernetes/shared-volume",
    ]


@pytest.mark.parametrize("tree", ["argocd", "flux"])
def test_the_files_for_who_applies_them(tree: str, request: pytest.FixtureRequest) -> None:
    """Only what is another than without."""
    plain = {d.path: to_text(d) for d in TARGET.render(cluster_home()).documents}
    texts = {d.path: to_text(d) for d in TARGET.render(SHAPES[tree]).documents}
    other = {path: text for path, text in texts.items() if plain.get(path) != text}
    kept = {
        p: t
        for p, t in other.items()
        if p.parts[-2] in ("argocd", "flux", "kubernetes", "download-models", "secrets.example")
    }
    assert_tree(Path(__file__).parents[1] / "golden" / "targets" / f"kubernetes-{tree}", kept, request)


def test_only_hosts_of_this_platform_are_rendered() -> None:
    assert documents(deployment(API)) == {}
    other = HostDeployment(host=host("rig"), workloads=(workload("elsewhere"),))
    assert set(objects(in_cluster(API, others=(other,)), "Deployment")) == {"api"}


class TestNames:
    """What an API server would refuse."""

    @pytest.mark.parametrize("name", ["http", "metrics", "a-b"])
    def test_good_names_of_ports_stay(self, name: str) -> None:
        assert port_name(name) == name

    @given(text)
    def test_every_port_gets_a_name(self, name: str) -> None:
        assert kubernetes.PORT.fullmatch(port_name(name))

    @given(st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True), st.integers(20, 63))
    def test_names_fit_and_differ(self, name: str, limit: int) -> None:
        assert kubernetes.LABEL.fullmatch(fitted(name, limit))
        assert len(hashed(name, 1)) <= 63
        assert hashed(name, 1) != hashed(name, 2)
        assert fitted(f"{'x' * 60}-a") != fitted(f"{'x' * 60}-b")

    @pytest.mark.parametrize(
        ("size", "written"),
        [(GIB, "1Gi"), (1536 * 1024**2, "1536Mi"), (1024, "1Ki"), (1000, "1000"), (0, "0Gi")],
    )
    def test_quantities(self, size: int, written: str) -> None:
        assert quantity(size) == written

    @pytest.mark.parametrize(("seconds", "written"), [(1800, "30m"), (3600, "1h"), (90, "1m30s"), (7, "7s")])
    def test_durations(self, seconds: int, written: str) -> None:
        assert duration(seconds) == written

    def test_a_service_that_begins_with_a_digit(self) -> None:
        assert kinds(in_cluster(workload("3d"))) == ["kubernetes/name"]

    def test_a_service_without_an_image(self) -> None:
        assert kinds(in_cluster(workload(image=""))) == ["kubernetes/no-image"]


@given(text, text)
def test_the_kubelet_reads_what_was_meant(word: str, value: str) -> None:
    """Whatever stands in an argument, with variables of any name."""
    assert kubernetes.expanded(literal(word), {value: "else", "A": "b"}) == word


def test_arguments_and_variables_are_literal() -> None:
    found = container(workload(args=("$(HOME)", "$$"), entrypoint=("$(X)",), env={"A": "$(B)", "B": "no"}))
    assert (found["command"], found["args"]) == (["$$(X)"], ["$$(HOME)", "$$$$"])
    assert found["env"] == [{"name": "A", "value": "$$(B)"}, {"name": "B", "value": "no"}]


class TestPods:
    def test_they_are_closed(self) -> None:
        found = pod(in_cluster(workload(user="1000:100")))
        assert found["automountServiceAccountToken"] is False
        assert found["enableServiceLinks"] is False
        assert found["securityContext"]["runAsNonRoot"] is True
        closed = found["containers"][0]["securityContext"]
        assert closed["capabilities"] == {"drop": ["ALL"]}
        assert closed["readOnlyRootFilesystem"] is True

    @pytest.mark.parametrize(
        ("volumes", "group"), [(("data",), 100), (("images",), 100), (("data", "models"), None), ((), None)]
    )
    def test_new_volumes_become_the_users_but_for_shares(
        self, volumes: tuple[str, ...], group: int | None
    ) -> None:
        mounts = tuple(Mount(volume=name, target=PurePosixPath("/mnt", name)) for name in volumes)
        found = pod(in_cluster(workload(user="1000:100", mounts=mounts)))["securityContext"]
        assert (found["runAsUser"], found["runAsGroup"], found.get("fsGroup")) == (1000, 100, group)

    @pytest.mark.parametrize(
        ("users", "more", "level"),
        [
            (("1000", "977:977"), {}, "restricted"),
            (("1000", None), {}, "baseline"),
            (("1000", "0:0"), {}, "baseline"),
            (("1000", "1000"), {"capabilities": ("CHOWN",)}, "baseline"),
            (("1000", "1000"), {"lock_memory": True}, "privileged"),
        ],
    )
    def test_the_namespace_is_as_strict_as_its_pods_allow(
        self, users: tuple[str | None, ...], more: Any, level: str
    ) -> None:
        pods = [workload(f"pod-{index}", user=user, **more) for index, user in enumerate(users)]
        (space,) = objects(in_cluster(*pods), "Namespace").values()
        assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == level

    def test_downloads_are_roots(self) -> None:
        found = cluster_home()
        hosts = (
            replace(h, workloads=tuple(replace(w, user="1", lock_memory=False) for w in h.workloads))
            for h in found.hosts
        )
        (space,) = objects(replace(found, hosts=tuple(hosts)), "Namespace").values()
        assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"

    def test_they_keep_to_their_node(self) -> None:
        there = host("gpu-1", platform="kubernetes", node="talos-7")
        assert pod(in_cluster(API, on=there), "api")["nodeSelector"] == {"kubernetes.io/hostname": "talos-7"}

    def test_who_applies_a_rollout_owns_all_that_recreate_forbids(self) -> None:
        """A server-side apply takes away only what it has written itself."""
        data = Mount(volume="models", target=PurePosixPath("/data"))
        before, after = (
            objects(in_cluster(found), "Deployment")["api"]["spec"]["strategy"]
            for found in (API, replace(API, mounts=(data,)))
        )
        assert before["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert after == {"type": "Recreate"}

    def test_cards_are_whole(self) -> None:
        found = container(workload(gpus=(gpu(0), gpu(1)), memory_limit=4 * GIB))
        assert found["resources"]["limits"] == {"memory": "4Gi", "nvidia.com/gpu": "2"}
        assert found["resources"]["requests"] == found["resources"]["limits"]

    def test_requests_are_less_than_limits_where_somebody_says_so(self) -> None:
        found = container(
            workload(
                gpus=(gpu(0),),
                cpu_request=1000,
                cpu_limit=4500,
                memory_request=2 * GIB,
                memory_limit=4 * GIB,
            )
        )["resources"]
        assert found["requests"] == {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": "1"}
        assert found["limits"] == {"cpu": "4500m", "memory": "4Gi", "nvidia.com/gpu": "1"}

    def test_a_request_alone_is_no_limit(self) -> None:
        assert container(workload(cpu_request=500))["resources"] == {"requests": {"cpu": "500m"}}
        assert container(workload(cpu_limit=2000))["resources"]["requests"] == {"cpu": "2"}

    def test_a_card_brings_its_runtime_and_comes_alone(self) -> None:
        found = in_cluster(workload(gpus=(gpu(0),)))
        assert pod(found)["runtimeClassName"] == "nvidia"
        assert objects(found, "Deployment")["llama"]["spec"]["strategy"] == {"type": "Recreate"}
        without = in_cluster(workload(gpus=(gpu(0),)), deploy={"cluster": {"runtime_class": None}})
        assert "runtimeClassName" not in pod(without)

    def test_cards_of_amd_have_a_name_of_their_own(self) -> None:
        found = container(workload(gpus=(gpu(0, vendor="amd"),)))
        assert found["resources"]["limits"] == {"amd.com/gpu": "1"}

    def test_cards_of_intel_go_by_their_drivers(self) -> None:
        on = host(
            platform="kubernetes",
            gpus=(gpu(0, vendor="intel", driver="i915"), gpu(1, vendor="intel", driver="xe")),
        )
        found = in_cluster(workload(gpus=on.gpus), on=on)
        assert pod(found)["containers"][0]["resources"]["limits"] == {
            "gpu.intel.com/i915": "1",
            "gpu.intel.com/xe": "1",
        }
        tolerated = [one["key"] for one in pod(found)["tolerations"]]
        assert tolerated == ["gpu.intel.com/i915", "gpu.intel.com/xe"]
        assert "runtimeClassName" not in pod(found)
        assert kinds(found) == []

    @pytest.mark.parametrize(
        ("vendor", "kind"), [("intel", "kubernetes/intel-driver"), ("apple", "render/gpu-vendor")]
    )
    def test_a_card_that_no_plugin_has_a_name_for(self, vendor: str, kind: str) -> None:
        assert kinds(in_cluster(workload(gpus=(gpu(0, vendor=vendor),)))) == [kind]

    def test_a_slow_start_is_waited_for(self) -> None:
        ports = (Port(name="http", number=1),)
        found = container(workload(ports=ports, health=Health(port=1, path="/h?x=1", start_period=3000)))
        assert found["startupProbe"]["failureThreshold"] == 300
        assert found["livenessProbe"]["httpGet"] == {"path": "/h?x=1", "port": 1}

    def test_shared_memory_and_scratch(self) -> None:
        found = pod(in_cluster(workload(shm_size=8 * GIB, writable=(PurePosixPath("/var/cache/x y"),))))
        assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}} in found["volumes"]
        paths = [mount["mountPath"] for mount in found["containers"][0]["volumeMounts"]]
        assert paths == ["/tmp", "/var/cache/x y", "/dev/shm"]  # noqa: S108

    def test_what_it_uses_is_waited_for_unless_it_takes_turns(self) -> None:
        (first,) = pod(in_cluster(CHAT, API), "chat")["initContainers"]
        assert "http://api:9000/ok" in first["command"][-1]
        turns = replace(API, exclusive=("g",))
        assert "initContainers" not in pod(in_cluster(CHAT, turns), "chat")

    def test_weights_are_waited_for(self) -> None:
        found = starting_anew(cluster_home())
        (first,) = pod(found)["initContainers"]
        assert "/volume/.stackgen/complete-" in first["command"][-1]
        assert first["volumeMounts"][0]["readOnly"] is True
        (job,) = objects(found, "Job").values()
        script = next(d for p, d in documents(found).items() if p.endswith("download-models/download.sh"))
        marker = dict(script.body.values)["marker"]
        assert marker in first["command"][-1]
        assert job["metadata"]["name"].startswith("download-models-")
        other = replace(DOWNLOAD, commit="0" * 40)
        assert objects(replace(found, downloads=(other,)), "Job").keys() != {job["metadata"]["name"]}


class TestTurns:
    def test_the_first_of_a_group_runs(self) -> None:
        found = in_cluster(workload("b", exclusive=("g",)), workload("a", exclusive=("g",)))
        replicas = {n: d["spec"]["replicas"] for n, d in objects(found, "Deployment").items()}
        assert replicas == {"a": 0, "b": 1}
        head = "\n".join(documents(found)["kubernetes/kustomization.yaml"].header)
        assert "scale deployment b --replicas=0" in head
        assert "scale deployment a --replicas=1" in head

    @pytest.mark.parametrize(
        ("groups", "up"),
        [
            ((("a", "b"), ("b", "c")), {"a", "c"}),
            ((("b", "a"), ("b", "c")), {"b"}),
            ((("a", "b"), ("c", "b")), {"a", "c"}),
        ],
    )
    def test_groups_that_overlap(self, groups: tuple[tuple[str, ...], ...], up: set[str]) -> None:
        names = {f"g{i}": members for i, members in enumerate(groups)}
        services = [
            workload(name, exclusive=tuple(g for g, members in names.items() if name in members))
            for name in "abc"
        ]
        found = replace(in_cluster(*services), exclusive=tuple(names.items()))
        running = {n for n, d in objects(found, "Deployment").items() if d["spec"]["replicas"]}
        assert running == up


class TestNetwork:
    def test_services_find_each_other_by_name(self) -> None:
        found = container(CHAT, API)
        assert found["env"] == [{"name": "URL", "value": "http://api:9000/v1"}]

    def test_a_fixed_address(self) -> None:
        published = replace(API, ports=(Port(name="http", number=9000, publish=LAN),))
        service = objects(in_cluster(published), "Service")["api-lan"]
        assert service["metadata"]["annotations"] == {"metallb.io/loadBalancerIPs": "10.0.0.9"}
        assert service["spec"]["type"] == "LoadBalancer"
        assert service["spec"]["ports"][0]["port"] == 80
        assert service["spec"]["ports"][0]["targetPort"] == 9000
        by_cilium = in_cluster(published, deploy={"cluster": {"network": "cilium"}})
        annotations = objects(by_cilium, "Service")["api-lan"]["metadata"]["annotations"]
        assert annotations == {"lbipam.cilium.io/ips": "10.0.0.9"}

    def test_loopback_is_nobodys(self) -> None:
        published = replace(
            API, ports=(Port(name="http", number=9000, publish=Publication(80, "127.0.0.1")),)
        )
        assert kinds(in_cluster(published)) == ["kubernetes/publish-on-loopback"]
        assert set(objects(in_cluster(published), "Service")) == {"api"}

    def test_a_route_waits_as_long_as_answers_take(self) -> None:
        (route,) = objects(SHAPES["gateway"], "HTTPRoute").values()
        assert route["spec"]["parentRefs"] == [
            {"name": "internal", "namespace": "gateway", "sectionName": "https"}
        ]
        (rule,) = route["spec"]["rules"]
        assert rule["timeouts"] == {"request": "30m", "backendRequest": "30m"}
        assert rule["backendRefs"] == [{"name": "api", "port": 9000}]

    def test_without_a_gateway_there_is_an_ingress(self) -> None:
        (ingress,) = objects(SHAPES["ingress"], "Ingress").values()
        assert ingress["spec"]["ingressClassName"] == "nginx"
        assert "tls" not in ingress["spec"]

    def test_an_issuer_gives_an_ingress_its_certificate(self) -> None:
        (ingress,) = objects(SHAPES["certificate"], "Ingress").values()
        assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
        assert ingress["spec"]["tls"] == [{"hosts": ["api.example.org"], "secretName": "api-certificate"}]

    def test_only_what_is_needed_is_open(self) -> None:
        closed = replace(CHAT, offline=True)
        policies = objects(in_cluster(closed, API, SEARCH), "NetworkPolicy")
        pods = {"matchLabels": {"app.kubernetes.io/instance": "api", "app.kubernetes.io/part-of": "home"}}
        port = [{"port": 9000, "protocol": "TCP"}]
        assert policies["chat"]["spec"]["egress"] == [{"to": [{"podSelector": pods}], "ports": port}]
        assert "ingress" not in policies["search"]["spec"]
        assert "ingress" not in policies["default-deny"]["spec"]
        (caller,) = policies["api"]["spec"]["ingress"]
        assert caller["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "chat"

    @pytest.mark.parametrize(
        ("address", "rule"),
        [
            ("192.168.1.2:9100", {"to": [{"ipBlock": {"cidr": "192.168.1.2/32"}}], "ports": [tcp(9100)]}),
            ("[fd00::2]:9100", {"to": [{"ipBlock": {"cidr": "fd00::2/128"}}], "ports": [tcp(9100)]}),
            ("exporter.gpu-operator:9400", {"ports": [tcp(9400)]}),
            (":5432", {"ports": [tcp(5432)]}),
        ],
    )
    def test_what_is_called_outside_of_the_stack_is_open(self, address: str, rule: Any) -> None:
        policy = objects(in_cluster(workload(calls=(address,), offline=True)), "NetworkPolicy")["llama"]
        assert policy["spec"]["egress"] == [rule]

    @pytest.mark.parametrize(
        ("url", "rules"),
        [
            (None, []),
            ("https://registry.ollama.ai/v2/library/qwen3/blobs/sha256:0", []),
            ("http://192.168.1.3/m.gguf", [("192.168.1.3/32", 80)]),
            ("https://nas.lan:8443/m.gguf", [(None, 8443)]),
        ],
    )
    def test_a_download_reaches_the_addresses_of_its_files(
        self, url: str | None, rules: list[tuple[str | None, int]]
    ) -> None:
        mount = Mount(volume="models", target=PurePosixPath("/m"), read_only=True)
        files = tuple(replace(file, url=url) for file in DOWNLOAD.files)
        found = in_cluster(workload(mounts=(mount,)))
        filled = replace(found, downloads=(replace(DOWNLOAD, hosts=("box",), files=files),))
        internet, *others = objects(filled, "NetworkPolicy")["download-models"]["spec"]["egress"]
        assert internet["ports"] == [tcp(443)]
        assert others == [
            {**({"to": [{"ipBlock": {"cidr": cidr}}]} if cidr else {}), "ports": [tcp(port)]}
            for cidr, port in rules
        ]

    @pytest.mark.parametrize(
        ("network", "key"),
        [("cilium", "lbipam.cilium.io/sharing-key"), ("other", "metallb.io/allow-shared-ip")],
    )
    def test_services_share_an_address(self, network: str, key: str) -> None:
        one, other = (
            workload(
                name,
                ports=(Port(name="http", number=9000, publish=Publication(port=port, address="10.0.0.9")),),
            )
            for name, port in (("one", 80), ("other", 81))
        )
        deploy = {"cluster": {"network": network}}
        for found, shared in (
            (in_cluster(one, deploy=deploy), 0),
            (in_cluster(one, other, deploy=deploy), 2),
        ):
            told = [s["metadata"].get("annotations", {}) for s in objects(found, "Service").values()]
            assert [annotations[key] for annotations in told if key in annotations] == ["10.0.0.9"] * shared
            assert kinds(found) == []

    def test_a_port_of_an_address_is_one_services(self) -> None:
        taken = replace(API, ports=(Port(name="http", number=9000, publish=LAN),))
        assert kinds(in_cluster(taken, replace(taken, name="other"))) == ["kubernetes/taken-port"]

    def test_the_pods_of_a_gateway_may_be_in_a_namespace_of_their_own(self) -> None:
        elsewhere = {"gateway": {**GATEWAY["gateway"], "pods": "envoy-gateway-system"}}
        policies = objects(in_cluster(EXPOSED, deploy=elsewhere), "NetworkPolicy")
        (rule,) = policies["api"]["spec"]["ingress"]
        assert rule["from"] == [{"namespaceSelector": {"matchLabels": {NAMESPACE: "envoy-gateway-system"}}}]

    def test_cilium_names_its_gateway(self) -> None:
        (policy,) = objects(SHAPES["gateway"], "CiliumNetworkPolicy").values()
        assert policy["spec"]["ingress"][0]["fromEntities"] == ["ingress"]

    @pytest.mark.parametrize(
        ("deploy", "cilium", "pods"),
        [
            (GATEWAY, True, [{"namespaceSelector": {"matchLabels": {NAMESPACE: "gateway"}}}]),
            ({}, True, [{"namespaceSelector": {}}]),
            ({"ingress_class": "cilium"}, True, None),
            ({"ingress_class": "nginx"}, False, [{"namespaceSelector": {}}]),
        ],
    )
    def test_in_a_network_of_cilium_others_may_have_the_gateway(
        self, deploy: Mapping[str, Any], cilium: bool, pods: list[Any] | None
    ) -> None:
        found = in_cluster(EXPOSED, deploy={**deploy, "cluster": {"network": "cilium"}})
        assert bool(objects(found, "CiliumNetworkPolicy")) is cilium
        (rule,) = objects(found, "NetworkPolicy")["api"]["spec"].get("ingress", [{}])
        assert rule.get("from") == pods


class TestStorage:
    def test_a_share_is_mounted_by_its_driver(self) -> None:
        mount = Mount(volume="models", target=PurePosixPath("/m"), read_only=True)
        found = in_cluster(workload(mounts=(mount,)))
        (volume,) = objects(found, "PersistentVolume").values()
        assert volume["spec"]["mountOptions"] == ["nconnect=16"]
        assert volume["spec"]["csi"]["volumeAttributes"] == {
            "server": "192.168.10.133",
            "share": "/mnt/tank/models",
        }

    def test_another_source_is_another_volume(self) -> None:
        """Neither a volume nor a claim can change where it is."""
        mount = Mount(volume="v", target=PurePosixPath("/v"))

        def names(source: str, size: str = "1GiB") -> set[str]:
            volume = Volume.model_validate({"nfs": source, "size": size})
            found = in_cluster(workload(mounts=(mount,)), volumes={"v": volume})
            return {*objects(found, "PersistentVolume"), *objects(found, "PersistentVolumeClaim")}

        assert names("nas:/a").isdisjoint(names("nas:/b"))
        assert names("nas:/a").isdisjoint(names("nas:/a", "2GiB"))

    def test_a_folder_of_another_node_is_another_volume(self) -> None:
        mount = Mount(volume="v", target=PurePosixPath("/v"))
        folder = {"v": Volume.model_validate({"path": "/srv/v"})}

        def names(node: str | None) -> set[str]:
            found = in_cluster(
                workload(mounts=(mount,)), on=host(platform="kubernetes", node=node), volumes=folder
            )
            return {*objects(found, "PersistentVolume"), *objects(found, "PersistentVolumeClaim")}

        assert names(None).isdisjoint(names("box.example.org"))
        assert names(None) == names("box")

    def test_the_job_of_a_long_volume_has_short_labels(self) -> None:
        long = "v" * 63
        mount = Mount(volume=long, target=PurePosixPath("/m"), read_only=True)
        nas = {long: Volume.model_validate({"nfs": "nas:/models"})}
        found = in_cluster(workload("llama", mounts=(mount,)), volumes=nas)
        download = replace(DOWNLOAD, volume=long, hosts=("box",))
        filled = replace(found, downloads=(download,))
        (job,) = objects(filled, "Job").values()
        labels = job["spec"]["template"]["metadata"]["labels"]
        assert max(map(len, labels.values())) <= 63
        policy = objects(filled, "NetworkPolicy")[f"download-{long}"]
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()

    @pytest.mark.parametrize(
        ("gitops", "annotations"),
        [
            ("argocd", {"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}),
            ("flux", {"kustomize.toolkit.fluxcd.io/prune": "disabled"}),
            ("none", {}),
        ],
    )
    def test_who_applies_the_files_deletes_no_data(self, gitops: str, annotations: dict[str, str]) -> None:
        mount = Mount(volume="data", target=PurePosixPath("/d"))
        own = {"data": Volume.model_validate({"managed": True, "size": "1GiB"})}
        found = in_cluster(workload(mounts=(mount,)), volumes=own, deploy={"gitops": gitops})
        for kind in ("PersistentVolumeClaim", "Namespace"):
            (one,) = objects(found, kind).values()
            told = one["metadata"].get("annotations", {})
            assert {k: v for k, v in told.items() if "substitute" not in k} == annotations

    def test_what_the_platform_keeps_has_a_size(self) -> None:
        found = in_cluster(workload(mounts=(Mount(volume="data", target=PurePosixPath("/d")),)))
        assert kinds(found) == ["kubernetes/volume-size"]


class TestSecrets:
    def test_an_example_has_no_value(self) -> None:
        example = documents(in_cluster(with_secret()))["kubernetes/secrets.example/api.yaml"].body
        assert not isinstance(example["stringData"]["token"], str)

    def test_external_secrets_need_a_store(self) -> None:
        found = in_cluster(with_secret(), deploy={"secrets": "external-secrets"})
        assert kinds(found) == ["kubernetes/no-secret-store"]

    def test_argocd_decrypts_nothing(self) -> None:
        found = in_cluster(with_secret(), deploy={"secrets": "sops", "gitops": "argocd"})
        assert kinds(found) == ["kubernetes/argocd-decrypts-nothing"]

    def test_flux_decrypts_a_folder_of_its_own(self) -> None:
        first, second = documents(SHAPES["flux"])["flux/home.yaml"].body.documents
        assert "decryption" not in first["spec"]
        assert second["spec"]["decryption"]["provider"] == "sops"
        assert second["spec"]["path"] == "./apps/kubernetes/secrets"


class TestCards:
    def test_shared_cards_are_told_to_the_device_plugin(self) -> None:
        found = objects(SHAPES["shared"], "ConfigMap")["home-device-plugin"]
        assert found["metadata"]["namespace"] == "gpu-operator"
        assert "timeSlicing:" in found["data"]["box"]
        assert "replicas: 4" in found["data"]["box"]

    def test_two_shares_may_be_one_card(self) -> None:
        two = host(platform="kubernetes", gpus=(gpu(0), gpu(1)), sharing=Sharing(replicas=2))
        assert kinds(in_cluster(workload(gpus=two.gpus), on=two)) == ["kubernetes/shares-are-not-cards"]

    def test_claims_are_shared_by_those_who_name_the_same_card(self) -> None:
        found = SHAPES["claims"]
        first, second = objects(found, "ResourceClaim")
        assert (first.rpartition("-")[0], second.rpartition("-")[0]) == ("box-gpu-0", "box-gpu-1")
        assert pod(found, "one")["resourceClaims"] == [{"name": first, "resourceClaimName": first}]
        assert "limits" not in pod(found, "one")["containers"][0]["resources"]

    def test_what_a_claim_asks_for_is_in_its_name(self) -> None:
        """Nobody can change it in place."""

        def claim(uuid: str | None) -> str:
            on = host(platform="kubernetes", gpus=(gpu(0, uuid=uuid),))
            found = in_cluster(workload(gpus=on.gpus), on=on)
            (name,) = objects(replace(found, deploy=CLAIMED), "ResourceClaim")
            return name

        assert claim(None) != claim("GPU-4a3c5b1e-0000-1111-2222-333344445555")

    def test_claims_need_a_new_cluster(self) -> None:
        old = {"cluster": {"gpus": "claims", "version": "1.33"}}
        assert kinds(in_cluster(workload(gpus=(gpu(0),)), deploy=old)) == ["kubernetes/no-claims"]

    @pytest.mark.parametrize(("gpus", "seen"), [((0, 1, 2), "all"), ((0, 2), "0,2")])
    @pytest.mark.parametrize("deploy", [Deploy(), CLAIMED])
    def test_who_only_watches_takes_no_card(self, gpus: tuple[int, ...], seen: str, deploy: Deploy) -> None:
        watcher = workload(gpus=tuple(map(gpu, gpus)), watches=True)
        found = replace(in_cluster(watcher), deploy=deploy)
        spec = pod(found)
        assert spec["runtimeClassName"] == "nvidia"
        assert [one["key"] for one in spec["tolerations"]] == ["nvidia.com/gpu"]
        assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": seen} in spec["containers"][0]["env"]
        assert spec["containers"][0].get("resources", {}) == {}
        assert not {"priorityClassName", "resourceClaims"} & spec.keys()
        assert not objects(found, "ResourceClaim")
        assert not objects(found, "PriorityClass")
        assert kinds(found) == []

    def test_cards_that_nobody_can_only_watch(self) -> None:
        watcher = workload(gpus=(gpu(0, vendor="amd"), gpu(1)), watches=True)
        assert kinds(in_cluster(watcher)) == ["kubernetes/watching"]

    def test_claims_are_of_one_node(self) -> None:
        found = replace(spread(), deploy=CLAIMED)
        assert kinds(found) == ["kubernetes/claims-of-workers"]

    @pytest.mark.parametrize(
        ("other", "selectors"),
        [
            (gpu(1), ([], [])),
            (gpu(1, uuid="GPU-1"), ([f"{ATTRIBUTES}.uuid != 'GPU-1'"], [f"{ATTRIBUTES}.uuid == 'GPU-1'"])),
            (
                gpu(1, "rtx-4070-ti", capacity=11770 * MIB, compute_capability=(8, 9)),
                (
                    [f"{ATTRIBUTES}.cudaComputeCapability.compareTo(semver('8.6.0')) == 0"],
                    [f"{ATTRIBUTES}.cudaComputeCapability.compareTo(semver('8.9.0')) == 0"],
                ),
            ),
            (
                gpu(1, "rtx-3060", capacity=11906 * MIB, compute_capability=(8, 6)),
                (
                    [f"{MEMORY}.isGreaterThan(quantity('18015Mi'))"],
                    [f"{MEMORY}.isLessThan(quantity('18015Mi'))"],
                ),
            ),
        ],
        ids=["alike", "uuid", "generation", "memory"],
    )
    def test_a_claim_says_what_sets_its_card_apart(
        self, other: LinkedGpu, selectors: tuple[list[str], list[str]]
    ) -> None:
        on = host(platform="kubernetes", gpus=(gpu(0, compute_capability=(8, 6)), other))
        found = replace(
            in_cluster(workload("one", gpus=on.gpus[:1]), workload("two", gpus=on.gpus[1:]), on=on),
            deploy=CLAIMED,
        )
        for claim, words in zip(objects(found, "ResourceClaim").values(), selectors, strict=True):
            asked = claim["spec"]["devices"]["requests"][0]["exactly"]
            assert [one["cel"]["expression"] for one in asked.get("selectors", [])] == words
        assert kinds(found) == []

    def test_cards_that_nothing_tells_apart(self) -> None:
        on = host(platform="kubernetes", gpus=(gpu(0), gpu(1, reserve=2 * GIB)))
        found = in_cluster(workload(gpus=on.gpus[:1]), on=on)
        assert kinds(replace(found, deploy=CLAIMED)) == ["kubernetes/any-card"]
        assert kinds(found) == []

    @pytest.mark.parametrize(("vendor", "deploy"), [("amd", Deploy()), ("nvidia", CLAIMED)])
    def test_a_host_whose_cards_no_plugin_shares(self, vendor: str, deploy: Deploy) -> None:
        on = host(platform="kubernetes", gpus=(gpu(0, vendor=vendor),), sharing=Sharing(replicas=2))
        found = replace(in_cluster(workload(gpus=on.gpus), on=on), deploy=deploy)
        assert kinds(found) == ["kubernetes/nothing-to-share"]


def test_a_program_on_several_nodes() -> None:
    (group,) = objects(spread(), "LeaderWorkerSet").values()
    template = group["spec"]["leaderWorkerTemplate"]
    assert template["size"] == 2
    leader, worker = (
        template[name]["spec"]["containers"][0] for name in ("leaderTemplate", "workerTemplate")
    )
    assert (leader["args"], worker["args"]) == (["--lead"], ["--follow", "$(LWS_LEADER_ADDRESS)"])
    assert "readinessProbe" in leader
    assert "readinessProbe" not in worker
    assert (
        objects(spread(), "Service")["big"]["spec"]["selector"]["leaderworkerset.sigs.k8s.io/worker-index"]
        == "0"
    )


def test_a_group_has_a_name_of_its_own() -> None:
    """LeaderWorkerSet makes a Service of its name by which pods find their leader long before it is ready."""
    found = spread()
    assert set(objects(found, "LeaderWorkerSet")).isdisjoint(objects(found, "Service"))
    (name,) = objects(spread(name="a" * 63), "LeaderWorkerSet")
    assert len(name) <= 50


def test_a_node_of_another_platform_cannot_help() -> None:
    other = host("second", platform="compose")
    found = workload(gpus=(gpu(0),), workers=Workers(hosts=(other,)))
    assert "kubernetes/worker-elsewhere" in kinds(in_cluster(found))


def test_argocd_needs_the_address_of_the_repository() -> None:
    found = in_cluster(API, deploy={"gitops": "argocd", "repository": {"path": "x"}})
    assert kinds(found) == ["kubernetes/no-repository"]


def test_flux_leaves_what_looks_like_a_variable() -> None:
    everywhere = [one for one in all_objects(SHAPES["flux"]) if one["kind"] != "Secret"]
    marked = [
        o["metadata"].get("annotations", {}).get("kustomize.toolkit.fluxcd.io/substitute") for o in everywhere
    ]
    assert set(marked) == {"disabled"}
    generated = documents(SHAPES["flux"])["kubernetes/llama/kustomization.yaml"].body
    assert generated["generatorOptions"]["annotations"] == {
        "kustomize.toolkit.fluxcd.io/substitute": "disabled"
    }


@pytest.mark.parametrize("name", [*SHAPES, "home", "maximal"])
def test_selectors_never_change(name: str) -> None:
    """An API server lets nobody change one, so nothing in it may follow the engine or its options."""
    found = {"home": cluster_home(), "maximal": in_cluster(maximal, SEARCH)} | dict(SHAPES)
    for one in objects(found[name], "Deployment").values():
        assert set(one["spec"]["selector"]["matchLabels"]) == {
            "app.kubernetes.io/instance",
            "app.kubernetes.io/part-of",
        }


def broken(change: Callable[[list[Any]], None], found: Deployment | None = None) -> list[str]:
    config = ConfigFile(name="a.yaml", target=PurePosixPath("/a.yaml"), format=Format.YAML, body={})
    everything = workload(
        "llama",
        gpus=(gpu(0),),
        env={"A": "b", "TOKEN": SecretKey("s", "k")},
        mounts=(Mount(volume="models", target=PurePosixPath("/m")),),
        ports=(Port(name="http", number=80),),
        health=Health(port=80, path="/"),
        expose=Exposure("a.example.org"),
        config_files=(config,),
    )
    stream = all_objects(found or in_cluster(everything, deploy=GATEWAY))
    stream = [one for one in stream if one["kind"] != "Secret"]
    stream.append(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "llama-config", "namespace": "home"},
            "data": {},
        }
    )
    assert kubernetes.problems(stream, {"s": {"k"}}) == []
    change(stream)
    return kubernetes.problems(stream, {"s": {"k"}})


def of_kind(stream: list[Any], kind: str) -> Any:
    return next(one for one in stream if one["kind"] == kind)


def first_container(stream: list[Any]) -> Any:
    return pod_spec(stream)["containers"][0]


def pod_spec(stream: list[Any]) -> Any:
    return of_kind(stream, "Deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: of_kind(s, "Service")["metadata"].update(name="1a"), "its name"),
        (lambda s: of_kind(s, "Service")["spec"]["selector"].update(a="b"), "finds no pods"),
        (lambda s: of_kind(s, "Service")["spec"]["ports"][0].update(name="a" * 16), "port a"),
        (lambda s: of_kind(s, "Service")["spec"]["ports"][0].update(targetPort=81), "nobody listens"),
        (lambda s: of_kind(s, "Deployment")["metadata"]["labels"].update(x="a b"), "label x"),
        (lambda s: of_kind(s, "Deployment")["spec"]["selector"]["matchLabels"].update(x="y"), "selector"),
        (lambda s: of_kind(s, "Deployment")["spec"].pop("strategy"), "no Recreate"),
        (lambda s: pod_spec(s).pop("automountServiceAccountToken"), "a token"),
        (lambda s: pod_spec(s).update(serviceAccountName="x"), "no ServiceAccount x"),
        (lambda s: first_container(s)["volumeMounts"].pop(), "volumes and mounts differ"),
        (lambda s: first_container(s)["volumeMounts"][0].update(name="gone"), "volumes and mounts differ"),
        (lambda s: first_container(s)["livenessProbe"]["httpGet"].update(port=1), "livenessProbe"),
        (lambda s: first_container(s)["resources"]["limits"].update({"nvidia.com/gpu": "2"}), "whole cards"),
        (lambda s: first_container(s)["resources"]["limits"].update(memory="4GB"), "quantity"),
        (lambda s: first_container(s)["env"][1].update(value=1), "is no text"),
        (
            lambda s: first_container(s)["env"][2]["valueFrom"]["secretKeyRef"].update(key="x"),
            "no x in the secret",
        ),
        (lambda s: first_container(s)["securityContext"].update(allowPrivilegeEscalation=True), "open"),
        (
            lambda s: of_kind(s, "HTTPRoute")["spec"]["rules"][0]["backendRefs"][0].update(port=1),
            "no service",
        ),
        (lambda s: of_kind(s, "PersistentVolumeClaim")["spec"].update(storageClassName="x"), "storage class"),
        (lambda s: of_kind(s, "PersistentVolumeClaim")["spec"].update(volumeName="x"), "no volume x"),
        (lambda s: of_kind(s, "PersistentVolumeClaim")["metadata"].update(name="x"), "no claim"),
        (lambda s: s.remove(of_kind(s, "ConfigMap")), "no ConfigMap"),
        (lambda s: s.remove(of_kind(s, "PriorityClass")), "no PriorityClass"),
        (lambda s: s.append(of_kind(s, "Namespace")), "there are two"),
    ],
)
def test_the_check_of_objects_sees(change: Callable[[list[Any]], None], told: str) -> None:
    """What no program of another project notices offline; a check that sees nothing would pass everything."""
    assert any(told in problem for problem in broken(change)), broken(change)
