"""Which language a prompt is in, by the hidden states of the user's own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from langsteer.edits.guard import precision
from langsteer.engines.transformers.chat import Rendered
from langsteer.engines.transformers.encoding import check_prompt, pad_left, pad_token
from langsteer.space.space import Space

if TYPE_CHECKING:
    from langsteer.engines.transformers.model import Model

REACH, REACH_LAST = 32, 1
"""How many of the last own tokens are read, and how many where the means are of last tokens."""
TOKENS_PER_BATCH = 8192


def source_languages(
    model: Model, prompts: Sequence[Rendered], space: Space, layer: int
) -> list[str]:
    """The language in which each prompt would be answered.

    It is that whose mean at `layer` is nearest to the mean of the user's last own words, each
    coordinate weighed by its precision, as in `Guard`. The words of a chat template are the same
    in every language and are left out.

    Raises:
        SteeringError: a prompt is longer than the context.
        SpaceError: the layer is not in the space.
    """
    means = torch.stack([space.mean(language, layer) for language in space.languages])
    weights = precision(space.statistics, layer)
    reach = REACH_LAST if space.pooling == "last" else REACH
    special = set(model.tokenizer.all_special_ids)
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
            last = [begin + place for place in (words or prompt.own)[-reach:]]
            mean = states[last].double().mean(0).cpu()
            nearest = int(((means - mean).square() @ weights).argmin())
            found[row] = space.languages[nearest]
    return found


def _batches(prompts: Sequence[Rendered]) -> list[list[int]]:
    """Rows of similar length within a budget of tokens."""
    batches: list[list[int]] = []
    for row in sorted(range(len(prompts)), key=lambda row: len(prompts[row].ids)):
        width = len(prompts[row].ids)
        if not batches or (len(batches[-1]) + 1) * width > TOKENS_PER_BATCH:
            batches.append([])
        batches[-1].append(row)
    return batches
