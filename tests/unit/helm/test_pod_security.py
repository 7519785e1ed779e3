"""Every pod keeps the Pod Security Standard "restricted".

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scripts import chart
from tests.unit.helm.rendering import example, pods

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
CASES = [(case, name, pod) for case in chart.CASES for name, pod in pods(example(case))]


def violations(pod: dict[str, Any]) -> Iterator[str]:
    """What of the profile a pod does not keep."""
    whole = pod.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield field
    for volume in pod.get("volumes", []):
        if set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']}"
    for container in [*pod.get("initContainers", []), *pod["containers"], *pod.get("ephemeralContainers", [])]:
        own = container.get("securityContext", {})
        both = whole | own
        if own.get("privileged"):
            yield "privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation"
        if "ALL" not in own.get("capabilities", {}).get("drop", []):
            yield "capabilities.drop"
        if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
            yield "capabilities.add"
        if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
            yield "runAsNonRoot"
        if both.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
            yield "seccompProfile"
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield "hostPort"
        if own.get("procMount", "Default") != "Default":
            yield "procMount"


def house_rules(pod: dict[str, Any]) -> Iterator[str]:
    """What the house asks for besides."""
    if pod.get("automountServiceAccountToken") is not False:
        yield "a token that nothing needs"
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        if container["securityContext"].get("readOnlyRootFilesystem") is not True:
            yield "a root file system that can be written"
        if "memory" not in container["resources"]["limits"]:
            yield "no limit of memory"
        for mount in container["volumeMounts"]:
            if container["name"] == "service" and mount["name"] != "tmp" and not mount.get("readOnly"):
                yield f"{mount['name']} can be written"


@pytest.mark.parametrize(("case", "name", "pod"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_pod_is_restricted(case: str, name: str, pod: dict[str, Any]) -> None:
    assert [*violations(pod), *house_rules(pod)] == []


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "hostNetwork": lambda pod: pod.update(hostNetwork=True),
    "volume host": lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "privileged": lambda pod: pod["containers"][0]["securityContext"].update(privileged=True),
    "allowPrivilegeEscalation": lambda pod: pod["initContainers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
    "capabilities.drop": lambda pod: pod["containers"][0]["securityContext"].update(capabilities={}),
    "capabilities.add": lambda pod: pod["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
    "runAsNonRoot": lambda pod: pod["containers"][0]["securityContext"].update(runAsUser=0),
    "seccompProfile": lambda pod: pod["containers"][0]["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "hostPort": lambda pod: pod["containers"][0]["ports"][0].update(hostPort=80),
}


@pytest.mark.parametrize(("expected", "spoil"), BROKEN.items(), ids=BROKEN)
def test_the_check_finds(expected: str, spoil: Callable[[dict[str, Any]], Any]) -> None:
    pod = copy.deepcopy(dict(pods(example("production")))["buhin-speech"])
    spoil(pod)
    assert list(violations(pod)) == [expected]
