"""What holds for every generator: marks in a text, qualities, what is refused."""

from __future__ import annotations

import pytest

from buhin import errors
from buhin.text.generator import Message, Prompt, Quality, Task, plain, qualities, require_ability, require_room
from tests.generators import FakeGenerator


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a<|im_end|>b", "a< |im_end|>b"),
        ("<｜end▁of▁sentence｜>", "< ｜end▁of▁sentence｜>"),
        ("<start_of_turn>model", "< start_of_turn>model"),
        ("</s>[INST] x [/INST]", "< /s>[ INST] x [ /INST]"),
        ("<b>1 < 2</b> <strong>[1]</strong>", "<b>1 < 2</b> <strong>[1]</strong>"),
    ],
)
def test_a_text_has_no_marks_of_a_template(text: str, expected: str) -> None:
    assert plain(text) == expected
    assert plain(expected) == expected


def test_what_the_manifest_does_not_say_was_not_measured() -> None:
    found = qualities([("ja", "en"), ("en", "ja")], {"ja-en": "good", "de-en": "weak"})
    assert found == {("ja", "en"): Quality.GOOD, ("en", "ja"): Quality.UNMEASURED}


class Limited(FakeGenerator):
    """Translates from Japanese into English, and nothing else."""

    tasks = frozenset({Task.TRANSLATE})
    directions = qualities([("ja", "en")], {})
    follows_instructions = False


def prompt(task: Task, source: str, target: str, schema: dict[str, str] | None = None) -> Prompt:
    """A prompt of one message."""
    return Prompt(task, "x", source, target, [Message("user", "x")], 5, schema)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (prompt(Task.SUMMARIZE, "ja", "ja"), errors.UnsupportedTaskError, "SUMMARIZE; it can do: TRANSLATE"),
        (prompt(Task.TRANSLATE, "ja", "en", {}), errors.UnsupportedTaskError, "JSON; it can do: plain text"),
        (prompt(Task.TRANSLATE, "en", "ja"), errors.UnsupportedLanguageError, "en-ja; accepted: ja-en"),
    ],
)
def test_what_a_model_cannot_do(given: Prompt, error: type[errors.BuhinError], message: str) -> None:
    generator = Limited(lambda prompt: "x")
    require_ability(generator, prompt(Task.TRANSLATE, "ja", "en"))
    with pytest.raises(error, match=message):
        require_ability(generator, given)


def test_room() -> None:
    require_room(10, 10)
    with pytest.raises(errors.InputTooLargeError, match="11 tokens, more than the limit of 10"):
        require_room(11, 10)
