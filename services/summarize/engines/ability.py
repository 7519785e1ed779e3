"""What a writing model has to be able to do for what is wanted."""

from __future__ import annotations

from buhin.errors import UnsupportedLanguageError, UnsupportedTaskError
from buhin.text.generator import Generator, Task
from services.summarize.engine import Options, Style

_WITHOUT_INSTRUCTIONS = (Style.PARAGRAPH, Style.BULLETS)


def require_able(generator: Generator, options: Options) -> None:
    """Raise UnsupportedTaskError or UnsupportedLanguageError where the model cannot do what is wanted."""
    if Task.SUMMARIZE not in generator.tasks:
        raise UnsupportedTaskError(field="method", value="METHOD_ABSTRACTIVE", accepted="METHOD_EXTRACTIVE")
    if options.style not in _WITHOUT_INSTRUCTIONS and not generator.follows_instructions:
        accepted = "STYLE_PARAGRAPH, STYLE_BULLETS (the model follows no instructions)"
        raise UnsupportedTaskError(field="style", value=f"STYLE_{options.style.name}", accepted=accepted)
    direction = (options.source, options.target)
    if options.source != options.target and direction not in generator.directions:
        targets = {target for source, target in generator.directions if source == options.source}
        raise UnsupportedLanguageError(
            field="target_language_code", value=options.target, accepted=", ".join(sorted({options.source, *targets}))
        )
