"""A service whose model is missing or corrupt starts, says NOT_SERVING, and answers UNAVAILABLE with the reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from buhin import errors
from buhin.config import SpeechSettings
from buhin.models.store import ModelStore
from buhin.serving.worker import State
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from buhin.status import decode_call
from services.speech.__main__ import application
from tests.conftest import ROOT
from tests.support import AS_DEPLOYED, serving

pytestmark = pytest.mark.model

MEETING = ROOT / "samples" / "meeting" / "meeting.flac"


def nothing(models: Path, store: ModelStore) -> None:
    """An empty store."""


def corrupt(models: Path, store: ModelStore) -> None:
    """A store whose model has one changed byte."""
    model = store.open("whisper-base")
    copy = models / model.path.relative_to(store.open("whisper-base").path.parent)
    shutil.copytree(model.path, copy)
    main = copy / model.main.name
    main.chmod(0o644)
    with main.open("r+b") as file:
        file.seek(1_000_000)
        byte = file.read(1)
        file.seek(1_000_000)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize(
    ("spoil", "expected"), [(nothing, errors.ModelMissingError), (corrupt, errors.DigestMismatchError)]
)
async def test_it_says_so(
    tmp_path: Path,
    store: ModelStore,
    spoil: Callable[[Path, ModelStore], None],
    expected: type[errors.BuhinError],
) -> None:
    spoil(tmp_path, store)
    settings = SpeechSettings(models_dir=tmp_path, **AS_DEPLOYED)
    async with serving(application(settings), state=State.UNAVAILABLE) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="buhin.speech.v1.SpeechService")
        assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        stub: Any = speech_pb2_grpc.SpeechServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            await stub.Recognize(speech_pb2.RecognizeRequest(audio=MEETING.read_bytes()))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    error = decode_call(caught.value)
    assert type(error) is expected
    assert "buhin models pull" in error.message
