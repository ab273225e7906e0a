"""The errors that langsteer raises for the person who called it.

Every message says what was wrong, with the value, and what to do about it.
"""


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
