"""An environment of its own for every package of others.

It sees the libraries of this one, so that the model runs on the same versions; the package and the
versions that it demands come before them.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Package:
    """A package from PyPI with what must come with it, and the script that calls it."""

    name: str
    requirements: tuple[str, ...]
    script: str


STEERING_VECTORS = Package("steering-vectors", ("steering-vectors==0.12.2",), "call_steering.py")
REPENG = Package("repeng", ("repeng==0.4.0", "numpy==1.26.4", "gguf==0.19.0"), "call_repeng.py")
CONCEPT_ERASURE = Package("concept-erasure", ("concept-erasure==0.2.4",), "call_erasure.py")
PACKAGES = (STEERING_VECTORS, REPENG, CONCEPT_ERASURE)


def environment(package: Package, folder: Path) -> Path:
    """The Python of the package's environment, which is made on first use."""
    place = folder / "environments" / package.name
    python = place / "bin" / "python"
    done = place / "done"
    wanted = " ".join(package.requirements)
    if done.is_file() and done.read_text() == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", place], check=True)
    inside = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    Path(inside, "outer.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, *package.requirements], check=True)
    done.write_text(wanted)
    return python


def call(
    package: Package, folder: Path, tensors: dict[str, Tensor], header: str
) -> dict[str, Tensor]:
    """Runs the package's script on tensors and a JSON header, and returns its tensors."""
    python = environment(package, folder)
    with TemporaryDirectory() as name:
        given, found, told = (
            Path(name, "in.safetensors"),
            Path(name, "out.safetensors"),
            Path(name, "in.json"),
        )
        save_file(tensors or {"none": torch.zeros(1)}, given)
        told.write_text(header, encoding="utf-8")
        command: list[Any] = [python, HERE / "calls" / package.script, told, given, found]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(f"{package.name} failed:\n{run.stderr[-2000:]}")
        return load_file(found)


def versions(package: Package) -> str:
    """The package with its versions, and those that it shares."""
    shared = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return f"{', '.join(package.requirements)} on {shared}"
