"""The cluster's API: which cluster, and its answers as errors of the house."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3
from kubernetes import client, config
from kubernetes.config import incluster_config, kube_config
from pydantic import ValidationError

from buhin.errors import ClusterError, ClusterForbiddenError, ClusterUnreachableError, NoClusterError

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HANDSHAKE = re.compile(r"Handshake status (\d{3})")
TIMEOUT_S = 15.0
"""Of one request that is no watch."""


def inside() -> bool:
    """Whether this runs in a pod that may ask its cluster's API."""
    return incluster_config.SERVICE_HOST_ENV_NAME in os.environ and (_SERVICE_ACCOUNT / "token").exists()


class Cluster:
    """A cluster and a namespace of it: those of the kubeconfig's context or, in a pod, its own. Safe to share between
    threads. Raises NoClusterError where nothing says which.
    """

    def __init__(self, context: str = "", namespace: str = "") -> None:
        self._configuration = client.Configuration()
        file = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
        own = "default"
        try:
            if not context and not os.environ.get("KUBECONFIG") and inside():
                config.load_incluster_config(client_configuration=self._configuration)
                own = (_SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
            else:
                config.load_kube_config(file, context or None, self._configuration, persist_config=False)
                contexts, current = kube_config.list_kube_config_contexts(file)
                chosen = next((each for each in contexts if each["name"] == context), current)
                own = chosen["context"].get("namespace") or own
        except (config.ConfigException, OSError) as error:
            raise NoClusterError(problem=str(error)) from error
        self._configuration.retries = False
        self.namespace = namespace or own
        self.address = str(self._configuration.host)
        self.api = self.new_api()

    def new_api(self) -> client.ApiClient:
        """A client of the API for one thread that changes it, as port-forwards do."""
        return client.ApiClient(self._configuration)

    @contextmanager
    def asked(self, verb: str, resource: str, namespace: str) -> Iterator[None]:
        """Turn what the client library raises into ClusterForbiddenError, ClusterUnreachableError or ClusterError."""
        try:
            yield
        except client.ApiException as error:
            handshake = _HANDSHAKE.search(str(error.reason))
            status = int(handshake[1]) if handshake else error.status
            if status == 403:
                raise ClusterForbiddenError(verb=verb, resource=resource, namespace=namespace or "*") from error
            if status == 401:
                problem = "it does not know the credentials of this context"
                raise ClusterUnreachableError(address=self.address, problem=problem) from error
            raise ClusterError(problem=f"{verb} {resource}: {_said(error)}") from error
        except ValidationError as error:
            raise ClusterError(problem=f"{verb} {resource}: an answer that cannot be read: {error}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterUnreachableError(address=self.address, problem=str(error)) from error


def _said(error: client.ApiException) -> str:
    """What the API says of a failure, in one line."""
    found = re.search(r'"message":\s*"((?:[^"\\]|\\.)*)"', str(error.body or ""))
    return found[1].replace('\\"', '"') if found else f"{error.status} {error.reason}".strip()
