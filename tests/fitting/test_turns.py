"""Texts in turns of a chat template: whatever the template, the text's own tokens count alone."""

import pytest
import torch
from transformers import PreTrainedTokenizerFast

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.chat import ChatOptions
from langsteer.engines.transformers.model import Model
from langsteer.errors import CorpusError, SteeringError
from langsteer.fitting.collect import collect
from langsteer.fitting.reading import Reading
from langsteer.fitting.turns import Template, Turn
from langsteer.space.space import Space

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "<s>{% for m in messages %}[{{ m.role }}]\n\n{{ m.content | trim }}<|eot|>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]\n\n{% endif %}"
)
MISTRAL = (
    "<s>{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
)
GEMMA = (
    "<s>{% for m in messages %}<turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>model\n{% endif %}"
)
TEMPLATES = {"chatml": CHATML, "llama": LLAMA, "mistral": MISTRAL, "gemma": GEMMA}
WORDS = {"de": ("sieben", "Straße: 7.", "7"), "fr": ("sept", "rue: 7.", "Xq.")}
CORPUS = Corpus(
    tuple(Text(word, tag, str(i)) for tag, words in WORDS.items() for i, word in enumerate(words)),
    "words",
)


def talking(template: str | None) -> PreTrainedTokenizerFast:
    made = tiny.tokenizer.__wrapped__()
    made.chat_template = template
    return made


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("turn", ["assistant", "user"])
def test_the_own_tokens_are_those_of_the_text(name: str, turn: Turn) -> None:
    tokenizer = talking(TEMPLATES[name])
    place = Template(tokenizer, turn, ChatOptions(enabled=True)).place
    for text in ("7", "Xq.", "x7", "Straße", "a b\nc", "日本", "77."):
        found = place(text)
        assert tokenizer.decode(found.ids[found.begin : found.end]) == text
        whole = tokenizer.decode(found.ids)
        assert whole.endswith(text) == (turn == "assistant")
        assert ("assistant" if name in ("chatml", "llama") else "") in whole


@pytest.mark.parametrize("turn", ["assistant", "user"])
def test_means_are_those_of_the_own_tokens(turn: Turn) -> None:
    tokenizer = talking(CHATML)
    model = Model(tiny.make("llama"), tokenizer)
    options = Reading(chat=turn, massive=float("inf"))
    found = collect(model, CORPUS, options)
    template = options.template(tokenizer)
    assert template is not None
    for tag, words in WORDS.items():
        latents = []
        for word in words:
            one = template.place(word)
            hidden = model.stream.read(torch.tensor([one.ids]), None, [1])[0][0]
            latents.append(hidden[one.begin : one.end])
        wanted = torch.cat(latents).double().mean(0)
        torch.testing.assert_close(found.mean(tag, 1), wanted, rtol=1e-4, atol=1e-5)
    assert found.dropped["template"] > 0


@pytest.mark.parametrize("turn", ["assistant", "user"])
def test_the_last_token_is_that_of_the_text_or_that_where_the_answer_begins(turn: Turn) -> None:
    tokenizer = talking(CHATML)
    model = Model(tiny.make("llama"), tokenizer)
    options = Reading(chat=turn, pooling="last")
    found = collect(model, CORPUS, options)
    template = options.template(tokenizer)
    assert template is not None
    latents = []
    for word in WORDS["de"]:
        one = template.place(word)
        at = one.end - 1 if turn == "assistant" else len(one.ids) - 1
        latents.append(model.stream.read(torch.tensor([one.ids]), None, [2])[0][0, at])
    wanted = torch.stack(latents).double().mean(0)
    torch.testing.assert_close(found.mean("de", 2), wanted, rtol=1e-4, atol=1e-5)


def test_long_texts_are_cut_and_the_template_stays_whole() -> None:
    tokenizer = talking(CHATML)
    place = Template(tokenizer, "user", ChatOptions(enabled=True)).place
    whole = place("abcdefgh")
    cut = whole.cut(len(whole.ids) - 5)
    assert tokenizer.decode(cut.ids[cut.begin : cut.end]) == "abc"
    assert cut.ids[cut.end :] == whole.ids[whole.end :]
    model = Model(tiny.make("llama"), tokenizer)
    found = collect(model, CORPUS, Reading(chat="user", max_length=len(place("abc").ids)))
    assert found.dropped["long"] > 0


def test_a_system_message_comes_before_the_text_and_is_not_its_own() -> None:
    tokenizer = talking(CHATML)
    options = ChatOptions(system="Be brief.", enabled=True)
    found = Template(tokenizer, "assistant", options).place("ab")
    assert tokenizer.decode(found.ids).startswith("<|im_start|>system\nBe brief.")
    assert tokenizer.decode(found.ids[found.begin : found.end]) == "ab"


def test_a_space_says_which_turn_its_texts_were(tmp_path: object) -> None:
    model = Model(tiny.make("llama"), talking(CHATML))
    space = Space.fit(model, CORPUS, Reading(chat="user", pooling="last"))
    space.save(f"{tmp_path}/s")
    assert Space.load(f"{tmp_path}/s").corpus.chat == "user"
    plain = Space.fit(model, CORPUS, Reading(pooling="last"))
    assert plain.corpus.chat is None
    assert not torch.allclose(space.mean("de", 1), plain.mean("de", 1), atol=1e-2)
    more = space.with_increments(model, CORPUS, [0, 2], [("de", "fr")])
    first = space.mean("fr", 0) - space.mean("de", 0)
    torch.testing.assert_close(more.increments[0].shifts["de", "fr"][0], first.float())


def test_what_cannot_be_a_turn_is_refused() -> None:
    with pytest.raises(SteeringError, match="no chat template"):
        collect(Model(tiny.make("llama"), talking(None)), CORPUS, Reading(chat="user"))
    deaf = Model(tiny.make("llama"), talking("<s>{% for m in messages %}x{% endfor %}"))
    with pytest.raises(CorpusError):
        collect(deaf, CORPUS, Reading(chat="user"))
    refusing = Model(tiny.make("llama"), talking("{{ raise_exception('no') }}"))
    with pytest.raises(CorpusError, match="no"):
        collect(refusing, CORPUS, Reading(chat="assistant"))
    with pytest.raises(CorpusError, match="'system' is not a turn"):
        Reading(chat="system")
