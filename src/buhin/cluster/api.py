"""The cluster's API: which cluster, and its answers as errors of the house."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3
import websocket
import yaml
from kubernetes import client, config
from kubernetes.config import kube_config
from pydantic import ValidationError

from buhin.cluster import here
from buhin.errors import ClusterError, ClusterForbiddenError, ClusterUnreachableError, NoClusterError

TIMEOUT_S = 15.0
"""Of one request that is no watch."""


class Cluster:
    """A cluster and a namespace of it: those of the kubeconfig's context or, in a pod, its own. Safe to share between
    threads. Raises NoClusterError where nothing says which.
    """

    def __init__(self, context: str = "", namespace: str = "") -> None:
        self._configuration = client.Configuration()
        file = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
        own = "default"
        try:
            if not context and not os.environ.get("KUBECONFIG") and here.inside():
                config.load_incluster_config(client_configuration=self._configuration)
                own = here.namespace()
            else:
                own = _load(file, context, self._configuration) or own
        except (config.ConfigException, OSError, yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
            raise NoClusterError(problem=str(error)) from error
        self._configuration.retries = False
        self.namespace = namespace or own
        self.address = str(self._configuration.host)
        self.api = client.ApiClient(self._configuration)

    def credentials(self, path: str) -> tuple[client.Configuration, dict[str, str]]:
        """How to connect to a path of the API by other means than HTTP, and the headers that say who asks."""
        headers: dict[str, str] = {}
        self.api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        return self._configuration, headers

    @contextmanager
    def asked(self, verb: str, resource: str, namespace: str) -> Iterator[None]:
        """Turn what the client library raises into ClusterForbiddenError, ClusterUnreachableError or ClusterError."""
        try:
            yield
        except client.ApiException as error:
            raise self._refusal(error.status, str(error.body or ""), verb, resource, namespace) from error
        except websocket.WebSocketBadStatusException as error:
            body = (error.resp_body or b"").decode("utf-8", "replace")
            raise self._refusal(error.status_code, body, verb, resource, namespace) from error
        except ValidationError as error:
            raise ClusterError(problem=f"{verb} {resource}: an answer that cannot be read: {error}") from error
        except (urllib3.exceptions.HTTPError, websocket.WebSocketException, OSError) as error:
            raise ClusterUnreachableError(address=self.address, problem=str(error)) from error

    def _refusal(self, code: int, body: str, verb: str, resource: str, namespace: str) -> ClusterError:
        """The error of an answer of the API: an object of kind Status."""
        if code == 403:
            return ClusterForbiddenError(verb=verb, resource=resource, namespace=namespace or "*")
        if code == 401:
            problem = "it does not know the credentials of this context"
            return ClusterUnreachableError(address=self.address, problem=problem)
        try:
            said = str(json.loads(body)["message"])
        except (ValueError, KeyError, TypeError):
            said = f"HTTP {code}"
        return ClusterError(problem=f"{verb} {resource}: {said}")


def _load(file: str, context: str, configuration: client.Configuration) -> str:
    """Read a context of a kubeconfig, or the current one; its namespace. Raises what the library and YAML raise."""
    merged = kube_config.KubeConfigMerger(file).config
    if merged is None:
        raise config.ConfigException(f"there is no kubeconfig {file}")
    loader = kube_config.KubeConfigLoader(merged, active_context=context or None)
    loader.load_and_set(configuration)
    return str(loader.current_context["context"].get("namespace") or "")
