"""Is a model on the Hugging Face hub, or kept from it? Answered within seconds."""

from __future__ import annotations

import queue
import threading
from typing import Any

from huggingface_hub import HfApi, constants, errors, try_to_load_from_cache

from langsteer.engines.transformers.model_files import ADAPTER
from langsteer.errors import ModelError

TIMEOUT = 8.0
"""Seconds that the hub may take to say whether it has a model."""


def files_on_hub(name: str, revision: str | None) -> tuple[set[str], bool]:
    """The names of a model's files, and whether only what was downloaded before is to be used.

    Raises:
        ModelError: there is no such model, it may not be read, or the hub cannot be reached and
            the model was not downloaded before.
    """
    kept = {file for file in ("config.json", ADAPTER) if _is_kept(name, file, revision)}
    if constants.HF_HUB_OFFLINE:
        return _kept_or_refused(name, kept, "HF_HUB_OFFLINE is set, so the hub is not asked")
    try:
        return _asked(name, revision), False
    except errors.GatedRepoError as error:
        raise ModelError(
            f"the model {name!r} is gated; accept its terms on the hub and log in with "
            "`hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(f"the model {name!r} has no revision {revision!r} on the hub") from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no model {name!r} on the hub, and no such folder here; check the name, or "
            "log in with `hf auth login` if it is private"
        ) from error
    except errors.HFValidationError as error:
        raise ModelError(
            f"{name!r} is neither a folder here nor a name on the hub such as 'org/model'; "
            "check the path"
        ) from error
    except Exception as error:  # a network fails in many ways
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return _kept_or_refused(name, kept, f"the hub cannot be reached ({reason.rstrip('.')})")


def _kept_or_refused(name: str, kept: set[str], why: str) -> tuple[set[str], bool]:
    if kept:
        return kept, True
    raise ModelError(
        f"there is no folder {name!r}, and no model of that name was downloaded before; {why}. "
        "Check the name or the path."
    )


def _is_kept(name: str, file: str, revision: str | None) -> bool:
    try:
        return isinstance(try_to_load_from_cache(name, file, revision=revision), str)
    except errors.HFValidationError:
        return False


def _asked(name: str, revision: str | None) -> set[str]:
    """What the hub says, or `TimeoutError`: looking up its address has no limit of its own."""
    said: queue.Queue[Any] = queue.Queue()

    def ask() -> None:
        try:
            info = HfApi().model_info(name, revision=revision, timeout=TIMEOUT)
            said.put({one.rfilename for one in info.siblings or ()})
        except Exception as error:
            said.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = said.get(timeout=TIMEOUT + 2)
    except queue.Empty:
        raise TimeoutError(f"no answer within {TIMEOUT + 2:.0f} s") from None
    if isinstance(found, Exception):
        raise found
    return set(found)
