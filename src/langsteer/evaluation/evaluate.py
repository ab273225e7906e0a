"""The whole measurement: tune on one split, test on another, and put it all into one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from langsteer import report
from langsteer.cli.scoring import ARROWS, shown_estimate
from langsteer.data.prompts import PromptSet
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.cost import Cost, cost
from langsteer.evaluation.cost import size as cost_size
from langsteer.evaluation.metrics import METRICS, Measured, estimates
from langsteer.evaluation.perplexity import log_perplexities
from langsteer.evaluation.rates import Estimate, Rate
from langsteer.evaluation.runner import (
    CONDITIONS,
    PROMPTED,
    RANDOM,
    STEERED,
    UNSTEERED,
    Condition,
    Outcome,
    Runner,
    cases,
    neutral_cases,
    ordered_pairs,
)
from langsteer.evaluation.summary import (
    PairScores,
    Scores,
    by_family,
    by_pair,
    by_target,
    measured,
    scores_by_pair,
)
from langsteer.evaluation.words import WordProbabilities, word_probabilities
from langsteer.progress import Timer
from langsteer.report.answers import answers_of, confusion_of, examples_of, failures_of, methods_of
from langsteer.report.evidence import estimators_of, layers_of, surface_of
from langsteer.space.space import OperatingPoint, Space
from langsteer.statistics.uncertainty import delta_quality
from langsteer.text.detect import Detector, LinguaDetector
from langsteer.text.tags import english, likely_script, parts
from langsteer.tuning import sample_cases

WORD_CASES_PER_PAIR = 1
VERSIONS = ("langsteer", "torch", "transformers", "lingua-language-detector")
LABELS = {STEERED: "steered", UNSTEERED: "unsteered", RANDOM: "random Δ", PROMPTED: "prompted"}


@dataclass
class Proof:
    """What was measured on one model with one space."""

    loaded: Model
    space: Space
    point: OperatingPoint
    outcomes: list[Outcome]
    seconds: dict[str, float]
    words: list[WordProbabilities] = field(default_factory=list)
    metrics: dict[Condition, dict[str, Estimate]] = field(default_factory=dict)
    """Condition → name → what `evaluation.metrics` lists, over all families."""
    cost: Cost | None = None

    @property
    def families(self) -> dict[str, dict[Condition, Scores]]:
        """Family → condition → scores."""
        return by_family(self.outcomes)

    @property
    def pairs(self) -> list[PairScores]:
        """The steered rates of every ordered pair."""
        return by_pair(self.steered)

    @property
    def targets(self) -> dict[str, Scores]:
        """Target language → the steered scores over all its source languages."""
        return by_target(self.steered)

    @property
    def steered(self) -> list[Outcome]:
        """The steered outcomes."""
        return [one for one in self.outcomes if one.condition == STEERED]

    def as_json(self) -> dict[str, Any]:
        """All numbers as plain values."""
        return {
            "families": {
                name: {
                    **_scores_as_json(conditions[STEERED]),
                    "controls": {
                        condition: _scores_as_json(found)
                        for condition, found in conditions.items()
                        if condition != STEERED
                    },
                }
                for name, conditions in self.families.items()
            },
            "pairs": [asdict(pair) for pair in self.pairs],
            "intervals": [
                {"source": source, "target": target, **_scores_as_json(found)}
                for (source, target), found in scores_by_pair(self.steered).items()
            ],
            "targets": {target: _scores_as_json(found) for target, found in self.targets.items()},
            "metrics": {
                condition: {name: asdict(one) for name, one in found.items()}
                for condition, found in self.metrics.items()
            },
            "cost": None if self.cost is None else asdict(self.cost),
            "operating_point": asdict(self.point),
            "seconds": self.seconds | {"total": sum(self.seconds.values())},
        }

    def print(self, console: Console) -> None:
        """Two tables: every family under every condition, and every metric under each."""
        console.print(results_table(self.families, self.point))
        if self.metrics:
            console.print(metrics_table(self.metrics))
        for line in cost_lines(self.cost):
            console.print(line, highlight=False)

    def write_report(self, folder: Path, descriptions: Mapping[str, str] | None = None) -> Path:
        """Write the HTML page with its figures; return the page.

        `descriptions` says of each family what its prompts look like; families without one have no
        description on the page.
        """
        return report.write_report(as_report(self, descriptions or {}), folder)


def prove(
    loaded: Model,
    space: Space,
    prompts: PromptSet,
    point: OperatingPoint,
    *,
    languages: Sequence[str] | None = None,
    per_pair: int | None = None,
    conditions: Sequence[Condition] = CONDITIONS,
    max_new_tokens: int = 48,
    chat: bool | None = None,
    quiet: bool = False,
    timer: Timer | None = None,
    seed: int = 0,
) -> Proof:
    """Measure one operating point and its controls on prompts that were not used to choose it.

    Raises:
        LanguageError: The prompts and the languages have nothing in common.
    """
    timer = timer or Timer(quiet)
    languages = languages or space.languages
    pairs = ordered_pairs(languages)
    todo, neutral = cases(prompts, pairs), neutral_cases(prompts, pairs)
    if per_pair is not None:
        todo = sample_cases(todo, per_pair, seed)
    detector = LinguaDetector(languages)
    runner = Runner(loaded, space, prompts, detector, max_new_tokens=max_new_tokens, chat=chat)
    outcomes: list[Outcome] = []
    for condition in conditions:
        with timer.answers(f"test: {LABELS[condition]}", runner.size(condition, todo)) as advance:
            runner.progress = advance
            outcomes += runner.run(condition, todo, point)
    with timer.answers("test: cost", cost_size(todo, neutral)) as advance:
        runner.progress = advance
        spent = cost(runner, todo, neutral, point)
    with timer.timed("metrics"):
        metrics = _metrics(loaded, outcomes, detector)
    lexical = [case for case in todo if case.prompt.lexical]
    with timer.timed("words by layer"):
        words = word_probabilities(
            loaded, space, sample_cases(lexical, WORD_CASES_PER_PAIR, seed), point, space.layers
        )
    return Proof(
        loaded, space, point, outcomes, dict(timer.seconds), words, metrics=metrics, cost=spent
    )


def _metrics(
    loaded: Model, outcomes: Sequence[Outcome], detector: Detector
) -> dict[Condition, dict[str, Estimate]]:
    """Condition → metrics; answers that several conditions share are looked at once."""
    likely = log_perplexities(loaded, [one.answer for one in outcomes])
    groups: dict[Condition, list[Measured]] = {}
    for one, found in zip(outcomes, measured(outcomes, detector, likely), strict=True):
        groups.setdefault(one.condition, []).append(found)
    return {condition: estimates(found) for condition, found in groups.items()}


def metrics_table(metrics: Mapping[Condition, Mapping[str, Estimate]]) -> Table:
    """Every metric under every condition; intervals for the steered answers alone, for room."""
    table = Table(
        title="every metric, all families together",
        title_justify="left",
        caption=(
            "shares in percent [95 % bootstrap interval]; ↑ more is better, ↓ less is better; "
            "docs/metrics.md says what each is"
        ),
        box=box.SIMPLE_HEAD,
        caption_justify="left",
    )
    table.add_column("metric", no_wrap=True)
    for condition in metrics:
        table.add_column(LABELS[condition], justify="right", no_wrap=True)
    for metric in METRICS:
        found = {condition: one.get(metric.name) for condition, one in metrics.items()}
        if any(found.values()):
            shown = [_shown(one, condition == STEERED) for condition, one in found.items()]
            table.add_row(f"{metric.name} {ARROWS[metric.better]}".strip(), *shown)
    return table


def _shown(one: Estimate | None, interval: bool) -> str:
    text = percent(one) if one is None or isinstance(one, Rate) else shown_estimate(one)
    return text if interval else text.split(" [", 1)[0]


def cost_lines(found: Cost | None) -> list[str]:
    """What steering cost where it should do nothing, in words."""
    lines = []
    if found is not None and found.changed is not None:
        lines.append(
            "answers that steering to the language spoken already changes: "
            f"{found.changed.value:.1%} of {found.changed.n:,}"
        )
    if found is not None and found.steered and found.unsteered and found.difference:
        lines.append(
            f"right on prompts unrelated to language: {percent(found.unsteered)} unsteered, "
            f"{percent(found.steered)} steered; difference {100 * found.difference.value:+.1f} "
            f"[{100 * found.difference.low:+.1f} to {100 * found.difference.high:+.1f}]"
        )
    return lines


def results_table(families: dict[str, dict[Condition, Scores]], point: OperatingPoint) -> Table:
    """Every family under every condition, with 95 % intervals."""
    where = ", ".join(str(layer) for layer in point.layers)
    steered = [conditions[STEERED] for conditions in families.values()]
    prompts, pairs = sum(one.prompts for one in steered), max(one.pairs for one in steered)
    table = Table(
        title=f"block {where}, strength {point.strength:g}, scope {point.scope}, {point.estimator}",
        title_justify="left",
        caption=(
            f"percent [95 % bootstrap interval over concepts]; {prompts:,} prompts, {pairs} "
            "ordered pairs of languages; both: harmonic mean"
        ),
        box=box.SIMPLE_HEAD,
        caption_justify="left",
    )
    table.add_column("family", min_width=12)
    table.add_column("condition", no_wrap=True)
    for column in ("right language", "right meaning", "both"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, conditions in families.items():
        for number, (condition, found) in enumerate(conditions.items()):
            table.add_row(
                name if number == 0 else "",
                LABELS[condition],
                percent(found.language_rate),
                percent(found.meaning),
                percent(found.score),
                style="bold" if condition == STEERED else None,
                end_section=number == len(conditions) - 1,
            )
    return table


def percent(rate: Rate | None) -> str:
    """A rate in percent with its interval; a dash for None."""
    return "–" if rate is None else rate.percent()


def _scores_as_json(found: Scores) -> dict[str, Any]:
    return {
        "language_rate": asdict(found.language_rate),
        "meaning": None if found.meaning is None else asdict(found.meaning),
        "score": None if found.score is None else asdict(found.score),
        "prompts": found.prompts,
        "pairs": found.pairs,
    }


def as_report(proof: Proof, descriptions: Mapping[str, str]) -> report.Report:
    """Everything the page shows, from what was measured; a description for each known family."""
    space, loaded, point = proof.space, proof.loaded, proof.point
    families = proof.families
    return report.Report(
        title=f"Steering {loaded.hf.config.model_type} into {_counted(proof.outcomes)}",
        model=report.ModelFacts(
            Path(loaded.name).name,
            loaded.hf.config.model_type,
            loaded.stream.depth,
            loaded.stream.width,
        ),
        corpus=report.CorpusFacts(space.corpus.name, dict(space.corpus.texts), space.corpus.digest),
        summary=_summary(proof, families),
        operating_point=point,
        seconds=proof.seconds,
        versions={name: version(name) for name in VERSIONS},
        warnings=space.warnings(point.layers),
        created=date.today().isoformat(),
        families=[
            report.FamilyResult(
                name, descriptions.get(name, ""), [_condition(*one) for one in conditions.items()]
            )
            for name, conditions in families.items()
        ],
        examples=examples_of(proof.outcomes),
        layers=layers_of(point),
        pairs=[report.PairResult(**asdict(pair)) for pair in proof.pairs],
        language_map=_language_map(space, point.layers[0]),
        shares=_shares(space),
        word_probability=[report.WordProbability(**asdict(one)) for one in proof.words],
        uncertainty=[
            report.DeltaQuality(one.layer, one.norm, one.standard_error, one.cosine)
            for one in delta_quality(space.statistics)
        ],
        surface=surface_of(point),
        metrics=[
            report.MetricResult(metric.title, condition, found[metric.name], metric.better)
            for metric in METRICS
            for condition, found in proof.metrics.items()
            if metric.name in found
        ],
        costs=[f"{line[0].upper()}{line[1:]}." for line in cost_lines(proof.cost)],
        methods=methods_of(families),
        estimators=estimators_of(point),
        confusion=confusion_of(proof.outcomes),
        failures=failures_of(proof.outcomes),
        answers=answers_of(proof.outcomes),
    )


def _summary(proof: Proof, families: dict[str, dict[Condition, Scores]]) -> list[str]:
    space, point = proof.space, proof.point
    texts = sum(space.corpus.texts.values())
    rates = [
        f"{100 * found[STEERED].language_rate.value:.1f} % of {name} answers"
        for name, found in families.items()
    ]
    listed = " and ".join([", ".join(rates[:-1]), rates[-1]] if len(rates) > 1 else rates)
    return [
        f"{texts:,} texts in {len(space.languages)} languages were read once, and the mean latent "
        f"of each language was kept for each of {len(space.layers)} blocks.",
        f"At the output of block {point.layers[0]} the difference of the means of two languages "
        f"was added with strength {point.strength:g} (scope: {point.scope}).",
        f"Steered, {listed} came out in the target language.",
    ]


def _counted(outcomes: Sequence[Outcome]) -> str:
    """How many languages were steered to."""
    count = len({one.case.target for one in outcomes})
    return f"{count} language{'s' if count != 1 else ''}"


def _condition(name: Condition, found: Scores) -> report.ConditionResult:
    return report.ConditionResult(
        name, found.language_rate, found.meaning, found.score, found.prompts
    )


def _language_map(space: Space, layer: int) -> report.LanguageMap:
    """The first two principal components of the language means at one layer."""
    means = np.stack([space.mean(language, layer).numpy() for language in space.languages])
    centred = means - means.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    shares = values**2 / (values**2).sum()
    places = left[:, :2] * values[:2]
    return report.LanguageMap(
        points=[
            report.LanguagePoint(language, float(x), float(y), _script(language))
            for language, (x, y) in zip(space.languages, places, strict=True)
        ],
        layer=layer,
        variance=(float(shares[0]), float(shares[1])),
    )


def _script(language: str) -> str:
    """The English name of the script that a language is written in; "" where it is not known."""
    code = likely_script(parts(language))
    if code is None:
        return ""
    # On its own, the CLDR's name of a kind of Han is but "Simplified" or "Traditional".
    return str(english().scripts.get("Hani" if code in ("Hans", "Hant") else code, code))


def _shares(space: Space) -> list[report.ShareOfVariance]:
    alignment = space.statistics.alignment
    if not alignment.concepts:
        return []
    found = alignment.shares()
    columns = zip(found.concept.tolist(), found.language.tolist(), found.rest.tolist(), strict=True)
    return [
        report.ShareOfVariance(layer, *row)
        for layer, row in zip(space.layers, columns, strict=True)
    ]
