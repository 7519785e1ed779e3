"""Which workers of a run live: each holds a lock of its own for as long as it does."""

from __future__ import annotations

import fcntl
import hashlib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import sqlalchemy as sa

KEEPALIVE = {"tcp_keepalives_idle": 20, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
"""Seconds without a sign of a worker's machine after which PostgreSQL takes its lock away: 20 and three times 10. The
worker notices sooner, and ends."""

CONNECTING = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}


class Presence(Protocol):
    """The locks of a run's workers. Raises SQLAlchemyError or OSError where they cannot be told any more."""

    def take(self, worker: str) -> bool:
        """Take a worker's lock; whether nobody had it."""

    def release(self, worker: str) -> None:
        """Give it back."""

    def check(self) -> None:
        """Raise where the locks that were taken may be lost."""


class SessionLocks:
    """Locks of a session of PostgreSQL: they end with the process, however it ends. Use as a context manager.

    They need a connection of their own to the server, or a pooler that keeps sessions together.
    """

    def __init__(self, database_url: str, scope: str) -> None:
        self._scope = scope
        self._engine = sa.create_engine(
            sa.make_url(database_url).set(drivername="postgresql+psycopg"),
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"application_name": "buhin-worker", "connect_timeout": 10, **CONNECTING},
        )

    def __enter__(self) -> SessionLocks:
        self._connection = self._engine.connect()
        for name, value in KEEPALIVE.items():
            self._connection.execute(sa.text(f"SET {name} = {value}"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def take(self, worker: str) -> bool:
        """See Presence."""
        return bool(self._asked("SELECT pg_try_advisory_lock(:key)", worker))

    def release(self, worker: str) -> None:
        """See Presence."""
        self._asked("SELECT pg_advisory_unlock(:key)", worker)

    def check(self) -> None:
        """See Presence."""
        self._connection.execute(sa.text("SELECT 1"))

    def _asked(self, statement: str, worker: str) -> Any:
        key = int.from_bytes(hashlib.sha256(f"{self._scope} {worker}".encode()).digest()[:8], "big", signed=True)
        return self._connection.execute(sa.text(statement), {"key": key}).scalar()


class FileLock:
    """The lock of the only worker that a run with SQLite can have. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._stack = ExitStack()

    def __enter__(self) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._stack.enter_context(self._path.open("w"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def take(self, worker: str) -> bool:
        """See Presence."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self, worker: str) -> None:
        """See Presence."""

    def check(self) -> None:
        """See Presence."""
