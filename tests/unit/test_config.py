"""Settings are documented, bounded and read from the environment."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from buhin import config
from buhin.config import (
    BundleSettings,
    ClientSettings,
    ImageSettings,
    ServerSettings,
    Settings,
    SpeechSettings,
    TextSettings,
)

ALL = [Settings, ClientSettings, BundleSettings, ServerSettings, SpeechSettings, TextSettings, ImageSettings]


@pytest.mark.parametrize("settings", ALL, ids=lambda s: s.__name__)
def test_every_setting_is_documented_where_it_is_declared(settings: type[Settings]) -> None:
    (body,) = [
        node.body
        for node in ast.walk(ast.parse(inspect.getsource(config)))
        if isinstance(node, ast.ClassDef) and node.name == settings.__name__
    ]
    for declared, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(declared, ast.AnnAssign):
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert documented, ast.unparse(declared.target)


@pytest.mark.parametrize(
    ("settings", "name", "value", "expected"),
    [
        (Settings, "BUHIN_OFFLINE", "1", {"offline": True}),
        (Settings, "BUHIN_OFFLINE", "", {"offline": False}),
        (Settings, "BUHIN_MODELS_DIR", "/m", {"models_dir": Path("/m")}),
        (ServerSettings, "BUHIN_PORT", "0", {"port": 0}),
        (ServerSettings, "BUHIN_QUEUE_SIZE", "5", {"queue_size": 5}),
        (SpeechSettings, "BUHIN_SPEECH_BEAM_SIZE", "2", {"speech_beam_size": 2}),
        (TextSettings, "BUHIN_TEXT_ENGINE", "openai", {"text_engine": "openai", "slots": 4}),
        (TextSettings, "BUHIN_TEXT_BATCH_SIZE", "8", {"text_batch_size": 8, "slots": 8}),
        (TextSettings, "BUHIN_CONCURRENCY", "3", {"text_batch_size": None, "slots": 3}),
    ],
)
def test_settings_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, settings: type[Settings], name: str, value: str, expected: dict[str, Any]
) -> None:
    monkeypatch.setenv(name, value)
    read = settings()
    assert {key: getattr(read, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        (ServerSettings, {"port": 70_000}),
        (ServerSettings, {"concurrency": 0}),
        (ServerSettings, {"queue_size": -1}),
        (ServerSettings, {"drain_s": float("nan")}),
        (ServerSettings, {"log_level": "LOUD"}),
        (SpeechSettings, {"max_audio_seconds": 0}),
        (TextSettings, {"text_context_tokens": 10}),
        (TextSettings, {"text_engine": "abacus"}),
        (TextSettings, {"text_batch_size": 0}),
        (TextSettings, {"text_batch_window_ms": -1}),
        (TextSettings, {"text_device": "quantum"}),
        (TextSettings, {"openai_url": "ftp://host/v1"}),
        (TextSettings, {"openai_url": "http://user:secret@host/v1"}),
        (TextSettings, {"openai_timeout_s": 0}),
        (ImageSettings, {"max_pixels": 10**12}),
        (ClientSettings, {"timeout_s": 0}),
    ],
)
def test_settings_out_of_bounds_are_refused(settings: type[Settings], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**values)


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUHIN_OPENAI_API_KEY", "s3cret")
    settings = TextSettings()
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings) + settings.model_dump_json()


def test_the_cache_follows_the_xdg_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert Settings().models_dir == Path("/c/buhin/models")
