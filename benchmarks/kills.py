"""Kill a reading at random moments, and a training too: each ends as if it had not been killed.

    python benchmarks/kills.py [--kills 50]

A process that reads with the embedded model, and writes its state after every chunk, is killed by
SIGKILL, and started again until it ends; some kills fall into the writing of a state. Then the
statistics are compared with those of an uninterrupted run, bit for bit. The same for trained
vectors.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from langsteer.data.corpus import Corpus
from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus
from langsteer.engines.transformers.model import Model
from langsteer.fitting import collect as room
from langsteer.fitting import resuming
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.training import TrainingOptions

TRAINING = TrainingOptions(
    continuation="own", separator="", max_continuation=8, scope="all", steps=16, batch=8
)


def main() -> None:
    """Print how many killed runs ended equal, and how many kills that took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    wanted = parser.parse_args().kills
    torch.set_num_threads(1)
    resuming.EVERY = resuming.SHARE = 0.0
    setattr(room, "_chunk_size", lambda *_: 48)  # noqa: B010
    model, corpus = Model.from_pretrained(str(MODEL)), matching_corpus()
    rng = random.Random(0)
    for pooling in ("tokens", "matched"):
        options = Reading(pooling=pooling)  # type: ignore[arg-type]

        def read(state: Path, out: Path, options: Reading = options) -> None:
            fit(model, corpus, options, state=state).save(out, mergeable=True)

        report(f"reading, {pooling}", read, wanted, rng)
    space = fit(model, corpus, Reading(pooling="last"))
    few = Corpus(corpus.texts[:400], "few")

    def train(state: Path, out: Path) -> None:
        space.train(model, few, TRAINING, state=state).save(out)

    report("training", train, wanted, rng)


def report(name: str, run: Callable[[Path, Path], None], wanted: int, rng: random.Random) -> None:
    """Kill runs until there were so many kills, and print what became of them."""
    with tempfile.TemporaryDirectory() as folder:
        state, out = Path(folder) / "state", Path(folder) / "out"
        began = time.monotonic()
        run(Path(folder) / "none", Path(folder) / "whole")
        seconds = time.monotonic() - began
        kills = equal = runs = 0
        while kills < wanted:
            state.unlink(missing_ok=True)
            out.unlink(missing_ok=True)
            while killed(run, state, out, rng.uniform(0, 0.6 * seconds)):
                kills += 1
            runs += 1
            equal += same(Path(folder) / "whole", out)
            left = [one.name for one in Path(folder).iterdir() if one.name.endswith(".part")]
            if left:
                print(f"  left behind: {left}")
        print(f"{name}: {kills} kills in {runs} runs, {equal} of {runs} ended equal", flush=True)


def killed(run: Callable[[Path, Path], None], state: Path, out: Path, after: float) -> bool:
    """Run in a process of its own, killed after so many seconds; false where it ended before."""
    child = os.fork()
    if not child:
        run(state, out)
        os._exit(0)
    ends = time.monotonic() + after
    while time.monotonic() < ends:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def same(one: Path, other: Path) -> bool:
    """Whether two files have the same tensors, bit for bit."""
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


if __name__ == "__main__":
    main()
