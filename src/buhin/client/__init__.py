"""Clients of the services: gRPC and protobuf, no ML library."""

from buhin.client.image_inspect import AsyncImageInspectClient, ImageInspectClient
from buhin.client.speech import AsyncSpeechClient, SpeechClient
from buhin.client.summarize import AsyncSummarizeClient, SummarizeClient
from buhin.client.translate import AsyncTranslateClient, TranslateClient

__all__ = [
    "AsyncImageInspectClient",
    "AsyncSpeechClient",
    "AsyncSummarizeClient",
    "AsyncTranslateClient",
    "ImageInspectClient",
    "SpeechClient",
    "SummarizeClient",
    "TranslateClient",
]
