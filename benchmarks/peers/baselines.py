"""What needs no texts: asking for the language, and letting only its script through."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
from fitted import Fitted
from questions import insert, request
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from treatments import Candidate, Scored, Treatment, best_of

from langsteer.demo.world import world
from langsteer.evaluation.cases import Case
from langsteer.text.scripts import CJK, family_of, script_word
from langsteer.text.tags import likely_script, parts

PLACES = ("after", "before", "both")
PENALTIES = (2.0, 5.0, 10.0, 20.0, math.inf)
EAST_ASIAN = {"Hans": {"HAN"}, "Hant": {"HAN"}, "Jpan": {"HAN", "KANA"}, "Kore": {"HANGUL", "HAN"}}


class Prompting:
    """The request to answer in the target language, in the source's words or in the target's.

    The two prompting baselines of CLaS-Bench. A word translation asks by naming the target where
    the prompt named the source.
    """

    fits = False

    def __init__(self, name: str, *, in_target: bool) -> None:
        self.name = name
        self.in_target = in_target

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """The request before the prompt, at its end, or at both places."""
        found = [Candidate(f"request {place}", self._treat(place)) for place in PLACES]
        return best_of(found, scored)

    def _treat(self, place: str) -> Callable[[Case], Treatment]:
        def treat(case: Case) -> Treatment:
            return Treatment(asked(case, place, self.in_target))

        return treat


def asked(case: Case, place: str, in_target: bool) -> str:
    """The prompt of a case with the request."""
    text = case.prompt.text
    if case.prompt.family == "translation":
        labels = world().labels
        head, _, _ = text.rpartition(labels[case.source])
        return f'{head}{labels[case.target]}: "'
    sentence = request(case.target if in_target else case.source, case.target)
    if place in ("after", "both"):
        text = insert(text, sentence)
    return f"{sentence} {text}" if place in ("before", "both") else text


class ScriptMask:
    """Tokens with letters of another script than the target's become unlikely or impossible."""

    name = "script mask"
    fits = False

    def search(self, fitted: Fitted, scored: Scored) -> Candidate:
        """Every penalty on a logit."""
        tokenizer = fitted.loaded.tokenizer
        found = [Candidate(f"penalty {one:g}", self._treat(tokenizer, one)) for one in PENALTIES]
        return best_of(found, scored)

    @staticmethod
    def _treat(tokenizer: PreTrainedTokenizerBase, penalty: float) -> Callable[[Case], Treatment]:
        @cache
        def bias(target: str) -> Tensor:
            return torch.where(foreign(tokenizer, target), -penalty, 0.0)

        return lambda case: Treatment(case.prompt.text, bias=bias(case.target))


def foreign(tokenizer: PreTrainedTokenizerBase, target: str) -> Tensor:
    """``[vocabulary]``: which tokens hold a letter of a script that is not the target's.

    A token without letters, or with a part of a character only, fits every script.
    """
    family = family_of(target)
    fitting = {family} if family != CJK else EAST_ASIAN[str(likely_script(parts(target)))]
    tokens = tokenizer.batch_decode([[number] for number in range(len(tokenizer))])
    return torch.tensor(
        [any(word and word not in fitting for word in map(script_word, one)) for one in tokens]
    )
