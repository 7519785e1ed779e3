"""A bundle's bytes: a changed one anywhere is named, and no tar that was made another way is taken."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from buhin import errors
from buhin.bundle import archive, signing
from buhin.bundle.archive import Archive, Piece, header
from buhin.bundle.manifest import BLOBS, BundleManifest, Member
from tests.bundles import CREATED, Workshop, sha256, workshop

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key()
CONTENT = {"sbom/a.json": b"a" * 700, "sbom/b.json": b"", "sbom/写.json": b"b" * 512}


def member(path: str, data: bytes) -> Member:
    return Member(path=path, size=len(data), sha256=sha256(data), kind="sbom", name="a")


def manifest(*members: Member) -> BundleManifest:
    key = signing.fingerprint(PUBLIC)
    return BundleManifest(version="0.1.0", created=CREATED, key=key, services=[], members=list(members))


def small(folder: Path) -> Path:
    """A bundle of three small members."""
    members = {path: member(path, data) for path, data in CONTENT.items()}
    pieces = [Piece(members[path], lambda data=data: io.BytesIO(data)) for path, data in CONTENT.items()]  # type: ignore[misc]
    archive.write(folder / "a.tar", manifest(*members.values()), pieces, SECRET, lambda *_: None)
    return folder / "a.tar"


def check(path: Path) -> None:
    """Everything that an import does before it writes."""
    with Archive(path) as found:
        found.check_signature(PUBLIC)
        found.verify()


def regions(path: Path) -> list[tuple[str, int]]:
    """The name of each member and where what belongs to it ends, padding included."""
    ends = []
    with tarfile.open(path) as tar:
        for info in tar:
            ends.append((info.name, info.offset_data + info.size + -info.size % 512))
    return [*ends, ("the end of the archive", path.stat().st_size)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("bundle"))


def test_it_is_a_tar_that_others_read_too(bundle: Path) -> None:
    check(bundle)
    with tarfile.open(bundle) as tar:
        assert tar.getnames() == ["manifest.json", "manifest.sig", *CONTENT]
        for name, data in CONTENT.items():
            file = tar.extractfile(name)
            assert file and file.read() == data
        assert {(info.mode, info.uid, info.gid, info.mtime, info.isreg()) for info in tar} == {(0o644, 0, 0, 0, True)}
        said, signature = (tar.extractfile(name) for name in ("manifest.json", "manifest.sig"))
        assert said and signature
        PUBLIC.verify(signature.read(), said.read())


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_byte_is_refused_and_its_member_named(bundle: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(bundle.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1), label="at")
    whole[at] ^= data.draw(st.integers(1, 255), label="xor")
    _refused(bundle, tmp_path, bytes(whole), at)


def test_every_region_of_the_archive_is_covered_by_that(bundle: Path, tmp_path: Path) -> None:
    """The first and the last byte of each header, content and padding, so that no draw has to find them."""
    whole = bundle.read_bytes()
    places = {0, 511, *(end - 1 for _, end in regions(bundle)), *(end for _, end in regions(bundle)[:-1])}
    with tarfile.open(bundle) as tar:
        places |= {at for info in tar for at in (info.offset_data - 1, info.offset_data, info.offset_data + info.size)}
    for at in sorted(place for place in places if place < len(whole)):
        for bit in (1, 128):
            changed = bytearray(whole)
            changed[at] ^= bit
            _refused(bundle, tmp_path, bytes(changed), at)


def _refused(bundle: Path, tmp_path: Path, changed: bytes, at: int) -> None:
    path = tmp_path / "changed.tar"
    path.write_bytes(changed)
    name = next(name for name, end in regions(bundle) if at < end)
    with pytest.raises(errors.BundleError) as caught:
        check(path)
    assert name in caught.value.message, (at, name)
    assert name in caught.value.message_ja
    assert type(caught.value) in (errors.BundleCorruptError, errors.BundleSignatureError)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True))
@example(0.0)
def test_a_truncated_archive_is_refused(bundle: Path, tmp_path: Path, part: float) -> None:
    whole = bundle.read_bytes()
    length = int(len(whole) * part)
    path = tmp_path / "short.tar"
    path.write_bytes(whole[:length])
    with pytest.raises(errors.BundleError) as caught:
        check(path)
    name = next(name for name, end in regions(bundle) if length < end)
    assert name in caught.value.message or length < 512


GOLDEN = "e5e8451bb1f6ee98549a895b32edecc15254a36b7656fd8ee1767b40e47d49fe"


def test_the_header_of_a_member_is_always_the_same() -> None:
    """Bundles of today are read by the Python of tomorrow only if it writes the same headers."""
    found = [
        header(path, size) for path, size in (("wheels/a.whl", 5), ("licences/" + "写" * 90, 0), ("models/a", 1 << 40))
    ]
    assert [len(each) for each in found] == [512, 1536, 1536]
    assert hashlib.sha256(b"".join(found)).hexdigest() == GOLDEN


def _tar(*infos: tuple[tarfile.TarInfo, bytes]) -> Callable[[bytes, bytes], bytes]:
    """A tar of the right manifest and signature, and then these."""

    def made(signed: bytes, signature: bytes) -> bytes:
        out = header("manifest.json", len(signed)) + signed + bytes(-len(signed) % 512)
        out += header("manifest.sig", 64) + signature + bytes(448)
        for info, data in infos:
            info.mode = 0o644
            out += info.tobuf(tarfile.PAX_FORMAT) + data + bytes(-len(data) % 512)
        return out + bytes(1024)

    return made


def _info(name: str, size: int = 0, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in fields.items():
        setattr(info, field, value)
    return info


GOOD = (_info("sbom/a.json", 3), b"abc")
LINK: dict[str, Any] = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}
HARD: dict[str, Any] = {"type": tarfile.LNKTYPE, "linkname": "manifest.json"}
DEVICE: dict[str, Any] = {"type": tarfile.CHRTYPE, "devmajor": 1}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([(_info("../sbom/a.json", 3), b"abc")], "in its place is '../sbom/a.json'"),
        ([(_info("/sbom/a.json", 3), b"abc")], "in its place is '/sbom/a.json'"),
        ([(_info("sbom/a.json", **LINK), b"")], "the end of the archive: the archive ends before it does"),
        ([(_info("sbom/a.json", **LINK), b"abc")], "'sbom/a.json', a link"),
        ([(_info("sbom/a.json", **HARD), b"abc")], "'sbom/a.json', a link"),
        ([(_info("sbom/a.json", **DEVICE), b"abc")], "'sbom/a.json', no plain file"),
        ([(_info("sbom/a.json", type=tarfile.DIRTYPE), b"abc")], "no plain file"),
        ([(_info("sbom/a.json", 3, mtime=7), b"abc")], "its header was changed"),
        ([(_info("sbom/a.json", 3, uname="root"), b"abc")], "its header was changed"),
        ([(_info("sbom/a.json", 2), b"ab")], "its header was changed"),
        ([(_info("sbom/a.json", 3), b"abd")], "its content was changed"),
        ([GOOD, GOOD], "the end of the archive: 1024 bytes too many"),
        ([GOOD, (_info("sbom/unlisted.json", 1), b"x")], "the end of the archive: 1024 bytes too many"),
        ([], "the end of the archive: the archive ends before it does"),
    ],
)  # fmt: skip
def test_members_that_are_not_those_of_the_manifest(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], told: str
) -> None:
    signed = manifest(member("sbom/a.json", b"abc")).to_bytes()
    path = tmp_path / "bad.tar"
    path.write_bytes(_tar(*members)(signed, SECRET.sign(signed)))
    with pytest.raises(errors.BundleCorruptError) as caught:
        check(path)
    assert told in caught.value.message
    assert "sbom/a.json: " in caught.value.message or told.startswith("the end of the archive")


ENTRY = {"path": "sbom/a", "size": 1, "sha256": "0" * 64, "kind": "sbom", "name": "a"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"members": [ENTRY | {"path": "../a"}]}, "stays inside"),
        ({"members": [ENTRY | {"path": "/a"}]}, "stays inside"),
        ({"members": [ENTRY | {"path": "sbom/../../a"}]}, "stays inside"),
        ({"members": [ENTRY | {"path": "sbom//a"}]}, "shortest form"),
        ({"members": [ENTRY | {"path": "sbom/./a"}]}, "shortest form"),
        ({"members": [ENTRY | {"path": "sbom\\a"}]}, "stays inside"),
        ({"members": [ENTRY | {"path": "sbom/\x1b[2Ja"}]}, "cannot be shown"),
        ({"members": [ENTRY | {"name": "\x1b[2Ja"}]}, "cannot be shown"),
        ({"members": [ENTRY | {"path": "wheels/a"}]}, "not in the folder sbom"),
        ({"members": [ENTRY | {"path": "manifest.json"}]}, "not in the folder sbom"),
        ({"members": [ENTRY | {"kind": "image", "path": BLOBS + "1" * 64}]}, "not named by its digest"),
        ({"members": [ENTRY, ENTRY]}, "there twice"),
        ({"members": [ENTRY, ENTRY | {"path": "sbom/a/b"}]}, "a file and the folder of"),
        ({"members": [ENTRY | {"size": -1}]}, "greater than or equal"),
        ({"members": [ENTRY | {"size": 1 << 60}]}, "less than or equal"),
        ({"members": [ENTRY | {"more": 1}]}, "not permitted"),
        ({"format": "buhin-bundle/2"}, "buhin-bundle/1"),
        ({"members": "[" * 50_000}, "valid array"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_wrong_is_refused_though_it_is_signed(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    said = json.loads(manifest().to_bytes()) | changes
    signed = json.dumps(said).encode()
    path = tmp_path / "bad.tar"
    path.write_bytes(_tar()(signed, SECRET.sign(signed)))
    with pytest.raises(errors.BundleUnreadableError) as caught:
        check(path)
    assert told in caught.value.message


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    signed = b"[" * 1_000_000
    (tmp_path / "bad.tar").write_bytes(_tar()(signed, SECRET.sign(signed)))
    with pytest.raises(errors.BundleUnreadableError):
        check(tmp_path / "bad.tar")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no tar archive"),
        (b"PK\x03\x04" + bytes(1020), "no tar archive"),
        (bytes(2048), "no tar archive"),
        (header("sbom/a.json", 0) + bytes(1024), "it begins with 'sbom/a.json', not with manifest.json"),
        (header("manifest.json", 1 << 32) + bytes(1024), "more than 67108864"),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "other").write_bytes(data)
    with pytest.raises(errors.BundleUnreadableError) as caught:
        check(tmp_path / "other")
    assert told in caught.value.message


def test_a_large_size_in_a_signed_manifest_reads_no_more_than_there_is(tmp_path: Path) -> None:
    bomb = Member(path="sbom/a", size=1 << 50, sha256="0" * 64, kind="sbom", name="a")
    signed = manifest(bomb).to_bytes()
    (tmp_path / "bomb.tar").write_bytes(_tar((_info("sbom/a", 1 << 50), b"abc"))(signed, SECRET.sign(signed)))
    with pytest.raises(errors.BundleCorruptError, match="sbom/a: the archive ends before it does"):
        check(tmp_path / "bomb.tar")


def test_the_signature_of_another_key(bundle: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    with Archive(bundle) as found, pytest.raises(errors.BundleSignatureError) as caught:
        found.check_signature(other)
    for key in (PUBLIC, other):
        assert signing.fingerprint(key)[:16] in caught.value.message


def test_a_manifest_signed_anew_by_another_key_that_says_it_is_the_right_one(tmp_path: Path) -> None:
    signed = manifest().to_bytes()
    (tmp_path / "a.tar").write_bytes(_tar()(signed, Ed25519PrivateKey.generate().sign(signed)))
    with pytest.raises(errors.BundleSignatureError, match=r"manifest\.json and manifest\.sig are not what key"):
        check(tmp_path / "a.tar")


def test_what_changes_after_it_was_verified_is_seen_when_it_is_copied(tmp_path: Path) -> None:
    path = small(tmp_path)
    with Archive(path) as found:
        found.verify()
        data = bytearray(path.read_bytes())
        data[data.index(b"aaaa")] ^= 1
        path.write_bytes(data)
        with pytest.raises(errors.BundleCorruptError, match=r"sbom/a\.json"):
            found.copy(found.manifest.member("sbom/a.json"), io.BytesIO())


def test_a_piece_that_is_not_what_was_listed_leaves_nothing(tmp_path: Path) -> None:
    listed = member("sbom/a.json", b"abc")
    with pytest.raises(errors.BundleInputError, match=r"sbom/a\.json has 3 bytes"):
        archive.write(
            tmp_path / "a.tar", manifest(listed), [Piece(listed, lambda: io.BytesIO(b"abd"))], SECRET, lambda *_: None
        )
    assert list(tmp_path.iterdir()) == []


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    shop = workshop(tmp_path / "workshop")
    again = Workshop(shop.folder, dataclasses.replace(shop.inputs), shop.secret, shop.key, shop.public)
    assert shop.make("a.tar").path.read_bytes() == again.make("b.tar").path.read_bytes()


def test_memory_does_not_grow_with_the_members(tmp_path: Path) -> None:
    size = 96 << 20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    digest = hashlib.sha256()
    for _ in range(96):
        digest.update(bytes(1 << 20))
    large = Member(path="sbom/large", size=size, sha256=digest.hexdigest(), kind="sbom", name="a")
    tracemalloc.start()
    try:
        archive.write(
            tmp_path / "a.tar",
            manifest(large),
            [Piece(large, lambda: (tmp_path / "large").open("rb"))],
            SECRET,
            lambda *_: None,
        )
        with Archive(tmp_path / "a.tar") as found, (tmp_path / "copy").open("wb") as out:
            found.verify()
            found.copy(large, out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
