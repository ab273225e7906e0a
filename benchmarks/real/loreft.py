"""LoReFT (Wu et al., 2024, arXiv:2404.03592), trained on the same pairs and for as many steps.

`h + Rᵀ (W h + b - R h)` with the rows of R orthonormal, one for each target language at each layer,
over the positions of the prompt. It starts at the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from langsteer.data.corpus import Corpus
from langsteer.edits.edit import Edit
from langsteer.edits.maps.low_rank import LowRank
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.text.detect import default_detector
from langsteer.training import TrainingOptions
from langsteer.training.editing import TrainingEditor, editing
from langsteer.training.examples import read_texts
from langsteer.training.forcing import Forced, Head, picked
from langsteer.training.precision import products
from langsteer.training.run import DEEP, SHALLOW
from langsteer.training.trainer import batches, frozen

RANK = 4
RATE = 4e-3
"""The learning rate of the paper's examples."""


class Interventions(nn.Module):
    """R, W and b of each target at each layer."""

    def __init__(self, targets: Sequence[str], layers: Sequence[int], width: int) -> None:
        super().__init__()
        self.targets = {target: row for row, target in enumerate(targets)}
        self.layers = tuple(layers)
        shape = (len(targets), len(layers), width, RANK)
        start = torch.linalg.qr(torch.randn(shape, generator=torch.Generator().manual_seed(0))).Q
        self.rotation = nn.Parameter(start)
        self.source = nn.Parameter(start.clone())
        self.bias = nn.Parameter(torch.zeros(len(targets), len(layers), RANK))

    def parts(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rᵀ and (W - R)ᵀ `[rows, layers, d, r]`, and b `[rows, layers, r]`."""
        rotation = torch.linalg.qr(self.rotation[rows]).Q
        return rotation, self.source[rows] - rotation, self.bias[rows]


class LowRankEditor(TrainingEditor):
    """Applies the interventions of the rows' targets where `selected [rows, columns]` holds."""

    def __init__(
        self, layers: Sequence[int], parts: tuple[Tensor, Tensor, Tensor], selected: Tensor
    ) -> None:
        super().__init__(layers, selected)
        self._parts = parts

    def moved(self, place: int, hidden: Tensor) -> Tensor:
        """The output [rows, length, d], edited."""
        left, right, bias = (part[:, place] for part in self._parts)
        read = hidden.float() @ right + bias[:, None]
        return (hidden.float() + read @ left.transpose(1, 2)).to(hidden.dtype)


def train_loreft(
    model: Model, corpus: Corpus, options: TrainingOptions
) -> Callable[[str, str], Edit]:
    """Train one intervention a target and layer; returns the edit of a pair."""
    pairs = [(one, other) for one in corpus.languages for other in corpus.languages if one != other]
    last = model.depth - 1
    layers = [one for one in range(model.depth) if SHALLOW * last <= one <= DEEP * last]
    scope, width = Scope.parse("prompt"), int(model.stream.width)
    with frozen(model):
        detector = default_detector(corpus.languages) if options.continuation == "own" else None
        texts = read_texts(model, corpus, options, corpus.languages, detector)
        found = Interventions(corpus.languages, layers, width)
        optimiser = torch.optim.Adam(found.parameters(), lr=RATE)
        head, source = Head(model, texts.tokens), batches(texts, texts.order, pairs, options)
        for step in range(options.steps):
            optimiser.param_groups[0]["lr"] = RATE * (1 - step / options.steps)
            batch = next(source)
            forced = Forced.of(model, [(one.prompt, one.following) for one in batch])
            prompts = torch.tensor(forced.prompts)[:, None]
            selected = scope.selects(forced.positions(), prompts, forced.ids, frozenset())
            rows = torch.tensor([found.targets[one.pair[1]] for one in batch])
            editor = LowRankEditor(layers, found.parts(rows), selected)
            optimiser.zero_grad()
            with products(model.stream.device, options.precision), editing(model.stream, editor):
                mine = head.log_probabilities(forced)
                loss = -picked(mine, head.places(forced)).mean()
                loss.backward()
            optimiser.step()
    edits = {target: _edit(found, target, scope) for target in corpus.languages}
    return lambda _, target: edits[target]


@torch.no_grad()
def _edit(found: Interventions, target: str, scope: Scope) -> Edit:
    left, right, bias = (part[0] for part in found.parts(torch.tensor([found.targets[target]])))
    maps = {
        layer: LowRank(left[place], right[place], left[place] @ bias[place])
        for place, layer in enumerate(found.layers)
    }
    return Edit(maps, 1.0, scope)
