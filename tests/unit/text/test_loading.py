"""The engine that the settings choose, with a model that gets there by a manifest or by a server's address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from buhin import errors
from buhin.config import TextSettings
from buhin.engine import Stop
from buhin.models.manifest import Manifest, ModelEntry
from buhin.models.store import ModelStore
from buhin.text.generator import Generator, Message, Prompt, Task
from buhin.text.loading import load_generator
from tests import tiny_models
from tests.model_server import ModelServer


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings that name a manifest of one model, and a store that has it."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "model").mkdir()
    tiny_models.chat(folder / "model")
    entry = ModelEntry.of_folder(
        folder / "model", "model.safetensors", id="tiny", task="testing", licence="MIT", origin="made here"
    )
    (folder / "manifest.yaml").write_text(yaml.safe_dump(Manifest(models=[entry]).model_dump(mode="json")))
    settings: dict[str, Any] = {"manifest": folder / "manifest.yaml", "models_dir": folder / "store"}
    ModelStore.from_settings(TextSettings(**settings)).pull("tiny", directory=folder / "model")
    return settings


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A server that has the model «large»."""
    running = ModelServer()
    yield running
    running.close()


def load(**settings: Any) -> Generator:
    """The generator of the settings."""
    found = TextSettings(**settings)
    return load_generator(found, ModelStore.from_settings(found), role="writing")


def written(generator: Generator) -> str:
    """What it writes of a cat; it ends then."""
    prompt = Prompt(Task.TRANSLATE, "neko", "ja", "en", [Message("user", "neko")], 10)
    text = generator.generate(prompt, stop=Stop()).text
    generator.close()
    return text


def test_transformers(machine: dict[str, Any]) -> None:
    generator = load(text_engine="transformers", text_model="tiny", text_batch_size=40, text_device="cpu", **machine)
    assert (generator.name, generator.model.model_id, generator.model.role) == ("transformers", "tiny", "writing")
    assert generator.model.digest.startswith("sha256:")
    assert generator.context_tokens == 16_384 // 40
    assert written(generator) == "cat"


def test_a_server(server: ModelServer) -> None:
    generator = load(text_engine="openai", text_model="large", openai_url=server.url, openai_api_key="s3cret")
    assert (generator.name, generator.context_tokens) == ("openai", 4096)
    assert written(generator) == "雨が降る"
    assert {key for _, _, key in server.asked} == {"Bearer s3cret"}


def test_a_model_that_is_not_there(machine: dict[str, Any]) -> None:
    with pytest.raises(errors.UnknownModelError, match="known: tiny"):
        load(text_engine="transformers", text_model="huge", **machine)
