"""Sentences that seem to talk to the model instead of being part of a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from buhin.text.sentences import Span

_APART = re.compile(r"\b(?:\w {1,2}){3,}\w\b")
"""Letters set apart by spaces, words by two."""

_OVERRIDE = (
    r"\b(?:ignore|disregard|forget|override|bypass)\b(?: (?:all|any|each|every|of|the|your|these|those|my))*"
    r" (?:(?:previous|prior|earlier|above|preceding|existing|safety)[\w ]{0,20}|(?<=all )|(?<=your ))"
    r"(?:instructions?|prompts?|rules|directions|guidelines|commands|messages)\b",
    r"\b(?:ignore|disregard|forget) (?:everything |all |anything |the )+(?:above|before|so far|that was said)\b",
    r"\b(?:ignorier\w*|vergiss|vergessen sie|missachte\w*)\b[^.\n]{0,20}\b(?:alle|bisherig|vorherig|"
    r"obig)\w*\b[^.\n]{0,20}"
    r"\b(?:anweisung|befehl|regel)",
    r"\b(?:ignore[zr]?|oublie[zr]?)\b[^.\n]{0,20}\b(?:instructions?|consignes?|règles?) (?:précédent|ci-dessus|"
    r"antérieur)",
    r"\b(?:ignor[aei]\w*|olvid[ae]\w*|esque[cç]\w*|dimentica\w*)\b[^.\n]{0,20}\b(?:instrucciones|instruções|reglas|"
    r"regras|"
    r"istruzioni|regole) (?:anterior|previa|prévia|precedent)",
    r"(?:これまで|今まで|以前|上記?|前|全部|すべて|全て|あなた|翻訳|要約)(?:の|に与えられた)[^。\n]{0,6}(?:指示|"
    r"命令|プロンプト|ルール|規則|設定|内容)"
    r"[^。\n]{0,8}(?:無視|忘れ|破棄|上書き)",
    r"(?:指示|命令|プロンプト|ルール|規則|設定|本文|内容|文脈)(?:は|を)[^。\n]{0,6}(?:無視し|忘れ|破棄し|"
    r"上書きし)[^。\n]{0,40}"
    r"(?:出力|答え|書け|書い|表示|返し|返す|教え)",
    r"(?:忽略|无视|忘记|不要理会)[^。\n]{0,6}(?:之前|以上|上面|先前|所有)[^。\n]{0,6}(?:指示|指令|提示|规则|内容)",
    r"(?:이전|위의?|지금까지의|모든) ?[^.\n]{0,6}(?:지시|명령|규칙|프롬프트)[^.\n]{0,8}(?:무시|잊)",
    r"新しい(?:指示|命令|ルール|任務)[:。]|これ以降のすべての(?:文|入力|メッセージ)",
    r"\bnew (?:instructions?|task)\s*:|\bfrom now on,? (?:you )?(?:only )?(?:respond|answer|reply|output)\b",
)
_AUDIENCE = (
    r"\b(?:note|message|instructions?) (?:to|for) (?:the |any |all )?(?:ai|llm|language model|translator)\b",
    r"\b(?:ai|llm|model|assistant)s? (?:reading|processing|translating|summari[sz]ing) this\b",
    r"\b(?:dear|hey|now,) (?:ai|assistant|translator|chatbot)\b",
    r"(?:AI|人工知能|アシスタント|言語モデル|翻訳の担当)(?:の方)?(?:へ(?=[、。:!\s]|$)|の方は)",
    r"この(?:文|文章|テキスト|文書)を(?:処理|翻訳|要約|読|解析)[^。\n]{0,6}(?:AI|モデル|アシスタント)",
)
_TASK = (
    r"\b(?:stop|cancel|without) (?:the )?(?:translat|summari[sz])\w*|\bdo not (?:translate|summari[sz]e) (?:this|it|"
    r"or|and|but)\b",
    r"\b(?:instead of|rather than) (?:translat|summari[sz])ing\b|\btranslation (?:task|mode) (?:is |was |has been )?"
    r"(?:cancel|end|over|off|disabled)",
    r"\b(?:translate|summari[sz]e) (?:this|the) (?:sentence|text|line)s?\b[^.\n]{0,20}\b(?:then|and|but)\b",
    r"(?:翻訳|要約)(?:は|を)?(?:せず|しないで|やめ(?:て|、|ろ)|中止し)|(?:文|下|原文|これ)(?:だけ)?(?:は|を)?訳(?:さず|"
    r"さないで)|翻訳モード|訳文ではなく",
    r"この(?:文|文章)を(?:翻訳|要約)し(?:たら|た後|たあと)|(?:翻译任务|翻译模式)已|不要翻译",
)
_ROLE = (
    r"\byou are (?:now (?:an?\b|in\b|my\b|free|no longer|[A-Z]{3,})|an? (?:ai|calculator|chatbot|language model|"
    r"\w+bot)\b)",
    r"(?:^|[.:;,]\s*|\bplease |\band )act as (?:an? |if |my |though )|\bpretend (?:to be|that you|you)\b|"
    r"\bjailbr(?:ea|o)k",
    r"\b(?:enter|entering|in) (?:developer|debug|god|admin) mode[,:]? (?:and|you|answer|tell|print|ignore)\b",
    r"\bas (?:the|an|your) (?:administrator|developer)[^.\n]{0,20}\bI (?:authori[sz]e|allow|order|command) you\b",
    r"あなたは(?:今から|これからは?)[^。\n]{1,12}(?:です|だ|になり|として)|になりきって|"
    r"(?:開発者|管理者|デバッグ)モードで[^。\n]{0,20}(?:答え|回答|応答|出力)",
    r"\bdu bist jetzt ein|\btu es maintenant un|\bahora eres un|\bagora você é um|你现在是一|너는 이제|당신은 이제",
)
_LEAK = (
    r"\b(?:system|hidden|secret) (?:system )?(?:prompt|instructions?)\b|\b(?:initial|original) prompt\b",
    r"\breplace \S+ (?:with|by) (?:your|the) (?:instructions|prompt)\b",
    r"\b(?:repeat|print|reveal|show|output)\b[^.\n]{0,12}\b(?:everything|all|text|words?|instructions?) (?:above|"
    r"before this|you were)",
    r"システムプロンプト|(?:あなたに|自分に)与えられた[^。\n]{0,8}(?:指示|命令|プロンプト)|(?:秘密の|"
    r"隠された)(?:指示|命令|プロンプト)|系统提示词|시스템 프롬프트",
)
_FORM = (
    r"<\|[\w ]{1,30}\|>|\[/?INST\]|<</?SYS>>|^\s*</?(?:text|system|user|assistant|prompt)>|</?(?:instructions?|"
    r"system|prompt)>",
    r"^\s*#{3}\s*(?:instruction|response)s?\s*:|^\W*(?-i:SYSTEM|ASSISTANT)\s*:|"
    r"[\"']?\brole[\"']?\s*:\s*[\"']?(?:system|assistant)\b",
    r"^\W*【システム(?:通知|メッセージ|指示)】|^系统消息|\bend of (?:the )?(?:text|input|prompt)\b|以上で(?:本文|"
    r"文章|入力)は終わり",
)
_ONLY = (
    r"\b(?:output|print|say|respond|reply|answer|write) (?:with )?(?:only|exactly|nothing but) (?:with|the words?|"
    r"\"|'|(?-i:[A-Z]{3,}))",
    r"\b(?:reply|respond|answer|output)\b[^.\n]{0,40}\bnothing else\b",
    r"\bgib nur\b|\b(?:écris|réponds|dis) seulement\b|\b(?:responde|escribe|di) (?:solo|sólo|únicamente)\b|"
    r"\b(?:diga|responda|escreva) (?:apenas|somente)\b",
    r"とだけ(?:出力|表示|回答|返答|答え|返し|返す)|(?:だけ|のみ)を?(?:出力|回答|返答)(?:して(?:くだ|下)さい|せよ|"
    r"しろ|すること)|"
    r"(?:だけ|のみ)を?(?:答え(?:て(?:くだ|下)さい|なさい|よ|ろ)|書け|返(?:してくだ|しなさい|すこと|せ))",
    r"只(?:输出|回答|回复)|만 (?:말하|출력하|대답하|답하)(?:세요|라|시오)",
)
_CODED = (
    r"\b(?:base64|rot-?13|hex|decode|decipher)\b[^.\n]{0,60}\b(?:follow|obey|execute|do what|carry out)\b",
    r"(?:base64|復号|デコード|逆から読)[^。\n]{0,30}(?:従|実行|答え)",
)
_SUSPICIOUS = re.compile(
    "|".join(f"(?:{each})" for each in (*_OVERRIDE, *_AUDIENCE, *_TASK, *_ROLE, *_LEAK, *_FORM, *_ONLY, *_CODED)),
    re.IGNORECASE | re.MULTILINE,
)

_TURN = re.compile(r"\W*(?:user|human|assistant|ai|system)\s*:", re.IGNORECASE)
"""How a turn of a written dialogue with a model begins."""
_CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
"""A block of code."""


def looks_like_an_instruction(sentence: str) -> bool:
    """Whether a sentence seems to talk to the model: orders to drop its task, roles, marks of a chat, questions for its
    prompt, encoded orders, in nine languages; letters may be full-width, set apart, or joined by invisible characters.

    A sign to look, not a proof: people write such sentences about other things, and no list knows every trick.
    """
    return _SUSPICIOUS.search(_plain(sentence)) is not None


def suspected(text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """The sentences of a text that look like instructions, alone or together with the next one, with what belongs to
    them: the sentence after one on the same line, the turns of a dialogue with a model that follow, the block of code.
    """
    alone = [looks_like_an_instruction(span.of(text)) for span in spans]
    found = list(alone)
    for n, (first, second) in enumerate(pairwise(spans)):
        if not (alone[n] or alone[n + 1]) and looks_like_an_instruction(text[first.start : second.end]):
            found[n] = found[n + 1] = True
    for n, (first, second) in enumerate(pairwise(spans)):
        follows = alone[n] and "\n" not in text[first.end : second.start]
        found[n + 1] |= follows or (found[n] and bool(_TURN.match(second.of(text))))
    for block in _CODE.finditer(text):
        inside = [n for n, span in enumerate(spans) if block.start() <= span.start < block.end()]
        if any(found[n] for n in inside):
            for n in inside:
                found[n] = True
    return tuple(span for span, hostile in zip(spans, found, strict=True) if hostile)


def _plain(text: str) -> str:
    """The text as a reader sees it."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return _APART.sub(lambda found: re.sub(r"(\w) (?! )", r"\1", found.group()).replace("  ", " "), seen)
