"""Treated cases are answered and judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from questions import Asked
from torch import Tensor, nn
from treatments import Candidate, Treatment

from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.evaluation.cases import Outcome
from langsteer.evaluation.conditions import STEERED
from langsteer.evaluation.judge import Judge
from langsteer.text.detect import default_detector

SEED = 0
BATCH_TOKENS = 32768


def answered(loaded: Model, asked: Asked, candidates: Sequence[Candidate]) -> list[list[Outcome]]:
    """All cases under every candidate, in mixed batches."""
    cases = [case for _ in candidates for case in asked.cases]
    treated = [one.treat(case) for one in candidates for case in asked.cases]
    texts = _generated(loaded, asked, treated)
    answers = [case.prompt.answer(text) for case, text in zip(cases, texts, strict=True)]
    judge = Judge(asked.prompts, default_detector(asked.prompts.languages))
    verdicts = judge.verdicts(
        [(case.prompt, case.target, answer) for case, answer in zip(cases, answers, strict=True)]
    )
    outcomes = [
        Outcome(case, STEERED.name, answer, verdict)
        for case, answer, verdict in zip(cases, answers, verdicts, strict=True)
    ]
    size = len(asked.cases)
    return [outcomes[start : start + size] for start in range(0, len(outcomes), size)]


def _generated(loaded: Model, asked: Asked, treated: Sequence[Treatment]) -> list[str]:
    # A bias acts on whole batches; and answers of one family are about equally long.
    groups: dict[tuple[str, int], list[int]] = {}
    families = [case.prompt.family for case in asked.cases]
    stops = [case.prompt.stop for case in asked.cases]
    for number, treatment in enumerate(treated):
        key = (families[number % len(families)], id(treatment.bias))
        groups.setdefault(key, []).append(number)
    texts = [""] * len(treated)
    for rows in groups.values():
        with biased(loaded.hf, treated[rows[0]].bias):
            found = loaded.generate(
                [treated[row].text for row in rows],
                [treated[row].edit for row in rows],
                Generation(
                    max_new_tokens=asked.max_new_tokens,
                    tokens_per_batch=BATCH_TOKENS,
                    sample=asked.temperature is not None,
                    temperature=asked.temperature or 1.0,
                    seed=SEED,
                ),
                stop=[stops[row % len(stops)] for row in rows],
            )
        for row, text in zip(rows, found, strict=True):
            texts[row] = text
    return texts


@contextmanager
def biased(model: Any, bias: Tensor | None) -> Iterator[None]:
    """While it lasts, ``bias [vocabulary]`` is added to the logits."""
    if bias is None:
        yield
        return
    head: nn.Module = model.get_output_embeddings()

    def add(module: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        return logits + nn.functional.pad(bias, (0, logits.shape[-1] - len(bias)))

    handle = head.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
