"""How much faster two processes read on two cores than one on one.

Each process has one thread. The time is that from when all have loaded the model to when the first
has the statistics of all; loading, which processes do side by side, is left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

from collecting import corpus, model, tiny
from langsteer.engines.transformers.model import Model
from langsteer.fitting.fit import fit_together
from langsteer.fitting.processes import Processes
from langsteer.fitting.reading import Reading

TEXTS, ROUNDS = 2048, 3


def read() -> None:
    """Read in this process, and print the seconds if it is the first."""
    torch.set_num_threads(1)
    reader, texts = Model(model(), tiny.tokenizer()), corpus(TEXTS)
    with Processes.joined() as processes:
        processes.wait()
        began = time.perf_counter()
        space = fit_together(reader, texts, processes, Reading(max_length=512))
        if space is not None:
            print(time.perf_counter() - began)
        processes.wait()


def seconds(count: int, port: int) -> float:
    """How long so many processes take."""
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--read"],
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "RANK": str(rank),
                "WORLD_SIZE": str(count),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    said = "".join(one.communicate()[0] for one in started)
    return float(said)


def main() -> None:
    """Print the ratio of the shortest times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args().read:
        read()
        return
    times: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(ROUNDS):
        for count, found in times.items():
            found.append(seconds(count, 29500 + 2 * turn + count))
    one, two = min(times[1]), min(times[2])
    print(f"one process {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
