"""A model that is named by hand must have the shape of the one that a space was fitted on."""

from __future__ import annotations

from langsteer.errors import ModelError
from langsteer.interchange.model_config import shape_of
from langsteer.space.identity import ModelIdentity


def require_same(model: str, fitted: ModelIdentity) -> None:
    """Raise ModelError if the model is of another kind or shape, as its configuration says."""
    shape = shape_of(model)
    facts = (
        ("kind", fitted.model_type, shape.model_type),
        ("width", fitted.width, shape.width),
        ("number of layers", fitted.depth, shape.depth),
    )
    for what, there, here in facts:
        if there and there != here:
            raise ModelError(
                f"the {what} of {model!r} is {here}, and of the model that the space was fitted "
                f"on {there}. Name that model."
            )
