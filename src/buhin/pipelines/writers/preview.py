"""A small preview of a photograph."""

from __future__ import annotations

import base64
import io
import warnings


def preview(image: bytes, *, side_px: int, max_bytes: int) -> str:
    """The photograph, upright and no larger than ``side_px`` on a side, as the data URI of a WebP image.

    It is made smaller until it takes at most ``max_bytes``, down to a side of about 160 pixels. Raises OSError where
    it cannot be read.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the service has checked its size
        with Image.open(io.BytesIO(image)) as opened:
            opened.draft("RGB", (side_px, side_px))
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    while True:
        upright.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        encoded = io.BytesIO()
        upright.save(encoded, "WEBP", quality=74, method=4)
        if encoded.tell() <= max_bytes or side_px <= 160:
            return f"data:image/webp;base64,{base64.b64encode(encoded.getvalue()).decode()}"
        side_px = side_px * 4 // 5
