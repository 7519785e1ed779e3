"""Where voices begin and end, told while the audio comes.

The rules are those of the Silero detector (https://github.com/snakers4/silero-vad): a voice begins where its
probability passes a threshold, and ends where it fell below a lower one and did not pass the first again for a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.speech.engine import VOICE_FRAME_S

_HYSTERESIS = 0.15
MIN_VOICE_S = 0.1
"""A shorter sound is no voice."""
MIN_SILENCE_S = 0.5
"""A shorter pause belongs to the voice."""
_PAUSE_S = 0.2


@dataclass(frozen=True)
class Endpoint:
    """A voice begins, or ends, ``offset_s`` seconds from the beginning of the stream."""

    begins: bool
    offset_s: float


class Endpointer:
    """Turns the probabilities of a voice, a frame of VOICE_FRAME_S each, into endpoints.

    A beginning is told MIN_VOICE_S after it, an end MIN_SILENCE_S after it.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._frames = 0
        self._first: int | None = None
        self._silent_from: int | None = None
        self._told = False

    @property
    def hearing(self) -> bool:
        """Whether there is a voice, or what may become one, or one that may go on."""
        return self._first is not None

    @property
    def pausing(self) -> bool:
        """Whether the voice has been silent for long enough that it may be about to end."""
        return self._silent_from is not None and self._seconds(self._silent_from) >= _PAUSE_S

    def hear(self, probabilities: Iterable[float]) -> Iterator[Endpoint]:
        """The endpoints that are certain after the next frames."""
        for probability in probabilities:
            if probability >= self._threshold:
                self._first = self._frames if self._first is None else self._first
                self._silent_from = None
            elif probability < self._threshold - _HYSTERESIS and self._first is not None and self._silent_from is None:
                self._silent_from = self._frames
            self._frames += 1
            if self._silent_from is not None and self._seconds(self._silent_from) >= MIN_SILENCE_S:
                yield from self.finish()
            elif self._first is not None and not self._told and self._seconds(self._first) >= MIN_VOICE_S:
                self._told = self._silent_from is None
                if self._told:
                    yield Endpoint(True, self._first * VOICE_FRAME_S)

    def finish(self) -> Iterator[Endpoint]:
        """The end of a voice that has not ended yet."""
        if self._told:
            end = self._frames if self._silent_from is None else self._silent_from
            yield Endpoint(False, end * VOICE_FRAME_S)
        self._first, self._silent_from, self._told = None, None, False

    def _seconds(self, frame: int) -> float:
        """Time since the beginning of a frame."""
        return (self._frames - frame) * VOICE_FRAME_S
