"""Looks at a snapshot of a namespace with every check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from buhin.cluster import namespace_checks, pod_checks
from buhin.cluster.problems import NOT_READY, Finding
from buhin.cluster.snapshot import Snapshot

Check = Callable[[Snapshot], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    namespace_checks.access,
    namespace_checks.deployed,
    namespace_checks.claims,
    namespace_checks.replicas,
    pod_checks.images,
    pod_checks.scheduling,
    pod_checks.references,
    pod_checks.models,
    pod_checks.memory,
    pod_checks.crashes,
    pod_checks.probes,
    pod_checks.evictions,
    namespace_checks.networks,
    namespace_checks.autoscalers,
    namespace_checks.starting,
)
"""In the order in which problems are told: what comes first may be the cause of what comes later."""


def examine(found: Snapshot) -> list[Finding]:
    """The problems that are there, the same one of several pods once."""
    by_kind: dict[tuple[object, ...], Finding] = {}
    for check in CHECKS:
        for finding in check(found):
            same = {name: value for name, value in finding.values.items() if name != "pod"}
            kind = (finding.problem.code, finding.component, *sorted(same.items()))
            first = by_kind.setdefault(kind, finding)
            if first is not finding:
                by_kind[kind] = replace(first, others=(*first.others, finding.subject))
    explained = {finding.component for finding in by_kind.values() if finding.problem is not NOT_READY}
    return [each for each in by_kind.values() if each.problem is not NOT_READY or each.component not in explained]
