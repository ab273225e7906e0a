"""Statistics as named tensors and plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from langsteer.statistics.alignment import Alignment
from langsteer.statistics.moments import Moments
from langsteer.statistics.sample import Part, Sample
from langsteer.statistics.scatter import POOLED, Scatter
from langsteer.statistics.statistics import Statistics

MOMENTS = ("mean", "squares", "lean", "scatter")
WIDE = ("moment", "within", "mean", "spread")
SMALL = ("counts", "laplacian", "overlap")


def pack(
    statistics: Statistics, dtype: torch.dtype = torch.float64
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of latents in `dtype` (tables of counts in float64), and the values beside them.

    Of a matching the means that it led to are there, not its equations.
    """
    parts = list(statistics.moments.values())
    tensors = {
        f"moments.{name}": torch.stack([getattr(part, name) for part in parts], 1).to(dtype)
        for name in MOMENTS
    }
    alignment = statistics.alignment
    tensors |= {f"alignment.{name}": getattr(alignment, name).to(dtype) for name in WIDE}
    tensors |= {f"alignment.{name}": getattr(alignment, name).double() for name in SMALL}
    for key, sums in statistics.scatter.sums.items():
        tensors[f"scatter.{key or 'pooled'}"] = sums.to(dtype)
    for language, part in statistics.sample.parts.items():
        tensors[f"sample.{language}.latents"] = part.latents
        tensors[f"sample.{language}.weights"] = part.weights
        tensors[f"sample.{language}.keys"] = torch.tensor(part.keys, dtype=torch.int64)
    return {name: value.contiguous() for name, value in tensors.items()}, _values(statistics)


def unpack(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> Statistics:
    """The statistics that `pack` took apart. `KeyError` where something is missing."""
    languages = tuple(values["languages"])
    stacked = [tensors[f"moments.{name}"].double().unbind(1) for name in MOMENTS]
    counts = values["counts"]
    moments = {
        language: Moments(
            counts["texts"][i],
            counts["tokens"][i],
            counts["weight"][i],
            counts["weight2"][i],
            *(part[i] for part in stacked),
        )
        for i, language in enumerate(languages)
    }
    aligned = {name: tensors[f"alignment.{name}"].double() for name in WIDE + SMALL}
    at, mode, size = tuple(values["at"]), values["second_moments"], values["sample"]
    keys = {"none": (), "pooled": (POOLED,), "language": languages}[mode]
    return Statistics(
        layers=tuple(values["layers"]),
        width=values["width"],
        pooling=values["pooling"],
        moments=moments,
        alignment=Alignment(languages=languages, concepts=values["concepts"], **aligned),
        # Second moments keep the dtype they come in: they are large, and widened when used.
        scatter=Scatter(
            mode,
            at,
            {key: tensors[f"scatter.{key or 'pooled'}"] for key in keys},
            values.get("observation", "texts"),
        ),
        sample=Sample(size, at, {one: _part(tensors, one) for one in languages} if size else {}),
        dropped=dict(values["dropped"]),
    )


def _part(tensors: Mapping[str, Tensor], language: str) -> Part:
    keys = tuple(tensors[f"sample.{language}.keys"].tolist())
    return Part(keys, tensors[f"sample.{language}.latents"], tensors[f"sample.{language}.weights"])


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
    }
