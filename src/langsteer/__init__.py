"""langsteer: change the output language of a causal language model inside its residual stream.

The names below are imported when they are first used, so that ``import langsteer`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langsteer.corpus import Corpus, Text, read_corpus
    from langsteer.errors import LangsteerError
    from langsteer.fitting import fit
    from langsteer.loading import Loaded, load
    from langsteer.residual import ResidualStream
    from langsteer.space import OperatingPoint, Space
    from langsteer.steering import Edit, Scope, generate, steering

__version__ = "0.1.0"

_HOMES = {
    "Corpus": "corpus",
    "Edit": "steering",
    "LangsteerError": "errors",
    "Loaded": "loading",
    "OperatingPoint": "space",
    "ResidualStream": "residual",
    "Scope": "steering",
    "Space": "space",
    "Text": "corpus",
    "fit": "fitting",
    "generate": "steering",
    "load": "loading",
    "read_corpus": "corpus",
    "steering": "steering",
}

__all__ = [
    "Corpus",
    "Edit",
    "LangsteerError",
    "Loaded",
    "OperatingPoint",
    "ResidualStream",
    "Scope",
    "Space",
    "Text",
    "fit",
    "generate",
    "load",
    "read_corpus",
    "steering",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'langsteer' has no attribute {name!r}")
    return getattr(import_module(f"langsteer.{_HOMES[name]}"), name)
