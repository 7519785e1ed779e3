"""Tokens with real keys: what is let in, and everything that is not."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from buhin.errors import BuhinError, ScopeMissingError, TokenExpiredError, TokenInvalidError, TokenMissingError
from buhin.serving.auth import keys
from buhin.serving.auth.policy import Issuer
from buhin.serving.auth.tokens import LEEWAY_S, MAX_CHARACTERS, Tokens
from tests.unit.serving.auth.issuing import (
    AUDIENCE,
    ISSUER,
    SUBJECT,
    bearer,
    ec_key,
    jwks,
    public_pem,
    rsa_key,
    token,
)

RSA, EC, OTHER = rsa_key(), ec_key(), rsa_key()


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    """Two keys of one issuer, in a file."""
    (tmp_path / "jwks.json").write_text(jwks(k1=RSA, e1=EC))
    issuer = Issuer(issuer=ISSUER, audience=AUDIENCE, jwks="jwks.json", scope="buhin.{function}")
    return Tokens([issuer], "translate", tmp_path)


def unsigned(**claims: Any) -> str:
    """A token with the algorithm none (RFC 7519, section 6)."""
    parts = [{"alg": "none", "typ": "JWT"}, {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "exp": 2**40, **claims}]
    written = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*written, ""])


def signed_with_the_public_key() -> str:
    """HS256 with the public key as the secret (CVE-2015-9235)."""
    import hashlib
    import hmac

    head = unsigned().split(".")[1]
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').rstrip(b"=").decode()
    mac = hmac.new(public_pem(RSA), f"{header}.{head}".encode(), hashlib.sha256).digest()
    return f"{header}.{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


SCOPE = {"scope": "other buhin.translate"}


@pytest.mark.parametrize(
    "written",
    [
        token(RSA, **SCOPE),
        token(EC, kid="e1", algorithm="ES256", **SCOPE),
        token(RSA, scp=["buhin.translate"]),
        token(RSA, nbf=None, **SCOPE),
        token(RSA, aud=["else", AUDIENCE], **SCOPE),
    ],
    ids=["RSA", "EC", "scp", "without nbf", "several audiences"],
)
async def test_a_right_token_tells_who_calls(tokens: Tokens, written: str) -> None:
    claims = await tokens.verify((("x", "y"), *bearer(written)))
    assert (claims.issuer, claims.subject) == (ISSUER, SUBJECT)


@pytest.mark.parametrize(
    ("metadata", "error", "problem"),
    [
        ((), TokenMissingError, ""),
        ((("authorization", "Basic abc"),), TokenMissingError, ""),
        ((("authorization", "Bearer "),), TokenMissingError, ""),
        (bearer("not.a.token"), TokenInvalidError, "no token"),
        (bearer("e30.e30.e30"), TokenInvalidError, "issuer"),
        (bearer("x" * (MAX_CHARACTERS + 1)), TokenInvalidError, "longer"),
        (bearer(token(RSA, exp=1_000_000_000, **SCOPE)), TokenExpiredError, ""),
        (bearer(token(RSA, nbf=2**40, **SCOPE)), TokenInvalidError, "not valid yet"),
        (bearer(token(RSA, aud="else", **SCOPE)), TokenInvalidError, "another audience"),
        (bearer(token(RSA, aud=None, **SCOPE)), TokenInvalidError, ""),
        (bearer(token(RSA, iss="https://evil.example", **SCOPE)), TokenInvalidError, "issuer"),
        (bearer(token(RSA, iss=None, **SCOPE)), TokenInvalidError, "issuer"),
        (bearer(unsigned(iss=[ISSUER])), TokenInvalidError, "issuer"),
        (bearer(token(RSA, kid="k9", **SCOPE)), TokenInvalidError, "key is not known"),
        (bearer(token(RSA, kid=None, **SCOPE)), TokenInvalidError, "key is not known"),
        (bearer(token(OTHER, **SCOPE)), TokenInvalidError, "signature"),
        (bearer(token(RSA, exp=None, **SCOPE)), TokenInvalidError, "lacks"),
        (bearer(token(RSA, sub=None, **SCOPE)), TokenInvalidError, "lacks"),
        (bearer(token(EC, kid="k1", algorithm="ES256", **SCOPE)), TokenInvalidError, ""),
        (bearer(token(RSA, algorithm="RS512", **SCOPE)), TokenInvalidError, "algorithm"),
        (bearer(unsigned(**SCOPE)), TokenInvalidError, "algorithm"),
        (bearer(signed_with_the_public_key()), TokenInvalidError, "algorithm"),
        (bearer(token(RSA)), ScopeMissingError, ""),
        (bearer(token(RSA, scope="buhin.speech")), ScopeMissingError, ""),
    ],
)
async def test_everything_else_is_refused(
    tokens: Tokens, metadata: tuple[tuple[str, str], ...], error: type[BuhinError], problem: str
) -> None:
    with pytest.raises(error, match=problem or None) as caught:
        await tokens.verify(metadata)
    assert type(caught.value) is error
    assert "jwks" not in caught.value.message


async def test_clocks_may_differ_by_the_leeway(tokens: Tokens) -> None:
    import time

    almost = int(time.time()) - LEEWAY_S + 10
    assert await tokens.verify(bearer(token(RSA, exp=almost, **SCOPE)))


async def test_new_keys_of_a_file_are_known_at_once_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(jwks(k1=RSA))
    found = keys.Keys("jwks.json", tmp_path)
    assert await found.key("k1")
    path.write_text(jwks(k2=OTHER) + " ")
    assert await found.key("k2")
    assert await found.key("k1") is None
    path.write_text("{")
    assert await found.key("k2")
    path.unlink()
    assert await found.key("k2")


class Publisher:
    """Publishes keys on a URL, counts who asks."""

    def __init__(self, content: str) -> None:
        self.content = content
        self.status = 200
        self.asked = 0
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                self.send_response(publisher.status)
                self.end_headers()
                self.wfile.write(publisher.content.encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """With one key."""
    found = Publisher(jwks(k1=RSA))
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


async def test_keys_of_a_url_are_kept_and_asked_for_again_with_measure(publisher: Publisher, tmp_path: Path) -> None:
    now = [0.0]
    found = keys.Keys(publisher.url, tmp_path, clock=lambda: now[0])
    assert all([await found.key("k1") for _ in range(5)])
    assert publisher.asked == 1
    publisher.content = jwks(k1=RSA, k2=OTHER)
    assert await found.key("k2") is None, "asked again too soon"
    now[0] = keys.LEAST_S + 1
    assert await found.key("k2")
    assert [await found.key("nobody's") for _ in range(5)] == [None] * 5
    assert publisher.asked == 2
    publisher.status = 500
    now[0] += keys.LIFETIME_S + 1
    assert await found.key("k1"), "old keys stay valid"
    assert publisher.asked == 3
    publisher.status = 200
    for asked, publisher.content in enumerate(("[]", "null", "{}", "no JSON"), start=4):
        now[0] += keys.LIFETIME_S + 1
        assert await found.key("k1"), publisher.content
        assert publisher.asked == asked


async def test_what_is_published_is_bounded(publisher: Publisher, tmp_path: Path) -> None:
    publisher.content = jwks(k1=RSA) + " " * keys.MAX_BYTES
    assert await keys.Keys(publisher.url, tmp_path).key("k1") is None
