"""Markdown (CommonMark with tables and strikethrough): a segment a paragraph, heading or table cell.

markdown-it-py finds the text. Front matter, code, HTML blocks and link definitions stay; emphasis is tags around
words, links and pictures are tags around their words, code spans and HTML are tags between words. What is written is
read again and must have the same structure; where it has not, the emphasis is left out, and where that does not help,
the text stays as it was.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from buhin.documents import marks
from buhin.documents.base import MAX_CHARACTERS, Place, Segment, decoded, replaced, require_size

ACCEPTED = "Markdown in UTF-8"
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?:.*\r?\n)*?(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)")
_RAW = re.compile("^\\[[ xX]\\](?=\\s)|\ue000\\^[^\ue001]+\ue001|\\$[^$\\n]+\\$")
"""Task boxes, footnotes and formulas: not CommonMark, and to stay as they are."""
_FOOTNOTE = re.compile(r"\[(\^[^\]\s]+)\]")
_WIDE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
_MARKUP = re.compile(r"[\\`*\[\]|]|<(?=[A-Za-z/!?])|~(?=~)|(?<![^\W_])_|_(?![^\W_])|&(?=[#\w]+;)")
_BLOCK = re.compile(r"^(?:([#>]|[-+=](?=\s|$|[-=]))|(\d{1,9})([.)])(?=\s|$))")
_BRACKETS = str.maketrans("\ue000\ue001", "[]")
_EMPHASIS = {"em", "strong", "s"}


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


@dataclass
class _Inline:
    """Text in the source: where it stands, what its tags stand for, and what continues its lines."""

    start: int
    end: int
    text: str
    shape: Counter[str]
    continued: str
    cell: bool
    stand: dict[str, tuple[str, str]] = field(default_factory=dict)


class MarkdownDocument:
    """Markdown in UTF-8."""

    def __init__(self, data: bytes) -> None:
        self._source = decoded(data, ACCEPTED)
        require_size(len(self._source), MAX_CHARACTERS, "characters")
        self._parser = _parser()
        front = _FRONT_MATTER.match(self._source)
        self._body = front.end() if front else int(self._source.startswith("\ufeff"))
        self._inlines: list[_Inline] = []
        self.segments: list[Segment] = []
        before = self._source[: self._body].count("\n")
        for line, inline in self._found():
            vital = frozenset(name for name, (kind, _) in inline.stand.items() if kind not in _EMPHASIS)
            self._inlines.append(inline)
            self.segments.append(Segment(inline.text, Place("line", before + line + 1), vital))

    def write(self, translations: Sequence[str]) -> bytes:
        """See Document."""
        edits = [
            (inline.start, inline.end, self._written(inline, text))
            for inline, text in zip(self._inlines, translations, strict=True)
            if text != inline.text
        ]
        return replaced(self._source, edits).encode("utf-8")

    def _found(self) -> Iterator[tuple[int, _Inline]]:
        """The texts with the numbers of their lines, where the source has them as the parser says."""
        body = _without_footnotes(self._source[self._body :])
        starts = [0, *(m.end() for m in re.finditer(r"\r\n|\r|\n", body)), len(body)]
        reached, kinds = 0, [""]
        for token in self._parser.parse(body):
            if token.nesting > 0:
                kinds.append(token.type)
            elif token.nesting < 0:
                kinds.pop()
            if token.type != "inline" or token.map is None or not token.content.strip():
                continue
            cell, heading = kinds[-1] in ("th_open", "td_open"), kinds[-1] == "heading_open"
            lines = token.content.replace("|", "\\|").split("\n") if cell else token.content.split("\n")
            first, last = token.map[0], token.map[0] + len(lines) - 1
            begin = _place(body, starts, first, lines[0], reached, last=heading or not cell)
            end = begin if first == last else _place(body, starts, last, lines[-1], reached, last=True)
            if begin < 0 or end < 0:
                continue
            reached = end + len(lines[-1].rstrip() if first != last else lines[0].rstrip())
            continued = ""
            if first != last:
                second = _place(body, starts, first + 1, lines[1], 0, last=True)
                continued = body[starts[first + 1] : second]
            inline = _Inline(self._body + begin, self._body + reached, "", _shape(token), continued, cell)
            inline.text = _tagged(token.children or [], inline.stand)
            if marks.plain(inline.text).strip() and not marks.has_lookalike(token.content):
                yield first, inline

    def _written(self, inline: _Inline, text: str) -> str:
        """A translation as Markdown of the same structure."""
        emphasis = {name for name, (kind, _) in inline.stand.items() if kind in _EMPHASIS}
        bare = marks.without(text, lambda name: name in emphasis)
        shape = inline.shape.copy()
        for kind in _EMPHASIS:
            shape.pop(f"{kind}_open||||", None)
        for candidate, apart, expected in ((text, "", inline.shape), (text, " ", inline.shape), (bare, "", shape)):
            written = _rendered(marks.parsed(candidate), inline, apart)
            if _shape_of(self._parser, written, cell=inline.cell) == expected:
                return written.replace("\n", "\n" + inline.continued)
        return self._source[inline.start : inline.end]


def _without_footnotes(text: str) -> str:
    """The text with other brackets at footnotes, which CommonMark takes for links."""
    return _FOOTNOTE.sub("\ue000\\1\ue001", text)


def _place(body: str, starts: list[int], line: int, words: str, reached: int, *, last: bool) -> int:
    """Where the words of a line begin; -1 where they are not as they should be."""
    if line + 1 >= len(starts):
        return -1
    low, high = max(starts[line], reached if not last else 0), starts[line + 1]
    return body.rfind(words.strip(), low, high) if last else body.find(words.strip(), low, high)


def _shape(token: Token) -> Counter[str]:
    """What must be the same after translation: links, code, emphasis, line breaks that are meant."""
    found: Counter[str] = Counter()
    for child in token.children or []:
        if child.nesting >= 0 and child.type not in ("text", "softbreak"):
            content = child.content if child.type in ("code_inline", "html_inline") else ""
            about = [str(child.attrs.get(name, "")) for name in ("href", "src", "title")]
            found["|".join([child.type, *about, content])] += 1
    return found


def _shape_of(parser: MarkdownIt, written: str, *, cell: bool) -> Counter[str]:
    """The structure of Markdown text that has to be one paragraph; empty of everything where it is not."""
    text = _without_footnotes(written.replace("\\|", "|") if cell else written)
    tokens = parser.parse(text)
    if [token.type for token in tokens] != ["paragraph_open", "inline", "paragraph_close"]:
        return Counter({"not a paragraph": 1})
    return _shape(tokens[1])


def _tagged(children: Sequence[Token], stand: dict[str, tuple[str, str]]) -> str:
    """The text of inline tokens, with tags."""
    text, opened = "", list[str]()
    for child in children:
        kind = child.type.removesuffix("_open")
        if child.type == "text":
            end = 0
            for raw in _RAW.finditer(child.content):
                text += child.content[end : raw.start()] + _between(stand, "raw", raw.group().translate(_BRACKETS))
                end = raw.end()
            text += child.content[end:]
        elif child.type == "softbreak":
            text += "\r"
        elif child.type == "hardbreak":
            text += "\n"
        elif child.type == "code_inline":
            fence = "`" * (max((len(run) for run in re.findall("`+", child.content)), default=0) + 1)
            pad = " " if child.content.startswith("`") or child.content.endswith("`") else ""
            text += _between(stand, "code", f"{fence}{pad}{child.content}{pad}{fence}")
        elif child.type == "image":
            name = f"g{len(stand) + 1}"
            stand[name] = ("image", _target(str(child.attrs["src"]), child))
            text += f"<{name}>{child.content}</{name}>"
        elif child.nesting > 0:
            name = f"g{len(stand) + 1}"
            target = _target(str(child.attrs["href"]), child) if kind == "link" else child.markup
            stand[name] = ("autolink" if child.markup == "autolink" else kind, target)
            opened.append(name)
            text += f"<{name}>"
        elif child.nesting < 0:
            text += f"</{opened.pop()}>"
        else:
            text += _between(stand, "raw", child.content)
    text = re.sub(r"<(g\d+)>([^<]*)</\1>", lambda m: _autolink(m, stand), text)
    return re.sub(r"(.)\r(?=(.))", lambda m: m[1] + ("" if _WIDE.match(m[1]) and _WIDE.match(m[2]) else " "), text)


def _between(stand: dict[str, tuple[str, str]], kind: str, raw: str) -> str:
    name = f"x{len(stand) + 1}"
    stand[name] = (kind, raw)
    return f"<{name}/>"


def _autolink(found: re.Match[str], stand: dict[str, tuple[str, str]]) -> str:
    """An address that is its own text is no text."""
    if stand[found[1]][0] != "autolink":
        return found.group()
    del stand[found[1]]
    name = found[1].replace("g", "x")
    stand[name] = ("raw", f"<{found[2]}>")
    return f"<{name}/>"


def _target(address: str, token: Token) -> str:
    title = str(token.attrs.get("title") or "")
    quoted = ' "' + title.replace("\\", "\\\\").replace('"', '\\"') + '"' if title else ""
    return (f"<{address}>" if re.search(r"[()\s]", address) or not address else address) + quoted


def _rendered(nodes: Sequence[marks.Node], inline: _Inline, apart: str) -> str:
    """Markdown for a text with tags; emphasis is set ``apart`` from the words around it."""
    parts = []
    for node in nodes:
        if isinstance(node, str):
            parts.append(_escaped(node, inline.cell))
            continue
        kind, what = inline.stand[node[0]]
        inside = _rendered(node[1], inline, apart)
        if kind in _EMPHASIS:
            parts.append(f"{apart}{what}{inside.strip()}{what}{apart}")
        elif kind in ("link", "image"):
            parts.append(f"{'!' * (kind == 'image')}[{inside}]({what})")
        else:
            parts.append(what.replace("|", "\\|") if inline.cell else what)
    written = "".join(parts)
    return _BLOCK.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", written.strip(" ") if apart else written)


def _escaped(text: str, cell: bool) -> str:
    escaped = _MARKUP.sub(lambda m: m.group() if m.group() == "|" and not cell else "\\" + m.group(), text)
    return escaped.replace("\n", "\\\n") if not cell else escaped
