"""The audio of a stream that may still be needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.speech.audio import SAMPLE_RATE
from services.speech.engine import Span


class RecentAudio:
    """Samples, mono at 16 kHz, by their times from the beginning of the stream."""

    def __init__(self) -> None:
        self._first = 0
        self._data = bytearray()

    @property
    def start_s(self) -> float:
        """Time of the first sample."""
        return self._first / SAMPLE_RATE

    @property
    def end_s(self) -> float:
        """Time after the last sample."""
        return (self._first + len(self._data) // 4) / SAMPLE_RATE

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples."""
        self._data += samples.tobytes()

    def drop(self, before_s: float) -> None:
        """Forget what is earlier."""
        count = max(0, round(before_s * SAMPLE_RATE) - self._first)
        del self._data[: 4 * count]
        self._first += count

    def inside(self, start_s: float, end_s: float) -> Span:
        """What there is of a stretch."""
        return Span(max(start_s, self.start_s), min(end_s, self.end_s))

    def samples(self, span: Span) -> NDArray[np.float32]:
        """The samples of a stretch."""
        first, last = (round(second * SAMPLE_RATE) - self._first for second in (span.start_s, span.end_s))
        return np.frombuffer(bytes(self._data[4 * first : 4 * last]), np.float32)
