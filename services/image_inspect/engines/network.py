"""Cracks by the trained segmentation network (training/crack), run by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

import cv2
import numpy as np
import onnxruntime

from buhin.batching import Together
from buhin.engine import Stop
from buhin.errors import UnusableModelError
from buhin.models.store import Model
from services.image_inspect.certain import certain
from services.image_inspect.engine import ROLE, Detection, Photo, Scores
from services.image_inspect.tiling import Tile, tiles

T = TypeVar("T")

TILE_PX, OVERLAP_PX = 768, 64
HALF_SHARE = 0.3
"""What a copy half as large says counts by so much where it is surer: in it smooth and wide cracks look like others."""
_WIDE_PX = 5
"""In a copy a quarter as large what is found counts from this width, in pixels of the copy: it is too wide for the
others.
"""


class NetworkEngine:
    """An InspectEngine by an ONNX model, of which the metadata say ``threshold`` and ``sure`` (0 to 1; see certain.py)
    and ``stride`` (pixels).

    The model maps photographs (n, height, width, 3) to probabilities (n, height, width), both in 8 bits. Raises
    UnusableModelError for one that does not. Tiles of all callers share batches of ``batch_size``; a batch that is not
    full waits ``window_s`` for others.
    """

    name = "crack-network"
    version = onnxruntime.__version__

    def __init__(self, model: Model, *, threads: int = 0, batch_size: int = 2, window_s: float = 0.0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(model.main, options, providers=["CPUExecutionProvider"])
            said = self._session.get_modelmeta().custom_metadata_map
            self._threshold, self._sure = 255 * float(said["threshold"]), 255 * float(said["sure"])
            self._stride = int(said["stride"])
            (self._input,) = (each.name for each in self._session.get_inputs())
        except Exception as error:
            raise UnusableModelError(engine=self.name, model=model.id, problem=str(error)) from error
        self._batch_size = batch_size
        self._together: Together[Photo, Scores] = Together(
            self._answers, size=batch_size, window_s=window_s, kind=lambda picture: picture.shape
        )
        self.models = (model.loaded(ROLE),)

    def warm_up(self) -> None:
        """Find a drawn crack."""
        rng = np.random.default_rng(0)
        photo = np.repeat(rng.normal(165, 4, (256, 256, 1)), 3, axis=2).astype(np.uint8)
        line = np.stack([np.arange(0, 257, 4), 128 + np.cumsum(rng.normal(0, 2.2, 65))], axis=1)
        cv2.polylines(photo, [np.round(line).astype(np.int32)], False, (60, 58, 55), 4)
        if not self.detect(photo, Stop()).mask.any():
            raise RuntimeError("the network does not find a drawn crack")

    def close(self) -> None:
        """Nothing to free beyond the object."""

    def detect(self, photo: Photo, stop: Stop) -> Detection:
        """Tile by tile, looking at ``stop`` before every batch."""
        scores = self.scores(photo, stop)
        return Detection(certain(scores, self._threshold, self._sure), scores, self._threshold)

    def scores(self, photo: Photo, stop: Stop) -> Scores:
        """The probability of a crack in every pixel times 255, of the photograph and of smaller copies together."""
        half, quarter = self._of_copy(photo, 2, stop), self._of_copy(photo, 4, stop)
        wide = None if quarter is None else self._wide(quarter)
        scores = np.zeros(photo.shape[:2], np.uint8)
        for tile, found in self._run(photo, stop):
            if half is not None:
                surer = cv2.addWeighted(found, 1 - HALF_SHARE, _part(half, tile, photo), HALF_SHARE, 0)
                found = np.maximum(found, np.asarray(surer, np.uint8))
            if wide is not None:
                found = np.maximum(found, _part(wide, tile, photo))
            tile.blend(scores, found)
        return scores

    def _run(self, photo: Photo, stop: Stop) -> Iterator[tuple[Tile, Scores]]:
        """Each tile with its probabilities times 255."""
        every = tiles(*photo.shape[:2], side=TILE_PX, overlap=OVERLAP_PX, stride=self._stride)
        for batch in _batches(every, self._batch_size):
            yield from zip(batch, self._together.do([tile.of(photo) for tile in batch], stop), strict=True)

    def _answers(self, pictures: Sequence[Photo]) -> Sequence[Scores]:
        """What the network says of pictures of one size, whoever's they are."""
        (found,) = self._session.run(None, {self._input: np.stack(pictures)})
        return list(found)

    def _of_copy(self, photo: Photo, times: int, stop: Stop) -> Scores | None:
        """What is found in a copy so many times smaller; None where that is smaller than the network sees."""
        size = [round(length / times) for length in photo.shape[1::-1]]
        if min(size) < 2 * self._stride:
            return None
        small = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
        scores = np.zeros(small.shape[:2], np.uint8)
        for tile, found in self._run(small, stop):
            tile.blend(scores, found)
        return scores

    def _wide(self, scores: Scores) -> Scores:
        """What is wide of it."""
        mask = (scores >= self._threshold).astype(np.uint8)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_WIDE_PX, _WIDE_PX))
        return np.asarray(scores * cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), np.uint8)


def _part(coarse: Scores, tile: Tile, photo: Photo) -> Scores:
    """The part of the smaller photograph's answer that a tile shows, as large as the tile."""
    fy, fx = (small / large for small, large in zip(coarse.shape, photo.shape[:2], strict=True))
    matrix = np.array([[fx, 0, (tile.left + 0.5) * fx - 0.5], [0, fy, (tile.top + 0.5) * fy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(coarse, matrix, (tile.width, tile.height), flags=flags), np.uint8)


def _batches(items: Iterator[T], size: int) -> Iterator[Sequence[T]]:
    while batch := list(islice(items, size)):
        yield batch
