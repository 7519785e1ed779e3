"""Client of the translate service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buhin.client.base import AsyncClient, Client, calls, calls_async, converses, converses_async
from buhin.translate.v1 import translate_pb2

_METHODS = translate_pb2.DESCRIPTOR.services_by_name["TranslateService"].methods_by_name


def translate_text_request(
    contents: Sequence[str],
    *,
    target: str,
    source: str = "",
    glossary: Mapping[str, str] | None = None,
    glossary_id: str = "",
    do_not_translate: Sequence[str] = (),
    furigana: bool = False,
) -> translate_pb2.TranslateTextRequest:
    """Translate texts into ``target`` (BCP-47); ``source`` is detected when empty; order is kept.

    ``glossary`` maps terms of the source language to their translations, ``glossary_id`` names a glossary of the
    service, terms of ``do_not_translate`` stay as they are. ``furigana`` gives the readings of kanji in brackets where
    the target is plain Japanese (``ja-x-easy``).
    """
    return translate_pb2.TranslateTextRequest(
        contents=contents,
        target_language_code=target,
        source_language_code=source,
        glossary=_glossary(glossary, glossary_id, do_not_translate),
        plain_language=translate_pb2.PlainLanguageConfig(furigana=True) if furigana else None,
    )


def stream_translate_text_config(
    *,
    target: str,
    source: str,
    glossary: Mapping[str, str] | None = None,
    glossary_id: str = "",
    do_not_translate: Sequence[str] = (),
    furigana: bool = False,
) -> translate_pb2.StreamTranslateTextRequest:
    """Translate a text that arrives in portions. Each sentence comes as soon as it is complete, in order.

    The portions go before the options, which are those of ``translate_text``; ``source`` has to be given.
    """
    return translate_pb2.StreamTranslateTextRequest(
        config=translate_pb2.StreamTranslateTextConfig(
            target_language_code=target,
            source_language_code=source,
            glossary=_glossary(glossary, glossary_id, do_not_translate),
            plain_language=translate_pb2.PlainLanguageConfig(furigana=True) if furigana else None,
        )
    )


def detect_language_request(contents: Sequence[str]) -> translate_pb2.DetectLanguageRequest:
    """Tell in which language each text is written."""
    return translate_pb2.DetectLanguageRequest(contents=contents)


def list_languages_request() -> translate_pb2.ListLanguagesRequest:
    """List the languages and the directions, with how far each can be relied on."""
    return translate_pb2.ListLanguagesRequest()


def _glossary(terms: Mapping[str, str] | None, glossary_id: str, kept: Sequence[str]) -> translate_pb2.Glossary:
    pairs = [translate_pb2.GlossaryTerm(source=term, target=meaning) for term, meaning in (terms or {}).items()]
    return translate_pb2.Glossary(terms=pairs, glossary_id=glossary_id, do_not_translate=kept)


def _portion(text: str) -> translate_pb2.StreamTranslateTextRequest:
    return translate_pb2.StreamTranslateTextRequest(text=text)


class TranslateClient(Client):
    """Translates texts and tells languages."""

    function = "translate"
    translate_text = calls(translate_text_request, _METHODS["TranslateText"], translate_pb2.TranslateTextResponse)
    stream_translate_text = converses(
        stream_translate_text_config,
        _portion,
        _METHODS["StreamTranslateText"],
        translate_pb2.StreamTranslateTextResponse,
    )
    detect_language = calls(detect_language_request, _METHODS["DetectLanguage"], translate_pb2.DetectLanguageResponse)
    list_languages = calls(list_languages_request, _METHODS["ListLanguages"], translate_pb2.ListLanguagesResponse)


class AsyncTranslateClient(AsyncClient):
    """The async twin of TranslateClient."""

    function = "translate"
    translate_text = calls_async(translate_text_request, _METHODS["TranslateText"], translate_pb2.TranslateTextResponse)
    stream_translate_text = converses_async(
        stream_translate_text_config,
        _portion,
        _METHODS["StreamTranslateText"],
        translate_pb2.StreamTranslateTextResponse,
    )
    detect_language = calls_async(
        detect_language_request, _METHODS["DetectLanguage"], translate_pb2.DetectLanguageResponse
    )
    list_languages = calls_async(list_languages_request, _METHODS["ListLanguages"], translate_pb2.ListLanguagesResponse)
