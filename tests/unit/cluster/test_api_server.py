"""The API server of the tests refuses what the real one refuses."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster_api import Access, ApiServer, Rule
from tests.cluster_api.server import ADMIN
from tests.cluster_api.store import problems
from tests.unit.cluster.recorded import CASES, case, healthy

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "1"}}, "data": {}}
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "j"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """One that runs."""
    with ApiServer() as running:
        yield running


def ask(api: ApiServer, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
    """The code and the object that is answered."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": kind}
    request = urllib.request.Request(api.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def refusal(answer: tuple[int, Any]) -> tuple[int, str]:
    """The code and the reason of a Status."""
    assert answer[1]["kind"] == "Status"
    assert answer[1]["code"] == answer[0]
    return answer[0], answer[1]["reason"]


@pytest.mark.parametrize("thing", [*healthy(), *(each for path in CASES for each in case(path)["add"])])
def test_what_is_recorded_has_the_shape_of_the_api(thing: dict[str, Any]) -> None:
    assert [error.message for error in problems(thing)] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", f"{CONFIG_MAPS}/none", None, (404, "NotFound")),
        ("GET", "/api/v1/namespaces/default/dragons", None, (404, "NotFound")),
        ("POST", CONFIG_MAPS, CONFIG_MAP, (409, "AlreadyExists")),
        ("POST", CONFIG_MAPS, CONFIG_MAP | {"spec": 1}, (400, "BadRequest")),
        ("POST", CONFIG_MAPS, CONFIG_MAP | {"kind": "Secret"}, (400, "BadRequest")),
        ("POST", CONFIG_MAPS, CONFIG_MAP | {"metadata": {}}, (422, "Invalid")),
        ("POST", CONFIG_MAPS, CONFIG_MAP | {"metadata": {"name": "b"}, "data": {"x": 1}}, (422, "Invalid")),
        ("POST", "/api/v1/namespaces/none/configmaps", CONFIG_MAP, (404, "NotFound")),
        ("POST", JOBS, JOB | {"spec": {"template": {"spec": {"containers": []}}}}, (422, "Invalid")),
        ("GET", f"{CONFIG_MAPS}?fieldSelector=spec.colour%3Dred", None, (400, "BadRequest")),
        ("PATCH", f"{CONFIG_MAPS}/a", {"data": {}}, (400, "BadRequest")),  # no JSON patch, as the header says it is
    ],
)
def test_what_makes_no_sense_is_refused(
    api: ApiServer, method: str, path: str, body: Any, expected: tuple[int, str]
) -> None:
    api.put(CONFIG_MAP)
    kind = "application/json-patch+json" if method == "PATCH" else "application/json"
    assert refusal(ask(api, method, path, body, kind)) == expected


def test_a_change_of_an_old_version_is_a_conflict(api: ApiServer) -> None:
    _, first = ask(api, "POST", CONFIG_MAPS, CONFIG_MAP)
    changed = first | {"data": {"x": "1"}}
    code, second = ask(api, "PUT", f"{CONFIG_MAPS}/a", changed)
    assert code == 200
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    assert refusal(ask(api, "PUT", f"{CONFIG_MAPS}/a", first)) == (409, "Conflict")
    stale = {"preconditions": {"resourceVersion": first["metadata"]["resourceVersion"]}}
    assert refusal(ask(api, "DELETE", f"{CONFIG_MAPS}/a", stale)) == (409, "Conflict")


def test_labels_select(api: ApiServer) -> None:
    api.put(CONFIG_MAP, CONFIG_MAP | {"metadata": {"name": "b", "labels": {"x": "2"}}})
    for selector, names in (
        ("x=1", ["a"]), ("x!=1", ["b"]), ("x in (1,2)", ["a", "b"]), ("x notin (1)", ["b"]), ("x", ["a", "b"]),
        ("!x", []), ("x=1,!y", ["a"]),
    ):  # fmt: skip
        _, found = ask(api, "GET", f"{CONFIG_MAPS}?labelSelector={urllib.parse.quote(selector)}")
        assert [each["metadata"]["name"] for each in found["items"]] == names, selector


def watched(api: ApiServer, version: str, count: int) -> list[tuple[str, Any]]:
    """The first events of a watch of ConfigMaps."""
    path = f"{CONFIG_MAPS}?watch=true&resourceVersion={version}&labelSelector=x%3D1"
    request = urllib.request.Request(api.url + path, headers={"Authorization": f"Bearer {ADMIN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        events = [json.loads(line) for line in itertools.islice(answer, count)]
    return [(event["type"], event["object"]) for event in events]


def test_a_watch_tells_what_happened_after_a_version(api: ApiServer) -> None:
    api.put(CONFIG_MAP)
    _, found = ask(api, "GET", CONFIG_MAPS)
    api.put(CONFIG_MAP | {"data": {"k": "v"}})
    api.put(CONFIG_MAP | {"metadata": {"name": "a", "labels": {}}})
    events = watched(api, found["metadata"]["resourceVersion"], 2)
    assert [kind for kind, _ in events] == ["MODIFIED", "DELETED"]  # without the label it is gone, for this watch


def test_a_watch_from_a_version_that_is_forgotten_has_expired(api: ApiServer) -> None:
    _, found = ask(api, "GET", CONFIG_MAPS)
    api.put(CONFIG_MAP)
    api.store.forget()
    ((kind, status),) = watched(api, found["metadata"]["resourceVersion"], 9)
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")


def test_only_what_the_rules_name_may_be_done_and_all_that_is_tried_is_kept(api: ApiServer) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    access = api.tokens[ADMIN] = Access("system:serviceaccount:default:x", Rule.of(rules, "default"))
    assert ask(api, "GET", CONFIG_MAPS)[0] == 200
    answer = ask(api, "POST", CONFIG_MAPS, CONFIG_MAP)
    assert refusal(answer) == (403, "Forbidden")
    assert answer[1]["message"] == (
        'configmaps is forbidden: User "system:serviceaccount:default:x" cannot create resource "configmaps" '
        'in API group "" in the namespace "default"'
    )
    assert refusal(ask(api, "GET", "/api/v1/configmaps")) == (403, "Forbidden")
    assert [(call.verb, call.target, call.namespace) for call in access.calls] == [
        ("list", "configmaps", "default"), ("create", "configmaps", "default"), ("list", "configmaps", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(("policy", "left"), [("Background", []), (None, ["p"])])
def test_a_jobs_pods_go_with_it_only_where_the_caller_says_so(
    api: ApiServer, policy: str | None, left: list[str]
) -> None:
    _, job = ask(api, "POST", JOBS, JOB)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": job["metadata"]["uid"]}
    spec = {"containers": [{"name": "c", "image": "i"}]}
    api.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "ownerReferences": [owner]}, "spec": spec})
    ask(api, "DELETE", f"{JOBS}/j", {"propagationPolicy": policy} if policy else None)
    assert [pod["metadata"]["name"] for pod in api.all("v1", "Pod")] == left


def test_a_status_is_changed_by_itself(api: ApiServer) -> None:
    ask(api, "POST", JOBS, JOB)
    merge = "application/merge-patch+json"
    _, job = ask(api, "PATCH", f"{JOBS}/j/status", {"status": {"active": 1}, "spec": {"parallelism": 9}}, merge)
    assert (job["status"], job["spec"]["parallelism"]) == ({"active": 1}, 1)
    _, job = ask(api, "PATCH", f"{JOBS}/j", {"status": {"active": 7}, "spec": {"parallelism": 2}}, merge)
    assert (job["status"], job["spec"]["parallelism"]) == ({"active": 1}, 2)
    image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "other"}]}}}}
    assert refusal(ask(api, "PATCH", f"{JOBS}/j", image, merge)) == (422, "Invalid")
