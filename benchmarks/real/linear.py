"""How far languages are linear in each other, layer by layer, and what training changes.

    python benchmarks/real/linear.py MODEL --corpus FOLDER [--pairs en-de,ru-zh] [--space FILE]

For mean latents of aligned texts it prints the share of the held-out variance of the target's
latents that the source's explain: as they are, shifted by Δ, and by ridge regression (its penalty
chosen on other texts). With --space, a space with trained vectors: their cosine with Δ, their norm
beside Δ's, and the share of their square in the ten largest coordinates, by layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from texts import News
from torch import Tensor

from langsteer.edits.maps import Shift
from langsteer.engines.transformers.encoding import encode, pad_left, pad_token
from langsteer.engines.transformers.model import Model
from langsteer.space.space import Space

TRAIN, TEST, ROWS = 400, 200, 16
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
LARGEST = 10


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--pairs", default="en-de,ru-zh")
    parser.add_argument("--space", type=Path)
    given = parser.parse_args()
    pairs = [tuple(pair.split("-")) for pair in given.pairs.split(",")]
    news, model = News.read(given.corpus), Model.from_pretrained(given.model, dtype="bfloat16")
    found = {
        language: [
            means(model, [news.texts[language][row] for row in news.parts[part][:count]])
            for part, count in (("train", TRAIN), ("test", TEST))
        ]
        for language in sorted({language for pair in pairs for language in pair})
    }
    print("| pair | layer | as they are | shifted by Δ | ridge regression |\n|---|---|---|---|---|")
    for source, target in pairs:
        for layer in range(model.depth):
            x, y = ([part[:, layer] for part in found[language]] for language in (source, target))
            numbers = " | ".join(f"{number:.2f}" for number in explained(x, y))
            print(f"| {source} to {target} | {layer} | {numbers} |", flush=True)
    if given.space is not None:
        print_trained(Space.load(given.space), pairs)


@torch.no_grad()
def means(model: Model, texts: Sequence[str]) -> Tensor:
    """`[texts, layers, d]` float64: the mean latent of each text, its first token aside."""
    found = []
    for start in range(0, len(texts), ROWS):
        tokens = [encode(model.tokenizer, text) for text in texts[start : start + ROWS]]
        batch = pad_left(tokens, pad_token(model.tokenizer), model.stream.device)
        layers = model.stream.read(batch["input_ids"], batch["attention_mask"], range(model.depth))
        for row, ids in enumerate(tokens):
            own = [layer[row, 1 - len(ids) :].double().mean(0) for layer in layers]
            found.append(torch.stack(own))
    return torch.stack(found)


def explained(x: Sequence[Tensor], y: Sequence[Tensor]) -> tuple[float, float, float]:
    """Held-out shares of variance: of identity, of the shift by Δ, and of ridge regression."""
    (train, test), (goal, wanted) = x, y
    total = (wanted - goal.mean(0)).square().sum()

    def share(guess: Tensor) -> float:
        return float(1 - (wanted - guess).square().sum() / total)

    cut = len(train) * 3 // 4
    best = min(
        PENALTIES,
        key=lambda penalty: float(
            (goal[cut:] - ridge(train[:cut], goal[:cut], train[cut:], penalty)).square().sum()
        ),
    )
    delta = goal.mean(0) - train.mean(0)
    return share(test), share(test + delta), share(ridge(train, goal, test, best))


def ridge(x: Tensor, y: Tensor, at: Tensor, penalty: float) -> Tensor:
    """Ridge regression with an intercept; the penalty is in units of the mean eigenvalue."""
    centre, goal = x.mean(0), y.mean(0)
    x, y = x - centre, y - goal
    kernel = x @ x.T
    kernel += penalty * kernel.diagonal().mean() * torch.eye(len(x), dtype=x.dtype)
    return goal + (at - centre) @ x.T @ torch.linalg.solve(kernel, y)


def print_trained(space: Space, pairs: Sequence[Sequence[str]]) -> None:
    """What training made of Δ."""
    print("\n| pair | layer | cosine with Δ | norm / norm of Δ | in ten coordinates, of Δ |")
    print("|---|---|---|---|---|")
    for source, target in pairs:
        for layer, map_ in space.edit(source, target, estimator="trained").maps.items():
            if not isinstance(map_, Shift):
                continue
            delta = (space.mean(target, layer) - space.mean(source, layer)).float()
            cosine = torch.nn.functional.cosine_similarity(map_.vector, delta, dim=0)
            ratio = map_.vector.norm() / delta.norm()
            shares = [
                float(one.square().topk(LARGEST).values.sum() / one.square().sum())
                for one in (map_.vector, delta)
            ]
            print(
                f"| {source} to {target} | {layer} | {float(cosine):.2f} | {float(ratio):.2f} | "
                f"{shares[0]:.2f}, {shares[1]:.2f} |"
            )


if __name__ == "__main__":
    main()
