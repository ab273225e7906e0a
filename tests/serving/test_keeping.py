"""An answer that begins in another language is begun anew, and nobody sees that."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient

from langsteer.edits.edit import Edit
from langsteer.engines.transformers.chat import ChatOptions, Rendered, render
from langsteer.engines.transformers.decoding import Continuation, Decoder
from langsteer.engines.transformers.generation import end_tokens
from langsteer.serving import steering, worker
from langsteer.serving.app import create_app
from langsteer.serving.keeping import HELD, STRENGTHS, SURE, Heard, Keeper, detection, heard
from langsteer.serving.settings import Limits, Settings
from langsteer.serving.steering import Served
from langsteer.serving.wording import Wording
from langsteer.text.detect import Detection
from serving.conftest import LETTERS, model, served, space

TOKENS = 4 * HELD
CHAT = ChatOptions(enabled=True)


def by_letters(text: str) -> str | None:
    """The language whose letters a text has most of, and if it has none, one by its bytes."""
    counts = Counter({tag: sum(map(text.count, letters)) for tag, letters in LETTERS.items()})
    ((tag, most),) = counts.most_common(1)
    if most:
        return tag
    known = [ord(letter) for letter in text if letter.isascii() and not letter.isdigit()]
    return list(LETTERS)[sum(known) % 3] if len(known) > 1 else None


def by_message(text: str, _: tuple[str, ...]) -> str | Heard:
    """A question mark leaves doubt; "!" is in no language that is here."""
    if "!" in text:
        return Heard.ANOTHER
    return Heard.DOUBT if "?" in text else by_letters(text) or Heard.NOTHING


def keeper(said: list[str | None]) -> Keeper:
    verdicts = iter(said)

    def edit(source: str, goal: str, strength: float) -> Edit:
        return space().edit(source, goal).at(strength=strength)

    return Keeper("fr", lambda _: Detection(next(verdicts), 1.0), edit)


def test_nothing_is_judged_before_it_is_long_enough_or_over() -> None:
    assert keeper([]).judge("", "x", HELD - 1, over=False) == "wait"
    assert keeper(["fr"]).judge("", "x", 1, over=True) == "go"
    assert keeper(["fr"]).judge("", "x", HELD, over=False) == "go"


def test_what_is_not_sure_is_looked_at_again_and_then_let_go() -> None:
    unsure = keeper([None, None, None])
    assert unsure.judge("", "?", HELD, over=False) == "wait"
    assert unsure.judge("", "?", 2 * HELD - 1, over=False) == "wait"
    assert unsure.judge("", "?", 2 * HELD, over=False) == "go"


def test_another_language_is_steered_from_more_strongly_the_second_time_and_then_let_be() -> None:
    wrong = keeper(["de", "de", "de", "ja", "de"])
    found = [wrong.judge("", "?", HELD, over=False) for _ in range(5)]
    strengths = [one.strength if isinstance(one, Edit) else one for one in found]
    assert strengths == [*STRENGTHS, "go", STRENGTHS[0], "go"]
    assert wrong.begun_anew == 3


FRENCH = "Voici ce que je propose de faire :\n"
ENGLISH = "and this is what the other people said about it"


def real(thinking: int = 0) -> Keeper:
    def edit(source: str, goal: str, strength: float) -> Edit:
        assert (source, goal) == ("en", "fr")
        return Edit({}, strength)

    return Keeper("fr", lambda text: detection(text, ("en", "fr")), edit, thinking)


@pytest.mark.parametrize(
    ("said", "stretch", "thinking"),
    [
        ("", f"{FRENCH} vous le verrez.", 0),
        ("", f"{FRENCH}```python\nfor one in people: print({ENGLISH!r})", 0),
        (f"{FRENCH}```python\n", f"# {ENGLISH}\n", 0),
        (f"{FRENCH}```python\n", f"# {ENGLISH}\n```\nVoici ce que cela donne.", 0),
        ("", f"Le président a dit hier : « {ENGLISH} ».", 0),
        ("", f"<think>{ENGLISH}", 0),
        ("<think>Hm, ", ENGLISH, 0),
        ("", ENGLISH, 1),
        ("Hm, ", f"{ENGLISH}</think>\n{FRENCH}", 1),
        ("", "Tokyo.", 0),
        ("", "42", 0),
    ],
)
def test_what_stays_as_it_is(said: str, stretch: str, thinking: int) -> None:
    assert real(thinking).judge(said, stretch, 2 * HELD, over=True) == "go"


@pytest.mark.parametrize(
    ("said", "stretch", "thinking"),
    [
        ("", ENGLISH, 0),
        (FRENCH, ENGLISH, 0),
        ("", f"<think>{FRENCH}</think>{ENGLISH}", 0),
        (f"{FRENCH}</think>", ENGLISH, 1),
        (f"{FRENCH}```\nx\n```\n", ENGLISH, 0),
        (f"{FRENCH}```\n", f"x\n```\n{ENGLISH}", 0),
    ],
)
def test_what_is_written_anew(said: str, stretch: str, thinking: int) -> None:
    assert isinstance(real(thinking).judge(said, stretch, HELD, over=False), Edit)


def test_a_doubtful_language_is_no_other_one_unless_its_script_says_so() -> None:
    found = Detection("en", SURE - 0.01, "LATIN")
    doubtful = Keeper("fr", lambda _: found, real().edit)
    assert doubtful.judge("", "?", HELD, over=False) == "wait"
    assert doubtful.judge("", "?", 2 * HELD, over=False) == "go"
    latin = Keeper("ja", lambda _: found, lambda *_: Edit({}))
    assert isinstance(latin.judge("", "?", HELD, over=False), Edit)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(steering, "detection", lambda text, _: Detection(by_letters(text), 1.0))
    monkeypatch.setattr(steering, "heard", by_message)
    limits = Limits(tokens=TOKENS, queue=64, rows=4)
    with TestClient(create_app(served(), Settings(keep_language=True, limits=limits))) as found:
        yield found


def ask(client: TestClient, text: str, **fields: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    body = {"model": "tiny", "messages": messages, "temperature": 0, "max_tokens": TOKENS}
    return client.post("/v1/chat/completions", json={**body, **fields})


def tokens_of(text: str, edit: Edit | None, kept: Sequence[int]) -> tuple[list[int], bool]:
    """The tokens of an answer that goes on from some, and whether it ends by itself."""
    prompt = render(model().tokenizer, [{"role": "user", "content": text}], CHAT)
    row = Continuation(prompt, edit, TOKENS, given=kept)
    decoder = Decoder(model(), end_tokens(model()))
    decoder.admit([row])
    while row.end is None:
        decoder.step()
    return row.new, row.end == "end"


def shown(tokens: Sequence[int], *, over: bool = False) -> str:
    words = Wording(model().tokenizer)
    text = "".join(words.add([token]) for token in tokens)
    return text + words.end() if over else text


def unsteered(text: str) -> str:
    tokens, ended = tokens_of(text, None, ())
    return shown(tokens[:-1] if ended else tokens, over=True)


def expected(text: str, goal: str) -> tuple[str, int]:
    """What the answer is by the rule, and how often a stretch of it is written anew."""
    kept, edit, tried = 0, None, Counter[str]()
    tokens, ended = tokens_of(text, None, ())
    while True:
        own = tokens[:-1] if ended else tokens
        ends = [*range(kept + HELD, len(tokens)), len(tokens)]
        for at in ends:
            over = at == len(tokens)
            stretch = shown(own[:at], over=over)[len(shown(own[:kept])) :]
            drift = by_letters(stretch)
            if drift is None and at < kept + 2 * HELD and not over:
                continue
            break
        if drift not in (None, goal) and tried[drift] < len(STRENGTHS):
            pair = space().edit(drift, goal)
            edit = pair.at(strength=pair.strength * STRENGTHS[tried[drift]])
            tried[drift] += 1
            tokens, ended = tokens_of(text, edit, tokens[:kept])
        elif over:
            return shown(own, over=True), tried.total()
        else:
            kept = at


def test_answers_are_those_of_the_model_or_of_the_edit_from_what_it_drifted_to(
    client: TestClient,
) -> None:
    again = 0
    for text in ("abc", "abcabc a", "xyzzy", "zyx", "mnom", "mno o", "cab mn", "xx"):
        goal = by_letters(text)
        assert goal is not None
        wanted, count = expected(text, goal)
        reply = ask(client, text).json()
        assert reply["choices"][0]["message"]["content"] == wanted
        again += count
    assert again >= 2  # else nothing was tested
    counted = client.get("/metrics").text
    assert f"langsteer_begun_anew_total {float(again)}" in counted


def test_a_stream_shows_nothing_of_what_is_begun_anew(client: TestClient) -> None:
    for text in ("abc", "xyzzy", "mnom"):
        whole = ask(client, text, logprobs=True).json()["choices"][0]
        stream = ask(client, text, logprobs=True, stream=True)
        lines = [line.removeprefix("data: ") for line in stream.text.splitlines() if line]
        pieces = [json.loads(line)["choices"][0] for line in lines[:-1]]
        said = "".join(one["delta"]["content"] for one in pieces)
        assert said == whole["message"]["content"]
        likely = [
            row for one in pieces if one.get("logprobs") for row in one["logprobs"]["content"]
        ]
        assert len(likely) == len(whole["logprobs"]["content"])


def test_without_a_space_answers_are_as_they_are() -> None:
    bare = Served(model(), "tiny", {})
    with TestClient(create_app(bare, Settings(keep_language=True))) as client:
        reply = ask(client, "abc")
        assert reply.json()["choices"][0]["message"]["content"] == unsteered("abc")
        assert "no space is loaded" in ask(client, "abc", keep_language=True).text


def test_random_draws_are_the_same_when_begun_anew(client: TestClient) -> None:
    found = {
        ask(client, "abc", temperature=0.8, seed=3).json()["choices"][0]["message"]["content"]
        for _ in range(3)
    }
    assert len(found) == 1


def test_a_request_can_leave_its_language(client: TestClient) -> None:
    for text in ("abc", "xyzzy", "mnom"):
        reply = ask(client, text, keep_language=False).json()
        assert reply["choices"][0]["message"]["content"] == unsteered(text)


def test_the_last_message_whose_language_is_sure_counts(client: TestClient) -> None:
    messages = [
        {"role": "user", "content": "mnomno"},
        {"role": "assistant", "content": "abc"},
        {"role": "user", "content": "12"},
    ]
    assert ask(client, "", messages=messages).json()["language"] == "ja"
    assert ask(client, "12").json()["language"] is None


def test_a_language_that_the_space_has_not_is_left_alone(client: TestClient) -> None:
    messages = [{"role": "user", "content": "mnomno"}, {"role": "user", "content": "abc!"}]
    assert ask(client, "", messages=messages).json()["language"] is None
    assert ask(client, "abc!").json()["choices"][0]["message"]["content"] == unsteered("abc!")


def test_the_model_reads_what_the_text_leaves_open(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = []

    def reading(_: Any, given: Sequence[Rendered], *args: Any) -> list[str]:
        prompts.extend(given)
        return ["ja" for _ in given]

    monkeypatch.setattr(worker, "source_languages", reading)
    messages = [{"role": "user", "content": "mnomno"}, {"role": "assistant", "content": "x"}]
    messages.append({"role": "user", "content": "abc?"})
    found = ask(client, "", messages=messages, stream=True, stream_options={"include_usage": True})
    lines = [line.removeprefix("data: ") for line in found.text.splitlines() if line]
    assert json.loads(lines[-2])["language"] == "ja"
    assert [one.text for one in prompts] == ["abc?"]  # the message by itself
    assert ask(client, "abc").json()["language"] == "de"
    assert len(prompts) == 1


def test_the_language_of_real_text() -> None:
    said = "Wo ist denn die Katze heute Nacht?"
    assert detection(said, ("de", "fr", "ja")).language == "de"
    assert detection("夜、猫はどこにいますか。", ("de", "fr", "ja")).language == "ja"
    assert detection(said, ()).language is None


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("Wo ist denn die Katze heute Nacht?", "de"),
        ("¿Dónde está el gato esta noche?", "es"),
        ("De que trata este texto?", Heard.DOUBT),
        ("Di cosa parla questo testo, e chi lo ha scritto?", Heard.ANOTHER),
        ("이 글은 무엇에 관한 것입니까?", Heard.ANOTHER),
        ("12 + 3 = ?", Heard.NOTHING),
        ("", Heard.NOTHING),
    ],
)
def test_what_is_heard_of_a_message(message: str, found: str | Heard) -> None:
    assert heard(message, ("de", "es", "pt", "zh")) == found
