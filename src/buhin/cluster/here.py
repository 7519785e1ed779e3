"""Whether this runs in a pod of a cluster, and where. Imports no library, so that clients can ask."""

from __future__ import annotations

import os
from pathlib import Path

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def in_a_pod() -> bool:
    """Whether this is a pod of a cluster."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def inside() -> bool:
    """Whether this is a pod that may ask its cluster's API."""
    return in_a_pod() and (SERVICE_ACCOUNT / "token").exists()


def namespace() -> str:
    """The namespace of the pod; empty where this is none."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
