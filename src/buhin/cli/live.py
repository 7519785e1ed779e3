"""`buhin transcribe --live`: a microphone, or a file at real speed, with the text growing as it is understood."""

from __future__ import annotations

import json
import queue
import signal
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import typer

from buhin.cli import output

if TYPE_CHECKING:
    from rich.text import Text

    from buhin.speech.v1.speech_pb2 import StreamingRecognizeResponse, StreamingResult

_RATE = 16_000
_PORTION_S = 0.1


def transcribe_live(file: Path | None, *, out: Path | None, timeout: float | None, as_json: bool, **asked: Any) -> None:
    """Show what is said as it is said; ``asked`` is for the client. Ctrl-C ends the audio, a second one the program."""
    from buhin.client import SpeechClient

    with output.reported(), SpeechClient(timeout_s=timeout) as client, _interruptible() as stopping:
        portions, rate = (_microphone(stopping), _RATE) if file is None else _played(file, stopping)
        events = client.streaming_recognize(portions, raw_sample_rate_hertz=rate, interim_results=True, **asked)
        with out.open("w", encoding="utf-8") if out else nullcontext() as written:
            if as_json:
                for event in events:
                    typer.echo(json.dumps(output.message_dict(event), ensure_ascii=False), file=written)
            else:
                _show(events, written)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C; the second one interrupts."""
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopping
    finally:
        stopping.set()
        signal.signal(signal.SIGINT, before)


def _show(events: Iterator[StreamingRecognizeResponse], written: IO[str] | None) -> None:
    from rich.live import Live

    console = output.console()
    anything = False
    with Live(console=console, transient=True, auto_refresh=False) as growing:
        for event in events:
            if event.HasField("end"):
                end = event
            elif event.result.is_final:
                anything = True
                growing.update("")
                if written is None:
                    console.print(_line(event.result), markup=False, soft_wrap=True)
                else:
                    written.write(_line(event.result) + "\n")
                    written.flush()
            elif console.is_terminal and event.HasField("result"):
                growing.update(_growing(event.result), refresh=True)
    if not anything:
        output.note(output.say("(nothing was said)", "(発話はありませんでした)"))
    length_s = end.end.audio_duration.ToTimedelta().total_seconds()
    output.note(
        output.say(
            f"language {end.end.language_code} ({end.end.language_confidence:.0%}), {length_s:.0f} s of audio",
            f"言語 {end.end.language_code} ({end.end.language_confidence:.0%})、音声 {length_s:.0f} 秒",
        )
    )
    output.print_review(end.review)


def _line(result: StreamingResult) -> str:
    """A final result as `buhin transcribe` prints it."""
    segment = result.segment
    words = "".join(f"\n    {output.clock(w.start_offset)} {w.word} {w.confidence:.2f}" for w in segment.words)
    return f"{output.clock(segment.start_offset)}  {segment.text}{words}"


def _growing(result: StreamingResult) -> Text:
    """An interim result: what will stay as it is, the rest dim."""
    from rich.text import Text

    text = Text(f"{output.clock(result.segment.start_offset)}  ", style="dim")
    stays = round(result.stability * len(result.segment.text))
    return text.append(result.segment.text[:stays], "not dim").append(result.segment.text[stays:])


def _played(file: Path, stopping: threading.Event) -> tuple[Iterator[bytes], int]:
    """16-bit mono samples of a file as they would be spoken, and their rate."""
    try:
        with wave.open(str(file)) as sound:
            if (sound.getsampwidth(), sound.getnchannels()) == (2, 1):
                rate, samples = sound.getframerate(), sound.readframes(sound.getnframes())
                return _at_real_speed(samples, rate, stopping), rate
    except (wave.Error, EOFError):
        pass
    return _at_real_speed(_decoded(file), _RATE, stopping), _RATE


def _decoded(file: Path) -> bytes:
    import av

    from buhin.errors import UnreadableMediaError

    samples = bytearray()
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    try:
        with av.open(str(file)) as container:
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    samples += part.to_ndarray().tobytes()
    except (av.error.InvalidDataError, IndexError) as error:
        raise UnreadableMediaError(field=str(file), problem=str(error), accepted="WAV, FLAC, MP3, M4A, OGG") from error
    return bytes(samples)


def _at_real_speed(samples: bytes, rate: int, stopping: threading.Event) -> Iterator[bytes]:
    """Portions, each when its last sample would have been spoken."""
    size = 2 * round(rate * _PORTION_S)
    began = time.monotonic()
    for start in range(0, len(samples), size):
        portion = samples[start : start + size]
        if stopping.wait(max(0.0, began + (start + len(portion)) / 2 / rate - time.monotonic())):
            return
        yield portion


def _microphone(stopping: threading.Event) -> Iterator[bytes]:
    """16-bit mono samples of the default microphone."""
    try:
        import sounddevice
    except OSError as error:
        raise OSError(
            output.say(
                f"{error}; install it, for example: apt install libportaudio2",
                f"{error}。インストールしてください。例: apt install libportaudio2",
            )
        ) from error
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    try:
        microphone = sounddevice.RawInputStream(
            samplerate=_RATE,
            channels=1,
            dtype="int16",
            blocksize=round(_RATE * _PORTION_S),
            callback=lambda samples, *_: heard.put(bytes(samples)),
        )
    except sounddevice.PortAudioError as error:
        raise OSError(
            output.say(
                f"no microphone ({error}); give a FILE to play it instead",
                f"マイクを使えません ({error})。ファイルを指定すると、それを再生します",
            )
        ) from error
    output.note(output.say("listening; Ctrl-C ends", "聞いています。Ctrl-C で終了します"))
    return _spoken(microphone, heard, stopping)


def _spoken(microphone: Any, heard: queue.SimpleQueue[bytes], stopping: threading.Event) -> Iterator[bytes]:
    with microphone:
        while not stopping.is_set():
            try:
                yield heard.get(timeout=_PORTION_S)
            except queue.Empty:
                continue
