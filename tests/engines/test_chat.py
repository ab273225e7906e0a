"""Prompts in a model's own template: the tokens are the template's, the words are the user's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

import tiny
from langsteer.engines.transformers.chat import ChatOptions, Rendered, render
from langsteer.errors import SteeringError

TEMPLATES = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "headers": "{{ bos_token }}{% for m in messages %}<h>{{ m.role }}</h>\n\n"
    "{{ m.content | trim }}<eot>{% endfor %}{% if add_generation_prompt %}<h>assistant</h>\n\n"
    "{% endif %}",
    "turns": "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}<turn>{{ m.role }}\n{{ m.content | trim }}"
    "<end>\n{% endfor %}{% if add_generation_prompt %}<turn>model\n{% endif %}",
    "prefix": "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "inst": "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}"
    " [/INST]{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
    "own": "Q: {{ messages[-1].content | upper }}\nA:",
}


def chatty(template: str, *, prefix: bool = False) -> PreTrainedTokenizerFast:
    plain = tiny.tokenizer()
    made = PreTrainedTokenizerFast(
        tokenizer_object=plain.backend_tokenizer.from_str(plain.backend_tokenizer.to_str()),
        bos_token="<s>",
        eos_token="</s>",
    )
    made.chat_template = TEMPLATES[template]
    if prefix:
        made.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tiny.BOS)]
        )
    return made


def own_text(tokenizer: PreTrainedTokenizerFast, found: Rendered) -> str:
    return str(tokenizer.decode([found.ids[place] for place in found.own]))


@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_tokens_are_those_of_the_template(name: str, prefix: bool) -> None:
    tokenizer = chatty(name, prefix=prefix)
    messages = [{"role": "user", "content": "hello there"}]
    wanted = tokenizer.apply_chat_template(
        messages, tokenize=True, add_generation_prompt=True, return_dict=True
    )["input_ids"]
    assert list(render(tokenizer, "hello there", ChatOptions()).ids) == wanted
    assert list(render(tokenizer, messages, ChatOptions()).ids) == wanted


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "own"])
@given(text=some.text("abcdefgh xyz7Xq.", min_size=1).filter(lambda text: text.strip() == text))
def test_the_users_words_are_found_in_every_template(name: str, text: str) -> None:
    tokenizer = chatty(name)
    found = own_text(tokenizer, render(tokenizer, text, ChatOptions()))
    assert found == text


@pytest.mark.parametrize("text", ["7", "Xq.", "7q.", "Xq7", "77", "X7.", "Hello there!"])
@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "own"])
def test_nothing_is_lost_to_the_texts_it_is_compared_with(name: str, text: str) -> None:
    tokenizer = chatty(name)
    assert own_text(tokenizer, render(tokenizer, text, ChatOptions())) == text


def test_a_template_may_refuse_some_of_these_texts() -> None:
    tokenizer = chatty("chatml")
    refuses = "{% for m in messages %}{% if m.content in ('7', 'Xq.') %}{{ raise_exception('no') }}"
    tokenizer.chat_template = refuses + "{% endif %}{% endfor %}" + TEMPLATES["chatml"]
    assert own_text(tokenizer, render(tokenizer, "why?", ChatOptions())) == "why?"


def test_content_in_parts() -> None:
    tokenizer = chatty("chatml")
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m.role }}>{% for part in m.content %}"
        "{% if part.type == 'text' %}{{ part.text }}{% else %}<image>{% endif %}{% endfor %}"
        "<end>{% endfor %}<assistant>"
    )
    parts = [{"type": "text", "text": "why"}, {"type": "image"}, {"type": "text", "text": "so?"}]
    for content, own in ((parts, "why<image>so?"), (parts[:1], "why"), (parts[1:], "so?")):
        found = render(tokenizer, [{"role": "user", "content": content}], ChatOptions())
        assert own_text(tokenizer, found) == own
        assert found.text == "\n".join(part["text"] for part in content if "text" in part)


class Letters(PreTrainedTokenizer):
    """A slow tokenizer: one token for each character."""

    def __init__(self) -> None:
        super().__init__(bos_token="<s>", eos_token="</s>")

    @property
    def vocab_size(self) -> int:
        return 256

    def get_vocab(self) -> dict[str, int]:
        return {chr(place): place for place in range(256)}

    def _tokenize(self, text: str, **_: object) -> list[str]:
        return list(text)

    def _convert_token_to_id(self, token: str) -> int:
        return ord(token) if len(token) == 1 else 1

    def _convert_id_to_token(self, index: int) -> str:
        return chr(index)


def spaced() -> PreTrainedTokenizerFast:
    """A tokenizer that writes spaces as sentencepiece does, and puts one in front."""
    letters = sorted({*"▁abcdefghijklmnopqrstuvwxyzHX7.?!<>|_[]/\n{}ISTN"})
    vocabulary = {letter: place for place, letter in enumerate(["<unk>", "<s>", "</s>", *letters])}
    merges = [("▁", "w"), ("h", "y"), ("▁", "7")]
    vocabulary |= {"".join(pair): len(vocabulary) + i for i, pair in enumerate(merges)}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "own"])
@pytest.mark.parametrize("make", [Letters, spaced])
def test_other_kinds_of_tokenizers(make: Callable[[], PreTrainedTokenizerBase], name: str) -> None:
    tokenizer = make()
    tokenizer.chat_template = TEMPLATES[name]
    for text in ("why is it so?", "7 why", "X", "not 7"):
        found = render(tokenizer, text, ChatOptions())
        own = str(tokenizer.decode([found.ids[place] for place in found.own]))
        assert own.replace(" ", "") == text.replace(" ", "")


def test_a_template_may_change_the_words() -> None:
    tokenizer = chatty("own")
    assert own_text(tokenizer, render(tokenizer, "hello", ChatOptions())) == "HELLO"


def test_of_several_messages_the_users_last_counts() -> None:
    tokenizer = chatty("chatml")
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": "second"},
    ]
    assert own_text(tokenizer, render(tokenizer, messages, ChatOptions())) == "second"


def test_a_system_message_and_options_reach_the_template() -> None:
    tokenizer = chatty("chatml")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}{{ mood }}"
    )
    found = render(tokenizer, "hi", ChatOptions(system="be brief", template={"mood": "calm"}))
    assert tokenizer.decode(list(found.ids)) == "system:be brief;user:hi;calm"
    assert own_text(tokenizer, found) == "hi"


def test_what_a_template_refuses_is_one_error_with_its_words() -> None:
    with pytest.raises(SteeringError, match="no system role"):
        render(chatty("turns"), "hi", ChatOptions(system="be brief"))


def test_without_a_template_the_text_is_as_it_is() -> None:
    tokenizer = tiny.tokenizer()
    found = render(tokenizer, "hello", ChatOptions())
    assert list(found.ids) == tokenizer("hello")["input_ids"]
    with pytest.raises(SteeringError, match="no chat template"):
        render(tokenizer, "hello", ChatOptions(enabled=True))
    with pytest.raises(SteeringError, match="need the chat template"):
        render(tokenizer, "hello", ChatOptions(system="be brief"))
    for empty in ("", " "):
        with pytest.raises(SteeringError, match="empty"):
            render(chatty("chatml"), empty, ChatOptions())
