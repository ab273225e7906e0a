"""Which of some languages a text is in by its n-grams: the models of py3langid.

Naive Bayes over byte n-grams, restricted to the languages in play (Lui and Baldwin, "langid.py: An
Off-the-shelf Language Identification Tool", ACL 2012; retrained by A. Barbaresi).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from functools import cache
from importlib import import_module
from typing import Any

from langsteer.errors import optional_imports
from langsteer.text.tags import likely_script, normalise, parts

NO_LANGUAGE = "zxx"
"""What py3langid calls a text that is in none."""
ALIASES = {"nb": "no"}
"""Language subtags that it knows under another one."""
SCRIPTS = {"sr": ("Cyrl", "Latn"), "uz": ("Latn", "Cyrl")}
"""Labels of several scripts; every other one knows its language in the likely script alone."""

Probabilities = Callable[[Sequence[str]], list[dict[str, float]]]
"""Says of each text how likely each label is."""


@cache
def labels() -> Mapping[str, str]:
    """BCP-47 tag → what py3langid calls this language.

    Raises:
        MissingExtraError: It is not installed.
    """
    return {normalise(one): one for one in _identifier().labels if one != NO_LANGUAGE}


def label_of(tag: str) -> str | None:
    """What py3langid calls a language; ``None`` where it lacks it in this script."""
    wanted = parts(tag)
    known = ALIASES.get(wanted.language, wanted.language)
    label = labels().get(known)
    scripts = SCRIPTS.get(str(label)) or (likely_script(parts(known)),)
    return label if likely_script(wanted) in scripts else None


def probabilities(chosen: Collection[str]) -> Probabilities:
    """How likely texts are to be in each of the languages, which are given by their labels.

    For each text they add up to 1. May be called from several threads.
    """
    identifier = copy(_identifier())
    identifier.set_languages(list(chosen))
    return lambda texts: [dict(identifier.rank(text)) for text in texts]


@cache
def _identifier() -> Any:
    with optional_imports():
        package = import_module("py3langid.langid")
    return package.LanguageIdentifier.from_model_file(package.MODEL_FILE, norm_probs=True)
