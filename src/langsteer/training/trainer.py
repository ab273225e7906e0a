"""Train vectors by teacher forcing: one step on a batch, and the loss on held-out texts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import bos_tokens
from langsteer.training.checkpointing import recomputing
from langsteer.training.editing import ShiftEditor, editing
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
        self.restart()
        self._scope = Scope.parse(options.scope)
        self._bos = bos_tokens(model.hf.config)
        self._head = Head(model, texts.tokens)

    def restart(self) -> None:
        """Forget the steps that led here."""
        rate = self.options.learning_rate
        self.optimiser = torch.optim.Adam([self.vectors.weight], lr=rate, betas=BETAS)

    def step(self, batch: Sequence[ParallelText], rate: float) -> float:
        """One step on a batch, at a share of the learning rate; the loss before it."""
        self.optimiser.param_groups[0]["lr"] = rate * self.options.learning_rate
        self.optimiser.zero_grad()
        with self._recomputed(), self._loss(batch) as loss:
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())

    @torch.no_grad()
    def loss(self, examples: Sequence[ParallelText], weight: Tensor | None = None) -> float:
        """The mean loss over examples in nats a token; with another weight if one is given."""
        kept = self.vectors.weight.data
        if weight is not None:
            self.vectors.weight.data = weight
        try:
            total = tokens = 0.0
            for part in in_batches(examples, self.options.batch):
                size = sum(len(one.following) for one in part)
                with self._loss(part) as loss:
                    total, tokens = total + size * float(loss), tokens + size
        finally:
            self.vectors.weight.data = kept
        return total / tokens

    @contextmanager
    def _loss(self, batch: Sequence[ParallelText]) -> Iterator[Tensor]:
        """The mean loss in nats for each token that follows.

        The shifts stay in force until the end: layers may be computed again in a backward pass.
        """
        forced = Forced.of(self.model, [(one.prompt, one.following) for one in batch])
        theirs = self._translated(batch) if self.options.objective == "distillation" else None
        with self._shifted(batch, forced):
            with products(self.model.stream.device, self.options.precision):
                mine = self._head.log_probabilities(forced)
                if theirs is None:
                    loss = -picked(mine, self._head.places(forced)).mean()
                else:
                    loss = (theirs.exp() * (theirs - mine)).sum(-1).mean()
            yield loss

    @torch.no_grad()
    def _translated(self, batch: Sequence[ParallelText]) -> Tensor:
        """`[n, tokens]`: what the unsteered model makes of the translated prompts."""
        asked = Forced.of(self.model, [(one.translated, one.following) for one in batch])
        with products(self.model.stream.device, self.options.precision):
            return self._head.log_probabilities(asked)

    def _recomputed(self) -> AbstractContextManager[None]:
        return recomputing(self.model) if self.options.checkpointing else nullcontext()

    @contextmanager
    def _shifted(self, batch: Sequence[ParallelText], forced: Forced) -> Iterator[None]:
        prompts = torch.tensor(forced.prompts)[:, None]
        selected = self._scope.selects(forced.positions(), prompts, forced.ids, self._bos)
        shifts = self.vectors.shifts([one.pair for one in batch])
        with editing(self.model.stream, ShiftEditor(self.vectors.layers, shifts, selected)):
            yield


def batches(
    texts: Texts,
    concepts: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    options: TrainingOptions,
) -> Iterator[list[ParallelText]]:
    """Batches without end: every pair equally often, examples of like length together.

    A share of them, if that is wanted, asks each target for itself. The same seed gives the same
    batches.
    """
    rng = random.Random(options.seed)
    order: list[tuple[str, str]] = []
    same = [(target, target) for target in sorted({target for _, target in pairs})]
    while True:
        pool: list[ParallelText] = []
        while len(pool) < POOL * options.batch:
            if not order:
                order = rng.sample(pairs, len(pairs))
            pair = order.pop()
            if options.same_language and rng.random() < options.same_language:
                pair = rng.choice(same)
            one = texts.example(rng.choice(concepts), pair)
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
