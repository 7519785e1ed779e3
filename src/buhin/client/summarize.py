"""Client of the summarize service."""

from __future__ import annotations

from buhin.client.base import AsyncClient, Client, calls, calls_async, enum_value, streams, streams_async
from buhin.summarize.v1 import summarize_pb2

_METHODS = summarize_pb2.DESCRIPTOR.services_by_name["SummarizeService"].methods_by_name


def summarize_request(
    text: str,
    *,
    method: str = "extractive",
    style: str = "paragraph",
    max_characters: int | None = None,
    max_sentences: int | None = None,
    source: str = "",
    target: str = "",
    query: str = "",
) -> summarize_pb2.SummarizeRequest:
    """Summarize a text.

    ``method`` is ``extractive`` (sentences of the text) or ``abstractive`` (new sentences, each cited); ``style`` is
    ``paragraph`` or ``bullets``, and with ``abstractive`` also ``abstract``, ``headline`` or ``minutes``; at most one
    of the two lengths; languages are BCP-47, ``source`` detected when empty; sentences about ``query`` are preferred.
    """
    request = summarize_pb2.SummarizeRequest(
        text=text,
        method=enum_value(summarize_pb2.DESCRIPTOR.enum_types_by_name["Method"], method, "method"),
        style=enum_value(summarize_pb2.DESCRIPTOR.enum_types_by_name["Style"], style, "style"),
        source_language_code=source,
        target_language_code=target,
        query=query,
    )
    if max_characters is not None:
        request.max_characters = max_characters
    if max_sentences is not None:
        request.max_sentences = max_sentences
    return request


class SummarizeClient(Client):
    """Shortens texts."""

    function = "summarize"
    summarize = calls(summarize_request, _METHODS["Summarize"], summarize_pb2.SummarizeResponse)
    stream_summarize = streams(summarize_request, _METHODS["StreamSummarize"], summarize_pb2.StreamSummarizeResponse)


class AsyncSummarizeClient(AsyncClient):
    """The async twin of SummarizeClient."""

    function = "summarize"
    summarize = calls_async(summarize_request, _METHODS["Summarize"], summarize_pb2.SummarizeResponse)
    stream_summarize = streams_async(
        summarize_request, _METHODS["StreamSummarize"], summarize_pb2.StreamSummarizeResponse
    )
