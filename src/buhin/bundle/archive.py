"""The archive of a bundle: an uncompressed tar whose every byte follows from its signed manifest.

First ``manifest.json``, then ``manifest.sig``, then the members in the order of the manifest, each under the one header
that its path and size give, padded with zeros; at the end two blocks of zeros and nothing more. A reader therefore
compares headers instead of trusting them: another name, a link, a device or a member too many is a difference.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, BinaryIO

from pydantic import ValidationError

from buhin.bundle import signing
from buhin.bundle.manifest import MANIFEST, SIGNATURE, BundleManifest, Member
from buhin.errors import BundleCorruptError, BundleInputError, BundleSignatureError, BundleUnreadableError
from buhin.models.files import CHUNK

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Progress = Callable[[int, int, str], None]
"""Told bytes done, bytes in all, and the member at work."""

MAX_MANIFEST_BYTES = 64 << 20
_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)


@dataclass(frozen=True)
class Piece:
    """A member to be written, and where its bytes are."""

    member: Member
    open: Callable[[], IO[bytes]]


def header(path: str, size: int) -> bytes:
    """The one header that a member of this path and size has."""
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def write(
    target: Path, manifest: BundleManifest, pieces: Iterable[Piece], key: Ed25519PrivateKey, progress: Progress
) -> None:
    """Write a bundle, all or nothing.

    Raises BundleInputError where a piece is not what the manifest says, OSError.
    """
    data = manifest.to_bytes()
    done, total = 0, sum(member.size for member in manifest.members)
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as out:
            for name, content in ((MANIFEST, data), (SIGNATURE, key.sign(data))):
                out.write(header(name, len(content)) + content + bytes(-len(content) % _BLOCK))
            for piece in pieces:
                member, found, size = piece.member, hashlib.sha256(), 0
                out.write(header(member.path, member.size))
                with piece.open() as source:
                    while chunk := source.read(CHUNK):
                        found.update(chunk)
                        size += len(chunk)
                        out.write(chunk)
                        progress(done + size, total, member.path)
                if (size, found.hexdigest()) != (member.size, member.sha256):
                    raise BundleInputError(
                        problem=f"{member.path} has {size} bytes and digest {found.hexdigest()}, "
                        f"expected {member.size} and {member.sha256}",
                        problem_ja=f"{member.path} は {size} バイト、ダイジェスト {found.hexdigest()} で、"
                        f"{member.size} バイト、{member.sha256} と一致しません",
                    )
                done += size
                out.write(bytes(-size % _BLOCK))
            out.write(_END)
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


class Archive:
    """A bundle that is read. Nothing in it is trusted before ``check_signature`` and ``verify``."""

    def __init__(self, path: Path) -> None:
        """Raises BundleUnreadableError, BundleCorruptError or OSError."""
        self.path = path
        self._file: BinaryIO = path.open("rb")
        try:
            self.length = os.fstat(self._file.fileno()).st_size
            self.signed = self._first()
            self.signature = self._content(SIGNATURE, signing.SIGNATURE_BYTES)
            self._start = self._file.tell()
            self._manifest: BundleManifest | None = None
            self._places: dict[str, int] = {}
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which names the whole bundle."""
        return hashlib.sha256(self.signed).hexdigest()

    @property
    def manifest(self) -> BundleManifest:
        """The manifest as it stands there. Raises BundleUnreadableError."""
        if self._manifest is None:
            try:
                self._manifest = BundleManifest.model_validate_json(self.signed)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                place = ".".join(str(part) for part in first["loc"])
                raise self._unreadable(f"{MANIFEST} {place}: {first['msg']}") from error
        return self._manifest

    def check_signature(self, key: Ed25519PublicKey) -> None:
        """Check that the key signed the manifest, before it is read. Raises BundleSignatureError."""
        if signing.signed_by(key, self.signature, self.signed):
            return
        own = signing.fingerprint(key)
        told = own[:16]
        with suppress(BundleUnreadableError):
            if self.manifest.key != own:
                raise BundleSignatureError(
                    bundle=self.path,
                    problem=f"its {MANIFEST} names the key {self.manifest.key[:16]}, and this is key {told}",
                    problem_ja=f"{MANIFEST} の署名鍵は {self.manifest.key[:16]} ですが、指定された鍵は {told} です",
                )
        raise BundleSignatureError(
            bundle=self.path,
            problem=f"{MANIFEST} and {SIGNATURE} are not what key {told} signed",
            problem_ja=f"{MANIFEST} と {SIGNATURE} は鍵 {told} で署名されたものと異なります",
        )

    def verify(self, progress: Progress | None = None) -> None:
        """Compare every byte with what the manifest says, in order.

        Raises BundleCorruptError, which names the member, or BundleUnreadableError.
        """
        self._check_length()
        self._file.seek(self._start)
        total = sum(member.size for member in self.manifest.members)
        done = 0
        for member in self.manifest.members:
            self._same_header(member.path, member.size)
            found, left = hashlib.sha256(), member.size
            while left:
                chunk = self._take(member.path, min(left, CHUNK))
                found.update(chunk)
                left -= len(chunk)
                if progress:
                    progress(done + member.size - left, total, member.path)
            done += member.size
            if found.hexdigest() != member.sha256:
                raise self._changed(member, found.hexdigest())
            self._zeros(member.path, -member.size % _BLOCK)
        self._zeros("the end of the archive", len(_END))

    def open(self, member: Member) -> IO[bytes]:
        """The bytes of a member, from a file of its own. They are not checked: ``copy`` does."""
        return io.BufferedReader(_Slice(self.path, self._place(member), member.size), CHUNK)

    def read(self, member: Member) -> bytes:
        """A small member, checked. Raises BundleCorruptError."""
        out = io.BytesIO()
        self.copy(member, out)
        return out.getvalue()

    def copy(self, member: Member, out: IO[bytes], progress: Callable[[int], None] | None = None) -> None:
        """Copy a member and check its digest on the way. Raises BundleCorruptError; what was written is then wrong."""
        found = hashlib.sha256()
        with self.open(member) as source:
            while chunk := source.read(CHUNK):
                found.update(chunk)
                out.write(chunk)
                if progress:
                    progress(len(chunk))
        if found.hexdigest() != member.sha256:
            raise self._changed(member, found.hexdigest())

    def _place(self, member: Member) -> int:
        if not self._places:
            at = self._start
            for each in self.manifest.members:
                at += len(header(each.path, each.size))
                self._places[each.path] = at
                at += each.size + -each.size % _BLOCK
        return self._places[member.path]

    def _check_length(self) -> None:
        members = self.manifest.members
        end = self._place(members[-1]) + members[-1].size if members else self._start
        expected = end + -end % _BLOCK + len(_END)
        if self.length > expected:
            more = self.length - expected
            raise self._corrupt("the end of the archive", f"{more} bytes too many", f"{more} バイト余分にあります")
        if self.length < expected:
            last = next((m for m in members if self._place(m) + m.size + -m.size % _BLOCK > self.length), None)
            raise self._cut(last.path if last else "the end of the archive")

    def _first(self) -> bytes:
        start = self._file.read(_BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(start, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            # One changed byte of the first header is told from a file of another kind by the name, which both have.
            if MANIFEST.encode() in start or start[257:262] == b"ustar":
                raise self._corrupt(MANIFEST, "its header was changed", "ヘッダーが変更されています") from error
            raise self._unreadable("it is no tar archive", "tar アーカイブではありません") from error
        if info.name != MANIFEST:
            raise self._unreadable(
                f"it begins with {info.name[:100]!r}, not with {MANIFEST}",
                f"先頭が {MANIFEST} ではなく {info.name[:100]!r} です",
            )
        if not 0 <= info.size <= MAX_MANIFEST_BYTES:
            raise self._unreadable(
                f"{MANIFEST} has {info.size} bytes, more than {MAX_MANIFEST_BYTES}",
                f"{MANIFEST} が {info.size} バイトで、上限 {MAX_MANIFEST_BYTES} を超えています",
            )
        self._file.seek(0)
        return self._content(MANIFEST, info.size)

    def _content(self, name: str, size: int) -> bytes:
        self._same_header(name, size)
        data = self._take(name, size)
        self._zeros(name, -size % _BLOCK)
        return data

    def _take(self, name: str, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise self._cut(name)
        return data

    def _zeros(self, name: str, size: int) -> None:
        if self._take(name, size).strip(b"\0"):
            raise self._corrupt(name, "the bytes after it are not zero", "直後のバイトがゼロではありません")

    def _same_header(self, name: str, size: int) -> None:
        expected = header(name, size)
        found = self._take(name, len(expected))
        if found == expected:
            return
        en, ja = "its header was changed", "ヘッダーが変更されています"
        with suppress(tarfile.HeaderError, ValueError):
            info = tarfile.TarInfo.frombuf(found[:_BLOCK], "utf-8", "strict")
            if info.name != name or not info.isreg():
                kind = "a file" if info.isreg() else "a link" if info.issym() or info.islnk() else "no plain file"
                en = f"in its place is {info.name[:100]!r}, {kind}"
                ja = f"代わりに {info.name[:100]!r}（{'ファイル' if info.isreg() else '通常のファイル以外'}）があります"
        raise self._corrupt(name, en, ja)

    def _changed(self, member: Member, digest: str) -> BundleCorruptError:
        return self._corrupt(
            member.path,
            f"its content was changed: digest {digest}, signed {member.sha256}",
            f"内容が変更されています。ダイジェスト {digest}、署名時 {member.sha256}",
        )

    def _cut(self, name: str) -> BundleCorruptError:
        return self._corrupt(name, "the archive ends before it does", "アーカイブが途中で切れています")

    def _corrupt(self, member: str, en: str, ja: str) -> BundleCorruptError:
        return BundleCorruptError(bundle=self.path, member=member, problem=en, problem_ja=ja)

    def _unreadable(self, en: str, ja: str = "") -> BundleUnreadableError:
        return BundleUnreadableError(bundle=self.path, problem=en, problem_ja=ja or en)


class _Slice(io.RawIOBase):
    """A range of a file."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._file.seek(start)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        got = self._file.readinto(buffer[: self._left]) or 0
        self._left -= got
        return got

    def close(self) -> None:
        self._file.close()
        super().close()
