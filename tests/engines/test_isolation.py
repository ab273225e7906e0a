"""Mixed batches in several threads: no row differs from its run alone."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import pytest
import torch
from test_steering import shift
from torch import Tensor

import tiny
from langsteer.data.prompts import Prompt
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus, prompts
from langsteer.edits.edit import Edit
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.encoding import encode, pad_left
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint

THREADS = 4
T = TypeVar("T")


def drawn(kinds: Sequence[T], count: int) -> list[list[T]]:
    """`count` batches of two to four rows."""
    draw = random.Random(0)
    return [draw.choices(kinds, k=draw.randint(2, 4)) for _ in range(count)]


def worst(check: Callable[[T], float], batches: Sequence[T]) -> float:
    """The largest of what `check` finds, over all batches in several threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        return max(pool.map(check, batches))


PROMPTS = [[tiny.BOS, 5, 6, 7], [11, 12, 13, 14], [21, 22, 23, 24]]
EDITS = [
    None,
    Edit({1: shift(1)}, scope=Scope.parse("generated")),
    Edit({0: shift(2), 1: shift(3)}, 0.5),
    Edit({1: shift(4)}, scope=Scope.parse("prompt_last")),
]


@torch.no_grad()
def logits(stream: ResidualStream, rows: list[tuple[int, int]]) -> Tensor:
    """Logits [rows, steps, vocabulary] of a prompt and of a given token after it."""
    ids = torch.tensor([PROMPTS[prompt] for prompt, _ in rows])
    with steering(stream, [EDITS[edit] for _, edit in rows], prompt={"input_ids": ids}):
        first = stream.model(ids, use_cache=True)
        new = torch.full((len(rows), 1), 40)
        second = stream.model(new, past_key_values=first.past_key_values)
    return torch.stack([first.logits[:, -1], second.logits[:, -1]], dim=1)


@pytest.mark.slow
def test_no_row_of_any_batch_takes_anothers_edit() -> None:
    stream = ResidualStream(tiny.make("llama", num_hidden_layers=2))
    kinds = [(prompt, edit) for prompt in range(len(PROMPTS)) for edit in range(len(EDITS))]
    alone = {kind: logits(stream, [kind])[0] for kind in kinds}
    apart = min(
        float((alone[p, a] - alone[p, b]).abs().max())
        for p in range(len(PROMPTS))
        for a in range(len(EDITS))
        for b in range(a)
    )
    assert apart > 0.1, "a row with another's edit would show"

    def gap(rows: list[tuple[int, int]]) -> float:
        found = logits(stream, rows)
        return max(float((found[i] - alone[kind]).abs().max()) for i, kind in enumerate(rows))

    assert worst(gap, drawn(kinds, 300)) < 1e-4
    assert torch.equal(logits(stream, [kinds[0]])[0], alone[kinds[0]])


TARGETS = ("ru", "zh", "ar", "ja")
POINT = OperatingPoint(layers=(4,), strength=1.0, scope="generated")


@cache
def atlas() -> Model:
    return Model.from_pretrained(str(MODEL))


@cache
def asked() -> dict[tuple[int, str], tuple[Prompt, Edit | None]]:
    """Prompts in two languages, each unsteered (`""`) and steered to each of the targets."""
    sources = ("en", "de")
    corpus = matching_corpus("fit", per_family=12).select((*sources, *TARGETS))
    space = fit(atlas(), corpus, Reading(pooling="last"))
    chosen = [p for p in prompts("test", 2).prompts if p.language in sources and p.lexical][:6]
    found: dict[tuple[int, str], tuple[Prompt, Edit | None]] = {}
    for number, prompt in enumerate(chosen):
        found[number, ""] = prompt, None
        for target in TARGETS:
            found[number, target] = prompt, space.edit(prompt.language, target, point=POINT)
    return found


def written(rows: list[tuple[int, str]], tokens: int) -> tuple[list[list[int]], Tensor]:
    """The greedy tokens of each row, and the logits [rows, tokens, vocabulary] behind them."""
    loaded, kinds = atlas(), [asked()[row] for row in rows]
    ids = [encode(loaded.tokenizer, prompt.text) for prompt, _ in kinds]
    batch = pad_left(ids, 0, loaded.stream.device)
    with steering(loaded.stream, [edit for _, edit in kinds]):
        out = loaded.hf.generate(
            **batch,
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_logits=True,
        )
    new = out.sequences[:, batch["input_ids"].shape[1] :]
    return new.tolist(), torch.stack(out.logits, dim=1)


@pytest.mark.slow
def test_no_row_takes_anothers_language() -> None:
    """Alone, each row is answered in its language; in three hundred batches, as it is alone."""
    kinds = list(asked())
    alone = {kind: written([kind], 10) for kind in kinds}
    for (number, target), (texts, _) in alone.items():
        prompt = asked()[number, target][0]
        answer = atlas().tokenizer.decode(texts[0]).casefold()
        names = [name for way in prompt.references[target or prompt.language] for name in way]
        assert any(name.casefold() in answer for name in names), (answer, names)
    firsts = {kind: texts[0][0] for kind, (texts, _) in alone.items()}
    for number in {number for number, _ in kinds}:
        assert len({firsts[number, target] for target in ("", *TARGETS)}) == 5

    def gap(batch: tuple[int, list[tuple[int, str]]]) -> float:
        index, rows = batch
        tokens = 2 if index % 3 == 0 else 1  # the first comes from the prompt, others from a cache
        found, logits = written(rows, tokens)
        assert found == [alone[kind][0][0][:tokens] for kind in rows]
        wanted = torch.stack([alone[kind][1][0, :tokens] for kind in rows])
        return float((logits - wanted).abs().max())

    assert worst(gap, list(enumerate(drawn(kinds, 300)))) < 1e-3
