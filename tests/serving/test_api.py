"""The API answers as the model does alone, in the language that each request names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.source import source_languages
from langsteer.serving import worker
from langsteer.serving.app import create_app
from langsteer.serving.settings import Limits, Settings
from serving.conftest import model, served, space

GREEDY = {"temperature": 0, "max_tokens": 10}


def ask(client: TestClient, **fields: Any) -> Any:
    body = {"model": "tiny", "prompt": "ab ab", **GREEDY, **fields}
    return client.post("/v1/completions", json=body)


def alone(prompt: str, target: str | None, source: str = "de", tokens: int = 10) -> str:
    edit = None if target is None else space().edit(source, target)
    return model().generate(prompt, edit, Generation(tokens))


def test_completions_are_those_of_the_model(client: TestClient) -> None:
    found = ask(client).json()
    assert found["choices"][0]["text"] == alone("ab ab", None)
    assert found["usage"] == {"prompt_tokens": 6, "completion_tokens": 10, "total_tokens": 16}
    assert found["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    "how",
    [
        {"language": "fr"},
        {"model": "tiny:fr"},
        {"language": "fra"},
        {"vllm_xargs": {"langsteer_language": "fr"}},
    ],
)
def test_a_request_names_its_language(how: dict[str, Any], client: TestClient) -> None:
    found = ask(client, source="de", **how).json()
    assert found["language"] == "fr"
    assert found["choices"][0]["text"] == alone("ab ab", "fr") != alone("ab ab", None)


def test_the_source_is_read_from_the_prompt(client: TestClient) -> None:
    for prompt, source in (("abcabc", "de"), ("mnomno", "ja")):
        found = ask(client, prompt=prompt, language="fr").json()
        assert found["choices"][0]["text"] == alone(prompt, "fr", source)


def test_sources_of_several_prompts_are_read_in_one_pass(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def counting(*args: Any) -> list[str]:
        counts.append(len(args[1]))
        return source_languages(*args)

    monkeypatch.setattr(worker, "source_languages", counting)
    found = ask(client, prompt=["abcabc", "mnomno", "abc"], language="fr").json()["choices"]
    assert [one["text"] for one in found] == [
        alone("abcabc", "fr", "de"),
        alone("mnomno", "fr", "ja"),
        alone("abc", "fr", "de"),
    ]
    assert counts == [3]


def test_a_limit_below_the_usual_tokens_is_no_error() -> None:
    greedy = {"temperature": 0}
    with TestClient(create_app(served(), Settings(limits=Limits(tokens=4)))) as client:
        found = client.post("/v1/completions", json={"model": "tiny", "prompt": "ab ab", **greedy})
        assert found.json()["usage"]["completion_tokens"] == 4


def test_strength_multiplies_and_0_is_the_unsteered_model(client: TestClient) -> None:
    found = ask(client, language="fr", source="de", strength=0).json()
    assert found["choices"][0]["text"] == alone("ab ab", None)


def test_chat_streams_what_it_answers_at_once(client: TestClient) -> None:
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "ab"}],
        "language": "fr",
        "source": "de",
        "max_completion_tokens": 12,
        "temperature": 0,
    }
    whole = client.post("/v1/chat/completions", json=body).json()["choices"][0]
    stream = client.post(
        "/v1/chat/completions",
        json={**body, "stream": True, "stream_options": {"include_usage": True}},
    )
    lines = [line.removeprefix("data: ") for line in stream.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    pieces = [json.loads(line) for line in lines[:-1]]
    text = "".join(one["choices"][0]["delta"]["content"] for one in pieces[:-1])
    assert text == whole["message"]["content"]
    assert pieces[0]["choices"][0]["delta"]["role"] == "assistant"
    assert pieces[-2]["choices"][0]["finish_reason"] == whole["finish_reason"] == "length"
    assert pieces[-1]["usage"]["completion_tokens"] == 12


def test_a_stop_string_is_left_out(client: TestClient) -> None:
    whole = alone("ab ab", None)
    stop = whole[3:5]
    found = ask(client, stop=[stop, "never"]).json()["choices"][0]
    assert found["text"] == whole[: whole.index(stop)]
    assert found["finish_reason"] == "stop"


def test_seeds_draw_the_same_alone_and_beside_others(client: TestClient) -> None:
    one = ask(client, temperature=0.9, seed=5).json()["choices"][0]["text"]
    options = Generation(10, sample=True, temperature=0.9, seed=5)
    assert one == model().generate("ab ab", None, options)
    many = ask(client, prompt=["x", "ab ab", "mno"], temperature=0.9, seed=5).json()["choices"]
    assert many[1]["text"] == one


def test_log_probabilities_are_those_of_the_tokens(client: TestClient) -> None:
    found = ask(client, logprobs=3).json()["choices"][0]["logprobs"]
    assert len(found["tokens"]) == len(found["token_logprobs"]) == 10
    for score, top in zip(found["token_logprobs"], found["top_logprobs"], strict=True):
        assert score == max(top.values())
    chat = client.post(
        "/v1/chat/completions",
        json={
            "model": "tiny",
            "messages": [{"role": "user", "content": "ab"}],
            "logprobs": True,
            "top_logprobs": 2,
            **GREEDY,
        },
    ).json()["choices"][0]["logprobs"]["content"]
    assert all(len(one["top_logprobs"]) == 2 for one in chat)


def test_tokens_are_prompts_too(client: TestClient) -> None:
    ids = model().tokenizer("ab ab")["input_ids"]
    assert ask(client, prompt=ids).json()["choices"][0]["text"] == alone("ab ab", None)
    found = ask(client, prompt=[ids, ids], language="fr", source="de").json()["choices"]
    assert [one["text"] for one in found] == [alone("ab ab", "fr")] * 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"language": "zh"}, "de, fr, ja"),
        ({"language": "zz9"}, "zz9"),
        ({"model": "other"}, "tiny, tiny:de"),
        ({"model": "tiny:zh"}, "de, fr, ja"),
        ({"model": "tiny:de", "language": "fr"}, "give one of them"),
        ({"languge": "fr"}, "language"),
        ({"space": "none", "language": "fr"}, "letters"),
        ({"source": "de"}, "add language"),
        ({"guard": True}, "add language"),
        ({"language": "fr", "keep_language": True}, "contradict"),
        ({"keep_language": True}, "a message of the user"),
        ({"vllm_xargs": {"langsteer_langauge": "fr"}}, "langsteer_language"),
        ({"vllm_xargs": {"langsteer_language": "de"}, "language": "fr"}, "differ"),
        ({"max_tokens": 65}, "64"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"strength": "x"}, "strength"),
        ({"n": 2}, "n:"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "empty"),
        ({"prompt": [2**30]}, "those of the model are 0 to 299"),
        ({"prompt": "a" * 500}, "context"),
        ({"temperature": -1}, "temperature"),
        ({"stop": [""]}, "stop"),
    ],
)
def test_what_is_wrong_is_400_with_what_there_is(
    fields: dict[str, Any], said: str, client: TestClient
) -> None:
    found = ask(client, **fields)
    assert found.status_code == 400
    assert said in found.json()["error"]["message"]
    assert ask(client).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"model": "tiny"}', b"\xff\xfe", b"[" * 9000]
)
def test_bodies_that_are_no_requests_are_400(body: bytes, client: TestClient) -> None:
    for path in ("/v1/completions", "/v1/chat/completions"):
        found = client.post(path, content=body, headers={"content-type": "application/json"})
        assert found.status_code == 400
        assert found.json()["error"]["message"]


def test_models_languages_health_and_metrics(client: TestClient) -> None:
    names = [one["id"] for one in client.get("/v1/models").json()["data"]]
    assert names == ["tiny", "tiny:de", "tiny:fr", "tiny:ja"]
    assert client.get("/v1/languages").json()["data"][0] == {"tag": "de", "name": "German"}
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").status_code == 200
    ask(client, language="fr", source="de", guard=True)
    text = client.get("/metrics").text
    assert 'langsteer_requests_total{language="fr",outcome="answered"} 1.0' in text
    assert "langsteer_guard_positions_total" in text


def test_large_bodies_are_refused_before_they_are_read(client: TestClient) -> None:
    found = client.post("/v1/completions", content=b"x" * 30_000)
    assert found.status_code == 413


def test_keys_are_asked_for() -> None:
    settings = Settings(("secret", "other"), limits=Limits())
    with TestClient(create_app(served(), settings)) as client:
        assert ask(client).status_code == 401
        for key in ("other", "secret"):
            client.headers["Authorization"] = f"Bearer {key}"
            assert ask(client).status_code == 200
        del client.headers["Authorization"]
        for wrong in (b"Bearer secre\xc3\xa9", b"secret", b"Bearer ", b"Basic secret"):
            found = client.get("/v1/models", headers=[(b"authorization", wrong)])
            assert found.status_code == 401
        assert client.get("/health").status_code == 200
        assert client.get("/admin/spaces").status_code == 403


def test_spaces_come_and_go_by_name(tmp_path: Any) -> None:
    space().save(tmp_path / "more.safetensors")
    settings = Settings(admin_key="admin", spaces=tmp_path)
    with TestClient(create_app(served(), settings)) as client:
        client.headers["Authorization"] = "Bearer admin"
        assert client.post("/admin/spaces", json={"name": "more"}).status_code == 200
        assert set(client.get("/admin/spaces").json()) == {"letters", "more"}
        assert ask(client, language="fr", source="de", space="more").status_code == 200
        for name in ("../more", "none", "/etc/passwd", ""):
            assert client.post("/admin/spaces", json={"name": name}).status_code == 400
        assert client.delete("/admin/spaces/more").status_code == 200
        assert client.delete("/admin/spaces/more").status_code == 400
        assert ask(client, language="fr", source="de", space="more").status_code == 400


def test_keep_language_keeps_that_of_the_last_message() -> None:
    with TestClient(create_app(served(), Settings())) as client:
        body = {
            "model": "tiny",
            "messages": [{"role": "user", "content": "Wo ist denn die Katze heute Nacht?"}],
            "keep_language": True,
            **GREEDY,
        }
        found = client.post("/v1/chat/completions", json=body).json()
        assert found["language"] == "de"
