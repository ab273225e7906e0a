"""Serve the embedded model, or the chat model that `make models` built, with a space for it.

python tools/serve_demo.py [options of langsteer serve]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from langsteer.demo.run import export

CHAT = Path("models/qwen2.5-coder-0.5b-instruct")
DEMO = Path("demo")


def main() -> None:
    files = export(DEMO)
    chat = CHAT.is_dir()
    model = CHAT if chat else files.model
    space = DEMO / ("chat-space.safetensors" if chat else "served.safetensors")
    langsteer = [sys.executable, "-m", "langsteer"]
    if not space.is_file():
        how = ["--chat"] if chat else ["--pooling", "last"]
        fit = [*langsteer, "fit", str(model), str(files.corpus), *how, "--output", str(space)]
        subprocess.run(fit, check=True)
    serve = [*langsteer, "serve", str(model), "--space", str(space), *sys.argv[1:]]
    sys.exit(subprocess.run(serve, check=False).returncode)


if __name__ == "__main__":
    main()
