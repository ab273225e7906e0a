"""Clients that know nothing of langsteer: the openai package and curl, over a real connection."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator

import openai
import pytest

from langsteer.engines.transformers.generation import Generation
from langsteer.serving.settings import Settings
from serving.conftest import listening, model, space


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with listening(Settings(("key",))) as found:
        yield found


def alone(text: str) -> str:
    edit = space().edit("de", "fr")
    messages = [{"role": "user", "content": text}]
    return model().chat(messages, edit, Generation(12))


def test_the_openai_client(address: str) -> None:
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="key", max_retries=0)
    messages = [{"role": "user", "content": "abc"}]
    own = {"language": "fr", "source": "de"}
    found = client.chat.completions.create(
        model="tiny", messages=messages, temperature=0, max_tokens=12, extra_body=own
    )
    assert found.choices[0].message.content == alone("abc")
    stream = client.chat.completions.create(
        model="tiny:fr",
        messages=messages,
        temperature=0,
        max_tokens=12,
        stream=True,
        extra_body={"source": "de"},
    )
    text = "".join(piece.choices[0].delta.content or "" for piece in stream)
    assert text == alone("abc")
    assert next(one.id for one in client.models.list()) == "tiny"
    with pytest.raises(openai.BadRequestError, match="de, fr, ja"):
        client.chat.completions.create(model="tiny:zh", messages=messages)
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{address}/v1", api_key="no").models.list()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl(address: str) -> None:
    body = {"model": "tiny:fr", "source": "de", "temperature": 0, "max_tokens": 12}
    body["messages"] = [{"role": "user", "content": "abc"}]
    command = ["curl", "-s", f"{address}/v1/chat/completions", "-H", "Authorization: Bearer key"]
    command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == alone("abc")


def test_many_clients_at_once_get_what_they_asked_for(address: str) -> None:
    async def run() -> None:
        client = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="key")
        texts = ["abc", "bca cab", "cc a", "b"]

        async def one(number: int) -> str:
            found = await client.chat.completions.create(
                model="tiny",
                messages=[{"role": "user", "content": texts[number % 4]}],
                temperature=0,
                max_tokens=12,
                extra_body={"language": "fr", "source": "de"} if number % 3 else {},
            )
            return found.choices[0].message.content or ""

        answers = await asyncio.gather(*(one(number) for number in range(60)))
        for number, answer in enumerate(answers):
            text = texts[number % 4]
            plain = model().chat([{"role": "user", "content": text}], None, Generation(12))
            assert answer == (alone(text) if number % 3 else plain)

    asyncio.run(run())
