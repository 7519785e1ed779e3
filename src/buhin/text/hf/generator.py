"""Text generation by transformers in this process, on the CPU or on a GPU, in batches.

Models are read from their folder of the store only: safetensors, never pickles, and no code of theirs is run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from buhin.engine import LoadedModel, Stop
from buhin.errors import UnsupportedTaskError, UnusableModelError
from buhin.models.store import Model
from buhin.text.generator import Generation, Prompt, qualities, require_ability, require_room
from buhin.text.hf.batching import Batcher, Job
from buhin.text.hf.families import Asked, UnknownFamilyError, family, tokens

_KEPT = (
    "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id", "bad_words_ids",
    "no_repeat_ngram_size", "suppress_tokens",
)  # fmt: skip
"""What is taken from a model's own settings of generation. The rest (sampling, beams, least lengths) is ours."""
_NO_LIMIT = 10**9
"""A tokenizer without a limit says more than this."""


class TransformersGenerator:
    """A Generator on a folder of safetensors."""

    name = "transformers"
    _net: Any
    """The model, a class of the library that its configuration names; None once it is closed."""

    def __init__(
        self,
        model: Model,
        *,
        context_tokens: int,
        batch_size: int,
        window_s: float = 0.0,
        threads: int = 1,
        device: str = "auto",
        dtype: str = "auto",
        role: str = "text generation",
    ) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        self._threads = threads
        try:
            self._load(model, device, dtype)
            named = [(a, b) for a, _, b in (pair.partition("-") for pair in model.directions)]
            start = self._config.decoder_start_token_id
            self._family = family(self._net.config, self._tokenizer, start, named)
        except UnknownFamilyError as error:
            raise UnusableModelError(engine=self.name, model=model.id, problem=error) from error
        self._decodes = bool(self._net.config.is_encoder_decoder)
        self.context_tokens = self._limit(context_tokens)
        self.tasks = self._family.tasks
        self.follows_instructions = self._family.follows_instructions
        self.directions = qualities(self._family.pairs, model.directions)
        self.version = version("transformers")
        self.model: LoadedModel = model.loaded(role)
        self._lock = threading.Lock()
        self._batcher = Batcher(self._write, size=batch_size, window_s=window_s)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        with self._lock:
            return len(tokens(self._tokenizer, text))

    def generate(self, prompt: Prompt, *, stop: Stop, on_text: Callable[[str], None] | None = None) -> Generation:
        """Write the most likely token each time. See Generator.generate.

        Raises UnsupportedTaskError for JSON: nothing here keeps a model to a schema.
        """
        stop.check()
        require_ability(self, prompt)
        if prompt.json_schema is not None:
            raise UnsupportedTaskError(value="JSON", accepted="plain text")
        with self._lock:
            asked = self._family.ask(prompt)
        job = Job(asked.prompt, asked.start, self._room(asked, prompt), stop, streams=on_text is not None)
        return self._batcher.run(job, on_text)

    def close(self) -> None:
        """Free the model."""
        self._batcher.close()
        self._net = None

    def _load(self, model: Model, device: str, dtype: str) -> None:
        import torch
        import transformers
        from safetensors import SafetensorError

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        if device == "cuda" and not torch.cuda.is_available():
            raise UnknownFamilyError("there is no GPU that torch can use")
        if not any(model.path.glob("*.safetensors")):
            raise UnknownFamilyError("it has no safetensors; other formats can carry code and are not read")
        self._device = "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")
        numbers = "float32" if dtype == "auto" and self._device == "cpu" else dtype
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            config = transformers.AutoConfig.from_pretrained(model.path, **local)
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(model.path, **local)
            kind = "AutoModelForSeq2SeqLM" if config.is_encoder_decoder else "AutoModelForCausalLM"
            self._net, loaded = getattr(transformers, kind).from_pretrained(
                model.path, config=config, use_safetensors=True, dtype=numbers, output_loading_info=True, **local
            )
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError) as error:
            said = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UnknownFamilyError(said) from error
        if missing := sorted(loaded["missing_keys"]):
            raise UnknownFamilyError(f"its files lack {', '.join(missing[:3])}")
        self._net.to(self._device).eval()
        own = self._net.generation_config
        kept = {name: value for name in _KEPT if (value := getattr(own, name, None)) is not None}
        self._config = transformers.GenerationConfig(**kept, do_sample=False, num_beams=1)
        ends = kept.get("eos_token_id")
        self._ends = set(ends if isinstance(ends, list) else [ends])
        if self._config.pad_token_id is None:
            self._config.pad_token_id = next(iter(self._ends))

    def _limit(self, wanted: int) -> int:
        """Tokens of the model's encoder and of its decoder, each; of a model without an encoder, in all."""
        config = self._net.config
        known = [self._tokenizer.model_max_length, getattr(config, "max_position_embeddings", None)]
        return min([wanted, *(int(limit) for limit in known if limit and limit < _NO_LIMIT)])

    def _room(self, asked: Asked, prompt: Prompt) -> int:
        """Tokens that may be written. Raises InputTooLargeError."""
        if self._decodes:
            require_room(len(asked.prompt), self.context_tokens)
            return min(prompt.max_tokens, self.context_tokens - len(asked.start))
        require_room(len(asked.prompt) + prompt.max_tokens, self.context_tokens)
        return prompt.max_tokens

    def _decode(self, written: list[int]) -> str:
        with self._lock:
            return str(self._tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _write(self, jobs: list[Job]) -> None:
        """Write a batch, padded to the longest prompt; each job ends with its own text."""
        import torch
        from transformers import StoppingCriteriaList

        torch.set_num_threads(self._threads)
        width, pad = max(len(job.prompt) for job in jobs), self._config.pad_token_id
        gaps = [width - len(job.prompt) for job in jobs]
        if self._decodes:
            rows = [[*job.prompt, *[pad] * gap] for job, gap in zip(jobs, gaps, strict=True)]
            masks = [[1] * (width - gap) + [0] * gap for gap in gaps]
            begin = {"decoder_input_ids": torch.tensor([job.start for job in jobs], device=self._device)}
        else:
            rows = [[*[pad] * gap, *job.prompt] for job, gap in zip(jobs, gaps, strict=True)]
            masks = [[0] * gap + [1] * (width - gap) for gap in gaps]
            begin = {}
        listeners = [_Listener(job, self._decode, self._ends) for job in jobs]
        before = len(jobs[0].start) if self._decodes else width

        def heard(ids: Any, scores: Any, **_: Any) -> Any:
            done = [listener.done(row[before:]) for listener, row in zip(listeners, ids.tolist(), strict=True)]
            return torch.tensor(done, device=ids.device)

        with torch.inference_mode():
            self._net.generate(
                input_ids=torch.tensor(rows, device=self._device),
                attention_mask=torch.tensor(masks, device=self._device),
                **begin,
                generation_config=self._config,
                max_new_tokens=max(job.max_tokens for job in jobs),
                stopping_criteria=StoppingCriteriaList([heard]),
            )


class _Listener:
    """Hears the tokens of one job after every step, tells its text, and knows when it is done."""

    def __init__(self, job: Job, decode: Callable[[list[int]], str], ends: set[int]) -> None:
        self._job = job
        self._decode = decode
        self._ends = ends
        self._told = ""

    def done(self, written: list[int]) -> bool:
        """Whether no more is to be written, after the tokens so far."""
        if self._job.ended or self._job.stop.is_set():
            return True
        finished = written[-1] in self._ends
        over = finished or len(written) >= self._job.max_tokens
        if over or self._job.streams:
            text = self._decode(written)
            if over or not text.endswith("\ufffd"):
                self._tell(text)
            if over:
                self._job.end(Generation(text, finished))
        return over

    def _tell(self, text: str) -> None:
        if self._job.streams and text.startswith(self._told) and len(text) > len(self._told):
            self._job.tell(text[len(self._told) :])
            self._told = text
