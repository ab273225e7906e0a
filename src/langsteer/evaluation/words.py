"""How likely the source word and the target word become when the stream is edited at one layer.

The figure of Wendler et al., "Do Llamas Work in English?" (ACL 2024), turned into an intervention:
there the words are read out at each layer, here each layer is edited and the output is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from inspect import signature

import torch
from torch import Tensor
from transformers import PreTrainedModel

from langsteer.edits.edit import Edit
from langsteer.engines.transformers.encoding import encode, pad_left, pad_token
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.evaluation.cases import Case
from langsteer.space.space import OperatingPoint, Space

ROWS = 128


@dataclass(frozen=True)
class WordProbabilities:
    """Mean probabilities of the first token of the source and of the target word."""

    layer: int
    source_unsteered: float
    target_unsteered: float
    source_steered: float
    target_steered: float


def word_probabilities(
    model: Model,
    space: Space,
    cases: Sequence[Case],
    point: OperatingPoint,
    layers: Sequence[int],
) -> list[WordProbabilities]:
    """Mean probabilities over lexical cases, for an edit at each of the layers in turn.

    Cases whose two words begin with the same token are left out: they could not be told apart.
    """
    rows = [row for case in cases if (row := _row(model, case)) is not None]
    if not rows:
        return []
    plain = _means(model, rows, [None] * len(rows))
    found = []
    for layer in layers:
        here = replace(point, layers=(layer,), pairs=())
        edits = [space.edit(row.case.source, row.case.target, point=here) for row in rows]
        steered = _means(model, rows, edits)
        found.append(WordProbabilities(layer, *plain, *steered))
    return found


@dataclass(frozen=True)
class _Row:
    case: Case
    ids: list[int]
    source_token: int
    target_token: int


def _row(model: Model, case: Case) -> _Row | None:
    references = case.prompt.references
    if not case.prompt.lexical or case.source not in references or case.target not in references:
        return None
    ids = encode(model.tokenizer, case.prompt.text)
    source, target = (
        _first_token(model, case.prompt.text, references[language][0][0], len(ids))
        for language in (case.source, case.target)
    )
    return None if source == target else _Row(case, ids, source, target)


def _first_token(model: Model, prompt: str, word: str, length: int) -> int:
    return encode(model.tokenizer, prompt + word)[length]


def _means(model: Model, rows: Sequence[_Row], edits: Sequence[Edit | None]) -> tuple[float, float]:
    total = torch.zeros(2, dtype=torch.float64)
    order = sorted(range(len(rows)), key=lambda number: len(rows[number].ids))
    for start in range(0, len(order), ROWS):
        chosen = order[start : start + ROWS]
        total += _sums(model, [rows[n] for n in chosen], [edits[n] for n in chosen])
    source, target = (total / len(rows)).tolist()
    return source, target


@torch.inference_mode()
def _sums(model: Model, rows: Sequence[_Row], edits: Sequence[Edit | None]) -> Tensor:
    batch = pad_left([row.ids for row in rows], pad_token(model.tokenizer), model.stream.device)
    inputs = model.stream.inputs(batch["input_ids"], batch["attention_mask"])
    # The head is the dearest part of a small model: most architectures can leave out what is not
    # read.
    last = {"logits_to_keep": 1} if _keeps(model.hf) else {}
    with steering(model.stream, edits):
        logits = model.hf(**inputs, **last).logits[:, -1]
    probability: Tensor = logits.double().softmax(-1).cpu()
    wanted = torch.tensor([[row.source_token, row.target_token] for row in rows])
    return probability.gather(1, wanted).sum(0)


def _keeps(model: PreTrainedModel) -> bool:
    return "logits_to_keep" in signature(model.forward).parameters
