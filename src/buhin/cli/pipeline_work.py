"""What runs in the pods of a submitted pipeline: `buhin pipeline work` and `forget`. Events are lines of JSON."""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from buhin.cli import output

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with pipeline.yaml and submission.json.")]


def work(
    folder: Folder,
    root: Annotated[Path, typer.Option(help="Where the volume that all workers share is mounted.")],
    number: Annotated[
        int, typer.Option(envvar="JOB_COMPLETION_INDEX", min=0, help="Number of this worker, which its successor has.")
    ] = 0,
) -> None:
    """Take part in a submitted run until it is finished. Exit status 0: it is; 1: try again; 3: that would not help."""
    from pydantic import ValidationError

    from buhin.config import ClientSettings
    from buhin.pipelines.workers import AGAIN, FAILED, Place, Worker, read

    with output.reported():
        settings = ClientSettings()
    try:
        spec, submission = read(folder)
    except (OSError, ValidationError, ExceptionGroup) as error:
        problems = error.exceptions if isinstance(error, ExceptionGroup) else [error]
        _tell("", number, "stopped", message="; ".join(str(each) for each in problems))
        raise typer.Exit(FAILED) from None
    tell = functools.partial(_tell, submission.run, number)
    code = AGAIN
    try:
        worker = Worker(spec, submission, Place(number, root, settings), tell)
        for each in (signal.SIGTERM, signal.SIGINT):  # in a thread: it may interrupt whoever holds the same lock
            signal.signal(each, lambda *_: threading.Thread(target=worker.stop, daemon=True).start())
        code = worker.run()
    except BaseException as error:  # noqa: BLE001 - whatever it is: its lock is gone, so it must not live on
        tell("stopped", message=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
    finally:
        _end(code)


def forget(run: Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")]) -> None:
    """Remove the records of a submitted run, not its outputs: its schema of the database and its folder of results."""
    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    from buhin.config import ClientSettings
    from buhin.pipelines.submission import RUN_NAME
    from buhin.pipelines.workers import forget as remove

    tell = functools.partial(_tell, run, 0)
    try:
        RUN_NAME.validate_python(run)
        with output.reported():
            settings = ClientSettings()
        remove(run, settings)
    except (OSError, SQLAlchemyError, ValidationError) as error:
        tell("stopped", message=str(getattr(error, "orig", error)))
        raise typer.Exit(1) from None
    tell("forgotten")


def _tell(run: str, number: int, event: str, **fields: Any) -> None:
    """One line, whole also where threads tell at the same time."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"event": event, "run": run, "worker": number, "time": now, **fields}
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _end(code: int) -> NoReturn:
    """End now, also where threads wait for what will not come: what is in flight is as after ``kill -9``."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
