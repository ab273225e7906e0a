"""Draw the figures of docs/theory.md that synthetic latents suffice for.

Run: python tools/theory_figures.py [--output docs/figures]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from langsteer.estimators import estimate
from langsteer.estimators.uncertainty import pairs
from langsteer.statistics import Keep, Statistics

LANGUAGES = ("s", "t")
WIDTH, FEATURES = 64, 200
INK, FAINT = "#333333", "#bbbbbb"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def folded(latents: dict[str, Tensor], concepts: dict[str, list[str | None]]) -> Statistics:
    """Statistics of latents `[n, d]` per language."""
    width = next(iter(latents.values())).shape[1]
    keep = Keep("language", sample=400)
    found = Statistics.empty((0,), width, tuple(latents), pooling="text", keep=keep)
    rows = torch.cat(list(latents.values()))[:, None]
    tongues = [language for language, z in latents.items() for _ in z]
    found.update(
        rows, torch.ones(len(rows)), tongues, [c for one in concepts.values() for c in one]
    )
    return found


def superposed(seed: int, n: int) -> tuple[Statistics, Tensor]:
    """Σ α_j f_j: 200 features in 64 dimensions, ten or so active; one per language always is."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(FEATURES, WIDTH, generator=torch.Generator().manual_seed(7))
    features = (features / features.norm(dim=1, keepdim=True)).double()
    latents = {}
    for i, language in enumerate(LANGUAGES):
        strength = 2 * torch.rand(n, FEATURES, generator=generator)
        strength *= torch.rand(n, FEATURES, generator=generator) < 0.05
        strength[:, :2] = 0
        strength[:, i] = 1.5
        latents[language] = strength.double() @ features
    return folded(latents, {one: [None] * n for one in LANGUAGES}), 1.5 * (
        features[1] - features[0]
    )


def error_by_texts(path: Path) -> None:
    """Seen and predicted error of Δ against the number of texts."""
    counts = (8, 16, 32, 64, 128, 256, 512)
    seen, predicted = [], []
    for n in counts:
        runs = [superposed(seed, n) for seed in range(8)]
        errors = [
            float((estimate("difference", found, "s", "t", 0).vector - truth).norm())
            for found, truth in runs
        ]
        seen.append(sum(errors) / len(errors))
        predicted.append(sum(float(pairs(found).error[0, 0, 1]) for found, _ in runs) / len(runs))
    figure, axes = plt.subplots(figsize=(5, 3.2))
    axes.loglog(counts, seen, "o", color=COLOURS[0], label="seen: |Δ̂ - Δ|")
    axes.loglog(counts, predicted, "-", color=COLOURS[1], label="predicted: sqrt(tr V)")
    axes.set(xlabel="texts in each language", ylabel="error of Δ")
    finish(figure, axes, path / "error-by-texts")


def bias_by_topics(path: Path) -> None:
    """Error of difference and effects as the topics of the two languages drift apart."""
    drifts = (0.0, 0.2, 0.4, 0.6, 0.8)
    names = ("difference", "effects")
    curves: dict[str, list[float]] = {name: [] for name in names}
    for drift in drifts:
        errors = dict.fromkeys(names, 0.0)
        for seed in range(8):
            found, truth = drifted(seed, drift)
            for name in names:
                vector = estimate(name, found, "s", "t", 0).vector
                errors[name] += float((vector - truth).norm()) / 8
        for name in names:
            curves[name].append(errors[name])
    figure, axes = plt.subplots(figsize=(5, 3.2))
    for colour, (name, values) in zip(COLOURS, curves.items(), strict=False):
        axes.plot(drifts, values, "o-", color=colour, label=name)
    axes.set(
        xlabel="how far the topics of the languages differ", ylabel="error of Δ", ylim=(0, None)
    )
    finish(figure, axes, path / "bias-by-topics")


def drifted(seed: int, drift: float) -> tuple[Statistics, Tensor]:
    """Half of the translations missing; by `drift` one language has one half of the concepts."""
    generator = torch.Generator().manual_seed(seed)
    n, width = 120, 32
    delta = torch.randn(width, generator=generator).double()
    topics = torch.randn(n, width, generator=generator).double()
    topics[: n // 2] += 1.0
    latents, concepts = {}, {}
    for i, language in enumerate(LANGUAGES):
        sign = torch.cat([torch.ones(n // 2), -torch.ones(n // 2)]) * (1 - 2 * i)
        kept = (torch.rand(n, generator=generator) < 0.5 + 0.5 * drift * sign).nonzero().flatten()
        noise = 0.3 * torch.randn(len(kept), width, generator=generator)
        latents[language] = topics[kept] + i * delta + noise
        concepts[language] = [f"c{j}" for j in kept.tolist()]
    return folded(latents, concepts), delta


def plane(path: Path) -> None:
    """What four maps do to the same cloud in two dimensions."""
    generator = torch.Generator().manual_seed(1)
    n = 150
    tall = torch.tensor([[0.9, 0.8], [0.0, 0.35]]).double()
    wide = torch.tensor([[0.5, -0.2], [0.3, 0.6]]).double()
    latents = {
        "s": torch.randn(n, 2, generator=generator).double() @ tall,
        "t": torch.randn(n, 2, generator=generator).double() @ wide + torch.tensor([3.0, 0.5]),
    }
    found = folded(latents, {one: [None] * n for one in LANGUAGES})
    figure, grid = plt.subplots(1, 4, figsize=(10, 2.6), sharex=True, sharey=True)
    for axes, name in zip(grid, ("difference", "exchange", "erasure", "transport"), strict=True):
        moved = estimate(name, found, "s", "t", 0)(latents["s"])
        for z, colour, label in (
            (latents["s"], FAINT, "source"),
            (latents["t"], COLOURS[0], "target"),
            (moved, COLOURS[1], "source, edited"),
        ):
            axes.plot(*z.T.tolist(), ".", ms=3, color=colour, label=label)
        axes.set_title(name, fontsize=10, color=INK)
        axes.set_aspect("equal")
    finish(figure, grid[0], path / "four-maps")


def finish(figure: plt.Figure, axes: plt.Axes, path: Path) -> None:
    """Legend, clean spines, and the file."""
    axes.legend(frameon=False, fontsize=8, loc="best", handletextpad=0.3)
    for one in figure.axes:
        one.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path.with_suffix(".png"), dpi=150, facecolor="white")
    plt.close(figure)


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    error_by_texts(folder)
    bias_by_topics(folder)
    plane(folder)


if __name__ == "__main__":
    main()
