"""Locks what the images install, by digest: ``python -m scripts.lock`` writes requirements/*.txt.

The files are those that pip chooses on this machine (Python 3.11 on Linux x86-64, as in the images), asked without
installing anything. ``--check`` tells whether pyproject.toml asks for something else than when they were written.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from rich.progress import track

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
IMAGES = {
    "speech": ("speech",),
    "summarize": ("text", "openai"),
    "translate": ("text", "openai"),
    "image_inspect": ("image",),
    "worker": ("pipelines", "documents"),
}
"""The extras of each image."""
BUILD = "build"
"""The lock of what builds the images: the project's build system, and pip, which installs."""


def wanted(extras: tuple[str, ...]) -> list[str]:
    """What pyproject.toml asks for: the project's own requirements and those of the extras, theirs included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: list[str] = list(project["dependencies"])
    todo, seen = list(extras), set[str]()
    while todo:
        extra = todo.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for requirement in project["optional-dependencies"][extra]:
            if requirement.startswith("buhin["):
                todo += requirement.removeprefix("buhin[").removesuffix("]").split(",")
            else:
                found.append(requirement)
    return sorted(found)


def requirements() -> dict[str, list[str]]:
    """What each lock is for."""
    system = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    return {image: wanted(extras) for image, extras in IMAGES.items()} | {BUILD: ["pip>=25", *system]}


def digest(requirements: list[str]) -> str:
    """Stands in the lock for what was asked."""
    return hashlib.sha256("\n".join(requirements).encode()).hexdigest()


def locked(requirements: list[str]) -> str:
    """The lines of a lock."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    ran = subprocess.run([*command, *requirements], capture_output=True, text=True)
    if ran.returncode:
        sys.exit(ran.stderr)
    chosen: list[dict[str, Any]] = json.loads(ran.stdout)["install"]
    pins = {
        f"{entry['metadata']['name']}=={entry['metadata']['version']}": entry["download_info"]["archive_info"]["hashes"]
        for entry in chosen
    }
    return "".join(f"{pin} \\\n    --hash=sha256:{pins[pin]['sha256']}\n" for pin in sorted(pins, key=str.lower))


def problems() -> list[str]:
    """Locks that were written for other requirements."""
    found = []
    for name, asked in requirements().items():
        path = FOLDER / f"{name}.txt"
        if not path.exists() or digest(asked) not in path.read_text(encoding="utf-8"):
            found.append(f"requirements/{name}.txt is not of today's pyproject.toml; run: python -m scripts.lock")
    return found


def main() -> None:
    """Write the locks, or check them."""
    if "--check" in sys.argv:
        sys.exit("\n".join(problems()) or 0)
    if (sys.version_info[:2], platform.system(), platform.machine()) != ((3, 11), "Linux", "x86_64"):
        sys.exit("the images run Python 3.11 on Linux x86-64, and pip chooses other files elsewhere: lock there")
    FOLDER.mkdir(exist_ok=True)
    written: dict[str, str] = {}
    for name, asked in track(requirements().items(), description="locking"):
        key = digest(asked)
        written[key] = written.get(key) or locked(asked)
        what = "builds the images" if name == BUILD else f"the image of {name} installs"
        head = f"# What {what}. Written by python -m scripts.lock for {key}\n"
        (FOLDER / f"{name}.txt").write_text(head + written[key], encoding="utf-8")


if __name__ == "__main__":
    main()
