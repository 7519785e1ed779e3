"""A recording that comes in portions, in a private temporary file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile

from buhin.errors import EmptyInputError, InputTooLargeError


@asynccontextmanager
async def uploaded(portions: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[mmap]:
    """All of it, to be read. The file has no name and is gone afterwards, whatever happens.

    Raises EmptyInputError, InputTooLargeError, and what ``portions`` raises.
    """
    size = 0
    with TemporaryFile() as file:
        async for portion in portions:
            size += len(portion)
            if size > max_bytes:
                raise InputTooLargeError(field="audio", size=size, unit="bytes", limit=max_bytes)
            await asyncio.to_thread(file.write, portion)
        if not size:
            raise EmptyInputError(field="audio")
        file.flush()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            yield data
