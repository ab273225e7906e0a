"""Prompts in a model's own template: the tokens are the template's, the words are the user's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

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
    # The ends may be shared with one of the two texts it is compared with, never the middle.
    assert found in text
    assert len(found) >= len(text) - 2


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
