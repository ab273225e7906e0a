"""A thousand mixed batches in several threads: no row differs from its run alone."""

import random
from concurrent.futures import ThreadPoolExecutor

import torch

import tiny
from langsteer.residual import ResidualStream
from langsteer.steering import Edit, Scope, steering
from test_steering import shift

BATCHES, THREADS, STEPS = 1000, 4, 2
PROMPTS = [[tiny.BOS, 5, 6, 7], [11, 12, 13, 14], [21, 22, 23, 24]]
EDITS = [
    None,
    Edit({1: shift(1)}, scope=Scope.parse("generated")),
    Edit({0: shift(2), 1: shift(3)}, 0.5),
    Edit({1: shift(4)}, scope=Scope.parse("prompt_last")),
]


@torch.no_grad()
def logits(stream: ResidualStream, rows: list[tuple[int, int]]) -> torch.Tensor:
    """Logits [rows, steps, vocabulary] of a prompt and of a few given tokens after it."""
    ids = torch.tensor([PROMPTS[prompt] for prompt, _ in rows])
    with steering(stream, [EDITS[edit] for _, edit in rows], prompt={"input_ids": ids}):
        out = stream.model(ids, use_cache=True)
        found = [out.logits[:, -1]]
        for token in range(40, 40 + STEPS):
            new = torch.full((len(rows), 1), token)
            out = stream.model(new, past_key_values=out.past_key_values, use_cache=True)
            found.append(out.logits[:, -1])
    return torch.stack(found, dim=1)


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
    draw = random.Random(0)
    batches = [draw.choices(kinds, k=draw.randint(1, 5)) for _ in range(BATCHES)]

    def worst(rows: list[tuple[int, int]]) -> float:
        found = logits(stream, rows)
        return max(float((found[i] - alone[kind]).abs().max()) for i, kind in enumerate(rows))

    with ThreadPoolExecutor(THREADS) as pool:
        assert max(pool.map(worst, batches)) < 1e-4
    assert torch.equal(logits(stream, [kinds[0]])[0], alone[kinds[0]])
