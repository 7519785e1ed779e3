"""Recognition while people speak.

The audio is cut where voices end into windows, each recognized once and for all by ``SpeechEngine.recognize``, as a
recording is. While the voice of a window goes on, drafts of what there is of it give interim results by LocalAgreement
(agreement.py). A voice that does not pause is cut at a word on which a draft and the recognition agree.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import numpy as np

from buhin.serving.worker import Stream, retrieve
from services.speech.agreement import LocalAgreement
from services.speech.cutting import before, best_cut, joined, moved
from services.speech.endpointing import MIN_VOICE_S, Endpoint, Endpointer
from services.speech.engine import VOICE_FRAME_S, Options, Segment, Span, SpeechEngine, Transcription, Word
from services.speech.incoming import Incoming
from services.speech.reasons import MIN_LANGUAGE_PROBABILITY
from services.speech.recent import RecentAudio
from services.speech.subtitles import Cue

AHEAD_S = 30.0
"""Audio that may wait for recognition; then no more is read from the caller."""
WINDOW_S = 25.0
"""Longest window; Whisper hears 30 s at once."""
_PAD_S = 0.3
"""Audio around a voice that is recognized with it."""
_STEP_S = 0.8
"""Least new audio between drafts; more where they take longer than that, so that finals can keep up."""
_VOICE, _FAINT_VOICE = 0.5, 0.3
"""Probabilities of the voice detector: with voice activity detection, and without it, as for recordings."""
_ENOUGH_S = 2.0
"""The language is kept for the stream once it was detected with certainty in a window with as much speech."""


@dataclass(frozen=True)
class Interim:
    """What was understood so far of a voice that goes on. ``stability`` is the agreed share of the text, 0 to 1, so
    that its first ``stability * len(text)`` characters will not change before the final result.
    """

    segment: Segment
    language: str
    stability: float


@dataclass(frozen=True)
class Final:
    """The next segment: number ``number``, from 0, of ``window``, which is told of once and whole."""

    number: int
    window: Transcription


@dataclass(frozen=True)
class End:
    """All was recognized. ``result`` is the whole stream, ``cues`` its subtitles where they are wanted."""

    audio_s: float
    result: Transcription
    cues: tuple[Cue, ...] = ()


Event = Endpoint | Interim | Final | End


@dataclass
class _Window:
    """A voice, or voices, to recognize at once. ``end_s`` is None while the voice goes on."""

    start_s: float
    end_s: float | None = None
    agreement: LocalAgreement = field(default_factory=LocalAgreement)
    draft: tuple[Word, ...] = ()
    draft_to_s: float = 0.0
    shown: tuple[str, str] = ("", "")


class Live:
    """One stream. ``interims`` and ``endpoints`` say whether those are wanted."""

    def __init__(self, stream: Stream[SpeechEngine], options: Options, *, interims: bool, endpoints: bool) -> None:
        self._stream = stream
        self._options = options
        self._interims = interims
        self._endpoints = endpoints
        self._endpointer = Endpointer(_VOICE if options.voice_activity_detection else _FAINT_VOICE)
        self._audio = RecentAudio()
        self._windows: deque[_Window] = deque()
        self._ended = False
        self._changed = asyncio.Condition()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._done: list[Transcription] = []
        self._began_s = self._voiced_s = 0.0
        self._draft_took_s = 0.0
        self._language = options.language
        self._guess = (options.language or "", 1.0 if options.language else 0.0)

    @property
    def waiting_s(self) -> float:
        """Audio that is kept because it may still be needed, in seconds."""
        return self._audio.end_s - self._audio.start_s

    async def events(self, incoming: Incoming) -> AsyncGenerator[Event, None]:
        """What happens, as it happens. Finals are in order, each once; the last event is the End.

        Where the audio fails, what was heard before is recognized first. Raises what ``incoming`` and the engine raise.
        """
        working = asyncio.create_task(self._work(incoming))
        working.add_done_callback(retrieve)
        working.add_done_callback(lambda _: self._events.put_nowait(None))
        try:
            while (event := await self._events.get()) is not None:
                yield event
                self._events.task_done()
            await working
        finally:
            working.cancel()

    async def _emit(self, event: Event) -> None:
        """Hand over an event, and wait until it was taken."""
        self._events.put_nowait(event)
        await self._events.join()

    async def _work(self, incoming: Incoming) -> None:
        listening = asyncio.create_task(self._listen(incoming))
        listening.add_done_callback(retrieve)
        try:
            await self._recognize()
            await listening
        finally:
            listening.cancel()
        speech_s = self._voiced_s if self._options.voice_activity_detection else incoming.audio_s
        await self._emit(End(incoming.audio_s, joined(self._done, *self._guess, speech_s)))

    async def _listen(self, incoming: Incoming) -> None:
        failed: Exception | None = None
        try:
            async with aclosing(aiter(incoming)) as blocks:
                async for block in blocks:
                    self._audio.add(block.samples)
                    await self._take(self._endpointer.hear(block.probabilities))
                    if not self._windows:
                        self._audio.drop(self._audio.end_s - MIN_VOICE_S - 2 * _PAD_S)
                    async with self._changed:
                        self._changed.notify_all()
                        await self._changed.wait_for(lambda: self.waiting_s <= AHEAD_S)
        except Exception as error:  # noqa: BLE001 - raised again, after what was heard before it is recognized
            failed = error
        await self._take(self._endpointer.finish())
        async with self._changed:
            self._ended = True
            self._changed.notify_all()
        if failed is not None:
            raise failed

    async def _take(self, endpoints: Iterator[Endpoint]) -> None:
        for frame in endpoints:
            endpoint = replace(frame, offset_s=min(frame.offset_s, self._audio.end_s))  # the last frame may be padded
            if endpoint.begins:
                self._began_s = endpoint.offset_s
                self._windows.append(_Window(endpoint.offset_s))
            else:
                self._voiced_s += endpoint.offset_s - self._began_s
                self._windows[-1].end_s = endpoint.offset_s
            if self._endpoints:
                await self._emit(endpoint)

    async def _recognize(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._ended or self._is_whole() or self._is_draft_due())
            if not self._windows:
                return
            if self._is_whole():
                await self._finish()
            else:
                await self._draft(self._windows[0])

    def _is_whole(self) -> bool:
        """Whether the first window has all that it will have."""
        if not self._windows:
            return False
        window = self._windows[0]
        return window.end_s is not None or self._audio.end_s - window.start_s >= WINDOW_S

    def _is_draft_due(self) -> bool:
        """Whether there is enough new audio of a voice that goes on. A voice about to end is left to its final."""
        if not self._interims or not self._windows or self._endpointer.pausing:
            return False
        window = self._windows[0]
        if not window.draft_to_s:
            return self._audio.end_s - window.start_s >= _STEP_S
        return self._audio.end_s - window.draft_to_s >= max(_STEP_S, self._draft_took_s)

    async def _finish(self) -> None:
        """Recognize the first window, with the voices after it that have ended and fit: nobody waits then for one."""
        windows = self._windows
        while len(windows) > 1 and (windows[1].end_s or np.inf) - windows[0].start_s <= WINDOW_S:
            windows[0].end_s = windows[1].end_s
            del windows[1]
        window = windows[0]
        longest_s = window.start_s + WINDOW_S
        cut = window.end_s is None or window.end_s > longest_s
        span = self._audio.inside(window.start_s - _PAD_S, longest_s if cut else (window.end_s or 0.0) + _PAD_S)
        samples, options = self._audio.samples(span), self._options.spoken_in(self._language)
        result = await self._stream.run(lambda engine, stop: engine.recognize(samples, options, stop))
        result = self._learn(moved(result, span.start_s))
        end_s = span.end_s
        if cut:
            draft = window.draft or await self._hypothesis(Span(span.start_s, span.end_s - 1.0))
            end_s = best_cut(result, draft, span)
            result = before(result, end_s)
        if cut and (window.end_s is None or window.end_s - end_s >= VOICE_FRAME_S):
            windows[0] = _Window(end_s, window.end_s)
        else:
            windows.popleft()
        self._audio.drop(end_s)
        async with self._changed:
            self._changed.notify_all()
        self._done.append(result)
        for number in range(len(result.segments)):
            await self._emit(Final(number, result))

    async def _draft(self, window: _Window) -> None:
        began = time.monotonic()
        span = self._audio.inside(window.start_s - _PAD_S, self._audio.end_s)
        window.draft, window.draft_to_s = await self._hypothesis(span), span.end_s
        self._draft_took_s = time.monotonic() - began
        rest = window.agreement.add(window.draft)
        words = (*window.agreement.agreed, *rest)
        agreed = "".join(word.text for word in window.agreement.agreed).strip()
        text = "".join(word.text for word in words).strip()
        if not text or (text, agreed) == window.shown:
            return
        window.shown = (text, agreed)
        segment = Segment(
            start_s=words[0].start_s,
            end_s=words[-1].end_s,
            text=text,
            confidence=sum(word.confidence for word in words) / len(words),
            no_speech_probability=0.0,
            compression_ratio=0.0,
            words=tuple(replace(word, text=word.text.strip()) for word in words if word.text.strip()),
        )
        await self._emit(Interim(segment, self._language or "", len(agreed) / len(text)))

    async def _hypothesis(self, span: Span) -> tuple[Word, ...]:
        samples, options = self._audio.samples(span), self._options.spoken_in(self._language)
        words = await self._stream.run(lambda engine, stop: engine.draft(samples, options, stop))
        return tuple(moved(word, span.start_s) for word in words)

    def _learn(self, window: Transcription) -> Transcription:
        """Learn the language of a window, or tell it to the window where it is known."""
        if self._language is not None:
            return replace(window, language=self._guess[0], language_probability=self._guess[1])
        found = (window.language, window.language_probability)
        if window.segments and found[1] >= self._guess[1]:
            self._guess = found
        if window.segments and window.speech_s >= _ENOUGH_S and found[1] >= MIN_LANGUAGE_PROBABILITY:
            self._language, self._guess = window.language, found
        return window
