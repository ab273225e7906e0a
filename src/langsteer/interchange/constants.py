"""An edit as one constant vector for each layer, which is all that most other formats can say."""

from __future__ import annotations

from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.table import EditTable, Varying
from langsteer.errors import SteeringError


def constants(edit: Edit, what: str) -> dict[int, Tensor]:
    """Layer → `[d]` float32 on the CPU: what the edit adds to each token, strength folded in.

    Args:
        edit: the edit.
        what: the format that it is for, as it is called in messages.

    Raises:
        SteeringError: the edit is not the same constant at every token; the message says why, and
            what to do.
    """
    found = EditTable.constant(edit)
    if isinstance(found, Varying):
        raise SteeringError(_refusal(edit, found, what))
    if not found:
        raise SteeringError(f"this edit has no layer, so there is nothing to write as {what}")
    return found


def _refusal(edit: Edit, found: Varying, what: str) -> str:
    """Why the format cannot say this edit, and what to do."""
    if found.why == "guard":
        return (
            f"{what} adds one vector at every token and has no guard. Export the edit without it."
        )
    if found.why == "scope":
        named = " by tokens" if edit.scope.by_token else ""
        return (
            f"{what} acts on every token, but the scope of this edit is {edit.scope}{named}. "
            "Export it with scope all if that is what you want: edit.at(scope='all'), or "
            "--scope all."
        )
    if found.why == "norm":
        return (
            f"{what} adds one vector at every token; an edit that restores norms adds another one "
            "at each. Export it without restore_norm."
        )
    return (
        f"{what} adds one vector at every token, but at layer {found.layer} this edit is a "
        f"{found.name} map, which depends on the latent. Export an estimator that yields a shift, "
        "such as difference."
    )
