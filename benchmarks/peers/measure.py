"""One method in one setting: fit, tune, answer, and what it cost. Every step is kept in a cache."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import random
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from answers import answered
from corpora import CORPORA
from fitted import Fitted
from questions import ASKED, Asked, cluster, for_tuning
from settings import EASY, Setting, named
from treatments import BUDGET, Candidate, Method

from langsteer.data.files import write_whole
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.evaluation.objective import objective

HERE = Path(__file__).parent
SOURCES = ("answers.py", "corpora.py", "fitted.py", "questions.py", "treatments.py")
MEGABYTE = 2**20
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Tuned:
    """What was chosen on the tuning cases, of how many, and what that took."""

    label: str
    objective: float
    tried: dict[str, float]
    answers: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """One method in one setting. ``language`` and ``meaning`` are one truth value per case."""

    method: str
    setting: str
    label: str
    tried: int
    seconds_to_tune: float
    seconds_to_answer: float
    peak_megabytes: float
    case_ids: list[str]
    clusters: list[str]
    language: list[bool]
    meaning: list[bool]
    answers: list[str]
    objectives: dict[str, float] = field(default_factory=dict)
    """What every configuration reached on the tuning cases."""


@dataclass(frozen=True)
class Size:
    """How many cases are tuned on, and at most how many every setting is tested on."""

    tuning: int = 66
    testing: int = 198


class Bench:
    """The model, and what was measured on it so far."""

    def __init__(self, loaded: Model, folder: Path, size: Size = Size()) -> None:
        self.loaded = loaded
        self.folder = folder
        self.size = size
        self._fitted: dict[str, Fitted] = {}
        self._chosen: dict[tuple[str, str], tuple[Candidate, Tuned]] = {}

    def measure(self, method: Method, setting: Setting) -> Result:
        """The result, from the cache if it is there."""
        if not method.fits and setting.ask == "usual" and not setting.easy:
            return replace(self.measure(method, named(EASY)), setting=setting.name)
        path = self._path(method, setting)
        if path.is_file():
            return Result(**json.loads(path.read_text(encoding="utf-8")))
        asked = drawn(ASKED[setting.ask]("test"), self.size.testing)
        candidate, tuned = self._tuned(method, setting.fit if method.fits else "matching")
        began = cpu_seconds()
        (outcomes,) = answered(self.loaded, asked, [candidate])
        result = Result(
            method=method.name,
            setting=setting.name,
            label=tuned.label,
            tried=len(tuned.tried),
            seconds_to_tune=tuned.seconds,
            seconds_to_answer=cpu_seconds() - began,
            peak_megabytes=peak_megabytes(),
            case_ids=[f"{case.target} {case.prompt.text}" for case in asked.cases],
            clusters=[cluster(case) for case in asked.cases],
            language=[one.verdict.language_right for one in outcomes],
            meaning=[bool(one.verdict.meaning_right) for one in outcomes],
            answers=[one.answer for one in outcomes],
            objectives=tuned.tried,
        )
        write_json(path, asdict(result))
        return result

    def known(self, method: Method, setting: Setting) -> bool:
        """Whether the result is in the cache."""
        if not method.fits and setting.ask == "usual":
            setting = named(EASY)
        return self._path(method, setting).is_file()

    def fitted(self, name: str) -> Fitted:
        """The texts of a way of fitting."""
        if name not in self._fitted:
            self._fitted = {name: Fitted(self.loaded, CORPORA[name]())}
        return self._fitted[name]

    def _tuned(self, method: Method, fit: str) -> tuple[Candidate, Tuned]:
        key = (method.name, fit)
        if key not in self._chosen:
            self._chosen[key] = self._search(method, self.fitted(fit))
        return self._chosen[key]

    def _search(self, method: Method, fitted: Fitted) -> tuple[Candidate, Tuned]:
        asked = drawn(for_tuning(), self.size.tuning)
        tried: dict[str, float] = {}

        def scored(candidates: Sequence[Candidate]) -> list[float]:
            if len(tried) + len(candidates) > BUDGET:
                raise LangsteerError(f"{method.name} tries more than {BUDGET} configurations.")
            found = [objective(one) for one in answered(self.loaded, asked, candidates)]
            tried.update(zip((one.label for one in candidates), found, strict=True))
            return found

        began = cpu_seconds()
        best = method.search(fitted, scored)
        seconds = cpu_seconds() - began
        return best, Tuned(
            best.label, tried[best.label], tried, len(tried) * len(asked.cases), seconds
        )

    def _path(self, method: Method, setting: Setting) -> Path:
        key = f"{method.name} {setting.fit} {setting.ask} {self.size}"
        digest = hashlib.sha256(key.encode() + source_of(method)).hexdigest()[:8]
        name = f"{method.name}-{setting.name}-{digest}.json".replace(" ", "_").replace(",", "")
        return self.folder / "results" / name


def drawn(asked: Asked, number: int) -> Asked:
    """At most that many of the cases, drawn by chance but always the same."""
    few = random.Random(number).sample(asked.cases, min(number, len(asked.cases)))
    return replace(asked, cases=tuple(few))


def write_json(path: Path, found: dict[str, Any]) -> None:
    """Writes the object whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(found, ensure_ascii=False, indent=1).encode(), LangsteerError)


def cpu_seconds() -> float:
    """The processor time of this process and of what it started: other work does not count."""
    return sum(os.times()[:4])


def peak_megabytes() -> float:
    """The most memory that this process or one that it started has had resident so far."""
    own, started = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return max(own, started) * RSS_UNIT / MEGABYTE


def source_of(method: Method) -> bytes:
    """The code that a result depends on, so that no result outlives what made it."""
    own = Path(inspect.getfile(type(method)))
    return b"".join(path.read_bytes() for path in [own, *(HERE / name for name in SOURCES)])
