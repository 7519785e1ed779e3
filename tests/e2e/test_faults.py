"""Every row of faults.yaml, against services that run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from google.protobuf.json_format import ParseDict

from buhin import errors
from buhin.client.connection import Connection
from buhin.image_inspect.v1 import image_inspect_pb2
from buhin.speech.v1 import speech_pb2
from buhin.summarize.v1 import summarize_pb2
from buhin.translate.v1 import translate_pb2
from tests.conftest import ROOT
from tests.e2e import fault_events, fault_failures, fault_inputs

pytestmark = pytest.mark.model

ROWS: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests" / "data" / "faults.yaml").read_text(encoding="utf-8"))
CALLS: dict[str, tuple[Any, str, str, Any]] = {
    "recognize": (speech_pb2, "SpeechService", "Recognize", speech_pb2.RecognizeRequest),
    "inspect": (image_inspect_pb2, "ImageInspectService", "Inspect", image_inspect_pb2.InspectRequest),
    "translate": (translate_pb2, "TranslateService", "TranslateText", translate_pb2.TranslateTextRequest),
    "detect": (translate_pb2, "TranslateService", "DetectLanguage", translate_pb2.DetectLanguageRequest),
    "summarize": (summarize_pb2, "SummarizeService", "Summarize", summarize_pb2.SummarizeRequest),
}

EVENTS: dict[str, Callable[[Path], tuple[str, str]]] = {
    name: value
    for module in (fault_events, fault_failures)
    for name, value in vars(module).items()
    if list(getattr(value, "__annotations__", {})) == ["folder", "return"]
}
_ODD = {"nan": "NaN", "inf": "Infinity"}
"""As JSON of protobuf has them."""


def rows(kind: str) -> list[Any]:
    """The rows of a kind, named by their fault."""
    return [pytest.param(row, id=row["fault"].replace(" ", "-")) for row in ROWS if kind in row]


def request_of(row: dict[str, Any]) -> Any:
    """The message that a row sends. NaN and infinity stand as YAML has them."""
    message = CALLS[row["call"]][3]()
    config = {key: _ODD.get(str(value), value) for key, value in row.get("config", {}).items()}
    ParseDict(row.get("request", {}) | ({"config": config} if config else {}), message)
    if "audio" in row:
        message.audio = fault_inputs.AUDIO[row["audio"]]()
    if "image" in row:
        message.image = fault_inputs.IMAGES[row["image"]]()
    if "text" in row:
        text = fault_inputs.TEXTS[row["text"]]()
        if row["call"] == "translate":
            message.contents.append(text)
        else:
            message.text = text
    return message


def test_the_table_is_large_enough_and_names_each_fault_once() -> None:
    assert len(ROWS) >= 40
    assert len({row["fault"] for row in ROWS}) == len(ROWS)
    events = {row["event"] for row in ROWS if "event" in row}
    assert events == set(EVENTS)
    used = [{row.get(kind) for row in ROWS} - {None} for kind in ("audio", "image", "text")]
    assert used == [set(fault_inputs.AUDIO), set(fault_inputs.IMAGES), set(fault_inputs.TEXTS)]


@pytest.mark.parametrize("row", rows("call"))
def test_a_request(services: Mapping[str, str], row: dict[str, Any]) -> None:
    module, service, name, _ = CALLS[row["call"]]
    method = module.DESCRIPTOR.services_by_name[service].methods_by_name[name]
    function = method.full_name.split(".")[1]
    with Connection(function, address=services[function]) as connection:
        if row["code"] == "OK":
            CHECKS[row["behaviour"]](connection.unary(method, request_of(row), timeout_s=120))
            if "warning" in row:
                answer = connection.unary(method, request_of(row), timeout_s=120)
                assert row["warning"] in [warning.code for warning in answer.warnings]
            return
        with pytest.raises(errors.BuhinError) as caught:
            connection.unary(method, request_of(row), timeout_s=60)
    error = caught.value
    assert (error.code.name, error.reason, error.field) == (row["code"], row["reason"], row["field"])
    assert "?" not in error.message + error.message_ja
    if error.reason in ("UNSUPPORTED_LANGUAGE", "UNREADABLE_MEDIA", "INVALID_VALUE"):
        assert error.metadata["accepted"]


@pytest.mark.parametrize("row", rows("event"))
def test_an_event(tmp_path: Path, row: dict[str, Any]) -> None:
    assert EVENTS[row["event"]](tmp_path) == (row["code"], row["reason"])


def nothing_said(answer: speech_pb2.RecognizeResponse) -> None:
    """An answer without words, all its numbers finite."""
    assert (answer.transcript, list(answer.segments)) == ("", [])
    assert np.isfinite([answer.language_confidence, answer.speech_duration.ToSeconds()]).all()


def crack_found(answer: image_inspect_pb2.InspectResponse) -> None:
    """The crack of the sample, as long as in the sample itself."""
    assert (answer.width_px, answer.height_px) == fault_inputs.cracked().size
    assert answer.summary.total_length_px == pytest.approx(_length(), rel=0.15)
    numbers = [value for crack in answer.cracks for value in (crack.length_px, crack.mean_width_px, crack.confidence)]
    assert np.isfinite(numbers).all()


def _length() -> float:
    from buhin.engine import Stop
    from services.image_inspect import photo
    from services.image_inspect.engines.ridge import RidgeEngine
    from services.image_inspect.measure import measure

    data = (ROOT / "samples" / "concrete" / "wall_05_crack.jpg").read_bytes()
    pixels, _ = photo.decode(photo.Header(data, *fault_inputs.cracked().size))
    return sum(crack.length for crack in measure(RidgeEngine().detect(pixels, Stop()), 40.0, Stop(), pixels))


CHECKS: dict[str, Callable[[Any], None]] = {
    "nothing is said of it": nothing_said,
    "the crack is found": crack_found,
    "it is upright": crack_found,
}
