"""Images are pushed into a real registry: plain, by TLS with a password, and with tokens for each repository."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.server
import json
import re
import shutil
import ssl
import subprocess
import threading
import time
import tracemalloc
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from buhin import errors
from buhin.bundle import images, signing
from buhin.bundle.place import Placed, Target, place
from buhin.bundle.registry import Login, Registry
from tests import bundles
from tests.bundles import BASE, Workshop, sha256
from tests.conftest import ROOT

LOGIN = Login("city", "open sesame")
HTPASSWD = "city:$2b$04$nO3grejebi/.VIZ3CyiquO8qMqAj.rhUYiBiJc.CWTu8vmCzR1eMG\n"


@dataclasses.dataclass
class Running:
    """A registry that runs."""

    address: str
    folder: Path
    log: list[str]

    def requests(self, method: str, path: str = "") -> list[str]:
        """The paths that were asked for with a method, as the access log has them."""
        found = [match for line in self.log if (match := re.search(rf'"{method} (\S+) HTTP', line))]
        return [match[1] for match in found if path in match[1]]


@contextmanager
def registry(folder: Path, **settings: Any) -> Iterator[Running]:
    """docker-registry of Debian, with further settings."""
    program = shutil.which("docker-registry") or str(ROOT / "out" / "registry" / "usr" / "bin" / "docker-registry")
    assert Path(program).exists(), "run scripts/registry.sh"
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": "127.0.0.1:0", **settings.pop("http", {})},
        **settings,
    }
    (folder / "config.yml").write_text(json.dumps(config), encoding="utf-8")
    process = subprocess.Popen(
        [program, "serve", str(folder / "config.yml")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    log: list[str] = []
    listening = threading.Event()

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            log.append(line)
            if "listening on" in line:
                listening.set()
        listening.set()

    reading = threading.Thread(target=read)
    reading.start()
    try:
        assert listening.wait(30)
        port = re.search(r"listening on 127\.0\.0\.1:(\d+)", "".join(log))
        assert port, "".join(log)
        yield Running(f"127.0.0.1:{port[1]}", folder, log)
    finally:
        process.terminate()
        process.wait(30)
        reading.join(30)
        assert process.stdout
        process.stdout.close()


def certificate(folder: Path) -> tuple[Path, Path, ec.EllipticCurvePrivateKey]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry of a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    crt, pem = folder / "tls.crt", folder / "tls.key"
    crt.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return crt, pem, key


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Where a bundle of two images that share a layer is made."""
    shop = bundles.workshop(tmp_path / "workshop")
    shop.make()
    return shop


def push(shop: Workshop, tmp_path: Path, to: Registry) -> Placed:
    """Import the bundle with its images into the registry."""
    target = Target(tmp_path / "site", tmp_path / "models", registry=to)
    return place(shop.folder / "a.bundle.tar", signing.load_public(shop.public), target, lambda stage: lambda *_: None)


def check(ask: Callable[[str], bytes]) -> None:
    """Every image is there whole: its manifest by its tag, each blob by its digest."""
    for service in ("speech", "translate"):
        manifest = ask(f"city/ai/buhin-{service}/manifests/0.1.0")
        read = images.ImageManifest.model_validate_json(manifest)
        assert len(read.layers) == 2
        for blob in (read.config, *read.layers):
            assert sha256(ask(f"city/ai/buhin-{service}/blobs/{blob.digest}")) == blob.sha256


def asking(address: str, context: ssl.SSLContext | None = None, **headers: str) -> Callable[[str], bytes]:
    """Ask a registry for what it has."""

    def ask(path: str) -> bytes:
        accepted = {"Accept": bundles.MANIFEST_TYPE} | headers
        request = urllib.request.Request(f"{address}/v2/{path}", headers=accepted)
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return bytes(answer.read())

    return ask


def test_images_arrive_and_a_second_time_nothing_is_sent(workshop: Workshop, tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as running:
        to = f"http://{running.address}/city/ai"
        done = push(workshop, tmp_path, Registry(to))
        check(asking(f"http://{running.address}"))
        assert sorted(done.pushed) == [
            f"{running.address}/city/ai/buhin-{name}:0.1.0" for name in ("speech", "translate")
        ]
        uploads = running.requests("PUT", "/blobs/uploads/")
        assert len(uploads) == 5  # two configurations, three layers: the one that they share is mounted, not sent
        assert any(f"mount=sha256%3A{sha256(BASE)}" in each for each in running.requests("POST"))
        push(workshop, tmp_path, Registry(to))
        assert running.requests("PUT", "/blobs/uploads/") == uploads
    assert not (tmp_path / "site" / "images").exists()


def test_what_was_sent_before_it_broke_off_is_not_sent_again(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with registry(tmp_path / "registry") as running:
        to = Registry(f"http://{running.address}/city/ai")
        put, left = to.put_blob, 3

        def breaking(*arguments: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            put(*arguments)

        monkeypatch.setattr(to, "put_blob", breaking)
        with pytest.raises(KeyboardInterrupt):
            push(workshop, tmp_path, to)
        assert len(running.requests("PUT", "/blobs/uploads/")) == 3
        push(workshop, tmp_path, Registry(f"http://{running.address}/city/ai"))
        check(asking(f"http://{running.address}"))
        assert len(running.requests("PUT", "/blobs/uploads/")) == 5


def test_by_tls_with_a_password(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crt, pem, _ = certificate(tmp_path / "registry")
    (tmp_path / "registry" / "htpasswd").write_text(HTPASSWD, encoding="utf-8")
    settings = {
        "http": {"tls": {"certificate": str(crt), "key": str(pem)}},
        "auth": {"htpasswd": {"realm": "city", "path": str(tmp_path / "registry" / "htpasswd")}},
    }
    with registry(tmp_path / "registry", **settings) as running:
        address = f"{running.address}/city/ai"
        with pytest.raises(errors.RegistryError, match="certificate verify failed"):
            push(workshop, tmp_path, Registry(address, LOGIN))
        with pytest.raises(errors.RegistryError, match="a login is needed"):
            push(workshop, tmp_path, Registry(address, ca=crt))
        with pytest.raises(errors.RegistryError, match="the login may not push into city/ai/buhin-speech: 401"):
            push(workshop, tmp_path, Registry(address, Login("city", "close sesame"), crt))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
        (tmp_path / "docker").mkdir()
        auth = base64.b64encode(f"{LOGIN.username}:{LOGIN.password}".encode()).decode()
        said = {"auths": {running.address: {"auth": auth}}}
        (tmp_path / "docker" / "config.json").write_text(json.dumps(said), encoding="utf-8")
        monkeypatch.setenv("BUHIN_REGISTRY_CA", str(crt))
        from buhin.config import BundleSettings

        push(workshop, tmp_path, Registry.from_settings(address, BundleSettings()))
        check(asking(f"https://{running.address}", ssl.create_default_context(cafile=crt), Authorization=LOGIN.basic))


class Tokens(http.server.BaseHTTPRequestHandler):
    """Issues a token for what is asked, to those who say the password."""

    key: ec.EllipticCurvePrivateKey
    chain: str
    asked: list[list[str]]

    def do_GET(self) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        scopes = query["scope"][0].split(" ")
        type(self).asked.append(scopes)
        if self.headers["Authorization"] != LOGIN.basic:
            self._answer(401, {"details": "no"})
            return
        access = [dict(zip(("type", "name", "actions"), s.split(":"), strict=True)) for s in scopes]
        now = int(time.time())
        claims = {
            "iss": "tokens", "aud": query["service"][0], "sub": "city", "nbf": now - 5, "exp": now + 60, "jti": "1",
            "access": [each | {"actions": each["actions"].split(",")} for each in access],
        }  # fmt: skip
        token = jwt.encode(claims, self.key, algorithm="ES256", headers={"x5c": [self.chain]})
        self._answer(200, {"token": token})

    def _answer(self, code: int, body: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_with_a_token_for_each_repository(workshop: Workshop, tmp_path: Path) -> None:
    crt, _, Tokens.key = certificate(tmp_path / "registry")
    Tokens.chain = "".join(crt.read_text(encoding="ascii").splitlines()[1:-1])
    Tokens.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tokens) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            realm = f"http://127.0.0.1:{server.server_port}/token"
            auth = {"realm": realm, "service": "registry", "issuer": "tokens", "rootcertbundle": str(crt)}
            with registry(tmp_path / "registry", auth={"token": auth}) as running:
                address = f"http://{running.address}/city/ai"
                with pytest.raises(errors.RegistryError, match="no token for this login"):
                    push(workshop, tmp_path, Registry(address, Login("city", "close sesame")))
                Tokens.asked.clear()
                done = push(workshop, tmp_path, Registry(address, LOGIN))
                assert len(done.pushed) == 2
        finally:
            server.shutdown()
            serving.join()
    speech, translate = ("repository:city/ai/buhin-speech:pull,push", "repository:city/ai/buhin-translate:pull,push")
    assert [scopes[0] for scopes in Tokens.asked] == [speech, translate]
    assert Tokens.asked[1][1:] == ["repository:city/ai/buhin-speech:pull"]


def test_memory_does_not_grow_with_a_layer(tmp_path: Path) -> None:
    size = 48 << 20
    with (tmp_path / "layer").open("wb") as file:
        file.truncate(size)
    with (tmp_path / "layer").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    sent: list[int] = []
    with registry(tmp_path / "registry") as running:
        to = Registry(f"http://{running.address}")
        tracemalloc.start()
        try:
            to.put_blob("large", f"sha256:{digest}", size, lambda: (tmp_path / "layer").open("rb"), sent.append)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(asking(f"http://{running.address}")(f"large/blobs/sha256:{digest}")) == sum(sent) == size
    assert peak < 8 << 20


def test_a_registry_that_is_not_there_is_told(workshop: Workshop, tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as running:
        address = running.address
    with pytest.raises(errors.RegistryError, match=r"does not answer: .*refused") as caught:
        push(workshop, tmp_path, Registry(f"http://{address}"))
    assert "run the same command again" in caught.value.message
    assert not (tmp_path / "site" / "import.json").exists()
