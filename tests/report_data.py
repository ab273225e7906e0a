"""A made-up report with twelve languages: numbers for looking at the page, not results."""

import math
import random

from langsteer.evaluation.aggregate import Estimate
from langsteer.report import (
    ConditionResult,
    ConfusionCount,
    CorpusShown,
    DeltaQuality,
    Example,
    FailureKind,
    FamilyResult,
    JudgedAnswer,
    LanguageMap,
    LanguagePoint,
    LayerPoint,
    LayerStrengthPoint,
    MethodResult,
    MetricResult,
    ModelFacts,
    PairScores,
    Rate,
    Report,
    ShareOfVariance,
    WordProbabilities,
)
from langsteer.report.answers import (
    DEGENERATE,
    KINDS,
    STILL_SOURCE,
    THIRD,
    UNKNOWN,
    WRONG_MEANING,
)
from langsteer.space.space import OperatingPoint

SCRIPTS = {
    "ar": "Arabic",
    "de": "Latin",
    "en": "Latin",
    "es": "Latin",
    "fr": "Latin",
    "hi": "Devanagari",
    "ja": "Han and kana",
    "nl": "Latin",
    "pt": "Latin",
    "ru": "Cyrillic",
    "uk": "Cyrillic",
    "zh": "Han and kana",
}
PLACES = {
    "ar": (3.1, -3.0),
    "de": (-2.1, 0.4),
    "en": (-1.6, 0.9),
    "es": (-2.9, -0.7),
    "fr": (-2.7, -0.1),
    "hi": (3.6, -1.2),
    "ja": (4.6, 3.0),
    "nl": (-2.0, 0.6),
    "pt": (-3.0, -0.8),
    "ru": (0.9, -2.2),
    "uk": (0.8, -2.5),
    "zh": (4.1, 3.4),
}
LAYERS = range(6)
WORD = "Word translation"
QUESTION = "Questions"
OPEN = "Open continuation"


def rate(value: float, n: int = 6600) -> Rate:
    """A rate with a Wilson interval."""
    centre = (value + 1.92 / n) / (1 + 3.84 / n)
    half = 1.96 * math.sqrt(value * (1 - value) / n + 0.96 / n**2) / (1 + 3.84 / n)
    return Rate(value, max(0.0, centre - half), min(1.0, centre + half), n)


def condition(name, language, meaning, n=6600) -> ConditionResult:
    """A condition and its rates."""
    both = None if meaning is None else rate(2 * language * meaning / (language + meaning), n)
    known = None if meaning is None else rate(meaning, n)
    return ConditionResult(name, rate(language, n), known, both, n)


FAMILIES = (
    FamilyResult(
        WORD,
        "a word in one language, its translation asked for by the form of the prompt",
        (
            condition("steered", 0.9964, 0.9812),
            condition("prompted", 0.9312, 0.8871),
            condition("random", 0.0041, 0.0029),
            condition("unsteered", 0.0023, 0.0017),
        ),
    ),
    FamilyResult(
        QUESTION,
        "a question with a short factual answer in a full sentence",
        (
            condition("steered", 0.9781, 0.9243, 5280),
            condition("prompted", 0.8807, 0.8122, 5280),
            condition("random", 0.0068, 0.0031, 5280),
            condition("unsteered", 0.0011, 0.0009, 5280),
        ),
    ),
    FamilyResult(
        OPEN,
        "lists and short descriptions",
        (
            condition("steered", 0.9623, None, 2640),
            condition("random", 0.0114, None, 2640),
            condition("unsteered", 0.0004, None, 2640),
        ),
    ),
)

EXAMPLES = (
    Example(
        WORD,
        "ru",
        "zh",
        'Русский: "книга" - ',
        '中文: "书"',
        'Русский: "книга"',
        '中文: "书"',
        True,
        True,
        "zh",
    ),
    Example(
        WORD,
        "fr",
        "ja",
        "Français : « eau » - ",
        '日本語: "水"',
        "Français : « eau »",
        '日本語: "水"',
        True,
        True,
        "ja",
    ),
    Example(
        WORD,
        "en",
        "ar",
        'English: "moon" - ',
        'العربية: "قمر"',
        'English: "moon"',
        'العربية: "شمس"',
        True,
        False,
        "ar",
    ),
    Example(
        WORD,
        "uk",
        "ru",
        'Українська: "хліб" - ',
        'Русский: "хлеб"',
        'Українська: "хліб"',
        'Українська: "хліб"',
        False,
        False,
        "uk",
    ),
    Example(
        WORD,
        "de",
        "hi",
        'Deutsch: "Baum" - ',
        'हिन्दी: "पेड़"',
        'Deutsch: "Baum"',
        'हिन्दी: "पेड़"',
        True,
        True,
        "hi",
    ),
    Example(
        QUESTION,
        "en",
        "ar",
        'Which currency is used in the country "Japan"?',
        "العملة هناك تسمى: ين ياباني.",
        "The currency there is called: Japanese Yen.",
        "العملة هناك تسمى: ين ياباني.",
        True,
        True,
        "ar",
    ),
    Example(
        QUESTION,
        "ar",
        "de",
        "ما هو الشهر الذي يلي شهر «مارس»؟",
        "Der folgende Monat ist: April.",
        "الشهر التالي هو: أبريل.",
        "Der folgende Monat ist: April.",
        True,
        True,
        "de",
    ),
    Example(
        QUESTION,
        "es",
        "pt",
        '¿Cuál es el idioma oficial del país "Brasil"?',
        "A língua oficial lá é: português.",
        "El idioma oficial allí es: portugués.",
        "El idioma oficial allí es: português.",
        False,
        True,
    ),
    Example(
        OPEN,
        "en",
        "zh",
        "Some months of the year:",
        "",
        " January, February, March, April, May, June.",
        " 一月、二月、三月、四月、五月、六月。",
        True,
        None,
        "zh",
    ),
    Example(
        OPEN, "nl", "hi", "Enkele dagen van de week:", "", " maandag, dinsdag, woensdag.", "", False
    ),
)


def layer_points() -> list[LayerPoint]:
    """Good at the middle layers, nothing at the end."""
    language = [0.914, 0.997, 0.996, 0.981, 0.847, 0.113]
    meaning = [0.731, 0.962, 0.981, 0.945, 0.702, 0.048]
    return [
        LayerPoint(at, rate(a, 600), rate(b, 600), rate(2 * a * b / (a + b), 600))
        for at, a, b in zip(LAYERS, language, meaning, strict=True)
    ]


def pair_results(seed: int = 1) -> list[PairScores]:
    """All ordered pairs, close ones worse."""
    draw = random.Random(seed)
    close = {
        ("es", "pt"): 0.82,
        ("pt", "es"): 0.88,
        ("ru", "uk"): 0.46,
        ("uk", "ru"): 0.71,
        ("nl", "de"): 0.93,
    }
    results = []
    for source in SCRIPTS:
        for target in SCRIPTS:
            if source == target:
                continue
            language = close.get(
                (source, target), 1 - draw.choice([0, 0, 0, 0.005, 0.01, 0.02, 0.06])
            )
            meaning = max(0.0, language - draw.choice([0, 0, 0.01, 0.02, 0.04, 0.1]))
            results.append(PairScores(source, target, language, meaning, 200))
    return results


def confusion() -> list[ConfusionCount]:
    """Mostly right; close languages instead of each other."""
    instead = {
        "uk": ("ru", 90),
        "ru": ("uk", 22),
        "pt": ("es", 31),
        "es": ("pt", 12),
        "de": ("nl", 4),
        "nl": ("de", 6),
    }
    found = []
    for target in SCRIPTS:
        other, wrong = instead.get(target, ("en", 3))
        if other == target:
            other = "de"
        found += [
            ConfusionCount(target, target, 1080 - wrong),
            ConfusionCount(target, other, wrong),
            ConfusionCount(target, None, 20),
        ]
    found.append(ConfusionCount("pt", "gl", 7))
    return found


def method_results() -> list[MethodResult]:
    """Ten methods in four settings."""
    methods = {
        "langsteer difference": 0.95,
        "unit direction": 0.85,
        "all layers, norm kept": 0.8,
        "repeng": 0.78,
        "steering-vectors": 0.86,
        "concept erasure": 0.4,
        "linear transport": 0.83,
        "prompt, source language": 0.74,
        "prompt, target language": 0.88,
        "script mask": 0.35,
    }
    settings = {
        "easy": 0.04,
        "plain text": -0.06,
        "16 texts": -0.12,
        "close pairs": -0.25,
        "long answers": -0.1,
    }
    draw = random.Random(3)
    return [
        MethodResult(
            method,
            setting,
            rate(min(0.995, max(0.02, base + change + draw.uniform(-0.05, 0.03))), 800),
            rate(0.9, 800),
            rate(0.85, 800),
            draw.uniform(5, 60),
            ours=method == "langsteer difference",
        )
        for method, base in methods.items()
        for setting, change in settings.items()
    ]


def metric_results() -> list[MetricResult]:
    """A share and a number under three conditions, one of them not measured everywhere."""
    return [
        MetricResult("whole answer in the target language", "steered", rate(0.971, 900), "high"),
        MetricResult("whole answer in the target language", "random", rate(0.004, 900), "high"),
        MetricResult("whole answer in the target language", "unsteered", rate(0.001, 900), "high"),
        MetricResult("perplexity", "steered", Estimate(6.25, 6.01, 6.52, 900), "low"),
        MetricResult("perplexity", "unsteered", Estimate(5.125, 5.03, 5.31, 900), "low"),
        MetricResult("length in words", "steered", Estimate(7.5, 7.1, 7.9, 900)),
    ]


def failures() -> list[FailureKind]:
    """Every kind of failure: some with examples, one that does not occur, one without examples."""
    shown = {
        STILL_SOURCE: (41, EXAMPLES[3:4]),
        THIRD: (17, EXAMPLES[7:8]),
        UNKNOWN: (0, ()),
        WRONG_MEANING: (12, EXAMPLES[2:3] * 6),
        DEGENERATE: (2, EXAMPLES[9:]),
    }
    return [
        FailureKind(name, KINDS[name], *shown[name][:1], 14520, shown[name][1]) for name in KINDS
    ]


def answers() -> list[JudgedAnswer]:
    """Both answers to every example, and what a table must survive."""
    found = []
    for one in EXAMPLES:
        for condition, answer in (("steered", one.steered), ("unsteered", one.unsteered)):
            right = one.right_language and condition == "steered"
            found.append(
                JudgedAnswer(
                    one.family,
                    condition,
                    one.source,
                    one.target,
                    one.prompt,
                    one.expected,
                    answer,
                    one.detected,
                    right,
                    one.right_meaning and right,
                    "" if right else STILL_SOURCE,
                )
            )
    nasty = 'a,b;"c"\r\n=1+1\t\u2028x'
    return [
        *found,
        JudgedAnswer(nasty, "random", "en", "ar", nasty, nasty, nasty, None, False, None),
    ]


def surface_points() -> list[LayerStrengthPoint]:
    """A ridge at strength one in the middle layers."""
    return [
        LayerStrengthPoint(
            at,
            strength,
            0.985 * math.exp(-(math.log(strength) ** 2)) * math.exp(-(((at - 2) / 2.6) ** 2)),
        )
        for at in LAYERS
        for strength in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
    ]


def full_report(**later) -> Report:
    """The whole report; `later` replaces or adds fields."""
    fields = {
        "title": "Steering the atlas model to twelve languages",
        "model": ModelFacts("atlas-3m", "llama", 6, 192, "8d1f3c0a"),
        "corpus": CorpusShown(
            "atlas, fit split",
            dict.fromkeys(SCRIPTS, 1204),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
        "created": "12 March 2026",
        "summary": (
            "Language vectors were estimated from 1,204 texts in each of 12 languages, "
            "in one pass through the model.",
            "One operating point was chosen on the tuning split and applied to "
            "14,520 held-out prompts over 132 ordered pairs.",
            "The steered model answered in the language steered to in 98.4 % of cases, "
            "the unsteered model in 0.1 %.",
        ),
        "operating_point": OperatingPoint((2,), 1.0, "generated", "difference", split="tuning"),
        "seconds": {"collect": 11.42, "tune": 18.9, "evaluate": 47.31, "figures": 3.6},
        "versions": {
            "langsteer": "0.1.0",
            "torch": "2.13.0",
            "transformers": "5.23.0",
            "python": "3.11.2",
        },
        "warnings": (
            "The predicted cosine of Δ is 0.984 for hi at layer 5, under 0.99: "
            "about 800 more texts in hi would raise it.",
        ),
        "families": FAMILIES,
        "examples": EXAMPLES,
        "layers": layer_points(),
        "pairs": pair_results(),
        "language_map": LanguageMap(
            [LanguagePoint(tag, *PLACES[tag], SCRIPTS[tag]) for tag in SCRIPTS], 2, (0.412, 0.227)
        ),
        "shares": [
            ShareOfVariance(at, concept, language, 1 - concept - language)
            for at, concept, language in zip(
                LAYERS,
                [0.21, 0.38, 0.47, 0.44, 0.31, 0.17],
                [0.52, 0.39, 0.33, 0.36, 0.49, 0.66],
                strict=True,
            )
        ],
        "word_probability": [
            WordProbabilities(at, 0.931, 0.0042, *pair)
            for at, pair in zip(
                LAYERS,
                [
                    (0.16, 0.68),
                    (0.013, 0.951),
                    (0.008, 0.962),
                    (0.021, 0.931),
                    (0.22, 0.64),
                    (0.88, 0.03),
                ],
                strict=True,
            )
        ],
        "uncertainty": [
            DeltaQuality(
                at, 3.1 * 1.55**at, 0.052 * 1.8**at, 1 - 0.0006 * 1.9**at, ("en", "de"), 0.5, 100
            )
            for at in LAYERS
        ],
    }
    return Report(**{**fields, **later})


def grown_report() -> Report:
    """The whole report with everything that is optional."""
    return full_report(
        surface=surface_points(),
        methods=method_results(),
        confusion=confusion(),
        metrics=metric_results(),
        costs=("Steering to the language spoken already changes 0.0 % of 143 answers.",),
        failures=failures(),
        answers=answers(),
    )
