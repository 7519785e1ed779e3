"""DOCX: words are translated, all else stays, hostile packages are refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from hypothesis import given
from hypothesis import strategies as st

from buhin import documents, errors
from buhin.documents.docx import DocxDocument
from tests.unit.documents.fake import FakeClient, swapped

TEXT_BOX = (
    f"<w:r {nsdecls('w')}><w:pict><v:shape xmlns:v='urn:schemas-microsoft-com:vml'><v:textbox><w:txbxContent>"
    "<w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></w:r>"
)
FIELD = "".join(
    f"<w:r {nsdecls('w')}>{inside}</w:r>"
    for inside in (
        '<w:fldChar w:fldCharType="begin"/>',
        "<w:instrText>PAGE</w:instrText>",
        '<w:fldChar w:fldCharType="separate"/>',
        "<w:t>7</w:t>",
        '<w:fldChar w:fldCharType="end"/>',
    )
)


def sample() -> bytes:
    """A document with every kind of place for words."""
    document = docx.Document()
    document.add_heading("Notice", level=1)
    paragraph = document.add_paragraph("The office is ")
    paragraph.add_run("closed").bold = True
    paragraph.add_run(" on Monday. See ")
    link = parse_xml(f'<w:hyperlink {nsdecls("w")} w:anchor="here"><w:r><w:t>this page</w:t></w:r></w:hyperlink>')
    paragraph._p.append(link)
    paragraph.add_run(" please.")
    tabbed = document.add_paragraph("Name\tTaro")
    tabbed.add_run().add_break()
    tabbed.add_run("second line")
    paged = document.add_paragraph("Page ")
    for run in parse_xml(f"<w:p {nsdecls('w')}>{FIELD}</w:p>"):
        paged._p.append(run)
    paged.add_run(" of the document")
    boxed = document.add_paragraph("Before the box ")
    boxed._p.append(parse_xml(TEXT_BOX))
    document.add_table(rows=1, cols=2).rows[0].cells[1].text = "in a cell"
    document.sections[0].header.paragraphs[0].text = "in the header"
    document.sections[0].footer.paragraphs[0].text = "in the footer"
    document.add_paragraph("123")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def translated(data: bytes, folder: Path, client: FakeClient) -> tuple[Any, documents.DocumentTranslation]:
    """The document after a translation, read by another library, and what came of it."""
    (folder / "in.docx").write_bytes(data)
    result = documents.translate(folder / "in.docx", folder / "out.docx", client, target="ja")  # type: ignore[arg-type]
    return docx.Document(str(folder / "out.docx")), result


def test_words_are_translated_where_they_stand(tmp_path: Path) -> None:
    document, result = translated(sample(), tmp_path, FakeClient())
    texts = [paragraph.text for paragraph in document.paragraphs]
    assert texts[0] == "nOTICE"
    assert texts[1] == "tHE OFFICE IS CLOSED ON mONDAY. sEE THIS PAGE PLEASE."
    assert texts[2] == "nAME\ttARO\nSECOND LINE"
    assert texts[3] == "pAGE 7 OF THE DOCUMENT"
    assert texts[-1] == "123"
    assert document.tables[0].rows[0].cells[1].text == "IN A CELL"
    assert document.sections[0].header.paragraphs[0].text == "IN THE HEADER"
    assert document.sections[0].footer.paragraphs[0].text == "IN THE FOOTER"
    boxes = document.element.body.iter(qn("w:txbxContent"))
    assert ["".join(t.text for t in box.iter(qn("w:t"))) for box in boxes] == ["IN A BOX"]
    runs = document.paragraphs[1].runs
    assert [(run.text, bool(run.bold)) for run in runs if run.bold] == [("CLOSED", True)]
    (link,) = document.paragraphs[1].hyperlinks
    assert (link.text, link.fragment) == ("THIS PAGE", "here")
    assert result.source == "en"
    assert [finding.place for finding in result.findings] == [None]


def test_bookmarks_stay_around_the_words_and_languages_are_no_look(tmp_path: Path) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph()
    for inside in ('<w:bookmarkStart w:id="1" w:name="here"/>', '<w:bookmarkEnd w:id="1"/>'):
        for language in ("en-US", "ja-JP"):
            run = f'<w:r><w:rPr><w:lang w:val="{language}"/></w:rPr><w:t>word</w:t></w:r>'
            for element in parse_xml(f"<w:p {nsdecls('w')}>{run}{inside if language == 'ja-JP' else ''}</w:p>"):
                paragraph._p.append(element)
    out = io.BytesIO()
    document.save(out)
    assert [segment.text for segment in DocxDocument(out.getvalue()).segments] == ["word" * 4]
    written, _ = translated(out.getvalue(), tmp_path, FakeClient())
    tags = [child.tag.partition("}")[2] for child in written.paragraphs[0]._p]
    assert tags == ["bookmarkStart", "r", "bookmarkEnd"]


def test_other_parts_are_copied_byte_by_byte(tmp_path: Path) -> None:
    translated(sample(), tmp_path, FakeClient())
    with zipfile.ZipFile(tmp_path / "in.docx") as before, zipfile.ZipFile(tmp_path / "out.docx") as after:
        assert before.namelist() == after.namelist()
        changed = {name for name in before.namelist() if before.read(name) != after.read(name)}
    assert changed == {"word/document.xml", "word/header1.xml", "word/footer1.xml"}


def test_an_identity_changes_no_byte(tmp_path: Path) -> None:
    data = sample()
    translated(data, tmp_path, FakeClient(lambda text: text))
    assert (tmp_path / "out.docx").read_bytes() == data


@pytest.mark.parametrize(
    ("write", "expected", "code"),
    [
        (lambda text: swapped(text).replace("<g1>", ""), "TRANSLATED_IN_PIECES", "THIS PAGE"),
        (lambda text: swapped(text) + ("</g1>" if "<g1>" in text else ""), "TRANSLATED_IN_PIECES", "THIS PAGE"),
    ],
)
def test_links_survive_a_model_that_loses_tags(tmp_path: Path, write: Any, expected: str, code: str) -> None:
    document, result = translated(sample(), tmp_path, FakeClient(write))
    assert document.paragraphs[1].text == "tHE OFFICE IS CLOSED ON mONDAY. sEE THIS PAGE PLEASE."
    assert document.paragraphs[1].hyperlinks[0].text == code
    found = [(f.place.en, f.reason.code) for f in result.findings if f.place]
    assert found == [("paragraph 2", expected)]


def test_words_stay_whole_where_only_emphasis_is_lost(tmp_path: Path) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("doubt the ")
    paragraph.add_run("big").italic = True
    paragraph.add_run(" one")
    out = io.BytesIO()
    document.save(out)
    client = FakeClient(lambda text: "x" if "<g1>" in text else text.upper())
    written, result = translated(out.getvalue(), tmp_path, client)
    assert [paragraph.text for paragraph in written.paragraphs] == ["DOUBT THE BIG ONE"]
    codes = [(f.place.ja if f.place else "", f.reason.code) for f in result.findings]
    assert codes == [("", "WEAK_DIRECTION"), ("1 番目の段落", "EMPHASIS_LOST"), ("1 番目の段落", "LOW_SIMILARITY")]


@given(st.lists(st.tuples(st.text(alphabet="ab \t\n.<>/gx1", max_size=8), st.booleans(), st.booleans()), max_size=6))
def test_no_word_and_no_look_is_lost(runs: list[tuple[str, bool, bool]]) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph()
    for text, bold, italic in runs:
        run = paragraph.add_run(text)
        run.bold, run.italic = bold, italic
    before = looks(paragraph)
    out = io.BytesIO()
    document.save(out)
    read = DocxDocument(out.getvalue())
    once = DocxDocument(read.write([swapped(segment.text) for segment in read.segments]))
    twice = once.write([swapped(segment.text) for segment in once.segments])
    assert looks(docx.Document(io.BytesIO(twice)).paragraphs[0]) == before


def looks(paragraph: Any) -> list[tuple[str, bool, bool]]:
    """Every visible character with its look."""
    return [(c, bool(r.bold), bool(r.italic)) for r in paragraph.runs for c in r.text if not c.isspace()]


def package(**parts: bytes) -> bytes:
    """A ZIP file; __ in a name stands for /."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in parts.items():
            written.writestr(name.replace("__", "/") + ".xml", content)
    return out.getvalue()


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", errors.UnreadableMediaError, "ZIP"),
        (b"%PDF-1.7 not a document", errors.UnreadableMediaError, "ZIP"),
        (sample()[:5000], errors.UnreadableMediaError, "ZIP"),
        (package(xl__workbook=b"<a/>"), errors.UnreadableMediaError, "word/document.xml"),
        (package(word__document=b"<a>"), errors.UnreadableMediaError, "not XML"),
        (package(word__document=b"<a>" * 1000 + b"</a>" * 1000), errors.UnreadableMediaError, "not XML"),
        (package(word__document=BOMB), errors.UnreadableMediaError, "document type"),
        (package(word__document=BOMB.decode().encode("utf-16")), errors.UnreadableMediaError, "document type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_packages_are_refused(data: bytes, error: type[errors.BuhinError], words: str) -> None:
    with pytest.raises(error) as caught:
        DocxDocument(data)
    assert words in str(caught.value)
    assert caught.value.field == "document"


@pytest.mark.parametrize(
    ("data", "limit", "words"),
    [
        (package(word__document=b"0" * 100_001), "MAX_PART_BYTES", "100001 unpacked bytes"),
        (package(a=b"0" * 60_000, b=b"0" * 60_000), "MAX_UNPACKED_BYTES", "120000 unpacked bytes"),
        (package(**{f"a{n}": b"" for n in range(11)}), "MAX_PARTS", "11 parts"),
    ],
)
def test_packages_are_bounded_before_they_are_unpacked(
    data: bytes, limit: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"buhin.documents.docx.{limit}", 10 if limit == "MAX_PARTS" else 100_000)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("was unpacked"))
    with pytest.raises(errors.InputTooLargeError, match=words):
        DocxDocument(data)
