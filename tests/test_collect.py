"""Collecting: what comes out equals the plain way of computing it, and what is left out is said."""

import pytest
import torch

import tiny
from langsteer.collect import collect
from langsteer.corpus import Corpus, Text
from langsteer.errors import CorpusError, LatentError, ModelError
from langsteer.residual import ResidualStream

WORDS = {
    "de": ["eins zwei", "ja", "ein Haus am See"],
    "fr": ["un deux", "oui, merci", "une maison"],
}


def corpus(extra: tuple[Text, ...] = ()) -> Corpus:
    texts = [
        Text(word, language, str(number))
        for language, words in WORDS.items()
        for number, word in enumerate(words)
    ]
    return Corpus((*texts, *extra), "words")


def plain_latents(stream: ResidualStream, text: str, layer: int) -> torch.Tensor:
    """Latents [tokens, d] of one text alone, without its leading special token."""
    found = []
    handle = stream.blocks[layer].register_forward_hook(
        lambda module, args, output: found.append(output if torch.is_tensor(output) else output[0])
    )
    with torch.no_grad():
        stream.model(tiny.tokenizer()(text, return_tensors="pt")["input_ids"])
    handle.remove()
    return found[0][0, 1:].double()


@pytest.fixture(params=["llama", "gpt2", "gemma3", "gpt_neox", "mamba"])
def stream(request: pytest.FixtureRequest) -> ResidualStream:
    return ResidualStream(tiny.shared(request.param))


@pytest.mark.parametrize("budget", [1, 30, 4096])
def test_means_are_those_of_each_text_alone(stream: ResidualStream, budget: int) -> None:
    found = collect(
        stream, tiny.tokenizer(), corpus(), tokens_per_batch=budget, massive=float("inf")
    )
    for language, words in WORDS.items():
        for layer in range(stream.depth):
            latents = torch.cat([plain_latents(stream, word, layer) for word in words])
            torch.testing.assert_close(
                found.mean(language, layer), latents.mean(0), rtol=1e-4, atol=1e-4
            )
        assert found.moments[language].texts == len(words)
        assert found.moments[language].weight == sum(len(word.encode()) for word in words)


@pytest.mark.parametrize("pooling", ["text", "last"])
def test_pooling_by_text_and_by_last_token(pooling: str) -> None:
    stream = ResidualStream(tiny.shared("llama"))
    found = collect(stream, tiny.tokenizer(), corpus(), pooling=pooling, massive=float("inf"))
    for language, words in WORDS.items():
        latents = [plain_latents(stream, word, 1) for word in words]
        pooled = [z.mean(0) if pooling == "text" else z[-1] for z in latents]
        torch.testing.assert_close(
            found.mean(language, 1), torch.stack(pooled).mean(0), rtol=1e-4, atol=1e-4
        )
        assert found.moments[language].weight == len(words)


def test_only_the_wanted_layers_run() -> None:
    stream = ResidualStream(tiny.make("llama"))
    ran = []
    stream.blocks[2].register_forward_hook(lambda *_: ran.append(2))
    found = collect(stream, tiny.tokenizer(), corpus(), layers=[0, 1])
    assert found.layers == (0, 1)
    assert not ran


def test_massive_tokens_are_dropped_and_counted() -> None:
    """One byte has a huge embedding: without it the mean is that of the other tokens."""
    model = tiny.make("gpt2")
    with torch.no_grad():
        model.get_input_embeddings().weight[tiny.token("Q")] *= 1e4
    stream = ResidualStream(model)
    texts = (Text("abQ", "de", "x"), Text("Q", "fr", "x"))
    found = collect(stream, tiny.tokenizer(), corpus(texts), layers=[0])
    assert found.dropped["massive"] == 1, "a text that has no other token keeps the massive one"
    latents = torch.cat(
        [plain_latents(stream, word, 0) for word in WORDS["de"]]
        + [plain_latents(stream, "abQ", 0)[:2]]
    )
    torch.testing.assert_close(found.mean("de", 0), latents.mean(0), rtol=1e-4, atol=1e-4)


def test_special_tokens_are_dropped_and_counted() -> None:
    found = collect(ResidualStream(tiny.shared("llama")), tiny.tokenizer(), corpus())
    assert found.dropped["special"] == len(corpus()), "one leading token for each text"


def test_a_long_text_is_cut_and_counted() -> None:
    texts = (Text("a" * 200, "de", "x"),)
    found = collect(ResidualStream(tiny.shared("llama")), tiny.tokenizer(), corpus(texts))
    assert found.dropped["long"] == 200 + 1 - tiny.CONTEXT


def test_concepts_are_never_split_between_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the two-way decomposition would lose pairs: with chunks of two it must not."""
    stream = ResidualStream(tiny.shared("llama"))
    whole = collect(stream, tiny.tokenizer(), corpus())
    monkeypatch.setattr("langsteer.collect._chunk_size", lambda layers, width: 1)
    chunked = collect(stream, tiny.tokenizer(), corpus())
    torch.testing.assert_close(
        chunked.alignment.effects(), whole.alignment.effects(), rtol=1e-4, atol=1e-5
    )


def test_nan_in_the_model_is_an_error_that_names_layer_and_text() -> None:
    model = tiny.make("llama")
    stream = ResidualStream(model)
    with torch.no_grad():
        model.get_input_embeddings().weight[tiny.token("z")] = float("nan")
    with pytest.raises(LatentError, match=r"layer 0 .*'eins zwei' \(de\)"):
        collect(stream, tiny.tokenizer(), corpus(), tokens_per_batch=1)


def test_one_language_is_an_error() -> None:
    one = Corpus((Text("ja", "de"), Text("nein", "de")), "one")
    with pytest.raises(CorpusError, match="one language only, de"):
        collect(ResidualStream(tiny.shared("llama")), tiny.tokenizer(), one)


def test_a_text_of_nothing_but_special_tokens_is_an_error() -> None:
    texts = (Text("<pad></s>", "de", "x"),)
    with pytest.raises(CorpusError, match="has no tokens"):
        collect(ResidualStream(tiny.shared("llama")), tiny.tokenizer(), corpus(texts))


def test_a_layer_outside_the_model_is_an_error() -> None:
    with pytest.raises(ModelError, match="layer 3 is outside the model, which has 3 blocks"):
        collect(ResidualStream(tiny.shared("llama")), tiny.tokenizer(), corpus(), layers=[3])
