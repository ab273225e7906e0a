"""Files that are either written whole or not at all, and never over what was read."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from langsteer.errors import LangsteerError

PathLike = str | os.PathLike[str]
SPECIAL = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What a path may be that is no file to write to."""


def spoken(path: PathLike) -> str:
    """A path for a message: bytes of a name that are not UTF-8 are written as ``\\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def write_whole(path: PathLike, data: bytes, error: type[LangsteerError] = LangsteerError) -> None:
    """Write beside the file and rename: at no time is there half a file at ``path``.

    Missing folders are made. A symbolic link stays one: the file that it points to is written. A
    file that is replaced passes its permissions on. What killed writers of the same file left
    behind is removed.

    Raises:
        LangsteerError: The file cannot be written, or is a folder, a pipe or a device; of the class
            ``error``.
    """
    target = _target(path, error)
    with _told(path, error):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        part = target.with_name(f"{_mark(target)}{os.getpid()}.{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                part.chmod(stat.S_IMODE(target.stat().st_mode))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def write_json(path: PathLike, value: Any, error: type[LangsteerError] = LangsteerError) -> None:
    """Write a value as indented JSON, whole or not at all.

    Raises:
        LangsteerError: The file cannot be written, or the value holds what JSON has no form for,
            such as NaN; of the class ``error``.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as cause:
        raise error(f"{spoken(path)} cannot be written as JSON: {cause}.") from cause
    # Half a surrogate pair has no UTF-8; as an escape it is still valid JSON.
    write_whole(path, (text + "\n").encode("utf-8", "backslashreplace"), error)


def check_output(
    path: PathLike,
    inputs: Iterable[PathLike] = (),
    error: type[LangsteerError] = LangsteerError,
) -> None:
    """Whether a file can be written, to be asked before hours of work. Leaves nothing behind.

    Args:
        path: The file to be written.
        inputs: Files and folders that are read. Names that exist nowhere, such as those of models
            on the hub, do no harm.
        error: The class of the error.

    Raises:
        LangsteerError: The path is empty, a folder, a pipe or a device, one of the inputs (also by
            a link), an existing file in a folder that is read, or in a folder that cannot be
            written to.
    """
    target = _target(path, error)
    for given in inputs:
        if _same(target, given):
            raise error(
                f"{spoken(path)} would overwrite {spoken(given)}, which is read. Give the output "
                "another name."
            )
        if target.is_file() and _within(target, given):
            raise error(
                f"{spoken(path)} exists already and lies in {spoken(given)}, which is read. Give "
                "the output another name, or remove that file first."
            )
    with _told(path, error):
        folder = next(one for one in target.parents if os.path.lexists(one))
        # Only trying tells: permissions say nothing of a file system that is read-only.
        with tempfile.TemporaryFile(dir=folder):
            pass


def _target(path: PathLike, error: type[LangsteerError]) -> Path:
    """The file that a path means, links followed, if it is one that can be written."""
    # `Path("")` is the current folder.
    if os.fspath(path) in ("", ".") or not os.fspath(path).strip():
        raise error("The name of the output is empty. Give the path of a file.")
    try:
        target = Path(os.path.realpath(os.path.expanduser(path)))
        kind = stat.S_IFMT(target.stat().st_mode)
    except FileNotFoundError:
        return target
    except (OSError, ValueError) as cause:
        raise error(_unwritable(path, cause)) from cause
    if kind in SPECIAL:
        raise error(
            f"{spoken(path)} is {SPECIAL[kind]}. Give the path of a file: the output is written "
            "beside it first and then renamed."
        )
    return target


@contextmanager
def _told(path: PathLike, error: type[LangsteerError]) -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        raise error(_unwritable(path, cause)) from cause


def _unwritable(path: PathLike, cause: OSError | ValueError) -> str:
    reason = getattr(cause, "strerror", None) or cause
    return (
        f"{spoken(path)} cannot be written: {reason}. Give a path in a folder that exists or can "
        "be made, and that you may write to."
    )


def _mark(target: Path) -> str:
    """How the names of all parts of a file begin, written on this machine."""
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    return f".langsteer.{name}.{host}."


def _remove_leftovers(target: Path) -> None:
    """Remove the parts of this file whose writers are no longer running."""
    mark = _mark(target)
    for part in target.parent.iterdir():
        if part.name.startswith(mark) and part.name.endswith(".part"):
            writer = part.name.removeprefix(mark).partition(".")[0]
            if writer.isdigit() and not _runs(int(writer)):
                with suppress(OSError):
                    part.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _same(target: Path, given: PathLike) -> bool:
    with suppress(OSError, ValueError):
        if os.path.realpath(given) == str(target):
            return True
        return target.samefile(given)
    return False


def _within(target: Path, folder: PathLike) -> bool:
    with suppress(OSError, ValueError):
        return os.path.isdir(folder) and target.is_relative_to(os.path.realpath(folder))
    return False
