"""What can be had from texts that are no translations of each other.

Nothing here sees a parallel text while it is fitted or trained; layer, scope and strength are
chosen by teacher forcing on the texts for tuning, as for all others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import torch
from back_translation import back_translated
from candidates import SCOPES, Candidate, best, edits_of, layers_of

from langsteer.data.corpus import Corpus
from langsteer.edits.maps import Map, Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import Space
from langsteer.training import TrainingOptions
from langsteer.tuning.forced import Gap

STRENGTHS = (1.0, 1.5)
OUTLYING = 3.0
"""Coordinates this many times as large as the root mean square are cut back to it."""
OPTIONS = TrainingOptions(steps=100, max_prompt=48, max_continuation=20)

Change = Callable[[torch.Tensor, int], torch.Tensor]
"""From the difference at a layer to what is added there."""
Method = Callable[[Model, Space, Corpus, Gap], Candidate]


def _everywhere(
    model: Model, space: Space, change: Change, *, restore: bool = False
) -> list[Candidate]:
    def one(layer: int, scope: str, strength: float) -> Candidate:

        def maps(source: str, target: str) -> dict[int, Map]:
            delta = space.mean(target, layer) - space.mean(source, layer)
            return {layer: Shift((strength * change(delta, layer)).float())}

        label = f"layer {layer}, strength {strength:g}, {scope}"
        return Candidate(label, edits_of(maps, restore=restore, scope=Scope.parse(scope)))

    return [one(*place) for place in product(layers_of(model), SCOPES, STRENGTHS)]


def _unchanged(delta: torch.Tensor, _: int) -> torch.Tensor:
    return delta


def clipped(model: Model, space: Space, _: Corpus, gap: Gap) -> Candidate:
    """The difference with its outlying coordinates cut back."""

    def change(delta: torch.Tensor, _: int) -> torch.Tensor:
        most = OUTLYING * delta.square().mean().sqrt()
        return delta.clamp(-most, most)

    return best(model, gap, _everywhere(model, space, change))


def restored(model: Model, space: Space, _: Corpus, gap: Gap) -> Candidate:
    """The difference, after which each latent has the norm that it had."""
    return best(model, gap, _everywhere(model, space, _unchanged, restore=True))


def whitened(model: Model, space: Space, _: Corpus, gap: Gap) -> Candidate:
    """The difference, each coordinate by how far it stands out of what varies in a language.

    Coordinates of a difference below one standard deviation are shrunk, as by a Wiener filter.
    """
    statistics = space.statistics
    variance = statistics.within_variance()

    def change(delta: torch.Tensor, layer: int) -> torch.Tensor:
        noise = 0.1 * variance[statistics.at(layer)]
        return delta * delta.square() / (delta.square() + noise)

    return best(model, gap, _everywhere(model, space, change))


def matched(model: Model, _: Space, corpus: Corpus, gap: Gap) -> Candidate:
    """The difference at the same tokens of both languages (`--pooling matched`)."""
    other = fit(model, corpus, Reading(pooling="matched"))
    return best(model, gap, _everywhere(model, other, _unchanged))


def unpaired(model: Model, space: Space, corpus: Corpus, _: Gap) -> Candidate:
    """Vectors trained so that any text of the target language follows (`--continuation any`)."""
    found = space.train(model, corpus, replace(OPTIONS, continuation="any"), progress=True)
    return Candidate(training(found), found.edit)


def back(model: Model, space: Space, corpus: Corpus, _: Gap) -> Candidate:
    """Vectors trained on prompts that the model itself translated out of the target language."""
    texts = back_translated(model, corpus)
    found = space.train(model, texts, OPTIONS, progress=True)
    return Candidate(f"{training(found)}, {len(texts.texts)} texts", found.edit)


def apart(corpus: Corpus, documents: Sequence[str], seed: int = 0) -> Corpus:
    """The texts of each language from documents of its own; concepts are places in them."""
    rng = random.Random(seed)
    names = list(dict.fromkeys(documents))
    rng.shuffle(names)
    owner = {name: corpus.languages[at % len(corpus.languages)] for at, name in enumerate(names)}
    return Corpus(
        tuple(
            replace(text, concept=f"{documents[int(text.concept)]} {int(text.concept):05}")
            for text in corpus.texts
            if text.concept is not None and owner[documents[int(text.concept)]] == text.language
        ),
        f"{corpus.name}-apart",
    )


def training(space: Space) -> str:
    """What became of a training, in words."""
    record = space.trained.record if space.trained is not None else {}
    return (
        f"{record['steps']} steps, held-out loss {record['loss_before']:.3f} to "
        f"{record['loss_after']:.3f}"
    )


PLAIN_TEXT: dict[str, Method] = {
    "clipped": clipped,
    "restored": restored,
    "whitened": whitened,
    "matched": matched,
    "unpaired": unpaired,
    "back": back,
}
