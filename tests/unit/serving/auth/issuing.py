"""An issuer of tokens and certificates, for tests."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ISSUER, AUDIENCE, SUBJECT = "https://id.example", "buhin", "svc-construction"
_NOW = datetime.datetime.now(datetime.UTC)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key() -> rsa.RSAPrivateKey:
    """A new key."""
    return rsa.generate_private_key(65_537, 2_048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new key."""
    return ec.generate_private_key(ec.SECP256R1())


def jwks(**keys: Key) -> str:
    """The public keys by their ids, as an issuer publishes them."""
    published = []
    for kid, key in keys.items():
        algorithm: Any = (
            jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        )
        published.append(algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"})
    return json.dumps({"keys": published})


def token(key: Any, *, kid: str | None = "k1", algorithm: str = "RS256", **changed: Any) -> str:
    """A token that is right but for what is changed; None takes a claim away."""
    seconds = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "exp": seconds + 3_600, "nbf": seconds - 60,
    } | changed  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def bearer(written: str) -> tuple[tuple[str, str], ...]:
    """The metadata that carries it."""
    return (("authorization", f"Bearer {written}"),)


def public_pem(key: Key) -> bytes:
    """What an attacker knows of a key."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Authority:
    """Signs certificates."""

    def __init__(self) -> None:
        self._key = ec_key()
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        self.certificate = self._sign(self._name, self._key.public_key(), [x509.BasicConstraints(True, 0)])

    @property
    def pem(self) -> bytes:
        """The certificate of the authority."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(self, folder: Path, name: str, *, stem: str = "") -> tuple[Path, Path]:
        """Write a certificate for a name, and its key."""
        key = ec_key()
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        alternative = x509.SubjectAlternativeName([x509.DNSName(name), x509.DNSName("localhost")])
        made = self._sign(subject, key.public_key(), [alternative])
        certificate, secret = folder / f"{stem or name}.crt", folder / f"{stem or name}.key"
        certificate.write_bytes(made.public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, secret

    def _sign(self, subject: x509.Name, key: Any, extensions: list[Any]) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOW - datetime.timedelta(days=1))
            .not_valid_after(_NOW + datetime.timedelta(days=1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())
