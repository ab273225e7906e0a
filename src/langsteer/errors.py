"""The errors that langsteer raises for the person who called it.

Every message says what was wrong, with the value, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class LangsteerError(Exception):
    """Base class of all errors that are for the user."""


class CorpusError(LangsteerError):
    """A corpus cannot be read or cannot be used."""


class LanguageError(LangsteerError):
    """A language tag is malformed, unknown, or not among those at hand."""


class ModelError(LangsteerError):
    """A model cannot be loaded, or its residual stream cannot be found."""


class LatentError(LangsteerError):
    """Latents are not finite."""


class SpaceError(LangsteerError):
    """A space cannot be read, or does not fit the model."""


class SteeringError(LangsteerError):
    """An edit cannot be applied as asked."""


class ScopeError(SteeringError):
    """A scope is malformed or selects nothing."""


class ReportError(LangsteerError):
    """A report cannot be written."""


class MissingExtraError(LangsteerError, ImportError):
    """A package is not installed that only some commands need."""


EXTRAS = {
    "eval": ("py3langid", "sacrebleu", "httpx2"),
    "report": ("matplotlib", "jinja2"),
    "peft": ("peft",),
    "gguf": ("gguf",),
    "datasets": ("datasets",),
    "accelerate": ("accelerate",),
    "zstd": ("backports",),
    "lm-eval": ("lm_eval",),
    "serve": ("fastapi", "uvicorn", "prometheus_client"),
}
"""The modules that each extra of the package brings along; `pyproject.toml` says the same."""


@contextmanager
def optional_imports() -> Iterator[None]:
    """Say how to install a package of `EXTRAS` whose import fails in this context.

    Raises:
        MissingExtraError: instead of the `ModuleNotFoundError` of a package that an extra brings.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        raise missing from error


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """The error that says how to install the module; None if no extra brings it."""
    module = (error.name or "").partition(".")[0]
    extra = next((name for name, modules in EXTRAS.items() if module in modules), None)
    if extra is None:
        return None
    return MissingExtraError(
        f"This needs the package {module}, which is not installed. Install it with: "
        f"pip install 'langsteer[{extra}]'"
    )
