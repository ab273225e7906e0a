"""Run the code blocks of a Markdown file, in order, in one temporary folder.

Blocks marked ``sh`` are run by bash; those marked ``python`` are a test of their own, on fewer
prompts (``tests/house/test_readme.py``). Stops with the first block that fails.

    python tools/run_readme.py README.md
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def run_shell(code: str, folder: str) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", "-c", code]
    subprocess.run(command, cwd=folder, env=environment, check=True)


def main() -> None:
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        for match in BLOCK.finditer(text):
            kind, code = match["kind"], match["code"]
            if kind != "sh":
                continue
            print(f"--- {kind}\n{code}---", flush=True)
            run_shell(code, folder)
            ran += 1
    if not ran:
        sys.exit(f"{sys.argv[1]} has no code block to run")
    print(f"{ran} passed, 0 failed")


if __name__ == "__main__":
    main()
