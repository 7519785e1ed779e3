"""HTML pages: one file each, nothing loaded from outside, every text in Japanese and English."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buhin.pipelines.results import Job

if TYPE_CHECKING:
    from markupsafe import Markup


def render(template: str, job: Job, **context: Any) -> bytes:
    """Fill a template of this package. Everything is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("buhin.pipelines"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["t"] = both
    text = environment.get_template(template).render(job=job, services=services(job), **context)
    return re.sub(r"\n\s*\n+", "\n", text).encode()


def both(en: str, ja: str) -> Markup:
    """A text in both languages; the page shows one of them."""
    from markupsafe import Markup, escape

    return Markup('<span class="t" lang="ja">{}</span><span class="t" lang="en">{}</span>').format(
        escape(ja), escape(en)
    )


def services(job: Job) -> list[dict[str, Any]]:
    """The services that answered, each with its models and the requests that it answered."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for label, provenance in job.provenances():
        p: Any = provenance
        models = tuple((model.model_id, model.digest) for model in p.models)
        key = (p.service, p.service_version, p.engine, p.engine_version, models)
        entry = found.setdefault(
            key,
            {
                "service": p.service,
                "version": p.service_version,
                "engine": f"{p.engine} {p.engine_version}".strip(),
                "models": models,
                "card": job.cards.get(p.service),
                "quality": _quality(job, p.service, {digest for _, digest in models}),
                "requests": [],
            },
        )
        entry["requests"].append((label, p.request_id))
    return list(found.values())


def _quality(job: Job, service: str, digests: set[str]) -> list[Any]:
    """What was measured with the models that answered, or without any."""
    card = job.cards.get(service)
    return [figure for figure in card.quality if figure.model_digest in {"", *digests}] if card else []
