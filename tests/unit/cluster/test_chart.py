"""What the chart makes is found by the commands and by clients."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from buhin.cluster import names
from buhin.cluster.api import Cluster
from buhin.cluster.doctor import examine
from buhin.cluster.services import find
from buhin.cluster.snapshot import collect
from buhin.config import PORTS
from scripts import chart
from tests.cluster_api import ApiServer
from tests.cluster_api.kinds import BY_NAME
from tests.unit.cluster.recorded import NAMESPACE
from tests.unit.helm.rendering import example, of

NOW = "2026-11-27T23:10:04Z"


def running(deployment: dict[str, Any]) -> dict[str, Any]:
    """A pod of a Deployment, that runs."""
    template = copy.deepcopy(deployment["spec"]["template"])
    template["metadata"]["name"] = f"{deployment['metadata']['name']}-0"
    state = {"name": "service", "image": "i", "imageID": "i", "ready": True, "restartCount": 0}
    state |= {"state": {"running": {"startedAt": NOW}}}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [state]}
    template["metadata"]["namespace"] = deployment["metadata"]["namespace"]
    return {"apiVersion": "v1", "kind": "Pod", **template, "status": status}


@pytest.fixture(params=chart.CASES)
def objects(request: pytest.FixtureRequest, api: ApiServer) -> list[dict[str, Any]]:
    """The objects of a case of the chart, in the API server, with a pod for each Deployment."""
    found = [each for each in example(request.param) if (each["apiVersion"], each["kind"]) in BY_NAME]
    for each in found:
        api.put(each)
        if each["kind"] == "Deployment":
            api.put(running(each))
        if each["kind"] == "PersistentVolumeClaim":
            api.put(each | {"status": {"phase": "Bound"}})
    return found


def test_every_service_is_found_where_clients_look_for_it(objects: list[dict[str, Any]], cluster: Cluster) -> None:
    found = find(cluster, NAMESPACE)
    assert [each.name for each in found] == [
        each["metadata"]["name"] for each in of(objects, "Deployment") if _serves(each)
    ]
    for each in found:
        assert each.function in PORTS
        assert each.name == names.service("buhin", each.function)
        assert (each.release, each.health, len(each.pods)) == ("buhin", "SERVING", 1)
        (pods,) = of(objects, "Service", names.pods_service(each.name))
        assert pods["spec"]["clusterIP"] == "None"
        ports = {port["name"]: port["port"] for port in pods["spec"]["ports"]}
        assert ports == {"grpc": names.GRPC_PORT, "health": names.HEALTH_PORT, "metrics": names.METRICS_PORT}
        assert each.tls in ("none", "server", "mutual")


def test_nothing_is_wrong_with_what_runs_for_those_who_may_call(
    objects: list[dict[str, Any]], api: ApiServer, cluster: Cluster
) -> None:
    for name, labels in (("bureau", {"buhin/client": "true"}), ("stranger", {})):
        api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def codes(callers: str) -> set[str]:
        found = examine(collect(cluster, NAMESPACE, client_namespace=callers))
        return {finding.problem.code for finding in found} - {"NOT_READY", "CLAIM_MISSING"}

    closed = {"NETWORK_POLICY"} if of(objects, "NetworkPolicy") else set()
    assert (codes("bureau"), codes(NAMESPACE), codes("stranger")) == (set(), set(), closed)


def _serves(deployment: dict[str, Any]) -> bool:
    return names.FUNCTION in deployment["metadata"]["labels"]
