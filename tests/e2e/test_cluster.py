"""The commands against the cluster of KUBECONFIG, where the chart is installed: pytest -m cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from buhin.cluster import problems

pytestmark = pytest.mark.cluster


def buhin(*arguments: str) -> tuple[int, Any]:
    """Run a command as an operator does."""
    command = [sys.executable, "-m", "buhin.cli.main", "cluster", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout)


def test_what_runs_is_found_shown_examined_and_called() -> None:
    code, services = buhin("list", "-A", "--json")
    assert services, "the chart is not installed in the cluster of KUBECONFIG"
    assert code == any(each["health"] in ("NOT_SERVING", "DEGRADED") for each in services)
    for each in services:
        where = ("-n", each["namespace"], "--release", each["release"])
        _, shown = buhin("show", each["function"], *where, "--json")
        assert {pod["name"] for pod in shown["pods"]} == {pod["name"] for pod in each["pods"]}
        code, examined = buhin("doctor", "-n", each["namespace"], "--json")
        findings = examined["namespaces"][each["namespace"]]
        assert code == bool(findings)
        assert {finding["code"] for finding in findings} <= {problem.code for problem in problems.ALL}
        if each["health"] == "SERVING":
            code, answer = buhin("call", each["function"], "GetServiceInfo", *where)
            assert code == 0
            assert answer["info"]["function"] == each["function"]
