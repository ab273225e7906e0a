"""Generate text from prompts, each steered by its own edit or by none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from langsteer.edits.edit import Edit, Edits
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.errors import SteeringError

_GREEDY: dict[str, Any] = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50}


def generate(
    stream: ResidualStream,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    edits: Edits = None,
    *,
    max_new_tokens: int = 64,
    batch_tokens: int = 8192,
    do_sample: bool = False,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int | None = None,
    stop: Sequence[str | None] | None = None,
    on_text: Callable[[str], None] | None = None,
    on_batch: Callable[[int], None] | None = None,
    on_tokens: Callable[[int], None] | None = None,
) -> list[str]:
    """Continue each prompt, and return only what is new.

    Prompts are padded on the left and run in batches of similar length. A text ends at an end
    token, after `max_new_tokens`, or where the model's context is full.

    Args:
        stream: the model's residual stream.
        tokenizer: its tokenizer; it is not changed.
        prompts: the texts, with any chat template already applied.
        edits: one edit for all prompts, or one (or None) for each.
        max_new_tokens: the most tokens to write for each prompt.
        batch_tokens: the most tokens (rows × columns, new ones included) in one batch.
        do_sample: draw tokens by chance instead of taking the likeliest.
        temperature: of sampling.
        top_p: sample from the likeliest tokens that have this probability together.
        seed: of sampling; the same seed and batch give the same texts.
        stop: for each prompt a string, or None; its text ends after a token that holds the string.
        on_text: for one prompt, called with each new piece of text as soon as it is certain.
        on_batch: called after every batch with the number of its prompts.
        on_tokens: called after every batch with the number of tokens that were written, without
            end tokens and padding.

    Raises:
        SteeringError: an empty prompt, one longer than the context, or edits that do not fit.
    """
    if max_new_tokens < 1:
        raise SteeringError(f"max_new_tokens must be at least 1, not {max_new_tokens}")
    if on_text is not None and len(prompts) != 1:
        raise SteeringError(f"on_text streams one prompt, but {len(prompts)} were given")
    one = edits is None or isinstance(edits, Edit)
    given: list[Edit | None] = [edits] * len(prompts) if one else list(edits)  # type: ignore
    if len(given) != len(prompts):
        raise SteeringError(
            f"{len(given)} edits were given for {len(prompts)} prompts; give one for all of them, "
            "or one (or None) for each"
        )
    tokens = [encode(tokenizer, prompt, stream.context) for prompt in prompts]
    options = _options(stream, tokenizer, do_sample, temperature, top_p)
    streamer = None if on_text is None else _Streamer(tokenizer, on_text)
    stops = _Stops(tokenizer, stop or [None] * len(prompts))
    texts = [""] * len(prompts)
    devices = [stream.device] if stream.device.type == "cuda" else []
    with torch.random.fork_rng(devices, enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        for rows in _batches([len(ids) for ids in tokens], max_new_tokens, batch_tokens):
            batch = pad_left([tokens[row] for row in rows], _pad(tokenizer), stream.device)
            room = _room(stream.context, batch["input_ids"].shape[1], max_new_tokens)
            with steering(stream, [given[row] for row in rows]):
                out = cast(Any, stream.model).generate(
                    **batch,
                    **options,
                    max_new_tokens=room,
                    streamer=streamer,
                    stopping_criteria=stops.of(rows, stream.device),
                )
            new = out[:, batch["input_ids"].shape[1] :]
            if on_tokens is not None:
                on_tokens(_written(new, options))
            for row, text in zip(rows, _decode(tokenizer, new), strict=True):
                texts[row] = text
            if on_batch is not None:
                on_batch(len(rows))
    return texts


def encode(tokenizer: PreTrainedTokenizerBase, prompt: str, context: int | None) -> list[int]:
    """The tokens of a prompt, with its special tokens added unless the text has them already.

    Raises:
        SteeringError: there are no tokens, or no room for a further one in the context.
    """
    bos = cast("str | None", tokenizer.bos_token)
    templated = bool(bos) and prompt.startswith(cast(str, bos))
    ids = cast("list[int]", tokenizer(prompt, add_special_tokens=not templated)["input_ids"])
    if not prompt or not ids:
        raise SteeringError("a prompt is empty; give at least one character")
    end = tokenizer.eos_token_id
    if (
        len(ids) > 1
        and end is not None
        and ids[-1] == end
        and not prompt.endswith(str(tokenizer.eos_token))
    ):
        ids = ids[:-1]  # an end token would close the text that is to be continued
    if context is not None and len(ids) >= context:
        raise SteeringError(
            f"a prompt has {len(ids)} tokens, but the model's context holds {context} with the "
            f"answer; shorten it: {prompt[:60]!r}..."
        )
    return ids


def pad_left(tokens: Sequence[Sequence[int]], pad: int, device: torch.device) -> dict[str, Tensor]:
    """Token lists as one batch: `input_ids` and `attention_mask` [rows, columns]."""
    width = max(len(ids) for ids in tokens)
    ids = [[pad] * (width - len(row)) + list(row) for row in tokens]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in tokens]
    return {
        "input_ids": torch.tensor(ids, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }


def _batches(lengths: Sequence[int], new: int, budget: int) -> Iterator[list[int]]:
    """Rows in batches of similar length, the longest last, within the budget of tokens."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if batch and (len(batch) + 1) * (lengths[row] + new) > budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _room(context: int | None, columns: int, wanted: int) -> int:
    return wanted if context is None else max(1, min(wanted, context - columns))


def _pad(tokenizer: PreTrainedTokenizerBase) -> int:
    """A token to pad with; it is masked, so which one does not matter."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(token, int):
            return token
    return 0


def _options(
    stream: ResidualStream,
    tokenizer: PreTrainedTokenizerBase,
    do_sample: bool,
    temperature: float,
    top_p: float,
) -> dict[str, Any]:
    own = getattr(stream.model, "generation_config", None)
    ends = getattr(own, "eos_token_id", None)
    sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    return {
        "pad_token_id": _pad(tokenizer),
        "eos_token_id": tokenizer.eos_token_id if ends is None else ends,
        **(sampling if do_sample else _GREEDY),
    }


def _written(new: Tensor, options: dict[str, Any]) -> int:
    """How many tokens [rows, columns] stand before the end or the padding of their row."""
    ends = options["eos_token_id"]
    given = ends if isinstance(ends, list | tuple) else [ends]
    stops = torch.tensor([*(end for end in given if end is not None), options["pad_token_id"]])
    over = torch.isin(new, stops.to(new.device)).cumsum(1) > 0
    return int((~over).sum())


def _decode(tokenizer: PreTrainedTokenizerBase, tokens: Tensor) -> list[str]:
    return tokenizer.batch_decode(tokens.tolist(), skip_special_tokens=True)


class _Stops:
    """Which tokens end which text."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str | None]) -> None:
        self._stop = stop
        strings = sorted({text for text in stop if text})
        tokens = _decode(tokenizer, torch.arange(len(tokenizer))[:, None]) if strings else []
        # The last column stands for all tokens that the model has and the tokenizer has not.
        self._ends = {
            text: torch.tensor([*(text in token for token in tokens), False]) for text in strings
        }

    def of(self, rows: Sequence[int], device: torch.device) -> StoppingCriteriaList | None:
        """What ends the rows of one batch; None where nothing does."""
        wanted = [self._stop[row] for row in rows]
        if not any(wanted):
            return None
        size = max(map(len, self._ends.values()))
        never = torch.zeros(size, dtype=torch.bool)
        table = torch.stack([self._ends[text] if text else never for text in wanted]).to(device)
        return StoppingCriteriaList([_EndsWith(table)])


class _EndsWith(StoppingCriteria):
    """A row is done when its last token is among those that end it: `table [rows, tokens]`."""

    def __init__(self, table: Tensor) -> None:
        self._table = table

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Tensor:
        last = input_ids[:, -1:].clamp(max=self._table.shape[1] - 1)
        return self._table.gather(1, last)[:, 0]


class _Streamer(BaseStreamer):
    """Hands out new text as soon as its characters are whole."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, on_text: Callable[[str], None]) -> None:
        self._tokenizer, self._on_text = tokenizer, on_text
        self._tokens: list[int] = []
        self._shown = 0
        self._prompt = True

    def put(self, value: Tensor) -> None:
        if self._prompt:
            self._prompt = False
            return
        self._tokens.extend(value.flatten().tolist())
        text = self._text()
        if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # the rest of a character is to come
            self._show(text)

    def end(self) -> None:
        self._show(self._text())

    def _text(self) -> str:
        return _decode(self._tokenizer, torch.tensor([self._tokens], dtype=torch.long))[0]

    def _show(self, text: str) -> None:
        if len(text) > self._shown:
            self._on_text(text[self._shown :])
            self._shown = len(text)
