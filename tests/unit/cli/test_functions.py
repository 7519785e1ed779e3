"""The commands of the functions, against the four services of known answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from buhin import __version__
from buhin.cli.main import app, main
from tests.conftest import ROOT
from tests.fleet import SEGMENTS, Fleet, photograph


@pytest.fixture
def at(tmp_path: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with the fleet in the environment and English as the reader's language."""
    for name, value in (fleet.environment | {"BUHIN_LANG": "en", "COLUMNS": "200"}).items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def buhin(*arguments: str | Path, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)


def test_transcribe_prints_times_and_texts_and_says_what_to_check_beside_it(at: Path, recording: Path) -> None:
    result = buhin("transcribe", recording)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1] == f"00:04.2  {SEGMENTS[1][2]}"
    assert "language ja (100%), 3700 s of audio" in result.stderr
    assert "LOW_CONFIDENCE segments[2]: A segment is unclear." in result.stderr


def test_transcribe_tells_speakers(at: Path, recording: Path) -> None:
    for options, speaker in ((["--speakers"], "speaker-1"), (["--speaker-count", "2"], "speaker-2")):
        result = buhin("transcribe", recording, *options)
        assert result.stdout.splitlines()[1] == f"00:04.2  {speaker}: {SEGMENTS[1][2]}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--format", "srt"], "SUBTITLE_FORMAT_SRT\n"),
        (["--format", "vtt", "-o", "talk.srt"], "SUBTITLE_FORMAT_WEBVTT\n"),
        (["-o", "talk.SRT"], "SUBTITLE_FORMAT_SRT\n"),
        (["-o", "talk.vtt"], "SUBTITLE_FORMAT_WEBVTT\n"),
        (["-o", "talk.md"], f"00:00.0  {SEGMENTS[0][2]}\n"),
        (["--format", "text", "-o", "talk.vtt"], f"00:00.0  {SEGMENTS[0][2]}\n"),
    ],
)
def test_transcribe_writes_subtitles_by_format_or_suffix(
    at: Path, recording: Path, options: list[str], expected: str
) -> None:
    result = buhin("transcribe", recording, *options)
    assert result.exit_code == 0, result.output
    written = (at / options[-1]).read_text(encoding="utf-8") if "-o" in options else result.stdout
    assert written.startswith(expected)


def test_translate_takes_a_text_a_file_or_standard_input(at: Path) -> None:
    (at / "text.txt").write_text("橋", encoding="utf-8-sig")
    for arguments, given in ((["--text", "橋"], None), (["text.txt"], None), (["-"], "橋".encode())):
        result = buhin("translate", "--to", "en", *arguments, given=given)
        assert (result.exit_code, result.stdout) == (0, "<en> 橋\n"), result.output
        assert "LOW_SIMILARITY translations[0]" in result.stderr


def test_summarize_prints_the_summary_and_what_is_not_supported(at: Path) -> None:
    (at / "text.txt").write_text("一\n二\n三", encoding="utf-8")
    result = buhin("summarize", "text.txt", "--style", "bullets", "-o", "summary.md")
    assert result.exit_code == 0, result.output
    assert (at / "summary.md").read_text(encoding="utf-8") == "- 要点: 二\n- 要点: 三\n"
    assert result.stdout == ""
    assert "not supported by the text: 要点: 三" in result.stderr


def test_inspect_prints_a_table_a_photograph_and_writes_the_overlays(at: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        photograph(at / name)
    result = buhin("inspect", "a.jpg", "b.jpg", "--gsd", "0.5", "--overlay", "drawn")
    assert result.exit_code == 0, result.output
    assert "a.jpg  640×480" in result.stdout
    assert "b.jpg  640×480" in result.stdout
    row = next(line for line in result.stdout.splitlines() if "C1" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["C1", "200.00", "1.50", "3.00", "wide", "0.90"]
    assert {path.name for path in (at / "drawn").iterdir()} == {"a.png", "b.png"}
    assert (at / "drawn" / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "the same place: a.jpg, b.jpg (80%)" in result.stderr
    assert "2 cracks of 600 px" in result.stderr
    assert "length (px)" in buhin("inspect", "a.jpg").stdout


def test_a_photograph_that_cannot_be_read_does_not_stop_the_others(at: Path) -> None:
    photograph(at / "a.jpg")
    (at / "b.jpg").write_bytes(b"no picture")
    photograph(at / "c.jpg")
    result = buhin("inspect", "a.jpg", "b.jpg", "c.jpg")
    assert result.exit_code == 1
    assert "a.jpg  640×480" in result.stdout
    assert "c.jpg  640×480" in result.stdout
    assert "b.jpg: UNREADABLE_MEDIA" in result.stderr
    told = json.loads(buhin("inspect", "a.jpg", "b.jpg", "--json").stdout)
    assert [("cracks" in each, each.get("error", {}).get("reason")) for each in told] == [
        (True, None), (False, "UNREADABLE_MEDIA"),
    ]  # fmt: skip


def test_compare_prints_what_changed(at: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        photograph(at / name)
    result = buhin("compare", "a.jpg", "b.jpg", "--overlay", "changes.png")
    assert result.exit_code == 0, result.output
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in result.stdout.splitlines() if "│" in line]
    assert rows == [["new", "", "C2", "", ""], ["grown", "C1", "C1", "+12.00", "+0.50"]]
    assert (at / "changes.png").read_bytes() == b"\x89PNG"
    assert json.loads(buhin("compare", "a.jpg", "b.jpg", "--json").stdout)["changes"][0]["after_crack_id"] == "C2"


@pytest.mark.parametrize(
    ("arguments", "path", "expected"),
    [
        (["transcribe", "a.wav"], ["segments", 1, "text"], SEGMENTS[1][2]),
        (["transcribe", "a.wav"], ["provenance", "models", 0, "model_id"], "tiny"),
        (["translate", "--to", "en", "a.txt"], ["translations", 0, "translated_text"], "<en> 一\n二"),
        (["summarize", "a.txt"], ["sentences", 0, "supported"], False),
        (["summarize", "--style", "minutes", "a.txt"], ["minutes", "actions", 0, "owner"], "防災担当"),
        (["inspect", "a.jpg"], [0, "file"], "a.jpg"),
        (["inspect", "a.jpg"], [0, "cracks", 1, "crack_id"], "C2"),
        (["services"], ["speech", "state"], "SERVICE_STATE_SERVING"),
    ],
)
def test_json_has_the_whole_answer(at: Path, arguments: list[str], path: list[str | int], expected: object) -> None:
    (at / "a.wav").write_bytes(b"RIFF")
    (at / "a.txt").write_text("一\n二", encoding="utf-8")
    photograph(at / "a.jpg")
    value = json.loads(buhin(*arguments, "--json").stdout)
    for key in path:
        value = value[key]
    assert value == expected


def test_services_shows_cards_and_fails_when_one_is_down(at: Path, fleet: Fleet) -> None:
    result = buhin("services")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("SERVING") == 4
    assert "tiny (testing): loaded" in result.stdout
    fleet.stop("translate")
    result = buhin("services")
    assert result.exit_code == 1
    assert result.stdout.count("SERVING") == 3
    assert f"translate  {fleet.addresses['translate']}  not reachable" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["inspect", "text.txt"], 1, "error UNREADABLE_MEDIA: image cannot be read"),
        (["inspect", "none.jpg"], 1, "error: No such file or directory: 'none.jpg'"),
        (["transcribe", "none.wav"], 1, "error: No such file or directory: 'none.wav'"),
        (["summarize", "none.txt"], 1, "error: No such file or directory: 'none.txt'"),
        (["summarize", "text.txt", "--method", "magic"], 1, "INVALID_VALUE: method is magic"),
        (["summarize", "text.txt", "--max-characters", "9", "--max-sentences", "1"], 2, "not both"),
        (["translate", "--to", "en"], 2, "give a FILE"),
        (["translate", "--to", "en", "latin.txt"], 2, "not UTF-8 text (invalid"),
        (["translate", "text.txt"], 2, "--to"),
        (["translate", "--to", "en", "--text", "橋", "--term", "橋"], 2, "give TERM=TRANSLATION"),
        (["fly"], 2, "No such command 'fly'"),
    ],
)
def test_mistakes_are_told_in_one_line(at: Path, arguments: list[str], status: int, message: str) -> None:
    (at / "text.txt").write_text("一", encoding="utf-8")
    (at / "latin.txt").write_bytes(b"caf\xe9 au lait")
    result = buhin(*arguments)
    assert result.exit_code == status, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(("language", "message"), [("en", "Start it with: buhin up"), ("ja", "起動するには: buhin up")])
def test_without_a_service_it_says_how_to_start_one(
    at: Path, monkeypatch: pytest.MonkeyPatch, language: str, message: str
) -> None:
    monkeypatch.setenv("BUHIN_TRANSLATE_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("BUHIN_LANG", language)
    result = buhin("translate", "--to", "en", "--text", "橋", "--timeout", "20")
    assert result.exit_code == 1
    assert "UNAVAILABLE" in result.stderr
    assert message in result.stderr


def test_a_wrong_setting_is_named(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUHIN_TIMEOUT_S", "soon")
    result = buhin("translate", "--to", "en", "--text", "橋")
    assert result.exit_code == 2
    assert "BUHIN_TIMEOUT_S: Input should be a valid number" in result.stderr


def test_version() -> None:
    assert buhin("--version").stdout == f"buhin {__version__}\n"


def test_without_an_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("buhin.pipelines", "dbos"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dbos", None)
    given = [str(ROOT / "pipelines" / "crack_survey.yaml"), str(ROOT / "samples" / "concrete")]
    monkeypatch.setattr(sys, "argv", ["buhin", "pipeline", "run", *given])
    monkeypatch.setenv("BUHIN_LANG", "en")
    with pytest.raises(SystemExit, match=r"this needs dbos: pip install 'buhin\[pipelines\]'"):
        main()
