"""A flight: photographs as they come, findings as they are ready, and what all of them say together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from buhin.config import ImageSettings
from buhin.errors import BuhinError, InputTooLargeError, InvalidValueError, MissingFieldError
from buhin.image_inspect.v1 import image_inspect_pb2
from buhin.serving.worker import Stream, retrieve
from buhin.status import encode
from services.image_inspect import answers, photo
from services.image_inspect.duplicates import Duplicates
from services.image_inspect.engine import InspectEngine
from services.image_inspect.inspection import Options, inspect

MAX_ID = 128
MAX_PHOTOS = 5_000
"""Of one flight; about 55 kB are kept of each to tell which show the same place."""


@dataclass(frozen=True)
class _Counted:
    cracks: int
    length_px: float
    length_mm: float | None


class Flight:
    """The photographs of one stream. At most ``settings.concurrency`` are held and inspected at a time; none is read
    before there is room for it.
    """

    def __init__(self, stream: Stream[InspectEngine], options: Options, settings: ImageSettings) -> None:
        self._stream = stream
        self._options = options
        self._settings = settings
        self._seen: set[str] = set()
        self._counted: dict[str, _Counted] = {}
        self._duplicates = Duplicates()
        self._lock = threading.Lock()
        self._received = self._completed = 0

    async def answers(
        self, photos: AsyncIterator[image_inspect_pb2.Photo]
    ) -> AsyncGenerator[image_inspect_pb2.StreamInspectResponse, None]:
        """A response a photograph, in order of completion, then the summary."""
        working: set[asyncio.Task[Any]] = set()
        coming: asyncio.Task[Any] | None = None
        ended = False
        try:
            while working or not ended:
                if coming is None and not ended and len(working) < self._settings.concurrency:
                    coming = asyncio.ensure_future(anext(photos, None))
                waiting = working | ({coming} if coming else set())
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if coming in done:
                    arrived = coming.result()
                    coming, ended = None, arrived is None
                    if arrived is not None:
                        self._received += 1
                        working.add(task := asyncio.ensure_future(self._answer(arrived)))
                        task.add_done_callback(retrieve)
                for task in done & working:
                    working.discard(task)
                    self._completed += 1
                    yield self._counts(task.result())
        finally:
            for task in working | ({coming} if coming else set()):
                task.cancel()
        summary = await self._stream.run(lambda engine, stop: self._summary())
        yield self._counts(image_inspect_pb2.StreamInspectResponse(flight_summary=summary))

    def _counts(self, response: image_inspect_pb2.StreamInspectResponse) -> image_inspect_pb2.StreamInspectResponse:
        response.received_count, response.completed_count = self._received, self._completed
        return response

    async def _answer(self, arrived: image_inspect_pb2.Photo) -> image_inspect_pb2.StreamInspectResponse:
        """The findings, or the error of this photograph alone."""
        try:
            self._check(arrived.photo_id)
            header = photo.check(arrived.image, self._settings, "photo.image")
            result = await self._stream.run(lambda engine, stop: self._inspect(engine, arrived.photo_id, header, stop))
        except BuhinError as error:
            return image_inspect_pb2.StreamInspectResponse(photo_id=arrived.photo_id, error=encode(error))
        return image_inspect_pb2.StreamInspectResponse(photo_id=arrived.photo_id, result=result)

    def _check(self, photo_id: str) -> None:
        if not photo_id:
            raise MissingFieldError(field="photo.photo_id")
        if len(photo_id) > MAX_ID:
            raise InputTooLargeError(field="photo.photo_id", size=len(photo_id), unit="characters", limit=MAX_ID)
        if len(self._seen) >= MAX_PHOTOS:
            raise InputTooLargeError(field="photo", size=len(self._seen) + 1, unit="photographs", limit=MAX_PHOTOS)
        if photo_id in self._seen:
            raise InvalidValueError(field="photo.photo_id", value=photo_id, accepted="an identifier not sent before")
        self._seen.add(photo_id)

    def _inspect(
        self, engine: InspectEngine, photo_id: str, header: photo.Header, stop: Any
    ) -> image_inspect_pb2.InspectResponse:
        found = inspect(engine, header, self._options, stop)
        response = answers.inspection(found, self._options)
        summary = response.summary
        with self._lock:
            self._duplicates.add(photo_id, found.photo)
            self._counted[photo_id] = _Counted(
                summary.crack_count, summary.total_length_px, summary.total_length_mm if found.scale else None
            )
        return response

    def _summary(self) -> image_inspect_pb2.FlightSummary:
        groups = self._duplicates.groups()
        repeated = {photo_id for group in groups for photo_id in group.photo_ids[1:]}
        distinct = [counted for photo_id, counted in self._counted.items() if photo_id not in repeated]
        lengths_mm = [counted.length_mm for counted in distinct if counted.length_mm is not None]
        return image_inspect_pb2.FlightSummary(
            inspected_count=len(self._counted),
            failed_count=self._received - len(self._counted),
            groups=[image_inspect_pb2.PhotoGroup(photo_ids=g.photo_ids, overlap=g.overlap) for g in groups],
            distinct_crack_count=sum(counted.cracks for counted in distinct),
            distinct_length_px=sum(counted.length_px for counted in distinct),
            distinct_length_mm=sum(lengths_mm) if distinct and len(lengths_mm) == len(distinct) else None,
        )
