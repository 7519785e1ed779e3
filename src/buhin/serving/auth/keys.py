"""Public keys of issuers (JWKS, RFC 7517), from a file or a URL."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import jwt
import structlog

LIFETIME_S = 300.0
"""Keys of a URL are used for so long before they are fetched again."""
LEAST_S = 30.0
"""Between two fetches, also where a token names a key that is not there."""
TIMEOUT_S = 5.0
MAX_BYTES = 256 * 1024

_log = structlog.get_logger("buhin.auth")


class Keys:
    """The keys of one issuer. Where they cannot be had again, the old ones stay valid."""

    def __init__(self, source: str, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._path = None if "://" in source else folder / source
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried: float | None = None
        self._stamp: tuple[int, int] | None = None
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK | None:
        """The key of an id; the only one where the id is empty."""
        if self._is_due(kid):
            async with self._lock:
                if self._is_due(kid):
                    await self._refresh()
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _is_due(self, kid: str) -> bool:
        if self._path is not None:
            return self._file_stamp() != self._stamp
        if self._tried is None:
            return True
        age = self._clock() - self._tried
        return age > (LIFETIME_S if kid in self._keys else LEAST_S)

    async def _refresh(self) -> None:
        stamp = self._file_stamp()
        try:
            data = await asyncio.to_thread(self._read)
            keys = jwt.PyJWKSet.from_dict(json.loads(data)).keys
            self._keys = {key.key_id or "": key for key in keys}
        except Exception as error:  # noqa: BLE001 - whatever a server answers, the old keys stay
            _log.error("keys_not_read", error=type(error).__name__)
        self._tried, self._stamp = self._clock(), stamp

    def _file_stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size) if found else None

    def _read(self) -> bytes:
        if self._path is not None:
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        else:
            # Policy._safe_url let through only https, and http on loopback.
            with urllib.request.urlopen(self._source, timeout=TIMEOUT_S) as answer:  # noqa: S310
                data = answer.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError("too large")
        return bytes(data)
