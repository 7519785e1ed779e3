"""Audio for tests, made when it is needed."""

from __future__ import annotations

import wave
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from buhin.engine import Stop
from services.speech.audio import Source, length, samples, sniff
from tests.conftest import ROOT

RATE = 16_000
FIRST_TURN = "それでは防災訓練の打ち合わせを始めます今年の訓練は11月15日日曜日の午前9時から中央公園で行います"
"""What is said in the first 12 seconds of the sample meeting."""


def decode(source: Source, max_seconds: float, stop: Stop) -> NDArray[np.float32]:
    """All samples of a source, once they were found to be sound."""
    length(source, max_seconds, stop)
    return np.concatenate(list(samples(source)))


def sine(seconds: float, *, rate: int = RATE, hertz: float = 440.0, peak: float = 0.3) -> NDArray[np.float32]:
    """A tone, shape (n,)."""
    return (peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encode(
    muxer: str, codec: str, samples: NDArray[np.float32], *, rate: int = RATE, layout: str = "mono", **options: str
) -> bytes:
    """The samples, the same on every channel, in a file."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=muxer, options=options) as output:
        add_audio(output, codec, samples, rate=rate, layout=layout)
    return buffer.getvalue()


def add_audio(
    output: av.container.OutputContainer, codec: str, samples: NDArray[np.float32], *, rate: int, layout: str
) -> None:
    """Write an audio stream into a container that is open for writing."""
    stream: Any = output.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
    channels = av.AudioLayout(layout).nb_channels
    frame = av.AudioFrame.from_ndarray(np.repeat(samples, channels)[None], format="flt", layout=layout)
    frame.sample_rate = rate
    resampler = av.AudioResampler(stream.format, layout, rate, frame_size=stream.codec_context.frame_size or None)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        output.mux(stream.encode(piece))
    output.mux([packet for packet in stream.encode(None) if packet.size])  # FLAC ends with a header, not for OGG


def m4a_for_streaming(samples: NDArray[np.float32], folder: Path) -> bytes:
    """An M4A whose index stands before the audio, so that one cut off can still be opened."""
    path = folder / "streaming.m4a"
    with av.open(str(path), "w", format="ipod", options={"movflags": "faststart"}) as output:
        add_audio(output, "aac", samples, rate=RATE, layout="mono")
    return path.read_bytes()


def wav(samples: NDArray[np.float32], *, rate: int = RATE) -> bytes:
    """A 16-bit WAV by the standard library, header of 44 bytes."""
    buffer = BytesIO()
    with wave.open(buffer, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(rate)
        output.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def meeting() -> NDArray[np.float32]:
    """The sample meeting."""
    return decode(sniff((ROOT / "samples" / "meeting" / "meeting.flac").read_bytes()), 100, Stop())


def noises(seconds: float) -> dict[str, NDArray[np.float32]]:
    """What is not speech, by name."""
    random = np.random.default_rng(0)
    count = round(seconds * RATE)
    time_s = np.arange(count) / RATE
    white = random.standard_normal(count)
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.maximum(np.arange(count // 2 + 1), 1)), count)
    clicks = np.zeros(count)
    clicks[:: RATE // 2] = 0.9
    hum = 0.3 * np.sin(2 * np.pi * 50 * time_s) + 0.1 * np.sin(2 * np.pi * 150 * time_s)
    beeps = 0.3 * np.sin(2 * np.pi * 1000 * time_s) * (np.sin(4 * np.pi * time_s) > 0)
    bursts = 0.3 * random.standard_normal(count) * (np.sin(2 * np.pi * time_s) > 0.5)
    notes = [220 * 2 ** (step / 12) for step in (0, 4, 7, 12, 5, 9, 12, 17)]
    music = sum(np.sin(2 * np.pi * note * time_s) * np.exp(-3 * ((time_s - n / 8) % 1)) for n, note in enumerate(notes))
    found = {
        "silence": np.zeros(count),
        "faint hum": 0.002 * np.sin(2 * np.pi * 50 * time_s) + 0.001 * np.sin(2 * np.pi * 100 * time_s),
        "music": 0.1 * music,
        "white": 0.1 * white,
        "faint white": 0.003 * white,
        "pink": 0.5 * pink / np.abs(pink).max(),
        "hum": hum,
        "clicks": clicks,
        "beeps": beeps,
        "bursts": bursts,
    }
    return {name: samples.clip(-1, 1).astype(np.float32) for name, samples in found.items()}
