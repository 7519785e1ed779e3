"""What runs in the pods of a submitted pipeline: `buhin pipeline work` and `forget`. Events are lines of JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from buhin.cli import output

if TYPE_CHECKING:
    from buhin.pipelines.spec import Spec
    from buhin.pipelines.submission import Submission

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with pipeline.yaml and submission.json.")]


def work(
    folder: Folder,
    root: Annotated[Path, typer.Option(help="Where the volume that all workers share is mounted.")],
    number: Annotated[
        int, typer.Option(envvar="JOB_COMPLETION_INDEX", min=0, help="Number of this worker, which its successor has.")
    ] = 0,
) -> None:
    """Take part in a submitted run until it is finished. Exit status 0: it is; 1: try again; 3: that would not help."""
    from buhin.pipelines.workers import Place, Worker

    spec, submission, tell = _given(folder, number)
    from buhin.config import ClientSettings

    with output.reported():
        worker = Worker(spec, submission, Place(number, root, ClientSettings()), tell)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: worker.stop())
    _end(worker.run())


def forget(folder: Folder) -> None:
    """Remove the records of a submitted run, not its outputs: its schema of the database and its folder of results."""
    from sqlalchemy.exc import SQLAlchemyError

    from buhin.config import ClientSettings
    from buhin.pipelines.workers import AGAIN
    from buhin.pipelines.workers import forget as remove

    _, submission, tell = _given(folder, 0)
    with output.reported():
        settings = ClientSettings()
    try:
        remove(submission, settings)
    except (OSError, SQLAlchemyError) as error:
        tell("stopped", problem=str(getattr(error, "orig", error)))
        _end(AGAIN)
    tell("forgotten")


def _given(folder: Path, number: int) -> tuple[Spec, Submission, Any]:
    from pydantic import ValidationError

    from buhin.pipelines.workers import FAILED, read

    try:
        spec, submission = read(folder)
    except (OSError, ValidationError, ExceptionGroup) as error:
        problems = error.exceptions if isinstance(error, ExceptionGroup) else [error]
        print(json.dumps({"event": "stopped", "problems": [str(each) for each in problems]}), flush=True)  # noqa: T201
        _end(FAILED)

    def tell(event: str, **fields: Any) -> None:
        """One line, whole also where threads tell at the same time."""
        line = {"event": event, "run": submission.run, "worker": number, **fields}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    return spec, submission, tell


def _end(code: int) -> NoReturn:
    """End now, also where threads wait for what will not come: what is in flight is as after ``kill -9``."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
