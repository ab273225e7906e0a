"""One model's residual stream: find the layers, check them, read them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from langsteer.engines.transformers.hooks import Hooks, hidden_of, is_compiled
from langsteer.errors import ModelError

_ROWS, _COLUMNS = 2, 3  # of the dry forward: different, so that a transposed output shows


class ResidualStream:
    """The residual stream of one causal language model, at the outputs of its decoder layers.

    Binding runs a forward pass of two rows and three tokens, and requires that each layer runs
    once, in order, with an output of shape (2, 3, width).

    Args:
        model: the model; it stays where it is and is never changed, but for resident hooks that do
            nothing until a steering or reading context asks them to.
        layers: the path of the layer list, such as `model.layers`; found by itself if None.

    Raises:
        ModelError: no layer list can be found, or the one named does not behave like one.
    """

    def __init__(self, model: PreTrainedModel, *, layers: str | None = None) -> None:
        given = model
        model = cast(PreTrainedModel, getattr(given, "_orig_mod", given))
        _refuse_virtual_tokens(model)
        found = find_layers(model, layers)
        self.model = model
        self.path = found.path
        self.layers: tuple[nn.Module, ...] = found.layers
        self.depth = len(found.layers)
        self.width = found.width
        parent = found.path.rpartition(".")[0]
        self.hooks = Hooks.attach(model, model.get_submodule(parent), found.layers)
        if given is not model or is_compiled(model):
            # A compiled graph made before the hooks existed would ignore them without a word. All
            # graphs of the process are dropped then: there is no way to drop those of one model.
            torch._dynamo.reset()
        parameters = inspect.signature(model.forward).parameters
        self.positional = "position_ids" in parameters
        """Whether the model can be told the position of each token."""
        self.last_logits = "logits_to_keep" in parameters
        """Whether the model can leave out the logits of all but the last tokens."""

    def close(self) -> None:
        """Unbind: the model is left as it was, and this stream can no longer read or edit it."""
        self.hooks.detach()

    @property
    def device(self) -> torch.device:
        """Where token ids go: the device on which the input embedding runs."""
        return _device(self.model)

    @property
    def context(self) -> int | None:
        """The longest sequence in tokens that the model was made for, where it says so."""
        length = getattr(_text_config(self.model), "max_position_embeddings", None)
        return length if isinstance(length, int) and length > 0 else None

    def check_layer(self, layer: int) -> int:
        """The layer itself, if the model has it; ModelError otherwise."""
        if not 0 <= layer < self.depth:
            raise ModelError(
                f"layer {layer} is outside the model, which has {self.depth} layers: "
                f"choose from 0 to {self.depth - 1}"
            )
        return layer

    def read(
        self, input_ids: Tensor, attention_mask: Tensor | None, layers: Sequence[int]
    ) -> list[Tensor]:
        """The outputs [rows, columns, width] of the layers `layers`, in that order, cloned."""
        latents: dict[int, Tensor] = {}

        def keep(layer: int, hidden: Tensor) -> None:
            with torch.inference_mode(False):  # a clone that can be trained on
                latents[layer] = hidden.clone()

        self.visit(input_ids, attention_mask, layers, keep)
        return [latents[layer] for layer in layers]

    def visit(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        layers: Sequence[int],
        reader: Callable[[int, Tensor], None],
    ) -> None:
        """Hand the output of each layer in `layers` to `reader` as it comes; nothing is kept.

        The forward pass stops after the last wanted layer: neither the layers above it nor the
        language-model head run. An edit in force is included in what is read. The reader must not
        write into the tensor; one that keeps it must clone it.

        Args:
            input_ids: tokens [rows, columns].
            attention_mask: [rows, columns], 1 for tokens and 0 for padding; None for no padding.
            layers: layer indices, 0-based.
            reader: called with (layer, latents [rows, columns, width]).

        Raises:
            ModelError: a layer is outside the model, or a wanted layer did not run.
        """
        waiting = {self.check_layer(layer) for layer in layers}
        last = max(waiting, default=-1)

        def on_layer(index: int, hidden: Tensor) -> None:
            if index in waiting:
                waiting.discard(index)
                reader(index, hidden)
            if index == last:
                raise StopForwardError

        if not waiting:
            return
        with torch.inference_mode(), self.hooks.reading(on_layer):
            try:
                self.model(**self.inputs(input_ids, attention_mask))
            except StopForwardError:
                return
        raise ModelError(
            f"layer {last} of {self.path} did not run; the model was probably compiled "
            "before it was bound: bind it first, then compile"
        )

    def inputs(self, input_ids: Tensor, attention_mask: Tensor | None) -> dict[str, Any]:
        """What the model is given for one forward pass without a cache, on its device."""
        inputs: dict[str, Any] = {"input_ids": input_ids.to(self.device), "use_cache": False}
        if attention_mask is None:
            return inputs
        inputs["attention_mask"] = attention_mask.to(self.device)
        if self.positional and not bool(attention_mask[:, 0].all()):
            # Without them a left-padded row would count its padding as positions.
            positions = inputs["attention_mask"].long().cumsum(1) - 1
            inputs["position_ids"] = positions.clamp(min=0)
        return inputs


def _refuse_virtual_tokens(model: nn.Module) -> None:
    """An adapter that puts tokens of its own before a prompt moves every position."""
    for module in model.modules():
        for name, config in dict(getattr(module, "peft_config", None) or {}).items():
            if getattr(config, "is_prompt_learning", False):
                raise ModelError(
                    f"the adapter {name!r} puts virtual tokens before each prompt, so that "
                    "positions cannot be told; use a model without it, or a LoRA adapter"
                )


class StopForwardError(Exception):
    """The last wanted layer has run."""


@dataclass(frozen=True)
class FoundLayers:
    """A checked layer list: its path in the model, its layers, and the width of the stream."""

    path: str
    layers: tuple[nn.Module, ...]
    width: int


@dataclass
class _Trace:
    """What a layer list did in the dry forward."""

    order: list[int] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    trouble: str | None = None

    def problem(self, count: int) -> str | None:
        """Why this is not the list of the decoder layers; None if it is."""
        if self.trouble is not None or not self.order:
            return self.trouble or "its modules do not run in a forward pass on text"
        if self.order != list(range(count)):
            return f"its modules run in the order {self.order}, not once each in index order"
        return self._misshapen()

    def _misshapen(self) -> str | None:
        shape = self.shapes[0]
        if len(set(self.shapes)) > 1:
            return f"its modules return different shapes: {sorted(set(self.shapes))}"
        if len(shape) == 4:
            return f"it keeps several streams per token (layer output {shape})"
        if len(shape) != 3 or shape[:2] != (_ROWS, _COLUMNS):
            return f"a layer returns {shape} for {_ROWS} rows of {_COLUMNS} tokens"
        return None


def find_layers(model: PreTrainedModel, path: str | None = None) -> FoundLayers:
    """The decoder layers of a model, confirmed by a dry forward pass.

    Candidates are the module lists with as many entries as the text configuration has layers; a
    list inside a vision or audio tower does not run on text, and so drops out.

    Raises:
        ModelError: none fits, or several do; the message says why for each candidate.
    """
    if getattr(model.config, "is_encoder_decoder", False):
        raise ModelError(
            f"{type(model).__name__} reads the prompt with an encoder and answers with a decoder; "
            "only models that do both with the same layers can be steered"
        )
    candidates = _candidates(model) if path is None else {path: _named(model, path)}
    if not candidates:
        depth = _depth(model)
        wanted = "an unknown number of layers" if depth is None else f"{depth} layers"
        raise ModelError(
            f"{type(model).__name__} has no list of {wanted}; its module lists are "
            f"{', '.join(_lists(model)) or 'none'}: name one with `layers`"
        )
    traces = _dry_forward(model, candidates)
    problems = {name: trace.problem(len(candidates[name])) for name, trace in traces.items()}
    good = _outermost([name for name, problem in problems.items() if problem is None])
    if len(good) == 1:
        name = good[0]
        return FoundLayers(name, tuple(candidates[name]), traces[name].shapes[0][2])
    if good:
        raise ModelError(
            f"{type(model).__name__} has several lists of layers: {', '.join(good)}; "
            "name one with `layers`"
        )
    reasons = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
    raise ModelError(f"the layers of {type(model).__name__} cannot be steered: {reasons}")


def _text_config(model: PreTrainedModel) -> Any:
    return model.config.get_text_config(decoder=True)


def _depth(model: PreTrainedModel) -> int | None:
    return getattr(_text_config(model), "num_hidden_layers", None)


def _candidates(model: PreTrainedModel) -> dict[str, nn.ModuleList]:
    lists = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList)
    }
    config = _text_config(model)
    # where one module holds two layers, the configuration counts both under another name.
    depths = {getattr(config, name, None) for name in ("num_hidden_layers", "num_layers")}
    return {name: layers for name, layers in lists.items() if len(layers) in depths}


def _named(model: PreTrainedModel, path: str) -> nn.ModuleList:
    try:
        module = model.get_submodule(path)
    except AttributeError:
        module = None
    if not isinstance(module, nn.ModuleList) or not len(module):
        raise ModelError(
            f"{path!r} is not a list of layers in {type(model).__name__}; "
            f"its module lists are {', '.join(_lists(model)) or 'none'}"
        )
    return module


def _lists(model: PreTrainedModel) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]


def _outermost(names: Sequence[str]) -> list[str]:
    return [name for name in names if not any(name.startswith(f"{other}.") for other in names)]


def _dry_forward(model: PreTrainedModel, candidates: dict[str, nn.ModuleList]) -> dict[str, _Trace]:
    """Run two rows of three tokens and note what every candidate does."""
    traces = {name: _Trace() for name in candidates}
    ids = torch.arange(_ROWS * _COLUMNS, device=_device(model)).view(_ROWS, _COLUMNS)
    ids = ids % cast(Tensor, _embedding(model).weight).shape[0]
    with _traced(candidates, traces), _still(model), torch.no_grad():
        try:
            output = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
        except Exception as error:
            raise ModelError(
                f"{type(model).__name__} cannot run a forward pass on text alone: "
                f"{type(error).__name__}: {error}"
            ) from error
    logits = getattr(output, "logits", None)
    if isinstance(logits, Tensor) and logits.shape[:2] != ids.shape:
        raise ModelError(
            f"{type(model).__name__} returns logits of shape {tuple(logits.shape)} for {_ROWS} "
            f"rows of {_COLUMNS} tokens; only models that continue a text token by token can be "
            "steered"
        )
    return traces


def _embedding(model: PreTrainedModel) -> nn.Module:
    try:
        embedding = model.get_input_embeddings()
    except (NotImplementedError, AttributeError):
        embedding = None
    if not isinstance(getattr(embedding, "weight", None), Tensor):
        raise ModelError(f"{type(model).__name__} has no embedding of text tokens")
    return cast(nn.Module, embedding)


def _device(model: PreTrainedModel) -> torch.device:
    """Where the input embedding runs: offloaded weights lie on `meta` until they are needed."""
    embedding = _embedding(model)
    device = cast(Tensor, embedding.weight).device
    if device.type != "meta":
        return device
    place = getattr(getattr(embedding, "_hf_hook", None), "execution_device", None)
    return torch.device("cpu" if place is None else place)


@contextmanager
def _traced(candidates: dict[str, nn.ModuleList], traces: dict[str, _Trace]) -> Iterator[None]:
    def note(trace: _Trace, index: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            trace.order.append(index)
            try:
                trace.shapes.append(tuple(hidden_of(output).shape))
            except ModelError as error:
                trace.trouble = str(error)

        return hook

    with ExitStack() as stack:
        for name, layers in candidates.items():
            for index, layer in enumerate(layers):
                handle = layer.register_forward_hook(note(traces[name], index))
                stack.callback(handle.remove)
        yield


@contextmanager
def _still(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a moment, each module's own mode restored after it."""
    modes = [(module, module.training) for module in model.modules() if module.training]
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
