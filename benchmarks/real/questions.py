"""Questions in twelve languages whose answers CLDR settles, and some that have no one answer.

The names of months, days, countries, currencies and languages come from CLDR by way of babel, which
comes with `pip install langsteer[dev]`. Names stand in quotation marks, so that they need no case.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from babel import Locale
from texts import LANGUAGES

SHARES = {"train": (0.0, 0.25), "dev": (0.25, 0.4), "test": (0.4, 1.0)}
CURRENCIES = {
    "BR": "BRL", "CN": "CNY", "FR": "EUR", "GB": "GBP", "IN": "INR", "JP": "JPY", "MX": "MXN",
    "RU": "RUB", "SA": "SAR", "TR": "TRY", "US": "USD", "VN": "VND",
}  # fmt: skip
SPOKEN = {
    "AT": "de", "AU": "en", "BR": "pt", "CN": "zh", "DE": "de", "EG": "ar", "ES": "es", "FR": "fr",
    "JP": "ja", "MX": "es", "PT": "pt", "RU": "ru", "TR": "tr", "US": "en", "VN": "vi",
}  # fmt: skip
AFTER_MONTH = {
    "en": 'Which month comes after "{}"?',
    "de": "Welcher Monat kommt nach „{}“?",
    "fr": "Quel mois vient après « {} » ?",
    "es": "¿Qué mes viene después de «{}»?",
    "ru": "Какой месяц идёт после месяца «{}»?",
    "zh": "“{}”之后是哪个月？",
    "ja": "「{}」の次は何月ですか。",
    "ar": "ما الشهر الذي يأتي بعد شهر «{}»؟",
    "hi": "“{}” के बाद कौन सा महीना आता है?",
    "pt": "Que mês vem depois de “{}”?",
    "tr": "“{}” ayından sonra hangi ay gelir?",
    "vi": "Tháng nào đến sau “{}”?",
}
AFTER_DAY = {
    "en": 'Which day of the week comes after "{}"?',
    "de": "Welcher Wochentag kommt nach „{}“?",
    "fr": "Quel jour de la semaine vient après « {} » ?",
    "es": "¿Qué día de la semana viene después de «{}»?",
    "ru": "Какой день недели идёт после дня «{}»?",
    "zh": "“{}”之后是星期几？",
    "ja": "「{}」の次は何曜日ですか。",
    "ar": "ما اليوم الذي يأتي بعد «{}» في الأسبوع؟",
    "hi": "“{}” के बाद सप्ताह का कौन सा दिन आता है?",
    "pt": "Que dia da semana vem depois de “{}”?",
    "tr": "Haftanın “{}” gününden sonra hangi gün gelir?",
    "vi": "Ngày nào trong tuần đến sau “{}”?",
}
CURRENCY = {
    "en": "What is the currency of this country: {}?",
    "de": "Wie heißt die Währung dieses Landes: {}?",
    "fr": "Quelle est la monnaie de ce pays : {} ?",
    "es": "¿Cuál es la moneda de este país: {}?",
    "ru": "Какая валюта в этой стране: {}?",
    "zh": "这个国家使用什么货币：{}？",
    "ja": "次の国の通貨は何ですか：{}",
    "ar": "ما هي عملة هذا البلد: {}؟",
    "hi": "इस देश की मुद्रा क्या है: {}?",
    "pt": "Qual é a moeda deste país: {}?",
    "tr": "Bu ülkenin para birimi nedir: {}?",
    "vi": "Đơn vị tiền tệ của nước này là gì: {}?",
}
LANGUAGE = {
    "en": "Which language do most people speak in this country: {}?",
    "de": "Welche Sprache sprechen die meisten Menschen in diesem Land: {}?",
    "fr": "Quelle langue parle la plupart des gens dans ce pays : {} ?",
    "es": "¿Qué idioma habla la mayoría de la gente en este país: {}?",
    "ru": "На каком языке говорит большинство людей в этой стране: {}?",
    "zh": "这个国家的大多数人说什么语言：{}？",
    "ja": "次の国では多くの人が何語を話しますか：{}",
    "ar": "ما اللغة التي يتحدث بها معظم الناس في هذا البلد: {}؟",
    "hi": "इस देश में ज़्यादातर लोग कौन सी भाषा बोलते हैं: {}?",
    "pt": "Que língua fala a maioria das pessoas neste país: {}?",
    "tr": "Bu ülkede çoğu insan hangi dili konuşur: {}?",
    "vi": "Hầu hết mọi người ở nước này nói ngôn ngữ nào: {}?",
}
OPEN = {
    "sky": {
        "en": "Why is the sky blue?", "de": "Warum ist der Himmel blau?",
        "fr": "Pourquoi le ciel est-il bleu ?", "es": "¿Por qué el cielo es azul?",
        "ru": "Почему небо голубое?", "zh": "天空为什么是蓝色的？", "ja": "空はなぜ青いのですか。",
        "ar": "لماذا السماء زرقاء؟", "hi": "आसमान नीला क्यों होता है?", "pt": "Por que o céu é azul?",
        "tr": "Gökyüzü neden mavidir?", "vi": "Vì sao bầu trời có màu xanh?",
    },
    "rice": {
        "en": "How do I cook rice?", "de": "Wie koche ich Reis?", "fr": "Comment cuire du riz ?",
        "es": "¿Cómo se cocina el arroz?", "ru": "Как сварить рис?", "zh": "怎么煮米饭？",
        "ja": "ご飯はどうやって炊きますか。", "ar": "كيف أطبخ الأرز؟", "hi": "चावल कैसे पकाते हैं?",
        "pt": "Como se cozinha arroz?", "tr": "Pilav nasıl pişirilir?",
        "vi": "Nấu cơm như thế nào?",
    },
    "sleep": {
        "en": "How can I sleep better?", "de": "Wie kann ich besser schlafen?",
        "fr": "Comment mieux dormir ?", "es": "¿Cómo puedo dormir mejor?",
        "ru": "Как лучше высыпаться?", "zh": "怎样才能睡得更好？",
        "ja": "どうすればもっとよく眠れますか。", "ar": "كيف أنام بشكل أفضل؟",
        "hi": "मैं बेहतर नींद कैसे ले सकता हूँ?", "pt": "Como posso dormir melhor?",
        "tr": "Nasıl daha iyi uyuyabilirim?", "vi": "Làm thế nào để ngủ ngon hơn?",
    },
    "swim": {
        "en": "How do I learn to swim?", "de": "Wie lerne ich schwimmen?",
        "fr": "Comment apprendre à nager ?", "es": "¿Cómo aprendo a nadar?",
        "ru": "Как научиться плавать?", "zh": "怎么学游泳？", "ja": "どうやって泳ぎを覚えますか。",
        "ar": "كيف أتعلم السباحة؟", "hi": "मैं तैरना कैसे सीखूँ?", "pt": "Como aprendo a nadar?",
        "tr": "Yüzmeyi nasıl öğrenirim?", "vi": "Làm sao để học bơi?",
    },
    "cats": {
        "en": "Why do cats purr?", "de": "Warum schnurren Katzen?",
        "fr": "Pourquoi les chats ronronnent-ils ?", "es": "¿Por qué ronronean los gatos?",
        "ru": "Почему кошки мурлычут?", "zh": "猫为什么会打呼噜？",
        "ja": "猫はなぜ喉を鳴らすのですか。", "ar": "لماذا تخرخر القطط؟",
        "hi": "बिल्लियाँ क्यों घुरघुराती हैं?", "pt": "Por que os gatos ronronam?",
        "tr": "Kediler neden mırlar?", "vi": "Vì sao mèo kêu rừ rừ?",
    },
    "moon": {
        "en": "What is the moon made of?", "de": "Woraus besteht der Mond?",
        "fr": "De quoi est faite la Lune ?", "es": "¿De qué está hecha la Luna?",
        "ru": "Из чего состоит Луна?", "zh": "月球是由什么组成的？",
        "ja": "月は何でできていますか。", "ar": "ممَّ يتكوّن القمر؟", "hi": "चाँद किस चीज़ से बना है?",
        "pt": "De que é feita a Lua?", "tr": "Ay neyden oluşur?",
        "vi": "Mặt trăng được tạo thành từ gì?",
    },
    "tea": {
        "en": "How do you make good tea?", "de": "Wie macht man guten Tee?",
        "fr": "Comment faire un bon thé ?", "es": "¿Cómo se prepara un buen té?",
        "ru": "Как заварить хороший чай?", "zh": "怎样泡一杯好茶？",
        "ja": "おいしいお茶はどうやっていれますか。", "ar": "كيف أعدّ شايًا جيدًا؟",
        "hi": "अच्छी चाय कैसे बनाते हैं?", "pt": "Como se faz um bom chá?",
        "tr": "İyi çay nasıl demlenir?", "vi": "Pha trà ngon như thế nào?",
    },
    "read": {
        "en": "Why is reading good for children?", "de": "Warum ist Lesen gut für Kinder?",
        "fr": "Pourquoi la lecture est-elle bonne pour les enfants ?",
        "es": "¿Por qué es buena la lectura para los niños?", "ru": "Почему детям полезно читать?",
        "zh": "为什么阅读对孩子有好处？", "ja": "読書はなぜ子どもに良いのですか。",
        "ar": "لماذا القراءة مفيدة للأطفال؟", "hi": "बच्चों के लिए पढ़ना क्यों अच्छा है?",
        "pt": "Por que a leitura é boa para as crianças?",
        "tr": "Okumak çocuklar için neden iyidir?",
        "vi": "Vì sao đọc sách tốt cho trẻ em?",
    },
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Question:
    """A concept as a question in each language, with the answers that are right, if any are."""

    concept: str
    kind: str
    """`fact`, `country` or `open`."""
    texts: Mapping[str, str]
    answers: Mapping[str, tuple[str, ...]]

    def right(self, answer: str, language: str) -> bool | None:
        """Whether an answer has the key in this language; None where there is none."""
        if not self.answers:
            return None
        said = _plain(answer)
        return any(_has(said, _plain(key)) for key in self.answers[language])


@cache
def every() -> tuple[Question, ...]:
    """All questions."""
    places = {language: Locale.parse(language) for language in LANGUAGES}
    return (
        *(_month(places, number) for number in range(1, 13)),
        *(_day(places, number) for number in range(7)),
        *(_currency(places, country) for country in CURRENCIES),
        *(_language(places, country) for country in SPOKEN),
        *(Question(f"open-{name}", "open", texts, {}) for name, texts in OPEN.items()),
    )


def questions(split: str) -> list[Question]:
    """The questions of a split, each kind in the same share; concepts are in one split only."""
    found = []
    low, high = SHARES[split]
    for kind in ("fact", "country", "open"):
        mine = [one for one in every() if one.kind == kind]
        random.Random(0).shuffle(mine)
        found += mine[round(low * len(mine)) : round(high * len(mine))]
    return found


def _month(places: Mapping[str, Locale], number: int) -> Question:
    names = {to: places[to].months["stand-alone"]["wide"] for to in places}
    return Question(
        f"month-{number}",
        "fact",
        {to: AFTER_MONTH[to].format(names[to][number]) for to in places},
        {to: (names[to][number % 12 + 1],) for to in places},
    )


def _day(places: Mapping[str, Locale], number: int) -> Question:
    names = {to: places[to].days["stand-alone"]["wide"] for to in places}
    return Question(
        f"day-{number}",
        "fact",
        {to: AFTER_DAY[to].format(names[to][number]) for to in places},
        {to: (names[to][(number + 1) % 7],) for to in places},
    )


def _currency(places: Mapping[str, Locale], country: str) -> Question:
    code = CURRENCIES[country]
    return Question(
        f"currency-{country}",
        "country",
        {to: CURRENCY[to].format(places[to].territories[country]) for to in places},
        {to: _money(places[to], code) for to in places},
    )


def _language(places: Mapping[str, Locale], country: str) -> Question:
    spoken = SPOKEN[country]
    return Question(
        f"language-{country}",
        "country",
        {to: LANGUAGE[to].format(places[to].territories[country]) for to in places},
        {to: (str(places[to].languages[spoken]),) for to in places},
    )


def _money(place: Locale, code: str) -> tuple[str, ...]:
    """The name of a currency, its code, and the noun in its name."""
    name = str(place.currencies[code])
    nouns = name.split()
    # Romance languages, Arabic and Vietnamese put the noun first, the others last.
    first = str(place) in ("ar", "es", "fr", "pt", "vi") or (str(place), code) == ("ru", "USD")
    return (name, code, nouns[0 if first else -1])


def _has(said: str, key: str) -> bool:
    """Whether the key stands there as a word; in scripts without spaces, at all."""
    start = said.find(key)
    while start >= 0:
        before, after = said[start - 1 : start], said[start + len(key) : start + len(key) + 1]
        joined = [unicodedata.category(one)[0] in "LMN" for one in (before, after) if one]
        if not any(joined) or any("\u3040" <= one <= "\u9fff" for one in key):
            return True
        start = said.find(key, start + 1)
    return False


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
