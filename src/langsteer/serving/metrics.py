"""What a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from langsteer.serving.worker import Worker


class Counts:
    """The counters of one server."""

    def __init__(self, worker: Worker) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "langsteer_requests", "Requests by language and outcome.", ["language", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.tokens = Counter(
            "langsteer_tokens", "Tokens read and written.", ["kind"], registry=self.registry
        )
        self.guard = Counter(
            "langsteer_guard_positions", "Positions that guards let be edited, and all in scope.",
            ["kind"], registry=self.registry,
        )  # fmt: skip
        self.begun_anew = Counter(
            "langsteer_begun_anew", "Stretches that were written anew to keep their language.",
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "langsteer_request_seconds", "Seconds of a request.", registry=self.registry
        )
        for name, what, read in (
            ("langsteer_queue", "Answers that wait.", lambda: worker.waiting),
            ("langsteer_running", "Answers that are being written.", lambda: worker.running),
        ):
            Gauge(name, what, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self.registry)
