"""ServiceMonitors: whom the cluster's own Prometheus asks, how, and that it is let in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stackgen.domain.interface import Scrape
from stackgen.domain.linked import SecretKey
from stackgen.domain.workload import Deployment
from tests.support import kubernetes
from tests.support.clusters import (
    API,
    OPERATOR,
    PER_MODEL,
    all_objects,
    asked,
    in_cluster,
    kinds,
    objects,
    spread,
)

TOKEN = SecretKey("api", "token")


def monitor(found: Deployment) -> Any:
    (one,) = objects(found, "ServiceMonitor").values()
    return one


def test_a_model_is_asked_for_without_loading_it() -> None:
    first, second = monitor(asked(*PER_MODEL))["spec"]["endpoints"]
    assert first["params"] == {"model": ["a"], "autoload": ["false"]}
    assert second["params"]["model"] == ["b"]
    assert first["port"] == "http"


def test_series_of_two_models_differ() -> None:
    """Operator and Prometheus give both the same labels: address, service, path."""
    label = {"sourceLabels": ["__param_model"], "targetLabel": "model"}
    assert label in monitor(asked(*PER_MODEL))["spec"]["endpoints"][0]["relabelings"]
    (endpoint,) = monitor(asked(Scrape()))["spec"]["endpoints"]
    assert endpoint["relabelings"] == [{"targetLabel": "host", "replacement": "box"}]
    assert "params" not in endpoint


@pytest.mark.parametrize(
    ("authorized", "key", "sent"),
    [
        (True, TOKEN, {"credentials": {"name": "api", "key": "token"}}),
        (True, None, None),
        (False, TOKEN, None),
    ],
)
def test_a_key_is_sent_where_it_must_be(authorized: bool, key: SecretKey | None, sent: Any) -> None:
    (endpoint,) = monitor(asked(Scrape(authorized=authorized), key=key))["spec"]["endpoints"]
    assert endpoint.get("authorization") == sent


def test_it_has_the_labels_that_prometheus_looks_for() -> None:
    labels = monitor(asked(Scrape()))["metadata"]["labels"]
    assert labels["release"] == "kube-prometheus-stack"
    assert labels["app.kubernetes.io/instance"] == "api"


def test_an_address_of_the_lan_is_not_asked_as_well() -> None:
    found = asked(Scrape())
    assert {"api", "api-lan"} <= set(objects(found, "Service"))
    assert kubernetes.problems(all_objects(found)) == []
    assert objects(found, "Service")["api-lan"]["metadata"]["labels"]["app.kubernetes.io/component"] == "lan"


def test_the_namespace_of_prometheus_is_let_in() -> None:
    rule = {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "figures"}}}],
        "ports": [{"port": 9000, "protocol": "TCP"}],
    }
    assert rule in objects(asked(Scrape()), "NetworkPolicy")["api"]["spec"]["ingress"]
    assert rule not in objects(asked(), "NetworkPolicy")["api"]["spec"]["ingress"]


def test_without_an_operator_there_are_none() -> None:
    found = asked(Scrape(), deploy={"cluster": {}})
    assert objects(found, "ServiceMonitor") == {}
    assert all(
        "namespaceSelector" not in peer
        for rule in objects(found, "NetworkPolicy")["api"]["spec"]["ingress"]
        for peer in rule.get("from", [])
    )


def test_nothing_to_ask() -> None:
    assert kinds(in_cluster(API, deploy=OPERATOR)) == ["kubernetes/no-figures"]
    assert kinds(asked(Scrape())) == []
    assert kinds(in_cluster(API)) == []


def test_the_leader_of_a_group_is_asked() -> None:
    """By the stack's own Service: that of KServe has other labels."""
    figures = asked(Scrape()).interfaces["api"]
    for who in ("kserve", "leader-worker-set"):
        deploy = {"cluster": {**OPERATOR["cluster"], "multi_node": who}}
        found = replace(spread(deploy), interfaces={"big": figures})
        assert monitor(found)["spec"]["selector"]["matchLabels"] == {
            "app.kubernetes.io/instance": "big",
            "app.kubernetes.io/part-of": "home",
        }
        assert kubernetes.problems(all_objects(found)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda spec: spec["selector"].pop("matchExpressions"), "finds 2 services"),
        (lambda spec: spec["selector"]["matchLabels"].update(x="y"), "finds 0 services"),
        (lambda spec: spec["endpoints"][0].update(port="gone"), "no port gone"),
        (lambda spec: spec["endpoints"].append(spec["endpoints"][0]), "the same twice"),
        (
            lambda spec: spec["endpoints"][0]["authorization"]["credentials"].update(key="x"),
            "no x in the secret",
        ),
    ],
)
def test_the_check_of_objects_sees(change: Callable[[Any], None], told: str) -> None:
    secrets = {"api": {"token"}}
    stream = [o for o in all_objects(asked(*PER_MODEL, key=TOKEN)) if o["kind"] != "Secret"]
    assert kubernetes.problems(stream, secrets) == []
    change(next(one["spec"] for one in stream if one["kind"] == "ServiceMonitor"))
    assert any(told in problem for problem in kubernetes.problems(stream, secrets))
