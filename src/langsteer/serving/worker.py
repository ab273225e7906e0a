"""The thread in which the model runs: it keeps one batch full with the requests that wait."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Sequence
from threading import Condition, Thread

from langsteer.engines.transformers.decoding import Continuation, Decoder
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.source import source_languages
from langsteer.errors import LangsteerError
from langsteer.serving.jobs import Job, PromptReading
from langsteer.serving.settings import Limits

LOG = logging.getLogger("langsteer.serving")


class QueueFullError(LangsteerError):
    """More requests wait than may."""


class StoppingError(LangsteerError):
    """The server is about to end and takes no more requests."""


class Worker:
    """Writes the answers of all requests in one thread, rows of different languages together."""

    def __init__(self, model: Model, ends: Sequence[int], limits: Limits) -> None:
        self._model, self._limits = model, limits
        self._decoder = Decoder(model, ends)
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Job] = {}
        self._change = Condition()
        self._stopping = False
        self._thread = Thread(target=self._run, name="langsteer-model", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Let jobs wait for their turn, all or none.

        Raises:
            QueueFullError: there is no place for them.
            StoppingError: the server is about to end.
        """
        with self._change:
            if self._stopping:
                raise StoppingError("the server is stopping; ask again later")
            if len(self._waiting) + len(jobs) > self._limits.queue:
                raise QueueFullError(
                    f"{len(self._waiting)} requests wait already; ask again in a moment"
                )
            self._waiting.extend(jobs)
            self._change.notify()

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many answers are being written."""
        return len(self._running)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, seconds: float = 60.0) -> None:
        """Take no more jobs, finish those that are there, and end the thread."""
        with self._change:
            self._stopping = True
            self._change.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._change:
                while not (self._waiting or self._running or self._stopping):
                    self._change.wait()
                if self._stopping and not (self._waiting or self._running):
                    return
                entering = self._entering()
            try:
                self._work(entering)
            except Exception as error:  # whatever a model raises: the next requests are answered
                LOG.exception("a step of the model failed")
                self._fail_all([*entering, *self._running.values()], error)

    def _work(self, entering: list[Job]) -> None:
        self._drop_cancelled()
        if entering:
            self._admit(entering)
        if self._decoder.rows:
            self._decoder.step()
            self._push()

    def _entering(self) -> list[Job]:
        """The jobs whose turn it is: as many as there is room for, in their order."""
        found: list[Job] = []
        sizes = [job.row.size for job in self._running.values()]
        while self._waiting:
            job = self._waiting[0]
            if job.cancelled:
                self._waiting.popleft()
                continue
            count = len(sizes) + 1
            wide = max([job.row.size, *sizes])
            full = count > self._limits.rows or count * wide > self._limits.tokens_per_batch
            if full and sizes:
                break
            found.append(self._waiting.popleft())
            sizes.append(job.row.size)
        return found

    def _admit(self, jobs: list[Job]) -> None:
        origins = self._origins([(job, job.origin) for job in jobs if job.origin is not None])
        ready = []
        for job in jobs:
            origin = origins.get(id(job))
            try:
                if isinstance(origin, LangsteerError):
                    raise origin
                if job.resolve is not None:
                    job.row.edit = job.resolve(origin)
                ready.append(job)
            except LangsteerError as error:
                job.fail(error)
        if ready:
            self._read(ready)

    def _origins(
        self, readings: Sequence[tuple[Job, PromptReading]]
    ) -> dict[int, str | LangsteerError]:
        """In which language each prompt would be answered: one pass for all of a space."""
        groups = defaultdict[tuple[int, int], list[tuple[Job, PromptReading]]](list)
        for job, one in readings:
            groups[id(one.space), one.layer].append((job, one))
        found: dict[int, str | LangsteerError] = {}
        for mine in groups.values():
            prompts, (_, first) = [one.prompt for _, one in mine], mine[0]
            try:
                languages = source_languages(self._model, prompts, first.space, first.layer)
                found |= {id(job): tag for (job, _), tag in zip(mine, languages, strict=True)}
            except LangsteerError as error:
                found |= {id(job): error for job, _ in mine}
        return found

    def _read(self, jobs: list[Job]) -> None:
        """Let the prompts in."""
        try:
            self._decoder.admit([job.row for job in jobs])
        except LangsteerError as error:
            if len(jobs) == 1:
                jobs[0].fail(error)
                return
            for job in jobs:  # one of them cannot be edited as asked: the others can
                self._read([job])
            return
        self._running |= {id(job.row): job for job in jobs}
        self._push()

    def _push(self) -> None:
        """Hand out what was written; a text that is over leaves, and so does one to begin anew."""
        over: list[Continuation] = []
        for key, job in list(self._running.items()):
            try:
                edit = job.push()
            except LangsteerError as error:
                job.fail(error)
                edit = None
                job.cancel()
            if edit is None and not (job.over or job.cancelled):
                continue
            over.append(job.row)
            del self._running[key]
            if edit is not None:
                job.begin_anew(edit)
                with self._change:
                    self._waiting.appendleft(job)
        self._decoder.drop(over)

    def _drop_cancelled(self) -> None:
        gone = [key for key, job in self._running.items() if job.cancelled]
        self._decoder.drop([self._running[key].row for key in gone])
        for key in gone:
            del self._running[key]

    def _fail_all(self, jobs: Sequence[Job], error: Exception) -> None:
        for job in dict.fromkeys(jobs):
            job.fail(error)
        self._decoder.drop([job.row for job in jobs])
        self._running.clear()
