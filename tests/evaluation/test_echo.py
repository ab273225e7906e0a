"""An answer that repeats the question is told from one that answers it."""

from __future__ import annotations

import pytest

from langsteer.data.answers import GivenAnswer
from langsteer.evaluation.metrics import Sight
from langsteer.evaluation.metrics.echo import echo

ASKED = "What is the capital of Japan and how old is it?"


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        (ASKED, 1.0),
        (ASKED.upper(), 1.0),
        ("Tokyo, which was founded in the twelfth century.", 0.0),
        ("the capital of Japan is Tokyo", 1 / 3),
        ("Tokyo", None),
    ],
)
def test_the_share_of_the_answer_that_stands_in_the_prompt(
    answer: str, share: float | None
) -> None:
    seen = Sight(GivenAnswer(answer, "en", prompt=ASKED), answer, None)  # type: ignore[arg-type]
    assert echo(seen) == (None if share is None else pytest.approx(share))


def test_without_a_prompt_there_is_no_echo() -> None:
    seen = Sight(GivenAnswer(ASKED, "en"), ASKED, None)  # type: ignore[arg-type]
    assert echo(seen) is None
