"""How long a recording is, told from its size and its header alone."""

from __future__ import annotations

import struct

from google.protobuf.message import Message

from buhin.speech.v1 import speech_pb2

_COMPRESSED_BYTES_S = 8_000
"""Of a second of compressed speech, at 64 kbit/s."""


def seconds(message: Message, opening: Message) -> float:
    """The audio of a message, in seconds."""
    if isinstance(message, speech_pb2.RecognizeRequest):
        return _seconds(message.audio, message.config)
    if isinstance(message, speech_pb2.StreamingRecognizeRequest) and isinstance(opening, type(message)):
        return _seconds(message.audio, opening.streaming_config.config)
    return 0.0


def _seconds(audio: bytes, config: speech_pb2.RecognitionConfig) -> float:
    if config.encoding == speech_pb2.AUDIO_ENCODING_LINEAR16:
        return len(audio) / (2 * max(1, config.sample_rate_hertz) * max(1, config.audio_channel_count))
    if audio[:4] == b"RIFF" and len(audio) >= 32:
        byte_rate: int = struct.unpack_from("<I", audio, 28)[0]
        return len(audio) / max(_COMPRESSED_BYTES_S, byte_rate)
    return len(audio) / _COMPRESSED_BYTES_S
