"""An import verifies before it writes, goes on where it stopped, and writes nothing that is right already."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from buhin import errors
from buhin.bundle import place as placing
from buhin.bundle import signing
from buhin.bundle.archive import Progress
from buhin.bundle.contents import MODELS
from buhin.bundle.place import Placed, Stage, Target, place
from buhin.models.store import ModelStore
from tests import bundles
from tests.bundles import MODEL, Workshop


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import without a registry opens no socket."""

    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


class Stopped(Exception):  # noqa: N818 - stands for Ctrl-C and SIGKILL
    """The import was stopped."""


class Watch:
    """Counts what is told, and stops the import there."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.calls = 0
        self._stop_at = stop_at

    def __call__(self, stage: Stage) -> Progress:
        def tell(done: int, total: int, name: str) -> None:
            assert 0 <= done <= total, (stage, name)
            if self.calls == self._stop_at:
                raise Stopped
            self.calls += 1

        return tell


def imported(shop: Workshop, to: Target, watch: Watch | None = None, bundle: Path | None = None) -> Placed:
    path = bundle or shop.folder / "a.bundle.tar"
    return place(path, signing.load_public(shop.public), to, watch or Watch())


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for locks."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Which file each is, and when it was written."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("import.json", "manifest.sig")]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths if ".lock" not in path.name}


def test_everything_is_placed_and_right(workshop: Workshop, tmp_path: Path) -> None:
    made, to = workshop.make(), bundles.target(tmp_path)
    done = imported(workshop, to)
    manifest = made.manifest
    placed = tree(to.folder)
    assert set(placed) - {"manifest.json", "manifest.sig", "import.json"} == {
        member.path for member in manifest.members if member.kind != "model" or member.path == MODELS
    }
    for member in manifest.members:
        if member.kind != "model":
            assert bundles.sha256(placed[member.path]) == member.sha256
    model = ModelStore(to.models, bundles.models(tmp_path / "again")[1], offline=True).open("tiny")
    assert {name: (model.path / name).read_bytes() for name in MODEL} == MODEL
    assert done.models == {"tiny": str(model.path)}
    receipt = json.loads(placed["import.json"])
    assert (receipt["bundle"], receipt["written"]) == (made.digest, done.written)


def test_a_second_import_writes_nothing(workshop: Workshop, tmp_path: Path) -> None:
    workshop.make()
    to = bundles.target(tmp_path)
    first = imported(workshop, to)
    before = stamps(to.folder) | stamps(to.models)
    again = imported(workshop, to)
    assert stamps(to.folder) | stamps(to.models) == before
    assert (again.written, sorted(again.kept)) == ([], sorted(first.written))


def test_stopped_anywhere_it_goes_on(workshop: Workshop, tmp_path: Path) -> None:
    workshop.make()
    whole = Watch()
    imported(workshop, bundles.target(tmp_path / "whole"), whole)
    expected = tree(tmp_path / "whole")
    receipt = expected.pop("site/import.json")
    assert whole.calls > 40
    for stop_at in range(whole.calls):
        to = bundles.target(tmp_path / str(stop_at))
        with pytest.raises(Stopped):
            imported(workshop, to, Watch(stop_at))
        if to.folder.exists():
            assert not (to.folder / "import.json").exists()
        before = stamps(to.folder) | {k: v for k, v in stamps(to.models).items() if ".partial" not in k}
        kept = {k: v for k, v in before.items() if not k.endswith(".part")}
        done = imported(workshop, to)
        after = stamps(to.folder) | stamps(to.models)
        assert {path: after[path] for path in kept} == kept
        found = tree(to.folder.parent)
        assert sorted(done.written + done.kept) == sorted(json.loads(receipt)["written"])
        found.pop("site/import.json")
        assert found == expected
        shutil.rmtree(tmp_path / str(stop_at))


def test_nothing_is_written_before_everything_is_verified(workshop: Workshop, tmp_path: Path) -> None:
    path = workshop.make().path
    data = bytearray(path.read_bytes())
    data[-1500] ^= 1  # in the last member
    path.write_bytes(data)
    to = bundles.target(tmp_path)
    with pytest.raises(errors.BundleCorruptError, match=r"models/tiny/weights\.bin"):
        imported(workshop, to)
    assert not to.folder.exists()
    assert not to.models.exists()


def test_a_manifest_of_models_that_is_no_yaml_is_told(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("buhin.bundle.contents.yaml.safe_dump", lambda *_, **__: "models: [")
        workshop.make()
    with pytest.raises(errors.BundleUnreadableError, match=r"models/manifest\.yaml does not fit"):
        imported(workshop, bundles.target(tmp_path))


def test_another_key_places_nothing(workshop: Workshop, tmp_path: Path) -> None:
    workshop.make()
    _, public, _ = signing.generate(tmp_path / "other", None)
    to = bundles.target(tmp_path)
    with pytest.raises(errors.BundleSignatureError):
        place(workshop.folder / "a.bundle.tar", signing.load_public(public), to, Watch())
    assert not to.folder.exists()


def test_what_was_damaged_in_the_target_is_put_right(workshop: Workshop, tmp_path: Path) -> None:
    workshop.make()
    to = bundles.target(tmp_path)
    model = Path(imported(workshop, to).models["tiny"]) / "weights.bin"
    chart = to.folder / "chart" / "buhin-0.1.0.tgz"
    right = chart.read_bytes()
    chart.write_bytes(right[:-1] + b"x")
    model.write_bytes(MODEL["weights.bin"][:-1] + b"x")
    assert sorted(imported(workshop, to).written) == ["chart/buhin-0.1.0.tgz", "models/tiny"]
    assert (chart.read_bytes(), model.read_bytes()) == (right, MODEL["weights.bin"])


def test_two_bundles_are_never_mixed(workshop: Workshop, tmp_path: Path) -> None:
    workshop.make()
    to = bundles.target(tmp_path)
    imported(workshop, to)
    before = tree(to.folder)
    changed = dataclasses.replace(workshop.inputs, without=frozenset({"wheel"}))
    other = dataclasses.replace(workshop, inputs=changed).make("b.tar")
    with pytest.raises(errors.BundleTargetError, match="another bundle"):
        imported(workshop, to, bundle=other.path)
    assert tree(to.folder) == before


def test_two_imports_at_once_into_one_folder(workshop: Workshop, tmp_path: Path) -> None:
    workshop.make()
    to = bundles.target(tmp_path)
    with placing._locked(to.folder), pytest.raises(errors.BundleTargetError, match="at work"):
        imported(workshop, to)
    imported(workshop, to)


def test_a_disk_that_is_too_small_is_told_before(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.make()
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    to = bundles.target(tmp_path)
    with pytest.raises(errors.BundleTargetError, match=r"0\.1 GB of disk are needed, 0\.0 GB are free"):
        imported(workshop, to)
    assert not (to.folder / "chart").exists()


def test_kinds_can_be_left_out(workshop: Workshop, tmp_path: Path) -> None:
    workshop.make()
    to = dataclasses.replace(bundles.target(tmp_path), without=frozenset({"model", "image", "wheel"}))
    imported(workshop, to)
    assert sorted(path.name for path in to.folder.iterdir() if path.is_dir()) == ["chart", "licences", "sbom"]
    assert not to.models.exists()
