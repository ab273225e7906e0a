"""Files that are either written whole or not at all."""

import os
from pathlib import Path

from langsteer.errors import ReportError


def write_atomically(path: Path, data: bytes) -> None:
    """Writes beside the file and renames, so that a reader never sees half of it.

    Raises:
        ReportError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(
            f"The report cannot be written to {str(path)!r}: {error.strerror or error}. "
            "Give a folder that exists or can be made, and that you may write to."
        ) from error
