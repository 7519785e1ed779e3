"""The writers that a pipeline may name."""

from __future__ import annotations

from buhin.pipelines.writers import crack_page, cracks, meeting, minutes, plain
from buhin.pipelines.writers.base import Need, Writer

WRITERS: dict[str, Writer] = {
    writer.name: writer
    for writer in (
        plain.response_json,
        plain.transcript_text,
        minutes.minutes_markdown,
        meeting.meeting_page,
        cracks.crack_table,
        cracks.crack_geojson,
        cracks.crack_overlays,
        crack_page.crack_report,
    )
}
"""All writers by name."""

__all__ = ["WRITERS", "Need", "Writer"]
