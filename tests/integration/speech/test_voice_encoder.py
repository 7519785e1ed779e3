"""The speaker encoder with its real weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from buhin.engine import Stop
from buhin.errors import CancelledError
from buhin.models.store import ModelStore
from services.speech.audio import sniff
from services.speech.engine import Span
from services.speech.engines.voice_encoder import VoiceEncoder
from tests.audio_files import RATE, decode, meeting

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def encoder(store: ModelStore) -> VoiceEncoder:
    """The encoder alone."""
    return VoiceEncoder(store.open("resemblyzer"))


def test_a_voice_is_nearer_to_itself_than_to_others(encoder: VoiceEncoder) -> None:
    """Chair, safety, chair, international of the sample meeting."""
    spans = [Span(0.5, 4), Span(12.5, 16), Span(21.6, 24.5), Span(29.6, 33)]
    vectors = encoder.embed(meeting(), spans, Stop())
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    near = vectors @ vectors.T
    assert near[0, 2] > 0.9
    assert max(near[0, 1], near[0, 3], near[1, 3]) < 0.85
    assert encoder.tell_apart(vectors, [3.0] * 4, 3) == [1, 2, 1, 3]


def test_short_stretches_silence_and_loudness(encoder: VoiceEncoder) -> None:
    audio = np.concatenate([meeting()[: 4 * RATE], np.zeros(RATE, np.float32)])
    quiet, loud = (encoder.embed(audio * np.float32(factor), [Span(1, 3)], Stop())[0] for factor in (0.02, 0.1))
    assert quiet @ loud > 0.99
    vectors = encoder.embed(audio, [Span(1, 1), Span(1, 1.2), Span(4.2, 5), Span(4.9, 9)], Stop())
    assert vectors.shape == (4, 256)
    assert np.isfinite(vectors).all()
    assert encoder.embed(audio, [], Stop()).shape == (0, 256)


def test_work_ends_when_nobody_waits(encoder: VoiceEncoder) -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(CancelledError):
        encoder.embed(meeting(), [Span(0, 2)], stop)


def test_people_in_one_recording_and_in_two(encoder: VoiceEncoder, shared_data: Path | None) -> None:
    """Pieces of human voices where the shared recordings are, otherwise of the meeting."""
    if shared_data is None:
        first, second = meeting()[RATE : 11 * RATE], meeting()[13 * RATE : 20 * RATE]
    else:
        names = ("human_en_jfk.flac", "human_en.wav")
        first, second = (decode(sniff((shared_data / "speech" / name).read_bytes()), 60, Stop()) for name in names)
    pieces = [first[: 3 * RATE], second[: 2 * RATE], first[3 * RATE : 6 * RATE], second[2 * RATE : 4 * RATE]]
    ends = np.cumsum([len(piece) for piece in pieces]) / RATE
    spans = [Span(end - len(piece) / RATE, end) for end, piece in zip(ends, pieces, strict=True)]
    vectors = encoder.embed(np.concatenate(pieces), spans, Stop())
    lengths = [span.end_s - span.start_s for span in spans]
    assert encoder.tell_apart(vectors, lengths, None) == [1, 2, 1, 2]
    assert encoder.tell_apart(vectors[::2], lengths[::2], None) == [1, 1]
