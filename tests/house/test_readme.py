"""The README's Python runs as it stands, on the demo's model and files."""

from pathlib import Path

import pytest

from langsteer.demo.run import export
from run_readme import BLOCK

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
@pytest.mark.xfail(reason="rooms are still being moved", strict=False)
def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    export(Path("demo"))
    text = README.read_text(encoding="utf-8")
    codes = [match["code"] for match in BLOCK.finditer(text) if match["kind"] == "python"]
    names: dict[str, object] = {"__name__": "__readme__"}
    for code in codes:
        exec(compile(code, str(README), "exec"), names)
    assert codes
    assert "Juni" in capsys.readouterr().out
    assert (tmp_path / "report" / "report.html").exists()
    assert (tmp_path / "space.safetensors").exists()
