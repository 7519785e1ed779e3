"""Client of the translate service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buhin.client.base import AsyncClient, Client, calls, calls_async
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
) -> translate_pb2.TranslateTextRequest:
    """Translate texts into ``target`` (BCP-47); ``source`` is detected when empty; order is kept.

    ``glossary`` maps terms of the source language to their translations, ``glossary_id`` names a glossary of the
    service, terms of ``do_not_translate`` stay as they are.
    """
    terms = [translate_pb2.GlossaryTerm(source=term, target=meaning) for term, meaning in (glossary or {}).items()]
    return translate_pb2.TranslateTextRequest(
        contents=contents,
        target_language_code=target,
        source_language_code=source,
        glossary=translate_pb2.Glossary(terms=terms, glossary_id=glossary_id, do_not_translate=do_not_translate),
    )


def detect_language_request(contents: Sequence[str]) -> translate_pb2.DetectLanguageRequest:
    """Tell in which language each text is written."""
    return translate_pb2.DetectLanguageRequest(contents=contents)


def list_languages_request() -> translate_pb2.ListLanguagesRequest:
    """List the languages and the directions, with how far each can be relied on."""
    return translate_pb2.ListLanguagesRequest()


class TranslateClient(Client):
    """Translates texts and tells languages."""

    function = "translate"
    translate_text = calls(translate_text_request, _METHODS["TranslateText"], translate_pb2.TranslateTextResponse)
    detect_language = calls(detect_language_request, _METHODS["DetectLanguage"], translate_pb2.DetectLanguageResponse)
    list_languages = calls(list_languages_request, _METHODS["ListLanguages"], translate_pb2.ListLanguagesResponse)


class AsyncTranslateClient(AsyncClient):
    """The async twin of TranslateClient."""

    function = "translate"
    translate_text = calls_async(translate_text_request, _METHODS["TranslateText"], translate_pb2.TranslateTextResponse)
    detect_language = calls_async(
        detect_language_request, _METHODS["DetectLanguage"], translate_pb2.DetectLanguageResponse
    )
    list_languages = calls_async(list_languages_request, _METHODS["ListLanguages"], translate_pb2.ListLanguagesResponse)
