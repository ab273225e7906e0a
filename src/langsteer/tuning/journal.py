"""What a search has been told so far, on disk: a search that was killed goes on where it stopped.

The first line says whose journal it is, every further line holds one finished batch of answers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langsteer.errors import LangsteerError

FORMAT = 3
"""Since 2 every entry has a checksum, and since 3 the head says all that an answer depends on."""


class Journal:
    """Finished batches by key, one line each; a line counts once all of it is on the disk.

    Args:
        path: The file; it is made with the first entry.
        settings: Whose journal it is, as plain values.

    Raises:
        LangsteerError: The file belongs to other settings, is no journal, or cannot be read.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._settings = json.loads(json.dumps(settings))
        self._entries: dict[str, Any] = {}
        self._size = 0
        if path.exists():
            self._read()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Any | None:
        """What was written under this key, or None."""
        return self._entries.get(key)

    def write(self, key: str, value: Any) -> None:
        """Add an entry; when this returns it is on the disk."""
        new = [] if self._size else [{"journal": FORMAT, "settings": self._settings}]
        entry = {"key": key, "value": value, "checksum": digest([key, value])}
        lines = [json.dumps(one) for one in (*new, entry)]
        data = "".join(line + "\n" for line in lines).encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("r+b" if self._size else "wb") as file:
                # What a kill left of a line lies beyond the last whole one, and is overwritten.
                file.seek(self._size)
                file.write(data)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        except OSError as cause:
            raise LangsteerError(
                f"The journal {self.path} cannot be written: {cause.strerror or cause}. Give a "
                "path in a folder that you may write to."
            ) from cause
        self._size += len(data)
        self._entries[key] = value

    def _read(self) -> None:
        try:
            data = self.path.read_bytes()
        except OSError as cause:
            raise LangsteerError(
                f"The journal {self.path} cannot be read: {cause.strerror or cause}."
            ) from cause
        lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        for number, line in enumerate(lines):
            try:
                found = json.loads(line)
                if number == 0:
                    self._check(found["journal"], found["settings"])
                elif found["checksum"] == digest([found["key"], found["value"]]):
                    self._entries[found["key"]] = found["value"]
                else:
                    raise ValueError("its checksum is another")
            except (ValueError, KeyError, TypeError, RecursionError) as cause:
                rest = "that line to answer its prompts again, or " if number else ""
                raise LangsteerError(
                    f"{self.path}:{number + 1} is not a line of a tuning journal, or is damaged "
                    f"({cause!r:.200}). Delete {rest}the file to begin anew."
                ) from cause
            self._size += len(line)

    def _check(self, written: Any, settings: Mapping[str, Any]) -> None:
        theirs = {"journal": written, **settings}
        mine = {"journal": FORMAT, **self._settings}
        other = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
        if other:
            said = "; ".join(
                f"{name}: {theirs.get(name)!r}, now {mine.get(name)!r}" for name in other
            )
            raise LangsteerError(
                f"The journal {self.path} belongs to another search ({said}). Go on with the same "
                "settings, or delete the file to begin anew."
            )


def digest(value: Any) -> str:
    """A short fingerprint of plain values."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
