"""The server: HTTP in a thread, with what a test gives it and asks of it."""

from __future__ import annotations

import copy
import socket
import ssl
import threading
from contextlib import suppress
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from tests.cluster_api.access import Access, Call
from tests.cluster_api.handler import Handler
from tests.cluster_api.kinds import BY_NAME, Kind
from tests.cluster_api.refusals import RefusedError
from tests.cluster_api.store import Store, Thing
from tests.cluster_api.websocket import Address

ADMIN = "admin-token"


class _Http(ThreadingHTTPServer):
    """Ends with its connections, whoever keeps them open."""

    daemon_threads = True

    def __init__(self, address: Address, handler: type[Handler]) -> None:
        super().__init__(address, handler)
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget it."""
        self.open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and break off what is open."""
        super().server_close()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class ApiServer:
    """An API server as a context manager, with TLS where it gets a certificate. It begins with namespace ``default``.

    ``tokens`` says who may do what; ``put`` is for what controllers would do, and knows no rules of access.
    """

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.store = Store()
        self.tokens: dict[str, Access] = {ADMIN: Access()}
        self.logs: dict[tuple[str, str, str], list[str]] = {}
        """Lines of a container: by namespace, pod and container."""
        self.previous_logs: dict[tuple[str, str, str], list[str]] = {}
        """Lines of the container's last run."""
        self.ports: dict[tuple[str, str, int], Address] = {}
        """Where a port of a pod really listens: by namespace, pod and port."""
        self.closing = threading.Event()
        self.watches_epoch = 0
        self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
        handler = type("ServedHandler", (Handler,), {"api": self})
        self._http = _Http(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f"https://localhost:{self._http.server_address[1]}"

    def __enter__(self) -> ApiServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self.drop_watches()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def put(self, *things: Thing) -> None:
        """Keep objects as they are, status and all, in place of those of the same names; namespaces are made."""
        for thing in copy.deepcopy(things):
            kind, namespace, name = _of(thing)
            if kind.namespaced:
                self._ensure(namespace)
            try:
                self.store.get(kind, namespace, name)
            except RefusedError:
                self.store.create(kind, namespace, thing, keep_status=True)
                continue
            for kept in ("resourceVersion", "uid"):
                thing["metadata"].pop(kept, None)
            self.store.change(kind, namespace, name, partial(_instead, thing), status=False)
            if kind.status and "status" in thing:
                self.store.change(kind, namespace, name, partial(_instead, thing), status=True)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "default") -> Thing:
        """One object; raises RefusedError."""
        found = BY_NAME[api_version, kind]
        return self.store.get(found, namespace if found.namespaced else "", name)

    def all(self, api_version: str, kind: str, namespace: str = "") -> list[Thing]:
        """The objects of a kind."""
        return self.store.all(BY_NAME[api_version, kind], namespace)[1]

    def remove(self, api_version: str, kind: str, name: str, namespace: str = "default") -> None:
        """Take an object away, with what it owns."""
        found = BY_NAME[api_version, kind]
        where = namespace if found.namespaced else ""
        self.store.delete(found, where, name, {"propagationPolicy": "Background"})

    def log(self, pod: str, container: str, *lines: str, namespace: str = "default") -> None:
        """A container writes lines."""
        with self.store.changed:
            self.logs.setdefault((namespace, pod, container), []).extend(lines)
            self.store.changed.notify_all()

    def drop_watches(self) -> None:
        """Break off every watch and every log that is followed, as a server does from time to time."""
        with self.store.changed:
            self.watches_epoch += 1
            self.store.changed.notify_all()

    def expire(self) -> None:
        """Forget what happened up to now, and break off every watch: their versions are too old."""
        self.store.forget()
        self.drop_watches()

    @property
    def calls(self) -> list[Call]:
        """Every call that was made, by whomever."""
        return [call for access in self.tokens.values() for call in access.calls]

    def kubeconfig(
        self, path: Path, *, token: str = ADMIN, namespace: str = "default", authority: Path | None = None
    ) -> Path:
        """Write a kubeconfig whose context ``test`` is this server."""
        trusted = {"certificate-authority": str(authority)} if authority else {}
        content: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url, **trusted}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        }
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    def _ensure(self, namespace: str) -> None:
        labels = {"kubernetes.io/metadata.name": namespace}
        thing = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        try:
            self.store.create(BY_NAME["v1", "Namespace"], "", thing)
        except RefusedError as refused:
            if refused.status["reason"] != "AlreadyExists":
                raise


def _instead(fresh: Thing, old: Thing) -> Thing:
    return copy.deepcopy(fresh)


def _of(thing: Thing) -> tuple[Kind, str, str]:
    kind = BY_NAME[thing["apiVersion"], thing["kind"]]
    namespace = thing["metadata"].setdefault("namespace", "default") if kind.namespaced else ""
    return kind, namespace, thing["metadata"]["name"]
