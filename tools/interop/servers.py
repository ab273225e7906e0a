"""Both servers, the same clients: what they answer is what the steered model says.

    python tools/interop/servers.py [--only langsteer vllm] [--two] [--page PICTURE]

A random model with a chat template and a space of three languages, served by `langsteer serve` and
by `vllm serve` with the plug-in. The openai client, LangChain and curl ask both the same, unchanged
but for the address. With `--two`, vLLM runs in two processes (tensor parallel). With `--page`, the
page of `langsteer serve` is opened in Chromium, pointed at vLLM and asked, and pictured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import LANGCHAIN, VLLM, python_of
from models import random_model
from playwright.sync_api import sync_playwright
from transformers import PreTrainedTokenizerFast
from vllm_plugin import SOURCE, space_of

from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.space.space import OperatingPoint, Space

HERE = Path(__file__).parent
NAME = "tiny"
TEMPLATE = (
    "{% for m in messages %}t300 {{ m['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}t301 {% endif %}"
)
PATIENCE = 300
"""Seconds that a server has to start."""


def prepared(work: Path) -> tuple[Path, Path]:
    """The folder of a model that chats, and the file of its space."""
    folder = random_model("llama", work / "model")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    point = OperatingPoint((2,), 3.0, "all")
    space = space_of(folder, "difference").with_operating_point(point)
    space.save(work / "space.safetensors")
    return folder, work / "space.safetensors"


@dataclass(frozen=True)
class Right:
    """What transformers says, under what the clients call it, and for no pair and each pair."""

    named: dict[str, str]
    pairs: list[str]


def wanted(folder: Path, space: Space) -> Right:
    """What transformers says of all that the clients ask."""
    model = Model.from_pretrained(folder)
    messages = [{"role": "user", "content": "t11 t12 t13 t14"}]
    edit, once = space.edit("fr", "de"), Generation(12)
    unsteered = model.chat(messages, None, once)
    steered = model.chat(messages, edit, once)
    if unsteered == steered:
        raise SystemExit("the edit changes nothing, so nothing would be tested")
    found = {"unsteered": unsteered, "strength": model.chat(messages, edit.at(strength=2.0), once)}
    found |= dict.fromkeys(("field", "model name", "extra arguments", "langchain"), steered)
    found |= {f"{name}, stream": text for name, text in found.items()}
    found |= {"curl": steered, "text": model.generate("t11 t12", edit, once)}
    pairs = [
        model.chat(messages, space.edit(*one), once) for one in permutations(space.languages, 2)
    ]
    return Right(found, [unsteered, *pairs])


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[str]:
    """The address of a server, once it answers; it is ended afterwards."""
    address = f"http://127.0.0.1:{port}"
    with TemporaryDirectory() as name, open(Path(name) / "log", "w+") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _await(address, process, Path(name) / "log")
            yield address
        finally:
            process.terminate()
            process.wait(60)


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(PATIENCE):
        if process.poll() is not None:
            raise SystemExit("the server ended:\n" + log.read_text()[-3000:])
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except OSError:
            time.sleep(1)
    raise SystemExit("the server did not start:\n" + log.read_text()[-3000:])


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def langsteer_serve(folder: Path, space: Path) -> Iterator[str]:
    """`langsteer serve` on a model."""
    port = free_port()
    command = [sys.executable, "-m", "langsteer", "serve", str(folder), "--space", str(space)]
    with running([*command, "--port", str(port), "--name", NAME], port, {}) as address:
        yield address


@contextmanager
def vllm_serve(folder: Path, space: Path, *, processes: int = 1) -> Iterator[str]:
    """`vllm serve` on a model, with the plug-in."""
    port = free_port()
    command = [str(python_of(VLLM).with_name("vllm")), "serve", str(folder), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--dtype", "float32", "--max-model-len", "160"]
    command += ["--served-model-name", NAME, "--block-size", "32", "--enforce-eager"]
    command += ["--tensor-parallel-size", str(processes), "--allowed-origins", '["*"]']
    environment = {
        "LANGSTEER_SPACE": str(space),
        "LANGSTEER_SOURCE": "fr",
        "PYTHONPATH": str(SOURCE),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
        **({"VLLM_CPU_OMP_THREADS_BIND": "0|1"} if processes > 1 else {}),
    }
    with running(command, port, environment) as address:
        yield address


def compare(name: str, address: str, right: Right, work: Path) -> bool:
    """Ask all that clients ask, and print what differs; whether nothing does."""
    script, out = HERE / "in_clients.py", work / "out.json"
    subprocess.run([python_of(LANGCHAIN), script, f"{address}/v1", out], check=True)
    found = json.loads(out.read_text())
    wrong = [one for one, text in right.named.items() if found[one].split() != text.split()]
    mixed = [
        text.split() == right.pairs[number % len(right.pairs)].split()
        for number, text in enumerate(found["at once"])
    ]
    refused = [one for one in ("unknown field", "unknown name") if "de, fr, ja" not in found[one]]
    listed = {NAME, *(f"{NAME}:{tag}" for tag in ("de", "fr", "ja"))} <= set(
        found["models"].split()
    )
    good = not wrong and all(mixed) and not refused and listed
    said = "NOT REFUSED" if refused else "refused"
    count = len(right.named)
    print(
        f"{name}: {count - len(wrong)} of {count} answers as transformers gives them, "
        f"{sum(mixed)} of {len(mixed)} of mixed requests; unknown languages {said}; "
        f"models {'listed' if listed else 'MISSING'}",
        flush=True,
    )
    for one in wrong:
        print(f"  {one}: {found[one]!r} instead of {right.named[one]!r}")
    for one in refused:
        print(f"  {one}: {found[one]!r}")
    return good


def page_at(page: str, other: str, right: Right, picture: Path) -> bool:
    """Whether the page of one server shows the answers of another one."""
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"]
        )
        shown = browser.new_page(viewport={"width": 1000, "height": 1200})
        shown.goto(page)
        shown.click("summary")
        shown.fill("#server", other)
        shown.locator("#server").blur()
        shown.get_by_text(f"{NAME}: 3 languages; guard").wait_for()
        shown.select_option("#language", "de")
        shown.fill("#tokens", "12")
        shown.fill("#prompt", "t11 t12 t13 t14")
        shown.click("#send")
        shown.get_by_text("Answered.").wait_for()
        found = shown.locator(".answer .said").all_inner_texts()
        shown.screenshot(path=picture, full_page=True)
        browser.close()
    # What the text is in is not sure, so the source is that which is set for all requests.
    good = [one.split() for one in found] == [
        right.named[k].split() for k in ("field", "unsteered")
    ]
    print(f"the page of langsteer serve at vllm serve: {'as it should' if good else found}")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=["langsteer", "vllm"])
    parser.add_argument("--two", action="store_true", help="two processes of vLLM")
    parser.add_argument("--page", type=Path, help="a picture of the page at vLLM")
    given = parser.parse_args()
    only = given.only or ["langsteer", "vllm"]
    with TemporaryDirectory() as name:
        work = Path(name)
        folder, file = prepared(work)
        right, good = wanted(folder, Space.load(file)), True
        if "langsteer" in only:
            with langsteer_serve(folder, file) as address:
                good &= compare("langsteer serve", address, right, work)
        if "vllm" in only:
            with vllm_serve(folder, file, processes=1 + given.two) as address:
                good &= compare(f"vllm serve, {1 + given.two} process(es)", address, right, work)
                if given.page is not None:
                    with langsteer_serve(folder, file) as page:
                        good &= page_at(page, address, right, given.page)
    if not good:
        sys.exit("a server does not answer as it should")


if __name__ == "__main__":
    main()
