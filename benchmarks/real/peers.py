"""Other methods on real models, written here from their formulas, with the same budget of tuning.

Each has at most sixteen configurations, of which teacher forcing on the texts for tuning takes the
best, as for our own estimators. Strengths that a recipe states as bare numbers belong to the norms
of the model that it was made for; here they are relative to the norms of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from candidates import Candidate, edits_of
from torch import Tensor

from langsteer.data.corpus import Corpus
from langsteer.edits.maps import Map, Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.chat import ChatOptions, render
from langsteer.engines.transformers.model import Model
from langsteer.space.space import Space

CLAS_STRENGTHS = (1.0, 2.5, 5.0, 10.0)
CLAS_NORM = 17.7
"""The root mean square norm of a latent where the recipe worked best, layer 20 of Llama 3.1 8B."""
CLAS_PLACES = (12 / 32, 16 / 32, 20 / 32, 24 / 32)
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
BETAS = (1.0, 0.9)
READ = 40
"""Texts of each language whose last tokens are read, for the packages that take pairs of texts."""


Last = dict[str, dict[str | None, Tensor]]
"""Language → concept → what was read of that text."""


@dataclass(frozen=True)
class Material:
    """What peers are fitted on: the same texts as our own estimators."""

    model: Model
    space: Space
    corpus: Corpus
    chat: ChatOptions

    @property
    def norms(self) -> list[float]:
        """By layer, the root mean square norm of a latent."""
        parts = self.space.statistics.moments.values()
        count = sum(part.texts for part in parts)
        squares = sum(
            part.texts * part.mean.square().sum(-1) + part.scatter.sum(-1) for part in parts
        )
        return (torch.as_tensor(squares) / count).sqrt().tolist()

    @torch.no_grad()
    def last(self) -> Last:
        """The latents of the last tokens of texts, `[layers, d]` each."""
        found: dict[str, dict[str | None, Tensor]] = {}
        concepts = list(dict.fromkeys(text.concept for text in self.corpus.texts))[:READ]
        for text in self.corpus.texts:
            if text.concept in concepts:
                ids = torch.tensor([render(self.model.tokenizer, text.text, self.chat).ids])
                states = self.model.hf(ids, output_hidden_states=True).hidden_states[1:]
                latents = torch.stack([one[0, -1].float() for one in states])
                found.setdefault(text.language, {})[text.concept] = latents
        return found


def paired(last: Last, source: str, target: str) -> Tensor:
    """`[texts, layers, d]`: the differences of the texts that stand in both languages."""
    there, here = last[target], last[source]
    return torch.stack([there[concept] - here[concept] for concept in there if concept in here])


def clas_bench(given: Material) -> list[Candidate]:
    """A unit vector along the difference of token means, times a strength, at one layer.

    Gurgurov et al. (2026), CLaS-Bench, DiffMean.
    """

    def one(layer: int, strength: float) -> Candidate:
        length = strength * given.norms[layer] / CLAS_NORM

        def maps(source: str, target: str) -> dict[int, Map]:
            difference = given.space.mean(target, layer) - given.space.mean(source, layer)
            return {layer: Shift((length * difference / difference.norm()).float())}

        return Candidate(f"layer {layer}, {strength:g}", edits_of(maps))

    layers = [round(place * given.model.depth) for place in CLAS_PLACES]
    return [one(layer, strength) for layer in layers for strength in CLAS_STRENGTHS]


def recover(given: Material) -> list[Candidate]:
    """Unit steps at all layers, after each of which the norm is what it was.

    Sterz et al. (2025), ReCoVeR: α (z_t - β z_s) / |z_t - β z_s| of means less their mean over
    languages, α as a share of the norm at its layer.
    """
    space, depth = given.space, given.model.depth
    means = {
        language: torch.stack([space.mean(language, layer) for layer in range(depth)])
        for language in space.languages
    }
    centre = torch.stack(list(means.values())).mean(0)
    norms = torch.tensor(given.norms)

    def one(share: float, beta: float) -> Candidate:
        def maps(source: str, target: str) -> dict[int, Map]:
            step = (means[target] - centre) - beta * (means[source] - centre)
            unit = (step / step.norm(dim=-1, keepdim=True)).float()
            return {layer: Shift(share * norms[layer] * unit[layer]) for layer in range(depth)}

        edits = edits_of(maps, restore=True, scope=Scope.parse("all"))
        return Candidate(f"share {share:g}, β {beta:g}", edits)

    return [one(share, beta) for share in SHARES for beta in BETAS]


def steering_vectors(given: Material) -> list[Candidate]:
    """The mean difference of last tokens of paired texts, at one layer or at all, everywhere.

    The package steering-vectors (Chanin, 2023): `train_steering_vector`, `apply` with a multiplier.
    """
    last, depth = given.last(), given.model.depth

    def one(layers: Sequence[int], multiplier: float) -> Candidate:
        def maps(source: str, target: str) -> dict[int, Map]:
            step = multiplier * paired(last, source, target).mean(0)
            return {layer: Shift(step[layer]) for layer in layers}

        where = "all layers" if len(layers) > 1 else f"layer {layers[0]}"
        return Candidate(f"{where}, {multiplier:g}", edits_of(maps))

    single = sorted({round(place * (depth - 1) / 6) for place in range(7)})
    found = [one([layer], multiplier) for layer in single for multiplier in (1.0, 1.5)]
    return [*found, one(range(depth), 0.1), one(range(depth), 1.0)]


def repeng(given: Material) -> list[Candidate]:
    """The first principal component of the centred differences of paired texts, at many layers.

    The package repeng (Vogel, 2024), method `pca_diff`: of norm 1, with the sign of the mean
    difference, times a coefficient, at the layers given (its examples: the middle ones).
    """
    last, depth = given.last(), given.model.depth

    @cache
    def directions(source: str, target: str) -> Tensor:
        difference = paired(last, source, target)
        mean = difference.mean(0)
        _, _, axes = torch.linalg.svd((difference - mean).transpose(0, 1), full_matrices=False)
        first = axes[:, 0]
        return first * torch.sign((first * mean).sum(-1, keepdim=True))

    def one(layers: Sequence[int], share: float) -> Candidate:
        def maps(source: str, target: str) -> dict[int, Map]:
            unit = directions(source, target)
            return {layer: Shift(share * given.norms[layer] * unit[layer]) for layer in layers}

        return Candidate(f"layers {layers[0]} to {layers[-1]}, share {share:g}", edits_of(maps))

    spans = (range(depth), range(depth // 4, 3 * depth // 4))
    return [one(span, share) for span in spans for share in SHARES]


PEERS: dict[str, Callable[[Material], list[Candidate]]] = {
    "clas-bench": clas_bench,
    "recover": recover,
    "steering-vectors": steering_vectors,
    "repeng": repeng,
}
