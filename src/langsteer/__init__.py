"""langsteer: change the output language of a causal language model inside its residual stream.

Names are imported when they are first used, so that ``import langsteer`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from langsteer import legacy

if TYPE_CHECKING:
    from langsteer.data.corpus import Corpus as Corpus
    from langsteer.data.corpus import Text as Text
    from langsteer.edits.edit import Edit as Edit
    from langsteer.edits.guard import Guard as Guard
    from langsteer.edits.scope import Scope as Scope
    from langsteer.engines.transformers.chat import ChatOptions as ChatOptions
    from langsteer.engines.transformers.generation import Events as Events
    from langsteer.engines.transformers.generation import Generation as Generation
    from langsteer.engines.transformers.model import Model as Model
    from langsteer.errors import LangsteerError as LangsteerError
    from langsteer.space.space import OperatingPoint as OperatingPoint
    from langsteer.space.space import Space as Space
    from langsteer.training.options import TrainingOptions as TrainingOptions

__version__ = "0.2.0"

_HOMES = {
    "Corpus": "data.corpus",
    "ChatOptions": "engines.transformers.chat",
    "Edit": "edits.edit",
    "Events": "engines.transformers.generation",
    "Generation": "engines.transformers.generation",
    "Guard": "edits.guard",
    "LangsteerError": "errors",
    "Model": "engines.transformers.model",
    "OperatingPoint": "space.space",
    "Scope": "edits.scope",
    "Space": "space.space",
    "Text": "data.corpus",
    "TrainingOptions": "training.options",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in legacy.NAMES:
        return legacy.find(name)
    if name not in _HOMES:
        raise AttributeError(f"module 'langsteer' has no attribute {name!r}")
    return getattr(import_module(f"langsteer.{_HOMES[name]}"), name)


legacy.install()
