"""What a request may hold: the OpenAI API, and the language to answer in."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(max_length=2**20)]
Name = Annotated[str, Field(min_length=1, max_length=256)]
PREFIX = "langsteer_"
STEERING = ("language", "source", "strength", "guard", "keep_language", "space")
"""The fields of a request that say what is steered, and what they begin with in vLLM."""
Token = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Strict(BaseModel):
    """A part of a request in which unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class TextPart(Strict):
    """A part of a message; only text can be answered."""

    type: Literal["text"]
    text: Text


class Message(Strict):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]
    name: Name | None = None
    refusal: None = None

    def plain(self) -> dict[str, str]:
        """The message as chat templates take it."""
        content = self.content
        text = content if isinstance(content, str) else "".join(part.text for part in content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(Strict):
    """What is sent at the end of a stream."""

    include_usage: bool = False
    include_obfuscation: bool = False


class SteeringFields(Strict):
    """What both kinds of requests say of the language and of the answer.

    `language` is the one to answer in; also as `MODEL:LANGUAGE`. `source` is the one that the model
    would answer in; read from the words of the prompt if None. `strength` multiplies the edit,
    `guard` lets it act only while the answer is in another language, and `keep_language` keeps to
    the language of the user's last message, writing anew what drifts. `space` names one of several
    spaces. Requests as vLLM takes them, with `langsteer_language` and so on among `vllm_xargs`, say
    the same.
    """

    model: Name
    language: Name | None = None
    source: Name | None = None
    strength: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] | None = None
    guard: bool | None = None
    keep_language: bool | None = None
    space: Name | None = None
    vllm_xargs: Annotated[dict[str, str | int | float], Field(max_length=16)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Name | Annotated[list[Name], Field(max_length=16)] | None = None
    n: Literal[1] | None = None
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    user: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_extra_arguments(cls, data: Any) -> Any:
        given = data.get("vllm_xargs") if isinstance(data, dict) else None
        if not isinstance(given, dict):
            return data
        found = dict(data)
        for name, value in given.items():
            field = str(name).removeprefix(PREFIX)
            if field == name or field not in STEERING:
                known = ", ".join(PREFIX + one for one in STEERING)
                raise ValueError(f"there is no {str(name)[:60]!r} here. There are: {known}")
            if found.get(field) is None:
                found[field] = value
            elif found[field] != value:
                raise ValueError(f"{field} and {PREFIX}{field} differ; give one of them")
        return found

    def stops(self) -> tuple[str, ...]:
        """The strings that end an answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class DetectRequest(Strict):
    """The body of `/v1/detect`."""

    text: Annotated[str, Field(max_length=2**16)]


class ChatRequest(SteeringFields):
    """The body of `/v1/chat/completions`."""

    usual_tokens: ClassVar[int] = 512
    messages: Annotated[list[Message], Field(min_length=1, max_length=1024)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    chat_template_kwargs: Annotated[dict[str, Any], Field(max_length=16)] | None = None
    response_format: dict[Literal["type"], Literal["text"]] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    service_tier: Name | None = None

    def top(self) -> int | None:
        """How many of the likeliest tokens to tell; None for no probabilities at all."""
        return (self.top_logprobs or 0) if self.logprobs else None

    def longest(self) -> int | None:
        """The most new tokens."""
        return self.max_completion_tokens or self.max_tokens


Prompt = (
    Text
    | Annotated[list[Text], Field(min_length=1, max_length=64)]
    | Annotated[list[Token], Field(min_length=1, max_length=2**17)]
    | Annotated[
        list[Annotated[list[Token], Field(min_length=1, max_length=2**17)]],
        Field(min_length=1, max_length=64),
    ]
)


class CompletionRequest(SteeringFields):
    """The body of `/v1/completions`."""

    usual_tokens: ClassVar[int] = 16
    prompt: Prompt
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    suffix: None = None

    def prompts(self) -> list[str | list[int]]:
        """The prompts, each as a text or as tokens."""
        given = self.prompt
        if isinstance(given, str):
            return [given]
        if isinstance(given[0], int):
            return [list(given)]
        return list(given)

    def top(self) -> int | None:
        """How many of the likeliest tokens to tell; None for no probabilities at all."""
        return self.logprobs

    def longest(self) -> int | None:
        """The most new tokens."""
        return self.max_tokens
