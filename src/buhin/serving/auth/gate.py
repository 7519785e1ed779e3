"""Lets callers in, or not, by the policy as it stands in its file now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from buhin.errors import NotAllowedError, UnknownCallerError
from buhin.serving.auth.identity import ANONYMOUS, Caller
from buhin.serving.auth.policy import Policy, PolicyError
from buhin.serving.auth.quota import Quotas
from buhin.serving.auth.tokens import Tokens

_LOOK_S = 1.0
"""How often the file is looked at."""

_log = structlog.get_logger("buhin.auth")


class Gate:
    """The gate of a service. Without a policy everyone is let in, as ``anonymous``.

    A policy that was changed is used a second later; one that cannot be used is told in the log, and the old one stays.
    Raises PolicyError where the first one cannot be used.
    """

    def __init__(self, path: Path | None, function: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._function = function
        self._clock = clock
        self._quotas = Quotas(clock=clock)
        self._looked = clock()
        self._stamp: tuple[int, ...] | None = None
        self._policy, self._tokens = Policy(), Tokens((), function, Path())
        if path is not None:
            self._stamp = _stamp(path)
            self._use(Policy.load(path), path)

    @property
    def is_open(self) -> bool:
        """Whether everyone is let in."""
        return self._path is None

    async def identify(self, metadata: Iterable[tuple[str, str | bytes]], certificate_names: tuple[str, ...]) -> Caller:
        """Who calls: by the certificate where the policy knows it, else by the token.

        Raises UnauthenticatedError's kinds, ScopeMissingError or UnknownCallerError.
        """
        if self._path is None:
            return ANONYMOUS
        self._look(self._path)
        caller = self._policy.of_certificate(certificate_names)
        if caller is not None:
            return caller
        claims = await self._tokens.verify(metadata)
        caller = self._policy.of_token(claims.issuer, claims.subject)
        if caller is None:
            raise UnknownCallerError(caller=claims.subject)
        return caller

    def authorize(self, caller: Caller, method: str) -> None:
        """Raises NotAllowedError. ``method`` is a path, ``/package.Service/Method``."""
        if self._path is not None and self._policy.rule(caller.name, self._function, _name(method)) is None:
            raise NotAllowedError(caller=caller.name, method=method.removeprefix("/"))

    def charge(self, caller: Caller, method: str, units: float, *, requests: int) -> None:
        """Raises QuotaExceededError, and NotAllowedError where the policy changed meanwhile."""
        if self._path is None:
            return
        rule = self._policy.rule(caller.name, self._function, _name(method))
        if rule is None:
            raise NotAllowedError(caller=caller.name, method=method.removeprefix("/"))
        self._quotas.charge(caller.name, rule, requests=requests, units=units)

    def correct(self, caller: Caller, method: str, units: float) -> None:
        """Charge work that was more than it seemed or, with less than 0, give back what was not done."""
        rule = self._policy.rule(caller.name, self._function, _name(method))
        if rule is not None:
            self._quotas.correct(caller.name, rule, units)

    def _look(self, path: Path) -> None:
        now = self._clock()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        stamp = _stamp(path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._use(Policy.load(path), path)
        except PolicyError as error:
            _log.error("policy_rejected", problem=str(error))
        else:
            _log.info("policy_reloaded", callers=len(self._policy.callers))

    def _use(self, policy: Policy, path: Path) -> None:
        if policy.issuers != self._policy.issuers:
            self._tokens = Tokens(policy.issuers, self._function, path.parent, clock=self._clock)
        self._policy = policy
        self._quotas.keep({entry.name for entry in policy.callers})


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Changes with the file, also where a link to it is swapped."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _name(method: str) -> str:
    return method.rpartition("/")[2]
