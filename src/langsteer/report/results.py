"""The table of results: every family under every condition."""

from collections.abc import Mapping, Sequence

from langsteer.report.data import FamilyResult
from langsteer.report.tables import Column, Table, rate_columns, rate_values

CONDITION_NAMES: Mapping[str, str] = {
    "steered": "steered",
    "prompted": "asked in the prompt",
    "random": "random vector",
    "unsteered": "unsteered",
}
"""Condition → what it is called on the page."""


def results_table(families: Sequence[FamilyResult]) -> Table:
    """One row for each family and condition."""
    columns = [
        Column("family", "Family", "text"),
        Column("condition", "Condition", "text"),
        *rate_columns("language_rate", "Language"),
        *rate_columns("meaning", "Meaning"),
        *rate_columns("score", "Both"),
        Column("prompts", "Prompts", "count"),
    ]
    rows = [
        [
            family.name,
            one.name,
            *rate_values(one.language_rate),
            *rate_values(one.meaning),
            *rate_values(one.score),
            one.prompts,
        ]
        for family in families
        for one in family.conditions
    ]
    return Table(columns, rows)
