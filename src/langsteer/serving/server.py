"""What all requests to a server share: its model, the thread that runs it, and what is counted."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from langsteer.engines.transformers.chat import PLAIN, ChatOptions, Rendered, render
from langsteer.engines.transformers.continuous import can_decode
from langsteer.engines.transformers.decoding import Continuation
from langsteer.engines.transformers.encoding import check_prompt
from langsteer.engines.transformers.generation import SEEDS, end_tokens, own_stops
from langsteer.engines.transformers.sampling import Sampling, row_seeds
from langsteer.errors import ModelError, SteeringError
from langsteer.serving.jobs import Job
from langsteer.serving.keeping import detection
from langsteer.serving.metrics import Counts
from langsteer.serving.requests import ChatRequest, CompletionRequest, SteeringFields
from langsteer.serving.settings import Settings
from langsteer.serving.steering import Served, Wanted, wanted
from langsteer.serving.wording import Wording
from langsteer.serving.worker import Worker

LOG = logging.getLogger("langsteer.serving")


@dataclass
class Exchange:
    """A request on its way: its jobs, what they are to say, and when it came."""

    request: SteeringFields
    jobs: list[Job]
    wanted: list[Wanted]
    chat: bool
    number: str
    created: int
    began: float

    @property
    def language(self) -> str:
        """The language that was asked for, for counts and logs."""
        return self.wanted[0].language or "none"


class Server:
    """What the routes of one application share."""

    def __init__(self, served: Served, settings: Settings) -> None:
        if not can_decode(served.model):
            raise ModelError(
                f"{served.name} keeps more than keys and values for each token, so that requests "
                "cannot share its batches; it cannot be served"
            )
        self.served, self.settings = served, settings
        self.worker = Worker(served.model, end_tokens(served.model), settings.limits)
        self.counts = Counts(self.worker)
        # One thread: long prompts are read one after the other, and no stream waits for them.
        self._reading = ThreadPoolExecutor(1, "langsteer-tokens")

    async def take(self, request: ChatRequest | CompletionRequest) -> Exchange:
        """The jobs of a request, which wait for their turn: see `prepare`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self.prepare, request, loop)

    def prepare(
        self, request: ChatRequest | CompletionRequest, loop: asyncio.AbstractEventLoop
    ) -> Exchange:
        """The jobs of a request, whose pieces this loop is told.

        Raises:
            LangsteerError: something in it is unknown or does not fit.
        """
        chat = isinstance(request, ChatRequest)
        prompts = self._prompts(request)
        keep = self.settings.keep_language and chat
        said = _said(request)
        want = [wanted(self.served, request, prompt, said, keep=keep) for prompt in prompts]
        stops = request.stops() + own_stops(self.served.model)
        word = partial(Wording, self.served.model.tokenizer, stops)
        jobs = [
            Job(begin, word, loop, one.resolve, one.origin, one.keeper)
            for begin, one in zip(self._rows(request, prompts), want, strict=True)
        ]
        self.worker.submit(jobs)
        number = f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}"
        return Exchange(request, jobs, want, chat, number, int(time.time()), time.monotonic())

    def _prompts(self, request: ChatRequest | CompletionRequest) -> list[Rendered]:
        tokenizer = self.served.model.tokenizer
        if isinstance(request, ChatRequest):
            messages = [message.plain() for message in request.messages]
            kwargs = dict(request.chat_template_kwargs or {})
            options = ChatOptions(template=kwargs, enabled=True)
            options.applies(tokenizer)
            found = [render(tokenizer, messages, options)]
        else:
            found = [
                render(tokenizer, one, PLAIN) if isinstance(one, str) else self._given(one)
                for one in request.prompts()
            ]
        model = self.served.model
        for one in found:
            check_prompt(one.ids, one.text, model.stream.context, model.vocabulary)
        return found

    def _given(self, tokens: Sequence[int]) -> Rendered:
        """A prompt that came as tokens."""
        vocabulary = self.served.model.vocabulary
        unknown = next((one for one in tokens if one >= vocabulary), None)
        if unknown is not None:
            raise SteeringError(
                f"the prompt has the token {unknown}, and those of the model are 0 to "
                f"{vocabulary - 1}"
            )
        return Rendered(tuple(tokens), tuple(range(len(tokens))), "")

    def _rows(
        self, request: ChatRequest | CompletionRequest, prompts: Sequence[Rendered]
    ) -> list[Callable[[], Continuation]]:
        """What makes the row of each prompt, always the same one."""
        limits, context = self.settings.limits, self.served.model.stream.context
        longest = request.longest() or min(request.usual_tokens, limits.tokens)
        if longest > limits.tokens:
            raise SteeringError(
                f"max_tokens is {longest}, and the most that is written here is {limits.tokens}"
            )
        temperature = 1.0 if request.temperature is None else request.temperature
        seed = uuid.uuid4().int % SEEDS if request.seed is None else request.seed % SEEDS

        def begin(prompt: Rendered, own: int) -> Continuation:
            room = longest if context is None else min(longest, context - len(prompt.ids))
            draw = Sampling(temperature, request.top_p or 1.0, [own]) if temperature else None
            # A stop string is found in the text that is shown, not here: it is not part of it.
            return Continuation(prompt, None, room, draw, top=request.top())

        seeds = row_seeds(seed, [one.ids for one in prompts])
        return [partial(begin, one, own) for one, own in zip(prompts, seeds, strict=True)]

    def language_of(self, text: str) -> str | None:
        """The language that a text is in, of those of the spaces; None if that is not sure."""
        return detection(text, self.served.languages()).language

    def finished(self, exchange: Exchange, outcome: str, written: int) -> None:
        """Count and log a request."""
        counts, seconds = self.counts, time.monotonic() - exchange.began
        counts.requests.labels(exchange.language, outcome).inc()
        counts.seconds.observe(seconds)
        read = sum(len(job.row.prompt.ids) for job in exchange.jobs)
        counts.tokens.labels("read").inc(read)
        counts.tokens.labels("written").inc(written)
        acted = selected = begun_anew = 0
        for want in exchange.wanted:
            if want.guard is not None:
                acted, selected = acted + want.guard.acted, selected + want.guard.selected
            if want.keeper is not None:
                begun_anew += want.keeper.begun_anew
        counts.begun_anew.inc(begun_anew)
        counts.guard.labels("edited").inc(acted)
        counts.guard.labels("selected").inc(selected)
        said: dict[str, Any] = {
            "request": exchange.number,
            "language": exchange.language,
            "outcome": outcome,
            "read": read,
            "written": written,
            "begun_anew": begun_anew,
            "seconds": round(seconds, 3),
        }
        if self.settings.log_prompts:
            said["prompts"] = [job.row.prompt.text for job in exchange.jobs]
        LOG.info("%s", json.dumps(said, ensure_ascii=False))


def _said(request: ChatRequest | CompletionRequest) -> list[str]:
    """The user's messages."""
    if not isinstance(request, ChatRequest):
        return []
    return [one.plain()["content"] for one in request.messages if one.role == "user"]
