"""The target less the mean of all languages."""

import torch

from langsteer.estimators import estimate
from langsteer.statistics import Statistics
from latents import normal

LANGUAGES = ("de", "en", "ja")


def collected(offset: float = 0.0) -> Statistics:
    found = Statistics.empty((0, 1), 8, LANGUAGES, pooling="text")
    for i, (language, texts) in enumerate(zip(LANGUAGES, (5, 9, 3), strict=True)):
        z = normal(texts, 2, 8, seed=i) + 4 * normal(8, seed=20 + i) + offset
        found.update(z, torch.ones(texts), [language] * texts, [None] * texts)
    return found


def shift(statistics: Statistics, target: str, source: str | None = None) -> torch.Tensor:
    return estimate("centred", statistics, source, target, 1).change(torch.zeros(8).double())


def test_the_shifts_to_all_languages_cancel() -> None:
    found = collected()
    total = sum(shift(found, language) for language in LANGUAGES)
    torch.testing.assert_close(total, torch.zeros(8).double(), atol=1e-5, rtol=0)


def test_two_shifts_differ_by_the_difference_of_means() -> None:
    found = collected()
    apart = shift(found, "ja") - shift(found, "de")
    known = estimate("difference", found, "de", "ja", 1).change(torch.zeros(8).double())
    torch.testing.assert_close(apart, known, atol=1e-5, rtol=0)


def test_it_needs_no_source_and_does_not_see_what_all_share() -> None:
    there, moved = collected(), collected(offset=100)
    torch.testing.assert_close(shift(there, "en"), shift(there, "en", "de"))
    torch.testing.assert_close(shift(there, "en"), shift(moved, "en"), atol=1e-4, rtol=0)
