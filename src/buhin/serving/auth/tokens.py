"""JSON Web Tokens (RFC 7519), as a caller sends them in ``authorization: Bearer …`` (RFC 6750)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from buhin.errors import ScopeMissingError, TokenExpiredError, TokenInvalidError, TokenMissingError
from buhin.serving.auth.keys import Keys
from buhin.serving.auth.policy import Issuer

LEEWAY_S = 30
"""By how much the clocks of issuer and service may differ."""
MAX_CHARACTERS = 8_192

_PROBLEMS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ImmatureSignatureError, "it is not valid yet"),
    (jwt.InvalidAudienceError, "it is for another audience"),
    (jwt.InvalidIssuerError, "its issuer is not trusted"),
    (jwt.InvalidSignatureError, "its signature is wrong"),
    (jwt.InvalidAlgorithmError, "its algorithm is not accepted"),
    (jwt.MissingRequiredClaimError, "it lacks exp or sub"),
)


@dataclass(frozen=True)
class Claims:
    """Who a token speaks for."""

    issuer: str
    subject: str


class Tokens:
    """Verifies tokens for a service."""

    def __init__(
        self,
        issuers: Sequence[Issuer],
        function: str,
        folder: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuers = {issuer.issuer: (issuer, Keys(issuer.jwks, folder, clock=clock)) for issuer in issuers}
        self._function = function

    async def verify(self, metadata: Iterable[tuple[str, str | bytes]]) -> Claims:
        """Raises TokenMissingError, TokenExpiredError, TokenInvalidError or ScopeMissingError."""
        token = _bearer(metadata)
        try:
            header = jwt.get_unverified_header(token)
            named = jwt.decode(token, options={"verify_signature": False})["iss"]
            issuer, keys = self._issuers[named]
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError) as error:
            is_known = isinstance(error, jwt.PyJWTError)
            raise TokenInvalidError(problem="it is no token" if is_known else "its issuer is not trusted") from None
        if header.get("alg") not in issuer.algorithms:
            raise TokenInvalidError(problem="its algorithm is not accepted")
        key = await keys.key(str(header.get("kid") or ""))
        if key is None:
            raise TokenInvalidError(problem="its key is not known")
        claims = _decoded(token, key, issuer)
        self._check_scope(claims, issuer)
        return Claims(issuer.issuer, claims["sub"])

    def _check_scope(self, claims: dict[str, Any], issuer: Issuer) -> None:
        wanted = issuer.scope.replace("{function}", self._function)
        given = claims.get("scope") or claims.get("scp") or ""
        if wanted and wanted not in (given.split() if isinstance(given, str) else given):
            raise ScopeMissingError(scope=wanted)


def _decoded(token: str, key: jwt.PyJWK, issuer: Issuer) -> dict[str, Any]:
    try:
        return dict(
            jwt.decode(
                token,
                key,
                algorithms=list(issuer.algorithms),
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "sub"]},
            )
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpiredError from None
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        problem = next((text for kind, text in _PROBLEMS if isinstance(error, kind)), "it cannot be verified")
        raise TokenInvalidError(problem=problem) from None


def _bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    given = next((value for key, value in metadata if key == "authorization"), "")
    scheme, _, token = (given if isinstance(given, str) else "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenMissingError
    if len(token) > MAX_CHARACTERS:
        raise TokenInvalidError(problem=f"it is longer than {MAX_CHARACTERS} characters")
    return token.strip()
