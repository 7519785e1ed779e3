"""Documents through the translate service, in their form: text, Markdown, SRT, WebVTT and DOCX.

    from buhin import documents
    from buhin.client import TranslateClient

    with TranslateClient() as client:
        done = documents.translate(Path("notice.docx"), Path("notice.en.docx"), client, target="en")
    for finding in done.findings:
        print(finding.place and finding.place.en, finding.reason.message)

Needs the extra ``buhin[documents]``, but for plain text.
"""

from buhin.documents.base import Place
from buhin.documents.translation import SUFFIXES, DocumentTranslation, Finding, read, translate, translate_async

__all__ = ["SUFFIXES", "DocumentTranslation", "Finding", "Place", "read", "translate", "translate_async"]
