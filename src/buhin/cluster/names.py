"""What the chart calls its objects. Imports nothing, so that clients can know it."""

from __future__ import annotations

CHART = "buhin"
GRPC_PORT, HEALTH_PORT, METRICS_PORT = 50051, 50151, 50251
"""Of every service in a cluster."""

INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
FUNCTION = "buhin/function"
TLS = "buhin/tls"
"""Annotation of a Service: ``none``, ``server`` or ``mutual``."""
SELECTOR = f"app.kubernetes.io/part-of={CHART}"
"""Of everything of the chart, whatever its release is called."""


def key(function: str) -> str:
    """A function as names of objects write it: ``image-inspect``."""
    return function.replace("_", "-")


def service(release: str, function: str) -> str:
    """The Service of a function, where the release has no names of its own (``nameOverride``, ``fullnameOverride``). A
    release whose name has that of the chart in it is not named after it again; 40 characters of it are left.
    """
    full = release if CHART in release else f"{release}-{CHART}"
    return f"{full[:40].removesuffix('-')}-{key(function)}"[:58].removesuffix("-")


def pods_service(service: str) -> str:
    """The headless Service beside it, whose addresses are those of the pods."""
    return f"{service}-pods"


def host(service: str, namespace: str) -> str:
    """The name of a Service in the cluster's DNS; that of ``service`` is the name in the certificate."""
    return f"{service}.{namespace}.svc"
