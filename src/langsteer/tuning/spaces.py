"""Tune a space: the search with everything around it that a user would have to bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import langsteer
from langsteer.data.prompts import PromptSet
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.evaluation.cases import Case, cases, ordered_pairs, sample_cases
from langsteer.evaluation.judge import Judge
from langsteer.evaluation.runner import Asking, Runner
from langsteer.progress import Timer
from langsteer.space.space import Space
from langsteer.space.trained import TRAINED
from langsteer.text.detect import Detector, default_detector
from langsteer.tuning.cases import in_order
from langsteer.tuning.forced import ForcedTrial, NoGapError
from langsteer.tuning.journal import Journal, digest
from langsteer.tuning.parallel import FEWEST, forced_texts, ranked_points
from langsteer.tuning.prediction import best_layers, rank_layers
from langsteer.tuning.search import BUDGET, SCOPES, SearchOptions, Tuned, tune
from langsteer.tuning.sharing import SharingRunner

Ranking = Literal["auto", "answers", "forcing"]


@dataclass(frozen=True)
class TuningOptions:
    """What is tried, on what, and for how long.

    `layers` are candidates; if None, those that rank best by the statistics. `scopes` and
    `estimators` are candidates, too. `languages` are those to steer between; all of the space if
    None. `per_pair` is the most prompts of each family for each ordered pair. `ranking` says what
    ranks candidates: their `answers`; `forcing`, teacher forcing on prompts that stand in several
    languages, after which answers only confirm; or `auto`, forcing where there are enough of these.
    `budget` is about how many tokens are generated. `split` is what the prompts are called in the
    record of the choice. `journal` is a file that remembers what was answered: after a kill the
    same call goes on from there to the same choice. It stays; remove it once the choice is saved.
    """

    layers: Sequence[int] | None = None
    scopes: Sequence[str] = SCOPES
    estimators: Sequence[str] = ("difference",)
    languages: Sequence[str] | None = None
    per_pair: int | None = None
    ranking: Ranking = "auto"
    budget: int = BUDGET
    asking: Asking = field(default_factory=Asking)
    split: str = "tune"
    journal: Path | None = None
    quiet: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        known = get_args(Ranking)
        if self.ranking not in known:
            raise LangsteerError(
                f"points cannot be ranked by {self.ranking!r}: choose {', '.join(known)}"
            )


def tune_space(
    model: Model,
    space: Space,
    prompts: PromptSet,
    options: TuningOptions = TuningOptions(),
    *,
    timer: Timer | None = None,
) -> Tuned:
    """Choose the operating point of a space on prompts kept for tuning.

    Args:
        model: the model, which the space must fit.
        space: what is tuned; it is not changed.
        prompts: the only prompts that are asked.
        options: what is tried.
        timer: where the seconds are noted.

    Raises:
        LanguageError: the prompts and the languages have nothing in common.
        LangsteerError: there is nothing to try, or the journal belongs to another search.
        SpaceError: the space lacks a layer, or what an estimator needs.
        SteeringError: there is no such estimator.
    """
    timer = timer or Timer(options.quiet)
    detector = default_detector(options.languages or space.languages)
    languages = [one for one in options.languages or space.languages if one in detector.known]
    expected = rank_layers(space.statistics)
    scores = {one.layer: one.score for one in expected}
    layers = best_layers(expected) if options.layers is None else options.layers
    every = cases(prompts, ordered_pairs(languages))
    if options.per_pair is not None:
        every = sample_cases(every, options.per_pair, options.seed)
    search = SearchOptions(
        sorted(layers, key=lambda layer: -scores.get(layer, 0.0)),
        options.scopes,
        options.estimators,
        options.budget,
        options.seed,
        options.split,
        space.point_for(TRAINED).layers if TRAINED in options.estimators else (),
    )
    _require(space, every[0], search)
    kept = None
    if options.journal is not None:
        kept = Journal(options.journal, _settings(space, prompts, every, layers, detector, options))
    runner = Runner(model, space, Judge(prompts, detector), options.asking)
    ranked = _ranked(runner, prompts, every, search, options.ranking)
    with timer.answers("tune", options.budget) as bar:

        def on_progress(tokens: int, best: str) -> None:
            bar(tokens)
            bar.say(f"tune; {best}" if best else "tune")

        return tune(
            SharingRunner(runner),
            every,
            search,
            ranked=ranked,
            journal=kept,
            on_progress=on_progress,
        )


def _ranked(
    runner: Runner,
    prompts: PromptSet,
    every: Sequence[Case],
    search: SearchOptions,
    ranking: Ranking,
) -> list[ForcedTrial]:
    """The points as teacher forcing ranks them; none where answers shall rank them."""
    if ranking == "answers":
        return []
    texts = forced_texts(runner, prompts, in_order(every, search.seed))
    if len(texts) < FEWEST:
        if ranking == "auto":
            return []
        raise LangsteerError(
            f"Ranking by forcing needs prompts that stand in several languages, with the same "
            f"concepts and family, and that the model answers rightly: there are {len(texts)}, and "
            f"{FEWEST} are needed. Rank by answers."
        )
    try:
        return ranked_points(runner, texts, search.points())
    except NoGapError:
        if ranking == "auto":
            return []
        raise


def _settings(
    space: Space,
    prompts: PromptSet,
    every: Sequence[Case],
    layers: Sequence[int],
    detector: Detector,
    options: TuningOptions,
) -> dict[str, Any]:
    """All that changes an answer or its verdict: a journal of anything else is not used."""
    return {
        "langsteer": langsteer.__version__,
        "model": asdict(space.model),
        "corpus": space.corpus.digest,
        "pooling": space.pooling,
        "tensors": space.checksum(),
        "lexicon": digest({tag: sorted(names) for tag, names in prompts.lexicon.items()}),
        "detector": [type(detector).__name__, sorted(detector.known or ())],
        "cases": digest([[asdict(case.prompt), case.target] for case in every]),
        "layers": sorted(layers),
        "scopes": list(options.scopes),
        "estimators": list(options.estimators),
        "ranking": options.ranking,
        "budget": options.budget,
        "asking": asdict(options.asking),
        "seed": options.seed,
    }


def _require(space: Space, case: Case, search: SearchOptions) -> None:
    """Fail now, and not after an hour, where a configuration cannot be made."""
    for point in search.points():
        space.edit(case.source, case.target, point=point)
