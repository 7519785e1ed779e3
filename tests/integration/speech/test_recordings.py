"""Recordings sent as streams to the running service with its real model: languages that change, translation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from faster_whisper import decode_audio
from numpy.typing import NDArray

from buhin.client import AsyncSpeechClient
from buhin.client.speech import collect
from buhin.config import SpeechSettings
from buhin.models.store import ModelStore
from buhin.serving import Server
from buhin.speech.v1 import speech_pb2
from services.speech.__main__ import application
from services.speech.evaluate import character_error_rate, recordings
from tests.audio_files import RATE, meeting, wav
from tests.conftest import ROOT
from tests.support import AS_DEPLOYED

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

SAMPLE = ROOT / "samples" / "meeting"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(store: ModelStore) -> AsyncIterator[AsyncSpeechClient]:
    """A client of the service, its model loaded once for the module."""
    settings = SpeechSettings(**AS_DEPLOYED, models_dir=store.folder, threads=2)
    async with Server(application(settings)) as server:
        await server.started()
        async with AsyncSpeechClient(server.address, timeout_s=280) as opened:
            yield opened


async def recognized(client: AsyncSpeechClient, data: bytes, **options: Any) -> speech_pb2.RecognizeResponse:
    """The answer of a recording sent as a stream, whose progress never goes back and reaches the end."""
    done: list[float] = []
    events = [event async for event in client.recognize_file([data], **options)]
    answer = collect(events, lambda done_s, total_s: done.append(done_s / total_s))
    assert (done, done[0], done[-1]) == (sorted(done), 0, 1)
    return answer


async def test_a_recording_gives_as_a_stream_what_it_gives_at_once(client: AsyncSpeechClient) -> None:
    [(file, language, script)] = recordings(SAMPLE)
    answer = await recognized(client, file.read_bytes(), word_offsets=True)
    assert answer.language_code == language
    assert character_error_rate(script, answer.transcript) < 0.05
    once = await client.recognize(file, word_offsets=True)
    for each in (answer, once):
        each.ClearField("provenance")
    assert answer == once


async def test_the_language_of_each_segment_is_told(client: AsyncSpeechClient, shared_data: Path | None) -> None:
    """Japanese, English, Japanese and German in pauses of 0.6 s, as far as there are recordings."""
    japanese = meeting()
    said: list[tuple[str, NDArray[np.float32]]] = [("ja", japanese[: 12 * RATE])]
    if shared_data:
        for language, rest in (("en", japanese[12 * RATE : 20 * RATE]), ("de", japanese[:0])):
            said += [(language, decode_audio(str(shared_data / "speech" / f"human_{language}.wav"))), ("ja", rest)]
    pause = np.zeros(round(0.6 * RATE), np.float32)
    audio = np.concatenate([part for _, samples in said if len(samples) for part in (samples, pause)])
    answer = await recognized(client, wav(audio), identify_languages=True)
    assert answer.language_code == "ja"
    clock_s = 0.0
    for language, samples in said:
        end_s = clock_s + len(samples) / RATE + 0.6 * bool(len(samples))
        inside = {
            segment.language_code
            for segment in answer.segments
            if clock_s <= (segment.start_offset.ToMilliseconds() + segment.end_offset.ToMilliseconds()) / 2000 < end_s
        }
        assert inside == ({language} if len(samples) else set()), (clock_s, language)
        clock_s = end_s
    if shared_data:
        english = [segment.text for segment in answer.segments if segment.language_code == "en"]
        [transcript] = [said for file, _, said in recordings(shared_data / "speech") if file.name == "human_en.wav"]
        assert character_error_rate(transcript, " ".join(english)) < 0.1


async def test_speech_is_translated_into_english(client: AsyncSpeechClient, shared_data: Path | None) -> None:
    """People's where there are recordings, otherwise the meeting. Not all processors choose the same French words."""
    meeting_only = [("ja", ["police", "water"], "訓練")]
    people = [
        ("de", ["room", "used"], "wurde"),
        ("fr", ["under the|conservator|water|forest|advis"], "devient"),
        ("es", ["sand", "grain"], "arenas"),
    ]
    for language, english, foreign in people if shared_data else meeting_only:
        file = shared_data / "speech" / f"human_{language}.wav" if shared_data else SAMPLE / "meeting.flac"
        answer = await recognized(client, file.read_bytes(), task="translate")
        text = answer.transcript.lower()
        assert answer.language_code == language
        assert [words for words in english if not re.search(words, text)] == [], text
        assert foreign not in text
