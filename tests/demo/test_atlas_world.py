"""The facts, the sentences and the splits of the atlas."""

import json
from collections import Counter
from importlib.resources import files

import pytest

from atlas.texts import plain_corpus
from atlas.writer import FAMILIES, Writer, full_list
from langsteer.demo.documents import facts_of, question
from langsteer.demo.tasks import MEASURED, items, matching_corpus, prompts
from langsteer.demo.templates import LISTS, RELATIONS, TEMPLATES
from langsteer.demo.world import SPLITS, world

LANGUAGES = ("en", "de", "nl", "fr", "es", "pt", "ru", "uk", "zh", "ja", "ar", "hi")


def test_twelve_languages_with_a_name_for_every_concept() -> None:
    assert world().languages == LANGUAGES
    for concept in world().concepts.values():
        assert set(concept.names) == set(LANGUAGES)
        assert all(concept.names.values())


def test_no_name_stands_for_two_concepts_of_one_language() -> None:
    for language in LANGUAGES:
        names = Counter(concept.names[language].casefold() for concept in world().concepts.values())
        assert names.most_common(1)[0][1] == 1


def test_every_language_has_every_template() -> None:
    assert set(TEMPLATES) == set(LANGUAGES)
    for templates in TEMPLATES.values():
        assert set(templates.questions) == set(templates.answers) == set(RELATIONS)
        assert set(templates.lists) == set(LISTS)
        for relation, phrasings in templates.questions.items():
            assert len(phrasings) == len(TEMPLATES["en"].questions[relation])
            assert all(text.count("{x}") == 1 for text in phrasings)
            assert templates.answers[relation].count("{y}") == 1
        assert templates.description.count("{x}") == templates.instruction.count("{language}") == 1


def test_no_sentence_means_the_same_in_two_languages() -> None:
    for relation in RELATIONS:
        answers = [templates.answers[relation] for templates in TEMPLATES.values()]
        assert len(set(answers)) == len(answers)


@pytest.mark.parametrize("family", MEASURED)
def test_splits_share_no_concept(family: str) -> None:
    seen = {
        split: {
            name
            for item in items(family, split)
            for name in item.write(item.languages()[0]).concepts
        }
        for split in SPLITS
    }
    assert all(seen.values())
    for split, names in seen.items():
        assert {world().concepts[name].split for name in names} == {split}


def test_test_prompts_are_none_of_the_prompts_for_fitting_and_tuning() -> None:
    used = {text.text for text in matching_corpus("fit").texts}
    used |= {prompt.text for prompt in prompts("tune", 10).prompts}
    assert not used & {prompt.text for prompt in prompts("test", 10).prompts}


def test_cycles_close() -> None:
    for kind, size in (("month", 12), ("day", 7)):
        following = world().facts[f"next_{kind}"]
        name = f"{kind}:1"
        for _ in range(size):
            assert world().facts[f"previous_{kind}"][following[name]] == name
            name = following[name]
        assert name == f"{kind}:1"


def test_documents_hold_their_own_keys() -> None:
    writer = Writer(None, 5)
    for _, document in zip(range(400), writer.stream((1, 1, 1, 1)), strict=False):
        assert document.family in FAMILIES
        assert all(any(name in document.answer for name in group) for group in document.keys)


def test_writers_with_one_seed_agree() -> None:
    first, second = (Writer("fit", 3).stream((1, 1, 1, 1)) for _ in range(2))
    assert [next(first) for _ in range(20)] == [next(second) for _ in range(20)]


def test_an_instruction_names_the_language_in_the_language_of_the_question() -> None:
    fact = next(fact for fact in facts_of(None) if fact.subject.id == "country:FR")
    document = question("en", fact, answer_in="de")
    assert document.prompt.endswith('Answer in German. "')
    assert document.answer == 'Euro" heißt die Währung dort.'


def test_the_longest_answer_lists_all_months() -> None:
    document = full_list("en", "month")
    names = [concept.names["en"] for concept in world().of_kind("month")]
    listed = ", ".join(f'"{name}"' for name in names)
    assert document.prompt + document.answer == f"The months in order: {listed}."


@pytest.mark.parametrize("family", FAMILIES)
def test_every_prompt_ends_where_a_name_begins(family: str) -> None:
    writer = Writer(None, 8)
    weights = [float(family == other) for other in FAMILIES]
    for _, document in zip(range(50), writer.stream(weights), strict=False):
        assert document.prompt.endswith(' "')
        assert document.answer[0] not in ' "'


def test_prompts_can_be_asked_in_every_language_and_have_references_in_the_others() -> None:
    found = prompts("test", 4)
    counts = Counter((prompt.family, prompt.language) for prompt in found.prompts)
    assert counts == {(family, language): 4 for family in MEASURED for language in LANGUAGES}
    for prompt in found.prompts:
        assert set(prompt.instructed) == set(prompt.references) - {prompt.language}


def test_the_matching_corpus_is_aligned_and_the_plain_one_is_not() -> None:
    assert matching_corpus().aligned
    assert not plain_corpus().aligned
    assert set(plain_corpus().languages) == set(LANGUAGES)


def test_the_source_of_the_facts_is_stated() -> None:
    raw = json.loads(files("langsteer.demo").joinpath("world.json").read_text(encoding="utf-8"))
    assert "CLDR" in raw["source"]
