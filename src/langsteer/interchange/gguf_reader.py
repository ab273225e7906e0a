"""The metadata and the tensors of a GGUF file, with every length checked before it is used.

The reader of the package `gguf` trusts the counts in a file: a header of a few bytes can keep it
busy for hours. Version 2 and 3 of the format, little-endian.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np

from langsteer.errors import SpaceError

MOST_FIELDS, MOST_TENSORS, MOST_NAME = 4096, 2048, 256
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q",
            12: "d"}  # fmt: skip
_STRING, _ARRAY = 8, 9
_FLOATS: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2"), 28: np.dtype("<f8")}
ALIGNMENT = "general.alignment"


def read_gguf(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Plain values by name (arrays are skipped), and tensors `[n]` or `[n, …]` of floats.

    Raises:
        SpaceError: the file is cut short, damaged, or holds tensors of packed numbers.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Bytes(data).read()
    except (OSError, ValueError) as error:
        raise SpaceError(f"it cannot be read: {error}") from error
    except struct.error as error:
        raise SpaceError("it is cut short") from error


class _Bytes:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0

    def read(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        if self._data[:4] != b"GGUF":
            raise SpaceError("it is no GGUF file")
        self._at = 4
        version = self._number("I")
        if version not in (2, 3):
            raise SpaceError(f"it is GGUF of version {version}; 2 and 3 can be read")
        tensors, fields = self._number("Q"), self._number("Q")
        if tensors > MOST_TENSORS or fields > MOST_FIELDS:
            raise SpaceError(f"it says that it has {tensors} tensors and {fields} fields")
        found: dict[str, Any] = {}
        for _ in range(fields):
            name = self._string()
            found[name] = self._value(self._number("I"))
        return found, self._tensors(tensors, found.get(ALIGNMENT, 32))

    def _tensors(self, count: int, alignment: Any) -> dict[str, np.ndarray[Any, Any]]:
        told = []
        for _ in range(count):
            name, dimensions = self._string(), self._number("I")
            if dimensions > 4:
                raise SpaceError(f"the tensor {name[:60]!r} has {dimensions} dimensions")
            shape = [self._number("Q") for _ in range(dimensions)]
            told.append((name, shape, self._number("I"), self._number("Q")))
        if not isinstance(alignment, int) or not 0 < alignment <= 2**16:
            raise SpaceError(f"its alignment is {alignment!r}")
        begin = -(-self._at // alignment) * alignment
        found: dict[str, np.ndarray[Any, Any]] = {}
        for name, shape, kind, offset in told:
            if kind not in _FLOATS:
                raise SpaceError(f"the tensor {name[:60]!r} holds packed numbers (kind {kind})")
            if name in found:
                raise SpaceError(f"the tensor {name[:60]!r} is in it twice")
            found[name] = self._floats(name, shape, _FLOATS[kind], begin + offset)
        return found

    def _floats(
        self, name: str, shape: list[int], kind: np.dtype[Any], start: int
    ) -> np.ndarray[Any, Any]:
        size = kind.itemsize
        for length in shape:
            size *= length
        if size > len(self._data) or start + size > len(self._data):
            raise SpaceError(f"the tensor {name[:60]!r} goes beyond the end of the file")
        array = np.frombuffer(self._data[start : start + size], kind)
        return array.astype(np.float32).reshape(shape[::-1])

    def _value(self, kind: int) -> Any:
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind == _STRING:
            return self._string(len(self._data))
        if kind != _ARRAY:
            raise SpaceError(f"a field has the kind {kind}, which GGUF does not know")
        item, count = self._number("I"), self._number("Q")
        if count > len(self._data):
            raise SpaceError(f"a field says that it has {count} values")
        if item == _STRING:
            for _ in range(count):
                self._string(len(self._data))
        elif item in _NUMBERS:
            self._skip(count * struct.calcsize("<" + _NUMBERS[item]))
        else:
            raise SpaceError(f"a field has values of the kind {item}, which is not read")
        return None

    def _number(self, kind: str) -> Any:
        (found,) = struct.unpack_from("<" + kind, self._data, self._at)
        self._at += struct.calcsize("<" + kind)
        return found

    def _string(self, most: int = MOST_NAME) -> str:
        size = self._number("Q")
        if size > most:
            raise SpaceError(f"it says that it has a name of {size} bytes")
        start = self._at
        self._skip(size)
        return self._data[start : start + size].decode("utf-8", "backslashreplace")

    def _skip(self, size: int) -> None:
        if self._at + size > len(self._data):
            raise SpaceError("it is cut short")
        self._at += size
