"""What is known of one forward pass, and the resident hooks that know it.

The hooks are attached once per model and stay. What they do is decided per forward pass by the
listeners of the calling context (`contextvars`), so threads and nested uses do not see each other,
and a model without listeners computes exactly what it computed before.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial, update_wrapper, wraps
from threading import Thread, current_thread
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from langsteer.engines.transformers.head import output_head, whole_rows
from langsteer.errors import ModelError, SteeringError

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])
_HOOKS = "_langsteer_hooks"
_PROMPT = "_langsteer_prompt"
_CACHES = ("past_key_values", "cache_params", "state", "past_buckets_states")
_PACKED = ("cu_seq_lens_q", "cu_seqlens_q", "cu_seq_lens", "block_table", "seq_idx")
_GENERATORS_REFUSED = (
    "generate_batch",
    "init_continuous_batching",
    "continuous_batching_context_manager",
)


@dataclass(frozen=True, eq=False)
class PromptTokens:
    """The prompt of every row, in the columns of the caller's input.

    `real` [rows, columns] (bool, CPU) is true where a column holds a token, not padding; `ids`
    [rows, columns] are the tokens, where known.
    """

    real: Tensor
    ids: Tensor | None = None
    seen: dict[int, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The number of prompts."""
        return self.real.shape[0]

    @property
    def columns(self) -> int:
        """The width of the prompts, padding included."""
        return self.real.shape[1]

    def row(self, row: int) -> PromptTokens:
        """The prompt of one row, in the same columns."""
        mine = slice(row, row + 1)
        return PromptTokens(self.real[mine], None if self.ids is None else self.ids[mine])

    @staticmethod
    def of(ids: Tensor | None, mask: Tensor | None, shape: tuple[int, int]) -> PromptTokens:
        """The prompt with these ids and this mask, either of which may be unknown."""
        real = torch.ones(shape, dtype=torch.bool) if mask is None else mask.bool().cpu()
        known = ids is not None and tuple(ids.shape) == tuple(real.shape)
        return PromptTokens(real, ids.cpu() if known and ids is not None else None)


@dataclass(frozen=True, eq=False)
class Forward:
    """One forward pass: the columns `start` to `start + length` of `rows` sequences."""

    prompt: PromptTokens
    start: int
    length: int
    rows: int
    ids: Tensor | None
    owner: nn.Module | None = None
    memo: dict[object, Any] = field(default_factory=dict)

    @property
    def copies(self) -> int:
        """How many rows of this forward belong to one prompt (beams, returned sequences)."""
        return self.rows // self.prompt.rows


def _opaque(function: _F) -> _F:
    """Keep the function out of compiled graphs: it reads the context of the moment."""
    disable = cast("Callable[[_F], _F]", torch.compiler.disable)
    return disable(function)


class Editor(Protocol):
    """Something that edits the residual stream during a forward pass."""

    @property
    def layers(self) -> Set[int]:
        """The layers whose output it edits."""

    def edit(self, forward: Forward, index: int, hidden: Tensor) -> Tensor:
        """The output [rows, length, d] of layer `index`, edited; the tensor itself if not."""

    def finish(self, forward: Forward) -> None:
        """Check the forward pass that has just run to its end."""

    def generated(self, prompt: PromptTokens, kept: Callable[[], Sequence[int]]) -> None:
        """A generation is over; `kept` says how many of the new tokens of each row are its own."""

    def check_cache(self, cache: Any) -> None:
        """Look at a cache that already holds keys and values."""

    def mark_cache(self, cache: Any) -> None:
        """Note on a cache what it was filled under."""


Reader = Callable[[int, Tensor], None]


@dataclass(frozen=True)
class _Listeners:
    """The listeners of one context: at most one editor, any number of readers."""

    editor: Editor | None = None
    readers: tuple[Reader, ...] = ()


_SILENT = _Listeners()
_LISTENERS: ContextVar[Mapping[Hooks, _Listeners]] = ContextVar("langsteer_listeners", default={})  # noqa: B039
_FORWARDS: ContextVar[Mapping[Hooks, Forward]] = ContextVar("langsteer_forwards", default={})  # noqa: B039
_PROMPTS: ContextVar[Mapping[Hooks, PromptTokens]] = ContextVar("langsteer_prompts", default={})  # noqa: B039


class Hooks:
    """The resident hooks of one model: on its top, on its decoder, and on each layer."""

    def __init__(self, model: nn.Module, decoder: nn.Module, layers: Sequence[nn.Module]) -> None:
        self.layers = tuple(layers)
        self._names: dict[type, tuple[str, ...]] = {}
        self._handles = [
            handle
            for module in dict.fromkeys((model, decoder))
            for handle in (
                module.register_forward_pre_hook(self._enter, with_kwargs=True),
                module.register_forward_hook(self._leave, with_kwargs=True, always_call=True),
            )
        ]
        self._handles += [
            layer.register_forward_hook(partial(self._layer, index))
            for index, layer in enumerate(layers)
        ]
        head = output_head(model)
        if head is not None:
            self._handles.append(head.register_forward_pre_hook(whole_rows))
        self._model = ref(model)
        self._open: dict[Editor, _Block] = {}
        _watch_threads()
        _wrap_generation(model)

    @staticmethod
    def of(model: nn.Module) -> Hooks | None:
        """The hooks of this model, if it has one."""
        found = model.__dict__.get(_HOOKS)
        return found if isinstance(found, Hooks) else None

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of a bound model is not bound: what is in the place of its hooks does nothing."""
        return _Unbound, ()

    @staticmethod
    def attach(model: nn.Module, decoder: nn.Module, layers: Sequence[nn.Module]) -> Hooks:
        """The hooks of this model, attached now if it has none."""
        hooks = Hooks.of(model)
        if hooks is None:
            hooks = Hooks(model, decoder, layers)
            setattr(model, _HOOKS, hooks)
        elif hooks.layers != tuple(layers):
            raise ModelError(
                "the model is already bound with other layers; close it to bind it with "
                "another `layers` path"
            )
        return hooks

    def detach(self) -> None:
        """Leave the model as it was: no hook, and its own methods."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        model = self._model()
        if model is not None and Hooks.of(model) is self:
            for name in ("generate", *_GENERATORS_REFUSED, _HOOKS):
                model.__dict__.pop(name, None)

    @contextmanager
    def editing(self, editor: Editor | None, prompt: PromptTokens | None = None) -> Iterator[None]:
        """Let `editor` edit the forward passes of this context, instead of any outer editor."""
        listeners = _Listeners(editor, self._listeners().readers)
        with self._opened(editor) as block:
            with (
                _override(_LISTENERS, self, listeners),
                _override(_PROMPTS, self, prompt),
                _override(_FORWARDS, self, None),
            ):
                yield
            if block.passed_by and not block.applied:
                raise SteeringError(
                    f"{block.passed_by} forward passes ran inside a block that steers the model, "
                    "but in a thread or context that does not know of it, so that no edit was "
                    "made. Start the thread inside the block, or run its work with "
                    "contextvars.copy_context().run(...)."
                )

    @contextmanager
    def _opened(self, editor: Editor | None) -> Iterator[_Block]:
        """Know of the block while it is open, also in threads that it starts."""
        block = _Block()
        if editor is None:
            yield block
            return
        self._open[editor] = block
        try:
            yield block
        finally:
            del self._open[editor]

    @contextmanager
    def reading(self, reader: Reader) -> Iterator[None]:
        """Hand the output of every layer to `reader`, after any edit."""
        listeners = self._listeners()
        with _override(
            _LISTENERS, self, _Listeners(listeners.editor, (*listeners.readers, reader))
        ):
            yield

    @contextmanager
    def prompted(self, prompt: PromptTokens) -> Iterator[None]:
        """Declare the prompt of the forward passes of this context."""
        with _override(_PROMPTS, self, prompt):
            yield

    def generation_ended(self, prompt: PromptTokens, kept: Callable[[], Sequence[int]]) -> None:
        """Tell the editor of this context that a generation is over."""
        editor = self._listeners().editor
        if editor is not None:
            editor.generated(prompt, kept)

    @property
    def edited(self) -> bool:
        """Whether this context has an editor."""
        return self._listeners().editor is not None

    @property
    def prompt(self) -> PromptTokens | None:
        """The prompt that this context has declared."""
        return _PROMPTS.get().get(self)

    def _listeners(self) -> _Listeners:
        own = _LISTENERS.get().get(self)
        if own is not None or not self._open:
            return own or _SILENT
        context = _STARTED_IN.get(current_thread())
        inherited = _SILENT if context is None else context.get(_LISTENERS, {}).get(self, _SILENT)
        # A thread that outlives the block in which it was started is not steered any more.
        return inherited if inherited.editor in self._open else _SILENT

    def _enter(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if torch.compiler.is_compiling():
            self._enter_opaquely(module, args, kwargs)
        elif (_LISTENERS.get() or self._open) and self not in _FORWARDS.get():
            self._publish(module, args, kwargs)

    @_opaque
    def _enter_opaquely(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        self._enter(module, args, kwargs)

    def _publish(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        listeners = self._listeners()
        editor = listeners.editor
        if editor is None:
            if listeners is _SILENT and self not in _LISTENERS.get():
                for block in list(self._open.values()):
                    block.passed_by += 1
            return
        if editor in self._open:
            self._open[editor].applied = True
        given = dict(zip(self._parameters(module), args, strict=False)) | kwargs
        forward = _read_forward(module, given, self.prompt)
        if forward.start:
            editor.check_cache(_cache(given))
        _FORWARDS.set({**_FORWARDS.get(), self: forward})

    def _leave(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if torch.compiler.is_compiling():
            self._leave_opaquely(module, args, kwargs, output)
            return
        forward = _FORWARDS.get().get(self)
        if forward is not None and forward.owner is module:
            self._retract(forward, output)

    @_opaque
    def _leave_opaquely(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self._leave(module, args, kwargs, output)

    def _retract(self, forward: Forward, output: Any) -> None:
        _FORWARDS.set(
            {hooks: value for hooks, value in _FORWARDS.get().items() if hooks is not self}
        )
        editor = self._listeners().editor
        if output is None or editor is None:  # it failed, or was stopped
            return
        editor.finish(forward)
        cache = _cache(output if isinstance(output, Mapping) else {})
        if hasattr(cache, "__dict__"):
            editor.mark_cache(cache)
            forward.prompt.seen[id(cache)] = forward.start + forward.length
            setattr(cache, _PROMPT, forward.prompt)

    def _layer(self, index: int, module: nn.Module, args: Any, output: Any) -> Any:
        if torch.compiler.is_compiling():
            return self._layer_opaquely(index, module, args, output)
        if not _LISTENERS.get() and not self._open:
            return None
        listeners = self._listeners()
        idle = not listeners.readers and (
            listeners.editor is None or index not in listeners.editor.layers
        )
        return None if idle else self._listen(listeners, index, output)

    @_opaque
    def _layer_opaquely(self, index: int, module: nn.Module, args: Any, output: Any) -> Any:
        return self._layer(index, module, args, output)

    def _listen(self, listeners: _Listeners, index: int, output: Any) -> Any:
        hidden = before = hidden_of(output)
        if listeners.editor is not None and index in listeners.editor.layers:
            forward = _FORWARDS.get().get(self)
            if forward is None:
                raise SteeringError(
                    "a layer ran outside a forward pass of its model; call the model or its decoder"
                )
            hidden = listeners.editor.edit(forward, index, hidden)
        for reader in listeners.readers:
            reader(index, hidden)
        return None if hidden is before else with_hidden(output, hidden)

    def _parameters(self, module: nn.Module) -> tuple[str, ...]:
        kind = type(module)
        if kind not in self._names:
            self._names[kind] = tuple(inspect.signature(module.forward).parameters)
        return self._names[kind]


def is_compiled(model: nn.Module) -> bool:
    """Whether this model was compiled, as a whole or in parts."""
    return any(
        getattr(module, "_compiled_call_impl", None) is not None for module in model.modules()
    )


@contextmanager
def _override(
    variable: ContextVar[Mapping[Hooks, _T]], hooks: Hooks, value: _T | None
) -> Iterator[None]:
    """Let the variable hold this value for this hooks; None removes it."""
    rest = {key: held for key, held in variable.get().items() if key is not hooks}
    token = variable.set(rest if value is None else {**rest, hooks: value})
    try:
        yield
    finally:
        try:
            variable.reset(token)
        except ValueError as error:
            raise SteeringError(
                "a block that steers or reads the model was entered in one context and left in "
                "another, as in a generator that several tasks go on with, so that what ran in "
                "between may not have been edited. Enter and leave it in one function."
            ) from error


@dataclass(eq=False)
class _Block:
    """What is known of a block while it is open: whether it edited, and what passed it by."""

    applied: bool = False
    passed_by: int = 0


class _Unbound:
    """In the place of the hooks in a copy of a bound model: nobody listens to it."""

    _open: Mapping[Editor, _Block] = {}

    def _listeners(self) -> _Listeners:
        return _SILENT

    def _publish(self, *_: Any) -> None:
        pass

    _enter = _leave = _layer = _publish


_STARTED_IN: WeakKeyDictionary[Thread, Context] = WeakKeyDictionary()
"""Threads that were started where a model is steered → the context of that moment."""
_START = Thread.start


def _watch_threads() -> None:
    """From now on note in which context threads are started.

    Threads of Python before 3.14 begin with an empty context, so there is no other way to know that
    a thread belongs to a block. What is noted is used only while that block is open.
    """
    if Thread.start is _START:
        setattr(Thread, "start", _noted_start)  # noqa: B010


@wraps(_START)
def _noted_start(self: Thread) -> None:
    if any(listeners.editor is not None for listeners in _LISTENERS.get().values()):
        _STARTED_IN[self] = copy_context()
    elif (inherited := _STARTED_IN.get(current_thread())) is not None:
        _STARTED_IN[self] = inherited
    _START(self)


def hidden_of(output: Any) -> Tensor:
    """The latents in what a layer returned: a tensor, a sequence headed by it, or an object."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        return output[0]
    hidden = getattr(output, "hidden_states", None)
    if isinstance(hidden, Tensor):
        return hidden
    raise ModelError(f"a layer returned {type(output).__name__}, in which no latents can be found")


def with_hidden(output: Any, hidden: Tensor) -> Any:
    """What a layer returned, with other latents in it."""
    if isinstance(output, Tensor):
        return hidden
    if isinstance(output, list):
        return [hidden, *output[1:]]
    if isinstance(output, tuple):
        rest = (hidden, *output[1:])
        return type(output)(*rest) if hasattr(output, "_fields") else rest
    output.hidden_states = hidden
    return output


def _read_forward(
    module: nn.Module, given: Mapping[str, Any], declared: PromptTokens | None
) -> Forward:
    """The context of a forward pass with these arguments."""
    packed = [name for name in _PACKED if given.get(name) is not None]
    if packed:
        raise SteeringError(
            f"packed sequences ({packed[0]}) cannot be steered: all rows share one, "
            "so one row's edit would reach the others; use padded batches"
        )
    ids, embeds = given.get("input_ids"), given.get("inputs_embeds")
    shown = embeds if ids is None else ids
    if not isinstance(shown, Tensor):
        raise SteeringError("a forward pass without input_ids or inputs_embeds cannot be steered")
    rows, length = int(shown.shape[0]), int(shown.shape[1])
    mask = given.get("attention_mask")
    flat = mask if isinstance(mask, Tensor) and mask.ndim == 2 else None
    cache = _cache(given)
    remembered = declared or cast("PromptTokens | None", getattr(cache, _PROMPT, None))
    start = _start(cache, flat, length, remembered)
    prompt = remembered if start else declared
    if prompt is None:
        if mask is not None and flat is None:
            raise SteeringError(
                "the padding cannot be read from an attention mask that is not [rows, columns]; "
                "pass a two-dimensional mask, or the prompt to `steering(..., prompt=mask)`"
            )
        _refuse_packed(given.get("position_ids"), flat)
        prompt = PromptTokens.of(ids if not start else None, flat, (rows, start + length))
    if rows % prompt.rows:
        raise SteeringError(
            f"a forward pass of {rows} rows does not fit {prompt.rows} prompts; each prompt must "
            "have the same number of rows"
        )
    return Forward(prompt, start, length, rows, ids, module)


def _cache(held: Mapping[str, Any]) -> Any:
    """The cache among the arguments or the results of a forward pass."""
    return next((held[name] for name in _CACHES if held.get(name) is not None), None)


def _start(cache: Any, mask: Tensor | None, length: int, prompt: PromptTokens | None) -> int:
    """The column of the first token of this forward: how many came before it."""
    if cache is not None:
        try:
            past = cache.get_seq_length()
        except (AttributeError, ValueError):  # a state-space cache does not count its tokens
            past = None
        if isinstance(past, int):
            return past
        counted = None if prompt is None else prompt.seen.get(id(cache))
        if counted is not None:
            return counted
        if past is not None:
            return int(past)
    return 0 if mask is None else max(int(mask.shape[1]) - length, 0)


def _refuse_packed(position_ids: Any, mask: Tensor | None) -> None:
    """Several sequences in one row show as positions that start again."""
    if not isinstance(position_ids, Tensor) or position_ids.ndim != 2 or mask is not None:
        return
    if bool((position_ids[:, 1:] <= position_ids[:, :-1]).any()):
        raise SteeringError(
            "the position_ids start again within a row: packed sequences cannot be steered; "
            "use padded batches with an attention mask"
        )


def _wrap_generation(model: nn.Module) -> None:
    """Let the model's own `generate` declare its prompt, and refuse what cannot be steered.

    Bound methods, so that a deep copy of the model calls itself and not the original.
    """
    if hasattr(model, "generate"):
        setattr(model, "generate", _Generate(model))  # noqa: B010
    for name in _GENERATORS_REFUSED:
        if hasattr(model, name):
            setattr(model, name, partial(_refuse_while_steered, model, name))


class _Generate:
    """The model's own `generate`, which declares its prompt; in a copy of the model, just that."""

    def __init__(self, model: Any) -> None:
        self.__self__ = model
        self.__wrapped__ = type(model).generate
        update_wrapper(self, type(model).generate, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _generate(self.__self__, *args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _own_generate, (self.__self__,)


def _own_generate(model: Any) -> Any:
    return types.MethodType(type(model).generate, model)


def _generate(model: Any, *args: Any, **kwargs: Any) -> Any:
    plain: Callable[..., Any] = partial(type(model).generate, model, *args, **kwargs)
    hooks = Hooks.of(model)
    if hooks is None or not hooks.edited or hooks.prompt is not None:
        return plain()
    if _guidance(model, kwargs) not in (None, 1, 1.0):
        raise SteeringError(
            "classifier-free guidance runs a second prompt beside the first and cannot be "
            "steered; leave out guidance_scale"
        )
    ids = kwargs.get("inputs", kwargs.get("input_ids", args[0] if args else None))
    shown = kwargs.get("inputs_embeds") if ids is None else ids
    if not isinstance(shown, Tensor):
        raise SteeringError("generation without input_ids or inputs_embeds cannot be steered")
    mask = kwargs.get("attention_mask")
    if mask is None and ids is not None:
        mask = _default_mask(model, ids)
    shape = (int(shown.shape[0]), int(shown.shape[1]))
    prompt = PromptTokens.of(ids, mask, shape)
    with hooks.prompted(prompt):
        output = plain()
    hooks.generation_ended(
        prompt, partial(_kept, model, kwargs, output, 0 if ids is None else shape[1])
    )
    return output


def _guidance(model: Any, kwargs: Mapping[str, Any]) -> Any:
    """The scale of classifier-free guidance that is in force: what is named first decides."""
    if "guidance_scale" in kwargs:
        return kwargs["guidance_scale"]
    given = getattr(kwargs.get("generation_config"), "guidance_scale", None)
    return getattr(model.generation_config, "guidance_scale", None) if given is None else given


def _kept(model: Any, kwargs: Mapping[str, Any], output: Any, columns: int) -> list[int]:
    """How many new tokens of each generated row are its own: up to its end token, without pads."""
    sequences = output if isinstance(output, Tensor) else output.sequences
    new = sequences[:, columns:].cpu()
    own = kwargs.get("generation_config") or model.generation_config
    eos = kwargs.get("eos_token_id", own.eos_token_id)
    pad = kwargs.get("pad_token_id", own.pad_token_id)
    ends = torch.tensor([] if eos is None else eos, dtype=new.dtype).flatten()
    ended = torch.isin(new, ends)
    first = torch.where(ended.any(1), ended.int().argmax(1) + 1, new.shape[1])
    filled = (new == pad) if isinstance(pad, int) else torch.zeros_like(ended)
    unpadded = new.shape[1] - filled.flip(1).int().cummin(1).values.sum(1)
    return torch.minimum(first, unpadded.clamp(min=1)).tolist()


def _default_mask(model: Any, ids: Tensor) -> Tensor | None:
    """The mask that `generate` makes when it is given none: pads are masked unless pad is eos."""
    config = model.generation_config
    eos = config.eos_token_id
    ends = eos if isinstance(eos, list) else [eos]
    if config.pad_token_id is None or config.pad_token_id in ends:
        return None
    return ids.ne(config.pad_token_id)


def _refuse_while_steered(model: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    hooks = Hooks.of(model)
    if hooks is not None and hooks.edited:
        raise SteeringError(
            f"{name} packs all sequences into one row and cannot be steered; use generate"
        )
    return getattr(type(model), name)(model, *args, **kwargs)
