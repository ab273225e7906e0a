"""The artifact: what was estimated for one model, with where it came from, in one file.

The file is a safetensors file. Its tensors are those of `statistics.storage.pack`; under the
metadata key `langsteer` is one JSON object with the rest. Nothing in it is ever executed.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from langsteer.data.files import write_whole
from langsteer.edits.maps import Map
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import SpaceError
from langsteer.estimators import estimate
from langsteer.space.identity import ModelIdentity, differences
from langsteer.statistics import Statistics
from langsteer.statistics.storage import pack, unpack
from langsteer.statistics.uncertainty import warnings
from langsteer.text.tags import choose

FORMAT_VERSION = 1
KEY = "langsteer"
DEFAULT_DEPTH = 0.6
"""Where to edit when nobody has tuned: at the output of the block at this share of the depth."""


def _versions() -> dict[str, str]:
    names = ("langsteer", "torch", "transformers", "safetensors")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


@dataclass(frozen=True, slots=True)
class PairPoint:
    """What one ordered pair of languages uses instead of the operating point of all."""

    source: str
    target: str
    layers: tuple[int, ...]
    strength: float
    scope: str
    estimator: str
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Layers, strength, scope and estimator, with the scores and the split behind the choice.

    `pairs` are the pairs of languages that were shown to do better elsewhere; `evidence` is what
    the choice rests on: the prompts, the budget, the configurations that were tried.
    """

    layers: tuple[int, ...]
    strength: float = 1.0
    scope: str = "all"
    estimator: str = "difference"
    scores: Mapping[str, float] = field(default_factory=dict)
    split: str = ""
    pairs: tuple[PairPoint, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def of(self, source: str, target: str) -> OperatingPoint:
        """The point for one ordered pair of languages: its own where it has one."""
        for own in self.pairs:
            if (own.source, own.target) == (source, target):
                return OperatingPoint(
                    own.layers, own.strength, own.scope, own.estimator, own.scores, self.split
                )
        return replace(self, pairs=()) if self.pairs else self


@dataclass(frozen=True, slots=True)
class CorpusFacts:
    """The texts that a space was fitted on; `texts` and `tokens` are per language."""

    name: str
    digest: str
    texts: Mapping[str, int]
    tokens: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Space:
    """Statistics of one model's latents in several languages, from which maps are made."""

    model: ModelIdentity
    corpus: CorpusFacts
    statistics: Statistics
    operating_point: OperatingPoint | None = None
    versions: Mapping[str, str] = field(default_factory=_versions)

    @property
    def layers(self) -> tuple[int, ...]:
        """The blocks, 0-based, at whose outputs maps can be made."""
        return self.statistics.layers

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages between which maps can be made."""
        return self.statistics.languages

    @property
    def pooling(self) -> str:
        """How the tokens of a text were weighed: 'tokens', 'text' or 'last'."""
        return self.statistics.pooling

    @property
    def dropped(self) -> Mapping[str, int]:
        """Tokens that were left out, by reason."""
        return self.statistics.dropped

    def mean(self, language: str, layer: int) -> Tensor:
        """`[d]` float64: mean latent of a language. `LanguageError`, `SpaceError` as for `map`."""
        return self.statistics.mean(choose(language, self.languages), layer)

    def map(self, source: str | None, target: str, layer: int, estimator: str | None = None) -> Map:
        """The map of latents at block `layer` from one language to another.

        `source` may be None for estimators that need none; `estimator` defaults to that of the
        operating point, else 'difference', and may carry a rank ('erasure:4'). Raises
        `LanguageError` for a language that is not here (naming the nearest), `SpaceError` for a
        layer that is not here or statistics that the estimator lacks, `SteeringError` for an
        unknown estimator.
        """
        self.statistics.at(layer)
        origin = None if source is None else choose(source, self.languages)
        name = estimator or (self.operating_point or self.default_point()).estimator
        return estimate(name, self.statistics, origin, choose(target, self.languages), layer)

    def maps(
        self,
        source: str | None,
        target: str,
        layers: Iterable[int] | None = None,
        estimator: str | None = None,
    ) -> dict[int, Map]:
        """Layer → map; `layers` default to those of the operating point."""
        chosen = (self.operating_point or self.default_point()).layers if layers is None else layers
        return {layer: self.map(source, target, layer, estimator) for layer in chosen}

    def default_point(self) -> OperatingPoint:
        """What to use before tuning: the difference, at 60 % of the depth or near it."""
        wanted = DEFAULT_DEPTH * (self.model.depth - 1)
        nearest = min(self.layers, key=lambda layer: abs(layer - wanted))
        return OperatingPoint(layers=(nearest,))

    def with_operating_point(self, point: OperatingPoint) -> Space:
        """The same space with that operating point. `SpaceError` for layers that are not here."""
        for layers in (point.layers, *(own.layers for own in point.pairs)):
            for layer in layers:
                self.statistics.at(layer)
        return replace(self, operating_point=point)

    def warnings(self, layers: Sequence[int]) -> list[str]:
        """What is not known well enough at `layers`, and how many more texts it takes."""
        return warnings(self.statistics, layers)

    def check(
        self, stream: ResidualStream, tokenizer: PreTrainedTokenizerBase | None = None
    ) -> None:
        """Raise `SpaceError`, naming what differs with both values, if the model is another one."""
        found = differences(self.model, stream, tokenizer)
        if found:
            raise SpaceError(
                f"This space was fitted on {self.model.name!r} and does not fit the model at "
                f"hand: {'; '.join(found)}. Load that model, or fit a space for this one "
                "with `langsteer fit`."
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file whole or not at all. `SpaceError` when the folder cannot be written."""
        tensors, values = pack(self.statistics, torch.float32)
        header = {
            "format_version": FORMAT_VERSION,
            "site": "block_output",
            "layer_base": 0,
            "model": asdict(self.model),
            "corpus": asdict(self.corpus),
            "statistics": values,
            "operating_point": None
            if self.operating_point is None
            else asdict(self.operating_point),
            "versions": dict(self.versions),
        }
        metadata = {KEY: json.dumps(header, ensure_ascii=False)}
        write_whole(Path(path), to_bytes(tensors, metadata=metadata), SpaceError)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Space:
        """Read a space. `SpaceError` for a file that is missing, cut short, foreign or too new."""
        header, tensors = _read(Path(path))
        try:
            point = header["operating_point"]
            return cls(
                model=ModelIdentity(**header["model"]),
                corpus=CorpusFacts(**header["corpus"]),
                statistics=unpack(tensors, header["statistics"]),
                operating_point=None if point is None else _point(point),
                versions=header["versions"],
            )
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise SpaceError(
                f"{path} is a langsteer space, but its header is damaged ({error!r}). Fit it "
                "again with `langsteer fit`."
            ) from error


def _point(values: Mapping[str, Any]) -> OperatingPoint:
    pairs = [
        PairPoint(**{**own, "layers": tuple(own["layers"])}) for own in values.get("pairs", ())
    ]
    return OperatingPoint(**{**values, "layers": tuple(values["layers"]), "pairs": tuple(pairs)})


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = _header(path, file.metadata() or {})
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise SpaceError(
            f"There is no file {path}. Check the path, or make a space with `langsteer fit`."
        ) from error
    except (SafetensorError, OSError) as error:
        raise SpaceError(
            f"{path} cannot be read as a space: {error}. It is cut short or not a safetensors "
            "file. Copy it again, or fit it again with `langsteer fit`."
        ) from error


def _header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if KEY not in metadata:
        raise SpaceError(
            f"{path} is a safetensors file, but not a langsteer space: its metadata has no key "
            f"{KEY!r}. Give a file that `langsteer fit` wrote."
        )
    try:
        header = json.loads(metadata[KEY])
        written = header["format_version"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise SpaceError(
            f"The header of {path} is damaged ({error!r}). Fit it again with `langsteer fit`."
        ) from error
    if not isinstance(written, int) or written > FORMAT_VERSION:
        raise SpaceError(
            f"{path} has the format version {written}, but this langsteer reads up to version "
            f"{FORMAT_VERSION}. Upgrade langsteer, or fit the space again."
        )
    found: dict[str, Any] = header
    return found
