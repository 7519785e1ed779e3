"""What only pods have: logs and port-forwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.cluster_api import refusals
from tests.cluster_api.refusals import RefusedError, bad_request
from tests.cluster_api.store import Thing
from tests.cluster_api.websocket import PROTOCOL, accept_key, forward

if TYPE_CHECKING:
    from tests.cluster_api.handler import Handler


class Pods:
    """One request about a pod."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._api = handler.api
        self._query = handler.query

    def handlers(self) -> dict[str, Callable[[], None]]:
        """How each verb is answered."""
        known = {"log": self._log, "portforward": self._forward}
        if self._handler.kind.plural != "pods" or self._handler.subresource not in known:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        return {"get": known[self._handler.subresource]}

    def _pod(self) -> Thing:
        return self._api.store.get(self._handler.kind, self._handler.namespace, self._handler.name)

    def _container(self, pod: Thing) -> str:
        spec, wanted = pod["spec"], self._query.get("container", "")
        usual = [each["name"] for each in spec["containers"]]
        first = [each["name"] for each in spec.get("initContainers", [])]
        name = self._handler.name
        if not wanted and len(usual) > 1:
            choose = f"choose one of: [{' '.join(usual)}]"
            raise bad_request(f"a container name must be specified for pod {name}, {choose}")
        wanted = wanted or usual[0]
        if wanted not in usual + first:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted

    def _log(self) -> None:
        pod = self._pod()
        container, name = self._container(pod), self._handler.name
        key = (self._handler.namespace, name, container)
        status = pod.get("status", {})
        statuses: list[dict[str, Any]] = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
        told = next((each for each in statuses if each["name"] == container), {})
        if self._query.get("previous") in ("true", "True"):
            if not told.get("lastState", {}).get("terminated"):
                raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
            self._send(self._api.previous_logs.get(key, []))
            return
        waiting = told.get("state", {}).get("waiting")
        if waiting and not told.get("lastState", {}).get("terminated"):
            reason = waiting.get("reason", "ContainerCreating")
            raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')
        if self._query.get("follow") in ("true", "True"):
            self._handler.stream("text/plain", self._followed(key))
        else:
            self._send(self._api.logs.get(key, []))

    def _send(self, lines: list[str]) -> None:
        if tail := self._query.get("tailLines"):
            lines = lines[max(0, len(lines) - int(tail)) :]
        data = "".join(line + "\n" for line in lines).encode()
        if limit := self._query.get("limitBytes"):
            data = data[: int(limit)]
        self._handler.stream("text/plain", iter([data] if data else []))

    def _followed(self, key: tuple[str, str, str]) -> Iterator[bytes]:
        """The lines as they come, until the pod has ended."""
        store, epoch, sent = self._api.store, self._api.watches_epoch, 0
        if (tail := self._query.get("tailLines")) is not None:
            sent = max(0, len(self._api.logs.get(key, [])) - int(tail))
        while True:
            with store.changed:
                lines = self._api.logs.get(key, [])[sent:]
                if not lines:
                    if self._ended() or self._api.watches_epoch != epoch or self._api.closing.is_set():
                        return
                    store.changed.wait(1)
                    continue
            for number, line in enumerate(lines, sent):
                stamp = (
                    f"2026-01-01T00:00:00.{number:09}Z " if self._query.get("timestamps") in ("true", "True") else ""
                )
                yield f"{stamp}{line}\n".encode()
            sent += len(lines)

    def _ended(self) -> bool:
        try:
            return self._pod().get("status", {}).get("phase") in ("Succeeded", "Failed")
        except RefusedError:
            return True

    def _forward(self) -> None:
        pod = self._pod()
        key = self._handler.headers.get("Sec-WebSocket-Key")
        offered = self._handler.headers.get("Sec-WebSocket-Protocol") or ""
        asked = [value for name, value in parse_qsl(urlsplit(self._handler.path).query) if name == "ports"]
        if not key or PROTOCOL not in [each.strip() for each in offered.split(",")]:
            raise bad_request("Upgrade request required")
        if not asked:
            raise bad_request("query parameter ports is required")
        if pod.get("status", {}).get("phase") != "Running":
            problem = f"unable to forward port because pod is not running. Current status={pod['status'].get('phase')}"
            raise RefusedError(500, "InternalError", problem, refusals.details(self._handler.kind, self._handler.name))
        handler = self._handler
        handler.send_response(101, "Switching Protocols")
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept_key(key)),
            ("Sec-WebSocket-Protocol", PROTOCOL),
        ):
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True
        numbers = [int(number) for value in asked for number in value.split(",")]
        where = (handler.namespace, handler.name)
        forward(handler.connection, [(number, self._api.ports.get((*where, number))) for number in numbers])
