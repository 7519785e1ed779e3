"""Keys of bundles."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from buhin.bundle import signing
from buhin.errors import BundleKeyError


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_a_pair_signs_and_checks(tmp_path: Path, passphrase: str | None) -> None:
    private, public, fingerprint = signing.generate(tmp_path / "city.site", passphrase)
    assert (private.name, public.name) == ("city.site.key", "city.site.pub")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert (b"ENCRYPTED" in private.read_bytes()) == bool(passphrase)
    secret, key = signing.load_private(private, passphrase), signing.load_public(public)
    assert signing.fingerprint(key) == signing.fingerprint(secret.public_key()) == fingerprint
    assert signing.signed_by(key, secret.sign(b"data"), b"data")
    assert not signing.signed_by(key, secret.sign(b"data"), b"Data")
    assert not signing.signed_by(key, b"short", b"data")


@pytest.mark.parametrize("there", ["site.key", "site.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine", encoding="utf-8")
    with pytest.raises(BundleKeyError, match="never overwritten"):
        signing.generate(tmp_path / "site", None)
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["mine"]


def test_what_is_no_such_key_is_told(tmp_path: Path) -> None:
    private, public, _ = signing.generate(tmp_path / "site", "correct horse")
    plain, _, _ = signing.generate(tmp_path / "plain", None)
    other = ec.generate_private_key(ec.SECP256R1())
    curve, curve_public = tmp_path / "ec.key", tmp_path / "ec.pub"
    form = serialization.PrivateFormat.PKCS8
    curve.write_bytes(other.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    curve_public.write_bytes(
        other.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    for path, passphrase in ((private, None), (private, "wrong"), (plain, "needless"), (public, None)):
        with pytest.raises(BundleKeyError, match="BUHIN_BUNDLE_PASSPHRASE"):
            signing.load_private(path, passphrase)
    with pytest.raises(BundleKeyError, match=r"give the file \.pub"):
        signing.load_public(private)
    for load in (lambda: signing.load_private(curve, None), lambda: signing.load_public(curve_public)):
        with pytest.raises(BundleKeyError, match="not Ed25519"):
            load()
