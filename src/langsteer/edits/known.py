"""Tables for batches whose rows come and go, without stacking the same vectors each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langsteer.edits.edit import Edit
from langsteer.edits.maps.shift import Shift
from langsteer.edits.table import EditTable

MOST = 512
"""Edits that are kept in one table: all pairs of 23 languages."""


class KnownEdits:
    """Makes the tables of edits, of which most were there a moment ago.

    Edits that are vectors at the same layers stay in one table, so that another batch of them only
    needs its rows. All others have tables of their own: factors of edits that are not in a batch
    would cost it time. An edit is known by identity.
    """

    def __init__(self) -> None:
        self._edits: tuple[Edit, ...] = ()
        self._rows: dict[int, int] = {}
        self._table: EditTable | None = None

    def table(self, edits: Sequence[Edit | None]) -> EditTable:
        """The table of these edits, as `EditTable.of` makes it, or a larger one with them."""
        given = [edit for edit in edits if edit is not None and not edit.idle]
        table = self._table_with(given)
        if table is None:
            return EditTable.of(edits)
        rows = tuple(0 if edit is None or edit.idle else self._rows[id(edit)] for edit in edits)
        strengths = tuple(0.0 if edit is None else edit.strength for edit in edits)
        return replace(table, rows=rows, strengths=strengths)

    def _table_with(self, given: Sequence[Edit]) -> EditTable | None:
        """The table that is kept, with these edits in it; None if they cannot be in it."""
        new = {id(edit): edit for edit in given if id(edit) not in self._rows}
        if not new:
            return self._table if given else None
        if not all(map(_is_vectors, new.values())):
            return None
        edits = (*self._edits, *new.values())
        if len(edits) > MOST or not _at_the_same_layers(edits):
            edits = tuple({id(edit): edit for edit in given}.values())
            if not _at_the_same_layers(edits):
                return None
        self._edits, self._table = edits, EditTable.of(edits)
        self._rows = {id(edit): row for edit, row in zip(edits, self._table.rows, strict=True)}
        return self._table


def _at_the_same_layers(edits: Sequence[Edit]) -> bool:
    return len({frozenset(edit.maps) for edit in edits}) == 1


def _is_vectors(edit: Edit) -> bool:
    return not edit.restore_norm and all(isinstance(map_, Shift) for map_ in edit.maps.values())
