"""Runs where openai and langchain-openai are: the same requests to whatever server is there.

    python in_clients.py BASE_URL OUT.json

Nothing but the address tells `langsteer serve` from vLLM. OUT: what was answered, each under what
it shows, and what was said of an unknown language.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path

import openai
from langchain_openai import ChatOpenAI

MESSAGES = [{"role": "user", "content": "t11 t12 t13 t14"}]
STEERED = {"language": "de", "source": "fr"}
TOKENS = 12
PAIRS = [None, *permutations(("de", "fr", "ja"), 2)]
REQUESTS, AT_ONCE = 1000, 32


def with_openai(client: openai.OpenAI, name: str) -> dict[str, str]:
    asked = {"messages": MESSAGES, "temperature": 0, "max_tokens": TOKENS}
    found = {}
    for what, model, own in (
        ("unsteered", name, {}),
        ("field", name, STEERED),
        ("model name", f"{name}:de", {"source": "fr"}),
        ("strength", name, {**STEERED, "strength": 2}),
        ("extra arguments", name,
         {"vllm_xargs": {"langsteer_language": "de", "langsteer_source": "fr"}}),
    ):  # fmt: skip
        reply = client.chat.completions.create(model=model, extra_body=own, **asked)
        found[what] = reply.choices[0].message.content
        stream = client.chat.completions.create(model=model, extra_body=own, stream=True, **asked)
        parts = (piece.choices[0].delta.content or "" for piece in stream if piece.choices)
        found[f"{what}, stream"] = "".join(parts)
    text = client.completions.create(
        model=name, prompt="t11 t12", extra_body=STEERED, temperature=0, max_tokens=TOKENS
    )
    found["text"] = text.choices[0].text
    for what, model, own in (
        ("unknown field", name, {"language": "xx", "source": "fr"}),
        ("unknown name", f"{name}:xx", {"source": "fr"}),
    ):
        try:
            client.chat.completions.create(model=model, extra_body=own, **asked)
            found[what] = ""
        except openai.BadRequestError as error:
            found[what] = str(error)
    found["models"] = " ".join(one.id for one in client.models.list())
    return found


def at_once(client: openai.OpenAI, name: str) -> list[str]:
    """Requests of all pairs of languages and none by turns, many at a time."""

    def one(number: int) -> str:
        pair = PAIRS[number % len(PAIRS)]
        reply = client.chat.completions.create(
            model=name, messages=MESSAGES, temperature=0, max_tokens=TOKENS,
            extra_body={} if pair is None else {"source": pair[0], "language": pair[1]},
        )  # fmt: skip
        return str(reply.choices[0].message.content)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(REQUESTS)))


def with_langchain(address: str, name: str) -> dict[str, str]:
    chat = ChatOpenAI(
        model=name, base_url=address, api_key="none", temperature=0, max_tokens=TOKENS,
        extra_body=STEERED,
    )  # fmt: skip
    text = MESSAGES[0]["content"]
    streamed = "".join(str(piece.content) for piece in chat.stream(text))
    return {"langchain": str(chat.invoke(text).content), "langchain, stream": streamed}


def with_curl(address: str, name: str) -> dict[str, str]:
    body = {"model": name, "messages": MESSAGES, "temperature": 0, "max_tokens": TOKENS, **STEERED}
    command = ["curl", "-sS", f"{address}/chat/completions", "-H", "Content-Type: application/json"]
    done = subprocess.run(
        [*command, "-d", json.dumps(body)], capture_output=True, text=True, check=True
    )
    return {"curl": json.loads(done.stdout)["choices"][0]["message"]["content"]}


def main() -> None:
    address, out = sys.argv[1:]
    client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)
    name = next(one.id for one in client.models.list())
    found = {
        **with_openai(client, name),
        **with_langchain(address, name),
        **with_curl(address, name),
        "at once": at_once(client, name),
    }
    Path(out).write_text(json.dumps(found, ensure_ascii=False))


if __name__ == "__main__":
    main()
