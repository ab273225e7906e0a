"""Are the methods that the plug-in wraps in a release of vLLM as it expects them? By its source.

    python tools/interop/seams.py [VERSION]

The wheel is downloaded (a few hundred MB) and read, not installed; without a version, the newest
one. Looked for are the classes, methods and parameters of every seam, and the names that the
wrappers read.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from langsteer.vllm.seams import EVERYWHERE, ON_CPU, ON_GPU, WITH_TRITON, Seam

NAMES = {
    "vllm/v1/core/sched/output.py": (
        "finished_req_ids", "scheduled_new_reqs", "scheduled_cached_reqs", "num_computed_tokens",
        "prompt_token_ids", "sampling_params",
    ),
    "vllm/v1/worker/gpu/input_batch.py": ("req_ids", "num_scheduled_tokens"),
    "vllm/v1/worker/gpu_input_batch.py": ("req_ids", "num_reqs"),
    "vllm/v1/request.py": ("cache_salt",),
    "vllm/config/parallel.py": ("use_ubatching", "prefill_context_parallel_size"),
    "vllm/config/speculative.py": ("enable_adaptive_verification",),
    "vllm/config/compilation.py": ("cudagraph_capture_sizes", "pass_config"),
    "vllm/config/scheduler.py": ("max_num_batched_tokens",),
    "vllm/config/model.py": ("get_hidden_size",),
    "vllm/engine/arg_utils.py": ("additional_config",),
    "vllm/sampling_params.py": ("extra_args",),
    "vllm/exceptions.py": ("VLLMValidationError",),
    "vllm/v1/worker/gpu_model_runner.py": ("_dummy_run",),
    "vllm/v1/worker/gpu/model_runner.py": ("_dummy_run",),
}  # fmt: skip


def download(version: str | None, folder: Path) -> Path:
    """The wheel of a release."""
    wanted = "vllm" if version is None else f"vllm=={version}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, wanted], check=True)
    return next(folder.glob("*.whl"))


def parameters(source: str, owner: str, method: str) -> tuple[str, ...] | None:
    """The parameters of a method of a class itself; None if there is none."""
    for part in ast.walk(ast.parse(source)):
        if isinstance(part, ast.ClassDef) and part.name == owner:
            for one in part.body:
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == method:
                    return tuple(each.arg for each in (*one.args.posonlyargs, *one.args.args))
    return None


def troubles(wheel: zipfile.ZipFile, seams: Sequence[Seam]) -> Iterator[str]:
    """What is not as the plug-in expects it."""
    there = set(wheel.namelist())
    for seam in seams:
        path = seam.module.replace(".", "/") + ".py"
        if path not in there:
            yield f"there is no {path}"
            continue
        found = parameters(wheel.read(path).decode(), seam.owner, seam.method)
        if found is None or found[: len(seam.parameters)] != seam.parameters:
            yield f"{path}: {seam.owner}.{seam.method} takes {found}, not {seam.parameters} first"
    for path, names in NAMES.items():
        text = wheel.read(path).decode() if path in there else ""
        missing = [name for name in names if name not in text]
        if missing:
            yield f"{path}: there is no {', '.join(missing)}"


def main() -> None:
    with TemporaryDirectory() as name:
        path = download(sys.argv[1] if len(sys.argv) > 1 else None, Path(name))
        seams = (*EVERYWHERE, *ON_CPU, *ON_GPU, *WITH_TRITON)
        with zipfile.ZipFile(path) as wheel:
            found = list(troubles(wheel, seams))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{path.name}: {len(seams)} seams, {len(found)} not as expected")
    if found:
        sys.exit(1)


if __name__ == "__main__":
    main()
