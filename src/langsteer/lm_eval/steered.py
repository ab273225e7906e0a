"""The model type `langsteer` of lm-evaluation-harness."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM

from langsteer.edits.edit import Edit
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.stopping import before
from langsteer.errors import LangsteerError
from langsteer.space.point import OperatingPoint
from langsteer.space.space import Space
from langsteer.training.forcing import Forced, Head, picked

_KNOWN = frozenset({"until", "max_gen_toks", "max_new_tokens", "do_sample", "temperature", "top_p"})
"""What a task may ask of generation; anything else is refused, as it would be ignored."""


@dataclass(frozen=True)
class Steered:
    """How the model is steered: the names are those in `--model_args`.

    `to` is the language to be steered to, `source` the one that the model would use (None for
    estimators that need none). `layer`, `strength`, `scope` and `estimator` are used instead of
    those of the operating point. With `guard` the edit acts only while the model is in another
    language.
    """

    to: str | None = None
    source: str | None = None
    layer: int | None = None
    strength: float | None = None
    scope: str | None = None
    estimator: str | None = None
    guard: bool = False

    def edit(self, space: Space) -> Edit:
        """The edit of a space. LangsteerError if there is none."""
        if self.to is None:
            raise LangsteerError("say which language to steer to, such as to=de")
        point = space.point_for(self.estimator)
        at = OperatingPoint(
            layers=point.layers if self.layer is None else (int(self.layer),),
            strength=point.strength if self.strength is None else float(self.strength),
            scope=point.scope if self.scope is None else str(self.scope),
            estimator=self.estimator or point.estimator,
            pairs=point.pairs if self.layer is None and self.strength is None else (),
        )
        return space.edit(self.source, self.to, point=at, guard=bool(self.guard))


@register_model("langsteer")
class SteeredLM(HFLM):  # type: ignore[misc]
    """A causal language model steered by a space.

    Args:
        pretrained: folder or hub name of the model.
        space: file of the space that was fitted on it; without one nothing is steered.
        others: the fields of `Steered`, and what the harness' own type `hf` takes.

    Raises:
        LangsteerError: the space does not fit the model, or an option is wrong.
    """

    def __init__(self, pretrained: str, space: str | None = None, **others: Any) -> None:
        mine = {field.name for field in fields(Steered)}
        how = Steered(**{name: value for name, value in others.items() if name in mine})
        own = {name: value for name, value in others.items() if name not in mine}
        super().__init__(pretrained=pretrained, **own)
        self._bound = Model(self.model, self.tokenizer, name=str(pretrained))
        self._steering: Edit | None = None
        if space is not None:
            fitted = Space.load(space)
            fitted.check(self._bound)
            self._steering = how.edit(fitted)

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[tuple[str, str], list[int], list[int]]],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        """The log-likelihood of each continuation, and whether it is the likeliest."""
        found: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        size = override_bs or (self.batch_size if isinstance(self.batch_size, int) else 8)
        order = sorted(range(len(requests)), key=lambda i: -sum(map(len, requests[i][1:])))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            items = [self._item(*requests[row][1:]) for row in chosen]
            for row, one in zip(chosen, self._scored(items), strict=True):
                found[row] = one
                self.cache_hook.add_partial("loglikelihood", requests[row][0], one)
        return found

    def _item(self, context: list[int], following: list[int]) -> tuple[list[int], list[int]]:
        """A context and what follows it, as much of the end as fits."""
        room = self.max_length - len(following)
        kept = context[-room:] if room > 0 else []
        if not kept:
            kept, following = following[-self.max_length :][:1], following[-self.max_length :][1:]
        return kept, following

    def _scored(self, items: list[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
        batch = Forced.of(self._bound, items)
        head = Head(self._bound)
        with torch.no_grad(), self._bound.steered(self._steering, prompt=batch.prompt()):
            said = head.log_probabilities(batch)
        places = head.places(batch)
        nats, best = picked(said, places).double().cpu(), said.argmax(-1).cpu() == places.cpu()
        owner = (batch.targets >= 0).nonzero()[:, 0]
        sums = torch.zeros(len(items), dtype=torch.float64).index_add_(0, owner, nats)
        wrong = torch.zeros(len(items)).index_add_(0, owner, (~best).float())
        return [(float(one), not bool(miss)) for one, miss in zip(sums, wrong, strict=True)]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """The answer to each context, up to its stop."""
        found = [""] * len(requests)
        kinds: dict[str, list[int]] = {}
        for row, one in enumerate(requests):
            asked = {key: value for key, value in one.args[1].items() if key != "until"}
            kinds.setdefault(repr(sorted(asked.items())), []).append(row)
        for rows in kinds.values():
            options = _generation(requests[rows[0]].args[1], self.max_gen_toks)
            stops = [_stops(requests[row].args[1].get("until")) for row in rows]
            texts = self._bound.generate(
                [requests[row].args[0] for row in rows], self._steering, options, stop=stops
            )
            for row, text, ends in zip(rows, texts, stops, strict=True):
                found[row] = before(text, ends)
                self.cache_hook.add_partial("generate_until", requests[row].args, found[row])
        return found


def _generation(asked: dict[str, Any], most: int) -> Generation:
    unknown = sorted(set(asked) - _KNOWN)
    if unknown:
        raise LangsteerError(f"a task asks for {', '.join(unknown)}, which is not known here")
    temperature = float(asked.get("temperature") or 0.0)
    sample = bool(asked.get("do_sample", temperature > 0)) and temperature > 0
    return Generation(
        max_new_tokens=int(asked.get("max_gen_toks") or asked.get("max_new_tokens") or most),
        sample=sample,
        temperature=temperature if sample else 1.0,
        top_p=float(asked.get("top_p") or 1.0),
        seed=0,
    )


def _stops(until: Any) -> list[str]:
    given = [until] if isinstance(until, str) else list(until or ())
    return [one for one in given if one]
