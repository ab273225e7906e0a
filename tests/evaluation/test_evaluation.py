"""Prompts, verdicts and summaries, on answers written by hand."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from langsteer.data.prompts import Prompt, PromptSet, read_prompts, write_prompts
from langsteer.errors import CorpusError, LanguageError
from langsteer.evaluation.cases import Case, Outcome, cases, ordered_pairs
from langsteer.evaluation.judge import Judge, distinguishable, has_meaning, normalised, occurs
from langsteer.evaluation.objective import objective
from langsteer.evaluation.summary import by_family, by_pair, scores
from langsteer.text.detect import Detection, Detector


class SaysGerman(Detector):
    """A detector that finds German in everything, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def detect(self, text: str) -> Detection:
        return self.detect_many([text])[0]

    def detect_many(self, texts: Sequence[str]) -> list[Detection]:
        self.asked += texts
        return [Detection("de", 1.0) for _ in texts]


WORD = Prompt(
    'Deutsch: "Jahr" - English: "',
    "en",
    family="word",
    concepts=("year",),
    references={"en": (("year",),), "fr": (("année", "an"),), "es": (("año",),)},
    lexical=True,
    stop='"',
)
SENTENCE = Prompt(
    "What?",
    "en",
    family="sentence",
    concepts=("euro",),
    references={"en": (("Euro",), ("French",)), "de": (("Euro",), ("Französisch",))},
)
LEXICON = {
    "en": frozenset({"year", "Angola"}),
    "fr": frozenset({"année", "an"}),
    "es": frozenset({"Angola"}),
}


def judge() -> Judge:
    return Judge(PromptSet((WORD, SENTENCE), LEXICON), SaysGerman())


@pytest.mark.parametrize(
    ("answer", "language", "right", "meaning"),
    [
        ("Année", "fr", True, True),
        (" an.", "fr", True, True),
        ("year", "en", False, False),
        ("Angola", "en", False, False),
        ("Jahr", "de", False, False),
    ],
)
def test_a_lexical_answer_is_looked_up_before_it_is_detected(
    answer: str, language: str, right: bool, meaning: bool
) -> None:
    (found,) = judge().verdicts([(WORD, "fr", answer)])
    assert (found.language, found.language_right, found.meaning_right) == (language, right, meaning)


def test_a_name_that_the_source_language_shares_is_no_evidence() -> None:
    (found,) = judge().verdicts([(WORD, "es", "Angola")])
    assert not found.language_right


def test_an_answer_in_its_own_language_is_right_when_that_is_the_target() -> None:
    (found,) = judge().verdicts([(WORD, "en", "year")])
    assert found.language_right
    assert found.meaning_right


def test_meaning_needs_every_group_and_both_the_right_language_too() -> None:
    found = judge().verdicts(
        [
            (SENTENCE, "de", "Dort: Euro, Französisch."),
            (SENTENCE, "de", "Dort: Euro."),
            (SENTENCE, "en", "There: euro, French."),
        ]
    )
    assert [one.meaning_right for one in found] == [True, False, True]
    assert [one.both for one in found] == [True, False, False]


LISTED = Prompt(
    'Months: "July", "',
    "en",
    references={
        "en": (("August",), ("September",)),
        "de": (("August",), ("September",)),
        "fr": (("août",), ("septembre",)),
    },
    lexical=True,
)
MONTHS = {
    "en": frozenset({"August", "September", "October"}),
    "de": frozenset({"August", "September", "Oktober"}),
    "fr": frozenset({"août", "septembre", "octobre"}),
}


@pytest.mark.parametrize(
    ("answer", "right", "meaning"),
    [
        ('août", "septembre".', True, True),
        ("août, octobre", True, False),
        ('août", "September".', False, False),
        ('août", "???".', True, False),
    ],
)
def test_a_list_is_judged_name_by_name(answer: str, right: bool, meaning: bool) -> None:
    (found,) = Judge(PromptSet((LISTED,), MONTHS), SaysGerman()).verdicts([(LISTED, "fr", answer)])
    assert (found.language_right, found.meaning_right) == (right, meaning)


def test_a_list_of_shared_names_cannot_show_a_change() -> None:
    assert not distinguishable(LISTED, "de")
    assert distinguishable(LISTED, "fr")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("português", '"português" é a língua', True),
        ("português", '"portuguêspespanhol" é a língua', False),
        ("oman", "roman", False),
        ("日本円", "通貨は日本円です", True),
        ("евро", "здесь евро.", True),
        ("", "anything", False),
    ],
)
def test_a_name_occurs_as_a_word(name: str, text: str, expected: bool) -> None:
    assert occurs(name, text) is expected


def test_without_a_key_there_is_no_verdict_on_meaning() -> None:
    assert has_meaning("anything", Prompt("Hello", "en"), "de") is None


def test_identical_names_cannot_show_a_change() -> None:
    prompt = Prompt(
        "x", "en", references={"en": (("Angola",),), "de": (("angola",),)}, lexical=True
    )
    assert not distinguishable(prompt, "de")
    assert distinguishable(WORD, "fr")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (' "Euro". ', "euro"),
        ("ＥＵＲＯ", "euro"),
        ("हिन्दी।", "हिन्दी"),
        ("a  b\n", "a b"),
        ("…", ""),
    ],
)
def test_normalised(text: str, expected: str) -> None:
    assert normalised(text) == expected


def test_the_answer_ends_before_the_stop() -> None:
    assert WORD.answer('year" and more') == "year"


def test_prompts_survive_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    write_prompts([WORD, SENTENCE], path)
    found = read_prompts(path)
    assert found.prompts == (WORD, SENTENCE)
    assert found.lexicon["fr"] == {"année", "an"}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"p\.jsonl:1: this is not JSON"),
        ('{"prompt": "x"}', 'there is no "language"'),
        ('{"prompt": " ", "language": "en"}', 'no "prompt"'),
        ('{"prompt": "x", "language": "en", "references": 3}', "'references' is 3"),
        ("", "holds no prompts"),
    ],
)
def test_broken_prompt_files_are_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(line)
    with pytest.raises(CorpusError, match=message):
        read_prompts(path)


def test_a_missing_prompt_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no file of prompts"):
        read_prompts(tmp_path / "none.jsonl")


def test_cases_are_all_prompts_with_all_targets_that_have_a_key() -> None:
    found = cases(PromptSet((WORD, SENTENCE)), ordered_pairs(["en", "fr", "de"]))
    assert {(case.prompt.family, case.target) for case in found} == {
        ("word", "fr"),
        ("sentence", "de"),
    }


def test_prompts_that_fit_no_pair_are_an_error() -> None:
    with pytest.raises(LanguageError, match="No prompt fits"):
        cases(PromptSet((WORD,)), [("ja", "zh")])


def outcome(prompt: Prompt, target: str, answer: str, condition: str = "steered") -> Outcome:
    (verdict,) = judge().verdicts([(prompt, target, answer)])
    return Outcome(Case(prompt, target), condition, answer, verdict)


def test_every_pair_weighs_the_same_however_many_prompts_it_has() -> None:
    found = scores([outcome(WORD, "fr", "an")] * 3 + [outcome(WORD, "es", "year")])
    assert found.language_rate.value == pytest.approx(0.5)
    assert (found.pairs, found.prompts) == (2, 1)


def test_summaries_by_family_and_pair() -> None:
    outcomes = [outcome(WORD, "fr", "an"), outcome(SENTENCE, "de", "Euro", "unsteered")]
    families = by_family(outcomes)
    assert families["word"]["steered"].both is not None
    assert families["word"]["steered"].both.value == 1
    assert families["sentence"]["unsteered"].meaning is not None
    assert families["sentence"]["unsteered"].meaning.value == 0
    assert [(pair.source, pair.target, pair.n) for pair in by_pair(outcomes)] == [
        ("en", "de", 1),
        ("en", "fr", 1),
    ]


def test_the_objective_is_the_mean_over_families() -> None:
    outcomes = [outcome(WORD, "fr", "an"), outcome(SENTENCE, "de", "nothing")]
    assert objective(outcomes) == pytest.approx(0.5)
