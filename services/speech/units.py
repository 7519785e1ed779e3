"""How long a recording is: told from its size and its header alone, and by the answer."""

from __future__ import annotations

import struct

from google.protobuf.message import Message

from buhin.speech.v1 import speech_pb2

_COMPRESSED_BYTES_S = 8_000
"""Of a second of compressed speech, at 64 kbit/s."""
_MAX_CHUNKS = 32
"""In so many of a WAV file its format is looked for."""


class Seconds:
    """Counts the audio of one call, in seconds. The first piece of a recording tells how many bytes a second has."""

    def __init__(self) -> None:
        self._config = speech_pb2.RecognitionConfig()
        self._bytes_s: float | None = None

    def __call__(self, message: Message) -> float:
        """The audio of a message."""
        if isinstance(message, speech_pb2.RecognizeRequest):
            return self._seconds(message.audio, message.config)
        if isinstance(message, speech_pb2.StreamingRecognizeRequest):
            if message.HasField("streaming_config"):
                self._config = message.streaming_config.config
            return self._seconds(message.audio, self._config)
        return 0.0

    def _seconds(self, audio: bytes, config: speech_pb2.RecognitionConfig) -> float:
        if not audio:
            return 0.0
        if self._bytes_s is None:
            self._bytes_s = _bytes_a_second(audio, config)
        return len(audio) / self._bytes_s


def audio_s(response: Message) -> float:
    """The length of the audio that was worked on, in seconds, once it is known."""
    if isinstance(response, speech_pb2.RecognizeResponse):
        return response.audio_duration.ToTimedelta().total_seconds()
    if isinstance(response, speech_pb2.StreamingRecognizeResponse):
        return response.end.audio_duration.ToTimedelta().total_seconds()
    return 0.0


def _bytes_a_second(audio: bytes, config: speech_pb2.RecognitionConfig) -> float:
    if config.encoding == speech_pb2.AUDIO_ENCODING_LINEAR16:
        return 2.0 * max(1, config.sample_rate_hertz) * max(1, config.audio_channel_count)
    if audio[:4] == b"RIFF":
        position = 12
        for _ in range(_MAX_CHUNKS):
            if position + 24 > len(audio):
                break
            name, size, _, channels, rate = struct.unpack_from("<4sIHHI", audio, position)
            if name == b"fmt ":
                bits: int = struct.unpack_from("<H", audio, position + 22)[0]
                return channels * rate * bits / 8 or _COMPRESSED_BYTES_S
            position += 8 + size + size % 2
    return _COMPRESSED_BYTES_S
