"""Wrong values are refused with a message that says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.helm.rendering import refusal

REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"servces": {}}, ["'servces' not allowed"]),
    ({"services.speech.replicas": "two"}, ["/services/speech/replicas", "want integer"]),
    ({"services.speech.settings": {"concurency": 4}}, ["/services/speech/settings", "'concurency' not allowed"]),
    ({"services.speech.settings": {"concurrency": 0}}, ["concurrency", "minimum"]),
    ({"services.speech.settings": {"host": "::"}}, ["'host' not allowed"]),
    ({"services.speech.settings": {"openai_api_key": "secret"}}, ["'openai_api_key' not allowed"]),
    ({"services.translate.settings": {"text_engine": "vllm"}}, ["text_engine", "'llama.cpp'"]),
    ({"services.Speech": {}}, ["'Speech' not allowed"]),
    ({"services.speech.resources": {"limit": {}}}, ["'limit' not allowed"]),
    ({"services.speech.resources.limits.memory": "2 GB"}, ["memory", "does not match pattern"]),
    ({"services.speech.image.digest": "sha256:abc"}, ["digest", "does not match pattern"]),
    ({"services.speech.class": "gpuu"}, ["services.speech.class", "none of classes (gpu)"]),
    ({"services.speech.autoscaling.enabled": True, "services.speech.keda.enabled": True}, ["enable one"]),
    ({"tls.source": "certmanager"}, ["/tls/source", "'cert-manager'"]),
    ({"tls.source": "secret", "auth.policy.callers": [{}]}, ["client.secretName"]),
    ({"tls.source": "secret", "auth.policy.callers": [{}], "client.secretName": "x"}, ["tls.secretName"]),
    ({"tls.source": "cert-manager"}, ["tls.issuer.name"]),
    ({"tls.source": "none"}, ["auth.policy", "say who may call"]),
    ({"tls.mutual": False}, ["auth.policy", "say who may call"]),
    ({"auth.policy": {"caller": []}}, ["'caller' not allowed"]),
    ({"gateway.enabled": True}, ["tls.mutual"]),
    ({"gateway.enabled": True, "tls.mutual": False, "auth.policy.callers": [{}]}, ["gateway.clients"]),
    (
        {"gateway.enabled": True, "tls.mutual": False, "auth.policy.callers": [{}], "gateway.clients": [{}]},
        ["gateway.parentRefs"],
    ),
    ({"services.speech.class": "gpu"}, ["runs on the CPU"]),
    ({"services.translate.class": "gpu"}, ["services.translate.settings.text_model"]),
    ({"image.registry": "https://registry.example"}, ["/image/registry", "does not match pattern"]),
    ({"models.volume.accessModes": ["ReadWriteAll"]}, ["accessModes"]),
]


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=lambda value: str(value)[:60])
def test_it_is_refused(values: dict[str, Any], said: list[str]) -> None:
    message = refusal(values)
    for part in said:
        assert part in message
