"""Where the files of the project are, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def checkout() -> Path | None:
    """The root of the checkout that this package runs from; None when it runs from an installed wheel."""
    root = _PACKAGE.parent.parent
    return root if (root / "services").is_dir() and (root / "protos").is_dir() else None


def data(name: str) -> Path:
    """A data file of the project, for example ``models/manifest.yaml``: of the checkout, else the wheel's copy."""
    return (checkout() or _PACKAGE / "_data") / name
