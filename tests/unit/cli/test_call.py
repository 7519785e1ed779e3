"""Any method by its name, with JSON."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from typer.testing import CliRunner, Result

from buhin.cli.call import named, written
from buhin.cli.main import app
from tests.conftest import ROOT
from tests.fleet import SEGMENTS, Fleet


@pytest.fixture
def fleet_here(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fleet in the environment, and English as the reader's language."""
    for name, value in (fleet.environment | {"BUHIN_LANG": "en"}).items():
        monkeypatch.setenv(name, value)


def buhin(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["call", *arguments], input=given)


TEXT = json.dumps({"contents": ["abc"], "targetLanguageCode": "en", "source_language_code": "ja"})


@pytest.mark.usefixtures("fleet_here")
def test_a_method_and_what_every_service_tells_of_itself() -> None:
    result = buhin("translate", "TranslateText", TEXT)
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["translations"]) == 1
    told = buhin("image-inspect", "GetServiceInfo")
    assert json.loads(told.stdout)["info"]["service"] == "buhin.image_inspect.v1.ImageInspectService"


@pytest.mark.usefixtures("fleet_here")
def test_a_request_from_a_file_or_standard_input(tmp_path: Path, recording: Path) -> None:
    request = json.dumps({"audio": base64.b64encode(recording.read_bytes()).decode()})
    (tmp_path / "request.json").write_text(request, encoding="utf-8")
    results = (
        buhin("speech", "Recognize", f"@{tmp_path / 'request.json'}"),
        buhin("speech", "Recognize", "-", given=request),
        buhin("speech", "Recognize", "--file", f"audio={recording}"),
    )
    for result in results:
        assert json.loads(result.stdout)["segments"][0]["text"] == SEGMENTS[0][2]


@pytest.mark.usefixtures("fleet_here")
def test_at_another_address(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    address = fleet.environment["BUHIN_TRANSLATE_ADDRESS"]
    monkeypatch.setenv("BUHIN_TRANSLATE_ADDRESS", "localhost:1")
    assert buhin("translate", "TranslateText", TEXT, f"--address={address}").exit_code == 0
    assert "localhost:1" in buhin("translate", "TranslateText", TEXT).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["translator", "TranslateText"], "FUNCTION is translator; accepted: speech, "),
        (["translate", "Translate"], "METHOD is Translate; accepted: TranslateText, "),
        (["translate", "StreamTranslateText"], "INVALID_VALUE"),
        (["translate", "TranslateText", '{"content": []}'], 'no field named "content"'),
        (["translate", "TranslateText", "no JSON"], "UNREADABLE_MEDIA"),
        (["translate", "TranslateText", "@nothing.json"], "No such file"),
        (["speech", "Recognize", "--file", "sound=a.wav"], "accepted: audio=FILE"),
        (["speech", "Recognize", "--file", "audio=nothing.wav"], "No such file"),
    ],
)
@pytest.mark.usefixtures("fleet_here")
def test_what_cannot_be_called(arguments: list[str], said: str) -> None:
    result = buhin(*arguments)
    assert result.exit_code == 1
    assert said in result.output


def test_the_calls_of_helm_test_are_requests_of_their_methods() -> None:
    values = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text(encoding="utf-8"))
    for key, service in values["services"].items():
        method = named(key.replace("-", "_"), service["test"]["method"])
        assert json_format.MessageToDict(written(method, json.dumps(service["test"]["request"])))
