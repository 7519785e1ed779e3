"""`buhin transcribe|summarize|services`: each function on files, and what runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buhin.cli import output
from buhin.cli.live import transcribe_live

if TYPE_CHECKING:
    from buhin.speech.v1.speech_pb2 import RecognizeResponse

AsJson = Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")]
To = Annotated[str, typer.Option("--to", metavar="LANGUAGE", help="Language of the result, BCP-47.")]
From = Annotated[str, typer.Option("--from", metavar="LANGUAGE", help="Language of the input; detected when empty.")]
Timeout = Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", help="Deadline of a call.")]
Out = Annotated[Path | None, typer.Option("--output", "-o", help="Write the result there instead of printing it.")]
TextFile = Annotated[str, typer.Argument(metavar="FILE", help="A UTF-8 text file; - for standard input.")]


class TranscriptFormat(StrEnum):
    """How a transcript is written."""

    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"


_SUBTITLES = {TranscriptFormat.SRT: "srt", TranscriptFormat.VTT: "webvtt"}


def transcribe(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A WAV, FLAC, MP3, M4A or OGG file.", show_default=False)
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Show the text as it is spoken: of FILE at real speed, or of a microphone.")
    ] = False,
    language: Annotated[str, typer.Option(help="Spoken language, BCP-47; detected when empty.")] = "",
    to_english: Annotated[bool, typer.Option("--to-english", help="Write down in English what is said.")] = False,
    words: Annotated[bool, typer.Option("--words", help="Also the times of each word.")] = False,
    glossary: Annotated[str, typer.Option(metavar="ID", help="A glossary, whose terms are likely.")] = "",
    languages: Annotated[bool, typer.Option("--languages", help="The language may change in between.")] = False,
    vad: Annotated[bool, typer.Option(help="Skip parts without a voice.")] = True,
    hotword: Annotated[list[str] | None, typer.Option(help="A word that is likely to be spoken; repeatable.")] = None,
    speakers: Annotated[bool, typer.Option("--speakers", help="Tell who speaks.")] = False,
    speaker_count: Annotated[int, typer.Option(help="How many speakers there are; 0: found out.", min=0)] = 0,
    form: Annotated[
        TranscriptFormat | None, typer.Option("--format", help="By the suffix of --output, else text.")
    ] = None,
    columns: Annotated[int, typer.Option(help="Most columns of a line of subtitles; 0: 42.", min=0)] = 0,
    lines: Annotated[int, typer.Option(help="Most lines of a subtitle; 0: 2.", min=0)] = 0,
    out: Out = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Transcribe a recording as text or as subtitles, or live speech."""
    from buhin.client import SpeechClient
    from buhin.client.speech import collect, portions

    asked: dict[str, Any] = {
        "language": language,
        "task": "translate" if to_english else "transcribe",
        "word_offsets": words,
        "voice_activity_detection": vad,
        "hotwords": hotword or (),
    }
    if live:
        transcribe_live(file, out=out, timeout=timeout, as_json=as_json, **asked)
        return
    if file is None:
        raise typer.BadParameter("give a FILE, or --live to use a microphone")
    if form is None:
        suffix = out.suffix.lower().removeprefix(".") if out else ""
        form = TranscriptFormat(suffix) if suffix in list(TranscriptFormat) else TranscriptFormat.TEXT
    with output.reported(), output.progress(file.name) as progress, SpeechClient(timeout_s=timeout) as client:
        answer = collect(
            client.recognize_file(
                portions(file),
                subtitle_formats=[_SUBTITLES[form]] if form in _SUBTITLES else [],
                max_line_columns=columns,
                max_lines=lines,
                glossary_id=glossary,
                identify_languages=languages,
                speakers=speakers or speaker_count > 0,
                speaker_count=speaker_count,
                **asked,
            ),
            lambda done_s, total_s: progress(round(done_s), round(total_s)),
        )
    if as_json:
        output.write_json(answer, out)
        return
    if answer.subtitles:
        output.write_text(answer.subtitles[0].content.removesuffix("\n"), out)
    else:
        output.write_text(_transcript(answer) or output.say("(nothing was said)", "(発話はありませんでした)"), out)
    output.note(
        output.say(
            f"language {answer.language_code} ({answer.language_confidence:.0%}), "
            f"{answer.audio_duration.ToTimedelta().total_seconds():.0f} s of audio",
            f"言語 {answer.language_code} ({answer.language_confidence:.0%})、"
            f"音声 {answer.audio_duration.ToTimedelta().total_seconds():.0f} 秒",
        )
    )
    output.print_review(answer.review)


def _transcript(answer: RecognizeResponse) -> str:
    """Each segment with its time, its words below it when they came."""
    lines = []
    for segment in answer.segments:
        speaker = f"{segment.speaker_label}: " if segment.speaker_label else ""
        lines.append(f"{output.clock(segment.start_offset)}  {speaker}{segment.text}")
        lines += [f"    {output.clock(w.start_offset)} {w.word} {w.confidence:.2f}" for w in segment.words]
    return "\n".join(lines)


_WRITTEN_STYLES = {"abstract", "headline", "minutes"}
"""The styles that only METHOD_ABSTRACTIVE has."""


def summarize(
    file: TextFile,
    method: Annotated[str, typer.Option(help="extractive or abstractive. Default: what the style allows.")] = "",
    style: Annotated[str, typer.Option(help="paragraph, bullets, abstract, headline or minutes.")] = "paragraph",
    max_characters: Annotated[int | None, typer.Option(help="At most so many characters.")] = None,
    max_sentences: Annotated[int | None, typer.Option(help="At most so many sentences.")] = None,
    query: Annotated[str, typer.Option(help="What the reader wants to know.")] = "",
    source: From = "",
    to: To = "",
    out: Out = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Summarize a text. Every sentence says how well the source supports it."""
    from buhin.client import SummarizeClient

    if max_characters is not None and max_sentences is not None:
        raise typer.BadParameter("give --max-characters or --max-sentences, not both")
    method = method or ("abstractive" if style.lower() in _WRITTEN_STYLES else "extractive")
    with output.reported():
        content = output.read_text(file)
        with output.working(method), SummarizeClient(timeout_s=timeout) as client:
            answer = client.summarize(
                content,
                method=method,
                style=style,
                max_characters=max_characters,
                max_sentences=max_sentences,
                source=source,
                target=to,
                query=query,
            )
    if as_json:
        output.write_json(answer, out)
        return
    output.write_text(answer.summary, out)
    for sentence in answer.sentences:
        if not sentence.supported:
            output.note(output.say("not supported by the text: ", "本文に裏付けがありません: ") + sentence.text)
    output.print_review(answer.review)


def services(as_json: AsJson = False) -> None:
    """Show the services: whether they serve, and their cards. Exit status 1 when one does not serve."""
    from buhin.client.catalogue import service_info
    from buhin.common.v1 import common_pb2
    from buhin.config import PORTS, ClientSettings
    from buhin.errors import BuhinError

    found: dict[str, common_pb2.ServiceInfo | BuhinError] = {}
    with output.reported():
        settings = ClientSettings()
        for function in PORTS:
            try:
                found[function] = service_info(function, settings=settings)
            except BuhinError as error:
                found[function] = error
    serving = [
        isinstance(info, common_pb2.ServiceInfo) and info.state == common_pb2.SERVICE_STATE_SERVING
        for info in found.values()
    ]
    if as_json:
        output.print_json(
            {
                function: {"address": settings.address(function)}
                | ({"error": str(info)} if isinstance(info, BuhinError) else output.message_dict(info))
                for function, info in found.items()
            }
        )
    else:
        for function, info in found.items():
            _print_service(function, settings.address(function), info)
    if not all(serving):
        raise typer.Exit(1)


def _print_service(function: str, address: str, info: Any) -> None:
    from buhin.common.v1 import common_pb2
    from buhin.errors import BuhinError

    console = output.console()
    if isinstance(info, BuhinError):
        console.print(f"[bold]{function}[/]  {address}  [red]{output.say('not reachable', '応答なし')}[/]")
        return
    state = common_pb2.ServiceState.Name(info.state).removeprefix("SERVICE_STATE_")
    colour = "green" if state == "SERVING" else "yellow"
    console.print(f"[bold]{function}[/]  {address}  [{colour}]{state}[/]  {info.service_version}  {info.engine}")
    console.print(f"  {output.say(info.title.en, info.title.ja)}", markup=False)
    if info.state_detail.en:
        console.print(f"  {output.say(info.state_detail.en, info.state_detail.ja)}", markup=False)
    for model in info.models:
        loaded = output.say("loaded", "読込済") if model.loaded else output.say("not loaded", "未読込")
        console.print(f"  {model.model.model_id} ({model.role}): {loaded}", markup=False)
    missing = [method.method for method in info.methods if not method.implemented]
    if missing:
        console.print(f"  {output.say('not implemented', '未実装')}: {', '.join(missing)}")
    for limit in info.known_limits:
        console.print(f"  [dim]· {output.say(limit.en, limit.ja)}[/]")
