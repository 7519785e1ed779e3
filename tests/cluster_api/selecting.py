"""Selectors of labels and of fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.cluster_api.refusals import bad_request

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<how>in|notin)\s+\((?P<values>[^)]*)\)$")
_PARTS = re.compile(r",(?![^(]*\))")


def by_labels(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether the labels are those that are asked for."""
    return all(_holds(part.strip(), labels) for part in _PARTS.split(selector) if part.strip())


def _holds(part: str, labels: Mapping[str, str]) -> bool:
    if found := _SET.match(part):
        within = labels.get(found["key"]) in [value.strip() for value in found["values"].split(",")]
        return within if found["how"] == "in" else not within
    for sign, wanted in (("!=", False), ("==", True), ("=", True)):
        if sign in part:
            key, value = part.split(sign, 1)
            return (labels.get(key.strip()) == value.strip()) is wanted
    return part[1:].strip() not in labels if part.startswith("!") else part in labels


_FIELDS = {
    "metadata.name",
    "metadata.namespace",
    "status.phase",
    "spec.nodeName",
    "type",
    "reason",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
}


def by_fields(selector: str, thing: Mapping[str, Any]) -> bool:
    """Whether the fields are those that are asked for; refuses fields that cannot be selected by."""
    for part in filter(None, selector.split(",")):
        equal = "!=" not in part
        name, value = (text.strip(" =") for text in part.split("=" if equal else "!=", 1))
        if name not in _FIELDS:
            raise bad_request(f'field label not supported: "{name}"')
        found: Any = thing
        for step in name.split("."):
            found = found.get(step, "") if isinstance(found, Mapping) else ""
        if (found == value) is not equal:
            return False
    return True
