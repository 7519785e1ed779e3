"""Keys and signatures of bundles: Ed25519, in PEM files that openssl reads too."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from buhin.errors import BundleKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_BYTES = 64


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key's 32 bytes, by which people compare it."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def generate(name: Path, passphrase: str | None) -> tuple[Path, Path, str]:
    """Write a new pair, ``name.key`` (for its owner alone) and ``name.pub``; the paths and the fingerprint.

    Raises BundleKeyError where one of them is there already.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret, public = name.with_name(name.name + ".key"), name.with_name(name.name + ".pub")
    for path in (secret, public):
        if path.exists():
            raise BundleKeyError(
                file=path,
                problem="it is there already; keys are never overwritten",
                problem_ja="すでに存在します。鍵は上書きしません",
            )
    key = Ed25519PrivateKey.generate()
    protection = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return secret, public, fingerprint(key.public_key())


def load_private(path: Path, passphrase: str | None) -> Ed25519PrivateKey:
    """The key that signs. Raises BundleKeyError, or OSError where there is no such file."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    data = path.read_bytes()
    try:
        key = serialization.load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except (TypeError, ValueError) as error:
        raise BundleKeyError(
            file=path,
            problem="no private key can be read from it; set BUHIN_BUNDLE_PASSPHRASE if, and only if, it has one",
            problem_ja="秘密鍵を読み取れません。BUHIN_BUNDLE_PASSPHRASE を確認してください",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_ed25519(path)
    return key


def load_public(path: Path) -> Ed25519PublicKey:
    """The key that signatures are checked by. Raises BundleKeyError, or OSError where there is no such file."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    data = path.read_bytes()
    try:
        key = serialization.load_pem_public_key(data)
    except ValueError as error:
        raise BundleKeyError(
            file=path,
            problem="no public key can be read from it; give the file .pub of: buhin bundle keygen",
            problem_ja="公開鍵を読み取れません。buhin bundle keygen の .pub ファイルを指定してください",
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _not_ed25519(path)
    return key


def signed_by(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether the key signed the data."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _not_ed25519(path: Path) -> BundleKeyError:
    return BundleKeyError(file=path, problem="the key is not Ed25519", problem_ja="Ed25519 の鍵ではありません")
