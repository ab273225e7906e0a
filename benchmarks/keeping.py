"""Does an answer stay in the language of the user's message? With keep-language and without.

    python benchmarks/keeping.py MODEL --corpus FOLDER [--space FILE]

A conversation with a chat model has been in English or Chinese for two turns, about real documents,
and then the user asks in one of ten languages: what a text is about, for a summary, for names, or
something else altogether. All goes through the server's own API, the detection of the user's
language included. Counted are answers in the language of the question, as far as the detector can
tell, with 95 % intervals (Wilson, 1927): as the model answers, with a system message that asks for
it, and with `serve --keep-language`, by a space that is fitted here on other texts and by that of
`--space`, such as one with trained vectors (`real/run.py MODEL --tasks chat --spaces FOLDER`).
"""

from __future__ import annotations

import argparse
import math
import re
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from langsteer.data.corpus import Corpus, read_corpus
from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.serving.app import create_app
from langsteer.serving.settings import Settings
from langsteer.serving.steering import Served
from langsteer.space.space import Space
from langsteer.text.detect import default_detector

DRIFTS = ("en", "zh")
ASKED = {
    "ar": (
        "عمّ يتحدث هذا النص؟", "لخّص هذا في جملة واحدة.", "ما الأماكن أو الأشخاص المذكورون؟",
        "ما هي عاصمة اليابان وبماذا تشتهر؟",
    ),
    "de": (
        "Worum geht es in diesem Text?", "Fasse das in einem Satz zusammen.",
        "Welche Orte oder Personen kommen darin vor?",
        "Was ist die Hauptstadt von Japan, und wofür ist sie bekannt?",
    ),
    "en": (
        "What is this text about?", "Summarise this in one sentence.",
        "Which places or people does it mention?",
        "What is the capital of Japan, and what is it known for?",
    ),
    "es": (
        "¿De qué trata este texto?", "Resume esto en una sola frase.",
        "¿Qué lugares o personas se mencionan?",
        "¿Cuál es la capital de Japón y por qué es conocida?",
    ),
    "fr": (
        "De quoi parle ce texte ?", "Résume cela en une phrase.",
        "Quels lieux ou quelles personnes y sont mentionnés ?",
        "Quelle est la capitale du Japon, et pour quoi est-elle connue ?",
    ),
    "hi": (
        "यह पाठ किस बारे में है?", "इसे एक वाक्य में संक्षेप में बताओ।",
        "इसमें किन जगहों या लोगों का ज़िक्र है?", "जापान की राजधानी क्या है और वह किस लिए जानी जाती है?",
    ),
    "ja": (
        "この文章は何について書かれていますか。", "これを一文で要約してください。",
        "どんな場所や人物が出てきますか。", "日本の首都はどこで、何で知られていますか。",
    ),
    "pt": (
        "De que trata este texto?", "Resuma isto em uma só frase.",
        "Quais lugares ou pessoas são mencionados?",
        "Qual é a capital do Japão e pelo que ela é conhecida?",
    ),
    "ru": (
        "О чём этот текст?", "Изложи это одним предложением.",
        "Какие места или люди здесь упоминаются?", "Какой город столица Японии и чем он известен?",
    ),
    "zh": (
        "这段文字讲的是什么？", "请用一句话概括。", "文中提到了哪些地方或人物？",
        "日本的首都是哪里，以什么闻名？",
    ),
}  # fmt: skip
LANGUAGES = tuple(ASKED)
SYSTEM = {"role": "system", "content": "Always answer in the language of the user's last message."}
HAN = re.compile(r"[\u4e00-\u9fff]")
Item = tuple[list[dict[str, str]], str]
"""A conversation, and the language of its last question."""


def parts(path: str, fitted: int, asked: int) -> tuple[Corpus, list[Item]]:
    """Texts to fit on, and conversations about others."""
    corpus = read_corpus(path).select(LANGUAGES)
    seen: Counter[str] = Counter()
    texts, documents = [], {tag: list[str]() for tag in DRIFTS}
    for text in corpus.texts:
        number = seen[text.language]
        seen[text.language] += 1
        if number < fitted:
            texts.append(text)
        elif number >= fitted + 200 and text.language in DRIFTS:
            documents[text.language].append(text.text)
    items = []
    for number in range(asked):
        language = LANGUAGES[number % 10]
        drift = DRIFTS[number // 10 % 2]
        if language != drift:
            about = documents[drift][3 * number : 3 * number + 3]
            items.append((conversation(about, drift, ASKED[language][number // 20 % 4]), language))
    return Corpus(tuple(texts), "fit"), items


def conversation(about: list[str], drift: str, question: str) -> list[dict[str, str]]:
    """Two turns in a language that models drift into, and a question in another."""
    first, second, third = about
    return [
        {"role": "user", "content": f"{ASKED[drift][0]}\n\n{first}"},
        {"role": "assistant", "content": second},
        {"role": "user", "content": f"{ASKED[drift][0]}\n\n{third}"},
        {"role": "assistant", "content": second},
        {"role": "user", "content": question},
    ]


def interval(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share, in percent."""
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return 100 * (middle - half), 100 * (middle + half)


def ask(client: TestClient, items: list[Item], tokens: int, fields: Mapping[str, Any]) -> list[str]:
    """The answers of the server, many at a time."""

    def one(item: Item) -> str:
        messages = [*fields.get("messages", ()), *item[0]]
        body = {"model": "model", "temperature": 0, "max_tokens": tokens, **fields}
        reply = client.post("/v1/chat/completions", json={**body, "messages": messages})
        return str(reply.json()["choices"][0]["message"]["content"])

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, items))


def begun_anew(client: TestClient) -> int:
    """How often the server has written a stretch anew."""
    (line,) = re.findall(r"^langsteer_begun_anew_total (\S+)", client.get("/metrics").text, re.M)
    return int(float(line))


def report(name: str, answers: list[str], items: list[Item], seconds: float, said: str) -> None:
    """Print the share in the right language, and what was missed."""
    found = default_detector(LANGUAGES).detect_many(answers)
    wanted = [language for _, language in items]
    right = [one.language == language for one, language in zip(found, wanted, strict=True)]
    low, high = interval(sum(right), len(right))
    missed = Counter(one for one, good in zip(wanted, right, strict=True) if not good)
    others = [a for a, one in zip(answers, wanted, strict=True) if one not in ("zh", "ja")]
    chinese = sum(bool(HAN.search(one)) for one in others)
    print(
        f"{name:28} {100 * sum(right) / len(right):5.1f} % [{low:.0f}-{high:.0f}] of {len(items)}; "
        f"with Chinese characters {chinese} of {len(others)}; {seconds:.0f} s{said}; "
        f"missed {dict(missed)}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--space", type=Path, help="another space, such as a trained one")
    parser.add_argument("--fitted", type=int, default=40, help="texts a language")
    parser.add_argument("--asked", type=int, default=160)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--show", action="store_true", help="print the answers")
    options = parser.parse_args()
    model = Model.from_pretrained(options.model)
    corpus, items = parts(options.corpus, options.fitted, options.asked)
    spaces = {"fitted": fit(model, corpus, Reading(chat="assistant"))} if options.fitted else {}
    if options.space is not None:
        spaces["given"] = Space.load(options.space)
    app = create_app(Served(model, "model", spaces), Settings())
    with TestClient(app) as client:
        ways: dict[str, dict[str, Any]] = {"as it is": {}, "system message": {"messages": [SYSTEM]}}
        for name in spaces:
            ways[f"keep-language, {name}"] = {"keep_language": True, "space": name}
        for name, fields in ways.items():
            before, began = begun_anew(client), time.monotonic()
            answers = ask(client, items, options.tokens, fields)
            anew = begun_anew(client) - before
            said = f", {anew} stretches written anew" if "space" in fields else ""
            report(name, answers, items, time.monotonic() - began, said)
            if options.show:
                print(
                    *(f"  {one[1]}: {a!r}" for one, a in zip(items, answers, strict=True)), sep="\n"
                )


if __name__ == "__main__":
    main()
