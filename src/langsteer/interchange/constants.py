"""An edit as one constant vector for each layer, which is all that most other formats can say."""

from __future__ import annotations

from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.errors import SteeringError

EVERYWHERE = ("all", "start[:]", "start[0:]")
"""Scopes in which every token of an answer and of its prompt is edited."""


def constants(edit: Edit, what: str) -> dict[int, Tensor]:
    """Layer → `[d]` float32 on the CPU: what the edit adds to each token, strength folded in.

    Args:
        edit: the edit.
        what: the format that it is for, as it is called in messages.

    Raises:
        SteeringError: the edit is not the same constant at every token; the message says why, and
            what to do.
    """
    if edit.guard is not None:
        raise SteeringError(
            f"{what} adds one vector at every token and has no guard. Export the edit without it."
        )
    if str(edit.scope) not in EVERYWHERE:
        raise SteeringError(
            f"{what} acts on every token, but the scope of this edit is {edit.scope}. Export it "
            "with scope all if that is what you want: edit.at(scope='all'), or --scope all."
        )
    if edit.restore_norm:
        raise SteeringError(
            f"{what} adds one vector at every token; an edit that restores norms adds another one "
            "at each. Export it without restore_norm."
        )
    found = {}
    for layer, map_ in sorted(edit.maps.items()):
        if not isinstance(map_, Shift):
            raise SteeringError(
                f"{what} adds one vector at every token, but at layer {layer} this edit is a "
                f"{type(map_).__name__}, which depends on the latent. Export an estimator that "
                "yields a shift, such as difference."
            )
        found[layer] = (edit.strength * map_.vector.float()).cpu()
    if not found:
        raise SteeringError(f"this edit has no layer, so there is nothing to write as {what}")
    return found


def spares_first(scope: Scope) -> bool:
    """Whether langsteer leaves a leading beginning-of-sequence token alone, as few engines do."""
    return scope.spare_bos
