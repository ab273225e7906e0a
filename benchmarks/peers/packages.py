"""The packages of others, each called in an environment of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from corpora import paired
from environments import CONCEPT_ERASURE, REPENG, STEERING_VECTORS, Package, call
from fitted import LAYERS, Fitted
from torch import Tensor
from treatments import Candidate, Scored, best_of, edited

from langsteer.edits.maps import Affine, LowRank, Map, Shift
from langsteer.evaluation.cases import ordered_pairs

MULTIPLIERS = (1.0, 1.5, 0.7, 3.0)
WAYS = ("pca_diff", "pca_center")
"""repeng's default and the other of its documented ways."""
WINDOWS = ((3, 4, 5, 6), (3,))
"""The layers of repeng's example, scaled to depth, and one layer."""
PLACES = ("last", "all")
"""The tokens whose latents are given to concept-erasure."""
SHARES = (0.15, 0.3, 0.6, 1.2)
"""Coefficients of repeng's unit vectors, as shares of the mean norm of a latent."""


class SteeringVectors:
    """steering-vectors: the mean difference at the last token, added to every token."""

    name = "steering-vectors"
    fits = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """Every layer with every multiplier."""
        vectors = trained(STEERING_VECTORS, self.folder, fitted, LAYERS)
        found = [
            edited(
                f"layer {layer}, multiplier {size:g}", partial(_shifts, vectors, {layer: size}, "")
            )
            for layer in LAYERS
            for size in MULTIPLIERS
        ]
        return best_of(found, scored)


class Repeng:
    """repeng: the first principal component of pairs, at several layers.

    Its vectors have norm 1, so their coefficients are shares of the mean norm of a latent.
    """

    name = "repeng"
    fits = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """Both ways in every window of layers with every coefficient."""
        vectors = trained(REPENG, self.folder, fitted, WINDOWS[0], WAYS)
        norms = fitted.norms
        found = [
            edited(
                f"{way}, layers {window[0]}-{window[-1]}, coefficient {share:g}",
                partial(
                    _shifts, vectors, {at: share * float(norms[at]) for at in window}, f"{way} "
                ),
            )
            for way in WAYS
            for window in WINDOWS
            for share in SHARES
        ]
        return best_of(found, scored)


class ConceptErasure:
    """concept-erasure: its editor between classes, or its eraser and the target's mean after it."""

    name = "concept-erasure"
    fits = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """Both maps at every layer, from the last tokens and from all tokens."""
        latents = self._latents(fitted)
        keys = [f"{place} {layer}" for place in PLACES for layer in LAYERS]
        made = call(CONCEPT_ERASURE, self.folder, latents, json.dumps({"keys": keys}))
        finite = all(bool(tensor.isfinite().all()) for tensor in made.values())
        if not finite:
            raise RuntimeError("concept-erasure returned values that are not finite")
        found = [
            edited(
                f"{kind.__name__.strip('_')}, {key.replace(' ', ' tokens, layer ')}",
                partial(kind, made, key, fitted.languages),
            )
            for kind in (_eraser, _editor)
            for key in keys
        ]
        return best_of(found, scored)

    @staticmethod
    def _latents(fitted: Fitted) -> dict[str, Tensor]:
        numbers = {language: number for number, language in enumerate(fitted.languages)}
        labels = torch.tensor([numbers[text.language] for text in fitted.corpus.texts])
        parts = [
            (latents[content], labels[rows][:, None].expand_as(content)[content])
            for rows, latents, content in fitted.batches(LAYERS)
        ]
        every, of_every = (torch.cat(column) for column in zip(*parts, strict=True))
        found = {}
        for at, layer in enumerate(LAYERS):
            found[f"last {layer}:latents"] = fitted.pooled[1][:, layer].contiguous()
            found[f"last {layer}:labels"] = labels.clone()
            found[f"all {layer}:latents"] = every[:, at].contiguous()
            found[f"all {layer}:labels"] = of_every.clone()
        return found


def trained(
    package: Package,
    folder: Path,
    fitted: Fitted,
    layers: tuple[int, ...],
    ways: tuple[str, ...] = (),
) -> dict[str, Tensor]:
    """``source target:layer`` → the vector that the package trains for that pair.

    With ``ways`` one of each, and the way before the source.
    """
    corpus = fitted.corpus
    pairs = {
        f"{source} {target}": paired(corpus, source, target)
        for source, target in ordered_pairs(fitted.languages)
    }
    header = {
        "model": fitted.loaded.name,
        "texts": [text.text for text in corpus.texts],
        "layers": layers,
        "pairs": pairs,
        "ways": ways,
    }
    return call(package, folder, {}, json.dumps(header))


def _shifts(
    vectors: Mapping[str, Tensor],
    sizes: Mapping[int, float],
    way: str,
    source: str,
    target: str,
) -> dict[int, Map]:
    return {
        layer: Shift(size * vectors[f"{way}{source} {target}:{layer}"])
        for layer, size in sizes.items()
    }


def _editor(
    made: Mapping[str, Tensor], key: str, languages: tuple[str, ...], source: str, target: str
) -> dict[int, Map]:
    s, t = languages.index(source), languages.index(target)
    matrix, means = made[f"{key}:maps"][s, t], made[f"{key}:means"]
    return {int(key.split()[1]): Affine(matrix, means[t] - matrix @ means[s])}


def _eraser(
    made: Mapping[str, Tensor], key: str, languages: tuple[str, ...], source: str, target: str
) -> dict[int, Map]:
    left, right, centre = (made[f"{key}:{part}"] for part in ("left", "right", "bias"))
    means = made[f"{key}:means"]
    added = means[languages.index(target)] - means.mean(0)
    return {int(key.split()[1]): LowRank(-left, right.T, left @ (right @ centre) + added)}
