"""Which language a prompt is in, by the hidden states of the user's own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from langsteer.edits.guard import precision
from langsteer.engines.transformers.chat import Rendered, render
from langsteer.engines.transformers.encoding import check_prompt, pad_left, pad_token
from langsteer.space.space import Space
from langsteer.statistics.pooling import MASSIVE

if TYPE_CHECKING:
    from langsteer.engines.transformers.model import Model

REACH, REACH_LAST = 32, 1
"""How many of the last own tokens are read, and how many where the means are of last tokens."""
LEAST_MASSIVE = 3
"""With so few tokens there is no usual norm to compare with."""
TOKENS_PER_BATCH = 8192


def source_languages(
    model: Model, prompts: Sequence[Rendered], space: Space, layer: int
) -> list[str]:
    """The language in which each prompt would be answered.

    It is that whose mean at `layer` is nearest to the mean of the user's last own words, each
    coordinate weighed by its precision, as in `Guard`. The words are read as the texts of the space
    were: by themselves, or where the space was fitted in the chat template, in their place there.
    The template's own words are the same in every language and are left out, as are special tokens
    and massive ones.

    Raises:
        SteeringError: a prompt is longer than the context.
        SpaceError: the layer is not in the space.
    """
    means = torch.stack([space.mean(language, layer) for language in space.languages])
    weights = precision(space.statistics, layer)
    reach = REACH_LAST if space.pooling == "last" else REACH
    special = set(model.tokenizer.all_special_ids)
    if space.corpus.chat is None:
        prompts = [_by_itself(model, prompt) for prompt in prompts]
    found = [""] * len(prompts)
    for rows in _batches(prompts):
        batch = [prompts[row] for row in rows]
        for one in batch:
            check_prompt(one.ids, one.text, model.stream.context, model.vocabulary)
        inputs = pad_left(
            [one.ids for one in batch], pad_token(model.tokenizer), model.stream.device
        )
        (latents,) = model.stream.read(inputs["input_ids"], inputs["attention_mask"], [layer])
        for row, prompt, states in zip(rows, batch, latents, strict=True):
            begin = len(states) - len(prompt.ids)
            words = [place for place in prompt.own if prompt.ids[place] not in special]
            own = states[[begin + place for place in words or prompt.own]].double().cpu()
            mean = _usual(own)[-reach:].mean(0)
            nearest = int(((means - mean).square() @ weights).argmin())
            found[row] = space.languages[nearest]
    return found


def _by_itself(model: Model, prompt: Rendered) -> Rendered:
    """The user's own words without the chat template around them."""
    if not prompt.text.strip() or len(prompt.own) == len(prompt.ids):
        return prompt
    return render(model.tokenizer, prompt.text)


def _usual(states: Tensor) -> Tensor:
    """The rows of states [n, d] whose norm is not massive: they say nothing of a language."""
    norms = torch.linalg.vector_norm(states, dim=-1)
    if len(norms) < LEAST_MASSIVE:
        return states[-1:]
    return states[norms <= MASSIVE * norms.median()]


def _batches(prompts: Sequence[Rendered]) -> list[list[int]]:
    """Rows of similar length within a budget of tokens."""
    batches: list[list[int]] = []
    for row in sorted(range(len(prompts)), key=lambda row: len(prompts[row].ids)):
        width = len(prompts[row].ids)
        if not batches or (len(batches[-1]) + 1) * width > TOKENS_PER_BATCH:
            batches.append([])
        batches[-1].append(row)
    return batches
