"""The objects, their versions and what happened to them."""

from __future__ import annotations

import copy
import functools
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jsonschema
from kubernetes_validate import utils
from referencing import Registry, Resource

from tests.cluster_api import refusals
from tests.cluster_api.kinds import BY_NAME, Kind

VERSION = "1.37"
"""Of the schemas, and what the server says that it is."""
Thing = dict[str, Any]
_Key = tuple[str, str, str]
_JOB_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid", "batch.kubernetes.io/job-name", "job-name")


@dataclass(frozen=True)
class Change:
    """What happened to an object: ADDED, MODIFIED or DELETED, and how it was before."""

    version: int
    kind: Kind
    type: str
    thing: Thing
    before: Thing | None


_SCHEMAS = f"kubernetes-json-schema/v{VERSION}.0-local-strict"


@functools.cache
def _definitions() -> Any:
    return Resource.from_contents(utils.schema_contents(f"{_SCHEMAS}/_definitions.json", VERSION))


@functools.cache
def _validator(kind: str, api_version: str) -> Any:
    """Validates objects of a kind. (kubernetes_validate.validate reads all definitions anew at each call: a second.)"""
    group, _, version = api_version.partition("/")
    file = f"{kind.lower()}-{group.split('.')[0]}{'-' + version if version else ''}.json"
    schema: Any = Resource.from_contents(utils.schema_contents(f"{_SCHEMAS}/{file}", VERSION))
    return jsonschema.Draft202012Validator(schema.contents, registry=_definitions() @ (schema @ Registry()))


def problems(thing: Thing) -> Iterator[jsonschema.ValidationError]:
    """Where an object is not what the API's schema says, unknown fields among it."""
    yield from _validator(thing["kind"], thing["apiVersion"]).iter_errors(thing)


class Store:
    """Objects by kind, namespace and name. Every change has the next resource version."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.version = 100
        self.oldest = 0
        self.changes: list[Change] = []
        self._things: dict[tuple[Kind, str, str], Thing] = {}

    def get(self, kind: Kind, namespace: str, name: str) -> Thing:
        """One object."""
        with self.changed:
            if (kind, namespace, name) not in self._things:
                raise refusals.not_found(kind, name)
            return copy.deepcopy(self._things[kind, namespace, name])

    def all(self, kind: Kind, namespace: str = "") -> tuple[int, list[Thing]]:
        """The objects of a kind in a namespace, or in all, and the version of the list."""
        with self.changed:
            found = [
                copy.deepcopy(thing)
                for (its, where, _), thing in sorted(self._things.items(), key=lambda item: item[0][1:])
                if its is kind and namespace in ("", where)
            ]
            return self.version, found

    def create(self, kind: Kind, namespace: str, thing: Thing, *, keep_status: bool = False) -> Thing:
        """Keep a new object. Refuses one that is there, one of no namespace, and one that its schema does not know."""
        thing = copy.deepcopy(thing)
        meta = thing.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        if not keep_status and kind.status:
            thing.pop("status", None)
        check(kind, namespace, thing)
        if meta.get("resourceVersion") and not keep_status:
            raise refusals.bad_request("resourceVersion should not be set on objects to be created")
        with self.changed:
            if kind.namespaced and (BY_NAME["v1", "Namespace"], "", namespace) not in self._things:
                raise refusals.not_found(BY_NAME["v1", "Namespace"], namespace)
            if (kind, namespace, meta["name"]) in self._things:
                raise refusals.exists(kind, meta["name"])
            meta.setdefault("uid", str(uuid.uuid4()))
            meta.setdefault("creationTimestamp", _now())
            if "spec" in thing:
                meta.setdefault("generation", 1)
            _defaults(kind, thing)
            self._keep(kind, "ADDED", thing, None)
            return copy.deepcopy(thing)

    def change(self, kind: Kind, namespace: str, name: str, new: Callable[[Thing], Thing], *, status: bool) -> Thing:
        """Replace an object by what ``new`` makes of it; its status only, or all but its status."""
        with self.changed:
            old = self.get(kind, namespace, name)
            thing = new(copy.deepcopy(old))
            check(kind, namespace, thing)
            meta = thing["metadata"]
            if meta["name"] != name:
                raise refusals.bad_request("the name of the object does not match the name on the URL")
            if meta.get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
                problem = "the object has been modified; please apply your changes to the latest version and try again"
                raise refusals.conflict(kind, name, problem)
            if meta.get("uid") not in (None, old["metadata"]["uid"]):
                raise refusals.conflict(
                    kind, name, f"Precondition failed: UID in object meta: {old['metadata']['uid']}"
                )
            for fixed in ("uid", "creationTimestamp", "generation", "resourceVersion", "namespace"):
                if fixed in old["metadata"]:
                    meta[fixed] = old["metadata"][fixed]
            if status:
                thing = old | ({"status": thing["status"]} if "status" in thing else {})
            elif kind.status and "status" in old:
                thing["status"] = old["status"]
            if thing == old:
                return old
            if thing.get("spec") != old.get("spec"):
                _immutable(kind, old, thing)
                thing["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
            self._keep(kind, "MODIFIED", thing, old)
            return copy.deepcopy(thing)

    def delete(self, kind: Kind, namespace: str, name: str, options: Thing) -> Thing:
        """Take an object away, and by ``propagationPolicy`` what it owns."""
        with self.changed:
            old = self.get(kind, namespace, name)
            wanted: Thing = options.get("preconditions") or {}
            for each in ("uid", "resourceVersion"):
                if each in wanted and wanted[each] != old["metadata"][each]:
                    problem = f"Precondition failed: {each} in precondition: {wanted[each]}"
                    raise refusals.conflict(kind, name, problem)
            del self._things[kind, namespace, name]
            self._record(kind, "DELETED", old, old)
            # a Job's pods stay unless the caller says otherwise, as in batch/v1
            policy = options.get("propagationPolicy") or ("Orphan" if kind.plural == "jobs" else "Background")
            for (its, where, what), owned in list(self._things.items()):
                references = owned["metadata"].get("ownerReferences", [])
                if where != namespace or old["metadata"]["uid"] not in [each["uid"] for each in references]:
                    continue
                if policy == "Orphan":
                    left = [each for each in references if each["uid"] != old["metadata"]["uid"]]
                    before, after = owned, copy.deepcopy(owned)
                    after["metadata"]["ownerReferences"] = left
                    self._keep(its, "MODIFIED", after, before)
                elif (its, where, what) in self._things:
                    self.delete(its, where, what, {"propagationPolicy": policy})
            return old

    def since(self, version: int) -> list[Change]:
        """What happened after a version; refuses one that is too old."""
        if version < self.oldest:
            raise refusals.expired(version, self.oldest)
        return [change for change in self.changes if change.version > version]

    def forget(self) -> None:
        """Forget what happened up to now: watches from before have expired."""
        with self.changed:
            self.oldest = self.version
            self.changes.clear()

    def _keep(self, kind: Kind, type_: str, thing: Thing, before: Thing | None) -> None:
        _canonical(thing)
        self._things[kind, thing["metadata"].get("namespace", ""), thing["metadata"]["name"]] = thing
        self._record(kind, type_, thing, before)

    def _record(self, kind: Kind, type_: str, thing: Thing, before: Thing | None) -> None:
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        self.changes.append(Change(self.version, kind, type_, copy.deepcopy(thing), copy.deepcopy(before)))
        self.changed.notify_all()


def check(kind: Kind, namespace: str, thing: Thing) -> None:
    """Refuse an object of another kind or namespace, or one that is not what its schema says."""
    if (thing.get("apiVersion"), thing.get("kind")) != (kind.api_version, kind.kind):
        told = f"{thing.get('apiVersion')}, Kind={thing.get('kind')}"
        raise refusals.bad_request(f"{told} in object does not match the expected {kind.api_version}, Kind={kind.kind}")
    meta = thing.setdefault("metadata", {})
    if kind.namespaced and meta.setdefault("namespace", namespace) != namespace:
        raise refusals.bad_request("the namespace of the object does not match the namespace on the request")
    if not meta.get("name"):
        raise refusals.invalid(kind, "", "metadata.name: Required value: name or generateName is required")
    for error in problems(thing):
        where = ".".join(str(step) for step in error.absolute_path)
        if error.validator == "additionalProperties":
            raise refusals.bad_request(f'strict decoding error: unknown field in "{where}": {error.message}')
        raise refusals.invalid(kind, meta["name"], f"{where}: {error.message}")


def _defaults(kind: Kind, thing: Thing) -> None:
    """What the server itself adds to a new object."""
    if kind.plural == "pods":
        thing["spec"].setdefault("restartPolicy", "Always")
        thing.setdefault("status", {"phase": "Pending"})
    if kind.plural == "jobs":
        meta, spec = thing["metadata"], thing["spec"]
        labels = dict(zip(_JOB_LABELS, (meta["uid"], meta["uid"], meta["name"], meta["name"]), strict=True))
        template = spec["template"].setdefault("metadata", {})
        template["labels"] = (template.get("labels") or {}) | labels
        spec.setdefault("selector", {"matchLabels": {_JOB_LABELS[0]: meta["uid"]}})
        for name, value in (("parallelism", 1), ("completions", 1), ("backoffLimit", 6), ("suspend", False)):
            spec.setdefault(name, value)
        if spec["template"]["spec"].get("restartPolicy") not in ("Never", "OnFailure"):
            problem = 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
            raise refusals.invalid(kind, meta["name"], problem)


_IMMUTABLE = {"jobs": ("template", "selector", "completionMode"), "deployments": ("selector",)}


def _immutable(kind: Kind, old: Thing, new: Thing) -> None:
    for name in _IMMUTABLE.get(kind.plural, ()):
        if old["spec"].get(name) != new["spec"].get(name):
            raise refusals.invalid(kind, old["metadata"]["name"], f"spec.{name}: Invalid value: field is immutable")


def _canonical(value: Any) -> None:
    """Quantities are texts, whatever was written."""
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else [])
    ):
        if name in ("limits", "requests") and isinstance(inner, dict):
            value[name] = {resource: str(quantity) for resource, quantity in inner.items()}
        _canonical(inner)


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
