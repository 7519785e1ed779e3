"""The images, built from a base made here: what is in them, and that their services run, answer and end well."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image

from buhin import __version__
from buhin.client import ImageInspectClient, SpeechClient, SummarizeClient, TranslateClient
from buhin.config import PORTS
from buhin.models.store import ModelStore
from scripts import images
from scripts.lock import IMAGES, ROOT
from tests.image_process import USER, run_in, running_image

pytestmark = [pytest.mark.model, pytest.mark.timeout(1_800)]

MEETING = ROOT / "samples" / "meeting" / "meeting.flac"
WALL = ROOT / "samples" / "concrete" / "wall_05_crack.jpg"


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """All images, of this tree."""
    images.build(list(IMAGES))


def speech(address: str) -> None:
    """The whole meeting is transcribed."""
    with SpeechClient(address) as client:
        assert "訓練" in client.recognize(MEETING, language="ja").transcript


def summarize(address: str) -> None:
    """Many sentences are compared."""
    sentences = [
        f"第{number}回の委員会は{number}人の市民から意見を聞き、道路の修繕を決めた。" for number in range(1, 1_300)
    ]
    with SummarizeClient(address) as client:
        answer = client.summarize("".join(sentences), max_sentences=2)
    assert [sentence.text in sentences for sentence in answer.sentences] == [True, True]


def translate(address: str) -> None:
    """A language is told, pairs are listed, and sentences are translated."""
    with TranslateClient(address) as client:
        (detection,) = client.detect_language(["The library is closed on Mondays."]).detections
        assert detection.candidates[0].language_code == "en"
        assert client.list_languages().pairs
        answer = client.translate_text(["図書館は月曜日に休みです。訓練は公園で行います。"], target="en", source="ja")
    assert "library" in answer.translations[0].translated_text.lower()


def image_inspect(address: str) -> None:
    """A photograph of 12 megapixels has cracks."""
    with Image.open(WALL) as wall:
        tiles = Image.new("RGB", (wall.width * 4, wall.height * 4))
        for number in range(16):
            tiles.paste(wall, (number % 4 * wall.width, number // 4 * wall.height))
    encoded = io.BytesIO()
    tiles.save(encoded, "JPEG", quality=90)
    with ImageInspectClient(address) as client:
        assert client.inspect(encoded.getvalue(), ground_sampling_distance_mm=1.0).cracks


CALLS: dict[str, tuple[Callable[[str], None], str]] = {
    "speech": (speech, "/buhin.speech.v1.SpeechService/Recognize"),
    "summarize": (summarize, "/buhin.summarize.v1.SummarizeService/Summarize"),
    "translate": (translate, "/buhin.translate.v1.TranslateService/TranslateText"),
    "image_inspect": (image_inspect, "/buhin.image_inspect.v1.ImageInspectService/Inspect"),
}
"""Of each service: a call through its client that takes a second or more, and its method."""


@pytest.mark.parametrize("service", PORTS)
def test_a_service_runs_from_its_image_and_finishes_its_work_when_it_is_told_to_end(
    service: str, store: ModelStore
) -> None:
    call, method = CALLS[service]
    with running_image(service, store.folder) as process, ThreadPoolExecutor() as pool:
        status = Path(f"/proc/{process.process_id}/status").read_text(encoding="ascii")
        found = dict(line.split(":\t", 1) for line in status.splitlines())
        assert found["Uid"].split() == found["Gid"].split() == [str(USER)] * 4
        assert found["Groups"].split() == []
        assert int(found["CapEff"], 16) == 0
        assert found["NSpid"].split()[-1] == "1"
        assert psutil.Process(process.process_id).cmdline() == ["python", "-m", f"services.{service}"]
        for place in ("app", "models", "opt/buhin", "etc"):
            with pytest.raises(OSError, match="Read-only file system"):
                Path(f"/proc/{process.process_id}/root/{place}/written").touch()

        answer = pool.submit(call, process.address)
        process.until("buhin_calls_in_progress", 1, method=method)
        process.terminate()
        process.wait_for("draining")
        assert not answer.done()
        answer.result()
        assert process.wait() == 0
        process.wait_for("stopped")


def test_a_worker_knows_the_pipelines(tmp_path: Path) -> None:
    assert __version__ in run_in("worker", tmp_path, "buhin", "--version").stdout
    for pipeline in ("meeting_minutes", "crack_survey"):
        ran = run_in("worker", tmp_path, "buhin", "pipeline", "check", f"pipelines/{pipeline}.yaml")
        assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = run_in("worker", tmp_path, "python", "-c", "import dbos, jinja2, lxml, PIL, psycopg")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("service", "model"), [("image_inspect", "crack-segmentation"), ("summarize", "use-multilingual-v3")]
)
def test_an_init_container_fills_an_empty_volume_without_a_network(service: str, model: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for task in ("pull", "verify"):
        ran = run_in(service, tmp_path, "buhin", "models", task, model, writable=True, BUHIN_OFFLINE="true")
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [path.name for path in tmp_path.glob(f"{model}-*")]


def test_an_image_can_ask_a_package_index_for_models(tmp_path: Path) -> None:
    assert run_in("speech", tmp_path, "python", "-m", "pip", "--version").stdout.startswith("pip ")


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_says_what_it_is_and_keeps_its_budget(service: str) -> None:
    image = images.layout(service)
    config = image.config["config"]
    entrypoint = ["buhin"] if service == "worker" else ["python", "-m", f"services.{service}"]
    assert (config["User"], config["Entrypoint"], config["WorkingDir"]) == (f"{USER}:{USER}", entrypoint, "/app")
    labels = {key.rpartition(".")[2]: value for key, value in config["Labels"].items()}
    assert labels["title"] == f"buhin {service}"
    assert labels["version"] == __version__
    assert labels["function"] == service
    assert len(labels["revision"]) == 40
    assert labels["licenses"] == "Apache-2.0" + " AND CC-BY-SA-4.0" * (service in ("summarize", "translate"))
    assert images.size(service).added <= images.BUDGET_MB[service]


@pytest.mark.parametrize("service", IMAGES)
def test_nothing_is_in_an_image_that_has_no_business_there(service: str) -> None:
    image = images.layout(service)
    names: set[str] = set()
    ours = b""
    base: set[str] = set()
    for number, layer in enumerate(image.layers):
        with tarfile.open(layer) as archive:
            for member in archive:
                (names if number else base).add(member.name)
                if number > 1 and member.isfile():  # the project's own layer, above the base and the packages
                    file = archive.extractfile(member)
                    ours += file.read() if file else b""
    services = {name.split("/")[2] for name in names if name.startswith("app/services/")}
    assert services - {"__init__.py", "__pycache__"} == {service} - {"worker"}
    assert {name.split("/")[1] for name in names if name.startswith("app/")} == {"models", "pipelines", "services"}
    assert not {name for name in names if name.startswith(("src", "tests", "image/", "opt/tools", "root/", "tmp/"))}
    odd = ("pip.conf", "sources.list", "debian.sources", ".netrc", ".env", ".git", "id_rsa", "resolv.conf", ".key")
    assert not {name for name in names | base if name.rpartition("/")[2].endswith(odd)}
    assert "usr/share/doc/buhin/LICENSE" in names
    config = json.dumps(image.config).encode()
    told = [value for name, value in os.environ.items() if name.startswith("PIP_") or name.lower().endswith("_proxy")]
    for secret in (str(ROOT), *(value for value in told if "/" in value)):
        assert secret.encode() not in ours + config
    assert f"app/services/{service}/__main__.py" in names or service == "worker"
    compiled = f"app/services/{service}/__pycache__/__main__.cpython-311.pyc"
    assert compiled in names or service == "worker"


def test_two_builds_are_the_same_to_the_byte() -> None:
    first = images.layout("worker").digest
    images.build(["worker"], fresh=True)
    assert images.layout("worker").digest == first
