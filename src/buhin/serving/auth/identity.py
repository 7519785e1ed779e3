"""Callers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """A caller of the policy. ``group`` is its class in metrics; ``batch_only`` says that it may not ask for more."""

    name: str
    group: str = "caller"
    batch_only: bool = False


ANONYMOUS = Caller("anonymous", "anonymous")
"""Everyone, where there is no policy."""
