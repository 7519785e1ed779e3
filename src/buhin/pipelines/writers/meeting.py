"""The minutes of a meeting as one HTML page, both languages side by side."""

from __future__ import annotations

from buhin.pipelines.results import Job
from buhin.pipelines.writers.base import file_writer
from buhin.pipelines.writers.minutes import NEEDS, read
from buhin.pipelines.writers.pages import render
from buhin.pipelines.writers.plain import clock


@file_writer("meeting_page", *NEEDS)
def meeting_page(job: Job) -> bytes:
    """The minutes with their translation, the statements behind each sentence, what to check, and the transcript."""
    transcript = job.results["transcript"].answer
    minutes = read(job)
    return render(
        "meeting.html.j2",
        job,
        minutes=minutes,
        translated="translation" in job.results,
        language=transcript.language_code,
        duration=clock(transcript.audio_duration.ToMilliseconds() / 1000),
        segments=[
            {
                "time": clock(segment.start_offset.ToMilliseconds() / 1000),
                "speaker": segment.speaker_label,
                "text": segment.text,
                "reasons": minutes.unclear.get(number, ()),
            }
            for number, segment in enumerate(transcript.segments)
        ],
    )
