"""How each condition of the benchmark is prepared: fitted, tuned by teacher forcing, or trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from candidates import SCOPES, best, layers_of
from conditions import Change, Steered, reference
from loreft import RANK, train_loreft
from prompting import instruction

from langsteer.data.corpus import Corpus
from langsteer.edits.edit import Edit
from langsteer.engines.transformers.chat import ChatOptions
from langsteer.engines.transformers.model import Model
from langsteer.estimators.registry import keep_for
from langsteer.evaluation.random_control import random_like
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space
from langsteer.training import TrainingOptions
from langsteer.training.examples import ParallelText
from langsteer.training.options import PLAIN
from langsteer.tuning.forced import Gap, rank_by_forcing
from peers import PEERS, Material
from plain_text import PLAIN_TEXT, training

CLOSED = (
    "difference", "mean", "centred", "effects", "exchange", "erasure", "transport", "regression",
    "shrunken", "robust",
)  # fmt: skip
STRENGTHS = (0.7, 1.0, 1.5)


@dataclass
class Setting:
    """A model with what a task gives to fit, to tune and to train on."""

    model: Model
    fitted: Corpus
    reading: Reading
    dev: Sequence[ParallelText]
    trained: Corpus
    training: TrainingOptions
    spaces: Path | None = None
    """A folder for spaces, fitted and trained; those that lie there are used."""
    chat: ChatOptions = PLAIN
    estimators: Sequence[str] = ("difference",)
    """What the statistics must suffice for: second moments cost more than all else."""
    _space: Space | None = None
    _gap: Gap | None = None

    @property
    def space(self) -> Space:
        """The statistics that all estimators share."""
        if self._space is None:
            keep = keep_for(self.estimators, pooling=self.reading.pooling)
            reading = replace(self.reading, keep=keep)
            self._space = self.kept("fitted", lambda: fit(self.model, self.fitted, reading))
        return self._space

    def kept(self, name: str, make: Callable[[], Space]) -> Space:
        """The space of this name in the folder, if there is one; else it is made, and put there."""
        if self.spaces is None:
            return make()
        file = self.spaces / f"{name}.safetensors"
        if file.exists():
            return Space.load(file)
        space = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        space.save(file)
        return space

    @property
    def gap(self) -> Gap:
        """What is to be closed on the texts for tuning."""
        if self._gap is None:
            self._gap = Gap.of(self.model, self.dev)
        return self._gap

    def best_point(self, estimator: str) -> OperatingPoint:
        """Layer, scope and strength that close most of the gap: first at 1, then the strength."""
        points = [
            OperatingPoint((layer,), 1.0, scope, estimator, split="dev")
            for layer in layers_of(self.model)
            for scope in SCOPES
        ]
        first = rank_by_forcing(self.model, self.space, self.gap, points)[:2]
        near = [replace(one.point, strength=strength) for one in first for strength in STRENGTHS]
        return rank_by_forcing(self.model, self.space, self.gap, near)[0].point


@dataclass(frozen=True)
class Prepared:
    """A condition ready to be used, and what was chosen or trained for it."""

    steered: Steered | None
    chosen: str = ""


TRAINED = ("shape", "scope", "objective", "continuation", "freedom", "layers")
"""What may stand behind `trained`, in this order."""
UNFITTED: dict[str, Steered | None] = {
    "ceiling": None,
    "reference": reference,
    "unsteered": lambda *_: None,
    "prompted-english": lambda _, target: Change(before=instruction("english", target)),
    "prompted-target": lambda _, target: Change(before=instruction("target", target)),
    "system-prompt": lambda _, target: Change(system=instruction("english", target).strip()),
}
"""What nothing is estimated for."""


def closed(conditions: Sequence[str]) -> tuple[str, ...]:
    """The estimators among these conditions, and the difference, which others start from."""
    named = [one.partition("@")[0] for one in conditions]
    return tuple(dict.fromkeys(["difference", *(one for one in named if one in CLOSED)]))


def prepare(name: str, setting: Setting) -> Prepared:
    """The condition of this name.

    `ceiling` (the translated prompt), `reference` (what follows by the text itself), `unsteered`,
    `prompted-english` and `prompted-target` (an instruction in English or in the target language),
    `system-prompt`, `random` (as large as the difference), a peer (see peers.py, loreft.py), an
    estimator, or `trained`, with what of its options is not as usual:
    `trained:pairs:all:distillation:own:coordinates:2-13`, see `TRAINED`.
    """
    if name in UNFITTED:
        return Prepared(UNFITTED[name])
    if name.startswith("trained"):
        return _trained(name, setting)
    if name in PEERS:
        return _peer(name, setting)
    if name == "loreft":
        return _loreft(setting)
    if name in PLAIN_TEXT:
        found = PLAIN_TEXT[name](setting.model, setting.space, setting.trained, setting.gap)
        return Prepared(_edits(found.edit), found.label)
    space = setting.space
    name, _, place = name.partition("@")
    point = (
        setting.best_point("difference" if name == "random" else name)
        if not place
        else _at(name, place)
    )

    def edit(source: str, target: str) -> Edit:
        found = space.edit(source, target, point=point)
        return random_like(found, f"{source} {target}") if name == "random" else found

    return Prepared(_edits(edit), _said(point))


def _peer(name: str, setting: Setting) -> Prepared:
    material = Material(setting.model, setting.space, setting.fitted, setting.chat)
    found = best(setting.model, setting.gap, PEERS[name](material))
    return Prepared(_edits(found.edit), found.label)


def _loreft(setting: Setting) -> Prepared:
    began = time.perf_counter()
    found = train_loreft(setting.model, setting.trained, setting.training)
    said = f"rank {RANK}, {setting.training.steps} steps, {time.perf_counter() - began:.0f} s"
    return Prepared(_edits(found), said)


def _trained(name: str, setting: Setting) -> Prepared:
    given: dict[str, Any] = dict(zip(TRAINED, name.split(":")[1:], strict=False))
    if "layers" in given:
        first, last = given["layers"].split("-")
        given["layers"] = range(int(first), int(last) + 1)
    options = replace(setting.training, **given)
    began = time.perf_counter()
    space = setting.kept(
        name.replace(":", "-"),
        lambda: setting.space.train(setting.model, setting.trained, options, progress=True),
    )
    return Prepared(_edits(space.edit), f"{training(space)}; {time.perf_counter() - began:.0f} s")


def _edits(edit: Callable[[str, str], Edit]) -> Steered:
    return lambda source, target: Change(edit(source, target))


def _at(name: str, place: str) -> OperatingPoint:
    layer, _, scope = place.partition(":")
    return OperatingPoint((int(layer),), 1.0, scope or "all", name)


def _said(point: OperatingPoint) -> str:
    return f"layer {point.layers[0]}, strength {point.strength:g}, {point.scope}"
