"""Statistics as named tensors and plain values, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import torch
from torch import Tensor

from langsteer.errors import SpaceError
from langsteer.statistics.alignment import Alignment
from langsteer.statistics.folds import FOLDS
from langsteer.statistics.jackknife import SKETCH, Jackknife
from langsteer.statistics.matching import Matching
from langsteer.statistics.moments import Moments
from langsteer.statistics.pooling import POOLINGS
from langsteer.statistics.sample import Part, Sample
from langsteer.statistics.scatter import POOLED, Observation, Scatter, SecondMoments
from langsteer.statistics.statistics import Statistics

MOMENTS = {
    "mean": "mean",
    "squares": "weighted_squares",
    "lean": "weighted_deviation",
    "scatter": "scatter",
}
"""Names in files, and what they are here."""
WIDE = ("moment", "within", "mean", "spread")
FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LIMIT = 2**63
"""Whole numbers are below this."""
SMALL = ("counts", "laplacian", "overlap")
EQUATIONS = ("counts", "laplacian", "moment", "plain")
FOLDED = ("tokens", "laplacian", "moment")
"""Tensors of a matching, and of its jackknife."""


def pack(
    statistics: Statistics, dtype: torch.dtype = torch.float64, *, equations: bool = False
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of latents in `dtype` (tables of counts in float64), and the values beside them.

    Of a matching the means that it led to are there, and its `equations` where they are wanted:
    they are many times as large, and without them matched statistics cannot be merged.
    """
    parts = list(statistics.moments.values())
    tensors = {
        f"moments.{name}": torch.stack([getattr(part, field) for part in parts], 1).to(dtype)
        for name, field in MOMENTS.items()
    }
    alignment = statistics.alignment
    tensors |= {f"alignment.{name}": getattr(alignment, name).to(dtype) for name in WIDE}
    tensors |= {f"alignment.{name}": getattr(alignment, name).double() for name in SMALL}
    if statistics.matched_error is not None:
        # Where it is not known it is infinite, which a file may not hold.
        tensors["matched.error"] = statistics.matched_error.nan_to_num(posinf=-1.0)
    for key, sums in statistics.scatter.sums.items():
        tensors[f"scatter.{key or 'pooled'}"] = sums.to(dtype)
    for language, part in statistics.sample.parts.items():
        tensors[f"sample.{language}.latents"] = part.latents
        tensors[f"sample.{language}.weights"] = part.weights
        tensors[f"sample.{language}.keys"] = torch.tensor(part.keys, dtype=torch.int64)
    values = _values(statistics)
    if equations and statistics.matching is not None:
        tensors |= _equations(statistics.matching)
        values["matching"] = {
            "tokens": list(statistics.matching.tokens),
            "gains": statistics.matching.gains,
        }
    return {name: value.contiguous() for name, value in tensors.items()}, values


def places(values: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The layers and the languages. `SpaceError` where they are not lists of such."""
    layers, languages = _list(values, "layers", int), _list(values, "languages", str)
    return tuple(layers), tuple(languages)


def unpack(
    tensors: Mapping[str, Tensor], values: Mapping[str, Any]
) -> tuple[Statistics, dict[str, Tensor]]:
    """The statistics that `pack` took apart, and the tensors that are not of them.

    Raises `SpaceError` where something is missing, or has another kind or shape than the values
    say.
    """
    layers, languages = places(values)
    rest = _Tensors(dict(tensors))
    width, concepts = _whole(values, "width", 1), _whole(values, "concepts")
    n, k = len(layers), len(languages)
    stacked = [rest.take(f"moments.{name}", n, k, width).double().unbind(1) for name in MOMENTS]
    counts = _object(values, "counts")
    texts, tokens = (_list(counts, name, int, k) for name in ("texts", "tokens"))
    weight, weight2 = (_list(counts, name, float, k) for name in ("weight", "weight2"))
    moments = {
        language: Moments(
            texts[i], tokens[i], weight[i], weight2[i], *(part[i] for part in stacked)
        )
        for i, language in enumerate(languages)
    }
    shapes = {
        "moment": (n, k, width),
        "within": (n, width),
        "mean": (n, k, width),
        "spread": (n, width),
        "counts": (k,),
        "laplacian": (k, k),
        "overlap": (k, k),
    }
    aligned = {
        name: rest.take(f"alignment.{name}", *shapes[name]).double() for name in WIDE + SMALL
    }
    at = tuple(_list(values, "at", int))
    if any(place >= n for place in at):
        raise SpaceError(f"statistics.at is {list(at)}, but there are {n} layers")
    size = _whole(values, "sample")
    parts = {one: _part(rest, one, len(at), width) for one in languages} if size else {}
    found = Statistics(
        layers=layers,
        width=width,
        pooling=_one_of(values, "pooling", POOLINGS),
        moments=moments,
        alignment=Alignment(languages=languages, concepts=concepts, **aligned),
        scatter=_scatter(rest, values, at, languages, width),
        sample=Sample(size, at, parts),
        dropped=_counts(values, "dropped"),
        matching=_matching(rest, values, n, languages, width),
        matched_error=_matched(rest, n, k),
        duplicates=_counts(values, "duplicates") if values.get("duplicates") else {},
    )
    return found, rest.left


class _Tensors:
    """Tensors by name, each to be taken once: `left` are those that nobody took."""

    def __init__(self, left: dict[str, Tensor]) -> None:
        self.left = left

    def take(self, name: str, *shape: int | None, whole: bool = False) -> Tensor:
        """The tensor of that shape (None: any number); floating, or of whole numbers."""
        if name not in self.left:
            raise SpaceError(f"there is no tensor {name!r}")
        tensor = self.left.pop(name)
        fits = len(shape) == tensor.ndim and all(
            wanted in (None, have) for wanted, have in zip(shape, tensor.shape, strict=True)
        )
        kind = tensor.dtype == torch.int64 if whole else tensor.dtype in FLOATING
        if not fits or not kind:
            raise SpaceError(
                f"the tensor {name!r} has the shape {list(tensor.shape)} and the type "
                f"{tensor.dtype}, which is not what the header says"
            )
        return tensor


def _matched(rest: _Tensors, layers: int, languages: int) -> Tensor | None:
    """The error of matched means; None in files of version 0.1."""
    if "matched.error" not in rest.left:
        return None
    error = rest.take("matched.error", layers, languages, languages).double()
    own = torch.diag_embed(error.diagonal(dim1=1, dim2=2) < 0)
    return error.masked_fill(own, math.inf)


def _equations(matching: Matching) -> dict[str, Tensor]:
    parts = {f"matching.{name}": getattr(matching, name) for name in EQUATIONS}
    return parts | {f"jackknife.{name}": getattr(matching.jackknife, name) for name in FOLDED}


def _matching(
    rest: _Tensors,
    values: Mapping[str, Any],
    layers: int,
    languages: tuple[str, ...],
    width: int,
) -> Matching | None:
    """The equations of matched means, where they are in the file."""
    if "matching" not in values:
        return None
    own = _object(values, "matching")
    tokens = _get(own, "tokens")
    if not isinstance(tokens, list) or not all(_is(one, int) for one in tokens):
        raise SpaceError(f"statistics.matching.tokens is {tokens!r:.60}, not a list of numbers")
    k, g, r = len(languages), len(tokens), min(width, SKETCH)
    counts = rest.take("matching.counts", k).double()
    laplacian = rest.take("matching.laplacian", g, k, k).double()
    moment = rest.take("matching.moment", layers, g, k, width).double()
    plain = rest.take("matching.plain", layers, k, width).double()
    jackknife = Jackknife(
        rest.take("jackknife.tokens", FOLDS).double(),
        rest.take("jackknife.laplacian", FOLDS, g, k, k).double(),
        rest.take("jackknife.moment", layers, FOLDS, g, k, r).double(),
    )
    gains = bool(_get(own, "gains"))
    return Matching(languages, tuple(tokens), counts, laplacian, moment, plain, jackknife, gains)


def _scatter(
    rest: _Tensors,
    values: Mapping[str, Any],
    at: tuple[int, ...],
    languages: tuple[str, ...],
    width: int,
) -> Scatter:
    mode = _one_of(values, "second_moments", get_args(SecondMoments))
    observation = values.get("observation", "texts")
    if observation not in get_args(Observation):
        raise SpaceError(f"statistics.observation is {observation!r}")
    keys = {"none": (), "pooled": (POOLED,), "language": languages}[mode]
    # Second moments keep the dtype they come in: they are large, and widened when used.
    sums = {key: rest.take(f"scatter.{key or 'pooled'}", len(at), width, width) for key in keys}
    return Scatter(mode, at, sums, observation)


def _part(rest: _Tensors, language: str, layers: int, width: int) -> Part:
    keys = rest.take(f"sample.{language}.keys", None, whole=True)
    latents = rest.take(f"sample.{language}.latents", len(keys), layers, width)
    weights = rest.take(f"sample.{language}.weights", len(keys))
    return Part(tuple(keys.tolist()), latents, weights)


def _get(values: Mapping[str, Any], name: str) -> Any:
    if name not in values:
        raise SpaceError(f"statistics lack {name!r}")
    return values[name]


def _whole(values: Mapping[str, Any], name: str, least: int = 0) -> int:
    value = _get(values, name)
    if not _is(value, int) or value < least:
        raise SpaceError(f"statistics.{name} is {value!r}, not a whole number from {least} on")
    found: int = value
    return found


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = _get(values, name)
    if not isinstance(value, Mapping):
        raise SpaceError(f"statistics.{name} is {value!r}, not an object")
    return value


def _counts(values: Mapping[str, Any], name: str) -> dict[str, int]:
    found = _object(values, name)
    return {key: _whole(found, key) for key in found}


def _list(values: Mapping[str, Any], name: str, kind: type, length: int | None = None) -> list[Any]:
    value = _get(values, name)
    if not isinstance(value, list) or not all(_is(one, kind) for one in value):
        raise SpaceError(f"statistics.{name} is {value!r:.60}, not a list of {kind.__name__}")
    if kind is not str and any(one < 0 for one in value):
        raise SpaceError(f"statistics.{name} is {value!r:.60}, and has a number below 0")
    if length is not None and len(value) != length:
        raise SpaceError(f"statistics.{name} has {len(value)} values for {length} languages")
    return value


def _one_of(values: Mapping[str, Any], name: str, known: Sequence[Any]) -> Any:
    value = _get(values, name)
    if value not in known:
        raise SpaceError(f"statistics.{name} is {value!r:.60}, not one of {', '.join(known)}")
    return value


def _is(value: object, kind: type) -> bool:
    """Whether a value is text, a whole number or a finite number of usual size."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return kind is not str and abs(value) < LIMIT
    return isinstance(value, kind) and (kind is not float or math.isfinite(cast(float, value)))


def _values(statistics: Statistics) -> dict[str, Any]:
    parts = statistics.moments.values()
    return {
        "layers": list(statistics.layers),
        "width": statistics.width,
        "pooling": statistics.pooling,
        "languages": list(statistics.languages),
        "counts": {
            name: [getattr(part, name) for part in parts]
            for name in ("texts", "tokens", "weight", "weight2")
        },
        "concepts": statistics.alignment.concepts,
        "second_moments": statistics.scatter.mode,
        "at": list(statistics.scatter.at),
        "observation": statistics.scatter.observation,
        "sample": statistics.sample.size,
        "dropped": statistics.dropped,
        "duplicates": statistics.duplicates,
    }
