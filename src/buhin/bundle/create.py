"""Making a bundle."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from buhin.bundle import archive, signing
from buhin.bundle.contents import Inputs, gather
from buhin.bundle.manifest import BundleManifest
from buhin.errors import BundleInputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class Created:
    """A bundle that was made."""

    path: Path
    manifest: BundleManifest
    digest: str

    @property
    def counts(self) -> dict[str, int]:
        """Members of each kind."""
        return dict(Counter(member.kind for member in self.manifest.members))


def create(
    target: Path, inputs: Inputs, key: Ed25519PrivateKey, created: datetime, progress: archive.Progress
) -> Created:
    """Make a bundle, all or nothing; the same inputs, key and time give the same bytes.

    Raises BundleInputError, ModelMissingError or OSError.
    """
    try:
        pieces = gather(inputs)
        manifest = BundleManifest(
            version=inputs.version,
            created=created,
            key=signing.fingerprint(key.public_key()),
            services=list(inputs.services),
            without=sorted(inputs.without),
            members=[piece.member for piece in pieces],
        )
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]["msg"]
        raise BundleInputError(problem=problem, problem_ja=problem) from error
    archive.write(target, manifest, pieces, key, progress)
    with archive.Archive(target) as written:
        return Created(target, manifest, written.digest)
