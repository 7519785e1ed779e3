"""Programs run from an image's root file system as a cluster runs them: first process of their own process tree, user
10001 without capabilities, nothing writable but /tmp, models read-only.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from scripts.images import layout, root_of
from tests.processes import Process

USER = 10001
ENTER = """
root=$1 models=$2 writable=$3; shift 3
mkdir -p "$root/models"
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$models" "$root/models"
[ "$writable" ] || mount -o remount,bind,ro "$root/models"
mount -o remount,bind,ro "$root"
exec chroot --userspec=10001:10001 --groups= "$root" /usr/bin/env --ignore-environment "$@"
"""


def command(
    service: str, root: Path, models: Path, arguments: Sequence[str], variables: Mapping[str, str], *, writable: bool
) -> list[str]:
    """What runs ``arguments`` in the image of ``service``, whose root file system is mounted at ``root``."""
    config = layout(service).config["config"]
    assert config["User"] == f"{USER}:{USER}"
    return [
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", ENTER, "sh",
        str(root), str(models), "yes" if writable else "", "--chdir", config["WorkingDir"], *config["Env"],
        *(f"{name}={value}" for name, value in variables.items()), *arguments,
    ]  # fmt: skip


class Contained(Process):
    """A service that runs from its image."""

    def __init__(self, service: str, root: Path, models: Path) -> None:
        entrypoint = layout(service).config["config"]["Entrypoint"]
        variables = {"BUHIN_OFFLINE": "true", "BUHIN_PORT": "0", "BUHIN_DRAIN_S": "60"}
        self._start(command(service, root, models, entrypoint, variables, writable=False), os.environ)

    @property
    def process_id(self) -> int:
        """Of the service, as this machine counts."""
        (child,) = psutil.Process(self._process.pid).children()
        return int(child.pid)

    def terminate(self) -> None:
        """Ask it to end."""
        for child in psutil.Process(self._process.pid).children():  # none where it has just ended
            child.send_signal(signal.SIGTERM)


@contextmanager
def running_image(service: str, models: Path) -> Iterator[Contained]:
    """A service from its image, ready; ended at the end."""
    with root_of(service) as root:
        process = Contained(service, root, models)
        try:
            process.wait_for("engine_ready")
            yield process
        finally:
            if process.is_running:
                process.terminate()
            process.wait()


def run_in(
    service: str, models: Path, *arguments: str, writable: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in the image of ``service`` and wait for its end, with this folder as /models."""
    with root_of(service) as root:
        asked = command(service, root, models, arguments, variables, writable=writable)
        return subprocess.run(asked, capture_output=True, text=True, timeout=120)
