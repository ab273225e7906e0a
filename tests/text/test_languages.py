"""Language tags: one form for each, and errors that help."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langsteer.errors import LanguageError
from langsteer.text.tags import choose, display_name, known_languages, normalise
from langsteer.text.tags import english as english_names

languages = st.sampled_from(sorted(known_languages()))
territories = st.sampled_from(sorted(english_names().territories))
scripts = st.sampled_from(sorted(english_names().scripts))


@st.composite
def tags(draw: st.DrawFn) -> str:
    optional = [draw(st.none() | scripts), draw(st.none() | territories)]
    return "-".join([draw(languages), *[part for part in optional if part]])


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("en", "en"),
        ("PT-br", "pt-BR"),
        ("pt_BR", "pt-BR"),
        ("rus", "ru"),
        ("iw", "he"),
        ("arb_Arab", "ar"),
        ("eng_Latn", "en"),
        ("zho_Hans", "zh"),
        ("zho_Hant", "zh-Hant"),
        ("zh-Hant-TW", "zh-TW"),
        ("sh", "sr-Latn"),
        ("sh-Cyrl", "sr"),
        ("prs", "fa-AF"),
        ("en-uk", "en-GB"),
        ("sr-YU", "sr-RS"),
        ("uk-SU", "uk-UA"),
        ("es-419", "es-419"),
        ("CA-VALENCIA", "ca-valencia"),
        ("quy_Latn", "quy"),
        ("aka_Latn", "ak"),
        ("twi_Latn", "tw"),
        ("tw-GH", "tw-GH"),
        ("fat", "fat"),
        ("apc_Arab", "apc"),
        ("ajp_Arab", "ajp"),
        ("kor_Hang", "ko"),
    ],
)
def test_every_spelling_has_one_form(tag: str, expected: str) -> None:
    assert normalise(tag) == expected


@given(tags())
def test_normalising_again_and_other_spellings_change_nothing(tag: str) -> None:
    once = normalise(tag)
    assert normalise(once) == once
    assert normalise(tag.upper()) == once
    assert normalise(tag.replace("-", "_").lower()) == once


@pytest.mark.parametrize(
    ("tag", "nearest"),
    [
        ("german", "'de' (German)"),
        ("Chinese", "'zh' (Chinese)"),
        ("cz", "'cs' (Czech)"),
        ("jp", "'ja' (Japanese)"),
        ("germn", "'de' (German)"),
        ("en-XX", "'en' (English)"),
        ("en_US.UTF-8", "'en' (English)"),
        ("pt-BRA", "'pt' (Portuguese)"),
    ],
)
def test_what_is_no_tag_is_refused_with_the_nearest(tag: str, nearest: str) -> None:
    with pytest.raises(LanguageError) as error:
        normalise(tag)
    assert repr(tag) in str(error.value)
    assert f"Did you mean {nearest}?" in str(error.value)


@pytest.mark.parametrize("tag", ["", " ", "und", "mul", "en-", "-en", "de@euro", "en\n", "en-x-me"])
def test_what_names_no_language_is_refused(tag: str) -> None:
    with pytest.raises(LanguageError, match="BCP-47"):
        normalise(tag)


@settings(max_examples=50)
@given(st.text(max_size=12))
def test_any_text_is_a_tag_or_a_language_error(text: str) -> None:
    refusal = None
    try:
        display_name(normalise(text))
    except LanguageError as error:
        refusal = str(error)
    assert refusal is None or repr(text) in refusal


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("pt-BR", "Portuguese (Brazil)"),
        ("rus", "Russian"),
        ("zh-Hant", "Chinese (Traditional)"),
        ("ca-valencia", "Catalan (Valencian)"),
        ("quy", "quy"),
    ],
)
def test_display_names(tag: str, name: str) -> None:
    assert display_name(tag) == name


def test_choose_gives_the_member_as_it_is_written() -> None:
    known = ["de", "zh_Hant", "rus"]
    assert choose("ru", known) == "rus"
    assert choose("zho-hant", known) == "zh_Hant"
    assert choose("ger", known) == "de"


@pytest.mark.parametrize(
    ("tag", "nearest"),
    [
        ("german", "Did you mean 'de' (German)?"),
        ("Deutsch", "Did you mean 'de' (German)?"),
        ("русский", "Did you mean 'ru' (Russian)?"),
        ("portugese", "Did you mean 'pt-BR' (Portuguese (Brazil))?"),
        ("pt", "Did you mean 'pt-BR' (Portuguese (Brazil))?"),
        ("kr", "Did you mean 'ko' (Korean)?"),
    ],
)
def test_choose_suggests_only_what_there_is(tag: str, nearest: str) -> None:
    known = ["de", "ko", "pt-BR", "ru"]
    with pytest.raises(LanguageError) as error:
        choose(tag, known)
    assert repr(tag) in str(error.value)
    assert "de, ko, pt-BR, ru" in str(error.value)
    assert nearest in str(error.value)


def test_choose_does_not_pass_one_language_off_as_another() -> None:
    with pytest.raises(LanguageError, match=r"Ukrainian \('uk'\) is not among") as error:
        choose("uk", ["ru", "de"])
    assert "Did you mean" not in str(error.value)


def test_choose_among_none() -> None:
    with pytest.raises(LanguageError, match="there are none"):
        choose("de", [])
