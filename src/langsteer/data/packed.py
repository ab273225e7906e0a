"""Files that are packed, as gzip or Zstandard: their bytes as they were before."""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
import weakref
import zlib
from importlib import import_module
from pathlib import Path
from typing import IO, Any, cast

from langsteer.data.files import spoken
from langsteer.errors import CorpusError

ENDINGS = (".gz", ".zst")
"""What the name of a packed file ends with."""
CUT_SHORT = "it is cut short"


def is_packed(path: Path) -> bool:
    """Whether the name of a file says that it is packed."""
    return path.suffix.lower() in ENDINGS


def unpacked(raw_path: Path) -> bytes:
    """All bytes of a packed file.

    Raises:
        CorpusError: it cannot be read or unpacked, or what unpacks it is not installed.
    """
    with _opened(raw_path) as file:
        try:
            return file.read()
        except _errors() as error:
            raise _broken(raw_path, error) from error


class UnpackedFile:
    """A packed file on disk as it was before, for as long as this object is there.

    Raises:
        CorpusError: as `unpacked`, or there is no room for it.
    """

    def __init__(self, packed: Path) -> None:
        folder = tempfile.mkdtemp(prefix="langsteer-")
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = Path(folder) / packed.stem
        with _opened(packed) as file, self.path.open("wb") as plain:
            try:
                shutil.copyfileobj(file, plain, 2**20)
            except OSError as error:
                if error.errno is None:  # what is unpacked is damaged
                    raise _broken(packed, error) from error
                raise CorpusError(
                    f"{spoken(packed)} cannot be unpacked into {folder}: {error.strerror}. Set "
                    "TMPDIR to a folder with room, or unpack the file yourself."
                ) from error
            except _errors() as error:
                raise _broken(packed, error) from error


def _opened(path: Path) -> IO[bytes]:
    try:
        if path.suffix.lower() == ".gz":
            return cast(IO[bytes], gzip.open(path, "rb"))
        return cast(IO[bytes], _zstandard().open(path, "rb"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(
            f"{spoken(path)!r} cannot be read: {reason}. Check the path and its permissions."
        ) from error


def _zstandard() -> Any:
    """Python's own module, or for versions before 3.14 the one that brings it to them.

    Raises:
        CorpusError: it is not installed.
    """
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        return import_module(name)
    except ImportError as error:
        raise CorpusError(
            "to read .zst files a package is needed. Install it with: pip install 'langsteer[zstd]'"
        ) from error


def _errors() -> tuple[type[Exception], ...]:
    """What is raised of damaged data."""
    try:
        return (OSError, EOFError, zlib.error, _zstandard().ZstdError)
    except CorpusError:
        return (OSError, EOFError, zlib.error)


def _broken(path: Path, error: Exception) -> CorpusError:
    return CorpusError(
        f"{spoken(path)} cannot be unpacked: {str(error) or CUT_SHORT}. Copy it again, or take the "
        f"ending {path.suffix} from its name if it is not packed."
    )
