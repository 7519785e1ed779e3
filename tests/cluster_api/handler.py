"""Requests over HTTP."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from tests.cluster_api import refusals
from tests.cluster_api.access import Call
from tests.cluster_api.kinds import BY_PATH, KINDS, Kind
from tests.cluster_api.patching import patched
from tests.cluster_api.pods import Pods
from tests.cluster_api.refusals import RefusedError
from tests.cluster_api.selecting import by_fields, by_labels
from tests.cluster_api.store import VERSION, Change, Thing

if TYPE_CHECKING:
    from tests.cluster_api.server import ApiServer

_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+)(?:/(?P<subresource>[a-z]+))?)?$"
)
_NAMESPACES = re.compile(r"^/api/v1/namespaces(?:/(?P<name>[^/]+))?$")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    api: ApiServer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Read, list, watch, logs, port-forwards."""
        self._answer()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names are http.server's

    def _answer(self) -> None:
        try:
            self._route()
        except RefusedError as refused:
            self.send_json(refused.code, refused.status)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self) -> None:
        url = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if raw and self._content_type().rpartition("+")[2] not in ("application/json", "application/yaml", "json"):
            raise RefusedError(
                415, "UnsupportedMediaType", f"the body was in an unknown format: {self._content_type()}"
            )
        self.body: Any = yaml.safe_load(raw) if raw else {}
        access = self.api.tokens.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))
        if access is None:
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        if described := _discovery(url.path):
            self.send_json(200, described)
            return
        found = _NAMESPACES.match(url.path)
        parts = {"plural": "namespaces", "version": "v1", **found.groupdict()} if found else _parts(url.path)
        kind = BY_PATH.get((parts.get("group") or "", parts["version"] or "", parts["plural"] or ""))
        if kind is None:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        self.kind: Kind = kind
        self.namespace = parts.get("namespace") or ""
        self.name, self.subresource = unquote(parts.get("name") or ""), parts.get("subresource") or ""
        verbs = [self._verb()]
        if self.subresource in ("portforward", "exec", "attach") and verbs == ["get"]:
            verbs.append("create")  # since 1.35 an upgrade to a websocket asks for both
        for verb in verbs:
            call = Call(verb, kind.group, kind.plural, self.subresource, self.namespace, self.name)
            if not access.allows(call):
                raise refusals.forbidden(access.user, verb, kind, self.subresource, self.namespace, self.name)
        self._handlers()[verbs[0]]()

    def _verb(self) -> str:
        if self.command == "GET":
            if self.name:
                return "get"
            return "watch" if self.query.get("watch") in ("true", "True", "1") else "list"
        if self.command == "DELETE":
            return "delete" if self.name else "deletecollection"
        return _VERBS[self.command]

    def _handlers(self) -> dict[str, Callable[[], None]]:
        if self.subresource and self.subresource != "status":
            return Pods(self).handlers()
        if self.subresource and not self.kind.status:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        return {
            "get": lambda: self.send_json(200, self.api.store.get(self.kind, self.namespace, self.name)),
            "list": self._list,
            "watch": self._watch,
            "create": lambda: self.send_json(201, self.api.store.create(self.kind, self.namespace, self.body)),
            "update": lambda: self._change(lambda old: self.body),
            "patch": lambda: self._change(lambda old: patched(old, self.body, self._content_type())),
            "delete": self._delete,
            "deletecollection": self._delete_all,
        }

    def _content_type(self) -> str:
        return (self.headers.get("Content-Type") or "").split(";")[0]

    def _change(self, new: Callable[[Thing], Thing]) -> None:
        status = self.subresource == "status"
        self.send_json(200, self.api.store.change(self.kind, self.namespace, self.name, new, status=status))

    def _delete(self) -> None:
        old = self.api.store.delete(self.kind, self.namespace, self.name, self.query | self.body)
        if self.kind.plural == "pods":
            self.send_json(200, old)
            return
        told = refusals.details(self.kind, self.name) | {"uid": old["metadata"]["uid"]}
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": told}
        self.send_json(200, done)

    def _delete_all(self) -> None:
        found = self._selected()
        for thing in found:
            meta = thing["metadata"]
            self.api.store.delete(self.kind, meta.get("namespace", ""), meta["name"], self.query | self.body)
        self.send_json(200, self._listed(self.api.store.version, found))

    def _selected(self) -> list[Thing]:
        return [thing for thing in self.api.store.all(self.kind, self.namespace)[1] if self._wanted(thing)]

    def _wanted(self, thing: Thing) -> bool:
        labels = thing["metadata"].get("labels") or {}
        return by_labels(self.query.get("labelSelector", ""), labels) and by_fields(
            self.query.get("fieldSelector", ""), thing
        )

    def _list(self) -> None:
        version, things = self.api.store.all(self.kind, self.namespace)
        self.send_json(200, self._listed(version, [thing for thing in things if self._wanted(thing)]))

    def _listed(self, version: int, things: list[Thing]) -> Thing:
        items = [{key: value for key, value in each.items() if key not in ("apiVersion", "kind")} for each in things]
        return {
            "kind": f"{self.kind.kind}List",
            "apiVersion": self.kind.api_version,
            "metadata": {"resourceVersion": str(version)},
            "items": items,
        }

    def _watch(self) -> None:
        self.stream("application/json", (json.dumps(event).encode() + b"\n" for event in self._events()))

    def _events(self) -> Iterator[Thing]:
        """From the version that is asked for, or, for none, from the objects that are there."""
        store, epoch = self.api.store, self.api.watches_epoch
        until = time.monotonic() + float(self.query.get("timeoutSeconds", "1800"))
        with store.changed:
            asked = self.query.get("resourceVersion", "")
            if asked in ("", "0"):
                asked, first = str(store.version), self._selected()
            else:
                first = []
            if not asked.isdecimal():
                raise refusals.bad_request(f'resourceVersion: Invalid value: "{asked}"')
        yield from ({"type": "ADDED", "object": thing} for thing in first)
        version = int(asked)
        while True:
            with store.changed:
                try:
                    changes = store.since(version)
                except RefusedError as refused:  # said in the stream, as the real one does
                    yield {"type": "ERROR", "object": refused.status}
                    return
                if not changes:
                    left = until - time.monotonic()
                    if left <= 0 or self.api.watches_epoch != epoch or self.api.closing.is_set():
                        return
                    store.changed.wait(left)
                    continue
            for change in changes:
                version = change.version
                if event := self._seen(change):
                    yield event

    def _seen(self, change: Change) -> Thing | None:
        """A change as this watch sees it: an object that no longer is selected is gone for it."""
        if change.kind is not self.kind or self.namespace not in ("", change.thing["metadata"].get("namespace", "")):
            return None
        now = change.type != "DELETED" and self._wanted(change.thing)
        before = change.before is not None and self._wanted(change.before)
        if not now and not before:
            return None
        return {"type": "MODIFIED" if now and before else "ADDED" if now else "DELETED", "object": change.thing}

    def send_json(self, code: int, value: Thing) -> None:
        """Answer with an object."""
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, content_type: str, chunks: Iterator[bytes]) -> None:
        """Answer bit by bit."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


def _parts(path: str) -> dict[str, str | None]:
    found = _PATH.match(path)
    if found is None:
        raise RefusedError(404, "NotFound", "the server could not find the requested resource")
    return found.groupdict()


def _discovery(path: str) -> Thing | None:
    """What kubectl asks first: the version, the groups, the kinds of each."""
    groups = sorted({(kind.group, kind.version) for kind in KINDS if kind.group})
    if path == "/version":
        return {"major": "1", "minor": VERSION[2:], "gitVersion": f"v{VERSION}.0", "platform": "linux/amd64"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        told = []
        for group, version in groups:
            each = {"groupVersion": f"{group}/{version}", "version": version}
            told.append({"name": group, "versions": [each], "preferredVersion": each})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": told}
    found = re.match(r"^/(?:api|apis/([^/]+))/(v[^/]+)$", path)
    if found is None:
        return None
    kinds = [kind for kind in KINDS if (kind.group, kind.version) == (found[1] or "", found[2])]
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{found[1]}/{found[2]}" if found[1] else found[2],
        "resources": [
            {
                "name": k.plural,
                "singularName": k.kind.lower(),
                "namespaced": k.namespaced,
                "kind": k.kind,
                "verbs": verbs,
            }
            for k in kinds
        ],
    }
