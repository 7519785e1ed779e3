"""Engines that can be imported by the process that runs them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buhin.engine import LoadedModel, Resident, Stop
from buhin.errors import ModelMissingError, OutOfRangeError
from buhin.isolation.batches import batches

MODEL = LoadedModel("tiny", "sha256:" + "ab" * 32, "testing", "MIT", 12)


class Memory(Resident):
    """Remembers."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, number: int) -> int:
        """The sum so far."""
        self.total += number
        return self.total


class Crashing:
    """Does what it is told, also to end."""

    name = "crashing"
    version = "1"
    models = (MODEL,)

    def __init__(self) -> None:
        self.limits = {"a": (1, 2)}

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Nothing to free."""

    def process_id(self) -> int:
        """Of the process that it runs in."""
        return os.getpid()

    def double(self, samples: NDArray[np.float32], stop: Stop) -> NDArray[np.float32]:
        """Twice the samples."""
        batches.add(len(samples))
        return samples * 2

    def spell(self, text: str, stop: Stop) -> Iterator[str]:
        """Letter by letter; ``!`` is a fault."""
        for letter in text:
            stop.check()
            if letter == "!":
                raise OutOfRangeError(field="text", value=letter, minimum="a", maximum="z")
            yield letter

    def memory(self) -> Memory:
        """One that stays here."""
        return Memory()

    def wait(self, stop: Stop) -> None:
        """Until stopped."""
        while True:
            stop.check()
            time.sleep(0.002)

    def hang(self, stop: Stop) -> None:
        """Until the process ends."""
        while True:
            time.sleep(0.002)

    def refuse(self) -> None:
        """An error of the house."""
        raise OutOfRangeError(field="text", value=9, minimum=1, maximum=3)

    def fail(self) -> None:
        """An error of nobody."""
        raise ZeroDivisionError("the secret sauce")

    def give(self) -> Any:
        """What cannot be pickled."""
        return lambda: None

    def crash(self) -> None:
        """End as a segmentation fault does."""
        os.abort()


def missing() -> Crashing:
    """No engine, for a reason of the house."""
    raise ModelMissingError(model="tiny")


def broken() -> Crashing:
    """No engine."""
    raise ValueError("a library failed")


def ended() -> Crashing:
    """The end of the process."""
    os._exit(3)
