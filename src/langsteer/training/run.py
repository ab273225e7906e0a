"""Fit vectors by teacher forcing through the frozen model, from Δ on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import langsteer
from langsteer.data.corpus import Corpus
from langsteer.engines.transformers.model import Model
from langsteer.errors import CorpusError
from langsteer.progress import bar
from langsteer.space.space import Space
from langsteer.space.state import RunState
from langsteer.space.trained import Trained
from langsteer.text.detect import default_detector
from langsteer.text.tags import choose
from langsteer.training.examples import Texts, read_texts
from langsteer.training.options import TrainingOptions
from langsteer.training.shapes import Vectors
from langsteer.training.start import at_one_layer, differences, keys_of, unit_of, weight_of
from langsteer.training.trainer import Trainer, batches, frozen

LOOKS = 8
"""How often the held-out texts are looked at, and the state is written."""
HELD_OUT = 66
"""The most held-out examples that a look takes."""
SMALLER = 1 / 3
"""Of the learning rate, where the held-out texts show that steps led nowhere."""
SHALLOW, DEEP = 0.1, 0.6
"""Between these shares of the depth lie the layers that get a vector by default."""


def train(
    model: Model,
    space: Space,
    corpus: Corpus,
    options: TrainingOptions = TrainingOptions(),
    pairs: Iterable[tuple[str, str]] | None = None,
    *,
    state: Path | None = None,
    progress: bool = False,
) -> Space:
    """The same space with vectors trained on parallel texts, which become its operating point.

    The model's weights stay as they are. Vectors start at Δ, at the layer at which it does most,
    and go down the gradient of what `options.objective` says; the best on held-out texts are kept.

    Args:
        model: the `Model` that the space was fitted on.
        space: where Δ comes from.
        corpus: texts that share concepts, those of a document in their order.
        options: what is trained, and for how long.
        pairs: (source, target); all ordered pairs of the languages of both if None.
        state: a file in which the state is kept: after a kill the same call goes on from there and
            ends with the same vectors. It stays; remove it once the space is saved.
        progress: show a bar on standard error.

    Raises:
        CorpusError: the corpus has too few parallel texts.
        LanguageError: a language is not in the space, or not in the corpus.
        LangsteerError: the state belongs to another training.
        SpaceError: a layer is not in the space, or the model is another.
    """
    space.check(model)
    chosen = _pairs(space, corpus, pairs)
    layers = _layers(space, options)
    options = replace(options, layers=layers)
    corpus = corpus.select(sorted({language for pair in chosen for language in pair}))
    with frozen(model):
        detector = default_detector(corpus.languages) if options.continuation == "own" else None
        targets = {target for _, target in chosen}
        texts = read_texts(model, corpus, options, targets, detector)
        run = _Run.begin(model, space, texts, options, chosen)
        kept = RunState(state, _settings(space, corpus, options, chosen), "training")
        run.go(kept, progress)
    record = {
        **run.record(),
        "corpus": corpus.name,
        "digest": corpus.digest,
        "options": _plain(options),
        "langsteer": langsteer.__version__,
    }
    return space.with_trained(
        Trained(layers, options.scope, options.shape, run.vectors.values(), record)
    )


@dataclass
class _Run:
    """One training: where it is, and what it has seen."""

    trainer: Trainer
    texts: Texts
    concepts: Sequence[str]
    pairs: Sequence[tuple[str, str]]
    held_out: Sequence[Any]
    unsteered: float
    share: float = 1.0
    """Of the learning rate: less after steps that led nowhere."""
    curve: list[dict[str, float]] = field(default_factory=list)
    best: Tensor | None = None
    done: int = 0

    @classmethod
    def begin(
        cls,
        model: Model,
        space: Space,
        texts: Texts,
        options: TrainingOptions,
        pairs: Sequence[tuple[str, str]],
    ) -> _Run:
        keys, layers = keys_of(options.shape, pairs), tuple(options.layers or ())
        found = differences(space, options.shape, keys, layers)
        unit, whole = unit_of(found, options.freedom), weight_of(found, options.freedom)
        vectors = Vectors(options.shape, keys, layers, unit, torch.zeros_like(whole))
        trainer = Trainer(model, vectors, texts, options)
        concepts, kept = texts.split(options.held_out, spaced=options.continuation != "next")
        held_out = texts.examples(kept, pairs, HELD_OUT)
        if not held_out:
            raise CorpusError("no held-out text stands in two of the languages; give more texts")
        unsteered = trainer.loss(held_out)
        vectors.weight.data = at_one_layer(whole, lambda at: trainer.loss(held_out, at))
        return cls(trainer, texts, concepts, pairs, held_out, unsteered)

    @property
    def vectors(self) -> Vectors:
        return self.trainer.vectors

    def go(self, state: RunState, progress: bool) -> None:
        """Train to the end; the vectors are then the best that were seen."""
        options = self.trainer.options
        self._resume(state)
        look = max(1, options.steps // LOOKS)
        source = batches(self.texts, self.concepts, self.pairs, options)
        for _ in range(self.done):
            next(source)
        if not self.curve:
            self._look(0.0)
        with bar("training", options.steps, quiet=not progress) as shown:
            shown(self.done)
            losses = []
            while self.done < options.steps and not self._over(options.patience):
                rate = self.share * (1 - self.done / options.steps)
                losses.append(self.trainer.step(next(source), rate))
                self.done += 1
                shown(1)
                if self.done % look == 0 or self.done == options.steps:
                    self._look(sum(losses) / len(losses))
                    losses.clear()
                    shown.say(f"training (loss {self.curve[-1]['held_out']:.3f})")
                    self._keep(state)
        if self.best is not None:
            self.vectors.weight.data = self.best

    def record(self) -> dict[str, Any]:
        """What a reader of the space may want to know of it."""
        return {
            "texts": len(self.concepts),
            "held_out": len(self.held_out),
            "steps": self.done,
            "loss_unsteered": self.unsteered,
            "loss_before": self.curve[0]["held_out"],
            "loss_after": min(one["held_out"] for one in self.curve),
            "curve": self.curve,
        }

    def _look(self, training: float) -> None:
        loss = self.trainer.loss(self.held_out)
        better = not self.curve or loss < min(one["held_out"] for one in self.curve)
        row = {"step": self.done, "training": training, "held_out": loss, "share": self.share}
        self.curve.append(row)
        if better:
            self.best = self.vectors.weight.data.clone()
        elif self.best is not None:
            # The best is where the next, smaller steps start from.
            self.vectors.weight.data = self.best.clone()
            self.trainer.restart()
            self.share *= SMALLER

    def _over(self, patience: int) -> bool:
        losses = [one["held_out"] for one in self.curve]
        return len(losses) - 1 - losses.index(min(losses)) >= patience

    def _keep(self, state: RunState) -> None:
        adam = self.trainer.optimiser.state_dict()["state"].get(0, {})
        tensors = {f"adam.{name}": torch.as_tensor(value) for name, value in adam.items()}
        best = self.vectors.weight if self.best is None else self.best
        tensors |= {"weight": self.vectors.weight.detach().clone(), "best": best.detach().clone()}
        values = {"curve": self.curve, "done": self.done, "share": self.share}
        state.write(tensors, values)

    def _resume(self, state: RunState) -> None:
        found = state.read()
        if found is None:
            return
        tensors, values = found
        self.curve, self.done = list(values["curve"]), int(values["done"])
        self.share = float(values["share"])
        self.vectors.weight.data, self.best = tensors["weight"], tensors["best"]
        whole = self.trainer.optimiser.state_dict()
        adam = {
            name.removeprefix("adam."): one
            for name, one in tensors.items()
            if name.startswith("adam.")
        }
        whole["state"] = {0: adam} if adam else {}
        self.trainer.optimiser.load_state_dict(whole)


def _pairs(
    space: Space, corpus: Corpus, pairs: Iterable[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    if pairs is None:
        both = [one for one in space.languages if one in corpus.languages]
        found = list(permutations(both, 2))
    else:
        found = [
            (
                choose(choose(source, space.languages), corpus.languages),
                choose(choose(target, space.languages), corpus.languages),
            )
            for source, target in pairs
        ]
    if not found:
        raise CorpusError(
            f"the corpus {corpus.name!r} has texts in {', '.join(corpus.languages)}, and the space "
            f"in {', '.join(space.languages)}; training needs two languages of both"
        )
    return found


def _layers(space: Space, options: TrainingOptions) -> tuple[int, ...]:
    if options.layers is not None:
        for layer in options.layers:
            space.statistics.at(layer)
        return tuple(sorted(set(options.layers)))
    last = space.model.depth - 1
    found = tuple(one for one in space.layers if SHALLOW * last <= one <= DEEP * last)
    return found or space.default_point().layers


def _settings(
    space: Space, corpus: Corpus, options: TrainingOptions, pairs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    return {
        "langsteer": langsteer.__version__,
        "model": asdict(space.model),
        "tensors": replace(space, trained=None).checksum(),
        "corpus": corpus.digest,
        "pairs": hashlib.sha256(json.dumps(sorted(pairs)).encode()).hexdigest(),
        "options": _plain(options),
    }


def _plain(options: TrainingOptions) -> dict[str, Any]:
    """Options as they are written down: layers stand beside them."""
    return {name: value for name, value in asdict(options).items() if name != "layers"} | {
        "layers": list(options.layers or ())
    }
