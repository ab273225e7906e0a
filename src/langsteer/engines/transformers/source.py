"""Which language a prompt is in, by the stream alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerBase

from langsteer.edits.guard import precision, reach_of
from langsteer.engines.transformers.generation import encode
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.space.space import Space


def source_languages(
    stream: ResidualStream,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    space: Space,
    layer: int,
) -> list[str]:
    """The language in which each prompt would be answered, as the guard reads it.

    It is that whose mean at `layer` is nearest to the mean of the last tokens of the prompt,
    special tokens aside. As in `Guard`, `reach_of` says how many tokens that are, and
    coordinates count by their precision.

    Raises:
        SteeringError: an empty prompt, or one longer than the context.
        SpaceError: the layer is not in the space.
    """
    means = torch.stack([space.mean(language, layer) for language in space.languages])
    weights, reach = precision(space.statistics, layer), reach_of(space.statistics)
    special, found = set(tokenizer.all_special_ids), []
    for prompt in prompts:
        ids = encode(tokenizer, prompt, stream.context)
        (latents,) = stream.read(torch.tensor([ids]), None, [layer])
        content = [column for column, token in enumerate(ids) if token not in special]
        last = (content or list(range(len(ids))))[-reach:]
        mean = latents[0, last].double().mean(0).cpu()
        found.append(space.languages[int(((means - mean).square() @ weights).argmin())])
    return found
