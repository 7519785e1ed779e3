"""How much a caller may use: token buckets a minute and a day, refilled all the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from buhin.errors import QuotaExceededError
from buhin.serving.auth.policy import Rule

_PERIODS = {"minute": 60.0, "day": 86_400.0}


_Key: TypeAlias = "tuple[str, str, tuple[str, ...], str, str]"


@dataclass
class _Bucket:
    used: float
    at: float

    def used_by(self, now: float, limit: float, period_s: float) -> float:
        """What is used of it now: it is refilled at the rate of the limit."""
        return max(0.0, min(self.used, limit) - (now - self.at) * limit / period_s)


class Quotas:
    """What callers used. They are counted for this process: with several replicas each has quotas of its own."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[_Key, _Bucket] = {}

    def charge(self, caller: str, rule: Rule, *, requests: int, units: float) -> None:
        """Charge all quotas of the rule, or none. Raises QuotaExceededError, without a time to retry where the request
        is larger than the whole quota.
        """
        now = self._clock()
        charged: list[tuple[_Key, float]] = []
        for unit, period, limit in _limits(rule):
            amount = requests if unit == "requests" else units
            key, period_s = _key(caller, rule, unit, period), _PERIODS[period]
            used = self._used(key, limit)
            if used + amount > limit:
                wait_s = (used + amount - limit) / limit * period_s
                retry_s = None if amount > limit else round(max(0.1, wait_s), 1)
                raise QuotaExceededError(limit=f"{limit:g}", unit=unit, period=period, retry_after_s=retry_s)
            charged.append((key, used + amount))
        for key, used in charged:
            self._buckets[key] = _Bucket(used, now)

    def correct(self, caller: str, rule: Rule, units: float) -> None:
        """Charge units of work that was done, or with less than 0 give back those of work that was not; whatever the
        limits.
        """
        for unit, period, limit in _limits(rule):
            if unit == "units":
                key = _key(caller, rule, unit, period)
                self._buckets[key] = _Bucket(max(0.0, self._used(key, limit) + units), self._clock())

    def _used(self, key: _Key, limit: float) -> float:
        bucket = self._buckets.get(key)
        return bucket.used_by(self._clock(), limit, _PERIODS[key[-1]]) if bucket else 0.0

    def keep(self, callers: set[str]) -> None:
        """Forget all others."""
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key[0] in callers}


def _key(caller: str, rule: Rule, unit: str, period: str) -> _Key:
    """A rule is known by what it allows, so that a changed limit keeps what was used."""
    return caller, rule.service, rule.methods, unit, period


def _limits(rule: Rule) -> Iterator[tuple[str, str, float]]:
    for unit in ("requests", "units"):
        for period in _PERIODS:
            limit = getattr(rule, f"{unit}_per_{period}")
            if limit is not None:
                yield unit, period, limit
