"""A corpus that is a translation memory, TMX 1.4b (LISA OSCAR, 2005): ``.tmx``.

Each unit is one concept, each of its variants one text. Elements that hold codes of a document
(``bpt``, ``ept``, ``it``, ``ph``, ``ut``) are left out; a variant without text is missing. The XML
is read safely: no entity may be declared, and nothing besides the file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from langsteer.data.corpus import Corpus, Text
from langsteer.data.corpus_layouts import CorpusLayout, CorpusSource
from langsteer.data.files import spoken
from langsteer.data.problems import Problems
from langsteer.errors import CorpusError

CODES = frozenset({"bpt", "ept", "it", "ph", "sub", "ut"})
LANGUAGE = ("xml:lang", "lang")
"""The second is what TMX 1.1 has."""


def read(source: CorpusSource) -> Corpus:
    """The texts of all units.

    Raises:
        CorpusError: the file cannot be read, is not TMX or not well-formed, declares entities, or
            has a variant without a language.
    """
    problems = Problems(source.name)
    memory = TranslationMemory(source.path, problems)
    memory.parse()
    problems.refuse()
    return Corpus(tuple(memory.texts), source.name)


class TranslationMemory:
    """What has been read of a file."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self.texts: list[Text] = []
        self._open: list[str] = []
        self._unit = 0
        self._language: str | None = None
        self._segment: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.EntityDeclHandler = self._entity
        self._parser.SkippedEntityHandler = self._entity
        self._parser.ExternalEntityRefHandler = self._entity

    def parse(self) -> None:
        """Read the whole file.

        Raises:
            CorpusError: it cannot be read, is not TMX or not well-formed, or declares entities.
        """
        try:
            self._parser.Parse(self.path.read_bytes(), True)
        except OSError as error:
            raise CorpusError(
                f"{spoken(self.path)!r} cannot be read: {error.strerror}. Check the path and its "
                "permissions."
            ) from error
        except (expat.ExpatError, ValueError, LookupError) as error:
            reason = expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else error
            raise CorpusError(
                f"{self._place()}: the XML is not well-formed ({reason}). Export the file again."
            ) from error

    def _place(self) -> str:
        return f"{spoken(self.path)}:{self._parser.CurrentLineNumber}"

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if not self._open and name != "tmx":
            raise CorpusError(
                f"{self._place()}: the file is not TMX: it begins with <{name}>. Give a "
                "translation memory, or another name to a file of another format."
            )
        self._open.append(name)
        if name == "tu":
            self._unit += 1
        elif name == "tuv":
            found = (attributes[one] for one in LANGUAGE if attributes.get(one))
            self._language = next(found, None)
        elif name == "seg":
            self._segment = []

    def _data(self, text: str) -> None:
        if "seg" in self._open and not CODES.intersection(self._open):
            self._segment.append(text)

    def _end(self, name: str) -> None:
        self._open.pop()
        text = "".join(self._segment).strip()
        if name != "seg" or not text:
            return
        with self.problems.at(self._place()):
            if self._language is None:
                raise CorpusError("the variant has no language. Give it xml:lang.")
            self.texts.append(Text(text, self._language, str(self._unit)))

    def _entity(self, name: str | None, *_: object) -> NoReturn:
        raise CorpusError(
            f"{self._place()}: the file declares or uses the entity {name!r}, which is not read "
            "for safety. Export it without entities of its own."
        )


LAYOUT = CorpusLayout({"tmx": (".tmx",)}, read)
