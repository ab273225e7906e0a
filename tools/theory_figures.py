"""Draw the figures of docs/theory.md: of synthetic latents, and of those of the embedded model.

Run: python tools/theory_figures.py [--output docs/figures]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from atlas.texts import plain_corpus
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus
from langsteer.engines.transformers.model import Model
from langsteer.estimators import estimate
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.statistics import Keep, Statistics
from langsteer.statistics.pooling import Pooling
from langsteer.statistics.uncertainty import pairs

LANGUAGES = ("s", "t")
WIDTH, FEATURES = 64, 200
INK, FAINT = "#333333", "#bbbbbb"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
BLOCK = 3
COUNTS = (4, 8, 16, 32, 64)
DRAWS = 4
PLAIN: dict[Pooling, str] = {
    "tokens": "plain text, all tokens",
    "matched": "plain text, same tokens",
}


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
    axes.set_xticks(counts, [str(n) for n in counts])
    axes.set_yticks([0.25, 0.5, 1, 2], ["0.25", "0.5", "1", "2"])
    axes.minorticks_off()
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
    figure, grid = plt.subplots(1, 4, figsize=(10.5, 2.4), sharex=True, sharey=True)
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
    finish(figure, grid[-1], path / "four-maps", loc="center left", bbox_to_anchor=(1.0, 0.5))


def shares_by_block(found: Statistics, path: Path) -> None:
    """How much of the variance of text latents is concept, language and the rest of it."""
    shares = found.alignment.shares(adjusted=True)
    figure, axes = plt.subplots(figsize=(5, 3.2))
    for colour, name in zip(COLOURS, shares._fields, strict=False):
        axes.plot(found.layers, getattr(shares, name), "o-", color=colour, label=name)
    axes.set(xlabel="block", ylabel="share of the variance", ylim=(0, 1))
    finish(figure, axes, path / "atlas-shares")


def cosine_by_texts(found: Statistics, path: Path) -> None:
    """Cosine of Δ from few concepts with Δ from others, and what is predicted of it.

    Both are estimates, so that the predicted cosine of the two is the product of theirs.
    """
    at = found.at(BLOCK)
    rows = {
        language: dict(zip(part.keys, part.latents[:, at].double(), strict=True))
        for language, part in found.sample.parts.items()
    }
    keys = sorted(set.intersection(*(set(part) for part in rows.values())))
    half = len(keys) // 2
    print(f"{half} concepts for the reference, {len(keys) - half} to draw from")
    reference = chosen(rows, keys[:half])
    seen, predicted = [], []
    for n in COUNTS:
        runs = [draw(rows, keys[half:], n, reference, seed) for seed in range(DRAWS)]
        seen.append(sum(run[0] for run in runs) / DRAWS)
        predicted.append(sum(run[1] for run in runs) / DRAWS)
    figure, axes = plt.subplots(figsize=(5, 3.2))
    axes.semilogx(COUNTS, seen, "o", color=COLOURS[0], label="seen")
    axes.semilogx(COUNTS, predicted, "-", color=COLOURS[1], label="predicted")
    axes.set(xlabel="concepts, each in every language", ylabel="cosine of two Δ", ylim=(None, 1))
    axes.set_xticks(COUNTS, [str(n) for n in COUNTS])
    axes.minorticks_off()
    finish(figure, axes, path / "atlas-texts")


def plain_by_block(matching: Statistics, path: Path) -> None:
    """Δ from plain text beside Δ from matching prompts: cosine and ratio of the norms by block."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    upper = torch.triu_indices(len(matching.languages), len(matching.languages), 1)
    for colour, (pooling, label) in zip(COLOURS, PLAIN.items(), strict=False):
        found = fit(
            Model.from_pretrained(str(MODEL)), plain_corpus(), Reading(pooling=pooling)
        ).statistics
        cosines, norms = [], []
        for layer in matching.layers:
            a, b = (part.means(layer) for part in (found, matching))
            a, b = a[upper[1]] - a[upper[0]], b[upper[1]] - b[upper[0]]
            cosines.append(float(torch.cosine_similarity(a, b, dim=1).median()))
            norms.append(float((a.norm(dim=1) / b.norm(dim=1)).median()))
        for name, values in (("cosine", cosines), ("norm", norms)):
            print(f"{label}, {name} by block:", *(f"{value:.2f}" for value in values))
        left.plot(matching.layers, cosines, "o-", color=colour, label=label)
        right.plot(matching.layers, norms, "o-", color=colour)
    left.set(xlabel="block", ylabel="cosine with Δ of matching prompts", ylim=(-0.1, 1))
    right.set(xlabel="block", ylabel="norm, relative to theirs", yscale="log")
    right.set_yticks([0.25, 0.5, 1, 2, 4, 8, 16], ["¼", "½", "1", "2", "4", "8", "16"])
    right.minorticks_off()
    for axes, at in ((left, 0), (right, 1)):
        axes.axhline(at, color=FAINT, lw=1, zorder=0)
    finish(figure, left, path / "atlas-plain")


def chosen(rows: dict[str, dict[int, Tensor]], keys: list[int]) -> Statistics:
    """Statistics of some concepts alone."""
    latents = {
        language: torch.stack([part[key] for key in keys]) for language, part in rows.items()
    }
    return folded(latents, {language: [str(key) for key in keys] for language in rows})


def draw(
    rows: dict[str, dict[int, Tensor]], keys: list[int], n: int, reference: Statistics, seed: int
) -> tuple[float, float]:
    """Medians over the pairs of languages: the cosine with the reference, seen and predicted."""
    order = torch.randperm(len(keys), generator=torch.Generator().manual_seed(seed)).tolist()
    few = chosen(rows, [keys[place] for place in order[:n]])
    upper = torch.triu_indices(len(rows), len(rows), 1)
    deltas = [(part.means(0)[upper[1]] - part.means(0)[upper[0]]) for part in (few, reference)]
    seen = torch.cosine_similarity(*deltas, dim=1)
    promised = [pairs(part).cosine[0][upper[0], upper[1]] for part in (few, reference)]
    return float(seen.median()), float((promised[0] * promised[1]).median())


def finish(
    figure: plt.Figure,
    axes: plt.Axes,
    path: Path,
    *,
    loc: str = "best",
    bbox_to_anchor: tuple[float, float] | None = None,
) -> None:
    """Legend, clean spines, and the file."""
    axes.legend(
        frameon=False, fontsize=8, loc=loc, bbox_to_anchor=bbox_to_anchor, handletextpad=0.3
    )
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
    keep = Keep(sample=400)
    found = fit(
        Model.from_pretrained(str(MODEL)),
        matching_corpus(per_family=1000),
        Reading(pooling="last", keep=keep),
    ).statistics
    shares_by_block(found, folder)
    cosine_by_texts(found, folder)
    plain_by_block(found, folder)


if __name__ == "__main__":
    main()
