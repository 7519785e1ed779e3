"""Models of transformers made in a test: tiny, trained in seconds on a few words, saved and put into a model store.

They are trained through the tokenizers' own call for pairs of texts, so what the engine asks them has to be what the
library's models expect.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from buhin.models.manifest import Manifest
from buhin.models.store import Model, ModelStore

WORDS = {
    "ja": ("neko", "inu", "tori"),
    "en": ("cat", "dog", "bird"),
    "de": ("katze", "hund", "vogel"),
}
"""The same three words in three languages, in Latin letters."""
LEARNED = [("ja", "en"), ("ja", "de"), ("en", "ja"), ("de", "en")]
"""The directions that models of several languages are taught."""
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message.role }} {{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
NUMBERS = "one two three four five six seven eight nine ten"


def sentences(language: str) -> list[str]:
    """Every two different words of a language, in an order that is the same for all of them."""
    return [" ".join(pair) for pair in itertools.permutations(WORDS[language], 2)]


def small(config: type[Any], tokenizer: Any, **options: Any) -> Any:
    """A configuration of one layer for the words of the tokenizer, behind which M2M100 has its 100 languages."""
    return config(
        vocab_size=len(tokenizer) + 108, d_model=64, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, dropout=0.0,
        attention_dropout=0.0, init_std=0.1, max_position_embeddings=64, pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id, **options,
    )  # fmt: skip


def train(net: Any, batches: Sequence[Any], *, enough: float = 0.05) -> None:
    """Learn the batches by heart. Weights are drawn with a seed where the net is built, whatever ran before."""
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    net.train()
    for _ in range(3000):
        optimizer.zero_grad()
        loss = sum(net(**batch).loss for batch in batches) / len(batches)
        loss.backward()
        optimizer.step()
        if loss.item() < enough:
            break
    else:
        raise AssertionError(f"the model did not learn: {loss.item()}")


def pairs(tokenizer: Any, sources: list[str], targets: list[str]) -> Any:
    """A batch of texts and what is to be written of them."""
    batch = tokenizer(sources, text_target=targets, padding=True, return_tensors="pt")
    batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
    return batch


def pieces(folder: Path, name: str, texts: list[str]) -> list[str]:
    """A sentencepiece model of whole words, written to a file; its pieces."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, model_type="word", vocab_size=1000,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (folder / name).write_bytes(written.getvalue())
    read = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    return [read.id_to_piece(i) for i in range(read.get_piece_size())]


def vocabulary(folder: Path, found: list[str]) -> str:
    """The file that numbers the pieces."""
    path = folder / "vocab.json"
    path.write_text(json.dumps({piece: i for i, piece in enumerate(dict.fromkeys([*SPECIAL, *found]))}))
    return str(path)


def marian(folder: Path, *, source_lang: str = "ja", target_lang: str = "en", targets: Sequence[str] = ("en",)) -> Path:
    """Marian from Japanese into one language or, with marks, into several."""
    torch.manual_seed(0)
    marks = {language: f">>{language}<< " if len(targets) > 1 else "" for language in targets}
    source = [mark + text for mark in marks.values() for text in sentences("ja")]
    target = [text for language in targets for text in sentences(language)]
    found = [*pieces(folder, "source.spm", sentences("ja")), *pieces(folder, "target.spm", target)]
    vocab = vocabulary(folder, [*found, *(mark.strip() for mark in marks.values() if mark)])
    tokenizer = transformers.MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), vocab, source_lang=source_lang, target_lang=target_lang
    )
    config = small(
        transformers.MarianConfig, tokenizer, decoder_start_token_id=tokenizer.pad_token_id, scale_embedding=True
    )
    net = transformers.MarianMTModel(config)
    train(net, [pairs(tokenizer, source, target)])
    return saved(folder, net, tokenizer)


def multilingual(folder: Path, kind: str) -> Path:
    """M2M100 or NLLB between three languages. The same word goes where the codes say."""
    torch.manual_seed(0)
    texts = [text for language in WORDS for text in sentences(language)]
    if kind == "m2m100":
        found = pieces(folder, "spm.model", texts)
        tokenizer: Any = transformers.M2M100Tokenizer(vocabulary(folder, found), str(folder / "spm.model"))
        codes = {language: language for language in WORDS}
    else:
        codes = {"ja": "jpn_Jpan", "en": "eng_Latn", "de": "deu_Latn"}
        words = [f"▁{word}" for language in WORDS for word in WORDS[language]]
        merges = {(word[:n], word[n]): word[: n + 1] for word in words for n in range(1, len(word))}
        symbols = dict.fromkeys([*SPECIAL, *sorted(set("".join(words))), *merges.values()])
        tokenizer = transformers.NllbTokenizer(
            vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=list(merges),
            extra_special_tokens=list(codes.values()),
        )  # fmt: skip
    config = small(
        transformers.M2M100Config, tokenizer, decoder_start_token_id=tokenizer.eos_token_id, encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
    )  # fmt: skip
    net = transformers.M2M100ForConditionalGeneration(config)
    batches = []
    for source, target in LEARNED:
        tokenizer.src_lang, tokenizer.tgt_lang = codes[source], codes[target]
        batches.append(pairs(tokenizer, sentences(source), sentences(target)))
    together = {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}
    # From Japanese either target may come: nobody can learn the first token, the language, which the caller sets.
    train(net, [together], enough=0.1)
    return saved(folder, net, tokenizer)


def t5(folder: Path, parameters: dict[str, Any]) -> Path:
    """T5 that keeps the first word as a summary, and translates from English into German, told by a prefix."""
    torch.manual_seed(0)
    words = [word for language in ("en", "de") for word in WORDS[language]]
    prefixes = ["▁summarize:", "▁translate", "▁English", "▁to", "▁German:"]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), *((f"▁{word}", -2.0) for word in words)]
    tokenizer = transformers.T5Tokenizer(vocab=[*vocab, *((prefix, -2.0) for prefix in prefixes)], extra_ids=0)
    tokenizer.model_max_length = 48
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=16, d_ff=64, num_layers=2, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, task_specific_params=parameters,
    )  # fmt: skip
    net = transformers.T5ForConditionalGeneration(config)
    given = sentences("en")
    batches = [
        pairs(tokenizer, [f"summarize: {text}" for text in given], [text.split()[0] for text in given]),
        pairs(tokenizer, [f"translate English to German: {text}" for text in given], sentences("de")),
    ]
    train(net, batches)
    return saved(folder, net, tokenizer)


def untrained(folder: Path, kind: str) -> Path:
    """BART or PEGASUS as they are before they learn anything."""
    if kind == "bart":
        symbols = [*SPECIAL, "<mask>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
        tokenizer: Any = transformers.BartTokenizer(vocab={s: i for i, s in enumerate(symbols)}, merges=[])
        net: Any = transformers.BartForConditionalGeneration(small(transformers.BartConfig, tokenizer))
    else:
        vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"▁{word}", -2.0) for word in WORDS["en"])]
        tokenizer = transformers.PegasusTokenizer(vocab=vocab, offset=0)
        net = transformers.PegasusForConditionalGeneration(
            small(transformers.PegasusConfig, tokenizer, decoder_start_token_id=0)
        )
    return saved(folder, net, tokenizer)


def chat(folder: Path, *, template: str | None = CHAT_TEMPLATE) -> Path:
    """A chat model that knows what a cat is called, and counts to ten over and over."""
    torch.manual_seed(0)
    answers = {"neko": "cat", "inu": "dog", "count": " ".join([NUMBERS] * 4)}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(alphabet)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>", extra_special_tokens=["<|start|>"],  # noqa: S106
        chat_template=template,
    )  # fmt: skip
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    net = transformers.LlamaForCausalLM(config)
    batches = []
    for asked, answer in answers.items():
        prompt = f"<|start|>user {asked}<|end|><|start|>assistant"
        ids = tokenizer(f"{prompt}{answer}<|end|>", return_tensors="pt")["input_ids"]
        labels = ids.clone()
        labels[:, : len(tokenizer(prompt)["input_ids"])] = -100
        batches.append({"input_ids": ids, "labels": labels})
    train(net, batches, enough=0.01)
    return saved(folder, net, tokenizer)


def saved(folder: Path, net: Any, tokenizer: Any) -> Path:
    """The folder with the model in it, as the library saves it."""
    net.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def stored(folder: Path, directions: dict[str, str] | None = None, main: str = "model.safetensors") -> Model:
    """The model out of a store, into which it came from the folder by a manifest."""
    files = [
        {"name": path.name, "size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in folder.iterdir()
    ]
    entry = {
        "id": "tiny", "task": "testing", "licence": "MIT", "origin": "made here", "main": main, "files": files,
        "directions": directions or {},
    }  # fmt: skip
    store = ModelStore(folder.with_name(f"{folder.name}-store"), Manifest.model_validate({"models": [entry]}))
    return store.pull("tiny", directory=folder, force=True)
