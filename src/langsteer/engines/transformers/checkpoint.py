"""Load the model and the tokenizer of a checkpoint, whole, or say in one line why not."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from huggingface_hub import snapshot_download
from huggingface_hub import utils as hub_utils
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from langsteer.engines.transformers.hub import files_on_hub
from langsteer.engines.transformers.model_files import (
    ADAPTER,
    check_folder,
    check_gguf,
    read_adapter,
)
from langsteer.errors import LangsteerError, ModelError

Pair = tuple[PreTrainedModel, PreTrainedTokenizerBase]
_T = TypeVar("_T")
_DTYPES = ("float32", "bfloat16", "float16", "float64")
TENSOR_PARALLEL = "tensor-parallel"
"""The `device_map` of a model that is divided over processes."""
_SHOWN = 3


@dataclass(frozen=True)
class Checkpoint:
    """How a checkpoint is loaded.

    Args:
        device: a torch device, or `auto` for the best one at hand.
        dtype: a torch dtype by name, or `auto`: the checkpoint's own, but float32 on a CPU, where
            half precision is slow and rounds more.
        revision: branch, tag or commit of a model on the hub.
        device_map: how to spread the model over devices, such as `auto`; needs accelerate. With
            `tensor-parallel` each layer is divided over the processes that were started together.
        trust_remote_code: whether code that comes with the model may run.
    """

    device: str = "auto"
    dtype: str = "auto"
    revision: str | None = None
    device_map: str | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.device_map is not None and self.device != "auto":
            raise ModelError(
                f"device {self.device!r} and device_map {self.device_map!r} were both given; "
                "give one of them"
            )


def load_checkpoint(name_or_path: str | Path, options: Checkpoint = Checkpoint()) -> Pair:
    """A model in evaluation mode and its tokenizer.

    Every weight comes from the checkpoint: where one is missing or has another shape, transformers
    would take random numbers.

    Args:
        name_or_path: a folder with `config.json`, a folder with a PEFT adapter, a GGUF file, or a
            name on the hub such as `org/model`.
        options: how it is loaded.

    Raises:
        ModelError: there is no such model, or a file of it is missing, damaged or unfit; the
            message names it.
    """
    place, dtype = pick_device(options.device), _dtype(options.dtype)
    if options.device_map == TENSOR_PARALLEL:
        _require_processes()
    elif options.device_map is not None and not _installed("accelerate"):
        raise ModelError("device_map needs accelerate; pip install accelerate, or leave it out")
    name, found = str(name_or_path), Path(name_or_path).expanduser()
    with _quiet():
        if found.suffix.lower() == ".gguf" and found.is_file():
            model, tokenizer = _gguf(found, options, dtype)
        elif found.is_file():
            raise ModelError(
                f"{name!r} is a file; give the folder that holds config.json, or a .gguf file"
            )
        elif found.is_dir():
            model, tokenizer = _folder(found, options, dtype)
        elif _is_path(name):
            raise ModelError(f"there is no model folder {name!r}; check the path")
        else:
            model, tokenizer = _from_hub(name, options, dtype)
    if not options.device_map:
        _place(model, place, options.dtype)
    nn.Module.train(model, False)
    return model, tokenizer


def pick_device(name: str) -> torch.device:
    """The device of that name, or the best one at hand for `auto`.

    Of several GPUs it is that of this process, where whoever started several says its LOCAL_RANK.

    Raises:
        ModelError: it is no device, or there is none of it here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            local = os.environ.get("LOCAL_RANK", "")
            at = int(local) % torch.cuda.device_count() if local.isdecimal() else 0
            return torch.device("cuda", at) if local else torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"{name!r} is not a device; try auto, cpu, cuda or mps") from error
    try:
        torch.zeros(1, device=device).add(1).item()
    except Exception as error:  # each backend fails in its own way
        raise ModelError(
            f"the device {name!r} is not available here; leave it out, or try auto or cpu"
        ) from error
    return device


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or name.endswith(".gguf")


def _dtype(name: str) -> Any:
    if name == "auto":
        return name
    if name not in _DTYPES:
        raise ModelError(
            f"{name!r} is not a data type to compute in; choose auto, {', '.join(_DTYPES)}"
        )
    return getattr(torch, name)


def _folder(folder: Path, options: Checkpoint, dtype: Any) -> Pair:
    check_folder(folder)
    if (folder / ADAPTER).is_file() and not (folder / "config.json").is_file():
        return _adapter(folder, options)
    own = replace(options, revision=None)
    return _pretrained(str(folder), own, dtype, local_files_only=True)


def _from_hub(name: str, options: Checkpoint, dtype: Any) -> Pair:
    files, offline = files_on_hub(name, options.revision)
    if ADAPTER in files and "config.json" not in files:
        folder = _try(
            name,
            lambda: snapshot_download(name, revision=options.revision, local_files_only=offline),
        )
        return _adapter(Path(folder), options)
    return _pretrained(name, options, dtype, local_files_only=offline)


def _gguf(path: Path, options: Checkpoint, dtype: Any) -> Pair:
    """The weights of a GGUF file, unpacked: it is an ordinary model from here on."""
    check_gguf(path)
    missing = [name for name in ("gguf", "accelerate") if not _installed(name)]
    if missing:
        raise ModelError(f"GGUF files need a package more; pip install {' '.join(missing)}")
    wanted = torch.float32 if dtype == "auto" else dtype
    own = replace(options, revision=None)
    model, tokenizer = _pretrained(
        str(path.parent), own, wanted, gguf_file=path.name, local_files_only=True
    )
    # The weights are plain numbers now; what says otherwise would keep the model from being saved.
    for holder, name in (
        (model.config, "quantization_config"),
        (model, "hf_quantizer"),
        (model, "quantization_method"),
        (model, "is_quantized"),
    ):
        if name in vars(holder):
            delattr(holder, name)
    return model, tokenizer


def _adapter(folder: Path, options: Checkpoint) -> Pair:
    """The base model with the adapter merged into it."""
    name = str(folder)
    if not _installed("peft"):
        raise ModelError(
            f"{name!r} is an adapter (it holds {ADAPTER}); merge it into its base model, "
            "or pip install peft"
        )
    config = read_adapter(folder)
    base, kind = config.get("base_model_name_or_path"), str(config.get("peft_type"))
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"the adapter {name!r} does not name its base model; "
            f"write base_model_name_or_path into its {ADAPTER}"
        )
    if kind in {"PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING"}:
        raise ModelError(
            f"the adapter {name!r} adds virtual tokens ({kind}), which cannot be steered; "
            "use a LoRA adapter or the base model"
        )
    at_base = replace(options, revision=config.get("revision"))
    if Path(base).expanduser().resolve() == folder.resolve():
        raise ModelError(f"the adapter {name!r} names itself as its base model")
    model, tokenizer = load_checkpoint(base, at_base)
    merged = _try(name, lambda: _merged(model, folder))
    if (folder / "tokenizer_config.json").is_file():
        tokenizer = _tokenizer(name, options, local_files_only=True)
    return merged, tokenizer


def _merged(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    from peft import PeftModel, get_peft_model_state_dict  # noqa: PLC0415
    from peft.utils.save_and_load import load_peft_weights  # noqa: PLC0415

    given = load_peft_weights(str(folder), device="cpu")
    adapted = PeftModel.from_pretrained(model, str(folder))
    missing = set(get_peft_model_state_dict(adapted)) - set(given)
    if missing:
        raise ModelError(
            f"the adapter {str(folder)!r} lacks weights: {_few(missing)}; fetch it again"
        )
    if getattr(model, "is_quantized", False):
        return cast(PreTrainedModel, adapted.get_base_model())
    return cast(PreTrainedModel, cast(Any, adapted).merge_and_unload())


def _pretrained(name: str, options: Checkpoint, dtype: Any, **where: Any) -> Pair:
    tokenizer = _tokenizer(name, options, **where)
    load: Any = AutoModelForCausalLM.from_pretrained
    loaded: tuple[PreTrainedModel, dict[str, Any]] = _try(
        name,
        lambda: load(
            name,
            dtype=dtype,
            **_spread(options.device_map),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that they are named below
            **_common(options),
            **where,
        ),
    )
    model, info = loaded
    _check_loaded(name, info)
    return model, tokenizer


def _spread(device_map: str | None) -> dict[str, Any]:
    """What transformers is told of how a model is spread."""
    if device_map != TENSOR_PARALLEL:
        return {"device_map": device_map}
    try:
        distributed = importlib.import_module("transformers.distributed")
        return {"distributed_config": distributed.DistributedConfig(tp_plan="auto")}
    except (ImportError, TypeError) as error:
        raise ModelError(
            "this transformers cannot divide a model over processes; upgrade it, or spread the "
            "model over the devices of one process with --device-map auto"
        ) from error


def _require_processes() -> None:
    if not dist.is_available() or not dist.is_initialized():
        raise ModelError(
            "a model that is divided over processes needs several, which were started together: "
            "torchrun --nproc-per-node N -m langsteer fit … --device-map tensor-parallel"
        )


def _tokenizer(name: str, options: Checkpoint, **where: Any) -> PreTrainedTokenizerBase:
    return cast(
        PreTrainedTokenizerBase,
        _try(
            name,
            lambda: AutoTokenizer.from_pretrained(name, **_common(options), **where),
            part="tokenizer of the model",
        ),
    )


def _common(options: Checkpoint) -> dict[str, Any]:
    common: dict[str, Any] = {"trust_remote_code": options.trust_remote_code}
    return common if options.revision is None else {**common, "revision": options.revision}


def _check_loaded(name: str, info: dict[str, Any]) -> None:
    """Require that no weight was made up."""
    if info["missing_keys"]:
        raise ModelError(
            f"the weights of {name!r} are not complete: {_few(info['missing_keys'])} missing; "
            "fetch the model again, or mend its config.json"
        )
    if info["mismatched_keys"]:
        key, held, wanted = sorted(info["mismatched_keys"])[0]
        raise ModelError(
            f"the weights of {name!r} do not fit its config.json: {key!r} has the shape "
            f"{list(held)}, not {list(wanted)}; fetch the model again"
        )
    if info["unexpected_keys"]:
        warnings.warn(
            f"the weights of {name!r} hold {_few(info['unexpected_keys'])}, which config.json "
            "does not ask for; they are not used",
            stacklevel=2,
        )


def _few(names: Any) -> str:
    names = sorted(str(name) for name in names)
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _place(model: PreTrainedModel, place: torch.device, dtype: str) -> None:
    packed = getattr(model, "is_quantized", False)
    if not packed and model.dtype not in {getattr(torch, known) for known in _DTYPES}:
        raise ModelError(
            f"the weights are {str(model.dtype).removeprefix('torch.')}, which is not a data type "
            f"to compute in; choose dtype {', '.join(_DTYPES[:3])}"
        )
    half = model.dtype in (torch.float16, torch.bfloat16)
    try:
        if dtype == "auto" and place.type == "cpu" and half:
            nn.Module.to(model, torch.float32)
        nn.Module.to(model, place)
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"the model cannot be moved to {str(place)!r}: {_first_line(error)} "
            "Try another device, or a device_map."
        ) from error


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _try(name: str, call: Callable[[], _T], part: str = "model") -> _T:
    """What `call` returns; whatever goes wrong with files that others wrote is a `ModelError`."""
    try:
        return call()
    except (KeyboardInterrupt, SystemExit, GeneratorExit, LangsteerError):
        raise
    except BaseException as error:  # a panic of the tokenizers is no Exception
        raise ModelError(
            f"the {part} {name!r} cannot be loaded: {_first_line(error)} "
            "Check its files, or fetch it again."
        ) from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else type(error).__name__
    if isinstance(error, KeyError | IndexError | AttributeError | TypeError):
        said = f"{type(error).__name__}: {said}"  # the message alone says little
    return said.rstrip(".") + "."


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what transformers, the hub and peft log from the terminal; errors say it all.

    The bar of downloads, which may take long, stays.
    """
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    downloads = not cast(Any, hub_utils).are_progress_bars_disabled()
    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "peft")]
    levels = [logger.level for logger in loggers]
    transformers_logging.set_verbosity(logging.CRITICAL)
    cast(Any, transformers_logging).disable_progress_bar()
    if downloads:
        cast(Any, hub_utils).enable_progress_bars()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(transformers|huggingface_hub|peft|torch)\b")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            cast(Any, transformers_logging).enable_progress_bar()
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
