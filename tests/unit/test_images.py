"""The Dockerfile has what it needs for each service, and the builder measures, caches and complains rightly."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from scripts import images, lock

DOCKERFILE = (lock.ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = sorted(path.parent.name for path in (lock.ROOT / "services").glob("*/card.yaml"))


def blob(folder: Path, content: bytes) -> dict[str, Any]:
    """Put a blob into a layout; how it is named there."""
    name = hashlib.sha256(content).hexdigest()
    (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    (folder / "blobs" / "sha256" / name).write_bytes(content)
    return {"digest": f"sha256:{name}", "size": len(content)}


def layer(megabytes: float, folder: str) -> bytes:
    """A compressed layer with one folder and a file in it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(folder))
        member = tarfile.TarInfo(f"{folder}/file")
        member.size = int(megabytes * 1e6)
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    return gzip.compress(packed.getvalue())


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> images.Layout:
    """The image of speech: one megabyte over a base of two."""
    monkeypatch.setattr(images, "OUT", tmp_path)
    folder = tmp_path / "buhin-speech"
    config = blob(folder, json.dumps({"config": {"User": "10001:10001"}}).encode())
    layers = [blob(folder, layer(*each)) for each in ((1.5, "usr"), (0.5, "etc"), (1, "opt/buhin"))]
    manifest = blob(folder, json.dumps({"config": config, "layers": layers}).encode())
    (folder / "index.json").write_text(json.dumps({"manifests": [manifest]}), encoding="utf-8")
    return images.layout("speech")


def test_every_service_has_an_image_with_a_budget_a_lock_and_an_entrypoint_that_no_shell_wraps() -> None:
    assert sorted(set(lock.IMAGES) - {"worker"}) == SERVICES
    assert set(images.BUDGET_MB) == set(lock.IMAGES)
    for service in SERVICES:
        entrypoint = f'ENTRYPOINT ["python", "-m", "services.{service}"]'
        assert re.search(rf"^FROM service AS {service}\n(LABEL .*\n)?{re.escape(entrypoint)}$", DOCKERFILE, re.M)
        assert (lock.FOLDER / f"{service}.txt").exists()


def test_the_base_is_an_argument_without_a_default_and_the_user_is_a_number() -> None:
    assert re.findall(r"^ARG BASE.*$", DOCKERFILE, re.M) == ["ARG BASE"]
    assert re.findall(r"^USER .*$", DOCKERFILE, re.M) == ["USER 10001:10001"]
    assert "://" not in DOCKERFILE


def test_what_a_build_reads_is_not_kept_from_it() -> None:
    seen = {line[1:].rstrip() for line in (lock.ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for name in re.findall(r"/src/([\w./]+)", DOCKERFILE):
        assert any(name == path or name.startswith((f"{path}/", path)) for path in seen), name


def test_a_layout_tells_its_image(made: images.Layout) -> None:
    assert made.config["config"]["User"] == "10001:10001"
    assert made.digest == json.loads((made.folder / "index.json").read_text())["manifests"][0]["digest"]
    found = images.size("speech")
    assert (found.base, found.added) == (2, 1)
    assert 0 < found.packed < 1


@pytest.mark.parametrize(
    ("budget", "problems"), [(1, []), (0, ["buhin-speech adds 1 MB to its base; its budget is 0 MB"])]
)
def test_an_image_over_its_budget_is_told(
    made: images.Layout,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    budget: int,
    problems: list[str],
) -> None:
    monkeypatch.setattr(images, "BUDGET_MB", {"speech": budget})
    assert images.check(["speech"]) == problems
    assert f"| buhin-speech | {budget} | 1 | 3 | 0 |" in capsys.readouterr().out


def test_an_image_is_made_anew_when_what_it_is_made_of_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(images, "ROOT", tmp_path)
    monkeypatch.setattr(images, "INPUTS", ("Dockerfile", "src"))
    (tmp_path / "src").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM a", encoding="utf-8")
    keys = [images.inputs({"BASE": "a"}), images.inputs({"BASE": "b"})]
    (tmp_path / "src" / "code.py").write_text("1", encoding="utf-8")
    keys.append(images.inputs({"BASE": "a"}))
    (tmp_path / "src" / "code.py").write_text("2", encoding="utf-8")
    keys.append(images.inputs({"BASE": "a"}))
    assert len(set(keys)) == 4
    (tmp_path / "src" / "code.pyc").write_text("3", encoding="utf-8")
    assert images.inputs({"BASE": "a"}) == keys[-1]


@pytest.mark.parametrize(
    ("user", "present", "said"),
    [(1000, ["buildah"], "by root"), (0, [], "not installed: buildah"), (0, ["buildah"], None)],
)
def test_what_is_missing_is_told(
    monkeypatch: pytest.MonkeyPatch, user: int, present: list[str], said: str | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(shutil, "which", lambda program: program if program in present else None)
    if said is None:
        images.need("buildah")
    else:
        with pytest.raises(SystemExit, match=said):
            images.need("buildah")


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(SystemExit, match=r"(?s)listing failed \(ls ended with 2\).*nowhere"):
        images.run(["ls", "nowhere"], told="listing")


def test_an_image_that_is_not_known_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["images", "build", "speach"])
    with pytest.raises(SystemExit):
        images.main()
    assert "no such image: speach; known: speech" in capsys.readouterr().err
