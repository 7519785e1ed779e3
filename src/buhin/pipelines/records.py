"""What a claim says of a run that was submitted: what it was, and a token that no other claim has."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from buhin.errors import RunError
from buhin.pipelines.runs import FORMAT, write_whole
from buhin.pipelines.spec import Spec
from buhin.pipelines.submission import SUBMISSION_FILE, Submission


def identified(folder: Path, spec: Spec, submission: Submission) -> str:
    """The token of a run, which is recorded where it is not yet: by one worker at a time.

    Raises RunError where the record is that of another run, or damaged, and OSError.
    """
    mine = {"format": FORMAT, "pipeline": spec.text, "submission": json.loads(submission.identity)}
    path = folder / SUBMISSION_FILE
    if not path.exists():
        write_whole(path, json.dumps(mine | {"token": secrets.token_hex(3)}, ensure_ascii=False).encode())
    found = _read(path)
    token = str(found.pop("token", ""))
    if found != mine or not token:
        problem = "its name is that of a run of another pipeline, input, parameters or version; delete that one"
        raise RunError(run=submission.run, problem=problem)
    return token


def token_of(folder: Path) -> str:
    """The token of a run that was recorded; empty where none was. Raises OSError."""
    path = folder / SUBMISSION_FILE
    return str(_read(path).get("token", "")) if path.exists() else ""


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}
