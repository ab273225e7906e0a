"""What a model thinks before its answer is left alone, however the tags are written."""

from __future__ import annotations

import pytest
import torch
from transformers import AddedToken, PreTrainedTokenizerFast

import tiny
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.chat import ChatOptions, Rendered, render
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream
from langsteer.engines.transformers.thinking import Thinking

LAST = tiny.DEPTH - 1
OPENS = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[a]<think>\n{% endif %}"
)
CLOSED = OPENS.replace("<think>\n", "<think>\n\n</think>\n\n")
KNOWS = OPENS.replace("<think>\n", "{% if false %}<think>{% endif %}")


def thinking_tokenizer(template: str | None, *, one_token: bool = False) -> PreTrainedTokenizerFast:
    plain = tiny.tokenizer()
    made = PreTrainedTokenizerFast(
        tokenizer_object=plain.backend_tokenizer.from_str(plain.backend_tokenizer.to_str()),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
    )
    made.chat_template = template
    if one_token:
        tags = ("<think>", "</think>")
        made.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in tags])
    return made


def shift(strength: float = 3.0) -> Edit:
    torch.manual_seed(5)
    return Edit({LAST: Shift(torch.randn(tiny.WIDTH))}, strength, Scope.parse("all"))


def changed(
    tokenizer: PreTrainedTokenizerFast, prompt: Rendered, answer: str, *, cached: bool = False
) -> str:
    """For each position of prompt and answer `x` where the edit acts, and `.` where it does not."""
    stream = ResidualStream(tiny.shared("llama"))
    ids = torch.tensor([[*prompt.ids, *tokenizer(answer, add_special_tokens=False)["input_ids"]]])
    size = len(prompt.ids)
    declared = {"input_ids": ids[:, :size]}
    with torch.no_grad():
        plain = stream.model(ids).logits
        thinking = Thinking.of(tokenizer, [prompt], size)
        with steering(stream, shift(), prompt=declared, thinking=thinking):
            if cached:
                out = stream.model(ids[:, :size], use_cache=True)
                parts = [out.logits]
                for place in range(size, ids.shape[1]):
                    out = stream.model(
                        ids[:, place : place + 1], past_key_values=out.past_key_values
                    )
                    parts.append(out.logits)
                steered = torch.cat(parts, 1)
            else:
                steered = stream.model(ids).logits
    moved = (steered - plain).abs().amax(-1)[0] > 1e-2
    return "".join("x" if one else "." for one in moved.tolist())


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("one_token", [False, True])
def test_edits_begin_with_the_last_token_of_the_closing_tag(one_token: bool, cached: bool) -> None:
    tokenizer = thinking_tokenizer(OPENS, one_token=one_token)
    prompt = render(tokenizer, "hi", ChatOptions())
    close = 1 if one_token else len("</think>")
    found = changed(tokenizer, prompt, "hm, b</think>no", cached=cached)
    silent = len(prompt.ids) + len("hm, b") + close - 1
    assert found == "." * silent + "xxx"


@pytest.mark.parametrize("cached", [False, True])
def test_what_the_model_opens_itself_is_left_alone_until_it_closes(cached: bool) -> None:
    tokenizer = thinking_tokenizer(KNOWS)
    prompt = render(tokenizer, "hi", ChatOptions())
    found = changed(tokenizer, prompt, "a<think>bc</think>d<think>e", cached=cached)
    head = "x" * (len(prompt.ids) + len("a<think"))
    assert found == head + "." * len(">bc</think") + "x" * len(">d<think") + ".."


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<think>", "</think>"),
        ("<reasoning>", "</reasoning>"),
        ("[THINK]", "[/THINK]"),
        ("◁think▷", "◁/think▷"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ],
)
def test_every_usual_tag_counts_though_it_takes_several_tokens(opening: str, closing: str) -> None:
    tokenizer = thinking_tokenizer("{{ messages[0].content }}{# " + opening + " #}")
    prompt = render(tokenizer, "hi", ChatOptions())
    found = changed(tokenizer, prompt, f"{opening}b{closing}c")
    began, ended = len(prompt.ids) + len(opening.encode()) - 1, len(closing.encode())
    assert found == "x" * began + "." * (1 + 1 + ended - 1) + "xx"


def test_a_closed_block_in_the_prompt_changes_nothing() -> None:
    tokenizer = thinking_tokenizer(CLOSED)
    prompt = render(tokenizer, "hi", ChatOptions())
    assert set(changed(tokenizer, prompt, "abc")) == {"x"}


def test_what_the_user_writes_about_tags_is_no_thinking() -> None:
    tokenizer = thinking_tokenizer(KNOWS)
    prompt = render(tokenizer, "what does <think> mean?", ChatOptions())
    assert set(changed(tokenizer, prompt, "abc")) == {"x"}


def test_thinking_is_steered_on_request() -> None:
    tokenizer = thinking_tokenizer(OPENS)
    prompt = render(tokenizer, "hi", ChatOptions(steer_thinking=True))
    assert Thinking.of(tokenizer, [prompt], len(prompt.ids)) is None
    assert set(changed(tokenizer, prompt, "abc")) == {"x"}


def test_nothing_is_followed_where_no_tag_is_known() -> None:
    tokenizer = thinking_tokenizer(OPENS.replace("<think>", ""))
    prompt = render(tokenizer, "hi", ChatOptions())
    assert Thinking.of(tokenizer, [prompt], len(prompt.ids)) is None


def test_an_answer_that_only_thinks_is_that_of_the_unsteered_model() -> None:
    model = Model(tiny.shared("llama"), thinking_tokenizer(OPENS))
    options, both = Generation(max_new_tokens=10), ChatOptions(steer_thinking=True)
    plain = model.generate(["hi", "a longer one"], None, options, chat=ChatOptions())
    assert model.generate(["hi", "a longer one"], shift(), options, chat=ChatOptions()) == plain
    assert model.generate(["hi", "a longer one"], shift(), options, chat=both) != plain


def test_rows_of_one_batch_think_each_by_itself() -> None:
    tokenizer = thinking_tokenizer(OPENS)
    model, options = Model(tiny.shared("llama"), tokenizer), Generation(max_new_tokens=8)
    opened = render(tokenizer, "hi", ChatOptions())
    both = [opened, Rendered(opened.ids, opened.own, opened.text, steer_thinking=True)]
    together = model.generate(both, shift(), options)
    assert together == [model.generate([one], shift(), options)[0] for one in both]
    assert together[0] != together[1]
