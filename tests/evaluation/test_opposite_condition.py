"""The opposite condition adds exactly what the edit takes away, at the same places."""

import torch

from langsteer.data.prompts import Prompt
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.evaluation.cases import Case
from langsteer.evaluation.conditions import CONDITIONS
from langsteer.evaluation.evaluate import chosen


def test_the_change_is_that_of_the_edit_with_its_sign_turned() -> None:
    edit = Edit({3: Shift(torch.randn(8))}, strength=0.7, scope=Scope.parse("generated"))
    turned = CONDITIONS["opposite"].edit(edit, Case(Prompt("Haus", "de"), "en"))
    z = torch.randn(5, 8)
    torch.testing.assert_close(
        turned.maps[3](z, turned.strength) - z, z - edit.maps[3](z, edit.strength)
    )
    assert turned.scope == edit.scope
    assert list(turned.maps) == [3]


def test_it_is_run_only_by_name() -> None:
    assert CONDITIONS["opposite"] not in chosen(None)
    assert CONDITIONS["opposite"] in chosen(["opposite"])
