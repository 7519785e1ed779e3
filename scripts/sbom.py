"""A bill of materials for each image, CycloneDX 1.6: ``python -m scripts.sbom`` writes out/sbom/*.cdx.json.

What is locked (requirements/), the models of the manifest, and the project itself. Two runs write the same bytes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from buhin import __version__
from buhin.config import Settings
from buhin.models.manifest import Manifest
from scripts.lock import FOLDER, IMAGES, ROOT

TARGET = ROOT / "out" / "sbom"
_PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+) \\\n    --hash=sha256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)
_NAMESPACE = uuid.UUID("6f0c2f2e-9a1b-4f6e-8a77-0d3f6f6a2b11")
_MODELS = {
    "speech": ("speech recognition", "speaker embeddings"),
    "summarize": ("text generation", "sentence embeddings"),
    "translate": ("text generation", "sentence embeddings"),
    "image_inspect": ("crack segmentation",),
    "worker": (),
}
"""The tasks of the manifest's models that an image needs."""


def components(image: str) -> Iterator[dict[str, Any]]:
    """The project, packages, then models."""
    yield {
        "type": "application",
        "bom-ref": "buhin",
        "name": "buhin",
        "version": __version__,
        "purl": f"pkg:generic/buhin@{__version__}",
        "licenses": [{"expression": "Apache-2.0"}],
    }
    for pin in _PIN.finditer((FOLDER / f"{image}.txt").read_text(encoding="utf-8")):
        name = re.sub(r"[-_.]+", "-", pin["name"]).lower()
        yield {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{pin['version']}",
            "name": pin["name"],
            "version": pin["version"],
            "purl": f"pkg:pypi/{name}@{pin['version']}",
            "hashes": [{"alg": "SHA-256", "content": pin["sha256"]}],
        } | _licence(pin["name"])
    for model in Manifest.load(Settings().manifest).models:
        if model.task in _MODELS[image]:
            yield {
                "type": "machine-learning-model",
                "bom-ref": f"model:{model.id}",
                "name": model.id,
                "version": model.digest.removeprefix("sha256:")[:12],
                "licenses": [{"license": {"name": model.licence}}],
                "hashes": [{"alg": "SHA-256", "content": model.digest.removeprefix("sha256:")}],
            }


def bill(image: str) -> dict[str, Any]:
    """The bill of an image."""
    found = sorted(components(image), key=lambda each: str(each["bom-ref"]))
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": f"buhin-{image}",
                "name": f"buhin-{image.replace('_', '-')}",
                "version": __version__,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": found,
        "dependencies": [{"ref": f"buhin-{image}", "dependsOn": [each["bom-ref"] for each in found]}],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    return {"serialNumber": f"urn:uuid:{serial}"} | content


def _licence(package: str) -> dict[str, Any]:
    """As the installed package says it, on one line."""
    try:
        found = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return {}
    if "License-Expression" in found:
        return {"licenses": [{"expression": found["License-Expression"]}]}
    classifiers = [each.rpartition(" :: ")[2] for each in found.get_all("Classifier") or () if "License ::" in each]
    texts = [", ".join(classifiers), *(found.get_all("License") or ())]
    said = next((text.partition("\n")[0] for text in texts if text), "")
    return {"licenses": [{"license": {"name": said}}]} if said else {}


def main() -> None:
    """Write the bills."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=TARGET, help="folder of the bills (default: out/sbom)")
    options.add_argument("--image", choices=IMAGES, action="append", help="this image only")
    asked = options.parse_args()
    out: Path = asked.out
    out.mkdir(parents=True, exist_ok=True)
    for image in asked.image or IMAGES:
        path, made = out / f"{image}.cdx.json", bill(image)
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{os.path.relpath(path)}: {len(made['components'])} components")


if __name__ == "__main__":
    main()
