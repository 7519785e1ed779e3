"""Runs services as processes of this machine: start, wait until they serve, watch, stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

from buhin import paths
from buhin.config import PORTS, ServerSettings
from buhin.errors import BuhinError, PermissionDeniedError, UnauthenticatedError, UnavailableError

STOP_SPARE_S = 10.0
"""A process that outlives its drain by so much is killed."""
_POLL_S = 0.05


class Died(Exception):  # noqa: N818 - it is what happened
    """A service ended although it should run. The text names it and shows its last lines."""


class Supervisor:
    """The services of some functions, running. Started on entry, stopped with SIGTERM on exit.

    ``ports`` is ``fixed`` for the port of each function or ``free`` for any. A service logs to a file in ``log_dir``,
    otherwise to its pipe in ``outputs``. ``command`` and ``cwd`` are how a service is run and where.
    """

    def __init__(
        self,
        functions: Sequence[str],
        *,
        ports: Literal["fixed", "free"] = "fixed",
        log_dir: Path | None = None,
        command: Sequence[str] = (sys.executable, "-m", "services.{function}"),
        cwd: Path | None = None,
    ) -> None:
        self._functions = list(functions)
        self._ports = ports
        self._log_dir = log_dir
        self._command = list(command)
        self._cwd = cwd
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, IO[bytes]] = {}
        self.addresses: dict[str, str] = {}
        self._health_addresses: dict[str, str] = {}

    def __enter__(self) -> Supervisor:
        cwd = self._cwd or paths.checkout()
        if cwd is None:
            raise FileNotFoundError(
                "the services are run from a checkout or an image, and this is neither: "
                "clone the repository and run `buhin up` there, or set BUHIN_<FUNCTION>_ADDRESS to services that run"
            )
        try:
            for function in self._functions:
                self._start(function, cwd)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def outputs(self) -> Mapping[str, IO[bytes]]:
        """What each service writes, where it is not logged to a folder."""
        return {function: p.stdout for function, p in self._processes.items() if p.stdout is not None}

    def wait_until_serving(
        self, timeout_s: float = 120, on_change: Callable[[Mapping[str, str]], None] = lambda states: None
    ) -> None:
        """Wait until every service serves; ``on_change`` is told the states whenever one changes.

        Raises Died, the BuhinError of a service that is up and cannot serve, or TimeoutError.
        """
        deadline = time.monotonic() + timeout_s
        states = dict.fromkeys(self._functions, "starting")
        on_change(states)
        while any(state != "serving" for state in states.values()):
            self.check()
            for function in self._functions:
                if states[function] != "serving" and (state := self._state(function)) != states[function]:
                    states[function] = state
                    on_change(states)
            if time.monotonic() > deadline:
                late = ", ".join(function for function, state in states.items() if state != "serving")
                raise TimeoutError(f"not serving after {timeout_s:.0f} s: {late}")
            time.sleep(_POLL_S)

    def check(self) -> None:
        """Raise Died when a service has ended."""
        for function, process in self._processes.items():
            if process.poll() is not None:
                raise Died(f"{function} ended with status {process.returncode}{self._last_lines(function)}")

    def stop(self) -> None:
        """Stop every service: SIGTERM, wait for its drain, SIGKILL where that takes too long."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + ServerSettings().drain_s + STOP_SPARE_S
        for process in self._processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        for log in self._logs.values():
            log.close()

    def _start(self, function: str, cwd: Path) -> None:
        fixed = PORTS[function]
        free = self._ports == "free"
        port, health_port, metrics_port = (*_free_ports(), 0) if free else (fixed, fixed + 100, fixed + 200)
        if self._log_dir is not None:
            self._log_dir.mkdir(parents=True, exist_ok=True)
            self._logs[function] = (self._log_dir / f"{function}.log").open("wb")
        environment = os.environ | {
            "BUHIN_PORT": str(port), "BUHIN_HEALTH_PORT": str(health_port), "BUHIN_METRICS_PORT": str(metrics_port),
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        self._processes[function] = subprocess.Popen(  # noqa: S603 - our own services
            [part.format(function=function) for part in self._command],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._logs.get(function, subprocess.PIPE),
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops them in order
        )
        self.addresses[function] = f"127.0.0.1:{port}"
        self._health_addresses[function] = f"127.0.0.1:{health_port}"

    def _state(self, function: str) -> str:
        from buhin.client.catalogue import is_serving, service_info
        from buhin.common.v1 import common_pb2

        try:
            info = service_info(function, address=self.addresses[function], timeout_s=1)
        except (UnauthenticatedError, PermissionDeniedError):
            return "serving" if is_serving(self._health_addresses[function], timeout_s=1) else "starting"
        except BuhinError:
            return "starting"
        if info.state == common_pb2.SERVICE_STATE_UNAVAILABLE:
            raise UnavailableError(address=f"{function} ({self.addresses[function]})", problem=info.state_detail.en)
        return common_pb2.ServiceState.Name(info.state).removeprefix("SERVICE_STATE_").lower()

    def _last_lines(self, function: str) -> str:
        if self._log_dir is None:
            return ""
        lines = (self._log_dir / f"{function}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return ":\n" + "\n".join(lines[-10:])


def _free_ports() -> tuple[int, int]:
    sockets = [socket.socket(), socket.socket()]
    for found in sockets:
        found.bind(("127.0.0.1", 0))
    ports = tuple(found.getsockname()[1] for found in sockets)
    for found in sockets:
        found.close()
    return ports[0], ports[1]
