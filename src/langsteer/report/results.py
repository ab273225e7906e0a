"""The tables behind the parts of the page that are not figures: results, failures, answers."""

from collections.abc import Sequence
from dataclasses import astuple, fields

from langsteer.report.data import FailureKind, FamilyResult, JudgedAnswer, MetricResult
from langsteer.report.tables import Column, Table, rate_columns, rate_values


def results_table(families: Sequence[FamilyResult]) -> Table:
    """One row for each family and condition."""
    columns = [
        Column("family", "Family", "text"),
        Column("condition", "Condition", "text"),
        *rate_columns("language_rate", "Language"),
        *rate_columns("meaning", "Meaning"),
        *rate_columns("both", "Both"),
        Column("prompts", "Prompts", "count"),
    ]
    rows = [
        [
            family.name,
            one.name,
            *rate_values(one.language_rate),
            *rate_values(one.meaning),
            *rate_values(one.both),
            one.prompts,
        ]
        for family in families
        for one in family.conditions
    ]
    return Table(columns, rows)


def metrics_table(metrics: Sequence[MetricResult]) -> Table:
    """One row for each metric and condition."""
    columns = [
        Column("metric", "Metric", "text"),
        Column("condition", "Condition", "text"),
        Column("better", "Better", "text"),
        *(Column(name, name, "real") for name in ("value", "low", "high")),
        Column("n", "n", "count"),
    ]
    rows = [[one.metric, one.condition, one.better, *astuple(one.value)] for one in metrics]
    return Table(columns, rows)


def failures_table(kinds: Sequence[FailureKind]) -> Table:
    """One row for each kind of failure."""
    columns = [
        Column("failure", "Kind of failure", "text"),
        Column("count", "Answers", "count"),
        Column("total", "of", "count"),
    ]
    return Table(columns, [[kind.name, kind.count, kind.total] for kind in kinds])


def answers_table(answers: Sequence[JudgedAnswer]) -> Table:
    """One row for each answer, with its verdict."""
    columns = [
        Column(name, name.replace("_", " "), "text")
        for name in (field.name for field in fields(JudgedAnswer))
    ]
    return Table(columns, [[*astuple(one)] for one in answers])
