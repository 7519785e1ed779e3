"""Pushing images into a registry that speaks the OCI distribution API."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any

from buhin.config import BundleSettings
from buhin.errors import InvalidValueError, RegistryError

_ADDRESS = re.compile(
    r"^(?:(?P<scheme>https?)://)?(?P<host>[\w.-]+(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?)"
    r"(?P<prefix>(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)/?$"
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT_S = 120
_MAX_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True)
class Login:
    """Who pushes."""

    username: str
    password: str

    @property
    def basic(self) -> str:
        """As a header says it."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Registry:
    """A registry, and the prefix of the repositories in it."""

    def __init__(self, address: str, login: Login | None = None, ca: Path | None = None) -> None:
        """``address`` is ``HOST[:PORT][/PREFIX]``, by HTTPS; ``http://`` before it means without.

        Raises InvalidValueError, or OSError where ``ca`` cannot be read.
        """
        found = _ADDRESS.match(address)
        if not found:
            raise InvalidValueError(field="--registry", value=address, accepted="HOST[:PORT][/prefix], http://HOST…")
        self._host, self._prefix = found["host"], found["prefix"]
        self._scheme = found["scheme"] or "https"
        if self._scheme == "http" and login and not _loopback(self._host):
            raise InvalidValueError(field="--registry", value=address, accepted="https, where a password is sent")
        self._login = login
        self._headers: dict[str, str] = {}
        self._known: dict[str, str] = {}
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        self._opener = urllib.request.build_opener(_Stay(), urllib.request.HTTPSHandler(context=context))

    @classmethod
    def from_settings(cls, address: str, settings: BundleSettings) -> Registry:
        """The registry with the login that the settings, or the configuration of docker, have for it."""
        login = None
        if settings.registry_username and settings.registry_password:
            login = Login(settings.registry_username, settings.registry_password.get_secret_value())
        elif found := _ADDRESS.match(address):
            login = _of_docker(found["host"])
        return cls(address, login, settings.registry_ca)

    @property
    def prefix(self) -> str:
        """What stands before the name of each image."""
        return self._host + self._prefix

    def reference(self, repository: str, tag: str) -> str:
        """An image as a cluster names it."""
        return f"{self.prefix}/{repository}:{tag}"

    def put_blob(
        self, repository: str, digest: str, size: int, content: Callable[[], IO[bytes]], progress: Callable[[int], None]
    ) -> None:
        """Upload a blob, unless the repository has it, or one that it was put into before. Raises RegistryError."""
        name = self._name(repository)
        if self._call("HEAD", f"{name}/blobs/{digest}", name, accept=(200, 404)).status == 200:
            self._known.setdefault(digest, name)
            return
        query = {"mount": digest, "from": self._known[digest]} if digest in self._known else {}
        started = self._call("POST", f"{name}/blobs/uploads/?{urllib.parse.urlencode(query)}", name, accept=(201, 202))
        if started.status == 202:
            where = urllib.parse.urljoin(self._url(f"{name}/blobs/uploads/"), started.headers.get("Location", ""))
            if where.startswith("http://") and self._scheme == "https":
                raise self._failed("it wants the upload without HTTPS", "HTTPS を使わない送信を求めています")
            where += ("&" if "?" in where else "?") + urllib.parse.urlencode({"digest": digest})
            with _Counted(content(), progress) as body:
                self._call("PUT", where, name, accept=(201, 204), body=body, size=size)
        self._known.setdefault(digest, name)

    def put_manifest(self, repository: str, reference: str, media_type: str, data: bytes) -> None:
        """Store a manifest, or an index, under a tag or its digest. Raises RegistryError."""
        name = self._name(repository)
        path = f"{name}/manifests/{reference}"
        self._call("PUT", path, name, accept=(201,), body=io.BytesIO(data), size=len(data), media_type=media_type)

    def _name(self, repository: str) -> str:
        return f"{self._prefix}/{repository}".removeprefix("/")

    def _url(self, path: str) -> str:
        return path if "://" in path else f"{self._scheme}://{self._host}/v2/{path}"

    def _call(
        self,
        method: str,
        path: str,
        name: str,
        *,
        accept: tuple[int, ...],
        body: io.BytesIO | _Counted | None = None,
        size: int = 0,
        media_type: str = "application/octet-stream",
    ) -> _Answer:
        """One request, twice where the registry asks who it is and the body can be sent again."""
        url = self._url(path)
        for last in (False, True):
            request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 - the scheme was checked
            request.add_header("Content-Length", str(size))
            if body is not None:
                request.add_header("Content-Type", media_type)
            if urllib.parse.urlsplit(url)[:2] == (self._scheme, self._host):
                for header, value in self._headers.items():
                    request.add_unredirected_header(header, value)
            answer = self._send(request)
            if answer.status in accept:
                return answer
            if answer.status != 401 or last or isinstance(body, _Counted):
                break
            self._introduce(answer.headers.get("WWW-Authenticate", ""), name)
            if body is not None:
                body.seek(0)
        if answer.status in (401, 403):
            raise self._failed(
                f"the login may not push into {name}: {answer.status} {answer.said}".rstrip(),
                f"このログインでは {name} に登録できません: {answer.status} {answer.said}".rstrip(),
            )
        what = f"{method} {urllib.parse.urlsplit(url).path}: {answer.status} {answer.said}".rstrip()
        raise self._failed(what, what)

    def _send(self, request: urllib.request.Request) -> _Answer:
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return _Answer(answer.status, answer.headers, answer.read(_MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, error.headers, error.read(_MAX_ANSWER_BYTES))
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise self._failed(f"it does not answer: {reason}", f"応答がありません: {reason}") from error

    def _introduce(self, challenge: str, name: str) -> None:
        """Say who pushes as the registry asks it: by name and password, or by a token for the repository."""
        kind, _, rest = challenge.partition(" ")
        asked = dict(_CHALLENGE.findall(rest))
        if kind.lower() == "basic" and self._login:
            self._headers = {"Authorization": self._login.basic}
        elif kind.lower() == "bearer" and "realm" in asked:
            realm = asked["realm"]
            if urllib.parse.urlsplit(realm).scheme != "https" and not _loopback(urllib.parse.urlsplit(realm).netloc):
                raise self._failed(
                    f"its tokens are issued without HTTPS: {realm}", f"トークンの発行元が HTTPS ではありません: {realm}"
                )
            query = {"scope": f"repository:{name}:pull,push"} | {k: v for k, v in asked.items() if k == "service"}
            if source := {other for other in self._known.values() if other != name}:
                query["scope"] += "".join(f" repository:{other}:pull" for other in sorted(source))
            request = urllib.request.Request(f"{realm}?{urllib.parse.urlencode(query)}")  # noqa: S310 - checked above
            if self._login:
                request.add_unredirected_header("Authorization", self._login.basic)
            given = self._send(request).json
            token = given.get("token") or given.get("access_token")
            if not token:
                raise self._failed("it gives no token for this login", "このログインではトークンが発行されません")
            self._headers = {"Authorization": f"Bearer {token}"}
        else:
            raise self._failed(
                "a login is needed: BUHIN_REGISTRY_USERNAME and BUHIN_REGISTRY_PASSWORD, or config.json of docker",
                "ログインが必要です。BUHIN_REGISTRY_USERNAME と BUHIN_REGISTRY_PASSWORD、"
                "または docker の config.json を設定してください",
            )

    def _failed(self, en: str, ja: str) -> RegistryError:
        return RegistryError(registry=self._host, problem=en, problem_ja=ja)


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        try:
            read = json.loads(self.body)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}

    @property
    def said(self) -> str:
        """The first error that the registry names."""
        errors = self.json.get("errors")
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        return " ".join(str(first[key]) for key in ("code", "message") if key in first)


class _Counted(io.RawIOBase):
    """A body that tells how much of it was sent."""

    def __init__(self, content: IO[bytes], progress: Callable[[int], None]) -> None:
        self._content, self._progress = content, progress

    def read(self, size: int = -1) -> bytes:
        """Large pieces, whatever the size that is asked for: fewer calls."""
        data = self._content.read(max(size, 1 << 16))
        self._progress(len(data))
        return data

    def close(self) -> None:
        self._content.close()
        super().close()


class _Stay(urllib.request.HTTPRedirectHandler):
    """Only questions follow a redirection; what is sent goes where it was sent."""

    def redirect_request(self, req: urllib.request.Request, *more: Any) -> urllib.request.Request | None:
        if req.get_method() not in ("GET", "HEAD"):
            return None
        made = super().redirect_request(req, *more)
        if made:
            made.method = req.get_method()
        return made


def _loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    return name in ("localhost", "127.0.0.1", "[::1]")


def _of_docker(host: str) -> Login | None:
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))["auths"][host]["auth"]
        username, _, password = base64.b64decode(said).decode().partition(":")
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Login(username, password)
