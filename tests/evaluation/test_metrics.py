"""Metrics of answers, each against a value computed by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langsteer.data.answers import GivenAnswer
from langsteer.evaluation.aggregate import Rate
from langsteer.evaluation.confusion import Confusion, confusions, stretches
from langsteer.evaluation.metrics import (
    BY_NAME,
    METRICS,
    combined_score,
    estimates,
    measure,
)
from langsteer.evaluation.overlap import chrf, contained, exact, normalised_match
from langsteer.text.degeneration import length, repetition
from langsteer.text.detect import Detection, Detector
from langsteer.text.segments import lines, scripts_of, words


class ByMarker(Detector):
    """A detector for texts written by hand: words such as ``de1`` say the language.

    A text is in the language of most of its words; in none if there is a tie or no such word.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []

    def detect(self, text: str) -> Detection:
        return self.detect_many([text])[0]

    def detect_many(self, texts: Sequence[str]) -> list[Detection]:
        self.asked += texts
        return [self._of(text) for text in texts]

    @staticmethod
    def _of(text: str) -> Detection:
        tags = [word[:2] for word in text.split() if word[:2] in ("de", "en", "ru")]
        counts = sorted(((tags.count(tag), tag) for tag in set(tags)), reverse=True)
        if not counts or (len(counts) > 1 and counts[0][0] == counts[1][0]):
            return Detection(None, 0.0)
        return Detection(counts[0][1], 1.0)


def found(text: str, target: str = "de", **options: frozenset[str]) -> Confusion:
    (one,) = confusions([(text, target)], ByMarker(), **options)
    return one


GERMAN = "dea deb dec ded dee"
ENGLISH = "ena enb enc end ene"


@pytest.mark.parametrize(
    ("text", "forced", "passes", "switch"),
    [
        (GERMAN, 1, 1, 0),
        (f"{GERMAN}\n\n{GERMAN}", 1, 1, 0),
        (f"{GERMAN} def\n{ENGLISH}", 1, 0, 1 / 2),
        (f"{GERMAN}\n{GERMAN}\nena enb enc end", 1, 1, 0),  # four words: not judged
        (f"{ENGLISH}\n{ENGLISH}\n{GERMAN}\n{GERMAN} x", 0, 0, 1 / 2),
        (ENGLISH, 0, 0, 1),
        ("a b c d e", 0, 0, 1),  # in no known language: an error, as in the benchmark
        ("dea", 1, None, None),
        ("", 0, None, None),
    ],
)
def test_language_by_answer_and_by_line(
    text: str, forced: float, passes: float | None, switch: float | None
) -> None:
    one = found(text)
    assert (one.forced, one.line_pass, one.line_switch) == (forced, passes, switch)


RUSSIAN = "ru это русский текст без ошибок совсем"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ru это русский текст без ошибок", 1),
        ("ru это русский with текст без ошибок", 0),
        ("ru это русский the текст без ошибок", 1),  # three letters
        ("ru это русский Google NATO текст без ошибок", 1),  # names and abbreviations
        (f"{RUSSIAN}\n{ENGLISH}", None),  # fails by line already
        ("ru мир", None),  # too short to be judged
    ],
)
def test_latin_words_in_another_script(text: str, expected: float | None) -> None:
    assert found(text, "ru").word_pass == expected


def test_with_a_lexicon_only_its_words_are_errors() -> None:
    text = "ru это русский bonjour текст без ошибок"
    assert found(text, "ru").word_pass == 0
    assert found(text, "ru", lexicon=frozenset({"with"})).word_pass == 1
    assert found(text, "ru", lexicon=frozenset({"bonjour"})).word_pass == 0


def test_there_are_no_latin_errors_in_latin_script() -> None:
    assert found(GERMAN).word_pass is None


def test_words_in_another_script() -> None:
    assert found("dea deb слово dec").script_switch == 1 / 4
    assert found("ruслово 123 ,.", "ru").script_switch == 1 / 2  # the script changes in the word
    assert found("123 !").script_switch is None


def test_words_in_another_language() -> None:
    # Two stretches of five and one of six, as the last word has no stretch of its own.
    assert found(f"{GERMAN} {ENGLISH} {GERMAN} def").language_switch == 5 / 16
    assert found(f"{GERMAN} a b c d e").language_switch == 0  # unknown is not another language
    assert found("dea deb").language_switch is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("dea enb enc", 1), ("- «ena deb dec", None), ("1. ena dea deb", 0), ("x dea", None)],
)
def test_the_first_word(text: str, expected: float | None) -> None:
    assert found(text).first_word == expected


def test_every_text_is_detected_once() -> None:
    detector = ByMarker()
    confusions([(GERMAN, "de"), (GERMAN, "en"), (f"{GERMAN}\n{GERMAN}", "de")], detector)
    assert len(detector.asked) == len(set(detector.asked))


@given(st.lists(st.sampled_from(["dea", "enb", "слово", "日本語", "!"]), max_size=30))
def test_stretches_hold_all_words_of_a_line_that_is_long_enough(pieces: list[str]) -> None:
    line = " ".join(pieces)
    cut = stretches(line)
    if len(words(line)) >= 5:
        assert " ".join(text for text, _ in cut) == line
        assert sum(count for _, count in cut) == len(words(line))
        assert all(count >= 5 for _, count in cut)
    else:
        assert not cut


def test_words_of_scripts_with_and_without_spaces() -> None:
    assert [word.text for word in words("Don't, l'eau 2019!")] == ["Dont", "leau"]
    assert [word.text for word in words("हिन्दी में")] == ["हिन्दी", "में"]
    assert [word.text for word in words("我们喜欢PyTorch。")] == ["我们", "喜欢", "PyTorch"]
    assert [word.script for word in words("食べるtext는")] == ["HAN", "KANA", "LATIN", "HANGUL"]
    assert lines("a\n \nb\n") == ["a", "b"]


def test_the_scripts_of_a_language() -> None:
    assert scripts_of("ja") == {"HAN", "KANA"}
    assert scripts_of("zh-Hant") == {"HAN"}
    assert scripts_of("uk") == {"CYRILLIC"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b c d e f", 0),  # 3 n-grams, all different
        ("a b c d a b c d a b c d", 5 / 9),  # 9 n-grams, 4 of them different
        ("No no NO no no", 1 / 2),
        ("我们喜欢我们喜欢我们喜欢", 1 / 3),  # 6 words, 3 n-grams, 2 different
        ("a b c", None),
    ],
)
def test_repetition(text: str, expected: float | None) -> None:
    assert repetition(text) == (None if expected is None else pytest.approx(expected))


def test_length_counts_words() -> None:
    assert [length(text) for text in ("", "one, two", "我们喜欢")] == [0, 2, 2]


@pytest.mark.parametrize(
    ("answer", "same", "folded", "inside"),
    [
        (" Euro\n", 1, 1, 1),
        ("euro.", 0, 1, 1),
        ("It is the Euro, I think", 0, 0, 1),
        ("European", 0, 0, 0),
    ],
)
def test_matches_with_references(answer: str, same: float, folded: float, inside: float) -> None:
    references = ["Euro", "€uro"]
    assert exact(answer, references) == same
    assert normalised_match(answer, references) == folded
    assert contained(answer, references) == inside
    assert exact(answer, []) is normalised_match(answer, []) is contained(answer, []) is None


def test_chrf_by_hand() -> None:
    # "abc" against "abd": 1-grams 2 of 3, 2-grams 1 of 2, 3-grams 0 of 1, on both sides, so that
    # the F-score is the mean precision: (2/3 + 1/2 + 0) / 3.
    assert chrf("abc", ["abd"]) == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert chrf("abc", ["xyz", "abc"]) == pytest.approx(1)
    assert chrf("abc", []) is None


def answer(text: str, target: str = "de", **more: object) -> GivenAnswer:
    return GivenAnswer(text, target, **more)  # type: ignore[arg-type]


def test_every_pair_and_every_data_set_in_it_weighs_the_same() -> None:
    given = [
        answer(GERMAN, "de", dataset="a"),
        answer(GERMAN, "de", dataset="a"),
        answer(ENGLISH, "de", dataset="b"),
        answer(GERMAN, "en"),
    ]
    # de: (1 + 0) / 2 over data sets; en: 0.
    assert estimates(measure(given, ByMarker()))["forced"].value == pytest.approx(1 / 4)


def test_a_metric_that_applies_to_no_answer_is_left_out() -> None:
    names = estimates(measure([answer("dea")], ByMarker())).keys()
    assert "forced" in names
    assert not {"line_pass", "word_pass", "exact", "chrf", "judged"} & names


def test_shares_are_rates_and_lengths_are_not() -> None:
    made = estimates(measure([answer(GERMAN), answer(GERMAN + " x y z")], ByMarker()))
    assert isinstance(made["forced"], Rate)
    assert made["length"].value == pytest.approx(6.5)
    assert 5 <= made["length"].low <= 6.5 <= made["length"].high <= 8


@given(st.lists(st.sampled_from([GERMAN, ENGLISH, "", "слово", "x"]), min_size=1, max_size=8))
def test_every_share_lies_between_zero_and_one(texts: list[str]) -> None:
    made = measure([answer(text, references=("dea",)) for text in texts], ByMarker())
    for name, one in estimates(made).items():
        assert name in BY_NAME
        if BY_NAME[name].share:
            assert 0 <= one.low <= one.value <= one.high <= 1


def test_values_made_elsewhere_are_averaged_like_the_others() -> None:
    given = [answer("dea"), answer("deb"), answer("dec")]
    made = estimates(measure(given, ByMarker(), extra={"judged": [1.0, None, 0.5]}))
    assert made["judged"].value == pytest.approx(0.75)
    assert made["judged"].n == 2


def test_the_combined_score_is_the_harmonic_mean_of_the_averages() -> None:
    given = [
        answer(GERMAN, source="en", references=("dea",)),
        answer(GERMAN, source="en", references=("none",)),
        answer(ENGLISH, source="en", references=("none",)),
        answer(ENGLISH, source="en", references=("ena",)),
    ]
    found = combined_score(measure(given, ByMarker()))
    assert found is not None
    assert found.value == pytest.approx(1 / 2)  # language 1/2, meaning 1/2
    three = combined_score(measure(given[:3], ByMarker()))
    assert three is not None
    assert three.value == pytest.approx(2 * (2 / 3) * (1 / 3) / (2 / 3 + 1 / 3))


def test_answers_in_the_language_spoken_already_do_not_count_in_the_combined_score() -> None:
    steered = [answer(ENGLISH, source="en", references=("x",))]
    same = [answer(ENGLISH, "en", source="en", references=("ena",))] * 9
    found = combined_score(measure([*steered, *same], ByMarker()))
    assert found is not None
    assert (found.value, found.n) == (0, 1)
    assert combined_score(measure(same, ByMarker())) is None


def test_without_a_metric_of_meaning_there_is_no_combined_score() -> None:
    assert combined_score(measure([answer(GERMAN)], ByMarker())) is None


def test_answers_to_one_prompt_are_drawn_together() -> None:
    apart = [answer(text, prompt=f"{n}") for n, text in enumerate([GERMAN, ENGLISH] * 10)]
    together = [answer(text, prompt=text) for text in [GERMAN, ENGLISH] * 10]
    narrow, wide = (estimates(measure(g, ByMarker()))["forced"] for g in (apart, together))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    assert np.isclose(narrow.value, wide.value)


def test_metrics_have_names_of_their_own() -> None:
    assert len(BY_NAME) == len(METRICS)
