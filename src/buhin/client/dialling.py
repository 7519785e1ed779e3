"""What both kinds of connection share: where the service is, the channels to it, and a call's deadline and metadata."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from buhin import telemetry
from buhin.client.resolving import SCHEME, Fixed, Place, Target, resolve
from buhin.config import ClientSettings
from buhin.errors import CancelledError
from buhin.status import decode_call

MAX_SEND_BYTES = 64 * 1024 * 1024

RETRY = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
"""Only UNAVAILABLE is tried again: the service did no work then (https://github.com/grpc/proposal A6)."""

_OPTIONS = [
    ("grpc.max_send_message_length", MAX_SEND_BYTES),
    ("grpc.max_receive_message_length", -1),
]
_ONE = ("grpc.service_config", json.dumps(RETRY))
_IN_TURN = ("grpc.service_config", json.dumps(RETRY | {"loadBalancingConfig": [{"round_robin": {}}]}))


@dataclass(eq=False)
class Dialled:
    """A channel, the calls that are open on it, and whether it was left for another."""

    target: Target
    channel: Any
    calls: int = 0
    left: bool = False

    @property
    def done(self) -> bool:
        """Whether nobody needs it any more."""
        return self.left and not self.calls


class Dialler:
    """The address of a function's service, looked up once, and the channels to where it is. Nothing here waits."""

    def __init__(
        self,
        function: str,
        *,
        address: str | None = None,
        settings: ClientSettings | None = None,
        target: Target | None = None,
    ) -> None:
        self._settings = settings or ClientSettings()
        self.address = target.address if target else address or self._settings.address(function)
        self._timeout_s = self._settings.timeout_s
        self._found: Future[Place] | None = None
        if not self.address.startswith(SCHEME):
            self._found = Future()
            self._found.set_result(Fixed(target or Target(self.address)))
        self._dialled: Dialled | None = None
        self._open: set[Dialled] = set()
        self._closed = False
        self._lock = threading.Lock()

    def _place(self) -> Future[Place]:
        """Where the service is. A thread of its own looks, for all who wait; after a failure, another looks again.
        Raises CancelledError where the connection is closed.
        """
        with self._lock:
            if self._closed:
                raise CancelledError
            if self._found is None or (self._found.done() and self._found.exception()):
                self._found = Future()
                looking = (self._found, self.address, self._settings)
                threading.Thread(target=_look, args=looking, name=f"look up {self.address}", daemon=True).start()
            return self._found

    def _take(self, place: Place, kind: Any) -> tuple[Dialled, Any]:
        """For one call, the channel of ``grpc`` or ``grpc.aio`` to where the service is now; and one to close, or None.
        Raises CancelledError where the connection is closed.
        """
        with self._lock:
            if self._closed:
                raise CancelledError
            target, unused = place.target, None
            if self._dialled is None or self._dialled.target != target:
                old, self._dialled = self._dialled, Dialled(target, self._dial(target, kind))
                self._open.add(self._dialled)
                if old is not None:
                    old.left = True
                    unused = self._unused(old)
            self._dialled.calls += 1
            return self._dialled, unused

    def _give_back(self, mine: Dialled) -> Any:
        """The call has ended; the channel, where it is to be closed, else None."""
        with self._lock:
            mine.calls -= 1
            return self._unused(mine)

    def _unused(self, dialled: Dialled) -> Any:
        if not dialled.done:
            return None
        self._open.discard(dialled)
        return dialled.channel

    def _shut(self) -> list[Any]:
        """No more calls; nobody waits for the place any more. The channels to close."""
        with self._lock:
            self._closed = True
            if self._found is not None and not self._found.cancel():
                self._found.add_done_callback(_close)
            return [each.channel for each in self._open]

    def _dial(self, target: Target, kind: Any) -> Any:
        options: list[tuple[str, Any]] = [*_OPTIONS, _IN_TURN if target.pods else _ONE]
        if target.pods:
            options.append(("grpc.enable_http_proxy", 0))
        if credentials := self._credentials():
            if target.certificate_name:
                options.append(("grpc.ssl_target_name_override", target.certificate_name))
            return kind.secure_channel(target.address, credentials, options=options)
        return kind.insecure_channel(target.address, options=options)

    @contextmanager
    def _traced(self, method: str, timeout_s: float, request_id: str | None) -> Iterator[dict[str, Any]]:
        """The options of a call while it lasts."""
        known = request_id or uuid.uuid4().hex
        with telemetry.client_span(method, known) as trace_context:
            metadata = (("x-request-id", known), *trace_context, *self._credentials_of_call())
            yield {"timeout": timeout_s, "metadata": metadata}

    def _credentials_of_call(self) -> list[tuple[str, str]]:
        metadata: list[tuple[str, str]] = []
        if self._settings.priority != "interactive":
            metadata.append(("x-buhin-priority", self._settings.priority))
        if token := self._token():
            metadata.append(("authorization", f"Bearer {token}"))
        return metadata

    def _token(self) -> str:
        if self._settings.token_file is not None:
            return self._settings.token_file.read_text(encoding="utf-8").strip()
        return self._settings.token.get_secret_value() if self._settings.token else ""

    def _credentials(self) -> grpc.ChannelCredentials | None:
        """What TLS needs; None without it."""
        own = self._settings
        if not (own.tls or own.tls_ca or own.client_certificate):
            return None
        ca, key, certificate = (
            path.read_bytes() if path else None for path in (own.tls_ca, own.client_key, own.client_certificate)
        )
        return grpc.ssl_channel_credentials(ca, key, certificate)

    @contextmanager
    def _typed_errors(self, failed: Sequence[Exception] = ()) -> Iterator[None]:
        try:
            yield
        except (grpc.RpcError, asyncio.CancelledError) as error:
            if failed:
                raise failed[0] from None
            if isinstance(error, grpc.RpcError):
                raise decode_call(error, self.address) from error
            raise


def _look(found: Future[Place], address: str, settings: ClientSettings) -> None:
    """Tell where the service is, or why that is not known, to who waits; where nobody does any more, look no more."""
    try:
        place = resolve(address, settings)
    except Exception as error:  # noqa: BLE001 - told to those who wait
        if found.set_running_or_notify_cancel():
            found.set_exception(error)
        return
    if found.set_running_or_notify_cancel():
        found.set_result(place)
    else:
        place.close()


def _close(found: Future[Place]) -> None:
    if not found.cancelled() and not found.exception():
        found.result().close()
