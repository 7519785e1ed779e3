"""Recordings of any length: cut in pauses and put together again in bounded memory; StreamingRecognize in mode FILE."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from buhin import errors
from buhin.client.speech import collect
from buhin.engine import Stop
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from buhin.status import decode_call
from services.speech import audio, recording
from services.speech.engine import VOICE_FRAME, Options
from services.speech.live import End, Final
from services.speech.recording import LONGEST_PART_S, Progress
from services.speech.subtitles import Layout
from tests.audio_files import wav
from tests.conftest import ROOT
from tests.support import serving
from tests.unit.speech.fakes import PART_S, FakeDetector, fake_application
from tests.unit.speech.speakers import RATE, Listener, raw, say

Request = speech_pb2.StreamingRecognizeRequest
IDENTIFY = Options(identify_languages=True)


def sounds(*stretches: tuple[float, int]) -> NDArray[np.float32]:
    """Words of a length in seconds; 0 is silence."""
    return np.concatenate([say(word, each_s=seconds) for seconds, word in stretches])


def cut(samples: NDArray[np.float32], least_s: float = PART_S, block: int = 7_919) -> list[tuple[float, int]]:
    """Where parts begin and how many samples they have."""
    blocks = [samples[n : n + block] for n in range(0, len(samples), block)]
    found = list(recording.parts(blocks, FakeDetector(), least_s))
    np.testing.assert_array_equal(np.concatenate([part.samples for part in found]), samples)
    assert all(len(part.probabilities) == math.ceil(len(part.samples) / VOICE_FRAME) for part in found)
    return [(part.start_s, len(part.samples)) for part in found]


def test_a_part_ends_in_the_first_pause_after_its_length() -> None:
    found = cut(sounds((50, 1), (2, 0), (20, 2), (2, 0), (70, 3), (5, 0), (3, 4)))
    assert [72 < start < 74 or 144 < start < 149 for start, _ in found[1:]] == [True, True]


def test_where_nobody_pauses_a_part_ends_where_it_is_quietest() -> None:
    samples = sounds((100, 1), (0.3, 0), (100, 1))
    (start, length), *_ = cut(samples)
    assert (start, 100 < length / RATE < 101) == (0, True)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 3)), min_size=1, max_size=6), st.integers(2_000, 200_000))
def test_no_sample_is_lost_and_no_part_is_too_long(stretches: list[tuple[int, int]], block: int) -> None:
    found = cut(sounds(*((float(seconds), word) for seconds, word in stretches)), block=block)
    assert all(length <= (LONGEST_PART_S + 1) * RATE for _, length in found)
    assert all(length >= PART_S * RATE for _, length in found[:-1])


def run(samples: NDArray[np.float32], engine: Listener, options: Options = Options()) -> list[Any]:  # noqa: B008
    """The events of a recording."""
    source = audio.linear16(raw(samples), RATE, 1, 86_400)
    return list(recording.recognize(source, 86_400, engine, options, Stop(), Layout()))


def test_times_are_from_the_beginning_of_the_recording() -> None:
    engine = Listener()
    events = run(sounds((62, 1), (1, 0), (61, 2), (1, 0), (3, 3)), engine)
    assert len(engine.asked) == 3
    finals = [event.window.segments[event.number] for event in events if isinstance(event, Final)]
    assert [(segment.text, round(segment.start_s)) for segment in finals] == [("w1", 0), ("w2", 63), ("w3", 125)]
    end = events[-1]
    assert isinstance(end, End)
    assert (end.audio_s, end.result.segments) == (128, tuple(finals))
    done = [event.done_s for event in events if isinstance(event, Progress)]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 128)


class Polyglot(Listener):
    """The languages that words are in, each as certain as its number is large; another one is as likely else."""

    def __init__(self, **words: str) -> None:
        super().__init__()
        self.spoken = {int(word.removeprefix("w")): language for word, language in words.items()}

    def identify(self, samples: NDArray[np.float32]) -> Mapping[str, float]:
        """By the first sound."""
        if not samples.any():
            return {}
        word = round(float(samples[samples != 0][0] * 128))
        probability = min(1.0, word / 100)
        return {"en": 1 - probability, "ja": 1 - probability} | {self.spoken[word]: probability}


def test_each_voice_is_recognized_in_its_language_unless_that_is_in_doubt() -> None:
    engine = Polyglot(w90="ja", w55="en", w95="en")
    words = [90, 55, 90, 95, 90]
    events = run(sounds(*[each for word in words for each in ((6.0, word), (0.6, 0))]), engine, IDENTIFY)
    languages = ["ja", "ja", "ja", "en", "ja"]
    assert [segment.language for segment in events[-1].result.segments] == languages
    assert [options.language for _, options in engine.asked] == ["ja", "en", "ja"]
    finals = [event.window.segments[event.number] for event in events if isinstance(event, Final)]
    assert [segment.language for segment in finals] == languages
    assert [segment.text for segment in finals] == [f"w{word}" for word in words]
    assert [segment.start_s for segment in finals] == pytest.approx([6.6 * n for n in range(5)], abs=0.05)


def test_the_language_of_the_whole_is_the_one_that_is_spoken_longest() -> None:
    engine = Polyglot(w90="en", w80="ja", w99="ja")
    events = run(sounds((14, 90), (2, 0), (6, 80), (2, 0), (6, 80), (2, 0), (6, 99)), engine, IDENTIFY)
    result = events[-1].result
    assert [segment.language for segment in result.segments] == ["en", "ja", "ja", "ja"]
    assert (result.language, round(result.language_probability, 2)) == ("ja", 0.86)


def test_the_language_is_detected_once_and_brings_its_terms() -> None:
    engine = Polyglot(w60="en", w2="ja")
    options = Options(hotwords=("first",), terms={"en": ("ward",), "ja": ("区",)})
    events = run(sounds((61, 0), (61, 60), (1, 0), (3, 2)), engine, options)
    assert [(asked.language, asked.hotwords) for _, asked in engine.asked] == [
        (None, ("first",)), ("en", ("first", "ward")), ("en", ("first", "ward")),
    ]  # fmt: skip
    assert (events[-1].result.language, events[-1].result.language_probability) == ("en", 0.6)


def test_what_is_cut_off_is_found_before_any_of_it_is_recognized() -> None:
    engine = Listener()
    whole = (ROOT / "samples" / "meeting" / "meeting.flac").read_bytes()
    source = audio.sniff(whole[: len(whole) * 3 // 4])
    with pytest.raises(errors.UnreadableMediaError):
        list(recording.recognize(source, 86_400, engine, Options(), Stop(), Layout()))
    assert engine.asked == []


_HOUR = """
import resource, sys, wave
import numpy as np
from mmap import ACCESS_READ, mmap
from buhin.engine import Stop
from services.speech import audio, recording
from services.speech.engine import VOICE_FRAME, Options
from services.speech.subtitles import Layout
from tests.unit.speech.fakes import FakeEngine

with wave.open(sys.argv[1], "wb") as file:
    file.setparams((1, 2, 16_000, 0, "NONE", ""))
    for second in range(3_600):
        file.writeframes(np.full(16_000, 8_000 if second % 45 < 40 else 0, "<i2").tobytes())
with open(sys.argv[1], "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engine = FakeEngine()
    def forget(samples, options, stop, recognize=engine.recognize):
        answer = recognize(samples, options, stop)
        engine.asked.clear()
        return answer
    engine.recognize = forget
    *_, end = recording.recognize(audio.sniff(data), 86_400, engine, Options(), Stop(), Layout())
    file_kib = len(data) // 1024
    print(end.audio_s, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, file_kib // 1024)
"""


def test_an_hour_takes_no_more_memory_than_its_parts(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _HOUR, str(tmp_path / "hour.wav")], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert ran.returncode == 0, ran.stderr
    seconds, grown_mib, file_mib = map(float, ran.stdout.split())
    assert seconds == 3_600
    assert grown_mib < file_mib + 100, "the file itself is mapped; its samples would be 220 MiB"


@asynccontextmanager
async def service(engine: Listener, **changes: Any) -> AsyncIterator[Any]:
    """The streaming method of a running service."""
    async with serving(fake_application(engine, **changes)) as channel:
        yield speech_pb2_grpc.SpeechServiceStub(channel).StreamingRecognize


def requests(data: bytes, portion: int = 60_000, **config: Any) -> Iterator[Request]:
    """A recording in portions."""
    streaming = speech_pb2.StreamingRecognitionConfig(
        mode=speech_pb2.STREAMING_MODE_FILE, config=speech_pb2.RecognitionConfig(**config)
    )
    yield Request(streaming_config=streaming)
    for start in range(0, len(data), portion):
        yield Request(audio=data[start : start + portion])


async def test_a_recording_comes_back_as_finals_progress_and_an_end() -> None:
    async with service(Listener()) as method:
        data = wav(sounds((62, 1), (1, 0), (3, 2)))
        events = [event async for event in method(requests(data, enable_word_offsets=True), timeout=60)]
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["progress", "result", "progress", "result", "progress", "end"]
    results = [event.result for event in events if event.WhichOneof("event") == "result"]
    assert [(r.segment.text, r.is_final, r.stability, len(r.segment.words)) for r in results] == [
        ("w1", True, 1, 1), ("w2", True, 1, 1),
    ]  # fmt: skip
    assert all(event.provenance.models[0].model_id == "tiny" for event in events)
    heard: list[tuple[float, float]] = []
    answer = collect(events, lambda done, total: heard.append((done, total)))
    assert (answer.transcript, answer.language_code) == ("w1\nw2", "ja")
    assert answer.audio_duration.seconds == 66
    assert (heard[0], heard[-1]) == ((0, 66), (66, 66))


@pytest.mark.parametrize(
    ("data", "config", "changes", "error", "field"),
    [
        (b"", {}, {}, errors.EmptyInputError, "audio"),
        (b"nothing that sounds", {}, {}, errors.UnreadableMediaError, "audio"),
        (wav(sounds((3, 1)))[:-1_000], {}, {}, errors.UnreadableMediaError, "audio"),
        (wav(sounds((3, 1))), {}, {"max_audio_seconds": 2}, errors.InputTooLargeError, "audio"),
        (wav(sounds((3, 1))), {}, {"max_upload_bytes": 50_000}, errors.InputTooLargeError, "audio"),
        (b"\0" * 11, {"encoding": 1, "sample_rate_hertz": RATE}, {}, errors.UnreadableMediaError, "audio"),
        (b"", {"encoding": 1}, {}, errors.OutOfRangeError, "config.sample_rate_hertz"),
        (b"", {"glossary_id": "none"}, {}, errors.InvalidValueError, "config.glossary_id"),
        (
            b"", {"language_code": "ja", "enable_language_identification": True}, {},
            errors.InvalidValueError, "config.language_code",
        ),
    ],
)  # fmt: skip
async def test_bad_recordings(
    data: bytes, config: dict[str, Any], changes: dict[str, Any], error: type[errors.BuhinError], field: str
) -> None:
    engine = Listener()
    async with service(engine, **changes) as method:
        with pytest.raises(grpc.RpcError) as caught:
            [event async for event in method(requests(data, portion=1_000_000, **config), timeout=20)]
    found = decode_call(caught.value)
    assert (type(found), found.field) == (error, field)
    assert engine.asked == []


@pytest.mark.parametrize(
    ("columns", "language"),
    [
        ("ja\ten", ""),
        ("ja-JP\ten-US", ""),
        ("ja-JP\ten-US", "ja"),
        ("JA_jp\ten", "ja"),
        ("cmn-Hans\ten", "zh"),
        ("nb\ten", "no"),
    ],
)
async def test_terms_of_a_glossary_are_hotwords_in_the_language_that_is_spoken(
    tmp_path: Path, columns: str, language: str
) -> None:
    (tmp_path / "city.tsv").write_text(f"{columns}\n区役所\tward office\n避難所\t\n市\tcity\n", encoding="utf-8")
    engine = Listener()
    config: dict[str, Any] = {"language_code": language, "hotwords": ["市"], "glossary_id": "city"}
    async with service(engine, glossary_dir=tmp_path) as method:
        async for _ in method(requests(wav(sounds((1, 1))), **config), timeout=20):
            pass
    ((_, options),) = engine.asked
    assert options.hotwords == ("市", "区役所", "避難所")


async def test_columns_of_one_language_are_taken_together(tmp_path: Path) -> None:
    (tmp_path / "city.tsv").write_text("en-GB\ten-US\ncar park\tparking lot\nward\tward\n", encoding="utf-8")
    engine = Listener()
    async with service(engine, glossary_dir=tmp_path) as method:
        async for _ in method(requests(wav(sounds((1, 1))), language_code="en", glossary_id="city"), timeout=20):
            pass
    ((_, options),) = engine.asked
    assert options.hotwords == ("car park", "parking lot", "ward")


async def test_terms_that_had_no_room_are_told(tmp_path: Path) -> None:
    (tmp_path / "city.tsv").write_text("ja\n区役所\n避難所\n", encoding="utf-8")
    async with service(Listener(hotwords_used=2, hotwords_cut=1), glossary_dir=tmp_path) as method:
        events = [
            event
            async for event in method(requests(wav(sounds((1, 1))), hotwords=["市"], glossary_id="city"), timeout=20)
        ]
    assert [(each.code, each.field) for each in collect(events).warnings] == [("HOTWORDS_CUT", "config.glossary_id")]


async def test_a_caller_that_leaves_stops_the_work() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(stop: Stop) -> None:
        while not stop.is_set():
            pass
        loop.call_soon_threadsafe(stopped.set)

    engine = Listener(before=hold)
    async with service(engine) as method:
        call = method(requests(wav(sounds((1, 1)))), timeout=20)
        reading = asyncio.ensure_future(anext(aiter(call)))
        assert await asyncio.to_thread(engine.working.wait, 5)
        await reading
        call.cancel()
        await asyncio.wait_for(stopped.wait(), 5)


async def test_a_caller_that_sends_nothing_more_is_sent_away() -> None:
    async def held() -> AsyncIterator[Request]:
        for request in requests(b"RIFF"):
            yield request
        await asyncio.Event().wait()

    async with service(Listener(), stream_idle_s=0.2) as method:
        with pytest.raises(grpc.RpcError) as caught:
            [event async for event in method(held(), timeout=20)]
    assert isinstance(decode_call(caught.value), errors.StreamIdleError)
