"""What doctor says of recorded namespaces."""

from __future__ import annotations

import inspect
import string
from pathlib import Path

import pytest

from buhin.cluster import doctor, namespace_checks, pod_checks, problems
from buhin.cluster.api import Cluster
from buhin.cluster.problems import Problem
from buhin.cluster.snapshot import collect
from tests.cluster_api import Access, ApiServer, Rule
from tests.cluster_api.server import ADMIN
from tests.unit.cluster.recorded import CASES, NAMESPACE, POD, case, healthy, put_case


def told(cluster: Cluster, callers: str = "") -> list[problems.Finding]:
    """What is found in the namespace."""
    return doctor.examine(collect(cluster, NAMESPACE, client_namespace=callers))


def test_a_namespace_that_is_well_has_no_finding(api: ApiServer, cluster: Cluster) -> None:
    api.put(*healthy())
    assert told(cluster) == []


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_problem_is_named_with_a_remedy(api: ApiServer, cluster: Cluster, path: Path) -> None:
    wrong = case(path)
    put_case(api, wrong)
    found = told(cluster, wrong["callers"])
    assert [finding.problem.code for finding in found] == wrong["codes"]
    for finding in found:
        problem = finding.problem
        assert wrong["says"] in finding.text(problem.text)
        for text in (problem.text, problem.text_ja, problem.remedy, problem.remedy_ja):
            named = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert named <= set(finding.values), text


def test_every_problem_is_recorded() -> None:
    recorded = {code for path in CASES for code in case(path)["codes"]}
    assert recorded == {problem.code for problem in problems.ALL} - {"FORBIDDEN"}


def test_every_check_is_made() -> None:
    written = {
        function
        for module in (namespace_checks, pod_checks)
        for name, function in inspect.getmembers(module, inspect.isgeneratorfunction)
        if not name.startswith("_") and function.__module__ == module.__name__
    }
    assert written == set(doctor.CHECKS)


@pytest.mark.parametrize("problem", problems.ALL, ids=lambda problem: problem.code)
def test_a_problem_has_texts_in_both_languages(problem: Problem) -> None:
    for en, ja in ((problem.text, problem.text_ja), (problem.remedy, problem.remedy_ja)):
        assert en.isascii()
        assert not ja.isascii()
        fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (en, ja)]
        assert fields[0] == fields[1]


def test_the_same_problem_of_several_pods_is_told_once(api: ApiServer, cluster: Cluster) -> None:
    path = next(path for path in CASES if path.stem == "image_name")
    put_case(api, case(path))
    (pod,) = api.all("v1", "Pod")
    for number in range(2):
        pod["metadata"] = {**pod["metadata"], "name": f"{POD}-{number}", "uid": f"other-{number}"}
        pod["metadata"].pop("resourceVersion", None)
        api.put(pod)
    (finding,) = told(cluster)
    assert finding.subject == f"pod/{POD}"
    assert finding.others == (f"pod/{POD}-0", f"pod/{POD}-1")


def test_what_may_not_be_read_is_told_and_the_rest_is_looked_at(api: ApiServer, cluster: Cluster) -> None:
    put_case(api, case(next(path for path in CASES if path.stem == "hpa")))
    allowed = ["horizontalpodautoscalers", "deployments", "services", "pods"]
    api.tokens[ADMIN] = Access("system:serviceaccount:ai:reader", [Rule(["*"], allowed, ["list"])])
    found = told(cluster)
    refused = [finding.subject for finding in found if finding.problem is problems.FORBIDDEN]
    assert refused == [
        "endpointslices.discovery.k8s.io", "events", "networkpolicies.networking.k8s.io", "persistentvolumeclaims",
    ]  # fmt: skip
    assert [finding.problem.code for finding in found][-1] == "NO_METRICS"
