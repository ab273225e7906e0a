"""Python in a process of its own, in which some modules cannot be imported."""

import subprocess
import sys

BLOCKING = """
import sys
from importlib.abc import MetaPathFinder
class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def python(code: str, *blocked: str) -> subprocess.CompletedProcess[str]:
    """Run code where the modules named cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKING.format(blocked=blocked) + code],
        capture_output=True,
        text=True,
        check=False,
    )
