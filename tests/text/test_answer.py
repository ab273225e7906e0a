"""What of a generated text is the answer, and what of it is in a human language."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from langsteer.text.answer import prose, visible

ANSWER = "Die Hauptstadt ist Berlin."


@pytest.mark.parametrize(
    "text",
    [
        "<think>Let me see.\n\nIt is Berlin.</think>\n\n{}",
        "<thinking>It is Berlin.</thinking>{}",
        "<THINK>It is</THINK> {}",
        "<think>one <think>two</think> three</think>{}",
        "The template opened it.</think>{}",
        "<reasoning>It is</reasoning>\n{}",
        "<seed:think>It is</seed:think>{}",
        "[THINK]It is[/THINK]{}",
        "◁think▷It is◁/think▷{}",
        "<|begin_of_thought|>It is<|end_of_thought|><|begin_of_solution|>{}<|end_of_solution|>",
        "<|START_THINKING|>It is<|END_THINKING|><|START_RESPONSE|>{}<|END_RESPONSE|>",
        "<|channel|>analysis<|message|>It is<|end|><|start|>assistant<|channel|>final<|message|>{}",
        "analysisWe need Berlin.assistantfinal{}",
        "<think></think>{}",
        "<think>It is</think><answer>{}</answer>",
        "{}",
    ],
)
def test_thinking_is_not_the_answer(text: str) -> None:
    assert visible(text.format(ANSWER)).strip() == ANSWER


@pytest.mark.parametrize("text", ["<think>It is Ber", "<|channel|>analysis<|message|>It is"])
def test_thinking_that_does_not_end_is_no_answer(text: str) -> None:
    assert visible(text) == ""


def test_a_tag_in_code_is_a_word() -> None:
    text = "Das Zeichen `<think>` beginnt es."
    assert visible(text) == text


@given(some.text())
def test_composed_and_decomposed_text_is_the_same(text: str) -> None:
    for function in (visible, prose):
        assert function(unicodedata.normalize("NFD", text)) == function(
            unicodedata.normalize("NFC", text)
        )


@pytest.mark.parametrize(
    "other",
    [
        "```python\nfor word in words:\n    print(word)\n```",
        "~~~\nThis is code\n~~~",
        "```\nnever closed",
        "\n\n    x = compute(the, values)\n    return x\n",
        "`print(value)`",
        "https://example.com/the/english/path?with=query",
        "www.example.com/english",
        "someone.english@example.com",
        "$E = mc^2$",
        "$$\\int_0^1 f(x) dx$$",
        "\\begin{align}x &= y\\end{align}",
        "<b>",
        "<!-- an English remark -->",
        "\n> This line is quoted from English.\n",
        "“This is quoted from English”",
        '"This is quoted from English"',
        "«This is quoted from English»",
        "「This is quoted」",
    ],
)
def test_what_is_in_no_language_of_the_writer_is_left_out(other: str) -> None:
    left = prose(f"Das ist ein deutscher Satz.\n{other}")
    assert left.split()[:5] == ["Das", "ist", "ein", "deutscher", "Satz."]
    words = ("English", "english", "print", "compute", "code", "never", "int", "align", "mc", "<b>")
    assert not any(word in left for word in words)


@pytest.mark.parametrize("text", ['"Japanischer Yen"', "> nur ein Zitat", "Nur: “Zitat hier”"])
def test_an_answer_that_is_nothing_but_a_quotation_stays(text: str) -> None:
    assert "Japanischer" in prose(text) or "Zitat" in prose(text)


@pytest.mark.parametrize(
    "text",
    [
        "Es kostet $5 und dann noch $6.",
        'Er sagte April", "Mai", "Juni" und ging.',
        "Ein Absatz.\n\n    Eingerückter Text ohne Code steht hier.\n",
        "Der Unterschied: a < b, und zwar immer.",
    ],
)
def test_plain_text_stays(text: str) -> None:
    kept = prose(text)
    assert "und" in kept or "Eingerückter" in kept


def test_of_a_link_the_words_stay() -> None:
    assert prose("Mehr [steht hier](https://example.com/english).").strip() == "Mehr steht hier."
