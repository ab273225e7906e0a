"""Files appear whole or not at all, where they were asked for, and never over what was read."""

import csv
import io
import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from langsteer.data import files
from langsteer.data.files import check_output, spoken, write_json, write_whole
from langsteer.data.spreadsheets import csv_bytes
from langsteer.errors import CorpusError, LangsteerError


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_missing_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b.txt", b"one")
    write_whole(tmp_path / "a" / "b.txt", b"two")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"two"
    assert names(tmp_path / "a") == ["b.txt"]


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_bytes(b"before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(CorpusError, match=r"a\.txt cannot be written: No space left"):
        write_whole(tmp_path / "a.txt", b"after", CorpusError)
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"before"


def test_many_threads_may_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    contents = [bytes([number]) * 50_000 for number in range(32)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: write_whole(path, data), contents))
    assert path.read_bytes() in contents
    assert names(tmp_path) == ["a.txt"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("there.txt", "missing.txt"):
        link = tmp_path / f"to-{name}"
        link.symlink_to(tmp_path / "deep" / name)
        write_whole(link, b"new")
        assert link.is_symlink()
        assert (tmp_path / "deep" / name).read_bytes() == b"new"


def test_permissions_outlast_a_replacement(tmp_path: Path) -> None:
    path = tmp_path / "private.txt"
    write_whole(path, b"one")
    path.chmod(0o600)
    write_whole(path, b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_a_killed_writer_left_is_removed_and_a_running_one_is_left_alone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.txt"
    code = (
        "import os, signal, sys\n"
        "from langsteer.data import files\n"
        "files.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_whole(sys.argv[1], b'half')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    (left,) = names(tmp_path)
    assert left.endswith(".part")
    running = left.replace(f".{left.split('.')[-3]}.", f".{os.getppid()}.")
    (tmp_path / running).write_bytes(b"")
    (tmp_path / "theirs.part").write_bytes(b"")
    write_whole(path, b"whole")
    assert names(tmp_path) == sorted([running, "a.txt", "theirs.part"])


def special(folder: Path, kind: str) -> Path:
    path = folder / kind.rsplit(maxsplit=1)[-1]
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        path.symlink_to("/dev/null")
    return path


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a device"])
def test_only_files_are_written_to(tmp_path: Path, kind: str) -> None:
    path = special(tmp_path, kind)
    before = os.lstat(path).st_mode
    for attempt in (lambda: write_whole(path, b""), lambda: check_output(path)):
        with pytest.raises(LangsteerError, match=f"is {kind}. Give the path of a file"):
            attempt()
    assert os.lstat(path).st_mode == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "name of the output is empty"),
        (".", "name of the output is empty"),
        (" ", "name of the output is empty"),
        ("a\0b", "cannot be written"),
        ("x" * 300, "cannot be written: File name too long"),
        ("loop", "cannot be written"),
        ("file/below", "cannot be written: Not a directory"),
        ("/proc/none/file", "cannot be written"),
    ],
)
def test_an_output_that_cannot_be_written_is_noticed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    Path("file").write_text("")
    with pytest.raises(CorpusError, match=message):
        check_output(name, error=CorpusError)
    with pytest.raises(CorpusError, match=message):
        write_whole(name, b"", CorpusError)
    assert names(tmp_path) == ["file", "loop"]


def test_an_empty_path_is_an_empty_name() -> None:
    with pytest.raises(LangsteerError, match="name of the output is empty"):
        check_output(Path(""))


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_output(tmp_path / "new" / "folder" / "file")
    assert names(tmp_path) == []


def test_an_input_is_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    weights = tmp_path / "model" / "weights.bin"
    weights.write_bytes(b"")
    data = tmp_path / "a.jsonl"
    data.write_bytes(b"")
    (tmp_path / "link").symlink_to(data)
    (tmp_path / "hard").hardlink_to(data)
    for output in ("a.jsonl", "./model/../a.jsonl", "link", "hard"):
        with pytest.raises(LangsteerError, match=r"would overwrite \S*a\.jsonl, which is read"):
            check_output(output, inputs=[data])
    with pytest.raises(LangsteerError, match="would overwrite link"):
        check_output(data, inputs=["link"])
    with pytest.raises(LangsteerError, match="exists already and lies in model"):
        check_output(weights, inputs=["model"])
    check_output("model/space.bin", inputs=["model", "owner/name", data])


def test_names_that_are_not_utf8_can_be_said() -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    assert spoken(name) == "caf\\xe9.txt"
    with pytest.raises(LangsteerError) as error:
        check_output(f"/proc/{name}/file")
    str(error.value).encode()


def test_json_is_written_strictly(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"text": "ä\ud800"})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "text": "ä\\ud800"\n}\n'
    with pytest.raises(CorpusError, match="cannot be written as JSON"):
        write_json(tmp_path / "a.json", float("nan"), CorpusError)


RISKY = ["=1+1", "+A1", "-cmd", "@SUM(A1)", "\tx", "\r=x", "  =1", "\n=1"]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_spreadsheet_runs_no_cell_of_ours(separator: str) -> None:
    harmless: list[object] = ["a=b", "-1.5", "+3", -2, None, "5 - 3", 'say "x"']
    data = csv_bytes(["=head", "other"], [[one, "x"] for one in [*RISKY, *harmless]], separator)
    rows = list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=separator))
    assert [row[0] for row in rows[1 : len(RISKY) + 1]] == [f"'{one}" for one in RISKY]
    assert [row[0] for row in rows[len(RISKY) + 1 :]] == [
        "" if one is None else str(one) for one in harmless
    ]
    assert rows[0][0] == "'=head"
