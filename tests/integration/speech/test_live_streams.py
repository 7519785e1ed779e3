"""Live streams of the running service with its real model, on real sound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
from faster_whisper.vad import get_vad_model

from buhin.config import ClientSettings, SpeechSettings
from buhin.models.store import ModelStore
from buhin.serving import Server
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from services.speech.__main__ import application
from services.speech.engines.silero import SileroDetector
from services.speech.evaluate import character_error_rate, recordings
from services.speech.latency import measure
from tests.audio_files import FIRST_TURN, RATE, encode, m4a_for_streaming, meeting, noises, wav
from tests.conftest import ROOT
from tests.support import AS_DEPLOYED
from tests.unit.speech.speakers import config, portions

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

SAMPLE = ROOT / "samples" / "meeting"


@dataclass
class Heard:
    """What came back."""

    finals: list[speech_pb2.StreamingRecognizeResponse] = field(default_factory=list)
    interims: list[speech_pb2.StreamingResult] = field(default_factory=list)
    end: speech_pb2.StreamingEnd = field(default_factory=speech_pb2.StreamingEnd)

    @property
    def text(self) -> str:
        """The transcript."""
        return "".join(response.result.segment.text for response in self.finals)


@dataclass
class Service:
    """What tests ask of the running service."""

    address: str

    async def hear(self, data: bytes, size: int = 20_000, **values: Any) -> Heard:
        """Stream a file faster than real time."""
        heard = Heard()
        requests = [config(**({"encoding": 0, "sample_rate_hertz": 0} | values)), *portions(data, size)]
        async with grpc.aio.insecure_channel(self.address) as channel:
            call = speech_pb2_grpc.SpeechServiceStub(channel).StreamingRecognize(iter(requests), timeout=280)
            async for response in call:
                if response.result.is_final:
                    heard.finals.append(response)
                elif response.HasField("result"):
                    heard.interims.append(response.result)
                elif response.HasField("end"):
                    heard.end = response.end
        return heard


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(store: ModelStore) -> AsyncIterator[Service]:
    """The service, its model loaded once for the module."""
    async with Server(application(SpeechSettings(**AS_DEPLOYED, models_dir=store.folder, threads=2))) as server:
        await server.started()
        yield Service(server.address)


async def test_the_meeting_is_written_down_as_it_comes(service: Service) -> None:
    [(file, language, script)] = recordings(SAMPLE)
    heard = await service.hear(file.read_bytes(), enable_word_offsets=True)
    assert character_error_rate(script, heard.text) < 0.05
    assert heard.end.language_code == language
    assert heard.end.audio_duration.ToMilliseconds() == pytest.approx(86_975, abs=5)
    assert 65_000 < heard.end.speech_duration.ToMilliseconds() < 87_000
    clock = 0
    for response in heard.finals:
        segment = response.result.segment
        start, end = segment.start_offset.ToMilliseconds(), segment.end_offset.ToMilliseconds()
        assert clock <= start < end <= 87_000
        assert "".join(word.word for word in segment.words) == segment.text.replace(" ", "")
        assert response.provenance.models[0].model_id == "whisper-base"
        clock = end


async def test_every_container_gives_the_same_text(service: Service, tmp_path: Path) -> None:
    first = meeting()[: 12 * RATE]
    for name, data in {
        "flac": encode("flac", "flac", first),
        "mp3": encode("mp3", "libmp3lame", first),
        "ogg": encode("ogg", "libopus", first),
        "m4a": m4a_for_streaming(first, tmp_path),
        "fragmented m4a": encode("ipod", "aac", first, movflags="frag_keyframe+empty_moov"),
    }.items():
        heard = await service.hear(data, size=999, language_code="ja")
        assert character_error_rate(FIRST_TURN, heard.text) < 0.1, name


async def test_a_voice_without_a_pause_is_written_down_whole(service: Service) -> None:
    """The meeting with its pauses taken out is one voice of a minute, cut at words."""
    samples = meeting()
    probabilities = SileroDetector().probabilities(samples[: len(samples) // 512 * 512])
    voiced = np.repeat(probabilities > 0.5, 512)
    spoken = samples[: len(voiced)][voiced]
    assert len(spoken) > 60 * RATE
    heard = await service.hear(wav(spoken), language_code="ja")
    [(_, _, script)] = recordings(SAMPLE)
    assert character_error_rate(script, heard.text) < 0.15
    assert len(heard.finals) > 2


async def test_silence_and_noise_give_no_text(service: Service) -> None:
    for name, samples in noises(6.0).items():
        heard = await service.hear(wav(samples), interim_results=True)
        assert (heard.text, heard.interims) == ("", []), name
        assert [warning.code for warning in heard.end.warnings] == ["NO_SPEECH"], name


async def test_at_real_speed_interim_results_come_first(service: Service, tmp_path: Path) -> None:
    (tmp_path / "first.wav").write_bytes(wav(meeting()[: 6 * RATE]))
    found = await asyncio.to_thread(
        measure, tmp_path / "first.wav", "ja", ClientSettings(speech_address=service.address)
    )
    assert found["interims"] > 0
    assert found["first_interim_s"] > 0
    assert 0 < found["final_lag_s"]["median"] <= found["final_lag_s"]["max"]
    assert "防災訓練の打ち合わせを始めます" in found["transcript"]
    assert (found["audio_s"], found["model"]) == (6.0, "whisper-base")


async def test_the_detector_hears_in_pieces_what_it_hears_in_the_whole() -> None:
    samples = meeting()[: 20 * RATE // 512 * 512]
    whole = get_vad_model()(samples.copy()).reshape(-1)
    detector = SileroDetector()
    pieces = [detector.probabilities(piece) for piece in np.split(samples, range(512 * 3, len(samples), 512 * 3))]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=0.01)
