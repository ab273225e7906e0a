"""Requests to vLLM say their language as those to `langsteer serve` do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from langsteer.vllm import admission
from langsteer.vllm.wishes import PairRows
from plugin_vllm.test_plugin import rows

SAID = [{"role": "user", "content": "Wo ist denn die Katze heute Nacht?"}]


@dataclass
class Chat:
    """A request as vLLM's server has it: what it does not know is in `model_extra`."""

    model: str = "big"
    model_extra: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=lambda: SAID)
    vllm_xargs: dict[str, Any] | None = None

    def to_sampling_params(self) -> SimpleNamespace:
        return SimpleNamespace(extra_args=self.vllm_xargs)


class Registry:
    def is_base_model(self, model_name: str) -> bool:
        return model_name == "big"

    async def show_available_models(self) -> Any:
        card = SimpleNamespace(id="big")
        card.model_copy = lambda update: SimpleNamespace(**update)
        return SimpleNamespace(data=[card])


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PairRows:
    found = rows(tmp_path)
    monkeypatch.setattr(admission, "rows_of_environment", lambda: found)
    return found


def extra(request: Chat) -> dict[str, Any] | None:
    found = admission.taking_fields(Chat.to_sampling_params)(request).extra_args
    return None if found is None else dict(found)


def test_fields_are_taken_as_extra_arguments(mine: PairRows) -> None:
    given = {"language": "fr", "source": "de", "strength": 1.5}
    assert extra(Chat(model_extra=given)) == {f"langsteer_{key}": one for key, one in given.items()}
    assert extra(Chat(model_extra={"top_k": 3, "keep_language": False, "guard": None})) is None
    own = {"langsteer_language": "ja", "langsteer_source": "de", "session_id": "7"}
    assert extra(Chat(vllm_xargs=dict(own))) == own
    for name in ("guard", "keep_language", "space"):  # refused by name, not ignored
        found = extra(Chat(model_extra={"language": "fr", name: True}))
        with pytest.raises(Exception, match=f"no langsteer_{name}"):
            mine.wish(found)


def test_a_model_with_a_language_is_a_model(mine: PairRows) -> None:
    known = admission.naming(Registry.is_base_model)
    assert known(Registry(), "big")
    assert known(Registry(), "big:fr")
    assert known(Registry(), "big:xx")
    assert not known(Registry(), "small:fr")
    found = extra(Chat("big:fr", {"source": "de"}))
    assert found == {"langsteer_language": "fr", "langsteer_source": "de"}
    with pytest.raises(Exception, match="de, fr, ja"):
        mine.wish(extra(Chat("big:xx", {"source": "de"})))
    listed = asyncio.run(admission.listing(Registry.show_available_models)(Registry()))
    assert [one.id for one in listed.data] == ["big", "big:de", "big:fr", "big:ja"]


def test_the_source_is_that_of_the_users_text(mine: PairRows) -> None:
    assert (extra(Chat(model_extra={"language": "fr"})) or {})["langsteer_source"] == "de"
    parts = [{"role": "user", "content": [{"type": "text", "text": SAID[0]["content"]}]}]
    found = extra(Chat(model_extra={"language": "fr"}, messages=parts)) or {}
    assert found["langsteer_source"] == "de"
    nothing = extra(Chat(model_extra={"language": "fr"}, messages=[{"role": "user"}])) or {}
    assert "langsteer_source" not in nothing
    with pytest.raises(Exception, match="LANGSTEER_SOURCE"):
        mine.wish(nothing)
