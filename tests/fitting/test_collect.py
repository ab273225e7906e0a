"""Collecting: what comes out equals the plain way of computing it, and what is left out is said."""

import pytest
import torch

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.errors import CorpusError, LatentError, ModelError, SpaceError
from langsteer.fitting import collect as room
from langsteer.fitting.collect import collect, token_table
from langsteer.fitting.reading import Reading
from langsteer.statistics import Keep
from langsteer.statistics.pooling import Pooling
from langsteer.statistics.storage import pack, unpack
from langsteer.statistics.uncertainty import pairs

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


def plain_latents(model: Model, text: str, layer: int) -> torch.Tensor:
    """Latents [tokens, d] of one text alone, without its leading special token."""
    found = []
    handle = model.stream.layers[layer].register_forward_hook(
        lambda module, args, output: found.append(output if torch.is_tensor(output) else output[0])
    )
    with torch.no_grad():
        model.hf(tiny.tokenizer()(text, return_tensors="pt")["input_ids"])
    handle.remove()
    return found[0][0, 1:].double()


@pytest.fixture(params=["llama", "gpt2", "gemma3", "gpt_neox", "mamba"])
def model(request: pytest.FixtureRequest) -> Model:
    return Model(tiny.shared(request.param), tiny.tokenizer())


@pytest.mark.parametrize("budget", [1, 30, 4096])
def test_means_are_those_of_each_text_alone(model: Model, budget: int) -> None:
    found = collect(
        model,
        corpus(),
        Reading(tokens_per_batch=budget, massive=float("inf")),
    )
    for language, words in WORDS.items():
        for layer in range(model.depth):
            latents = torch.cat([plain_latents(model, word, layer) for word in words])
            torch.testing.assert_close(
                found.mean(language, layer), latents.mean(0), rtol=1e-4, atol=1e-4
            )
        assert found.moments[language].texts == len(words)
        assert found.moments[language].weight == sum(len(word.encode()) for word in words)


@pytest.mark.parametrize("pooling", ["text", "last"])
def test_pooling_by_text_and_by_last_token(pooling: str) -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    found = collect(
        model,
        corpus(),
        Reading(pooling=pooling, massive=float("inf")),
    )
    for language, words in WORDS.items():
        latents = [plain_latents(model, word, 1) for word in words]
        pooled = [z.mean(0) if pooling == "text" else z[-1] for z in latents]
        torch.testing.assert_close(
            found.mean(language, 1), torch.stack(pooled).mean(0), rtol=1e-4, atol=1e-4
        )
        assert found.moments[language].weight == len(words)


def test_only_the_wanted_layers_run() -> None:
    model = Model(tiny.make("llama"), tiny.tokenizer())
    ran = []
    model.stream.layers[2].register_forward_hook(lambda *_: ran.append(2))
    found = collect(model, corpus(), Reading(layers=[0, 1]))
    assert found.layers == (0, 1)
    assert not ran


def test_massive_tokens_are_dropped_and_counted() -> None:
    """One byte has a huge embedding: without it the mean is that of the other tokens."""
    model = tiny.make("gpt2")
    with torch.no_grad():
        model.get_input_embeddings().weight[tiny.token("Q")] *= 1e4
    model = Model(model, tiny.tokenizer())
    texts = (Text("abQ", "de", "x"), Text("Q", "fr", "x"))
    found = collect(model, corpus(texts), Reading(layers=[0]))
    assert found.dropped["massive"] == 1, "a text that has no other token keeps the massive one"
    latents = torch.cat(
        [plain_latents(model, word, 0) for word in WORDS["de"]]
        + [plain_latents(model, "abQ", 0)[:2]]
    )
    torch.testing.assert_close(found.mean("de", 0), latents.mean(0), rtol=1e-4, atol=1e-4)


def test_special_tokens_are_dropped_and_counted() -> None:
    found = collect(Model(tiny.shared("llama"), tiny.tokenizer()), corpus())
    assert found.dropped["special"] == len(corpus()), "one leading token for each text"


def test_a_long_text_is_cut_and_counted() -> None:
    texts = (Text("a" * 200, "de", "x"),)
    found = collect(Model(tiny.shared("llama"), tiny.tokenizer()), corpus(texts))
    assert found.dropped["long"] == 200 + 1 - tiny.CONTEXT


def test_concepts_are_never_split_between_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the two-way decomposition would lose pairs: with chunks of two it must not."""
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    whole = collect(model, corpus())
    monkeypatch.setattr("langsteer.fitting.collect._chunk_size", lambda *_: 1)
    chunked = collect(model, corpus())
    torch.testing.assert_close(
        chunked.alignment.effects(), whole.alignment.effects(), rtol=1e-4, atol=1e-5
    )


def test_a_shuffled_corpus_has_the_same_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    model, texts = Model(tiny.shared("llama"), tiny.tokenizer()), corpus()
    whole = collect(model, texts)
    monkeypatch.setattr("langsteer.fitting.collect._chunk_size", lambda *_: 1)
    orders = []
    for seed in (None, 0, 1):
        found = collect(model, texts, Reading(shuffle=seed))
        torch.testing.assert_close(
            found.alignment.effects(), whole.alignment.effects(), rtol=1e-4, atol=1e-5
        )
        orders.append([chunk.tolist() for chunk in room._chunks(texts.texts, 1, seed)])
    assert len({str(order) for order in orders}) == 3
    assert len({str(sorted(order)) for order in orders}) == 1


def test_nan_in_the_model_is_an_error_that_names_layer_and_text() -> None:
    model = tiny.make("llama")
    model = Model(model, tiny.tokenizer())
    with torch.no_grad():
        model.hf.get_input_embeddings().weight[tiny.token("z")] = float("nan")
    with pytest.raises(LatentError, match=r"layer 0 .*'eins zwei' \(de\)"):
        collect(model, corpus(), Reading(tokens_per_batch=1))


def test_one_language_is_an_error() -> None:
    one = Corpus((Text("ja", "de"), Text("nein", "de")), "one")
    with pytest.raises(CorpusError, match="one language only, de"):
        collect(Model(tiny.shared("llama"), tiny.tokenizer()), one)


def test_a_text_of_nothing_but_special_tokens_is_an_error() -> None:
    texts = (Text("<pad></s>", "de", "x"),)
    with pytest.raises(CorpusError, match="has no tokens"):
        collect(Model(tiny.shared("llama"), tiny.tokenizer()), corpus(texts))


def test_a_layer_outside_the_model_is_an_error() -> None:
    with pytest.raises(ModelError, match="layer 3 is outside the model, which has 3 layers"):
        collect(Model(tiny.shared("llama"), tiny.tokenizer()), corpus(), Reading(layers=[3]))


def every_token(model: Model, layer: int) -> list[tuple[int, str, int, torch.Tensor]]:
    """(token, language, place in its text, latent [d]) of all content tokens of the corpus."""
    found = []
    for language, words in WORDS.items():
        for word in words:
            ids = tiny.tokenizer()(word)["input_ids"][1:]
            latents = plain_latents(model, word, layer)
            found += [(ids[i], language, i, latents[i]) for i in range(len(ids))]
    return found


@pytest.mark.parametrize("budget", [1, 4096])
def test_matched_means_differ_as_in_least_squares_over_tokens(model: Model, budget: int) -> None:
    """All content tokens but the first of each text, with a dummy for each token."""
    found = collect(
        model,
        corpus(),
        Reading(pooling="matched", tokens_per_batch=budget, massive=float("inf")),
    )
    for layer in range(model.depth):
        rows = [row for row in every_token(model, layer) if row[2] > 0]
        names = sorted({token for token, *_ in rows})
        design = torch.zeros(len(rows), len(names) + 1, dtype=torch.float64)
        for i, (token, language, *_) in enumerate(rows):
            design[i, names.index(token)] = 1
            design[i, -1] = float(language == "fr")
        latents = torch.stack([row[3] for row in rows])
        delta = torch.linalg.lstsq(design, latents, driver="gelsd").solution[-1]
        assert found.matching is not None
        effects = found.matching.additive()[layer]
        torch.testing.assert_close(effects[1] - effects[0], delta, rtol=1e-3, atol=1e-3)


def test_matched_parts_with_the_table_of_the_whole_merge_to_the_whole() -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    whole = collect(model, corpus(), Reading(pooling="matched"))
    table = token_table(model, corpus())
    texts = corpus().texts
    parts = [
        collect(
            model,
            Corpus(part, "part"),
            Reading(pooling="matched"),
            table=table,
        )
        for part in (texts[:3], texts[3:5], texts[5:])
    ]
    merged = parts[2].merge(parts[0]).merge(parts[1])
    for language in WORDS:
        torch.testing.assert_close(
            merged.mean(language, 2), whole.mean(language, 2), rtol=1e-4, atol=1e-4
        )


def test_matched_needs_a_token_in_common() -> None:
    texts = (Text("abc", "de"), Text("xyz", "fr"), Text("acb", "de"))
    with pytest.raises(CorpusError, match="share no token: de; fr"):
        collect(
            Model(tiny.shared("llama"), tiny.tokenizer()),
            Corpus(texts, "apart"),
            Reading(pooling="matched"),
        )


def test_matched_refuses_a_language_that_the_table_does_not_know() -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    table = token_table(model, corpus())
    texts = Corpus((Text("uno dos", "es"), Text("un deux", "fr")), "other")
    with pytest.raises(CorpusError, match="does not know es, only de, fr"):
        collect(model, texts, Reading(pooling="matched"), table=table)


def test_a_massive_latent_does_not_carry_matching_away() -> None:
    """One position is massive, and one language alone reaches it: brought to the usual norm, it
    moves the matched means no further than any other latent."""
    texts = (Text("ab nun", "de"), Text("bun ane bun", "fr"), Text("en ab", "de"))
    model = tiny.make("gpt2")
    model = Model(model, tiny.tokenizer())
    before = collect(model, corpus(texts), Reading(layers=[0], pooling="matched"))
    with torch.no_grad():
        model.hf.transformer.wpe.weight[len("ab nun") + 2 :] *= 1e4
    after = collect(model, corpus(texts), Reading(layers=[0], pooling="matched"))
    assert after.dropped["massive"] > before.dropped["massive"]
    size = torch.stack([before.mean("de", 0), before.mean("fr", 0)]).norm()
    assert (after.means(0) - before.means(0)).norm() < 2 * size


@pytest.mark.parametrize("mode", ["pooled", "language"])
def test_second_moments_of_tokens_are_those_of_all_tokens(model: Model, mode: str) -> None:
    keep = Keep(mode, observation="tokens", layers=(1,))
    found = collect(
        model,
        corpus(),
        Reading(keep=keep, massive=float("inf"), tokens_per_batch=30),
    )
    rows = every_token(model, 1)
    z = {one: torch.stack([row[3] for row in rows if row[1] == one]) for one in WORDS}
    centred = torch.cat([part - part.mean(0) for part in z.values()])
    pooled = centred.T @ centred / (len(centred) - len(WORDS))
    torch.testing.assert_close(found.covariance(1), pooled, rtol=1e-3, atol=1e-3)
    if mode == "language":
        torch.testing.assert_close(
            found.covariance(1, "fr"), torch.cov(z["fr"].T), rtol=1e-3, atol=1e-3
        )


def test_second_moments_of_tokens_need_tokens() -> None:
    keep = Keep("pooled", observation="tokens")
    with pytest.raises(SpaceError, match=r"pooling='last'.*Use pooling='tokens'"):
        collect(
            Model(tiny.shared("llama"), tiny.tokenizer()),
            corpus(),
            Reading(pooling="last", keep=keep),
        )


def test_much_memory_is_announced_and_too_much_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    collect(model, corpus())
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("langsteer.fitting.collect.NOTABLE", 1000)
    collect(model, corpus())
    assert "of memory" in capsys.readouterr().err
    with pytest.raises(SpaceError, match="over the limit"):
        collect(
            model,
            corpus(),
            Reading(keep=Keep("pooled", limit=1000)),
        )
    assert capsys.readouterr().err == ""


COPIES = (" ab", "ab", "a\u0308b", "\u00e4b", "cd")
"""Three texts: white space and composition make no other text."""


@pytest.mark.parametrize("pooling", ["tokens", "text", "last", "matched"])
def test_copies_of_a_text_count_once_and_are_counted(pooling: Pooling) -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    once = Corpus(
        tuple(
            Text(text, language, str(i) if language != "fr" else None)
            for language, texts in {"de": ("ab", "\u00e4b", "cd"), "fr": ("ab", "ba", "dc")}.items()
            for i, text in enumerate(texts)
        ),
        "once",
    )
    often = Corpus(
        tuple(
            Text(text.text, text.language, text.concept and f"{text.concept}{again or ''}")
            for again in range(50)
            for text in once.texts
        ),
        "often",
    )
    options = Reading(pooling=pooling)
    a, b = collect(model, once, options), collect(model, often, options)
    assert a.duplicates == {}
    assert b.duplicates == {"de": 147, "fr": 147}
    for layer in range(3):
        torch.testing.assert_close(a.means(layer), b.means(layer))
    torch.testing.assert_close(pairs(a).error, pairs(b).error)
    assert (a.alignment.concepts, a.moments["de"].texts) == (b.alignment.concepts, 3)
    near = [Text(text, "de") for text in COPIES] + [Text("ef", "fr"), Text("fe", "fr")]
    assert collect(model, Corpus(tuple(near), "near")).duplicates == {"de": 2}
    merged = b.merge(b)
    assert merged.duplicates == {"de": 294, "fr": 294}


def test_matched_errors_are_those_of_matched_means() -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    whole = collect(model, corpus(), Reading(pooling="matched"))
    assert whole.matched_error is not None
    back, _ = unpack(*pack(whole))
    torch.testing.assert_close(back.matched_error, whole.matched_error)
    table = token_table(model, corpus())
    halves = [
        collect(model, Corpus(part, "part"), Reading(pooling="matched"), table=table)
        for part in (corpus().texts[:4], corpus().texts[4:])
    ]
    merged = halves[0].merge(halves[1]).matched_error
    torch.testing.assert_close(merged, whole.matched_error, rtol=1e-5, atol=1e-8)


def test_where_memory_ends_batches_are_halved_and_nothing_counts_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())
    options = Reading(pooling="matched", keep=Keep("pooled", observation="tokens"))
    whole = collect(model, corpus(), options)
    visit, sizes = model.stream.visit, []

    def short_of_memory(ids: torch.Tensor, mask: torch.Tensor, layers: list[int], reader):
        """The memory of a device that holds two rows, and ends at the second layer."""
        sizes.append(len(ids))

        def read(layer: int, hidden: torch.Tensor) -> None:
            if layer == 1 and len(ids) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            reader(layer, hidden)

        visit(ids, mask, layers, read)

    monkeypatch.setattr(model.stream, "visit", short_of_memory)
    halved = collect(model, corpus(), options)
    assert sizes[0] == len(corpus().texts)
    assert max(sizes[-2:]) <= 2
    for language in WORDS:
        torch.testing.assert_close(
            halved.moments[language].mean, whole.moments[language].mean, rtol=1e-5, atol=1e-6
        )
    torch.testing.assert_close(halved.covariance(1), whole.covariance(1), rtol=1e-4, atol=1e-6)
    assert halved.dropped == whole.dropped


def test_where_one_text_is_too_much_the_error_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(tiny.shared("llama"), tiny.tokenizer())

    def no_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model.stream, "visit", no_memory)
    with pytest.raises(torch.OutOfMemoryError):
        collect(model, corpus())
