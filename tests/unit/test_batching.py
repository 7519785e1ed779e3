"""Pieces of several callers done together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from buhin.batching import Together
from buhin.engine import Stop
from buhin.errors import CancelledError
from buhin.isolation.batches import Busy, batches


def test_pieces_of_several_callers_share_a_batch_and_each_gets_its_own_answers() -> None:
    begun = threading.Barrier(4)
    sizes: list[int] = []

    def square(numbers: Sequence[int]) -> list[int]:
        sizes.append(len(numbers))
        return [number**2 for number in numbers]

    together = Together(square, size=8, window_s=5.0)
    batches.taken()

    def caller(number: int) -> list[int]:
        begun.wait(10)
        return together.do([number, number + 10], Stop())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(caller, range(4))) == [[n**2, (n + 10) ** 2] for n in range(4)]
    assert sizes == [8] == batches.taken()


def test_alone_a_caller_with_a_full_batch_waits_for_nobody_and_more_make_more_batches() -> None:
    sizes: list[int] = []

    def same(pieces: Sequence[str]) -> Sequence[str]:
        sizes.append(len(pieces))
        return pieces

    assert Together(same, size=2, window_s=60.0).do(["a", "b"], Stop()) == ["a", "b"]
    assert Together(same, size=2, window_s=0.0).do(["a", "b", "c"], Stop()) == ["a", "b", "c"]
    assert sizes == [2, 2, 1]


def test_pieces_of_another_kind_are_not_mixed() -> None:
    mixed: list[set[int]] = []

    def check(pieces: Sequence[str]) -> Sequence[str]:
        mixed.append({len(piece) for piece in pieces})
        return pieces

    together = Together(check, size=8, window_s=0.0, kind=len)
    assert together.do(["a", "bb", "c", "dd"], Stop()) == ["a", "bb", "c", "dd"]
    assert all(len(kinds) == 1 for kinds in mixed)


def test_what_fails_fails_for_those_of_the_batch_and_the_next_is_done() -> None:
    def picky(pieces: Sequence[int]) -> Sequence[int]:
        if 0 in pieces:
            raise ZeroDivisionError
        return pieces

    together = Together(picky, size=2, window_s=0.0)
    with pytest.raises(ZeroDivisionError):
        together.do([0, 1], Stop())
    assert together.do([1], Stop()) == [1]


def test_who_was_stopped_has_nothing_done() -> None:
    done: list[int] = []

    def note(pieces: Sequence[int]) -> Sequence[int]:
        done.extend(pieces)
        return pieces

    stop = Stop()
    stop.set()
    with pytest.raises(CancelledError):
        Together(note, size=2, window_s=0.0).do([1], stop)
    assert done == []


def test_requests_at_the_same_time_are_counted() -> None:
    busy = Busy()
    batches.taken()
    with busy, busy:
        pass
    with busy:
        pass
    assert batches.taken() == [1, 2, 1]
