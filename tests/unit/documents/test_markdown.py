"""Markdown: words are translated, the structure stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from buhin import errors
from buhin.documents import marks
from buhin.documents.markdown import MarkdownDocument
from tests.unit.documents.fake import swapped


def written(source: str, write: object = swapped) -> str:
    """The document with its segments translated by a function."""
    document = MarkdownDocument(source.encode())
    return document.write([write(segment.text) for segment in document.segments]).decode()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("---\ntitle: keep\n---\n# head\n", "---\ntitle: keep\n---\n# HEAD\n"),
        ("# head #\n\nset\n===\n", "# HEAD #\n\nSET\n===\n"),
        ("a **bold** and `code` end", "A **BOLD** AND `code` END"),
        ("a ``co`de`` end", "A ``co`de`` END"),
        ("[words](https://e.jp/a_b 'a \"t\"')", '[WORDS](https://e.jp/a_b "a \\"t\\"")'),
        ("[words](<https://e.jp/a b>)", "[WORDS](https://e.jp/a%20b)"),
        ("![alt](a.png) end", "![ALT](a.png) END"),
        ("see <https://e.jp/> now", "SEE <https://e.jp/> NOW"),
        ("[a][r]\n\n[r]: https://e.jp 'T'\n", "[A](https://e.jp \"T\")\n\n[r]: https://e.jp 'T'\n"),
        ("note[^1]\n\n[^1]: text\n", "NOTE[^1]\n\n[^1]: TEXT\n"),
        ("- [ ] task\n- *it*\n  on\n", "- [ ] TASK\n- *IT* ON\n"),
        ("> one\n> two\\\n> three\n", "> ONE TWO\\\n> THREE\n"),
        ("|a|b|\n|-|-|\n|c \\| d|`x`|\n", "|A|B|\n|-|-|\n|C \\| D|`x`|\n"),
        ("```py\nkeep\n```\n\n    keep\n", "```py\nkeep\n```\n\n    keep\n"),
        ("<div>\nkeep\n</div>\n\na <b>b</b>\n", "<div>\nkeep\n</div>\n\nA <b>B</b>\n"),
        ("one\r\ntwo\r\n\r\nthree\r\n", "ONE TWO\r\n\r\nTHREE\r\n"),
        ("~~gone~~ &amp; a\\*b", "~~GONE~~ & A\\*B"),
        ("\ufeff# head", "\ufeff# HEAD"),
        ("- - a\n- 1. b\n", "- - A\n- 1. B\n"),
        ("1. 1\n2. x 2\n", "1. 1\n2. X 2\n"),
    ],
)
def test_structure_stays(source: str, expected: str) -> None:
    assert written(source) == expected


def test_lines_are_joined_without_a_space_where_the_language_has_none() -> None:
    document = MarkdownDocument("一行\n二行です\nand on\n".encode())
    assert [segment.text for segment in document.segments] == ["一行二行です and on"]


@pytest.mark.parametrize(
    ("source", "translation", "expected"),
    [
        ("text", "# a heading", "\\# a heading"),
        ("text", "- an item", "\\- an item"),
        ("text", "1. one", "1\\. one"),
        ("text", "> quote", "\\> quote"),
        ("text", "a *star* [x](y) `c` <b>", "a \\*star\\* \\[x\\](y) \\`c\\` \\<b>"),
        ("|a|\n|-|\n|text|", "b|c", "|b\\|c|\n|-|\n|b\\|c|"),
        ("**a** b", "<g1>「重要」</g1>です", " **「重要」** です".strip()),
        ("**a** b", "<g1></g1>です", "です"),
        ("**a** b", "x", "x"),
        ("[a](u) b", "no link", "[a](u) b"),
    ],
)
def test_what_a_model_writes_cannot_break_it(source: str, translation: str, expected: str) -> None:
    assert written(source, lambda text: translation) == expected


def test_places_are_lines() -> None:
    document = MarkdownDocument(b"---\na: b\n---\n\n# one\n\ntwo\nthree\n\n- four\n")
    assert [segment.place.en for segment in document.segments] == ["line 5", "line 7", "line 10"]


BLOCKS = st.sampled_from(
    [
        "para one\ntwo", "# head", "- item\n- **b** i", "> quote *e*", "```\ncode\n```", "***", "a  \nb",
        "| a | b |\n|---|---|\n| `c` | d |", "1. x\n   y", "text with `c` and [l](u)", "    indented",
        "<p>\nhtml\n</p>", "[r]: http://x", "\\*escaped\\* _e_ a_b_c", "![i](u) &lt; 2 < 3", "日本語**強調**です。",
    ]
)  # fmt: skip


@given(st.lists(BLOCKS, max_size=6), st.sampled_from(["\n\n", "\r\n\r\n"]))
def test_structure_is_equal_after_any_translation(blocks: list[str], between: str) -> None:
    source = between.join(blocks)
    assert written(source, lambda text: text) == source
    once = written(source)
    assert structure(once) == structure(source)
    assert structure(written(once), words=True) == structure(source, words=True)


def structure(text: str, *, words: bool = False) -> list[str]:
    """The elements of a document, with their words or without."""
    found: list[str] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        found += [f"{token.type} {token.content if token.type in ('fence', 'code_block', 'html_block') else ''}"]
        for child in token.children or []:
            if child.type in ("text", "softbreak"):
                found += child.content.split() if words else []
            else:
                found.append(f"{child.type} {child.attrs} {child.content if child.type == 'code_inline' else ''}")
    return ["".join(found)] if words else found


@given(st.text(alphabet="ab1 \n\t#*_`[]()<>!|-\\~&;:\"'{}.日。", max_size=80))
def test_no_input_breaks_it(source: str) -> None:
    assert written(source, lambda text: text) == source
    written(source)
    for segment in MarkdownDocument(source.encode()).segments:
        assert marks.intact(segment.text, segment.text)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(errors.UnreadableMediaError, match="not UTF-8 at byte 1"):
        MarkdownDocument(b"a\xff")
