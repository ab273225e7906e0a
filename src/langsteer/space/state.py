"""The state of a long run on disk: one that was stopped goes on and ends as if it had not been."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from langsteer.data.files import write_whole
from langsteer.errors import LangsteerError


class RunState:
    """Tensors and plain values under the settings that they belong to.

    Args:
        path: the file; None: nothing is kept.
        settings: whose state it is, as plain values.
        run: what kind of run it is the state of, such as `training`.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any], run: str) -> None:
        self.path, self._run = path, run
        self._key = f"langsteer-{run}"
        self._settings = json.loads(json.dumps(settings))

    def write(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Write the state whole or not at all. `LangsteerError` where it cannot be written."""
        if self.path is None:
            return
        text = json.dumps({"settings": self._settings, "values": values})
        local = {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
        write_whole(self.path, save(local, metadata={self._key: text}), LangsteerError)

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was written, or None where there is nothing.

        Raises:
            LangsteerError: the file is damaged, or belongs to another run.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                found = json.loads((file.metadata() or {})[self._key])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            settings, values = found["settings"], dict(found["values"])
        except Exception as error:  # whatever damaged bytes lead to, none of it is for the user
            raise LangsteerError(
                f"{self.path} is not the state of a {self._run}, or is damaged ({error!r:.200}). "
                "Delete the file to begin anew."
            ) from error
        self._check(settings)
        return tensors, values

    def _check(self, theirs: Mapping[str, Any]) -> None:
        other = [
            f"{name}: {theirs.get(name)!r}, now {self._settings.get(name)!r}"
            for name in {**self._settings, **theirs}
            if theirs.get(name) != self._settings.get(name)
        ]
        if other:
            raise LangsteerError(
                f"{self.path} is the state of another {self._run} ({'; '.join(other)}). Go on with "
                "the same settings, or delete the file to begin anew."
            )
