"""Which language a prompt is in, by the stream alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerBase

from langsteer.residual import ResidualStream
from langsteer.space import Space
from langsteer.steering.generation import encode
from langsteer.steering.guard import WINDOW


def source_languages(
    stream: ResidualStream,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    space: Space,
    layer: int,
    *,
    window: int = WINDOW,
) -> list[str]:
    """The language of each prompt: that whose mean at `layer` is nearest to its last tokens.

    Read is the mean of the latents of the last `window` tokens that are not special.

    Raises:
        SteeringError: an empty prompt, or one longer than the context.
        SpaceError: the layer is not in the space.
    """
    means = torch.stack([space.mean(language, layer) for language in space.languages])
    special, found = set(tokenizer.all_special_ids), []
    for prompt in prompts:
        ids = encode(tokenizer, prompt, stream.context)
        (latents,) = stream.read(torch.tensor([ids]), None, [layer])
        content = [column for column, token in enumerate(ids) if token not in special]
        last = (content or list(range(len(ids))))[-window:]
        mean = latents[0, last].double().mean(0).cpu()
        found.append(space.languages[int((means - mean).norm(dim=1).argmin())])
    return found
