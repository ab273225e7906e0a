"""The fields of a row, and access to them that checks their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from langsteer.data.problems import shown
from langsteer.errors import CorpusError
from langsteer.text.tags import normalise


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of one row, of whatever kind of file."""

    place: str
    """Where it is, such as ``file:line``."""
    values: Mapping[str, object]

    def string(self, name: str) -> str:
        """A string that must be there.

        Raises:
            CorpusError: it is not, or is of another type.
        """
        if name not in self.values:
            raise CorpusError(
                f"there is no {name!r}, only {', '.join(map(repr, self.values)) or 'an empty row'}."
                " Add it, or say which column to use."
            )
        return _string(self.values[name], repr(name))

    def text(self, name: str) -> str | None:
        """A string that may be absent, null or empty: all three are None.

        Raises:
            CorpusError: it is of another type.
        """
        value = self.values.get(name)
        return None if value in (None, "") else _string(value, repr(name))

    def first(self, names: Sequence[str]) -> str | None:
        """The first of these fields that is there and not null; it must be a string.

        Raises:
            CorpusError: it is of another type.
        """
        found = (name for name in names if self.values.get(name) is not None)
        return next((self.string(name) for name in found), None)

    def label(self, name: str) -> str | None:
        """A name or a whole number, as a string; None if it is absent, null or empty.

        Raises:
            CorpusError: it is of another type.
        """
        value = self.values.get(name)
        if value in (None, ""):
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise CorpusError(
                f"{name!r} is neither a string nor a whole number: {shown(value)}. Give a name or "
                "a number."
            )
        return str(value)

    def strings(self, name: str) -> tuple[str, ...]:
        """A list of strings that are not empty; one string is a list of one, null is an empty list.

        Raises:
            CorpusError: it is of another type.
        """
        return strings_in(self.values.get(name), repr(name))

    def flag(self, name: str) -> bool:
        """Whether it is true; false if it is absent or null.

        Raises:
            CorpusError: it is of another type.
        """
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise CorpusError(f"{name!r} is {shown(value)}. Write true or false.")
        return bool(value)

    def mapping(self, name: str) -> Mapping[str, object]:
        """An object from language to something, its tags normalised; empty if absent or null.

        Raises:
            CorpusError: it is no object, or two of its tags are one language.
            LanguageError: one of its names is not a tag.
        """
        value = self.values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise CorpusError(
                f"{name!r} is {shown(value)}. Write an object from language to value, such as "
                '{"de": …}.'
            )
        return by_language(value, repr(name))


def strings_in(value: object, what: str) -> tuple[str, ...]:
    """The strings in a list; one string is a list of one, null an empty one.

    Raises:
        CorpusError: it is neither, or a string is empty.
    """
    given = [] if value is None or value == "" else value if isinstance(value, list) else [value]
    for one in given:
        if not isinstance(one, str):
            hint = f' Write numbers in quotation marks: "{one}".' if _numeric(one) else ""
            raise CorpusError(
                f"{what} is neither a string nor a list of strings: {shown(value)}.{hint}"
            )
        if not one.strip():
            raise CorpusError(f"{what} holds an empty string. Remove it or write what is meant.")
    return tuple(given)


def by_language(
    value: Mapping[str, object], what: str, every: str | None = None
) -> dict[str, object]:
    """The same mapping with normalised tags; the name ``every`` stays as it is.

    Raises:
        CorpusError: two names are the same language.
        LanguageError: a name is not a tag.
    """
    found: dict[str, object] = {}
    for name, one in value.items():
        tag = name if name == every else normalise(name)
        if tag in found:
            raise CorpusError(f"{what} names the language {tag!r} twice. Keep one of them.")
        found[tag] = one
    return found


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise CorpusError(f"{what} is not a string: {shown(value)}. Write it as a string.")
    return value


def _numeric(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
