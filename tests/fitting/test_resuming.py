"""A reading that was stopped goes on, and ends with the statistics of one that was not."""

from pathlib import Path

import pytest
import torch

import tiny
from langsteer.data.corpus import Corpus, Text
from langsteer.engines.transformers.model import Model
from langsteer.errors import LangsteerError
from langsteer.fitting import collect as room
from langsteer.fitting import resuming
from langsteer.fitting.collect import collect, token_table
from langsteer.fitting.reading import Reading
from langsteer.fitting.shard import Shard
from langsteer.space.state import RunState
from langsteer.statistics import Keep, Statistics
from langsteer.statistics.storage import pack

OPTIONS = {
    "tokens": Reading(keep=Keep("language", sample=4)),
    "matched": Reading(pooling="matched", keep=Keep("pooled", observation="tokens")),
}
ENDING = Reading(precision=0.5)
"""Ends before the corpus does."""


class StopError(Exception):
    """In the place of a kill."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_chunk_size", lambda *_: 4)
    monkeypatch.setattr(resuming, "EVERY", 0.0)
    monkeypatch.setattr(resuming, "SHARE", 0.0)


def model() -> Model:
    return Model(tiny.shared("llama"), tiny.tokenizer())


def corpus(count: int = 12) -> Corpus:
    texts = [
        Text(f"{said} {number * number}", language, str(number))
        for number in range(count)
        for language, said in {"de": "die Zahl", "fr": "le nombre", "en": "the number"}.items()
    ]
    return Corpus(tuple(texts), "numbers")


def same(one: Statistics, other: Statistics) -> None:
    """Bit for bit."""
    first, second = pack(one, equations=True), pack(other, equations=True)
    assert first[1] == second[1]
    assert first[0].keys() == second[0].keys()
    for name, tensor in first[0].items():
        assert torch.equal(tensor, second[0][name]), name


@pytest.mark.parametrize("options", [*OPTIONS.values(), ENDING], ids=[*OPTIONS, "precision"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 7, 11])
def test_a_killed_reading_ends_as_one_that_was_not(
    options: Reading, moment: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before or after its state is written for the so-maniest time."""
    monkeypatch.setattr(resuming, "FIRST", 5)
    whole = collect(model(), corpus(), options)
    assert options != ENDING or whole.moments["de"].texts < 12
    write, count = RunState.write, 0

    def killed(self: RunState, *content: object) -> None:
        nonlocal count
        count += 1
        if count == at and moment == "before":
            raise StopError
        write(self, *content)  # type: ignore[arg-type]
        if count == at:
            raise StopError

    state = tmp_path / "state"
    with monkeypatch.context() as patch:
        patch.setattr(RunState, "write", killed)
        with pytest.raises(StopError):
            collect(model(), corpus(), options, state=state)
    same(collect(model(), corpus(), options, state=state), whole)


def test_what_was_read_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, reader = tmp_path / "state", model()
    collect(reader, corpus(), state=state)
    monkeypatch.setattr(reader.stream, "visit", lambda *_: pytest.fail("read again"))
    collect(reader, corpus(), state=state)


@pytest.mark.parametrize(
    ("texts", "options", "shard", "said"),
    [
        (corpus(11), Reading(), Shard(), "corpus"),
        (corpus(), Reading(pooling="text"), Shard(), "options"),
        (corpus(), Reading(), Shard(0, 2), "part"),
    ],
)
def test_the_state_of_another_reading_is_refused(
    texts: Corpus, options: Reading, shard: Shard, said: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    collect(model(), corpus(), Reading(), state=state)
    with pytest.raises(LangsteerError, match=f"state of another reading .*{said}"):
        collect(model(), texts, options, state=state, shard=shard)


def test_another_model_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    collect(model(), corpus(), Reading(), state=state)
    other = tiny.make("llama")
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.5)
    with pytest.raises(LangsteerError, match=r"state of another reading .*model"):
        collect(Model(other, tiny.tokenizer()), corpus(), Reading(), state=state)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    collect(model(), corpus(), state=state)
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(LangsteerError, match="damaged"):
        collect(model(), corpus(), state=state)


@pytest.mark.parametrize("pooling", OPTIONS)
@pytest.mark.parametrize("count", [2, 3])
def test_parts_merge_to_the_whole(pooling: str, count: int) -> None:
    reader, options = model(), OPTIONS[pooling]
    texts = Corpus((*corpus().texts, corpus().texts[0]), "with a copy")
    table = token_table(reader, texts, options) if pooling == "matched" else None
    whole = collect(reader, texts, options)
    parts = [
        collect(reader, texts, options, table=table, shard=Shard(number, count))
        for number in range(count)
    ]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert merged.duplicates == whole.duplicates == {"de": 1}
    assert merged.dropped == whole.dropped
    for layer in whole.layers:
        torch.testing.assert_close(merged.means(layer), whole.means(layer))
        torch.testing.assert_close(merged.covariance(layer), whole.covariance(layer))
    torch.testing.assert_close(merged.alignment.effects(), whole.alignment.effects())


@pytest.mark.parametrize("pooling", OPTIONS)
def test_a_part_without_texts_changes_nothing(
    pooling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, options, texts = model(), OPTIONS[pooling], corpus()
    table = token_table(reader, texts, options) if pooling == "matched" else None
    monkeypatch.setattr(room, "_chunk_size", lambda *_: 100)
    one, none = (
        collect(reader, texts, options, table=table, shard=Shard(number, 2)) for number in (0, 1)
    )
    assert all(part.texts == 0 for part in none.moments.values())
    for merged in (one.merge(none), none.merge(one)):
        torch.testing.assert_close(merged.means(1), one.means(1))


@pytest.mark.parametrize("said", ["0/4", "5/4", "1/0"])
def test_parts_that_are_none_are_refused(said: str) -> None:
    with pytest.raises(LangsteerError, match="there is no part"):
        Shard.parse(said)


@pytest.mark.parametrize("said", ["", "1", "1/", "a/b", "-1/4", "1/4/2"])
def test_what_is_no_part_is_refused(said: str) -> None:
    with pytest.raises(LangsteerError, match="is not a part I/N"):
        Shard.parse(said)
    assert Shard.parse("2/4") == Shard(1, 4)
