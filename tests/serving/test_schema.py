"""What the OpenAPI file says is what the server does: requests made up from it, right and wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from langsteer.serving.settings import Limits, Settings
from serving.conftest import listening

LIMITS = Limits(tokens=8, body=20_000, queue=64, rows=8)
PATHS = {
    "/v1/chat/completions", "/v1/completions", "/v1/models", "/v1/languages", "/v1/detect",
    "/health", "/ready", "/metrics", "/admin/spaces", "/admin/spaces/{name}",
}  # fmt: skip


KNOWN = {"model": "tiny", "language": "fr", "source": "de", "space": "letters"}


def check(operation: Any, examples: int) -> Counter[int]:
    """Ask as the file says, right and wrong; how often each status was given."""
    given_back: Counter[int] = Counter()

    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: Any) -> None:
        if isinstance(case.body, dict):  # of names that are made up none is known
            case.body |= {
                key: name for key, name in KNOWN.items() if isinstance(case.body.get(key), str)
            }
        key = {"Authorization": "Bearer admin"}
        # Not every pair of fields fits, nor every prompt: that is said by a 400.
        answer = case.call_and_validate(headers=key, excluded_checks=[positive_data_acceptance])
        given_back[answer.status_code] += 1

    ask()
    return given_back


@pytest.mark.slow
def test_the_server_does_what_its_file_says() -> None:
    settings = Settings(admin_key="admin", limits=LIMITS)
    with listening(settings) as address:
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        operations = [one.ok() for one in schema.get_all_operations()]
        assert {one.path for one in operations} == PATHS
        for one in operations:
            counts = check(one, 60 if "completions" in one.path else 15)
            assert counts[200] or one.path.startswith("/admin/spaces"), one.path


def test_the_file_has_no_status_that_is_never_given() -> None:
    with listening(Settings(limits=LIMITS)) as address:
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json").raw_schema
    for path in schema["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]
    assert "HTTPValidationError" not in schema["components"]["schemas"]
