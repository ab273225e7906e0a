"""How long it takes until Δ is known for all pairs of languages: langsteer and other tools.

The same model in float32, the same texts, translations of each other, and all layers; each tool in
a process and an environment of its own, called as its documentation shows, with its own defaults.
steering-vectors and repeng train a vector for each pair, and so read a text once for each pair that
it is in; langsteer and the recipe of CLaS-Bench read it once. What is compared is equally precise,
as it is made of the same texts; the cosine shows how far the vectors agree (repeng's are principal
components, not means).

    python benchmarks/reading.py MODEL --corpus FOLDER [--languages de en fr …] [--texts N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file

from langsteer.data.corpus import read_corpus

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from environments import REPENG, STEERING_VECTORS, environment

CACHE = Path("benchmarks/results/peers")
SCRIPT = Path(__file__).parent / "peers" / "calls" / "read_all.py"
LIKE = {
    "steering-vectors": "langsteer last",
    "repeng": "langsteer last",
    "CLaS-Bench": "langsteer tokens",
}
"""What each tool reads: the last token of a text, or all of them."""


def texts_of(path: str, languages: list[str], count: int) -> dict[str, list[str]]:
    """The first texts that stand in all of the languages, as translations of each other."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for text in read_corpus(path).texts:
        if text.language in languages and text.concept is not None:
            found[text.concept].setdefault(text.language, text.text)
    whole = [mine for mine in found.values() if len(mine) == len(languages)][:count]
    if not whole:
        raise SystemExit(f"{path} has no text in all of {', '.join(languages)}")
    return {language: [mine[language] for mine in whole] for language in languages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--languages", nargs="+", default=["de", "en", "es", "fr", "ru", "zh"])
    parser.add_argument("--texts", type=int, default=32)
    options = parser.parse_args()
    pythons = {
        "steering-vectors": environment(STEERING_VECTORS, CACHE),
        "repeng": environment(REPENG, CACHE),
    }
    texts = texts_of(options.corpus, options.languages, options.texts)
    pairs = len(options.languages) * (len(options.languages) - 1) // 2
    count = len(texts[options.languages[0]])
    print(f"{len(texts)} languages, {count} texts each, {pairs} pairs and their opposites")
    with TemporaryDirectory() as folder:
        told = Path(folder, "told.json")
        told.write_text(json.dumps({"model": options.model, "texts": texts}), encoding="utf-8")

        def run(tool: str) -> dict[str, float]:
            python = pythons.get(tool, sys.executable)
            command = [str(python), str(SCRIPT), tool, str(told), str(Path(folder, tool))]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
            print(f"{tool:18} {found['seconds']:8.1f} s  {found['GiB']:6.2f} GiB", flush=True)
            return found

        ours = {tool: run(tool) for tool in dict.fromkeys(LIKE.values())}
        for tool, mine in LIKE.items():
            theirs = run(tool)
            one, other = load_file(Path(folder, tool)), load_file(Path(folder, mine))
            # repeng leaves out the first layer.
            cosines = torch.cat(
                [
                    torch.cosine_similarity(one[pair], other[pair][-len(one[pair]) :], dim=-1)
                    for pair in one
                ]
            )
            print(
                f"  {theirs['seconds'] / ours[mine]['seconds']:.1f} times the time of {mine}, "
                f"{theirs['GiB'] / ours[mine]['GiB']:.2f} times the memory; least |cosine| "
                f"{float(cosines.abs().min()):.4f}, median {float(cosines.abs().median()):.4f}"
            )


if __name__ == "__main__":
    main()
