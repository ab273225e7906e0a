"""The page of an evaluation: everything it shows, from the evaluation's own records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from langsteer.evaluation.cases import Outcome
from langsteer.evaluation.conditions import STEERED
from langsteer.evaluation.cost import cost_lines
from langsteer.evaluation.evaluate import Evaluation
from langsteer.evaluation.metrics import METRICS
from langsteer.evaluation.summary import Scores
from langsteer.report import data
from langsteer.report.answers import answers_of, confusion_of, examples_of, failures_of, methods_of
from langsteer.report.evidence import estimators_of, gaps_of, layers_of, surface_of
from langsteer.report.page import write_report
from langsteer.space.space import Space
from langsteer.space.trained import TRAINED
from langsteer.statistics.uncertainty import delta_quality
from langsteer.text.tags import english, likely_script, parts

VERSIONS = ("langsteer", "torch", "transformers", "py3langid")


def write(found: Evaluation, folder: Path, descriptions: Mapping[str, str]) -> Path:
    """Write the page with its figures; return it. `ReportError` if it cannot be written."""
    return write_report(as_report(found, descriptions), folder)


def as_report(found: Evaluation, descriptions: Mapping[str, str]) -> data.Report:
    """Everything the page shows, from what was measured; a description for each known family."""
    space, model, point = found.space, found.model, found.point
    families = found.families
    return data.Report(
        title=f"Steering {model.hf.config.model_type} into {_counted(found.outcomes)}",
        model=data.ModelFacts(
            Path(model.name).name,
            model.hf.config.model_type,
            model.stream.depth,
            model.stream.width,
        ),
        corpus=data.CorpusShown(space.corpus.name, dict(space.corpus.texts), space.corpus.digest),
        summary=_summary(found, families),
        operating_point=point,
        seconds=found.seconds,
        versions=_versions(),
        warnings=space.warnings(point.layers),
        created=date.today().isoformat(),
        families=[
            data.FamilyResult(
                name, descriptions.get(name, ""), [_condition(*one) for one in conditions.items()]
            )
            for name, conditions in families.items()
        ],
        examples=examples_of(found.outcomes),
        layers=layers_of(point),
        gaps=gaps_of(point),
        pairs=found.pairs,
        targets=found.targets,
        language_map=_language_map(space, point.layers[0]),
        shares=_shares(space),
        word_probability=found.words,
        uncertainty=delta_quality(space.statistics),
        surface=surface_of(point),
        metrics=[
            data.MetricResult(metric.title, condition, values[metric.name], metric.better)
            for metric in METRICS
            for condition, values in found.metrics.items()
            if metric.name in values
        ],
        costs=[f"{line[0].upper()}{line[1:]}." for line in cost_lines(found.cost)],
        methods=methods_of(families),
        estimators=estimators_of(point),
        confusion=confusion_of(found.outcomes),
        failures=failures_of(found.outcomes),
        answers=answers_of(found.outcomes),
    )


def _versions() -> dict[str, str]:
    """The versions of what the numbers depend on, of packages with installed metadata."""
    found = {}
    for name in VERSIONS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _summary(found: Evaluation, families: dict[str, dict[str, Scores]]) -> list[str]:
    space, point = found.space, found.point
    texts = sum(space.corpus.texts.values())
    rates = [
        f"{100 * rates_of[STEERED.name].language_rate.value:.1f} % of {name} answers"
        for name, rates_of in families.items()
    ]
    listed = " and ".join([", ".join(rates[:-1]), rates[-1]] if len(rates) > 1 else rates)
    return [
        f"{texts:,} texts in {len(space.languages)} languages were read once, and the mean latent "
        f"of each language was kept for each of {len(space.layers)} layers.",
        f"{_place(point.layers)} {_done(point.estimator)} with strength "
        f"{point.strength:g} (scope: {point.scope}).",
        f"Steered, {listed} came out in the target language.",
    ]


DONE = {
    "difference": "the difference of the means of two languages was added",
    TRAINED: "vectors that were trained on parallel texts were added",
}
"""What was done, of the estimators that take few words to say."""


def _done(estimator: str) -> str:
    return DONE.get(estimator, f"the map of the estimator {estimator} was used")


def _place(layers: Sequence[int]) -> str:
    """Where, at the start of a sentence."""
    if len(layers) == 1:
        return f"At the output of layer {layers[0]}"
    return f"At the outputs of layers {', '.join(map(str, layers[:-1]))} and {layers[-1]}"


def _counted(outcomes: Sequence[Outcome]) -> str:
    """How many languages were steered to."""
    count = len({one.case.target for one in outcomes})
    return f"{count} language{'s' if count != 1 else ''}"


def _condition(name: str, found: Scores) -> data.ConditionResult:
    return data.ConditionResult(name, found.language_rate, found.meaning, found.both, found.prompts)


def _language_map(space: Space, layer: int) -> data.LanguageMap:
    """The first two principal components of the standardised language means at one layer."""
    means = space.standardised_means(layer).numpy()
    centred = means - means.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    shares = values**2 / (values**2).sum()
    places = left[:, :2] * values[:2]
    return data.LanguageMap(
        points=[
            data.LanguagePoint(language, float(x), float(y), _script(language))
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


def _shares(space: Space) -> list[data.ShareOfVariance]:
    alignment = space.statistics.alignment
    if not alignment.concepts:
        return []
    found = alignment.coordinate_shares()
    columns = zip(found.concept.tolist(), found.language.tolist(), found.rest.tolist(), strict=True)
    return [
        data.ShareOfVariance(layer, *row) for layer, row in zip(space.layers, columns, strict=True)
    ]
