"""Tune a space: the search with everything around it that a user would have to bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from langsteer.data.prompts import PromptSet
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.runner import MAX_NEW_TOKENS, Case, Runner, cases, edit_for, ordered_pairs
from langsteer.progress import Timer
from langsteer.space.space import OperatingPoint, Space
from langsteer.text.detect import LinguaDetector
from langsteer.tuning.cases import sample_cases
from langsteer.tuning.journal import Journal, digest
from langsteer.tuning.prediction import candidates, promises
from langsteer.tuning.prefix import SharingRunner
from langsteer.tuning.search import BUDGET, SCOPES, Tuned, tune


def tune_space(
    loaded: Model,
    space: Space,
    prompts: PromptSet,
    *,
    layers: Sequence[int] | None = None,
    scopes: Sequence[str] = SCOPES,
    estimators: Sequence[str] = ("difference",),
    languages: Sequence[str] | None = None,
    per_pair: int | None = None,
    budget: int = BUDGET,
    max_new_tokens: int = MAX_NEW_TOKENS,
    split: str = "tune",
    journal: Path | None = None,
    quiet: bool = False,
    timer: Timer | None = None,
    seed: int = 0,
) -> Tuned:
    """Choose the operating point of a space on prompts kept for tuning.

    Args:
        loaded: The model, which the space must fit.
        space: What is tuned; it is not changed.
        prompts: The only prompts that are asked.
        layers: Candidates; default: those that promise most, by the statistics.
        scopes: Candidate scopes.
        estimators: Candidate estimators; the space must hold what they need.
        languages: Between which languages; default: all of the space.
        per_pair: At most so many prompts of each family for each pair of languages; default: all.
        budget: Generated tokens to aim at.
        max_new_tokens: Length of the answers.
        split: What the prompts are called in the record of the choice.
        journal: A file that remembers what was answered; after a kill the same call goes on from
            there to the same choice. It stays: remove it once the choice is saved.
        quiet: Show no progress.
        timer: Where the seconds are noted.
        seed: Of the order of the cases.

    Raises:
        LanguageError: The prompts and the languages have nothing in common.
        LangsteerError: There is nothing to try, or the journal belongs to another search.
        SpaceError: The space lacks a layer, or what an estimator needs.
        SteeringError: There is no such estimator.
    """
    timer = timer or Timer(quiet)
    languages = languages or space.languages
    promised = {one.layer: one.score for one in promises(space.statistics)}
    layers = candidates(promises(space.statistics)) if layers is None else layers
    every = cases(prompts, ordered_pairs(languages))
    if per_pair is not None:
        every = sample_cases(every, per_pair, seed)
    _require(space, every[0], layers, scopes, estimators)
    settings = {
        "model": asdict(space.model),
        "corpus": space.corpus.digest,
        "pooling": space.pooling,
        "prompts": digest([[case.prompt.text, case.source, case.target] for case in every]),
        "layers": sorted(layers),
        "scopes": list(scopes),
        "estimators": list(estimators),
        "budget": budget,
        "max_new_tokens": max_new_tokens,
        "seed": seed,
    }
    kept = None if journal is None else Journal(journal, settings)
    detector = LinguaDetector(languages)
    runner = Runner(loaded, space, prompts, detector, max_new_tokens=max_new_tokens)
    with timer.answers("tune", budget) as bar:

        def report(tokens: int, best: str) -> None:
            bar(tokens)
            bar.say(f"tune; {best}" if best else "tune")

        return tune(
            SharingRunner(runner),
            every,
            layers=sorted(layers, key=lambda layer: -promised.get(layer, 0.0)),
            scopes=scopes,
            estimators=estimators,
            budget=budget,
            seed=seed,
            split=split,
            journal=kept,
            report=report,
        )


def _require(
    space: Space,
    case: Case,
    layers: Sequence[int],
    scopes: Sequence[str],
    estimators: Sequence[str],
) -> None:
    """Fail now, and not after an hour, where a configuration cannot be made."""
    for layer in layers:
        for estimator in estimators:
            for scope in scopes:
                point = OperatingPoint((layer,), 1.0, scope, estimator)
                edit_for(space, point, case.source, case.target)
