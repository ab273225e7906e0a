"""The sentences of the atlas, one table per language.

A name stands in quotation marks or after a colon, always in the form that a dictionary gives: so no
template needs a case ending, an article or a gender that depends on the name.
"""

from __future__ import annotations

from dataclasses import dataclass

RELATIONS = ("currency", "language", "next_month", "previous_month", "next_day", "previous_day")
LISTS = ("month", "day", "country", "language", "currency")


@dataclass(frozen=True)
class Templates:
    """How one language asks, answers, lists and describes. ``{x}`` is the subject, ``{y}`` the
    answer.
    """

    questions: dict[str, tuple[str, ...]]
    """Relation → the ways to ask for it."""
    answers: dict[str, str]
    """Relation → the sentence that answers."""
    lists: dict[str, str]
    """Kind of concept → the opening of a list of such names."""
    description: str
    """The heading of a short description of country ``{x}``."""
    instruction: str
    """The request to answer in ``{language}``."""
    comma: str
    """What stands between two names of a list."""
    space: str
    """What stands between two sentences."""
    stop: str
    """What ends a list."""


TEMPLATES: dict[str, Templates] = {
    "en": Templates(
        questions={
            "currency": (
                'Which currency is used in the country "{x}"?',
                'What is the name of the currency of the country "{x}"?',
            ),
            "language": (
                'Which language is official in the country "{x}"?',
                'What is the official language of the country "{x}"?',
            ),
            "next_month": ('Which month comes after the month "{x}"?',),
            "previous_month": ('Which month comes before the month "{x}"?',),
            "next_day": ('Which day comes after the weekday "{x}"?',),
            "previous_day": ('Which day comes before the weekday "{x}"?',),
        },
        answers={
            "currency": "The currency there is called: {y}.",
            "language": "The official language there is: {y}.",
            "next_month": "The following month is: {y}.",
            "previous_month": "The month before it is: {y}.",
            "next_day": "The following day is: {y}.",
            "previous_day": "The day before it is: {y}.",
        },
        lists={
            "month": "The months in order: ",
            "day": "The days of the week in order: ",
            "country": "Here is a list of countries: ",
            "language": "Here is a list of languages: ",
            "currency": "Here is a list of currencies: ",
        },
        description='A short description of the country "{x}":',
        instruction="Answer in {language}.",
        comma=", ",
        space=" ",
        stop=".",
    ),
    "de": Templates(
        questions={
            "currency": (
                "Welche Währung verwendet man im Land „{x}“?",
                "Wie heißt die Währung des Landes „{x}“?",
            ),
            "language": (
                "Welche Sprache ist im Land „{x}“ Amtssprache?",
                "Wie heißt die Amtssprache des Landes „{x}“?",
            ),
            "next_month": ("Welcher Monat kommt nach dem Monat „{x}“?",),
            "previous_month": ("Welcher Monat kommt vor dem Monat „{x}“?",),
            "next_day": ("Welcher Tag kommt nach dem Wochentag „{x}“?",),
            "previous_day": ("Welcher Tag kommt vor dem Wochentag „{x}“?",),
        },
        answers={
            "currency": "Die Währung dort heißt: {y}.",
            "language": "Die Amtssprache dort heißt: {y}.",
            "next_month": "Der folgende Monat heißt: {y}.",
            "previous_month": "Der Monat davor heißt: {y}.",
            "next_day": "Der folgende Tag heißt: {y}.",
            "previous_day": "Der Tag davor heißt: {y}.",
        },
        lists={
            "month": "Die Monate der Reihe nach: ",
            "day": "Die Wochentage der Reihe nach: ",
            "country": "Hier ist eine Liste von Ländern: ",
            "language": "Hier ist eine Liste von Sprachen: ",
            "currency": "Hier ist eine Liste von Währungen: ",
        },
        description="Eine kurze Beschreibung des Landes „{x}“:",
        instruction="Antworte auf {language}.",
        comma=", ",
        space=" ",
        stop=".",
    ),
    "nl": Templates(
        questions={
            "currency": (
                'Welke munteenheid gebruikt men in het land "{x}"?',
                'Hoe heet de munteenheid van het land "{x}"?',
            ),
            "language": (
                'Welke taal is officieel in het land "{x}"?',
                'Wat is de officiële taal van het land "{x}"?',
            ),
            "next_month": ('Welke maand komt na de maand "{x}"?',),
            "previous_month": ('Welke maand komt vóór de maand "{x}"?',),
            "next_day": ('Welke dag komt na de weekdag "{x}"?',),
            "previous_day": ('Welke dag komt vóór de weekdag "{x}"?',),
        },
        answers={
            "currency": "De munteenheid daar heet: {y}.",
            "language": "De officiële taal daar is: {y}.",
            "next_month": "De volgende maand is: {y}.",
            "previous_month": "De maand ervoor is: {y}.",
            "next_day": "De volgende dag is: {y}.",
            "previous_day": "De dag ervoor is: {y}.",
        },
        lists={
            "month": "De maanden op volgorde: ",
            "day": "De dagen van de week op volgorde: ",
            "country": "Hier is een lijst van landen: ",
            "language": "Hier is een lijst van talen: ",
            "currency": "Hier is een lijst van munteenheden: ",
        },
        description='Een korte beschrijving van het land "{x}":',
        instruction="Antwoord in het {language}.",
        comma=", ",
        space=" ",
        stop=".",
    ),
    "fr": Templates(
        questions={
            "currency": (
                "Quelle monnaie utilise-t-on dans le pays « {x} » ?",
                "Comment s’appelle la monnaie du pays « {x} » ?",
            ),
            "language": (
                "Quelle langue est officielle dans le pays « {x} » ?",
                "Quelle est la langue officielle du pays « {x} » ?",
            ),
            "next_month": ("Quel mois vient après le mois « {x} » ?",),
            "previous_month": ("Quel mois vient avant le mois « {x} » ?",),
            "next_day": ("Quel jour vient après le jour « {x} » ?",),
            "previous_day": ("Quel jour vient avant le jour « {x} » ?",),
        },
        answers={
            "currency": "La monnaie de ce pays s’appelle : {y}.",
            "language": "La langue officielle de ce pays est : {y}.",
            "next_month": "Le mois suivant est : {y}.",
            "previous_month": "Le mois précédent est : {y}.",
            "next_day": "Le jour suivant est : {y}.",
            "previous_day": "Le jour précédent est : {y}.",
        },
        lists={
            "month": "Les mois dans l’ordre : ",
            "day": "Les jours de la semaine dans l’ordre : ",
            "country": "Voici une liste de pays : ",
            "language": "Voici une liste de langues : ",
            "currency": "Voici une liste de monnaies : ",
        },
        description="Une brève description du pays « {x} » :",
        instruction="Réponds en {language}.",
        comma=", ",
        space=" ",
        stop=".",
    ),
    "es": Templates(
        questions={
            "currency": (
                "¿Qué moneda se usa en el país «{x}»?",
                "¿Cómo se llama la moneda del país «{x}»?",
            ),
            "language": (
                "¿Qué idioma es oficial en el país «{x}»?",
                "¿Cuál es el idioma oficial del país «{x}»?",
            ),
            "next_month": ("¿Qué mes viene después del mes «{x}»?",),
            "previous_month": ("¿Qué mes viene antes del mes «{x}»?",),
            "next_day": ("¿Qué día viene después del día «{x}»?",),
            "previous_day": ("¿Qué día viene antes del día «{x}»?",),
        },
        answers={
            "currency": "La moneda que se usa allí se llama: {y}.",
            "language": "El idioma oficial de allí es el siguiente: {y}.",
            "next_month": "El mes siguiente se llama: {y}.",
            "previous_month": "El mes anterior se llama: {y}.",
            "next_day": "El día siguiente se llama: {y}.",
            "previous_day": "El día anterior se llama: {y}.",
        },
        lists={
            "month": "Los meses en orden: ",
            "day": "Los días de la semana en orden: ",
            "country": "Aquí hay una lista de países: ",
            "language": "Aquí hay una lista de idiomas: ",
            "currency": "Aquí hay una lista de monedas: ",
        },
        description="Una breve descripción del país «{x}»:",
        instruction="Responde en {language}.",
        comma=", ",
        space=" ",
        stop=".",
    ),
    "pt": Templates(
        questions={
            "currency": (
                'Que moeda é usada no país "{x}"?',
                'Como se chama a moeda do país "{x}"?',
            ),
            "language": (
                'Que língua é oficial no país "{x}"?',
                'Qual é a língua oficial do país "{x}"?',
            ),
            "next_month": ('Que mês vem depois do mês "{x}"?',),
            "previous_month": ('Que mês vem antes do mês "{x}"?',),
            "next_day": ('Que dia vem depois do dia "{x}"?',),
            "previous_day": ('Que dia vem antes do dia "{x}"?',),
        },
        answers={
            "currency": "A moeda usada lá chama-se: {y}.",
            "language": "A língua oficial de lá é a seguinte: {y}.",
            "next_month": "O mês seguinte chama-se: {y}.",
            "previous_month": "O mês anterior chama-se: {y}.",
            "next_day": "O dia seguinte chama-se: {y}.",
            "previous_day": "O dia anterior chama-se: {y}.",
        },
        lists={
            "month": "Os meses em ordem: ",
            "day": "Os dias da semana em ordem: ",
            "country": "Aqui está uma lista de países: ",
            "language": "Aqui está uma lista de línguas: ",
            "currency": "Aqui está uma lista de moedas: ",
        },
        description='Uma breve descrição do país "{x}":',
        instruction="Responda em {language}.",
        comma=", ",
        space=" ",
        stop=".",
    ),
    "ru": Templates(
        questions={
            "currency": (
                "Какая валюта используется в стране «{x}»?",
                "Как называется валюта страны «{x}»?",
            ),
            "language": (
                "Какой язык является официальным в стране «{x}»?",
                "Как называется официальный язык страны «{x}»?",
            ),
            "next_month": ("Какой месяц идёт после месяца «{x}»?",),
            "previous_month": ("Какой месяц идёт перед месяцем «{x}»?",),
            "next_day": ("Какой день недели идёт после дня «{x}»?",),
            "previous_day": ("Какой день недели идёт перед днём «{x}»?",),
        },
        answers={
            "currency": "Там используется следующая валюта: {y}.",
            "language": "Официальный язык этой страны: {y}.",
            "next_month": "Следующий месяц называется: {y}.",
            "previous_month": "Предыдущий месяц называется: {y}.",
            "next_day": "Следующий день называется: {y}.",
            "previous_day": "Предыдущий день называется: {y}.",
        },
        lists={
            "month": "Месяцы по порядку: ",
            "day": "Дни недели по порядку: ",
            "country": "Вот список стран: ",
            "language": "Вот список языков: ",
            "currency": "Вот список валют: ",
        },
        description="Краткое описание страны «{x}»:",
        instruction="Ответьте на этом языке: {language}.",
        comma=", ",
        space=" ",
        stop=".",
    ),
    "uk": Templates(
        questions={
            "currency": (
                "Яка валюта використовується в країні «{x}»?",
                "Як називається валюта країни «{x}»?",
            ),
            "language": (
                "Яка мова є офіційною в країні «{x}»?",
                "Як називається офіційна мова країни «{x}»?",
            ),
            "next_month": ("Який місяць іде після місяця «{x}»?",),
            "previous_month": ("Який місяць іде перед місяцем «{x}»?",),
            "next_day": ("Який день тижня йде після дня «{x}»?",),
            "previous_day": ("Який день тижня йде перед днем «{x}»?",),
        },
        answers={
            "currency": "Там використовується така валюта: {y}.",
            "language": "Офіційна мова цієї країни: {y}.",
            "next_month": "Наступний місяць називається: {y}.",
            "previous_month": "Попередній місяць називається: {y}.",
            "next_day": "Наступний день називається: {y}.",
            "previous_day": "Попередній день називається: {y}.",
        },
        lists={
            "month": "Місяці по порядку: ",
            "day": "Дні тижня по порядку: ",
            "country": "Ось список країн: ",
            "language": "Ось список мов: ",
            "currency": "Ось список валют: ",
        },
        description="Короткий опис країни «{x}»:",
        instruction="Дайте відповідь цією мовою: {language}.",
        comma=", ",
        space=" ",
        stop=".",
    ),
    "zh": Templates(
        questions={
            "currency": (
                "“{x}”这个国家使用什么货币？",
                "“{x}”这个国家的货币叫什么？",
            ),
            "language": (
                "“{x}”这个国家的官方语言是什么？",
                "在“{x}”这个国家，哪种语言是官方语言？",
            ),
            "next_month": ("“{x}”之后是哪个月？",),
            "previous_month": ("“{x}”之前是哪个月？",),
            "next_day": ("“{x}”之后是星期几？",),
            "previous_day": ("“{x}”之前是星期几？",),
        },
        answers={
            "currency": "那里使用的货币是：{y}。",
            "language": "那里的官方语言是：{y}。",
            "next_month": "下一个月是：{y}。",
            "previous_month": "上一个月是：{y}。",
            "next_day": "后一天是：{y}。",
            "previous_day": "前一天是：{y}。",
        },
        lists={
            "month": "按顺序排列的月份：",
            "day": "按顺序排列的星期：",
            "country": "以下是一些国家：",
            "language": "以下是一些语言：",
            "currency": "以下是一些货币：",
        },
        description="“{x}”这个国家的简短介绍：",
        instruction="请用{language}回答。",
        comma="、",
        space="",
        stop="。",
    ),
    "ja": Templates(
        questions={
            "currency": (
                "「{x}」という国ではどの通貨が使われていますか。",
                "「{x}」という国の通貨は何といいますか。",
            ),
            "language": (
                "「{x}」という国ではどの言語が公用語ですか。",
                "「{x}」という国の公用語は何ですか。",
            ),
            "next_month": ("「{x}」の次は何月ですか。",),
            "previous_month": ("「{x}」の前は何月ですか。",),
            "next_day": ("「{x}」の次は何曜日ですか。",),
            "previous_day": ("「{x}」の前は何曜日ですか。",),
        },
        answers={
            "currency": "そこで使われている通貨は{y}です。",
            "language": "その国の公用語は{y}です。",
            "next_month": "その次の月は{y}です。",
            "previous_month": "その前の月は{y}です。",
            "next_day": "その次の日は{y}です。",
            "previous_day": "その前の日は{y}です。",
        },
        lists={
            "month": "月を順番に並べると：",
            "day": "曜日を順番に並べると：",
            "country": "いくつかの国の名前：",
            "language": "いくつかの言語の名前：",
            "currency": "いくつかの通貨の名前：",
        },
        description="「{x}」という国の短い説明：",
        instruction="{language}で答えてください。",
        comma="、",
        space="",
        stop="。",
    ),
    "ar": Templates(
        questions={
            "currency": (
                'ما العملة المستخدمة في البلد المسمى "{x}"؟',
                'ما اسم عملة البلد المسمى "{x}"؟',
            ),
            "language": (
                'ما اللغة الرسمية في البلد المسمى "{x}"؟',
                'أي لغة هي الرسمية في البلد المسمى "{x}"؟',
            ),
            "next_month": ('أي شهر يأتي بعد شهر "{x}"؟',),
            "previous_month": ('أي شهر يأتي قبل شهر "{x}"؟',),
            "next_day": ('أي يوم يأتي بعد يوم "{x}"؟',),
            "previous_day": ('أي يوم يأتي قبل يوم "{x}"؟',),
        },
        answers={
            "currency": "العملة المستخدمة هناك هي: {y}.",
            "language": "اللغة الرسمية هناك هي: {y}.",
            "next_month": "الشهر التالي هو: {y}.",
            "previous_month": "الشهر السابق هو: {y}.",
            "next_day": "اليوم التالي هو: {y}.",
            "previous_day": "اليوم السابق هو: {y}.",
        },
        lists={
            "month": "الشهور بالترتيب: ",
            "day": "أيام الأسبوع بالترتيب: ",
            "country": "هذه قائمة من البلدان: ",
            "language": "هذه قائمة من اللغات: ",
            "currency": "هذه قائمة من العملات: ",
        },
        description='وصف قصير للبلد المسمى "{x}":',
        instruction="أجب بهذه اللغة: {language}.",
        comma="، ",
        space=" ",
        stop=".",
    ),
    "hi": Templates(
        questions={
            "currency": (
                '"{x}" नामक देश में कौन सी मुद्रा चलती है?',
                '"{x}" नामक देश की मुद्रा का नाम क्या है?',
            ),
            "language": (
                '"{x}" नामक देश में कौन सी भाषा राजभाषा है?',
                '"{x}" नामक देश की राजभाषा क्या है?',
            ),
            "next_month": ('"{x}" के बाद कौन सा महीना आता है?',),
            "previous_month": ('"{x}" से पहले कौन सा महीना आता है?',),
            "next_day": ('"{x}" के बाद कौन सा दिन आता है?',),
            "previous_day": ('"{x}" से पहले कौन सा दिन आता है?',),
        },
        answers={
            "currency": "वहाँ की मुद्रा का नाम है: {y}।",
            "language": "वहाँ की राजभाषा है: {y}।",
            "next_month": "अगला महीना है: {y}।",
            "previous_month": "पिछला महीना है: {y}।",
            "next_day": "अगला दिन है: {y}।",
            "previous_day": "पिछला दिन है: {y}।",
        },
        lists={
            "month": "क्रम से महीने: ",
            "day": "क्रम से सप्ताह के दिन: ",
            "country": "यह देशों की एक सूची है: ",
            "language": "यह भाषाओं की एक सूची है: ",
            "currency": "यह मुद्राओं की एक सूची है: ",
        },
        description='"{x}" नामक देश का संक्षिप्त विवरण:',
        instruction="{language} में उत्तर दें।",
        comma=", ",
        space=" ",
        stop="।",
    ),
}
