"""What single coordinates do to a comparison of languages, by layer.

    python benchmarks/real/coordinates.py MODEL --corpus FOLDER

Prints, for latents as they are and in standard deviations within languages: the share of what lies
between languages that the largest coordinate holds, the root mean square of the coordinates over
their median, and the languages nearest to English.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from texts import News
from torch import Tensor

from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading

FITTED = 80
NEAREST = 3


def main() -> None:
    """Print one row a layer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--corpus", type=Path, required=True)
    given = parser.parse_args()
    model = Model.from_pretrained(given.model, dtype="bfloat16")
    space = fit(model, News.read(given.corpus).corpus("train", FITTED), Reading())
    names = ("largest coordinate", "root mean square over median", "nearest to English")
    print(f"| layer | {' | '.join([*names, *(f'{name}, standardised' for name in names)])} |")
    print("|---" * (1 + 2 * len(names)) + "|")
    for layer in space.layers:
        raw, standardised = space.statistics.means(layer), space.standardised_means(layer)
        cells = [
            cell
            for one in (raw, standardised)
            for cell in (largest(one), skew(one), nearest(one, space.languages))
        ]
        print(f"| {layer} | {' | '.join(cells)} |", flush=True)


def largest(found: Tensor) -> str:
    """The share of the sum of squares about the centre that the largest coordinate holds."""
    squares = (found - found.mean(0)).square().sum(0)
    return f"{float(squares.max() / squares.sum()):.2f}"


def skew(found: Tensor) -> str:
    """The root mean square of the coordinates about the centre, over their median."""
    each = (found - found.mean(0)).square().mean(0).sqrt()
    return f"{float(each.square().mean().sqrt() / each.median()):.1f}"


def nearest(found: Tensor, languages: Sequence[str]) -> str:
    """The languages nearest to English."""
    order = (found - found[languages.index("en")]).norm(dim=-1).argsort().tolist()
    return ", ".join(languages[row] for row in order[1 : NEAREST + 1])


if __name__ == "__main__":
    main()
