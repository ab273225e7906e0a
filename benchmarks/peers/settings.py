"""The settings of the comparison: an easy one, and the hard ones, each defined once.

A setting is a way of fitting and a way of asking. Settings that only ask in another way use what
was fitted and tuned for the easy one, as a user would.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """What the methods are fitted on, what they are asked, and why that is hard."""

    name: str
    fit: str
    """A key of ``corpora.CORPORA``."""
    ask: str
    """A key of ``questions.ASKED``."""
    definition: str

    @property
    def easy(self) -> bool:
        """Whether it is the easy one."""
        return self.name == EASY


EASY = "easy"
SETTINGS: tuple[Setting, ...] = (
    Setting(
        EASY,
        "matching",
        "usual",
        "Fitted on 180 prompts in the form of the tasks, the same ones in every language; asked "
        "translations, questions and continuations about other concepts, for all 132 pairs.",
    ),
    Setting(
        "plain text",
        "plain",
        "usual",
        "Fitted on 100 plain sentences and lists per language, each language about its own "
        "subjects, no translations among them and no prompts.",
    ),
    Setting("4 texts", "4", "usual", "Fitted on 4 matching prompts per language."),
    Setting("16 texts", "16", "usual", "Fitted on 16 matching prompts per language."),
    Setting("64 texts", "64", "usual", "Fitted on 64 matching prompts per language."),
    Setting(
        "other topics",
        "topics",
        "usual",
        "Fitted on 60 matching prompts per language about two of four topics (countries, "
        "currencies, languages, the calendar), another two for each neighbour in the list of "
        "languages: what tells two languages apart is mixed with what they talk about.",
    ),
    Setting(
        "wrong labels",
        "labels",
        "usual",
        "Fitted on the prompts of the easy setting, a tenth of which carry the tag of a language "
        "that they are not in.",
    ),
    Setting(
        "close pairs",
        "matching",
        "close",
        "Asked for the pairs es-pt, ru-uk and de-nl alone, both ways: those close pairs that the "
        "twelve languages have.",
    ),
    Setting(
        "examples",
        "matching",
        "examples",
        "Asked translations after four examples that are answered in the wrong language.",
    ),
    Setting(
        "long answers",
        "matching",
        "long",
        "Asked for all months in order, the longest answer that the model knows. Right is an "
        "answer with every name in the target language and none in another.",
    ),
    Setting(
        "names another",
        "matching",
        "named",
        "Asked questions that end with the request to answer in a third language, neither that of "
        "the question nor the wanted one. The source is the language that the question is "
        "written in: nobody has read the prompt.",
    ),
    Setting(
        "temperature 1",
        "matching",
        "sampled",
        "The prompts of the easy setting, every token drawn at temperature 1.",
    ),
)


def named(name: str) -> Setting:
    """The setting of a name."""
    return {setting.name: setting for setting in SETTINGS}[name]
