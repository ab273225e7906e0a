"""How texts are read while a space is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from langsteer.engines.transformers.chat import ChatOptions
from langsteer.errors import CorpusError, LangsteerError
from langsteer.fitting.turns import TURNS, Template, Turn
from langsteer.statistics import Keep
from langsteer.statistics.pooling import MASSIVE, POOLINGS, Pooling

PLAIN_TALK = ChatOptions(enabled=True)
"""No system message, and the template as it comes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Which layers are read, and how the tokens of a text count.

    Args:
        layers: different layers, 0-based; all if None.
        pooling: `tokens`: every token counts alike; `text`: every text counts alike, by the mean
            of its tokens; `last`: every text counts by its last token alone; `matched`: as
            `tokens`, but with language means that compare like with like, the same token in
            different languages (see `statistics.Matching`). For text that was not written to
            match the prompts, this is the one to use.
        max_length: tokens after which a text is cut; the model's context if None.
        tokens_per_batch: the most tokens (rows × columns) in one forward pass.
        massive: how many times the median norm of a batch at a layer makes a token massive.
        precision: a cosine below 1: a language is read no further when the differences of its mean
            from those of the others are known so well, with 95 % confidence, at all layers that
            are read (see `fitting.precision`). None: all texts are read.
        shuffle: a seed by which the order of the concepts is shuffled; None: as they come, but
            with a precision shuffled by 0, as what is read shall be a sample of all.
        chat: the turn of the model's chat template that each text is put into: `assistant` or
            `user`; None reads texts as they are. Only a text's own tokens count. With pooling
            `last` and `user`, the last token is that at which the answer begins.
        conversation: the system message and the options of the template, with `chat`.
        keep: what the statistics keep beyond means. The memory needed is printed on standard error
            when it is much, and refused above `keep.limit`.

    Raises:
        CorpusError: there is no such pooling.
        LangsteerError: no layer is named or one twice, or a number is below 1.
    """

    layers: Sequence[int] | None = None
    pooling: Pooling = "tokens"
    max_length: int | None = None
    tokens_per_batch: int = 4096
    massive: float = MASSIVE
    keep: Keep | None = None
    precision: float | None = None
    shuffle: int | None = None
    chat: Turn | None = None
    conversation: ChatOptions = PLAIN_TALK

    @property
    def order(self) -> int | None:
        """The seed of the order of concepts; None: as they come."""
        return 0 if self.shuffle is None and self.precision is not None else self.shuffle

    def template(self, tokenizer: PreTrainedTokenizerBase) -> Template | None:
        """What puts texts into turns; None if they are read as they are.

        Raises:
            SteeringError: the tokenizer has no chat template.
        """
        if self.chat is None:
            return None
        options = replace(self.conversation, enabled=True)
        options.applies(tokenizer)
        return Template(tokenizer, self.chat, options)

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise CorpusError(f"{self.pooling!r} is not a pooling; choose {', '.join(POOLINGS)}")
        if self.chat is not None and self.chat not in TURNS:
            raise CorpusError(f"{self.chat!r} is not a turn; choose {' or '.join(TURNS)}")
        if self.layers is not None:
            _check_layers(list(self.layers))
        for name in ("max_length", "tokens_per_batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise LangsteerError(f"{name} must be at least 1, not {value}")
        if self.precision is not None and not 0 < self.precision < 1:
            raise LangsteerError(
                f"precision is a cosine between 0 and 1, such as 0.99, not {self.precision}"
            )
        if not self.massive > 1:
            raise LangsteerError(f"massive must be above 1, not {self.massive}")


def _check_layers(layers: list[int]) -> None:
    if not layers:
        raise LangsteerError("no layer is named to be read; name at least one, or None for all")
    if twice := next((layer for layer in layers if layers.count(layer) > 1), None):
        raise LangsteerError(f"layer {twice} is named more than once in {layers}; name it once")
