"""DOCX (ECMA-376 WordprocessingML): a segment a paragraph, also in tables, headers, footers, notes and text boxes.

Runs of one look are one stretch of words. The look of most words of a paragraph is its ground; other looks, links and
tracked insertions are tags around words, and pictures, fields, tabs and references are tags between them. Every other
part of the package is copied byte by byte.
"""

from __future__ import annotations

import copy
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from lxml import etree

from buhin.documents import marks
from buhin.documents.base import MAX_CHARACTERS, Place, Segment, require_size, unreadable

ACCEPTED = "DOCX"
MAX_UNPACKED_BYTES = 200 * 1024 * 1024
MAX_PART_BYTES = 50 * 1024 * 1024
MAX_PARTS = 5_000

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_PART = re.compile(r"word/(?:document|header\d*|footer\d*|footnotes|endnotes)\.xml")
_CONTAINERS = {f"{_W}{name}" for name in ("hyperlink", "ins", "smartTag")}
_BEGINS = {f"{_W}{name}" for name in ("bookmarkStart", "commentRangeStart", "moveFromRangeStart", "permStart")}
_ENDS = {f"{_W}{name}" for name in ("bookmarkEnd", "commentRangeEnd", "moveFromRangeEnd", "permEnd")}
_NOISE = {f"{_W}proofErr", f"{_W}lastRenderedPageBreak"}
"""Traces of the last spelling check and page layout; the word processor makes them anew."""
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NO_LOOK = {f"{_W}{name}" for name in ("lang", "noProof")}
"""What a run says of the language of its words, which changes."""


class DocxDocument:
    """A Word document. Raises UnreadableMediaError, or InputTooLargeError before anything is unpacked."""

    def __init__(self, data: bytes) -> None:
        require_size(len(data))
        self._data = data
        self._parts: dict[str, Any] = {}
        self._paragraphs: list[tuple[str, _Paragraph]] = []
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as package:
                _check(package)
                for name in filter(_PART.fullmatch, package.namelist()):
                    self._parts[name] = _xml(package.read(name))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
            raise unreadable(f"not a whole ZIP file: {error}", ACCEPTED) from error
        if "word/document.xml" not in self._parts:
            raise unreadable("word/document.xml is missing", ACCEPTED)
        self.segments: list[Segment] = []
        number = 0
        for name in sorted(self._parts, key=lambda part: (part != "word/document.xml", part)):
            for element in self._parts[name].iter(f"{_W}p"):
                number += 1
                paragraph = _Paragraph(element)
                if paragraph.text.strip():
                    self._paragraphs.append((name, paragraph))
                    self.segments.append(Segment(paragraph.text, Place("paragraph", number), paragraph.vital))
        require_size(sum(len(segment.text) for segment in self.segments), MAX_CHARACTERS, "characters")

    def write(self, translations: Sequence[str]) -> bytes:
        """See Document."""
        changed = set()
        for (name, paragraph), text in zip(self._paragraphs, translations, strict=True):
            if text != paragraph.text:
                paragraph.write(text)
                changed.add(name)
        if not changed:
            return self._data
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self._data)) as package, zipfile.ZipFile(out, "w") as written:
            for info in package.infolist():
                content = package.read(info)
                if info.filename in changed:
                    tree = self._parts[info.filename].getroottree()
                    content = etree.tostring(tree, xml_declaration=True, encoding="UTF-8", standalone=True)
                written.writestr(info, content, compress_type=info.compress_type)
        return out.getvalue()


class _Paragraph:
    """A paragraph, its text with tags, and what the tags stand for."""

    def __init__(self, element: Any) -> None:
        self._element = element
        self._stand: dict[str, Any] = {}
        self._begins: list[Any] = []
        self._ends: list[Any] = []
        children = [child for child in element if child.tag not in (f"{_W}pPr", *_NOISE)]
        sizes: Counter[bytes] = Counter()
        for run in element.iterchildren(f"{_W}r"):
            sizes[_look(run)] += len("".join(t.text or "" for t in run.iterchildren(f"{_W}t")))
        self._ground = sizes.most_common(1)[0][0] if sizes else b""
        self._ground_run: Any = next(
            (run for run in element.iterchildren(f"{_W}r") if _look(run) == self._ground), None
        )
        self.text = self._tagged(children, self._ground)
        self.vital = frozenset(name for name, stand in self._stand.items() if stand[0] != "look")

    def write(self, text: str) -> None:
        """Put a translation in place of the words."""
        properties = [child for child in self._element if child.tag == f"{_W}pPr"]
        children = [*self._begins, *self._made(marks.parsed(text), self._ground_run), *self._ends]
        for child in list(self._element):
            if child not in properties:
                self._element.remove(child)
        self._element.extend(children)

    def _tagged(self, elements: Iterable[Any], ground: bytes) -> str:
        """The words of elements, those that do not look like ``ground`` in tags."""
        parts: list[tuple[bytes | None, Any, str]] = []
        for kind, element, words in self._flat(elements):
            look = _look(element) if kind == "words" else None
            if look is not None and parts and parts[-1][0] == look:
                parts[-1] = (look, parts[-1][1], parts[-1][2] + words)
            else:
                parts.append((look, element, words))
        text = ""
        for look, element, words in parts:
            plain = look is None or look == ground or not words.strip()
            text += words if plain else self._around("look", element, words)
        return text

    def _flat(self, elements: Iterable[Any]) -> Iterable[tuple[str, Any, str]]:
        """Words with their runs, and tags of all else."""
        field: list[Any] = []
        depth = 0
        for element in elements:
            depth += len(element.findall(f".//{_W}fldChar[@{_W}fldCharType='begin']"))
            if depth:
                field.append(element)
                depth -= len(element.findall(f".//{_W}fldChar[@{_W}fldCharType='end']"))
                if not depth:
                    yield "tag", element, self._between(field)
                    field = []
            elif element.tag == f"{_W}r":
                yield from self._run(element)
            elif element.tag in _CONTAINERS:
                inner = next(element.iterchildren(f"{_W}r"), None)
                look = _look(inner) if inner is not None else b""
                yield "tag", element, self._around("container", element, self._tagged(element, look), inner)
            elif element.tag in _BEGINS:
                self._begins.append(element)
            elif element.tag in _ENDS:
                self._ends.append(element)
            elif element.tag not in _NOISE:
                yield "tag", element, self._between([element])
        if field:
            yield "tag", field[-1], self._between(field)

    def _run(self, run: Any) -> Iterable[tuple[str, Any, str]]:
        """The words of a run; what else is in it keeps its look."""
        for child in run:
            if child.tag == f"{_W}t":
                words = child.text or ""
                # Text that reads like one of our tags is kept away from the translation.
                if marks.has_lookalike(words):
                    yield "tag", run, self._between([child], run)
                else:
                    yield "words", run, words
            elif child.tag == f"{_W}br" and not child.attrib:
                yield "words", run, "\n"
            elif child.tag not in (f"{_W}rPr", *_NOISE):
                yield "tag", run, self._between([child], run)

    def _around(self, kind: str, element: Any, words: str, inner: Any = None) -> str:
        name = f"g{len(self._stand) + 1}"
        self._stand[name] = (kind, element, inner)
        return f"<{name}>{words}</{name}>"

    def _between(self, elements: Sequence[Any], run: Any = None) -> str:
        name = f"x{len(self._stand) + 1}"
        self._stand[name] = ("between", list(elements), run)
        return f"<{name}/>"

    def _made(self, nodes: Sequence[marks.Node], run: Any) -> list[Any]:
        """Elements for a translated text; its words look like ``run``."""
        made: list[Any] = []
        for node in nodes:
            if isinstance(node, str):
                made.append(_words(run, node))
                continue
            kind, element, inner = self._stand[node[0]]
            if kind == "between":
                # The elements are moved, not copied: the paragraphs of a text box stay those that were read.
                made.extend(element if inner is None else [_run_of(inner, element)])
            elif kind == "look":
                made.extend(self._made(node[1], element))
            else:
                shell = etree.Element(element.tag, dict(element.attrib), nsmap=element.nsmap)
                shell.extend(self._made(node[1], inner))
                made.append(shell)
        return made


def _look(run: Any) -> bytes:
    """The properties of a run, in a form to compare."""
    properties = run.find(f"{_W}rPr")
    if properties is None:
        return b""
    return b"".join(etree.tostring(child, method="c14n") for child in properties if child.tag not in _NO_LOOK)


def _run_of(run: Any, children: Sequence[Any]) -> Any:
    """A run that looks like another, with other children."""
    made = etree.Element(f"{_W}r", nsmap=run.nsmap if run is not None else None)
    if run is not None and (properties := run.find(f"{_W}rPr")) is not None:
        made.append(copy.deepcopy(properties))
    made.extend(children)
    return made


def _words(run: Any, text: str) -> Any:
    """A run that looks like another, with other words."""
    made = _run_of(run, [])
    for number, line in enumerate(text.split("\n")):
        if number:
            etree.SubElement(made, f"{_W}br")
        if line:
            etree.SubElement(made, f"{_W}t", {_SPACE: "preserve"}).text = _NOT_XML.sub("", line)
    return made


def _check(package: zipfile.ZipFile) -> None:
    infos = package.infolist()
    require_size(len(infos), MAX_PARTS, "parts")
    require_size(sum(info.file_size for info in infos), MAX_UNPACKED_BYTES, "unpacked bytes")
    for info in infos:
        if _PART.fullmatch(info.filename):
            require_size(info.file_size, MAX_PART_BYTES, "unpacked bytes")


def _xml(content: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise unreadable(f"a part is not XML: {error.msg}", ACCEPTED) from error
    if root.getroottree().docinfo.doctype:
        raise unreadable("a part declares a document type", ACCEPTED)
    return root
