"""Small bundles for tests: a chart, two images that share a layer, a model, wheels, bills of materials."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from buhin.bundle import signing
from buhin.bundle.contents import Inputs
from buhin.bundle.create import Created, create
from buhin.bundle.place import Target
from buhin.models.manifest import Manifest, ModelEntry
from buhin.models.store import ModelStore

CREATED = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
MODEL = {"weights.bin": b"weights " * 400, "config/model.json": b'{"a": 1}\n'}


def sha256(data: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def layer(name: str, data: bytes) -> bytes:
    """A layer with one file."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


BASE = layer("etc/base", bytes(range(256)) * 8)


class Layout:
    """An OCI image layout in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[dict[str, Any]] = []
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Put a blob; its descriptor."""
        (self.folder / "blobs" / "sha256" / sha256(data)).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{sha256(data)}", "size": len(data)}

    def image(self, *layers: bytes) -> dict[str, Any]:
        """Put an image; its descriptor."""
        labels = {"org.opencontainers.image.licenses": "Apache-2.0"}
        config = {"architecture": "amd64", "os": "linux", "config": {"Labels": labels}}
        config["rootfs"] = {
            "type": "layers",
            "diff_ids": [f"sha256:{sha256(gzip.decompress(each))}" for each in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [self.blob(each, "application/vnd.oci.image.layer.v1.tar+gzip") for each in layers],
        }
        return self.blob(json.dumps(manifest).encode(), MANIFEST_TYPE)

    def index(self, *entries: dict[str, Any]) -> dict[str, Any]:
        """Put an index of images; its descriptor."""
        media_type = "application/vnd.oci.image.index.v1+json"
        data = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)}
        return self.blob(json.dumps(data).encode(), media_type)

    def write(self, *entries: dict[str, Any], ref: str | None = None) -> None:
        """Write index.json, with what the entries are called."""
        named = [e | {"annotations": {"org.opencontainers.image.ref.name": ref}} if ref else e for e in entries]
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": named}), encoding="utf-8")


def wheel(folder: Path, name: str, version: str, licences: dict[str, bytes] | None = None) -> Path:
    """A wheel with licences."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    said = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, data in {
            f"{name}.py": b"",
            f"{info}/METADATA": said.encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
            **{f"{info}/{licence}": text for licence, text in (licences or {}).items()},
        }.items():
            archive.writestr(zipfile.ZipInfo(inside), data)
    return path


def lock(*paths: Path) -> str:
    """A lock of wheels."""
    pins = [
        "==".join(path.name.split("-")[:2]) + f" \\\n    --hash=sha256:{sha256(path.read_bytes())}\n" for path in paths
    ]
    return "# locked\n" + "".join(pins)


def models(folder: Path, content: dict[str, bytes] = MODEL) -> tuple[ModelStore, Manifest]:
    """A store with one model, and its manifest."""
    source = folder / "model"
    for name, data in content.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    said = {"id": "tiny", "task": "testing", "licence": "MIT", "origin": "made here"}
    manifest = Manifest(models=[ModelEntry.of_folder(source, next(iter(content)), **said)])
    store = ModelStore(folder / "store", manifest, offline=True)
    store.pull("tiny", directory=source)
    return store, manifest


def chart(folder: Path, files: dict[str, str] | None = None) -> Path:
    """The folder of a chart."""
    content = {
        "Chart.yaml": yaml.safe_dump({"apiVersion": "v2", "name": "buhin", "version": "0.1.0"}),
        "values.yaml": "image: {registry: registry.example}\n",
        "templates/service.yaml": "kind: Service\n",
        "ci/airgapped.yaml": "image: {registry: registry.inside.example}\n",
        ".helmignore": "ci/\n",
        **(files or {}),
    }
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@dataclass
class Workshop:
    """Where bundles are made: everything that goes into one, and the keys."""

    folder: Path
    inputs: Inputs
    secret: Ed25519PrivateKey
    key: Path
    public: Path

    def make(self, name: str = "a.bundle.tar") -> Created:
        """A bundle of it all."""
        return create(self.folder / name, self.inputs, self.secret, CREATED, lambda *_: None)


def target(folder: Path) -> Target:
    """A fresh place for a bundle."""
    return Target(folder / "site", folder / "site-models")


def workshop(folder: Path) -> Workshop:
    """A workshop for the services speech and translate."""
    folder.mkdir(exist_ok=True)
    for name in ("wheels", "requirements", "sbom", "images"):
        (folder / name).mkdir()
    shared = wheel(folder / "wheels", "shared", "2.0", {"licenses/LICENSE": b"MIT\n", "LICENSE.txt": b"MIT too\n"})
    heard = wheel(folder / "wheels", "heard", "1.1")
    wheel(folder / "wheels", "buhin", "0.1.0", {"licenses/LICENSE": b"Apache\n"})
    (folder / "requirements" / "speech.txt").write_text(lock(shared, heard), encoding="utf-8")
    (folder / "requirements" / "translate.txt").write_text(lock(shared), encoding="utf-8")
    for service in ("speech", "translate"):
        (folder / "sbom" / f"{service}.cdx.json").write_text('{"bomFormat": "CycloneDX"}\n', encoding="utf-8")
        layout = Layout(folder / "images" / f"buhin-{service}")
        layout.write(layout.image(BASE, layer("app/name", service.encode())))
    (folder / "LICENSE").write_text("Apache License\n", encoding="utf-8")
    private, public, _ = signing.generate(folder / "site", None)
    inputs = Inputs(
        version="0.1.0",
        services=("speech", "translate"),
        whole=True,
        store=models(folder)[0],
        models=("tiny",),
        chart=chart(folder / "helm"),
        images=folder / "images",
        wheels=folder / "wheels",
        requirements=folder / "requirements",
        sbom=folder / "sbom",
        licence=folder / "LICENSE",
    )
    return Workshop(folder, inputs, signing.load_private(private, None), private, public)
