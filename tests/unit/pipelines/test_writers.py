"""What a run writes, read back by other means: CSV, JSON, GeoJSON, Markdown, HTML."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from buhin.pipelines import runner
from buhin.pipelines.checker import load
from buhin.pipelines.runner import Report
from buhin.pipelines.writers import WRITERS, crack_page
from buhin.pipelines.writers.plain import clock
from buhin.pipelines.writers.preview import preview
from tests.conftest import ROOT
from tests.fleet import SEGMENTS, Fleet, photograph

VOID = {"meta", "img", "br", "link", "input", "hr"}
EVIL = '<img src=x onerror="alert(1)">.jpg'


class Page(HTMLParser):
    """A page as a browser would see it: its elements with their attributes, its text, and whether its tags match."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def survey(fleet: Fleet, photographs: Path) -> Report:
    """A finished survey with a scale; one of the photographs has a name that would be code on a careless page."""
    photograph(photographs / EVIL, size=(200, 100))
    spec = load(ROOT / "pipelines" / "crack_survey.yaml")
    out = fleet.state_dir.parent / "out"
    return runner.run(spec, [photographs], out=out, parameters={"gsd_mm": "0.5"}, settings=fleet.settings)


@pytest.fixture
def meeting(fleet: Fleet, recording: Path) -> Report:
    """A finished meeting."""
    spec = load(ROOT / "pipelines" / "meeting_minutes.yaml")
    return runner.run(spec, [recording], out=fleet.state_dir.parent / "out", settings=fleet.settings)


def output(report: Report, name: str) -> Path:
    return next(path for path in report.outputs if path.name == name)


def check_page(path: Path) -> Page:
    """What holds for every page: complete, self-contained, bilingual, with landmarks, texts for images and targets."""
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert html.startswith("<!doctype html>")
    assert page.all("html")[0]["lang"] == "ja"
    assert all(page.all(tag) for tag in ("header", "main", "footer", "h1", "title"))
    assert next(meta for meta in page.all("meta") if "http-equiv" in meta)["content"].startswith("default-src 'none'")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attributes if name.startswith("on")]
        if "src" in attributes:
            assert tag == "img"
            assert attributes["src"].startswith("data:image/webp;base64,")
        if "href" in attributes:
            assert attributes["href"][0] == "#"
            assert attributes["href"][1:] in ids
        assert attributes.get("aria-labelledby", ids[0]) in ids
    assert all(image["alt"].strip() for image in page.all("img"))
    assert not re.search(r"url\(|@import|https?://|//cdn", html)
    shown = [attributes["lang"] for tag, attributes in page.elements if attributes.get("class") == "t"]
    assert shown.count("ja") == shown.count("en") > 10
    return page


def test_the_table_has_one_row_a_crack(survey: Report) -> None:
    content = output(survey, "findings.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [(row["photo"], row["crack_id"]) for row in rows[:4]] == [
        (EVIL, "C1"), (EVIL, "C2"), ("'=2.jpg", "C1"), ("'=2.jpg", "C2"),
    ]  # fmt: skip
    assert len(rows) == 8
    assert rows[0]["severity"] == "WIDE"
    assert (rows[0]["length_px"], rows[0]["length_mm"], rows[0]["max_width_mm"]) == ("400.0", "200.0", "3.0")
    assert (rows[0]["review_codes"], rows[1]["review_codes"]) == ("", "LOW_CONTRAST")


def test_the_map_layer_is_geojson(survey: Report) -> None:
    collection = json.loads(output(survey, "findings.geojson").read_text(encoding="utf-8"))
    assert collection["type"] == "FeatureCollection"
    assert len(collection["features"]) == 8
    for feature in collection["features"]:  # RFC 7946, sections 3.2, 3.1.2 and 4
        assert feature["type"] == "Feature"
        assert isinstance(feature["properties"], dict)
        if feature["geometry"] is not None:
            assert feature["geometry"]["type"] == "Point"
            longitude, latitude, _ = feature["geometry"]["coordinates"]
            assert -180 <= longitude <= 180
            assert -90 <= latitude <= 90
    placed = [feature for feature in collection["features"] if feature["geometry"] is not None]
    assert [feature["id"] for feature in placed] == ["橋脚_1.jpg#C1", "橋脚_1.jpg#C2"]
    assert placed[0]["geometry"]["coordinates"] == pytest.approx([-139.767125, 35.681236, 40.5], abs=1e-6)
    assert placed[0]["properties"]["polylines_px"] == [[[64, 96], [224, 168], [320, 192], [576, 264]]]
    assert [(one["photo"], one["reason"]) for one in collection["failed"]] == [("broken.jpg", "UNREADABLE_MEDIA")]


def test_the_overlays_are_those_of_the_service(survey: Report) -> None:
    folder = output(survey, "overlays")
    assert len(list(folder.iterdir())) == 4
    with Image.open(folder / "橋脚_1.jpg.overlay.png") as overlay:
        assert overlay.size == (640, 480)


def test_the_report_shows_everything(survey: Report) -> None:
    page = check_page(output(survey, "report.html"))
    assert len(page.all("img")) == 8
    assert EVIL in page.text
    assert "broken.jpg" in page.text
    assert "image を読み取れません" in page.text
    assert "image cannot be read" in page.text
    assert page.text.count("ひび割れが薄く見えます。") >= 4
    assert re.search(r"総延長Total length\s*1\.20m", page.text)
    assert re.search(r"最大幅Widest\s*3\.00mm", page.text)
    assert re.search(r"人による確認が必要To be checked by a person\s*5\s", page.text)
    assert "35.681236, -139.767125" in page.text
    assert "sha256:" + "ab" * 32 in page.text
    assert page.text.count("決まった答え") == 2, "the description and the known limit of the service's card"
    lines = [attributes["points"] for attributes in page.all("polyline")]
    assert lines.count("64,96 224,168 320,192 576,264") == 4, "two photographs of that size, small and large each"
    rows = [attributes["id"] for attributes in page.all("tr") if "id" in attributes]
    assert rows == [f"p{photo}-C{crack}" for photo in (1, 2, 3, 4) for crack in (1, 2)]


def test_without_a_scale_everything_is_in_pixels(fleet: Fleet, photographs: Path, tmp_path: Path) -> None:
    spec = load(ROOT / "pipelines" / "crack_survey.yaml")
    report = runner.run(spec, [photographs / "beam 3.jpg"], out=tmp_path / "out", settings=fleet.settings)
    table = output(report, "findings.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["length_px"], row["length_mm"], row["severity"]) for row in rows] == [
        ("400.0", "", "UNKNOWN"), ("200.0", "", "UNKNOWN"),
    ]  # fmt: skip
    page = check_page(output(report, "report.html"))
    assert re.search(r"総延長Total length\s*600px", page.text)
    assert "写真の縮尺が分からない" in page.text


def test_a_report_of_nothing_but_failures_is_a_report(fleet: Fleet, photographs: Path, tmp_path: Path) -> None:
    spec = load(ROOT / "pipelines" / "crack_survey.yaml")
    report = runner.run(spec, [photographs / "broken.jpg"], out=tmp_path / "out", settings=fleet.settings)
    page = check_page(output(report, "report.html"))
    assert "broken.jpg" in page.text
    assert not page.all("img")


def test_the_report_keeps_to_its_budget(
    fleet: Fleet, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load(ROOT / "pipelines" / "crack_survey.yaml")
    sizes = []
    for budget in (400_000, 100_000):
        monkeypatch.setattr(crack_page, "PAGE_BYTES", budget)
        report = runner.run(spec, [photographs], out=tmp_path / "out", settings=fleet.settings)
        images = check_page(output(report, "report.html")).all("img")
        sizes.append(sum(len(base64.b64decode(image["src"].partition(",")[2])) for image in images))
        assert sizes[-1] <= budget
    assert sizes[1] < sizes[0]


def test_minutes_as_markdown(meeting: Report) -> None:
    japanese = output(meeting, "minutes.ja.md").read_text(encoding="utf-8")
    english = output(meeting, "minutes.en.md").read_text(encoding="utf-8")
    assert japanese.startswith("# 会議の議事録\n\n録音: meeting.wav (1:01:40)\n")
    assert english.startswith("# Minutes of a meeting\n\nRecording: meeting.wav (1:01:40)\n")
    said = f"  - **発言者: 課長**\n  - 根拠となる発言: [00:04] {SEGMENTS[1][2]}\n"
    assert f"## 議題\n\n### 訓練の\\<日程\\>\n\n- 要点: {SEGMENTS[1][2]}\n{said}" in japanese
    assert re.findall("(?m)^## (.*)$", japanese) == ["議題", "実施事項", "未決事項", "全体について", "作成の記録"]
    assert re.findall("(?m)^## (.*)$", english)[:3] == ["Topics", "Actions", "Open questions"]
    check = "⚠ A person should check: The translation may be off.\n"
    title = f"### \\<en\\> 訓練の\\<日程\\>\n\n- {check}"
    assert f"{title}- \\<en\\> 要点: {SEGMENTS[1][2]}\n  - **Said by: 課長**\n  - {check}" in english
    assert "  - **担当: 防災担当、期限: 10月25日**\n" in japanese
    assert "  - **Owner: 防災担当; Due: 10月25日**\n" in english
    assert "\\<b\\>以上\\</b\\>です。\n  - ⚠ 人による確認が必要: 根拠となる発言がありません。\n" in japanese
    assert "⚠ 人による確認が必要: 録音の聞き取りにくい箇所: 00:11" in japanese
    for text, services in ((japanese, ("speech", "summarize")), (english, ("speech", "summarize", "translate"))):
        for service in services:
            assert re.search(
                rf"- buhin\.{service}\.v1\.\w+ 1\.2\.3, known-answers 1\.0; tiny \(`sha256:(ab){{32}}`\)", text
            )


def test_the_transcript_as_text_and_as_json(meeting: Report) -> None:
    lines = output(meeting, "transcript.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [
        f"[{time}] {text}" for time, (_, _, text) in zip(("00:00", "00:04", "00:11", "1:01:01"), SEGMENTS, strict=True)
    ]
    answer = json.loads(output(meeting, "transcript.json").read_text(encoding="utf-8"))
    assert answer["segments"][1]["start_offset"] == "4.200s"
    assert answer["provenance"]["service"] == "buhin.speech.v1.SpeechService"


def test_the_page_of_a_meeting_has_both_languages_and_every_source(meeting: Report) -> None:
    page = check_page(output(meeting, "meeting.html"))
    assert [attributes["lang"] for attributes in page.all("p") if attributes.get("class") == "other"] == ["en"] * 3
    assert len(page.all("q")) == 2
    assert re.search(rf"00:04\s*{SEGMENTS[1][2]}", page.text)
    assert "<b>以上</b>です。" in page.text
    assert not page.all("b")
    assert "この文の根拠となる発言は見つかりませんでした。" in page.text
    assert page.text.count("The translation may be off.") == 2
    assert [page.text.count(part) for part in ("実施事項", "Open questions", "決定事項")] == [1, 1, 0]
    assert "訓練の<日程>" in page.text
    assert re.search(r"Owner\s*防災担当\s*期限Due\s*10月25日", page.text)


def test_a_summary_in_another_style_is_shown_as_points(fleet: Fleet, recording: Path, tmp_path: Path) -> None:
    text = (ROOT / "pipelines" / "meeting_minutes.yaml").read_text(encoding="utf-8")
    titles = text[text.index("  - id: titles") : text.index("outputs:")]
    spec = tmp_path / "points.yaml"
    changed = (
        text.replace("STYLE_MINUTES", "STYLE_BULLETS").replace(titles, "").replace("      titles: ${titles}\n", "")
    )
    spec.write_text(changed, encoding="utf-8")
    report = runner.run(load(spec), [recording], out=tmp_path / "out", settings=fleet.settings)
    page = check_page(output(report, "meeting.html"))
    assert [attributes["lang"] for attributes in page.all("p") if attributes.get("class") == "other"] == ["en"] * 3
    japanese = output(report, "minutes.ja.md").read_text(encoding="utf-8")
    assert re.findall("(?m)^##+ (.*)$", japanese) == ["全体について", "作成の記録"]
    assert japanese.count("\n- 要点: ") == 3


def test_the_json_of_many_answers_has_their_errors_and_no_images(
    fleet: Fleet, photographs: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "survey.yaml"
    text = (ROOT / "pipelines" / "crack_survey.yaml").read_text(encoding="utf-8")
    outputs = "outputs:\n  - file: all.json\n    writer: json\n    with:\n      answer: ${inspect}\n"
    spec.write_text(text[: text.index("outputs:")] + outputs, encoding="utf-8")
    report = runner.run(load(spec), [photographs], out=tmp_path / "out", settings=fleet.settings)
    entries: list[dict[str, Any]] = json.loads(report.outputs[0].read_text(encoding="utf-8"))
    assert [("answer" in entry, "error" in entry) for entry in entries] == [
        (True, False), (True, False), (False, True), (True, False),
    ]  # fmt: skip
    assert entries[2]["error"]["reason"] == "UNREADABLE_MEDIA"
    assert "overlay_png" not in entries[0]["answer"]


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00"), (59.9, "00:59"), (61, "01:01"), (3600, "1:00:00")])
def test_times_are_read_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_preview_is_upright_and_small() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    encoded = io.BytesIO()
    Image.effect_noise((800, 400), 60).save(encoded, "JPEG", exif=exif)
    uri = preview(encoded.getvalue(), side_px=500, max_bytes=20_000)
    data = base64.b64decode(uri.partition(",")[2])
    assert len(data) <= 20_000
    with Image.open(io.BytesIO(data)) as image:
        assert image.height == 2 * image.width


def test_every_writer_says_in_a_sentence_what_it_makes() -> None:
    for writer in WRITERS.values():
        assert (writer.write.__doc__ or "").strip().partition("\n")[0].endswith((".", "``."))
