"""The inspection service against decoding and onnxruntime in this process, with the settings of the service."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from bench.measure import Row, compare, seconds, service
from buhin.client import ImageInspectClient
from buhin.config import ImageSettings
from buhin.engine import Stop
from buhin.models.store import ModelStore
from services.image_inspect import photo
from services.image_inspect.engines.network import NetworkEngine

SAMPLES = Path(__file__).parents[1] / "samples" / "concrete"
CRACKED, PLAIN = SAMPLES / "wall_05_crack.jpg", SAMPLES / "wall_01_plain.jpg"
CALLERS = 8


def wall(sample: Path, times: int) -> bytes:
    """A sample wall, put together so many times across and down, as JPEG."""
    with Image.open(sample) as image:
        pixels = np.tile(np.asarray(image.convert("RGB")), (times, times, 1))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def rows() -> Iterator[Row]:
    """12 megapixels for one caller, small ones for eight, and 48 megapixels."""
    settings = ImageSettings()
    model = ModelStore.from_settings(settings).open(settings.image_model)
    engine = NetworkEngine(model, threads=settings.threads, batch_size=settings.image_batch_size)

    def bare(data: bytes) -> None:
        pixels, _ = photo.decode(photo.check(data, settings))
        engine.detect(pixels, Stop())

    with service("image_inspect") as address, ImageInspectClient(address) as client:
        small, medium, large = wall(CRACKED, 1), wall(CRACKED, 4), wall(CRACKED, 8)
        plain = wall(PLAIN, 4)

        def ours(data: bytes) -> None:
            client.inspect(data)

        with ThreadPoolExecutor(CALLERS) as pool:
            yield compare(
                "inspection, 12 megapixels without a crack, one caller",
                ("service", seconds(lambda: ours(plain))),
                ("decoding and onnxruntime", seconds(lambda: bare(plain))),
                "s",
                at_most=1.1,
                note="the service also judges light, blur and shadow",
            )
            yield compare(
                "inspection, 12 megapixels with 16 cracks, one caller",
                ("service", seconds(lambda: ours(medium))),
                ("decoding and onnxruntime", seconds(lambda: bare(medium))),
                "s",
                at_most=1.1,
                note="the service also measures what is found: skeletons, widths at every pixel of them, outlines",
            )
            yield compare(
                f"inspection, {CALLERS} callers at once against one",
                ("photographs a second, eight callers", _rate(lambda: list(pool.map(ours, [small] * 2 * CALLERS)))),
                ("photographs a second, one caller", _rate(lambda: list(map(ours, [small] * 2 * CALLERS)))),
                "1/s",
            )
        yield compare(
            "inspection, 48 megapixels",
            ("service", seconds(lambda: ours(large))),
            ("decoding and onnxruntime", seconds(lambda: bare(large))),
            "s",
            runs=5,
            note="a crack in each of 64 walls is measured, which the library does not do",
        )


def _rate(work: Callable[[], object]) -> Callable[[], float]:
    return lambda: 2 * CALLERS / seconds(work)()
