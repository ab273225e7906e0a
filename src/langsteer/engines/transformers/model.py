"""Load a causal language model with its tokenizer, and bind its residual stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast, overload

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from langsteer.edits.edit import Edits
from langsteer.engines.transformers.chat import PLAIN, ChatOptions, Messages, Rendered, render
from langsteer.engines.transformers.checkpoint import Checkpoint, load_checkpoint
from langsteer.engines.transformers.generation import Events, Generation, generate
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream


class Model:
    """A causal language model in evaluation mode with its tokenizer and its residual stream.

    Args:
        hf: a causal language model of transformers.
        tokenizer: its tokenizer; it is not changed.
        layers: path of the list of decoder layers, such as `model.layers`; found by itself if None.
        name: what the model is called; its own name or path if empty.

    Raises:
        ModelError: the decoder layers cannot be found.
    """

    def __init__(
        self,
        hf: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        layers: str | None = None,
        name: str = "",
    ) -> None:
        self.hf = hf
        self.tokenizer = tokenizer
        self.stream = ResidualStream(hf, layers=layers)
        self.name = name or str(getattr(hf.config, "name_or_path", ""))

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        layers: str | None = None,
        revision: str | None = None,
        device_map: str | None = None,
        trust_remote_code: bool = False,
    ) -> Self:
        """Load a model from a folder, or by its name on the Hugging Face hub.

        Args:
            name_or_path: a folder with `config.json` or a PEFT adapter, a GGUF file, or a hub
                name such as `org/model`.
            device: a torch device, or `auto` for the best one at hand.
            dtype: a torch dtype by name, or `auto`: the checkpoint's own, but float32 on a CPU,
                where half precision is slow and rounds more.
            layers: path of the list of decoder layers; found by itself if None.
            revision: branch, tag or commit of a model on the hub.
            device_map: how to spread the model over devices, such as `auto`; needs accelerate.
                With `tensor-parallel` each layer is divided over the processes of the default
                process group of `torch.distributed`.
            trust_remote_code: whether code that comes with the model may run.

        Raises:
            ModelError: no such model, a file of it that is missing, damaged or unfit, or a model
                whose stream cannot be found.
        """
        options = Checkpoint(device, dtype, revision, device_map, trust_remote_code)
        model, tokenizer = load_checkpoint(name_or_path, options)
        return cls(model, tokenizer, layers=layers, name=str(name_or_path))

    @property
    def depth(self) -> int:
        """The number of decoder layers."""
        return self.stream.depth

    @property
    def vocabulary(self) -> int:
        """How many tokens the model embeds."""
        return int(cast(Any, self.hf.get_input_embeddings()).weight.shape[0])

    @property
    def width(self) -> int:
        """The width `d` of the residual stream."""
        return self.stream.width

    @overload
    def generate(  # type: ignore[overload-overlap]
        self,
        prompts: str,
        edits: Edits = ...,
        options: Generation = ...,
        *,
        chat: ChatOptions = ...,
        stop: Sequence[str | Sequence[str] | None] | None = ...,
        events: Events = ...,
        max_new_tokens: int | None = ...,
    ) -> str: ...

    @overload
    def generate(
        self,
        prompts: Sequence[str | Rendered],
        edits: Edits = ...,
        options: Generation = ...,
        *,
        chat: ChatOptions = ...,
        stop: Sequence[str | Sequence[str] | None] | None = ...,
        events: Events = ...,
        max_new_tokens: int | None = ...,
    ) -> list[str]: ...

    def generate(
        self,
        prompts: str | Sequence[str | Rendered],
        edits: Edits = None,
        options: Generation = Generation(),
        *,
        chat: ChatOptions = PLAIN,
        stop: Sequence[str | Sequence[str] | None] | None = None,
        events: Events = Events(),
        max_new_tokens: int | None = None,
    ) -> str | list[str]:
        """Continue a prompt, or each of several, and return only what is new.

        Args:
            prompts: texts, as they are, or each as the only message of a `chat`.
            edits: one edit for all prompts, or one (or None) for each.
            options: how answers are written.
            chat: whether and how prompts go through the chat template; by default they do not.
            stop: for each prompt the string or strings that end its text, or None.
            events: what to call on the way.
            max_new_tokens: the most tokens for each, instead of what `options` say.

        Raises:
            SteeringError: a prompt that is empty or longer than the context, edits that do not
                fit, or a chat template that refuses a prompt.
        """
        given = [prompts] if isinstance(prompts, str) else list(prompts)
        rendered = [
            one if isinstance(one, Rendered) else render(self.tokenizer, one, chat) for one in given
        ]
        options = _up_to(options, max_new_tokens)
        texts = generate(self, rendered, edits, options, stop=stop, events=events)
        return texts[0] if isinstance(prompts, str) else texts

    @overload
    def chat(
        self,
        messages: Messages,
        edits: Edits = ...,
        options: Generation = ...,
        *,
        chat: ChatOptions = ...,
        events: Events = ...,
        max_new_tokens: int | None = ...,
    ) -> str: ...

    @overload
    def chat(
        self,
        messages: Sequence[Messages],
        edits: Edits = ...,
        options: Generation = ...,
        *,
        chat: ChatOptions = ...,
        events: Events = ...,
        max_new_tokens: int | None = ...,
    ) -> list[str]: ...

    def chat(
        self,
        messages: Messages | Sequence[Messages],
        edits: Edits = None,
        options: Generation = Generation(max_new_tokens=512),
        *,
        chat: ChatOptions = ChatOptions(),
        events: Events = Events(),
        max_new_tokens: int | None = None,
    ) -> str | list[str]:
        """Answer a conversation, or each of several, with the model's own chat template.

        Args:
            messages: `[{"role": "user", "content": "…"}, …]`, or a list of such conversations.
            edits: one edit for all conversations, or one (or None) for each.
            options: how answers are written.
            chat: a system message and options of the template.
            events: what to call on the way.
            max_new_tokens: the most tokens for each, instead of what `options` say.

        Raises:
            SteeringError: there is no chat template, it refuses the messages, they are longer than
                the context, or edits do not fit.
        """
        one = bool(messages) and isinstance(messages[0], Mapping)
        given = cast("list[Messages]", [messages] if one else list(messages))
        used = replace(chat, enabled=True)
        used.applies(self.tokenizer)
        rendered = [render(self.tokenizer, each, used) for each in given]
        texts = generate(self, rendered, edits, _up_to(options, max_new_tokens), events=events)
        return texts[0] if one else texts

    def steered(
        self, edits: Edits, *, prompt: Mapping[str, Tensor] | None = None
    ) -> AbstractContextManager[None]:
        """Edit every forward pass and every generation of `hf` inside a `with` block.

        Arguments and errors as for :func:`langsteer.engines.transformers.steered.steering`.
        """
        return steering(self.stream, edits, prompt=prompt)

    def close(self) -> None:
        """Unbind: leave no hook and no changed method on the model."""
        self.stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _up_to(options: Generation, max_new_tokens: int | None) -> Generation:
    return options if max_new_tokens is None else replace(options, max_new_tokens=max_new_tokens)
