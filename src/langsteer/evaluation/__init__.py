"""Prompts with keys, verdicts on answers, and rates with intervals."""
