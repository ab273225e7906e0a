"""Generate text from prompts, each steered by its own edit or by none."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from transformers import LogitsProcessorList, StoppingCriteriaList

from langsteer.edits.edit import Edit, Edits
from langsteer.engines.transformers.chat import Rendered
from langsteer.engines.transformers.continuous import can_decode, write_all
from langsteer.engines.transformers.decoding import Continuation, own_words
from langsteer.engines.transformers.encoding import check_prompt, pad_left, pad_token
from langsteer.engines.transformers.sampling import Sampling, row_seeds
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stopping import StopStrings, up_to
from langsteer.engines.transformers.streaming import TextStream
from langsteer.engines.transformers.thinking import Thinking
from langsteer.errors import SteeringError

if TYPE_CHECKING:
    from langsteer.engines.transformers.model import Model

SEEDS = 2**64
NEUTRAL: dict[str, Any] = {
    "do_sample": False,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 50,
    "min_p": None,
    "top_h": None,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "diversity_penalty": 0.0,
    "length_penalty": 1.0,
    "early_stopping": False,
    "constraints": None,
    "force_words_ids": None,
    "penalty_alpha": None,
    "dola_layers": None,
    "guidance_scale": None,
    "watermarking_config": None,
    "token_healing": False,
    "prompt_lookup_num_tokens": None,
    "max_matching_ngram_size": None,
    "assistant_early_exit": None,
    "is_assistant": False,
    "max_length": None,
    "min_length": 0,
    "min_new_tokens": None,
    "max_time": None,
    "stop_strings": None,
    "use_cache": True,
    "cache_implementation": None,
    "prefill_chunk_size": None,
    "return_dict_in_generate": False,
    "output_scores": False,
    "output_logits": False,
    "output_attentions": False,
    "output_hidden_states": False,
}
"""What a checkpoint's own configuration may not change: how many answers there are, in which shape
they come, how long they may be, and ways of decoding that were not asked for. What makes single
tokens more or less likely (penalties, suppressed tokens) is the model's own and stays.
"""
_PAD_SENSITIVE = ("repetition_penalty", "no_repeat_ngram_size")
"""Own settings of a checkpoint that look at all earlier tokens of a row, padding included."""


@dataclass(frozen=True)
class Generation:
    """How answers are written.

    `max_new_tokens` is the most for each prompt. Without `sample`, or at temperature 0, the
    likeliest token is taken. With it, tokens are drawn at a `temperature` from the likeliest that
    together have the probability `top_p`; the same `seed` and prompt give the same text.
    `tokens_per_batch` bounds rows × columns of one batch, new tokens included.
    """

    max_new_tokens: int = 64
    sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    tokens_per_batch: int = 8192

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise SteeringError(f"max_new_tokens must be at least 1, not {self.max_new_tokens}")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise SteeringError(
                f"the temperature is {self.temperature}; give a number of 0 or more, where 0 takes "
                "the likeliest token"
            )
        if not 0 < self.top_p <= 1:
            raise SteeringError(f"top_p is {self.top_p}; give a number above 0 and up to 1")
        if self.seed is not None and not 0 <= self.seed < SEEDS:
            raise SteeringError(f"the seed is {self.seed}; give a whole number from 0 to 2**64 - 1")

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken."""
        return not self.sample or self.temperature == 0


@dataclass(frozen=True)
class Events:
    """What is called while answers are written.

    `on_text` gets each new piece of the text of a single prompt. When texts have ended, together
    or one by one, `on_batch` gets their number and `on_tokens` the number of their tokens, without
    end tokens and padding.
    """

    on_text: Callable[[str], None] | None = None
    on_batch: Callable[[int], None] | None = None
    on_tokens: Callable[[int], None] | None = None


def generate(
    model: Model,
    prompts: Sequence[Rendered],
    edits: Edits = None,
    options: Generation = Generation(),
    *,
    stop: Sequence[str | Sequence[str] | None] | None = None,
    events: Events = Events(),
) -> list[str]:
    """Continue each prompt, and return only what is new.

    Prompts share batches, which a text leaves when it ends and the next prompt enters; every row of
    a batch is what it would be alone. A text ends at an end token, with its stop string, after
    `max_new_tokens`, or where the model's context is full.

    Args:
        model: the model; its own settings count as `NEUTRAL` says.
        prompts: their tokens.
        edits: one edit for all prompts, or one (or None) for each.
        options: how answers are written.
        stop: for each prompt the string or strings that end its text, or None.
        events: what to call on the way.

    Raises:
        SteeringError: a prompt that is longer than the context, or edits that do not fit.
    """
    if events.on_text is not None and len(prompts) != 1:
        raise SteeringError(f"on_text streams one prompt, but {len(prompts)} were given")
    given = per_prompt(edits, len(prompts))
    stops = _stops(model, stop, len(prompts))
    for prompt in prompts:
        check_prompt(prompt.ids, prompt.text, model.stream.context, model.vocabulary)
    rows = _rows(model, prompts, given, stops, options)
    ends = _ends(model)
    if len(rows) > 1 and can_decode(model):

        def on_over(over: list[Continuation]) -> None:
            if events.on_tokens is not None:
                events.on_tokens(sum(len(row.new) - (row.end == "end") for row in over))
            if events.on_batch is not None:
                events.on_batch(len(over))

        write_all(model, rows, end_tokens(model), options.tokens_per_batch, on_over)
        return _texts(model, rows)
    for batch in _batches(model, rows, options):
        _Batch(model, batch).run(ends, events)
    return _texts(model, rows)


def per_prompt(edits: Edits, count: int) -> list[Edit | None]:
    """One edit, or None, for each of `count` prompts. SteeringError for another number of them."""
    given = [edits] * count if edits is None or isinstance(edits, Edit) else list(edits)
    if len(given) != count:
        raise SteeringError(
            f"{len(given)} edits were given for {count} prompts; give one for all of them, "
            "or one (or None) for each"
        )
    return given


class _Batch:
    """Rows with the same room, written by the model's own `generate`."""

    def __init__(self, model: Model, rows: Sequence[Continuation]) -> None:
        self._model, self._rows = model, rows
        prompts = [row.prompt for row in rows]
        self._inputs = pad_left(
            [one.ids for one in prompts], pad_token(model.tokenizer), model.stream.device
        )
        self._columns = self._inputs["input_ids"].shape[1]
        self._thinking = Thinking.of(model.tokenizer, prompts, self._columns)
        self._own = own_words(prompts, self._columns)

    def run(self, ends: dict[str, Any], events: Events) -> None:
        """Write the rows to their end."""
        model, rows = self._model, self._rows
        streamer = None
        if events.on_text is not None:
            streamer = TextStream(model.tokenizer, events.on_text, rows[0].stops)
        criteria = StoppingCriteriaList()
        if any(row.stops for row in rows):
            stops = [row.stops for row in rows]
            criteria.append(StopStrings(model.tokenizer, stops, self._columns))
        drawn = [row.sampling for row in rows if row.sampling is not None]
        edits = [row.edit for row in rows]
        with steering(model.stream, edits, own=self._own, thinking=self._thinking):
            out = cast(Any, model.hf).generate(
                **self._inputs,
                **NEUTRAL,
                **ends,
                max_new_tokens=rows[0].room,
                streamer=streamer,
                stopping_criteria=criteria,
                logits_processor=LogitsProcessorList([Sampling.together(drawn)] if drawn else []),
            )
        new = out[:, self._columns :]
        for row, tokens in zip(rows, new.tolist(), strict=True):
            row.new = tokens
        if events.on_tokens is not None:
            events.on_tokens(_written(new, ends))
        if events.on_batch is not None:
            events.on_batch(len(rows))


def _rows(
    model: Model,
    prompts: Sequence[Rendered],
    edits: Sequence[Edit | None],
    stops: Sequence[tuple[str, ...]],
    options: Generation,
) -> list[Continuation]:
    """What is to be written, each with its own random numbers and its room in the context."""
    seed = secrets.randbits(63) if options.seed is None else options.seed
    seeds = row_seeds(seed, [prompt.ids for prompt in prompts])
    context, most = model.stream.context, options.max_new_tokens
    rows = []
    for prompt, edit, ends, own in zip(prompts, edits, stops, seeds, strict=True):
        room = most if context is None else min(most, context - len(prompt.ids))
        draw = Sampling(options.temperature, options.top_p, [own]) if not options.greedy else None
        rows.append(Continuation(prompt, edit, room, draw, ends))
    return rows


def _texts(model: Model, rows: Sequence[Continuation]) -> list[str]:
    """What was written, up to the end of its stop string."""
    new = [row.new for row in rows]
    texts = model.tokenizer.batch_decode(new, skip_special_tokens=True)
    return [up_to(text, row.stops) for text, row in zip(texts, rows, strict=True)]


def _stops(
    model: Model, stop: Sequence[str | Sequence[str] | None] | None, count: int
) -> list[tuple[str, ...]]:
    """The strings that end each text: its own, and those of the checkpoint."""
    always = own_stops(model)
    given = [None] * count if stop is None else list(stop)
    if len(given) != count:
        raise SteeringError(f"{len(given)} stop strings were given for {count} prompts")
    each = [(one,) if isinstance(one, str) else tuple(one or ()) for one in given]
    return [tuple(filter(None, (*one, *always))) for one in each]


def _batches(
    model: Model, rows: Sequence[Continuation], options: Generation
) -> Iterator[list[Continuation]]:
    """Rows with the same room in batches of similar length, the longest last, within the budget.

    Where the context leaves less than is wanted, only rows with the same room share a batch: the
    batch runs as long as any of its rows, and none may run out of the context.
    """
    own = model.hf.generation_config
    alike = any(getattr(own, name, None) not in (None, 0, 1, 1.0) for name in _PAD_SENSITIVE)
    batch: list[Continuation] = []
    for row in sorted(rows, key=lambda row: (row.room, row.size)):
        if batch:
            before = batch[-1]
            full = (len(batch) + 1) * row.size > options.tokens_per_batch
            if full or before.room != row.room or (alike and before.size != row.size):
                yield batch
                batch = []
        batch.append(row)
    if batch:
        yield batch


def own_stops(model: Model) -> tuple[str, ...]:
    """The strings that end a text by the checkpoint's own settings."""
    own = getattr(model.hf.generation_config, "stop_strings", None) or ()
    return (own,) if isinstance(own, str) else tuple(own)


def end_tokens(model: Model) -> list[int]:
    """The tokens that end a text."""
    return [end for end in _several(_ends(model)["eos_token_id"]) if end is not None]


def _ends(model: Model) -> dict[str, Any]:
    own = model.hf.generation_config
    ends = own.eos_token_id
    return {
        "pad_token_id": pad_token(model.tokenizer),
        "eos_token_id": model.tokenizer.eos_token_id if ends is None else ends,
    }


def _written(new: Tensor, settings: dict[str, Any]) -> int:
    """How many tokens [rows, columns] stand before the end or the padding of their row."""
    ends = settings["eos_token_id"]
    given = [end for end in _several(ends) if end is not None]
    stops = torch.tensor([*given, settings["pad_token_id"]])
    over = torch.isin(new, stops.to(new.device)).cumsum(1) > 0
    return int((~over).sum())


def _several(ends: Any) -> Sequence[Any]:
    return ends if isinstance(ends, list | tuple) else [ends]
