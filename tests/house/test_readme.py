"""The README's Python runs as it stands, on the demo's model and files."""

from dataclasses import replace
from pathlib import Path

import pytest

from langsteer.data.prompts import read_prompts, write_prompts
from langsteer.demo.run import export
from run_readme import BLOCK

LANGUAGES = ("en", "de", "ja")
README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    world = export(Path("demo"))
    for path in (world.tune, world.test):  # three languages: the same steps in less time
        few = [one for one in read_prompts(path).prompts if one.language in LANGUAGES]
        write_prompts([replace(one, targets=LANGUAGES) for one in few[::2]], path)
    text = README.read_text(encoding="utf-8")
    codes = [match["code"] for match in BLOCK.finditer(text) if match["kind"] == "python"]
    names: dict[str, object] = {"__name__": "__readme__"}
    for code in codes:
        exec(compile(code, str(README), "exec"), names)
    assert codes
    assert "Juni" in capsys.readouterr().out
    assert (tmp_path / "report" / "report.html").exists()
    assert (tmp_path / "space.safetensors").exists()
