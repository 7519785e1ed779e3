"""Tags that stand for formatting while a text is translated.

``<g1>`` and ``</g1>`` surround words, ``<x2/>`` stands for something between them. The service treats tags as text that
must survive exactly; here it is checked that they did.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

TAG = re.compile(r"<(/?)([gx]\d+)(/?)>")
_LOOKALIKE = re.compile(r"<(?=/?[gx]\d+/?>)")

Node: TypeAlias = "str | tuple[str, list[Node]]"
"""Text, or the name of a tag with what it surrounds."""


def has_lookalike(text: str) -> bool:
    """Whether a text has something that reads as a tag."""
    return _LOOKALIKE.search(text) is not None


def plain(text: str) -> str:
    """The text without tags."""
    return TAG.sub("", text)


def names(text: str) -> list[str]:
    """The names of the tags that are whole, in the order of their beginnings."""
    return [name for closing, name, _ in TAG.findall(text) if not closing]


def intact(source: str, target: str) -> bool:
    """Whether the target has the tags of the source, each as often, and properly nested."""
    return sorted(m.group() for m in TAG.finditer(source)) == sorted(m.group() for m in TAG.finditer(target)) and bool(
        parsed(target) or not target
    )


def without(text: str, dropped: Callable[[str], bool]) -> str:
    """The text without the tags whose names are ``dropped``."""
    return TAG.sub(lambda found: "" if dropped(found[2]) else found.group(), text)


def parsed(text: str) -> list[Node]:
    """The text as a tree; empty where its tags are not properly nested."""
    stack: list[tuple[str, list[Node]]] = [("", [])]
    end = 0
    for found in TAG.finditer(text):
        stack[-1][1].append(text[end : found.start()])
        end = found.end()
        closing, name, empty = found.groups()
        if empty:
            stack[-1][1].append((name, []))
        elif not closing:
            stack.append((name, []))
        elif len(stack) > 1 and stack[-1][0] == name:
            done = stack.pop()
            stack[-1][1].append(done)
        else:
            return []
    stack[-1][1].append(text[end:])
    return [node for node in stack[0][1] if node] if len(stack) == 1 else []


def pieces(text: str) -> list[str]:
    """The text cut at its tags: text, tag, text, tag, … text."""
    parts, end = [], 0
    for found in TAG.finditer(text):
        parts += [text[end : found.start()], found.group()]
        end = found.end()
    return [*parts, text[end:]]
