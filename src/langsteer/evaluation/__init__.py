"""Prompts with keys, verdicts on answers, and rates with intervals."""

from langsteer.evaluation.judge import Judge, Verdict
from langsteer.evaluation.prompts import Prompt, PromptSet, read_prompts, write_prompts
from langsteer.evaluation.rates import Rate, harmonic_mean, rate
from langsteer.evaluation.run import CONDITIONS, Case, Outcome, Runner, cases, ordered_pairs
from langsteer.evaluation.summary import PairScores, Scores, by_family, by_pair, objective, scores

__all__ = [
    "CONDITIONS",
    "Case",
    "Judge",
    "Outcome",
    "PairScores",
    "Prompt",
    "PromptSet",
    "Rate",
    "Runner",
    "Scores",
    "Verdict",
    "by_family",
    "by_pair",
    "cases",
    "harmonic_mean",
    "objective",
    "ordered_pairs",
    "rate",
    "read_prompts",
    "scores",
    "write_prompts",
]
