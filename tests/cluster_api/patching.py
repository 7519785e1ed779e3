"""Patches: JSON (RFC 6902), merge (RFC 7396), and strategic merge where lists are of named things."""

from __future__ import annotations

import copy
from typing import Any

from tests.cluster_api.refusals import RefusedError, bad_request


def patched(thing: dict[str, Any], patch: Any, content_type: str) -> dict[str, Any]:
    """The object with the patch. Refuses kinds of patches that it does not know."""
    if content_type == "application/json-patch+json":
        if not isinstance(patch, list):
            raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        result = copy.deepcopy(thing)
        for step in patch:
            _step(result, step)
        return result
    if content_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        merged: dict[str, Any] = _merged(thing, patch, named=content_type.startswith("application/strategic"))
        return merged
    raise RefusedError(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {content_type}")


def _merged(old: Any, new: Any, *, named: bool) -> Any:
    if isinstance(new, dict):
        result = dict(old) if isinstance(old, dict) else {}
        for key, value in new.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = _merged(result.get(key), value, named=named)
        return result
    if named and isinstance(old, list) and isinstance(new, list) and all(_is_named(each) for each in [*old, *new]):
        by_name = {each["name"]: each for each in old}
        for each in new:
            by_name[each["name"]] = _merged(by_name.get(each["name"]), each, named=True)
        return list(by_name.values())
    return new


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and "name" in value


def _step(thing: Any, step: dict[str, Any]) -> None:
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    for part in way:
        thing = thing[int(part) if isinstance(thing, list) else part]
    if isinstance(thing, list):
        where = len(thing) if last == "-" else int(last)
        match step["op"]:
            case "add":
                thing.insert(where, step["value"])
            case "replace":
                thing[where] = step["value"]
            case "remove":
                del thing[where]
        return
    match step["op"]:
        case "add" | "replace":
            thing[last] = step["value"]
        case "remove":
            thing.pop(last)
        case "test":
            if thing.get(last) != step["value"]:
                raise RefusedError(422, "Invalid", f"the server rejected our request: testing {step['path']} failed")
        case other:
            raise bad_request(f"unexpected patch operation: {other}")
