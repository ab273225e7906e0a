"""Choose where and how strongly to steer, on prompts kept for that purpose.

Four stages share one budget of generated tokens: successive halving over layers, scopes and
estimators at strength 1; a search for the strength of the finalists; more cases for the two best,
as long as it is open which is better; and the pairs of languages that do badly at the point that
was chosen for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from langsteer.errors import LangsteerError
from langsteer.evaluation.aggregate import interval
from langsteer.evaluation.cases import Case
from langsteer.evaluation.summary import Scores, scores
from langsteer.space.space import OperatingPoint
from langsteer.space.trained import TRAINED
from langsteer.tuning import strength
from langsteer.tuning.cases import in_order
from langsteer.tuning.comparing import compare
from langsteer.tuning.evaluator import Answering, Evaluator
from langsteer.tuning.forced import ForcedTrial
from langsteer.tuning.halving import FINALISTS, FIRST, halve
from langsteer.tuning.journal import Journal
from langsteer.tuning.pairs import own_points
from langsteer.tuning.table import Answered

SCOPES = ("all", "generated")
BUDGET = 50_000
HALVING = 0.5
STRENGTH = 0.75
DUEL = 0.9
"""The shares of the budget that may have been spent when these stages end."""
STRENGTHS_EXPECTED = 5
CONFIRMED = 4
"""How many of the points that were ranked by teacher forcing are asked."""
CONFIRMING = 48
"""On so many cases."""
SHARE_CONFIRMING = 0.2
"""The share of the budget that may be generated then."""
OTHERS = 2
OnProgress = Callable[[int, str], None]
"""Called after every batch with the tokens that it cost, and the best so far in words."""


@dataclass(frozen=True)
class SearchOptions:
    """What is tried, and for how long.

    `layers`, 0-based, `scopes` and `estimators` are candidates; of equals the first is taken.
    `budget` is about how many tokens are generated: every configuration is looked at in any case,
    on a dozen cases, so a small budget with many configurations is exceeded. `seed` is that of the
    order in which cases are asked, and `split` what they are called in the record of the choice.
    `together` are the layers of trained vectors, which the estimator `trained` needs.
    """

    layers: Sequence[int]
    scopes: Sequence[str] = SCOPES
    estimators: Sequence[str] = ("difference",)
    budget: int = BUDGET
    seed: int = 0
    split: str = "tune"
    together: tuple[int, ...] = ()

    def points(self) -> list[OperatingPoint]:
        """Every configuration at strength 1; trained vectors at all of their layers."""
        single = [name for name in self.estimators if name != TRAINED]
        places: list[tuple[tuple[int, ...], list[str]]]
        places = [((layer,), single) for layer in self.layers]
        if TRAINED in self.estimators:
            places.append((self.together, [TRAINED]))
        return [
            OperatingPoint(layers, 1.0, scope, estimator, split=self.split)
            for layers, names in places
            for scope in self.scopes
            for estimator in names
        ]


@dataclass(frozen=True)
class Trial:
    """One configuration and how it did on the tuning prompts that it was asked."""

    point: OperatingPoint
    objective: float
    scores: Scores
    cases: int = 0


@dataclass(frozen=True)
class Tuned:
    """The chosen operating point with all trials behind it, and what they cost."""

    point: OperatingPoint
    trials: tuple[Trial, ...]
    tokens: int = 0
    answers: int = 0
    ranked: tuple[ForcedTrial, ...] = ()
    """What teacher forcing said of every point, if that was asked."""


def tune(
    runner: Answering,
    cases: Sequence[Case],
    options: SearchOptions,
    *,
    ranked: Sequence[ForcedTrial] = (),
    journal: Journal | None = None,
    on_progress: OnProgress | None = None,
) -> Tuned:
    """The best single layer, scope, estimator and strength, and those of pairs that need others.

    Args:
        runner: Answers and judges.
        cases: The only cases that are asked.
        options: What is tried.
        ranked: Points ranked by teacher forcing, the best first; then only these are asked.
        journal: Remembers what was answered, so that a search that was stopped can go on.
        on_progress: Called after every batch.

    Raises:
        LangsteerError: There is nothing to try, nothing to try it on, or no budget.
    """
    points = options.points()
    if not (cases and points):
        raise LangsteerError(
            "Tuning needs at least one prompt, one layer, one scope and one estimator."
        )
    if options.budget < 1:
        raise LangsteerError(f"The budget is {options.budget} tokens; give a positive number.")
    order = in_order(cases, options.seed)
    budget = int(SHARE_CONFIRMING * options.budget) if ranked else options.budget
    search = _Search(runner, order, budget, journal, on_progress)
    if ranked:
        first = search.confirm([one.point for one in ranked])
    else:
        search.halve(points)
        first = search.strengths()
    best_first = search.duel(first)
    pairs = own_points(
        search.evaluator,
        search.answered,
        search.order,
        best_first[0],
        search.others(best_first),
        budget,
    )
    return search.result(replace(best_first[0], pairs=pairs), options.seed, ranked)


class _Search:
    """The state of one search."""

    def __init__(
        self,
        runner: Answering,
        order: list[Case],
        budget: int,
        journal: Journal | None,
        on_progress: OnProgress | None,
    ) -> None:
        self.order, self.budget = order, budget
        self.answered = Answered()
        self.evaluator = Evaluator(runner, journal, self._spent)
        self._on_progress, self._best = on_progress, ""
        self._finalists: list[OperatingPoint] = []

    def halve(self, points: Sequence[OperatingPoint]) -> None:
        """Leave the finalists."""
        share = int(HALVING * self.budget)
        found = halve(self.evaluator, self.answered, self.order, points, share, self._tell)
        self._finalists = found[:FINALISTS]

    def strengths(self) -> list[OperatingPoint]:
        """All configurations on as many cases as can be paid for, the best first."""
        cost = self.evaluator.tokens_per_answer or 1.0
        tries = STRENGTHS_EXPECTED * len(self._finalists)
        left = STRENGTH * self.budget - self.evaluator.tokens
        cases = self.order[: max(FIRST, int(left / cost / tries))]
        tried: list[OperatingPoint] = []
        for finalist in self._finalists:
            tried += self._strengths_of(finalist, cases)
        return self._best_first(tried, len(cases))

    def confirm(self, ranked: Sequence[OperatingPoint]) -> list[OperatingPoint]:
        """The first few points, and the first of another kind, as their answers rank them."""
        other = next((one for one in ranked if _kind(one) != _kind(ranked[0])), None)
        tried = list(ranked[:CONFIRMED])
        if other is not None and other not in tried:
            tried.append(other)
        cases = self.order[:CONFIRMING]
        self.answered.extend(self.evaluator, cases, tried)
        return self._best_first(tried, len(cases))

    def duel(self, ranked: list[OperatingPoint]) -> list[OperatingPoint]:
        """The same, after more cases for the best and its rival from another configuration.

        Ends when the paired 95 % interval says that the rival is better, or that it cannot be
        better by a point; or with the cases or the tokens.
        """
        best = ranked[0]
        rival = next((point for point in ranked if _kind(point) != _kind(best)), None)
        if rival is None:
            return ranked
        both, limit = [best, rival], DUEL * self.budget
        while True:
            size = min(len(self.answered.outcomes(point)) for point in both)
            columns = [self.answered.outcomes(point)[:size] for point in both]
            compared = compare(columns)
            low, high = compared.gain(1, 0)
            affordable = (
                (limit - self.evaluator.tokens) / 2 / (self.evaluator.tokens_per_answer or 1.0)
            )
            more = min(len(self.order), 2 * size, size + int(affordable))
            if low > 0 or high < strength.TOLERANCE or more <= size:
                break
            self.answered.extend(self.evaluator, self.order[:more], both)
        winner = both[compared.best()]
        self._tell(winner, self.answered.objective(winner))
        return [winner, *(point for point in ranked if point != winner)]

    def others(self, ranked: Sequence[OperatingPoint]) -> list[OperatingPoint]:
        """What a pair might need instead of the first: other layers or scopes, or more strength."""
        chosen = ranked[0]
        by_objective = sorted(self.answered.points, key=lambda one: -self.answered.objective(one))
        first: dict[object, OperatingPoint] = {}
        for point in (*ranked, *by_objective):
            first.setdefault(_kind(point), point)
        elsewhere = [point for kind, point in first.items() if kind != _kind(chosen)]
        stronger = [
            point
            for point in ranked
            if _kind(point) == _kind(chosen) and point.strength > chosen.strength
        ]
        return [*elsewhere[:OTHERS], *sorted(stronger, key=lambda one: one.strength)[:1]]

    def _best_first(self, tried: Sequence[OperatingPoint], size: int) -> list[OperatingPoint]:
        """The points by their objective on the first `size` cases; of equals the first first."""
        value = compare([self.answered.outcomes(point)[:size] for point in tried]).value
        best_first = sorted(range(len(tried)), key=lambda row: -round(float(value[row]), 4))
        return [tried[row] for row in best_first]

    def _strengths_of(
        self, finalist: OperatingPoint, cases: Sequence[Case]
    ) -> list[OperatingPoint]:
        def ask(wanted: list[float]) -> list[Any]:
            points = [replace(finalist, strength=one) for one in wanted]
            self.answered.extend(self.evaluator, cases, points)
            return [self.answered.outcomes(point)[: len(cases)] for point in points]

        (first,) = ask([finalist.strength])
        tried = strength.search(ask, {finalist.strength: first})
        best = replace(finalist, strength=strength.choose(tried))
        self._tell(best, self.answered.objective(best))
        rest = sorted(one for one in tried if one != best.strength)
        return [best, *(replace(finalist, strength=one) for one in rest)]

    def result(self, point: OperatingPoint, seed: int, ranked: Sequence[ForcedTrial]) -> Tuned:
        """The choice with its scores, and every configuration in the order of trying."""
        trials = tuple(self._trial(one) for one in self.answered.points)
        outcomes = self.answered.outcomes(point)
        own = self._trial(point)
        low, high = interval(compare([outcomes]).drawn[0])
        if low == high:  # all agree, and the bootstrap would claim certainty
            rate = own.scores.both or own.scores.language_rate
            low, high = rate.low, rate.high
        found = {
            "objective": own.objective,
            "objective_low": low,
            "objective_high": high,
            "language_rate": own.scores.language_rate.value,
        }
        if own.scores.meaning is not None:
            found["meaning"] = own.scores.meaning.value
        evidence = {
            "cases": own.cases,
            "budget": self.budget,
            "tokens": self.evaluator.tokens,
            "answers": self.evaluator.answers,
            "seed": seed,
            "trials": [_as_evidence(trial) for trial in trials],
        }
        if ranked:
            evidence["ranked"] = [
                {**_as_place(one.point), "recovered": round(one.recovered, 4)} for one in ranked
            ]
        point = replace(point, scores=found, evidence=evidence)
        spent = self.evaluator
        return Tuned(point, trials, spent.tokens, spent.answers, tuple(ranked))

    def _trial(self, point: OperatingPoint) -> Trial:
        outcomes = self.answered.outcomes(point)
        return Trial(point, self.answered.objective(point), scores(outcomes), len(outcomes))

    def _tell(self, point: OperatingPoint, value: float) -> None:
        self._best = f"best: {describe(point)} ({100 * value:.1f})"

    def _spent(self, tokens: int) -> None:
        if self._on_progress is not None:
            self._on_progress(tokens, self._best)


def _kind(point: OperatingPoint) -> tuple[tuple[int, ...], str, str]:
    """What a configuration is besides its strength."""
    return (point.layers, point.scope, point.estimator)


def describe(point: OperatingPoint) -> str:
    """A configuration in a few words."""
    where = ", ".join(map(str, point.layers))
    return f"layer {where}, strength {point.strength:g}, {point.scope}, {point.estimator}"


def _as_evidence(trial: Trial) -> Mapping[str, Any]:
    return {
        **_as_place(trial.point),
        "objective": round(trial.objective, 4),
        "cases": trial.cases,
        "rates": _rates(trial.scores),
    }


def _as_place(point: OperatingPoint) -> Mapping[str, Any]:
    return {
        "layers": list(point.layers),
        "strength": point.strength,
        "scope": point.scope,
        "estimator": point.estimator,
    }


def _rates(found: Scores) -> Mapping[str, Any]:
    """The rates of a trial with their intervals; those that could not be measured are left out."""
    rates = {"language_rate": found.language_rate, "meaning": found.meaning, "both": found.both}
    return {name: asdict(rate) for name, rate in rates.items() if rate is not None}
