"""The embedded server under load: equal answers, throughput, memory, and what it survives.

    python benchmarks/serving.py [--requests 1000] [--only equal throughput …]

Starts `langsteer serve` on the embedded model with its space and asks it from this process.

- equal: mixed requests, twelve languages and none, 32 at a time; how many answers equal those of
  the model alone.
- throughput: tokens a second with an edit for each request over those without, by turns.
- memory: resident size after ten times as many requests, over that after the first.
- gone: streams whose client leaves after the first piece, 200 times; no row is left running.
- malformed: 10,000 damaged bodies; how many are answered otherwise than by 2xx or 4xx.
- large, slow: a body of 100 MB, and 50 connections that send a byte a second.
- stop: SIGTERM while 24 streams run: how many end cleanly, and the exit status.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2 as httpx

from langsteer.data.corpus import read_corpus
from langsteer.data.prompts import read_prompts
from langsteer.demo.run import export
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import OperatingPoint, Space

AT_ONCE = 32
TOKENS = 12
POINT = OperatingPoint((3,), 1.0, "generated")


class Target:
    """A server, and what is asked of it."""

    def __init__(self, address: str, process: subprocess.Popen[str], folder: Path) -> None:
        self.address, self.process, self.folder = address, process, folder
        self.space = Space.load(folder / "space.safetensors")
        self.model = Model.from_pretrained(folder / "model")
        prompts = read_prompts(folder / "test.jsonl").prompts
        self.prompts = [(one.text, one.language) for one in prompts]

    def requests(self, count: int, languages: tuple[str | None, ...]) -> list[dict[str, Any]]:
        """So many requests, each in its turn in one of the languages (None: unsteered)."""
        dice, found = random.Random(0), []
        for number in range(count):
            text, source = dice.choice(self.prompts)
            body: dict[str, Any] = {
                "model": "model",
                "prompt": text,
                "temperature": 0,
                "max_tokens": dice.randint(2, TOKENS),
            }
            language = languages[number % len(languages)]
            if language is not None:
                body |= {"language": language, "source": source}
            found.append(body)
        return found

    def alone(self, body: dict[str, Any]) -> str:
        """What the model answers to a request by itself."""
        language, edit = body.get("language"), None
        if language is not None and language != body["source"]:
            edit = self.space.edit(body["source"], language)
        return self.model.generate(body["prompt"], edit, Generation(body["max_tokens"]))

    def memory(self) -> float:
        """Resident size in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0

    async def idle(self) -> bool:
        """Whether nothing runs and nothing waits, within ten seconds."""
        async with httpx.AsyncClient(base_url=self.address) as client:
            for _ in range(200):
                text = (await client.get("/metrics")).text
                if "langsteer_running 0.0" in text and "langsteer_queue 0.0" in text:
                    return True
                await asyncio.sleep(0.05)
        return False


@contextmanager
def server() -> Iterator[Target]:
    """The embedded model, served by a process of its own."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        files = export(folder)
        model = Model.from_pretrained(files.model)
        space = fit(model, read_corpus(str(files.corpus)), Reading(pooling="last"))
        space.with_operating_point(POINT).save(folder / "space.safetensors")
        command = [sys.executable, "-m", "langsteer", "serve", str(files.model), "--port", "0"]
        command += ["--space", str(folder / "space.safetensors")]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            assert process.stdout is not None
            told = ""
            while "API" not in told:
                told += process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", told)
            assert found is not None
            try:
                yield Target(found[0], process, folder)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()


async def each(
    bodies: list[dict[str, Any]], do: Callable[[httpx.AsyncClient, Any], Awaitable[Any]], at: str
) -> list[Any]:
    """Do something with every body, so many at a time, in order."""
    gate = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=at, timeout=120, limits=limits) as client:

        async def one(body: dict[str, Any]) -> Any:
            async with gate:
                return await do(client, body)

        return await asyncio.gather(*map(one, bodies))


async def asked(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    reply = await client.post("/v1/completions", json=body)
    reply.raise_for_status()
    return str(reply.json()["choices"][0]["text"])


async def equal(target: Target, count: int) -> None:
    bodies = target.requests(count, (None, *target.space.languages))
    found = await each(bodies, asked, target.address)
    wanted = [target.alone(body) for body in bodies]
    same = sum(one == other for one, other in zip(found, wanted, strict=True))
    print(f"equal to the model alone: {same} of {count}")


async def throughput(target: Target, count: int) -> None:
    steered = target.requests(count, target.space.languages)
    for body in steered:
        body["max_tokens"] = TOKENS
    plain = [
        {key: value for key, value in body.items() if key not in ("language", "source")}
        for body in steered
    ]

    async def rate(bodies: list[dict[str, Any]]) -> float:
        began = time.perf_counter()

        async def tokens(client: httpx.AsyncClient, body: dict[str, Any]) -> int:
            reply = await client.post("/v1/completions", json=body)
            return int(reply.json()["usage"]["completion_tokens"])

        written = await each(bodies, tokens, target.address)
        return sum(written) / (time.perf_counter() - began)

    rates = []
    for _ in range(7):
        one, other = await rate(steered), await rate(plain)
        rates.append((one, other))
    ratio = statistics.median(one / other for one, other in rates)
    best = max(one for one, _ in rates), max(other for _, other in rates)
    print(
        f"throughput with an edit for each request / without: {ratio:.3f} "
        f"(best {best[0]:.0f} and {best[1]:.0f} tokens/s)"
    )


async def memory(target: Target, count: int) -> None:
    await each(target.requests(count, (None, *target.space.languages)), asked, target.address)
    first = target.memory()
    for _ in range(9):
        await each(target.requests(count, (None, *target.space.languages)), asked, target.address)
    after = target.memory()
    print(
        f"memory after {10 * count} requests / after {count}: {after / first:.3f} ({after:.0f} MiB)"
    )


async def gone(target: Target, count: int) -> None:
    async def leave(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
        async with client.stream("POST", "/v1/completions", json=body) as reply:
            async for _ in reply.aiter_lines():
                return

    bodies = target.requests(200, (None, *target.space.languages))
    for body in bodies:
        body |= {"stream": True, "max_tokens": 200}
    await each(bodies, leave, target.address)
    print(f"clients that left: {len(bodies)}; idle after that: {await target.idle()}")


def damaged(dice: random.Random) -> bytes:
    whole: dict[str, Any] = {
        "model": dice.choice(["model", "model:de", "other", "", None, 5]),
        dice.choice(["prompt", "messages"]): dice.choice(
            ["a", [], [[]], [1, 2], {}, None, 3.5, [{"role": "user", "content": "a"}], "\x00"]
        ),
    }
    for _ in range(dice.randint(0, 4)):
        name = dice.choice(
            ["language", "max_tokens", "stop", "seed", "strength", "n", "x", "stream"]
        )
        whole[name] = dice.choice([None, -1, 0, 1, 10**30, "de", "", [], {}, True, 1e308, ["a"]])
    raw = bytearray(json.dumps(whole).encode())
    for _ in range(dice.randint(0, 3)):
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    return bytes(raw)


async def malformed(target: Target, count: int) -> None:
    dice = random.Random(0)
    odd: list[int] = []

    async def send(client: httpx.AsyncClient, body: Any) -> None:
        path = dice.choice(["/v1/completions", "/v1/chat/completions"])
        headers = {"content-type": dice.choice(["application/json", "text/plain"])}
        reply = await client.post(path, content=body, headers=headers)
        if reply.status_code >= 500:
            odd.append(reply.status_code)

    bodies: list[Any] = [damaged(dice) for _ in range(10_000)]
    await each(bodies, send, target.address)
    print(
        f"damaged bodies: {len(bodies)}, answered by 5xx: {len(odd)}; idle: {await target.idle()}"
    )


async def large(target: Target, count: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10**6

    said = []
    for body in (b"x" * 10**8, chunks()):
        async with httpx.AsyncClient(base_url=target.address, timeout=60) as client:
            try:
                said.append(str((await client.post("/v1/completions", content=body)).status_code))
            except httpx.TransportError:  # it stopped reading before all of it was sent
                said.append("refused, connection closed")
    print(f"a body of 100 MB: {said[0]}; in chunks: {said[1]}; idle: {await target.idle()}")


async def slow(target: Target, count: int) -> None:
    host, port = target.address.removeprefix("http://").split(":")

    async def drip() -> None:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(4):
            writer.write(b"x")
            await asyncio.sleep(1)
        writer.close()

    drips = [asyncio.create_task(drip()) for _ in range(50)]
    await asyncio.sleep(0.5)
    began = time.perf_counter()
    await each(target.requests(50, (None, *target.space.languages)), asked, target.address)
    seconds = time.perf_counter() - began
    await asyncio.gather(*drips)
    print(f"50 requests beside 50 slow connections: {seconds:.1f} s; idle: {await target.idle()}")


async def stop(target: Target, count: int) -> None:
    async def whole(client: httpx.AsyncClient, body: dict[str, Any]) -> bool:
        lines = []
        async with client.stream("POST", "/v1/completions", json=body) as reply:
            async for line in reply.aiter_lines():
                lines.append(line)
        return "data: [DONE]" in lines

    bodies = target.requests(24, (None, *target.space.languages))
    for body in bodies:
        body |= {"stream": True, "max_tokens": 150}
    running = asyncio.create_task(each(bodies, whole, target.address))
    await asyncio.sleep(0.3)
    target.process.send_signal(signal.SIGTERM)
    ended = await running
    status = await asyncio.to_thread(target.process.wait, 60)
    print(f"SIGTERM: {sum(ended)} of {len(ended)} streams ended cleanly, exit status {status}")


PARTS: dict[str, Callable[[Target, int], Awaitable[None]]] = {
    "equal": equal,
    "throughput": throughput,
    "memory": memory,
    "gone": gone,
    "malformed": malformed,
    "large": large,
    "slow": slow,
    "stop": stop,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    with server() as target:
        for name in options.only:
            asyncio.run(PARTS[name](target, options.requests))  # type: ignore[arg-type]
            if target.process.poll() is not None and name != "stop":
                log = (target.folder / "log").read_text()[-2000:]
                raise SystemExit(f"the server ended during {name}:\n{log}")


if __name__ == "__main__":
    main()
