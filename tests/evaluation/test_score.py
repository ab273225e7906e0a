"""Answers made elsewhere: files, the endpoint, and the command that scores them."""

import csv
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from commands import run
from langsteer.data.answers import GivenAnswer, read_answers
from langsteer.errors import CorpusError, LangsteerError
from langsteer.evaluation.endpoint import Endpoint, ratings, similarities

GERMAN = "Die Hauptstadt von Frankreich ist Paris, wie jeder weiß."
ENGLISH = "The capital of France is Paris, as everyone knows."
RUSSIAN = "Столица Франции это Париж, как все знают."
ROWS = [
    {"answer": GERMAN, "target": "de", "source": "en", "prompt": "1", "references": ["Paris"]},
    {"answer": ENGLISH, "target": "deu", "source": "en", "prompt": "2", "references": "Rome"},
    {"completion": RUSSIAN, "language": "ru"},
]


def jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_json_lines(tmp_path: Path) -> None:
    first, second, third = read_answers(jsonl(tmp_path / "a.jsonl", ROWS))
    assert first == GivenAnswer(GERMAN, "de", "en", "1", ("Paris",))
    assert (second.target, second.references) == ("de", ("Rome",))
    assert (third.text, third.target, third.source) == (RUSSIAN, "ru", None)


def test_outputs_of_the_language_confusion_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "model.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "model", "completion", "task", "source", "language"])
        writer.writerow([0, "m", f"{GERMAN}\nnoch\nQ: Und nun?", "monolingual", "okapi", "de"])
        writer.writerow([1, "m", RUSSIAN, "crosslingual", "sharegpt", "ru"])
    first, second = read_answers(path)
    assert first == GivenAnswer(f"{GERMAN}\nnoch", "de", group="m monolingual", dataset="okapi")
    assert (second.group, second.dataset, second.source) == ("m crosslingual", "sharegpt", None)


def test_results_of_clas_bench_in_a_folder(tmp_path: Path) -> None:
    for target, text in (("de", GERMAN), ("ru", RUSSIAN)):
        whole = {
            "source_language": "en",
            "target_language": target,
            "results": [{"input": "Why?", "output": text}],
        }
        (tmp_path / f"en_{target}.json").write_text(json.dumps(whole))
    assert read_answers(tmp_path) == [
        GivenAnswer(GERMAN, "de", "en", "Why?"),
        GivenAnswer(RUSSIAN, "ru", "en", "Why?"),
    ]


def test_a_target_for_answers_that_name_none(tmp_path: Path) -> None:
    (one,) = read_answers(jsonl(tmp_path / "a.jsonl", [{"answer": "x"}]), "de")
    assert one.target == "de"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"answer": "x", "target": "de"}\n{', r"a\.jsonl:2: this is not JSON"),
        ('{"target": "de"}', "there is no answer: one of answer, completion"),
        ('{"answer": "x"}', "--to"),
        ('{"answer": "x", "target": "german"}', "'de' \\(German\\)"),
        ('{"answer": "x", "target": "de", "references": 3}', "'references' is neither .*: 3"),
        ("[1]", r"not a JSON object: \[1\]"),
        ("", "holds no answers"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_answers(path)


def test_every_problem_is_counted(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"target": "de"}] * 7)
    with pytest.raises(CorpusError, match="7 problems, the first 5"):
        read_answers(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no file of answers"):
        read_answers(tmp_path / "none.jsonl")


def test_the_numbers_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    capsys.readouterr()
    assert run("score", path, "--languages", "de,en,ru,uk", "--json") == 0
    (whole,) = json.loads(capsys.readouterr().out)
    values = {name: one["value"] for name, one in whole["metrics"].items()}
    # en → de: one of two; ? → ru: one of one; the two pairs weigh the same.
    assert values["forced"] == pytest.approx(3 / 4)
    assert values["contained"] == pytest.approx(1 / 2)
    assert values["exact"] == 0
    assert values["score"] == pytest.approx(1 / 2)  # over en → de alone
    assert values["length"] == pytest.approx((9 + 7) / 2)
    assert whole["answers"] == 3


def test_numbers_by_target_and_by_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    capsys.readouterr()
    assert run("score", path, "--languages", "de,en,ru", "--by", "target", "--json") == 0
    found = {one["name"]: one["metrics"] for one in json.loads(capsys.readouterr().out)}
    assert found["de"]["forced"]["value"] == 1 / 2
    assert found["ru"]["forced"]["value"] == 1
    assert "score" not in found["ru"]
    assert run("score", path, "--languages", "de,en,ru", "--by", "pair", "--json") == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["? → ru", "en → de"]


def test_the_table_and_the_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    for name in ("v.jsonl", "v.csv"):
        assert run("score", path, "--languages", "de,en,ru", "-o", tmp_path / name) == 0
    said = capsys.readouterr().out
    assert "75.0 %" in said
    assert "harmonic mean" in said
    rows = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert [row["language"] for row in rows] == ["de", "en", "ru"]
    assert [row["forced"] for row in rows] == [1, 0, 1]
    with (tmp_path / "v.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["forced"] for row in table] == ["1.0", "0.0", "1.0"]
    assert table[2]["contained"] == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--languages", "en,ru"], "--languages leaves out 'de' (German)"),
        (["--languages", "de,en,ru", "--by", "month"], "--by 'month' is unknown"),
        (["--languages", "de,en,ru", "--meaning", "judged"], "No answer has the metric 'judged'"),
        (["--judge", "m"], "give its address with --endpoint"),
    ],
)
def test_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    capsys.readouterr()
    assert run("score", path, *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_scoring_does_not_load_torch(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    code = (
        "import sys; from langsteer.cli import main\n"
        f"sys.argv = ['langsteer', 'score', {str(path)!r}, '--languages', 'de,en,ru', '--json']\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "False"


class Server(BaseHTTPRequestHandler):
    """An OpenAI-compatible server: embeds by vowels, rates by length, and is busy at first."""

    busy = 0
    asked: ClassVar[list[tuple[str, dict[str, object], str | None]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = type(self)
        kind.asked.append((self.path, body, self.headers.get("Authorization")))
        if kind.busy:
            kind.busy -= 1
            return self.say(503, {"error": "busy"})
        if not self.path.startswith("/v1"):
            return self.say(200, {"hello": "world"})
        if body["model"] != "m":
            return self.say(404, {"error": "no such model"})
        if self.path == "/v1/embeddings":
            rows = [
                {"index": number, "embedding": [text.count(vowel) for vowel in "aeiou"]}
                for number, text in enumerate(body["input"])
            ]
            return self.say(200, {"data": rows[::-1]})
        asked = body["messages"][-1]["content"]
        reply = (
            "no idea" if "?!" in asked else f"Rating: 1 is too low.\nRating: {2 * ('yes' in asked)}"
        )
        return self.say(200, {"choices": [{"message": {"role": "assistant", "content": reply}}]})

    def say(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Server.asked, Server.busy = [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_embeddings_are_compared_with_the_nearest_reference(url: str) -> None:
    answers = [
        GivenAnswer("aa", "de", references=("a", "u")),  # same direction
        GivenAnswer("a", "de", references=("ae", "u")),  # 1 / sqrt 2
        GivenAnswer("a", "de"),
        GivenAnswer(" ", "de", references=("a",)),
    ]
    found = similarities(answers, Endpoint(url, "m"))
    assert found == [pytest.approx(1), pytest.approx(2**-0.5), None, None]


def test_many_texts_take_several_requests(url: str) -> None:
    texts = ["a" * n for n in range(1, 151)]
    found = Endpoint(url, "m").embeddings(texts)
    assert found[:, 0].tolist() == list(range(1, 151))
    assert len(Server.asked) == 3


def test_ratings_of_a_judge(url: str) -> None:
    answers = [
        GivenAnswer("yes", "de", prompt="p"),
        GivenAnswer("yes", "de", prompt="p"),
        GivenAnswer("never", "de", prompt="p"),
        GivenAnswer("?!", "de", prompt="p"),
        GivenAnswer("", "de", prompt="p"),
        GivenAnswer("yes", "de"),
    ]
    assert ratings(answers, Endpoint(url, "m", "secret")) == [1, 1, 0, None, 0, None]
    assert len(Server.asked) == 3  # the same question is asked once
    path, body, key = Server.asked[0]
    assert (path, body["temperature"], key) == ("/v1/chat/completions", 0, "Bearer secret")


def test_a_busy_server_is_asked_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langsteer.evaluation.endpoint_requests.PAUSE", 0.0)
    Server.busy = 2
    assert Endpoint(url, "m").embeddings(["a"]).shape == (1, 5)
    Server.busy = 9
    with pytest.raises(LangsteerError, match="status 503"):
        Endpoint(url, "m").embeddings(["a"])


def test_what_goes_wrong_at_an_endpoint_is_said(url: str) -> None:
    with pytest.raises(LangsteerError, match=r"status 404.*'other'"):
        Endpoint(url, "other").embeddings(["a"])
    with pytest.raises(LangsteerError, match="something else than the OpenAI API"):
        Endpoint(url.replace("/v1", "/v2"), "m").embeddings(["a"])
    with pytest.raises(LangsteerError, match="cannot be reached"):
        Endpoint("http://127.0.0.1:1/v1", "m").embeddings(["a"])


def test_judge_and_embeddings_on_the_command_line(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    words = ["--languages", "de,en,ru", "--endpoint", url, "--judge", "m", "--embedding", "m"]
    capsys.readouterr()
    assert run("score", path, *words, "--json") == 0
    (whole,) = json.loads(capsys.readouterr().out)
    assert whole["metrics"]["judged"] == {
        "value": 0,
        "low": 0,
        "high": pytest.approx(1 - 0.025**0.5),
        "n": 2,
    }
    assert 0 < whole["metrics"]["similarity"]["value"] < 1
    assert all(key == "Bearer secret" for _, _, key in Server.asked)
