"""The artifact: what was estimated for one model, with where it came from, in one file.

Its tensors are those of `statistics.storage.pack` and of the increments; the rest is in the header.
"""

from __future__ import annotations

import contextlib
import os
import platform
import warnings as python_warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

import langsteer
from langsteer.edits.edit import Edit
from langsteer.edits.guard import Guard
from langsteer.edits.maps import Map
from langsteer.edits.scope import Scope
from langsteer.errors import LangsteerError, SpaceError
from langsteer.estimators import estimate
from langsteer.space import file
from langsteer.space.display import space_as_html
from langsteer.space.facts import CorpusFacts
from langsteer.space.fields import Fields
from langsteer.space.header import (
    Extra,
    check_places,
    check_point,
    corpus_of,
    increments_as_json,
    increments_of,
    joined,
    model_of,
    point_as_json,
    point_of,
    trained_as_json,
    trained_of,
    unknown,
    versions_of,
)
from langsteer.space.identity import Bound, ModelIdentity, compare
from langsteer.space.increments import Increments, chosen, refused
from langsteer.space.memo import Memo
from langsteer.space.point import OperatingPoint, PairPoint, layers_of
from langsteer.space.trained import TRAINED, Trained, name_of, untrained
from langsteer.statistics import Statistics
from langsteer.statistics.storage import pack, places, unpack
from langsteer.statistics.uncertainty import warnings
from langsteer.text.tags import choose

if TYPE_CHECKING:
    from langsteer.data.corpus import Corpus
    from langsteer.data.prompts import PromptSet
    from langsteer.fitting.reading import Reading

__all__ = ["CorpusFacts", "OperatingPoint", "PairPoint", "Space"]

OF_FILE = {"format_version": 0, "format_minor": 0, file.CHECKSUM: ""}
"""What the file adds to the header."""
DEFAULT_DEPTH = 0.6
"""Where to edit when nobody has tuned: at the output of the layer at this share of the depth."""


def _versions() -> dict[str, str]:
    """The versions in use; of packages without installed metadata nothing is said."""
    found = {"python": platform.python_version(), "langsteer": langsteer.__version__}
    for name in ("torch", "transformers", "safetensors"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@dataclass(frozen=True, slots=True)
class Space:
    """What was estimated for one model: statistics of its latents in several languages.

    Maps, edits and guards are made from it once and then shared: the same arguments give the same
    object, so that rows of a batch that are steered alike are one group.
    """

    model: ModelIdentity
    corpus: CorpusFacts
    statistics: Statistics
    operating_point: OperatingPoint | None = None
    increments: tuple[Increments, ...] = ()
    trained: Trained | None = None
    versions: Mapping[str, str] = field(default_factory=_versions)
    extra: Extra = field(default_factory=Extra, repr=False)
    _memo: Memo = field(default_factory=Memo, init=False, repr=False, compare=False)

    @classmethod
    def fit(
        cls,
        model: Any,
        corpus: Corpus,
        options: Reading | None = None,
        *,
        progress: bool = False,
    ) -> Space:
        """The space of a model, from texts in two or more languages.

        Args:
            model: a `Model`.
            corpus: the texts; they are run through the model once.
            options: which layers, and how texts are read; all layers and all tokens if None.
            progress: show a bar on standard error.

        Raises:
            CorpusError, ModelError, LatentError, SpaceError: as `fitting.collect`.
        """
        from langsteer.fitting.fit import fit

        return fit(model, corpus, options, progress=progress)

    def tune(
        self, model: Any, prompts: PromptSet | str | os.PathLike[str], **options: Any
    ) -> Space:
        """The same space with the operating point that does best on prompts kept for tuning.

        Args:
            model: the `Model` that the space was fitted on.
            prompts: the prompts, or the path of their file.
            options: those of `tuning.tune_space`.

        Raises:
            LangsteerError: as `tuning.tune_space`.
        """
        from langsteer.tuning.spaces import tune_space

        found = tune_space(model, self, _prompts(prompts), **options)
        return self.with_operating_point(found.point)

    def train(
        self,
        model: Any,
        corpus: Corpus,
        options: Any = None,
        pairs: Iterable[tuple[str, str]] | None = None,
        *,
        state: str | os.PathLike[str] | None = None,
        progress: bool = False,
    ) -> Space:
        """The same space with vectors trained on parallel texts, which become its operating point.

        Args:
            model: the `Model` that the space was fitted on; its weights stay as they are.
            corpus: texts that share concepts, those of a document in their order.
            options: a `TrainingOptions`; its defaults if None.
            pairs: (source, target); all ordered pairs of the languages of both if None.
            state: a file that keeps the state: after a kill the same call goes on from there.
            progress: show a bar on standard error.

        Raises:
            LangsteerError: as `training.train`.
        """
        from langsteer.training import TrainingOptions, train

        given = TrainingOptions() if options is None else options
        place = None if state is None else Path(state)
        return train(model, self, corpus, given, pairs, state=place, progress=progress)

    def evaluate(
        self,
        model: Any,
        prompts: PromptSet | str | os.PathLike[str],
        point: OperatingPoint | None = None,
        options: Any = None,
    ) -> Any:
        """What edits of this space do on prompts kept for testing: an `Evaluation`.

        Args:
            model: the `Model` that the space was fitted on.
            prompts: the prompts, or the path of their file.
            point: where to edit; the operating point if None.
            options: those of `evaluation.evaluate`; its defaults if None.

        Raises:
            LangsteerError: as `evaluation.evaluate`.
        """
        from importlib import import_module

        evaluate = import_module("langsteer.evaluation.evaluate").evaluate
        given = () if options is None else (options,)
        return evaluate(model, self, _prompts(prompts), point or self._point(), *given)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers, 0-based, at whose outputs maps can be made."""
        return self.statistics.layers

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages between which maps can be made."""
        return self.statistics.languages

    @property
    def pooling(self) -> str:
        """How the tokens of a text were weighed: one of `statistics.pooling.POOLINGS`."""
        return self.statistics.pooling

    @property
    def dropped(self) -> Mapping[str, int]:
        """Tokens that were left out, by reason."""
        return self.statistics.dropped

    def mean(self, language: str, layer: int) -> Tensor:
        """`[d]` float64: mean latent of a language. `LanguageError`, `SpaceError` as for `map`."""
        return self.statistics.mean(choose(language, self.languages), layer)

    def standardised_means(self, layer: int) -> Tensor:
        """`[languages, d]` float64: the means, each coordinate in units of its standard deviation
        within languages.

        In some models a single coordinate holds half of what lies between languages, and changing
        it changes nothing; it varies as much within a language. So languages are compared in these
        units. Where no language has two texts, the units are those of the latents.
        """
        means = self.statistics.means(layer)
        deviation = self.statistics.within_variance()[self.statistics.at(layer)].sqrt()
        if not deviation.any():
            return means
        varies = deviation > 0
        return torch.where(varies, means / torch.where(varies, deviation, 1.0), 0.0)

    def map(self, source: str | None, target: str, layer: int, estimator: str | None = None) -> Map:
        """The map of latents at `layer` from one language to another.

        `source` may be None for estimators that need none; `estimator` defaults to that of the
        operating point, else 'difference', and may carry a rank ('erasure:4'). Raises
        `LanguageError` for a language that is not here (naming the nearest), `SpaceError` for a
        layer that is not here or statistics that the estimator lacks, `SteeringError` for an
        unknown estimator.
        """
        self.statistics.at(layer)
        origin = None if source is None else choose(source, self.languages)
        goal, name = choose(target, self.languages), estimator or self._point().estimator
        return self._memo.get(
            ("map", origin, goal, layer, name),
            lambda: estimate(name, self.statistics, origin, goal, layer),
            bytes_of,
        )

    def maps(
        self,
        source: str | None,
        target: str,
        layers: Iterable[int] | None = None,
        estimator: str | None = None,
    ) -> dict[int, Map]:
        """Layer → map; `layers` default to those of the operating point.

        At several layers these are increments, which must be in the space: see `with_increments`.
        Raises `SpaceError` where they are not, and else as `map`.
        """
        point = self._point()
        wanted = point.layers if layers is None else layers_of(layers)
        return self._maps(source, target, replace(point, layers=wanted, pairs=()), estimator)

    def _maps(
        self, source: str | None, target: str, point: OperatingPoint, estimator: str | None
    ) -> dict[int, Map]:
        name = estimator or point.estimator
        if name == TRAINED:
            return self._trained_maps(source, target, point.layers)
        if len(point.layers) == 1:
            return {layer: self.map(source, target, layer, name) for layer in point.layers}
        if name != "difference" or source is None:
            raise refused(name, point.layers)
        origin, goal = choose(source, self.languages), choose(target, self.languages)
        return chosen(self.increments, point.layers, point.scope, origin, goal)

    def _trained_maps(
        self, source: str | None, target: str, layers: tuple[int, ...]
    ) -> dict[int, Map]:
        if self.trained is None:
            raise untrained()
        self.trained.check(layers)
        origin = None if source is None else choose(source, self.languages)
        return self.trained.maps(origin, choose(target, self.languages))

    def edit(
        self,
        source: str | None,
        target: str,
        *,
        estimator: str | None = None,
        point: OperatingPoint | None = None,
        guard: bool = False,
    ) -> Edit:
        """The edit from one language to another: the same object for the same arguments.

        Args:
            source: the language that the model would answer in; None for estimators that need none.
            target: the language that it shall answer in.
            estimator: how the maps are estimated, instead of the point's own; `trained` uses the
                trained vectors, where the space has them.
            point: layers, strength and scope; those of the operating point if None, or else of
                `default_point`. A point of this very pair comes first.
            guard: whether the edit acts only while the row is not in the target language.

        Raises:
            LanguageError: a language is not here, or the estimator needs the source.
            SpaceError: a layer is not here, or something that the estimator needs; or the point
                has several layers, and no increments were fitted at exactly these.
            SteeringError: there is no such estimator.
        """
        origin = None if source is None else choose(source, self.languages)
        goal, at = choose(target, self.languages), point or self.point_for(estimator)
        if origin is not None:
            at = at.of(origin, goal)
        name = estimator or at.estimator

        def make() -> Edit:
            return Edit(
                maps=self._maps(origin, goal, at, name),
                strength=at.strength,
                scope=Scope.parse(at.scope),
                guard=self.guard(goal, min(at.layers)) if guard else None,
            )

        key = ("edit", origin, goal, at.layers, at.strength, at.scope, name, guard)
        return self._memo.get(key, make, lambda edit: sum(map(bytes_of, edit.maps.values())))

    def guard(self, target: str, layer: int | None = None) -> Guard:
        """What lets an edit act only while a row is not in the target language.

        `layer` is the first layer of the edit; that of the operating point if None. The same object
        for the same arguments. Raises `LanguageError` and `SpaceError` as `map`, `SteeringError`
        where no other language is known.
        """
        goal = choose(target, self.languages)
        place = min(self._point().layers) if layer is None else layer
        return self._memo.get(
            ("guard", goal, place),
            lambda: Guard.of(self.statistics, goal, place),
            lambda made: made.directions.nbytes,
        )

    def default_point(self) -> OperatingPoint:
        """What to use before tuning or training: the difference, at or near 60 % of the depth."""
        wanted = DEFAULT_DEPTH * (self.model.depth - 1)
        nearest = min(self.layers, key=lambda layer: abs(layer - wanted))
        return OperatingPoint(layers=(nearest,))

    def point_for(self, estimator: str | None = None) -> OperatingPoint:
        """Where to edit with an estimator (None: that of the operating point).

        Trained vectors have their own point, and what tuning chose for them fits no other
        estimator. Raises `SpaceError` for `trained` where nothing was trained.
        """
        point = self._point()
        if estimator is None:
            return point
        if estimator == TRAINED:
            if self.trained is None:
                raise untrained()
            return self.trained.point
        own = tuple(pair for pair in point.pairs if pair.estimator != TRAINED)
        return self.default_point() if point.estimator == TRAINED else replace(point, pairs=own)

    def with_trained(self, trained: Trained) -> Space:
        """The same space with trained vectors, which become the operating point.

        Where not every pair of languages was trained, they become that of the trained pairs alone.
        """
        for layer in trained.layers:
            self.statistics.at(layer)
        extra = self.extra.without("operating_point").without("trained")
        pairs = [pair for pair in permutations(self.languages, 2) if trained.covers(*pair)]
        point = trained.point
        if len(pairs) < len(self.languages) * (len(self.languages) - 1):
            own = [
                PairPoint(*pair, point.layers, point.strength, point.scope, TRAINED, point.scores)
                for pair in pairs
            ]
            base = self.point_for("difference")
            kept = (one for one in base.pairs if (one.source, one.target) not in pairs)
            point = replace(base, pairs=(*kept, *own))
        return replace(self, trained=trained, operating_point=point, extra=extra)

    def with_operating_point(self, point: OperatingPoint) -> Space:
        """The same space with that operating point. `SpaceError` for layers that are not here."""
        for layers in (point.layers, *(own.layers for own in point.pairs)):
            for layer in layers:
                self.statistics.at(layer)
        return replace(self, operating_point=point, extra=self.extra.without("operating_point"))

    def warnings(self, layers: Sequence[int]) -> list[str]:
        """What is not known well enough at `layers`, and how many more texts it takes."""
        return warnings(self.statistics, layers)

    def check(self, model: Bound, tokenizer: Any = None) -> None:
        """Require that the model at hand is the one that the space was fitted on.

        Tokens added since, and the rows that the embeddings got for them, make no other model of
        it. Warns when weights could not be compared, as those of a quantised twin.

        Args:
            model: a `Model`, or anything with `depth`, `width` and its module as `hf` or `model`.
            tokenizer: its tokenizer; `model.tokenizer` if None.

        Raises:
            SpaceError: it is another model; the message names what differs, with both values.
        """
        found = compare(self.model, model, tokenizer)
        if found.different:
            raise SpaceError(
                f"This space was fitted on {self.model.name!r} and does not fit the model at "
                f"hand: {'; '.join(found.different)}. Load that model, or fit a space for this one "
                "with `langsteer fit`."
            )
        if found.warning:
            python_warnings.warn(found.warning, stacklevel=2)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return space_as_html(self)

    def _point(self) -> OperatingPoint:
        return self.operating_point or self.default_point()

    def with_increments(
        self,
        model: Any,
        corpus: Corpus,
        layers: Iterable[int],
        pairs: Iterable[tuple[str, str]] | None = None,
        *,
        scope: str | None = None,
        options: Reading | None = None,
        progress: bool = False,
    ) -> Space:
        """The same space with what edits at several layers are made of.

        For each pair, the texts of its source are run once for each layer but the first, with the
        increments found so far in force. All ordered pairs of K languages at L layers thus take
        (K - 1) · (L - 1) times the time of fitting the space.

        Args:
            model: the `Model` that the space was fitted on.
            corpus: the texts that it was fitted on, or others.
            layers: the layers of the edits, two or more.
            pairs: (source, target); all ordered pairs of languages if None.
            scope: the positions of a text that are steered meanwhile; None: the last alone if the
                last tokens are pooled, else all.
            options: how texts are read; as while fitting if None.
            progress: show a bar on standard error.

        Raises:
            SpaceError: fewer than two layers, or one that is not in the model.
            LanguageError: a language is not in the space, or not in the corpus.
            CorpusError, ModelError, LatentError: as `fitting.collect`.
        """
        from langsteer.fitting.increments import add_increments

        return add_increments(
            self, model, corpus, layers, pairs, scope=scope, options=options, progress=progress
        )

    def joined(self, increments: Increments) -> Space:
        """The same space with further increments; those of the same pairs are replaced."""
        same = (increments.layers, increments.scope)
        others = [one for one in self.increments if (one.layers, one.scope) != same]
        mine = [one for one in self.increments if (one.layers, one.scope) == same]
        whole = mine[0].joined(increments) if mine else increments
        return replace(self, increments=(*others, whole))

    def save(self, path: str | os.PathLike[str], *, mergeable: bool = False) -> None:
        """Write the file whole or not at all.

        Args:
            path: where to.
            mergeable: keep what `merging.merge` needs to be as exact as one reading: all digits,
                and of matched means the equations, which are many times as large.

        Raises:
            SpaceError: the folder cannot be written, or something in the space is not finite.
        """
        known = file.plain(self._header(mergeable=mergeable))
        tensors = {**self.extra.tensors, **self._tensors(mergeable=mergeable)}
        file.write(Path(path), joined(known, self.extra.header), tensors)

    def checksum(self) -> str:
        """A fingerprint of all numbers that edits are made from, as they are saved."""
        return file.checksum({name: one.cpu() for name, one in self._tensors().items()})

    def _tensors(self, *, mergeable: bool = False) -> dict[str, Tensor]:
        tensors, _ = _packed(self.statistics, mergeable)
        for one in self.increments:
            tensors |= {one.name(pair): shift for pair, shift in one.shifts.items()}
        if self.trained is not None:
            tensors |= {name_of(key): rows for key, rows in self.trained.vectors.items()}
        return dict(tensors)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Space:
        """Read a space, of this version or of version 0.1.

        What a newer minor version wrote beyond this one is kept and saved again.

        Raises:
            SpaceError: the file is missing, cut short, foreign, too new or damaged.
        """
        header, tensors = file.read(Path(path))
        try:
            return cls._of(header, tensors)
        except LangsteerError as error:
            file.damaged(Path(path), error)

    @classmethod
    def _of(cls, header: dict[str, Any], tensors: dict[str, Tensor]) -> Space:
        fields = Fields.of(header, "header")
        model, point = model_of(fields), point_of(fields)
        values = fields.fields("statistics").values
        layers, languages = places(values)
        check_places(model, layers, languages)
        statistics, left = unpack(tensors, values)
        if statistics.width != model.width:
            raise SpaceError(f"the statistics are {statistics.width} wide, not {model.width}")
        if point is not None:
            check_point(point, layers, languages)
        found = cls(
            model=model,
            corpus=corpus_of(fields),
            statistics=statistics,
            operating_point=point,
            increments=increments_of(fields, left, model.width),
            trained=trained_of(fields, left, model.width),
            versions=versions_of(fields),
        )
        return replace(
            found, extra=Extra(unknown(header, found._header(mergeable=True) | OF_FILE), left)
        )

    def _header(self, *, mergeable: bool = False) -> dict[str, Any]:
        """The header as plain values, without what the file adds."""
        return {
            "site": "block_output",
            "layer_base": 0,
            "model": asdict(self.model),
            "corpus": asdict(self.corpus),
            "statistics": _packed(self.statistics, mergeable)[1],
            "operating_point": point_as_json(self.operating_point),
            "increments": increments_as_json(self.increments),
            "trained": trained_as_json(self.trained),
            "versions": dict(self.versions),
        }


def _packed(statistics: Statistics, mergeable: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    dtype = torch.float64 if mergeable else torch.float32
    return pack(statistics, dtype, equations=mergeable)


def bytes_of(map_: Map) -> int:
    """How many bytes the tensors of a map take."""
    return sum(value.nbytes for value in vars(map_).values() if isinstance(value, Tensor))


def _prompts(prompts: PromptSet | str | os.PathLike[str]) -> PromptSet:
    """The prompts themselves, or those in a file."""
    if not isinstance(prompts, str | os.PathLike):
        return prompts
    from langsteer.data.prompt_layouts import read_any

    return read_any(Path(prompts))
