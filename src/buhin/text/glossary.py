"""Shared glossaries: a folder of ``<id>.tsv``, a column a language.

    ja	en	zh
    区役所	Ward Office	区政府
    避難所	evacuation center

A term is a row; an empty cell says that the glossary does not fix the term in that language.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from buhin.errors import InvalidValueError

MAX_BYTES = 1_000_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def load(folder: Path | None, glossary_id: str, field: str) -> list[Mapping[str, str]]:
    """The rows of a glossary, each term by language. Read anew each time, so that an edit counts at once.

    Raises InvalidValueError where the folder has none of this name, or where it is not a table in UTF-8.
    """
    known = sorted(path.stem for path in folder.glob("*.tsv")) if folder is not None else []
    if not _ID.fullmatch(glossary_id) or glossary_id not in known or folder is None:
        raise InvalidValueError(field=field, value=glossary_id, accepted=", ".join(known) or "none: there are none")
    path = folder / f"{glossary_id}.tsv"
    if path.stat().st_size > MAX_BYTES:
        raise InvalidValueError(field=field, value=glossary_id, accepted=f"files of at most {MAX_BYTES} bytes")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidValueError(field=field, value=glossary_id, accepted="files in UTF-8") from error
    rows = csv.DictReader((line for line in lines if line.strip()), delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
    return [{code.strip().lower(): term.strip() for code, term in row.items() if code and term.strip()} for row in rows]


def pairs(rows: list[Mapping[str, str]], source: str, target: str) -> dict[str, str]:
    """The terms that have both languages."""
    return {row[source]: row[target] for row in rows if source in row and target in row}
