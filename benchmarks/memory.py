"""Peak memory of collecting 100,000 texts as a multiple of that of 1,000 texts.

Each side is a process of its own, which reads its texts from a file that stays on the disk. The
file lies in a temporary folder.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from collecting import corpus, model, tiny
from langsteer.data import corpus_rows
from langsteer.data.corpus import Corpus
from langsteer.engines.transformers.model import Model
from langsteer.fitting.collect import collect
from langsteer.fitting.reading import Reading

FEW, MANY = 1_000, 100_000


def peak(texts: int, folder: Path) -> int:
    """Peak resident memory in KiB of a process that collects this many texts."""
    file = folder / f"{texts}.jsonl"
    corpus(texts).write_jsonl(file)
    out = subprocess.run(
        [sys.executable, __file__, str(file)], check=True, capture_output=True, text=True
    )
    return int(out.stdout)


def run(file: str) -> None:
    torch.set_num_threads(1)
    corpus_rows.LARGE = 1
    reader = Model(model(width=64, inner=64, layers=4, heads=2), tiny.tokenizer())
    collect(reader, Corpus.read(file), Reading(max_length=24))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        few, many = (peak(texts, Path(folder)) for texts in (FEW, MANY))
    print(f"peak memory, {MANY:,} / {FEW:,} texts: {many / few:.3f} ({many / 1024:.0f} MiB)")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(sys.argv[1])
    else:
        main()
