"""`buhin inspect` and `buhin compare`: cracks in photographs, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buhin.cli import output
from buhin.cli.functions import AsJson, Timeout

if TYPE_CHECKING:
    from buhin.image_inspect.v1.image_inspect_pb2 import CompareResponse, FlightSummary, InspectResponse

Gsd = Annotated[float | None, typer.Option("--gsd", metavar="MM", help="Ground sampling distance: mm a pixel.")]
Marker = Annotated[float | None, typer.Option("--marker", metavar="MM", help="Side of the ArUco markers (4x4_50).")]
Distance = Annotated[
    float | None, typer.Option("--distance", metavar="M", help="From camera to surface; with the lens of EXIF.")
]
MinLength = Annotated[float | None, typer.Option(metavar="PX", help="Leave out shorter cracks.")]
Rules = Annotated[str, typer.Option("--rules", metavar="ID", help="Rule set of severity, such as bridge_rc.")]


def inspect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JPEG, PNG, TIFF or WebP photographs.")],
    gsd: Gsd = None,
    marker: Marker = None,
    distance: Distance = None,
    min_width: Annotated[
        float | None, typer.Option(metavar="MM", help="The narrowest crack that has to be seen.")
    ] = None,
    min_length: MinLength = None,
    rules: Rules = "",
    position: Annotated[bool, typer.Option("--position", help="Also where the camera stood, by EXIF.")] = False,
    overlay: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the photographs with the cracks drawn there.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write the masks there.")] = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Find and measure the cracks in photographs; with several, tell which show the same place.

    Exit status 1 when a photograph could not be inspected; the others are.
    """
    from buhin.client import ImageInspectClient
    from buhin.errors import BuhinError

    options: dict[str, Any] = {
        "ground_sampling_distance_mm": gsd,
        "marker_size_mm": marker,
        "distance_m": distance,
        "min_width_mm": min_width,
        "min_length_px": min_length,
        "severity_rules": rules,
        "include_position": position,
        "include_overlay": overlay is not None,
        "include_mask": mask is not None,
    }
    found: dict[Path, dict[str, Any]] = {}
    summary = None
    with output.reported(), ImageInspectClient(timeout_s=timeout) as client:
        answers = _one(client, files[0], options) if len(files) == 1 else _several(client, files, options)
        for file, answer in answers:
            if file is None:
                summary = answer
            elif isinstance(answer, BuhinError):
                found[file] = {"error": {"reason": answer.reason, "message": answer.message}}
                output.console(stderr=True).print(f"{file.name}: {answer.reason}: {answer}", style="red", markup=False)
            else:
                _write(file, answer, overlay, mask)
                found[file] = output.message_dict(answer)
                if not as_json:
                    _print_cracks(file.name, answer)
    if as_json:
        plain = [{"file": str(file)} | found[file] for file in dict.fromkeys(files) if file in found]
        output.print_json(plain)
    elif summary is not None:
        _print_flight(summary)
    if any("error" in each for each in found.values()):
        raise typer.Exit(1)


def compare(
    before: Annotated[Path, typer.Argument(help="The earlier photograph.")],
    after: Annotated[Path, typer.Argument(help="The later photograph of the same place.")],
    gsd: Gsd = None,
    marker: Marker = None,
    distance: Distance = None,
    min_length: MinLength = None,
    rules: Rules = "",
    overlay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the later photograph with the changes drawn there.")
    ] = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Tell which cracks are new, which grew and which are as they were between two photographs."""
    from buhin.client import ImageInspectClient

    with output.reported(), output.working(after.name), ImageInspectClient(timeout_s=timeout) as client:
        answer = client.compare(
            before,
            after,
            ground_sampling_distance_mm=gsd,
            marker_size_mm=marker,
            distance_m=distance,
            min_length_px=min_length,
            severity_rules=rules,
            include_overlay=overlay is not None,
        )
        if overlay is not None:
            overlay.write_bytes(answer.overlay_png)
            answer.ClearField("overlay_png")
    if as_json:
        output.write_json(answer, None)
    else:
        _print_changes(answer)


def _one(client: Any, file: Path, options: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    with output.working(file.name):
        yield file, client.inspect(file, **options)


def _several(client: Any, files: Sequence[Path], options: dict[str, Any]) -> Iterator[tuple[Path | None, Any]]:
    """Each file with its findings or its error as they come, then None with the summary."""
    from buhin.status import decode

    distinct = {str(number): file for number, file in enumerate(dict.fromkeys(files))}
    for file in distinct.values():
        file.stat()
    with output.progress(output.say("photographs", "写真")) as progress:
        for response in client.stream_inspect(distinct.items(), **options):
            progress(response.completed_count, len(distinct))
            outcome = response.WhichOneof("outcome")
            if outcome == "flight_summary":
                names = {number: file.name for number, file in distinct.items()}
                for group in response.flight_summary.groups:
                    group.photo_ids[:] = [names[number] for number in group.photo_ids]
                yield None, response.flight_summary
            else:
                answer = response.result if outcome == "result" else decode(response.error)
                yield distinct[response.photo_id], answer


def _write(file: Path, answer: InspectResponse, overlay: Path | None, mask: Path | None) -> None:
    for folder, image in ((overlay, answer.overlay_png), (mask, answer.mask_png)):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{file.stem}.png").write_bytes(image)
    answer.ClearField("overlay_png")
    answer.ClearField("mask_png")


def _print_cracks(name: str, answer: InspectResponse) -> None:
    from rich.table import Table

    from buhin.image_inspect.v1 import image_inspect_pb2

    unit = "mm" if answer.HasField("ground_sampling_distance_mm") else "px"
    words = (("crack", "ひび割れ"), ("length", "長さ"), ("mean width", "平均幅"), ("max width", "最大幅"))
    table = Table(title=f"{name}  {answer.width_px}×{answer.height_px}", title_justify="left")
    for n, word in enumerate(words):
        table.add_column(output.say(*word) + (f" ({unit})" if n else ""), justify="right" if n else "left")
    table.add_column(output.say("severity", "区分"))
    table.add_column(output.say("confidence", "確信度"), justify="right")
    for crack in answer.cracks:
        lengths = (getattr(crack, f"{part}_{unit}") for part in ("length", "mean_width", "max_width"))
        level = image_inspect_pb2.Severity.Name(crack.severity).removeprefix("SEVERITY_").lower()
        label = crack.severity_judgement.label
        severity = output.say(label.en, label.ja) or level.replace("unspecified", "")
        table.add_row(crack.crack_id, *(f"{v:.2f}" for v in lengths), severity, f"{crack.confidence:.2f}")
    output.console().print(table if answer.cracks else f"{name}: {output.say('no cracks', 'ひび割れなし')}")
    output.print_review(answer.review)


def _print_flight(summary: FlightSummary) -> None:
    for group in summary.groups:
        names = ", ".join(group.photo_ids)
        output.note(output.say(f"the same place: {names}", f"同じ場所: {names}") + f" ({group.overlap:.0%})")
    length = summary.distinct_length_mm if summary.HasField("distinct_length_mm") else summary.distinct_length_px
    unit = "mm" if summary.HasField("distinct_length_mm") else "px"
    count = summary.distinct_crack_count
    output.note(
        output.say(
            f"{summary.inspected_count} photographs, {summary.failed_count} failed; "
            f"{count} cracks of {length:.0f} {unit}, each place once",
            f"写真 {summary.inspected_count} 枚（失敗 {summary.failed_count}）、"
            f"同じ場所を除くひび割れ {count} 本、延長 {length:.0f} {unit}",
        )
    )


_KINDS = {
    "NEW": ("new", "新規"),
    "GROWN": ("grown", "進展"),
    "UNCHANGED": ("unchanged", "変化なし"),
    "NOT_FOUND": ("not found again", "確認できず"),
    "OUT_OF_VIEW": ("out of view", "範囲外"),
}


def _print_changes(answer: CompareResponse) -> None:
    from rich.table import Table

    from buhin.image_inspect.v1 import image_inspect_pb2

    unit = "mm" if answer.after.HasField("ground_sampling_distance_mm") else "px"
    table = Table()
    for word in (("change", "変化"), ("before", "以前"), ("after", "現在")):
        table.add_column(output.say(*word))
    for word in (("longer", "伸び"), ("wider", "拡幅")):
        table.add_column(f"{output.say(*word)} ({unit})", justify="right")
    for change in answer.changes:
        kind = image_inspect_pb2.ChangeKind.Name(change.kind).removeprefix("CHANGE_KIND_")
        grown = {field.name: f"{value:+.2f}" for field, value in change.ListFields() if "growth" in field.name}
        growth = (grown.get(f"{what}_growth_{unit}", "") for what in ("length", "width"))
        table.add_row(output.say(*_KINDS[kind]), " ".join(change.before_crack_ids), change.after_crack_id, *growth)
    said = output.say("no cracks in either photograph", "どちらの写真にもひび割れなし")
    output.console().print(table if answer.changes else said)
    output.print_review(answer.review)
