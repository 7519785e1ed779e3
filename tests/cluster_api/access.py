"""Role based access: which calls are allowed, and which were made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, order=True)
class Call:
    """A call that was made, as rules of access see it. ``namespace`` is empty for all namespaces."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = field(default="", compare=False)

    @property
    def target(self) -> str:
        """The resource as rules write it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True)
class Rule:
    """A PolicyRule; ``namespace`` is where it holds, empty for everywhere (ClusterRole)."""

    api_groups: Sequence[str]
    resources: Sequence[str]
    verbs: Sequence[str]
    resource_names: Sequence[str] = ()
    namespace: str = ""

    @classmethod
    def of(cls, rules: Iterable[Mapping[str, Any]], namespace: str = "") -> list[Rule]:
        """The rules of a Role or of a ClusterRole."""
        return [
            cls(each["apiGroups"], each["resources"], each["verbs"], each.get("resourceNames", ()), namespace)
            for each in rules
        ]

    def allows(self, call: Call) -> bool:
        """Whether the call may be made."""
        return (
            _in(call.verb, self.verbs)
            and _in(call.group, self.api_groups)
            and _in(call.target, self.resources)
            and (not self.resource_names or call.name in self.resource_names)
            and (not self.namespace or call.namespace == self.namespace)
        )


@dataclass
class Access:
    """Who a token belongs to, and what it may do; ``rules`` None: everything."""

    user: str = "system:admin"
    rules: Sequence[Rule] | None = None
    calls: list[Call] = field(default_factory=list)
    """The calls that were made, refused ones too."""

    def allows(self, call: Call) -> bool:
        """Whether the call may be made; it is kept."""
        self.calls.append(call)
        return self.rules is None or any(rule.allows(call) for rule in self.rules)


def _in(value: str, accepted: Sequence[str]) -> bool:
    return value in accepted or "*" in accepted
