"""What models of transformers can write, and how each kind is asked for it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from buhin.text.generator import Prompt, Task, plain
from buhin.text.languages import NAMES

_FLORES = {
    "ar": "arb_Arab", "de": "deu_Latn", "en": "eng_Latn", "es": "spa_Latn", "fr": "fra_Latn", "it": "ita_Latn",
    "ja": "jpn_Jpan", "ko": "kor_Hang", "nl": "nld_Latn", "pl": "pol_Latn", "pt": "por_Latn", "ru": "rus_Cyrl",
    "th": "tha_Thai", "tr": "tur_Latn", "zh": "zho_Hans",
}  # fmt: skip
"""NLLB's codes (FLORES-200, https://github.com/facebookresearch/flores)."""
_OTHER_CODES = {"jap": "ja", "ara": "ar", "cmn": "zh"}
_T5_TRANSLATION = re.compile(r"translation_([a-z]{2})_to_([a-z]{2})")

Pair = tuple[str, str]


class UnknownFamilyError(Exception):
    """The model is of no kind that is known here, or does not say enough of itself."""


@dataclass(frozen=True)
class Asked:
    """A prompt in tokens, and the tokens that the answer begins with."""

    prompt: list[int]
    start: list[int]


class Family(Protocol):
    """How models of a kind are asked. ``ask`` is for one thread at a time: tokenizers keep a language in themselves."""

    tasks: frozenset[Task]
    pairs: frozenset[Pair]
    follows_instructions: bool

    def ask(self, prompt: Prompt) -> Asked:
        """The prompt as the model reads it."""


class Multilingual:
    """M2M100 (Fan et al. 2020, https://arxiv.org/abs/2010.11125) and NLLB (https://arxiv.org/abs/2207.04672): the
    source language is told to the encoder, and the first token of the answer is the target language.
    """

    tasks = frozenset({Task.TRANSLATE})
    follows_instructions = False

    def __init__(self, tokenizer: Any, start: int) -> None:
        self._tokenizer = tokenizer
        self._start = start
        tokens: Mapping[str, str] | None = getattr(tokenizer, "lang_code_to_token", None)
        known = tokenizer.get_vocab()
        if tokens is not None:
            self._codes = {language: language for language in NAMES if language in tokens}
        else:
            self._codes = {language: code for language, code in _FLORES.items() if code in known}
        self._ids = {
            language: tokenizer.convert_tokens_to_ids(tokens[code] if tokens else code)
            for language, code in self._codes.items()
        }
        self.pairs = frozenset(itertools.permutations(self._codes, 2))

    def ask(self, prompt: Prompt) -> Asked:
        """The text in its language."""
        self._tokenizer.src_lang = self._codes[prompt.source]
        return Asked(tokens(self._tokenizer, prompt.text), [self._start, self._ids[prompt.target]])


class Marian:
    """Marian (opus-mt, https://arxiv.org/abs/1804.00344): one direction or, with a mark before the text, one source and
    several targets.
    """

    tasks = frozenset({Task.TRANSLATE})
    follows_instructions = False

    def __init__(self, tokenizer: Any, start: int, named: Iterable[Pair]) -> None:
        self._tokenizer = tokenizer
        self._start = start
        marks = {_language(mark.strip("<>")): mark for mark in sorted(tokenizer.supported_language_codes, reverse=True)}
        self._marks = {language: mark for language, mark in marks.items() if language}
        source, target = _language(tokenizer.source_lang), _language(tokenizer.target_lang)
        targets = list(self._marks) or [target]
        own = {(source, each) for each in targets if source and each and source != each}
        self.pairs = frozenset(own or named)

    def ask(self, prompt: Prompt) -> Asked:
        """The text, with the mark of the target where the model has several."""
        mark = self._marks.get(prompt.target)
        return Asked(tokens(self._tokenizer, prompt.text, prefix=f"{mark} " if mark else ""), [self._start])


class Prefixed:
    """T5 (Raffel et al. 2019, https://arxiv.org/abs/1910.10683), whose configuration names a prefix for each task, and
    BART and PEGASUS, which have none.
    """

    follows_instructions = False

    def __init__(self, tokenizer: Any, start: int, parameters: Mapping[str, Any], named: Iterable[Pair]) -> None:
        self._tokenizer = tokenizer
        self._start = start
        self._summary = str(parameters.get("summarization", {}).get("prefix") or "")
        found = {m.groups(): str(each.get("prefix") or "") for key, each in parameters.items()
                 if (m := _T5_TRANSLATION.fullmatch(key))}  # fmt: skip
        self._translations = {(a, b): prefix for (a, b), prefix in found.items() if a in NAMES and b in NAMES}
        self._translations |= {pair: "" for pair in named if pair not in self._translations}
        self.pairs = frozenset(self._translations)
        summarizes = "summarization" in parameters or not self._translations
        self.tasks = frozenset([Task.TRANSLATE] * bool(self._translations) + [Task.SUMMARIZE] * summarizes)

    def ask(self, prompt: Prompt) -> Asked:
        """The text after the prefix of its task."""
        translates = prompt.task is Task.TRANSLATE
        prefix = self._translations[prompt.source, prompt.target] if translates else self._summary
        return Asked(tokens(self._tokenizer, prompt.text, prefix=prefix), [self._start])


class Chat:
    """Models that follow instructions, by their own chat template."""

    tasks = frozenset(Task)
    follows_instructions = True

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise UnknownFamilyError("it has no chat template")
        self._tokenizer = tokenizer
        self.pairs = frozenset(itertools.permutations(NAMES, 2))

    def ask(self, prompt: Prompt) -> Asked:
        """The messages; a text cannot contain a mark of the template, nor any other token that stands for itself."""
        messages = [{"role": m.role, "content": _unmarked(self._tokenizer, m.content)} for m in prompt.messages]
        written = self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False, enable_thinking=False
        )
        return Asked(list(self._tokenizer(written, add_special_tokens=False)["input_ids"]), [])


def family(config: Any, tokenizer: Any, start: int | None, named: Iterable[Pair]) -> Family:
    """The family of a model. ``start`` is the token that its decoder begins with, ``named`` the directions that the
    manifest names. Raises UnknownFamilyError.
    """
    kind = config.model_type
    if not config.is_encoder_decoder:
        return Chat(tokenizer)
    if start is None:
        raise UnknownFamilyError("its decoder has no start")
    found: Family
    if kind in ("m2m_100", "nllb-moe"):
        found = Multilingual(tokenizer, start)
    elif kind == "marian":
        found = Marian(tokenizer, start, named)
    elif kind in ("t5", "mt5", "umt5", "bart", "pegasus"):
        found = Prefixed(tokenizer, start, getattr(config, "task_specific_params", None) or {}, named)
    else:
        raise UnknownFamilyError(f"models of the type {kind} are not known")
    if not found.pairs and Task.TRANSLATE in found.tasks:
        raise UnknownFamilyError("its files do not say what it translates; name its directions in the manifest")
    return found


def tokens(tokenizer: Any, text: str, *, prefix: str = "") -> list[int]:
    """A text in tokens, after a prefix, as a model reads it."""
    return list(tokenizer(prefix + _unmarked(tokenizer, text))["input_ids"])


def _unmarked(tokenizer: Any, text: str) -> str:
    """The text without anything that would become a token that stands for itself, such as the end of a text."""
    text = plain(text)
    for mark in {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}:
        if len(mark) > 1 and not mark.isspace() and mark in text:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
    return text


def _language(code: str | None) -> str:
    """The language of a code of two or three letters, with or without script; empty where it is none of ours."""
    short = re.split("[_-]", code or "")[0].lower()
    known = {flores[:3]: language for language, flores in _FLORES.items()} | _OTHER_CODES
    return short if short in NAMES else known.get(short, "")
