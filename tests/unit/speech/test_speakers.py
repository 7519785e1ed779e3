"""Who spoke when: units, labels, clusters, and how the share of right labels is computed."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from buhin.speech.v1 import speech_pb2
from services.speech.engine import Segment, Span, Word
from services.speech.engines.clustering import tell_apart
from services.speech.engines.voice_encoder import read_weights
from services.speech.speakers import label, spans
from services.speech.speakers_evaluate import right_share
from tests.unit.speech.fakes import segment


def said(*words: tuple[float, float, str], text: str = "") -> Segment:
    """A segment of these words."""
    found = tuple(Word(start, end, word, (1 + number) / 8) for number, (start, end, word) in enumerate(words))
    return segment(words[0][0] - 0.1, words[-1][1] + 0.1, text or "".join(word for *_, word in words), words=found)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([], []),
        ([said((0, 1, "水は"), (1, 2, "ある"))], [(0, 2)]),
        ([said((0, 1, "水は"), (1.3, 2, "ある"))], [(0, 1), (1.3, 2)]),
        ([said((0, 1, "ある。"), (1, 2, "はい"))], [(0, 1), (1, 2)]),
        ([said((0, 1, "はい")), said((1, 2, "はい"))], [(0, 1), (1, 2)]),
        ([segment(3, 4, "はい", words=())], [(3, 4)]),
    ],
)
def test_units_end_at_pauses_and_sentences(segments: list[Segment], expected: list[tuple[float, float]]) -> None:
    assert spans(segments) == [Span(*each) for each in expected]


def test_a_segment_is_split_where_the_speaker_changes() -> None:
    both = said(
        (1, 2, "Is"), (2, 3, "it?"), (3, 4, "It"), (4, 5, "is."), (5, 6, "Good."), text="Is it? It is. Good."
    )  # fmt: skip
    first, second = label([both], [1, 2, 2])
    assert (first.text, first.speaker, first.start_s, first.end_s) == ("Is it?", "speaker-1", 0.9, 3)
    assert (second.text, second.speaker, second.start_s, second.end_s) == ("It is. Good.", "speaker-2", 3, 6.1)
    assert [word.speaker for word in second.words] == ["speaker-2"] * 3
    assert first.confidence == (1 / 8 + 2 / 8) / 2
    assert label([both], [3, 3, 3])[0].text == both.text


def test_a_segment_without_words_keeps_none() -> None:
    assert label([segment(0, 1, "はい", words=())], [2]) == (segment(0, 1, "はい", words=(), speaker="speaker-2"),)


def voices(*numbers: int, spread: float = 0.15) -> NDArray[np.float32]:
    """A vector of each of the voices with these numbers, which are orthogonal, with noise."""
    vectors = np.eye(32)[list(numbers)] + np.random.default_rng(1).normal(0, spread / 32**0.5, (len(numbers), 32))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize(
    ("numbers", "lengths_s", "count", "expected"),
    [
        ([], [], None, []),
        ([4], [1], None, [1]),
        ([4, 4, 4, 4], [3] * 4, None, [1, 1, 1, 1]),
        ([4, 2, 4, 2], [3] * 4, None, [1, 2, 1, 2]),
        ([4, 2], [3] * 2, None, [1, 2]),
        ([7, 3, 5, 3, 7, 5], [3] * 6, None, [1, 2, 3, 2, 1, 3]),
        ([7, 3, 5, 3, 7, 5], [3] * 6, 3, [1, 2, 3, 2, 1, 3]),
        ([7, 3, 5, 3, 7, 5], [3] * 6, 1, [1] * 6),
        ([7, 3, 7, 3, 3], [3, 3, 3, 3, 0.5], None, [1, 2, 1, 2, 2]),
        ([7, 3, 7, 7], [3, 0.5, 3, 0.5], None, [1, 1, 1, 1]),
        ([7, 3, 7, 7], [3, 0.5, 3, 0.4], 3, None),
        ([1, 2], [0.2, 0.2], 20, [1, 2]),
    ],
)
def test_voices_are_told_apart(
    numbers: list[int], lengths_s: list[float], count: int | None, expected: list[int] | None
) -> None:
    vectors = voices(*numbers) if numbers else np.zeros((0, 32), np.float32)
    found = tell_apart(vectors, lengths_s, count)
    if expected is None:
        assert max(found) == count
    else:
        assert found == expected


def test_silence_has_a_speaker_too() -> None:
    vectors = voices(1, 1, 2, 2)
    vectors[3] = 0
    assert len(tell_apart(vectors, [3] * 4, None)) == 4


def test_a_file_of_weights_that_would_run_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps(1) + pickle.dumps(2) + pickle.dumps({}) + pickle.dumps(print))
    with pytest.raises(pickle.UnpicklingError, match="print"):
        read_weights(path)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(["b", "a", "b"], 1.0), (["b", "b", "b"], 0.75), (["a", "b", "c"], 0.75), (["", "", ""], 0.75)],
)
def test_the_share_of_the_right_speaker(labels: list[str], expected: float) -> None:
    answer = speech_pb2.RecognizeResponse()
    for number, (speaker, text) in enumerate(zip(labels, ("はじめ、ます", "はい", "おわり"), strict=True)):
        word = answer.segments.add().words.add(word=text, speaker_label=speaker)
        word.start_offset.FromSeconds(number)
        word.end_offset.FromSeconds(number + (2 if number == 0 else 1))
    turns = [("chair", "はじめます。"), ("guest", "はい。"), ("chair", "おわり。")]
    assert right_share(answer, turns) == pytest.approx(expected)
    assert right_share(speech_pb2.RecognizeResponse(), turns) == 0
