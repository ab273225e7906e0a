"""Train vectors by teacher forcing: one step on a batch, and the loss on held-out texts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import bos_tokens
from langsteer.training.editing import ShiftEditor, shifted
from langsteer.training.examples import ParallelText, Texts
from langsteer.training.forcing import Forced, Head, picked
from langsteer.training.options import TrainingOptions
from langsteer.training.precision import products
from langsteer.training.shapes import Vectors

BETAS = (0.9, 0.98)
POOL = 8
"""Batches whose examples are sorted by length together: little padding, and still random."""


class Trainer:
    """Trains vectors on batches of examples, by Adam (Kingma and Ba, 2015)."""

    def __init__(
        self, model: Model, vectors: Vectors, texts: Texts, options: TrainingOptions
    ) -> None:
        self.model, self.vectors, self.options = model, vectors, options
        self.optimiser = torch.optim.Adam([vectors.weight], lr=options.learning_rate, betas=BETAS)
        self._scope = Scope.parse(options.scope)
        self._bos = bos_tokens(model.hf.config)
        self._head = Head(model, texts.tokens)

    def step(self, batch: Sequence[ParallelText], rate: float) -> float:
        """One step on a batch, at a share of the learning rate; the loss before it."""
        self.optimiser.param_groups[0]["lr"] = rate * self.options.learning_rate
        loss = self._loss(batch)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())

    @torch.no_grad()
    def loss(self, examples: Sequence[ParallelText], vectors: Tensor | None = None) -> float:
        """The mean loss over examples in nats a token; with other vectors if they are given."""
        kept = self.vectors.weight.data
        if vectors is not None:
            self.vectors.weight.data = vectors / self.vectors.scale
        try:
            total = tokens = 0.0
            for part in in_batches(examples, self.options.batch):
                size = sum(len(one.following) for one in part)
                total, tokens = total + size * float(self._loss(part)), tokens + size
        finally:
            self.vectors.weight.data = kept
        return total / tokens

    def _loss(self, batch: Sequence[ParallelText]) -> Tensor:
        """The mean loss in nats for each token that follows."""
        forced = Forced.of(self.model, [(one.prompt, one.following) for one in batch])
        with products(self.model.stream.device, self.options.precision):
            with self._shifted(batch, forced):
                mine = self._head.log_probabilities(forced)
            if self.options.objective == "likelihood":
                return -picked(mine, self._head.places(forced)).mean()
            with torch.no_grad():
                asked = [(one.translated, one.following) for one in batch]
                theirs = self._head.log_probabilities(Forced.of(self.model, asked))
        return (theirs.exp() * (theirs - mine)).sum(-1).mean()

    @contextmanager
    def _shifted(self, batch: Sequence[ParallelText], forced: Forced) -> Iterator[None]:
        prompts = torch.tensor(forced.prompts)[:, None]
        selected = self._scope.selects(forced.positions(), prompts, forced.ids, self._bos)
        shifts = self.vectors.shifts([one.pair for one in batch])
        with shifted(self.model.stream, ShiftEditor(self.vectors.layers, shifts, selected)):
            yield


def batches(
    texts: Texts,
    concepts: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    options: TrainingOptions,
) -> Iterator[list[ParallelText]]:
    """Batches without end: every pair equally often, examples of like length together.

    The same seed gives the same batches.
    """
    rng = random.Random(options.seed)
    order: list[tuple[str, str]] = []
    while True:
        pool: list[ParallelText] = []
        while len(pool) < POOL * options.batch:
            if not order:
                order = rng.sample(pairs, len(pairs))
            one = texts.example(rng.choice(concepts), order.pop())
            if one is not None:
                pool.append(one)
        found = list(in_batches(pool, options.batch))
        rng.shuffle(found)
        yield from found


def in_batches(examples: Sequence[ParallelText], size: int) -> Iterator[list[ParallelText]]:
    """The examples by length, so many at once."""
    ordered = sorted(examples, key=lambda one: len(one.prompt) + len(one.following))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


@contextmanager
def frozen(model: Model) -> Iterator[None]:
    """No gradients for the weights, and evaluation mode; afterwards all is as it was."""
    weights = [weight for weight in model.hf.parameters() if weight.requires_grad]
    modes = [(module, module.training) for module in model.hf.modules()]
    for weight in weights:
        weight.requires_grad_(False)
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for weight in weights:
            weight.requires_grad_(True)
