"""Synthetic latents with known language parts, and statistics of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from langsteer.statistics import Keep, Statistics

torch.set_num_threads(1)  # the matrices are tiny: threads would wait for each other


@dataclass
class World:
    """Latents `[n, d]` and concepts per language, and the true language effects `[K, d]`."""

    languages: tuple[str, ...]
    latents: dict[str, Tensor]
    concepts: dict[str, list[str]]
    effects: Tensor

    def delta(self, source: str, target: str) -> Tensor:
        row = self.languages.index
        return self.effects[row(target)] - self.effects[row(source)]


def normal(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def aligned(
    seed: int = 0,
    *,
    languages: tuple[str, ...] = ("de", "en", "fr", "ja"),
    concepts: int = 40,
    width: int = 8,
    noise: float = 0.3,
) -> World:
    """Every concept in every language: concept + language + noise, the noise correlated."""
    effects = normal(len(languages), width, seed=seed)
    topics = normal(concepts, width, seed=seed + 1) @ normal(width, width, seed=seed + 2) / 2
    mix = normal(width, width, seed=seed + 3) / width**0.5
    latents = {
        language: topics + effects[i] + noise * normal(concepts, width, seed=seed + 10 + i) @ mix
        for i, language in enumerate(languages)
    }
    names = [f"c{i}" for i in range(concepts)]
    return World(languages, latents, dict.fromkeys(languages, names), effects)


def statistics(world: World, keep: Keep | None = None, layer: int = 0) -> Statistics:
    """Statistics of one layer, each text of weight 1."""
    width = world.effects.shape[-1]
    found = Statistics.empty((layer,), width, world.languages, pooling="text", keep=keep)
    rows = torch.cat([world.latents[language] for language in world.languages])[:, None]
    tongues = [one for one in world.languages for _ in world.latents[one]]
    concepts = [name for one in world.languages for name in world.concepts[one]]
    found.update(rows, torch.ones(len(rows)), tongues, concepts)
    return found
