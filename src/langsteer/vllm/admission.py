"""What the plug-in does where requests come in: their language is checked, and keys their cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from langsteer.errors import LangsteerError, MissingExtraError
from langsteer.serving.keeping import detection
from langsteer.serving.requests import PREFIX, STEERING
from langsteer.vllm.wishes import rows_of_environment

GRAPH = 1
"""Changes with what is added to the graph, so that no graph from before is taken for it."""
_SERVED: set[str] = set()
"""The names of the model that is served, as far as they were asked for."""


def salting(own: Any) -> Any:
    """Keys and values under an edit are another request's: its cache has a salt."""

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        params = kwargs.get("sampling_params", args[2] if len(args) > 2 else None)
        wish = rows_of_environment().wish(getattr(params, "extra_args", None))
        if wish.salt:
            kwargs["cache_salt"] = f"{kwargs.get('cache_salt') or ''}|{wish.salt}"
        own(self, *args, **kwargs)

    return init


def keying(own: Any) -> Any:
    """The table is part of the key of compiled graphs."""

    def create_engine_config(self: Any, *args: Any, **kwargs: Any) -> Any:
        rows = rows_of_environment()
        layers = sorted({layer for edit in rows.edits for layer in edit.maps})
        mine = {"langsteer": [GRAPH, len(rows.edits), layers, rows.checksum]}
        self.additional_config = {**(self.additional_config or {}), **mine}
        return own(self, *args, **kwargs)

    return create_engine_config


def validating(own: Any) -> Any:
    """An unknown language or field is refused when the request comes."""

    def _validate_params(self: Any, params: Any, *args: Any, **kwargs: Any) -> Any:
        from vllm.exceptions import VLLMValidationError

        try:
            rows_of_environment().wish(getattr(params, "extra_args", None))
        except LangsteerError as error:
            raise VLLMValidationError(str(error)) from error
        return own(self, params, *args, **kwargs)

    return _validate_params


def taking_fields(own: Any) -> Any:
    """`language` and the like as fields of a request, or with the model's name."""

    def to_sampling_params(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = own(self, *args, **kwargs)
        extra = dict(found.extra_args or {})
        given = dict(self.model_extra or {})
        name, _, tag = (self.model or "").rpartition(":")
        if self.model not in _SERVED and name in _SERVED:
            extra.setdefault(PREFIX + "language", tag)
        for name in STEERING:
            if given.get(name) not in (None, False):
                extra.setdefault(PREFIX + name, given[name])
        if PREFIX + "language" in extra:
            spoken = _spoken(self)
            if spoken is not None:
                extra.setdefault(PREFIX + "source", spoken)
        found.extra_args = extra or None
        return found

    return to_sampling_params


def _spoken(request: Any) -> str | None:
    """The language of what the user says last, unless a source is set for all requests."""
    rows = rows_of_environment()
    if rows.default_source is not None:
        return None
    said = [request.prompt] if hasattr(request, "prompt") else _messages(request.messages)
    texts = [text for text in said if isinstance(text, str)]
    with suppress(MissingExtraError):  # then the request must name it, and is told so
        return detection(texts[-1], rows.space.languages).language if texts else None
    return None


def _messages(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """The texts of the user's messages."""
    found = []
    for one in messages:
        content = one.get("content") if one.get("role") == "user" else None
        parts = [{"text": content}] if isinstance(content, str) else content or []
        found.append("".join(str(part.get("text", "")) for part in parts))
    return [text for text in found if text]


def naming(own: Any) -> Any:
    """`MODEL:LANGUAGE` is a model, too."""

    def is_base_model(self: Any, model_name: str) -> bool:
        if own(self, model_name):
            _SERVED.add(model_name)
            return True
        name, mark, _ = str(model_name).rpartition(":")
        if not mark or not own(self, name):
            return False
        _SERVED.add(name)  # an unknown language is refused with the parameters, by what there is
        return True

    return is_base_model


def listing(own: Any) -> Any:
    """The models with their languages, as `langsteer serve` lists them."""

    async def show_available_models(self: Any) -> Any:
        found = await own(self)
        for card in list(found.data):
            for tag in rows_of_environment().space.languages:
                found.data.append(card.model_copy(update={"id": f"{card.id}:{tag}"}))
        return found

    return show_available_models
