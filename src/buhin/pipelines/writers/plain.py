"""Writers of plain text and JSON."""

from __future__ import annotations

import json

from google.protobuf.json_format import MessageToDict

from buhin.pipelines.results import Job
from buhin.pipelines.types import ANY, Type, of_message
from buhin.pipelines.writers.base import Need, file_writer
from buhin.speech.v1 import speech_pb2

TRANSCRIPT = of_message(speech_pb2.RecognizeResponse.DESCRIPTOR)


@file_writer("json", Need("answer", Type(ANY)))
def response_json(job: Job) -> bytes:
    """The answer of a step as the proto's JSON; of a step with for_each a list with the item, its answer or its error.

    Bytes fields are left out.
    """
    result = job.results["answer"]
    if not result.each:
        content: object = _plain(result.answer)
    else:
        content = [
            {"item": item.label, "error": {"reason": item.failure.reason, "message": item.failure.message}}
            if item.failure
            else {"item": item.label, "answer": _plain(item.answer)}
            for item in result.items
        ]
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


@file_writer("transcript_text", Need("transcript", TRANSCRIPT))
def transcript_text(job: Job) -> bytes:
    """The transcript, one segment a line after its time, ``[01:23] …``, and its speaker where there is one."""
    lines = []
    for segment in job.results["transcript"].answer.segments:
        speaker = f"{segment.speaker_label}: " if segment.speaker_label else ""
        lines.append(f"[{clock(segment.start_offset.ToMilliseconds() / 1000)}] {speaker}{segment.text}\n")
    return "".join(lines).encode()


def clock(seconds: float) -> str:
    """``mm:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute:02}:{second:02}"


def _plain(answer: object) -> object:
    copy = type(answer)()
    copy.CopyFrom(answer)  # type: ignore[attr-defined]  # a message
    for field in copy.DESCRIPTOR.fields:  # type: ignore[attr-defined]
        if field.type == field.TYPE_BYTES:
            copy.ClearField(field.name)  # type: ignore[attr-defined]
    return MessageToDict(copy, preserving_proto_field_name=True)  # type: ignore[arg-type]
