"""Files that are either written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from langsteer.errors import LangsteerError


def write_whole(path: Path, data: bytes, error: type[LangsteerError]) -> None:
    """Write beside the file and rename: at no time is there half a file at ``path``.

    Missing folders are made.

    Raises:
        LangsteerError: The file cannot be written; of the class ``error``.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as cause:
        raise error(
            f"{path} cannot be written: {cause.strerror or cause}. Give a path in a folder that "
            "exists or can be made, and that you may write to."
        ) from cause
