"""Reading corpora: every layout gives the same texts, every broken row is named."""

import csv
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langsteer.data import corpus_hub
from langsteer.data.cells import DOUBLED
from langsteer.data.corpus import Columns, Corpus, Text, read_corpus
from langsteer.errors import CorpusError, LanguageError

PARALLEL = (
    Text("Guten Tag", "de", "1"),
    Text("Good day", "en", "1"),
    Text("Добрый день", "ru", "1"),
    Text("Danke", "de", "2"),
    Text("Thanks", "en", "2"),
    Text("Спасибо", "ru", "2"),
)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
rows = st.builds(
    Text,
    texts,
    st.sampled_from(["de", "pt-BR", "zh-Hant"]),
    st.none() | st.text("ab\n,", min_size=1),
)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_table(path: Path, dialect: str, corpus: Sequence[Text]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, dialect)
        writer.writerow(["text", "language", "concept"])
        writer.writerows([one.text, one.language, one.concept or ""] for one in corpus)
    return path


def write_jsonl(path: Path, corpus: Sequence[Text]) -> Path:
    Corpus(tuple(corpus), "any").write_jsonl(path)
    return path


def write_folder(path: Path, corpus: Sequence[Text]) -> Path:
    for language in {one.language for one in corpus}:
        lines = [one.text for one in corpus if one.language == language]
        write(path / f"{language}.txt", "\n".join(lines) + "\n")
    return path


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "rows.jsonl": lambda path: write_jsonl(path, PARALLEL),
    "rows.csv": lambda path: write_table(path, "excel", PARALLEL),
    "rows.tsv": lambda path: write_table(path, "excel-tab", PARALLEL),
    "rows": lambda path: write_folder(path, PARALLEL),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_all_layouts_give_the_same_corpus(tmp_path: Path, name: str) -> None:
    corpus = read_corpus(LAYOUTS[name](tmp_path / name))
    assert corpus.texts == PARALLEL
    assert corpus.name == name
    assert corpus.languages == ("de", "en", "ru")
    assert corpus.counts == {"de": 2, "en": 2, "ru": 2}
    assert corpus.aligned
    assert corpus.digest == Corpus(PARALLEL, "another name").digest


@settings(max_examples=40)
@given(st.lists(rows, min_size=1, max_size=5))
def test_any_texts_survive_jsonl(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[Text]
) -> None:
    path = write_jsonl(tmp_path_factory.getbasetemp() / "any.jsonl", corpus)
    assert read_corpus(path).texts == tuple(corpus)


in_cells = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t\",' \x85"), min_size=1
).filter(str.strip)
cell_rows = st.builds(Text, in_cells, st.sampled_from(["de", "pt-BR"]), st.none() | st.just("1"))


@settings(max_examples=60)
@given(st.lists(cell_rows, min_size=1, max_size=5), st.sampled_from(["excel", "all quoted"]))
def test_any_texts_survive_tables(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[Text], dialect: str
) -> None:
    csv.register_dialect("all quoted", "excel-tab", quoting=csv.QUOTE_ALL)
    path = tmp_path_factory.getbasetemp() / ("any.csv" if dialect == "excel" else "any.tsv")
    assert read_corpus(write_table(path, dialect, corpus)).texts == tuple(corpus)


@settings(max_examples=60)
@given(st.lists(in_cells.filter(lambda text: not set(text) & set("\t\r\n")), min_size=1))
def test_fields_of_tsv_stand_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, given_texts: list[str]
) -> None:
    kept = [text for text in given_texts if not DOUBLED.fullmatch(text)]
    path = tmp_path_factory.getbasetemp() / "plain.tsv"
    write(path, "text\tlanguage\n" + "".join(f"{text}\tde\n" for text in [*kept, '"x" y']))
    assert [one.text for one in read_corpus(path).texts] == [*kept, '"x" y']


def test_columns_can_be_named(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", "satz,sprache,nr\nGuten Tag,DEU,7\n")
    lines = write(tmp_path / "a.jsonl", '{"satz": "Guten Tag", "sprache": "DEU", "nr": 7}\n')
    for path in (table, lines):
        corpus = read_corpus(
            path, text_column="satz", language_column="sprache", concept_column="nr"
        )
        assert corpus.texts == (Text("Guten Tag", "de", "7"),)


def test_a_format_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.txt", '{"text": "Guten Tag", "language": "de"}')
    assert read_corpus(path, format="jsonl").texts == (Text("Guten Tag", "de"),)


def test_byte_order_mark_windows_lines_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    row = b'{"text": "Guten Tag", "language": "de"}\r\n'
    path = write(tmp_path / "rows.jsonl", b"\xef\xbb\xbf" + row + b"\r\n\n" + row)
    assert read_corpus(path).counts == {"de": 2}


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    write(tmp_path / "de.txt", "eins\u2028zwei\x0bdrei\x85vier\n")
    write(tmp_path / "en.txt", "one\n")
    assert len(read_corpus(tmp_path)) == 2


@pytest.mark.parametrize("names", [("eng_Latn.dev", "deu_Latn.dev"), ("x.eng-US.txt", "x.deu.txt")])
def test_file_names_of_well_known_sets(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        write(tmp_path / "dev" / name, "a\nb\n")
    for name in ("README.md", "LICENSE.txt", "README.txt", "DOCUMENT_IDS.tsv", "metadata_dev.tsv"):
        write(tmp_path / "dev" / name, "about the corpus")
    corpus = read_corpus(tmp_path / "dev")
    assert [one.split("-")[0] for one in corpus.languages] == ["de", "en"]
    assert [one.concept for one in corpus.texts] == ["1", "1", "2", "2"]


def test_splits_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "dev" / "eng_Latn.dev", "dev\n")
    write(tmp_path / "devtest" / "eng_Latn.devtest", "devtest\n")
    corpus = read_corpus(tmp_path, split="devtest")
    assert corpus.texts == (Text("devtest", "en", "1"),)
    assert corpus.name == f"{tmp_path.name}/devtest"
    for split in (None, "test"):
        with pytest.raises(CorpusError, match="dev, devtest"):
            read_corpus(tmp_path, split=split)


def test_a_blank_line_is_a_text_missing_in_one_language(tmp_path: Path) -> None:
    write(tmp_path / "de.txt", "eins\n \ndrei\n")
    write(tmp_path / "en.txt", "one\ntwo\nthree\n")
    found = {(one.language, one.concept) for one in read_corpus(tmp_path).texts}
    assert found == {("de", "1"), ("en", "1"), ("en", "2"), ("de", "3"), ("en", "3")}


def test_unequal_numbers_of_lines_name_the_files(tmp_path: Path) -> None:
    for name, lines in {"de": 3, "en": 3, "ru": 2}.items():
        write(tmp_path / f"{name}.txt", "x\n" * lines)
    with pytest.raises(CorpusError, match=r"ru\.txt has 2 lines and \S*de\.txt has 3") as error:
        read_corpus(tmp_path)
    assert "en.txt" not in str(error.value)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"german.txt": "a"}, r"german\.txt: .*'de' \(German\)"),
        ({"en.txt": "a", "eng_Latn.txt": "a"}, r"eng_Latn\.txt: 'en\.txt' is 'en' too"),
        ({"README.md": "a"}, "no language files"),
        ({"en.txt": "\n\n"}, "no texts"),
        ({"en.txt": b"a\n\xff\n"}, r"en\.txt:2: byte 0xff at position 1 is not UTF-8"),
    ],
)
def test_broken_folders(tmp_path: Path, files: dict[str, str | bytes], message: str) -> None:
    for name, content in files.items():
        write(tmp_path / name, content)
    with pytest.raises(CorpusError, match=message):
        read_corpus(tmp_path)


@pytest.mark.parametrize("split", [None, "dev"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("dangling", r"fr\.dev: the link to \S*none leads nowhere"),
        ("loop", r"fr\.dev: the link to fr\.dev leads nowhere"),
        ("pipe", r"fr\.dev: this is no file that can be read"),
        ("empty", r"fr\.dev has no texts: it is empty"),
        ("blank", r"fr\.dev has no texts, only blank lines"),
    ],
)
def test_no_language_of_a_folder_is_lost_without_a_word(
    tmp_path: Path, kind: str, message: str, split: str | None
) -> None:
    folder = tmp_path / "dev"
    write(folder / "de.dev", "a\n")
    file = folder / "fr.dev"
    if kind == "dangling":
        file.symlink_to(tmp_path / "none")
    elif kind == "loop":
        file.symlink_to("fr.dev")
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        write(file, {"empty": "", "blank": " \n"}[kind])
    with pytest.raises(CorpusError, match=message):
        read_corpus(tmp_path if split else folder, split=split)


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "de.txt", "a\n")
    write(tmp_path / "fr.txt", "a\n")
    plain = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name == "fr.txt":
            raise PermissionError(13, "Permission denied")
        return plain(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.raises(CorpusError, match=r"fr\.txt' cannot be read: Permission denied"):
        read_corpus(tmp_path)


def test_capitals_and_hidden_files_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "DE.TXT", "a\n")
    write(tmp_path / "en.txt", "b\n")
    write(tmp_path / "._en.txt", b"\0\5\x16\7")
    assert read_corpus(tmp_path).languages == ("de", "en")


def test_a_file_with_the_name_of_a_language_and_another_ending_is_mentioned(
    tmp_path: Path,
) -> None:
    write(tmp_path / "de.txt", "a\n")
    write(tmp_path / "de.vocab", "a\n")
    write(tmp_path / "metadata_dev.tsv", "a\n")
    write(tmp_path / "fr.text", "a\n")
    with pytest.warns(UserWarning, match=r"fr\.text is not read") as warned:
        assert read_corpus(tmp_path).languages == ("de",)
    assert len(warned) == 1


def test_a_file_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    write(tmp_path / "de.txt", "a\n")
    write(tmp_path / os.fsdecode(b"fran\xe7ais.txt"), "a\n")
    with pytest.raises(CorpusError, match=r"fran\\xe7ais\.txt: the name does not say") as error:
        read_corpus(tmp_path)
    str(error.value).encode()


def test_a_corpus_reads_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "a.json", '[{"satz": "a", "language": "de", "concept": 3}]')
    found = Corpus.read("~/a.json", columns=Columns(text="satz"))
    assert found.texts == (Text("a", "de", "3"),)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "corpus" / "de.txt", "a\n")
    monkeypatch.chdir(tmp_path / "corpus")
    assert Corpus.read(".").name == "corpus"


GOOD = '{"text": "a", "language": "de"}\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "", "language": "de"}', r"the text is empty: ''"),
        ('{"text": " \\n", "language": "de"}', "the text is empty"),
        ('{"text": "a", "language": "german"}', r"'german' is not a language tag.*'de' \(German\)"),
        ('{"text": "a"}', "there is no 'language', only 'text'"),
        ('{"text": 3, "language": "de"}', "'text' is not a string: 3"),
        ('{"text": "a", "language": null}', "'language' is not a string: null"),
        ('{"text": "a", "language": "de", "concept": true}', "'concept' is neither .*: true"),
        ('{"text": "a", "language": "de", "concept": [1]}', r"'concept' is neither .*: \[1\]"),
        ('{"text": "\\ud800", "language": "de"}', "half a surrogate pair"),
        ('{"text": "a", ', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["a", "de"]', "not a JSON object"),
        (b"\xe4\xf6", r"byte 0xe4 at position 1 is not UTF-8"),
    ],
)
def test_a_broken_row_of_jsonl_is_named(tmp_path: Path, line: str | bytes, message: str) -> None:
    raw = line if isinstance(line, bytes) else line.encode()
    path = write(tmp_path / "rows.jsonl", GOOD.encode() + raw + b"\n" + GOOD.encode())
    with pytest.raises(CorpusError, match=message) as error:
        read_corpus(path)
    assert str(error.value).startswith(f"{path}:2: ")


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("language\nde\n", 1, "no column 'text' for the text.*It has: 'language'"),
        ("", 1, "the table is empty"),
        ('text,language\n"a\nb",de\n,de\n', 4, "the text is empty"),
        ("text,language\na,de,x\n", 2, r"more fields than the header: \['x'\]"),
        ("text,language\na,de\nb\n", 3, "no field for 'language'"),
        ('text,language\n\n"a" b,de\n', 3, "cannot be read"),
        ('text,language\na,de\n"b,de\nc,de\n', 3, "cannot be read"),
    ],
)
def test_a_broken_row_of_a_table_is_named(
    tmp_path: Path, table: str, line: int, message: str
) -> None:
    path = write(tmp_path / "rows.csv", table)
    with pytest.raises(CorpusError, match=message) as error:
        read_corpus(path)
    assert str(error.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(("suffix", "content"), [("csv", "text,language\na,de\n"), ("jsonl", GOOD)])
def test_a_concept_column_that_was_asked_for_must_exist(
    tmp_path: Path, suffix: str, content: str
) -> None:
    path = write(tmp_path / f"rows.{suffix}", content)
    assert read_corpus(path).texts[0].concept is None
    with pytest.raises(CorpusError, match=r"no (column )?'topic'"):
        read_corpus(path, concept_column="topic")


def test_all_problems_are_counted_and_the_first_five_shown(tmp_path: Path) -> None:
    bad = '{"text": "", "language": "de"}\n'
    path = write(tmp_path / "rows.jsonl", GOOD + bad * 7)
    with pytest.raises(CorpusError, match="7 problems, the first 5") as error:
        read_corpus(path)
    assert [f"{path}:{line}:" in str(error.value) for line in range(1, 9)] == [
        *[False, True, True, True, True, True, False, False]
    ]


def test_a_wrong_column_is_noticed_before_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", GOOD * 1100)
    with pytest.raises(CorpusError, match="1000 or more problems"):
        read_corpus(path, text_column="texte")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("none.jsonl", {}, "no file or folder .*none.jsonl"),
        ("none", {"format": "folder"}, "no file or folder"),
        ("rows.dat", {}, "does not tell its format"),
        ("rows.dat", {"format": "xml"}, "no format 'xml'. Use one of: jsonl, json, csv"),
        ("rows.jsonl", {"split": "dev"}, "'dev' was asked for"),
        ("rows.dat", {"format": "folder"}, "is a file"),
        ("folder", {"format": "jsonl"}, "cannot be read"),
    ],
)
def test_what_cannot_be_read(
    tmp_path: Path, name: str, options: dict[str, str], message: str
) -> None:
    write(tmp_path / "rows.jsonl", GOOD)
    write(tmp_path / "rows.dat", GOOD)
    write(tmp_path / "folder" / "en.txt", "a")
    with pytest.raises(CorpusError, match=message):
        read_corpus(tmp_path / name, **options)  # type: ignore[arg-type]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the package datasets, which the tests do not need."""
    good = [{"text": "Guten Tag", "language": "deu", "concept": 1}]
    sets = {
        ("org/one", None): {"train": good},
        ("org/two", "small"): {"dev": good, "test": [{"text": "", "language": "de"}]},
    }

    def load_dataset(path: str, name: str | None) -> dict[str, list[dict[str, object]]]:
        if (path, name) not in sets:
            raise FileNotFoundError(f"Dataset '{path}' doesn't exist on the Hub.")
        return sets[path, name]

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)


@pytest.mark.usefixtures("hub")
def test_data_sets() -> None:
    corpus = read_corpus("org/one")
    assert corpus.texts == (Text("Guten Tag", "de", "1"),)
    assert corpus.name == "org/one[train]"
    assert read_corpus("org/two:small", split="dev").texts == corpus.texts


@pytest.mark.usefixtures("hub")
def test_the_rows_of_a_large_data_set_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    held = read_corpus("org/one")
    monkeypatch.setattr(corpus_hub, "LARGE", 1)
    mapped = read_corpus("org/one")
    assert isinstance(mapped.texts, corpus_hub.HubTexts)
    assert (mapped.digest, mapped.counts) == (held.digest, held.counts)
    assert mapped.texts[-1] == mapped.texts[:1][0] == held.texts[0]
    with pytest.raises(CorpusError, match=r"test\]:1: the text is empty"):
        read_corpus("org/two:small", split="test")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("org/none", None, "'org/none' cannot be loaded: .*doesn't exist"),
        ("org/two:small", None, "several splits. Choose one: dev, test"),
        ("org/one", "dev", "no split 'dev'. Choose one: train"),
        ("org/two:small", "test", r"org/two:small\[test\]:1: the text is empty"),
    ],
)
def test_data_sets_that_cannot_be_used(name: str, split: str | None, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_corpus(name, split=split)


def test_data_sets_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(CorpusError, match=r"pip install 'langsteer\[datasets\]'"):
        read_corpus("org/one")


def test_texts_check_themselves() -> None:
    assert Text("a", "PT-br").language == "pt-BR"
    with pytest.raises(CorpusError, match="empty"):
        Text(" ", "de")
    with pytest.raises(LanguageError):
        Text("a", "german")
    with pytest.raises(CorpusError, match="'none' has no texts"):
        Corpus((), "none")


def test_aligned_means_that_a_concept_has_two_languages() -> None:
    assert not Corpus((Text("a", "de"), Text("b", "en")), "x").aligned
    assert not Corpus(
        (Text("a", "de", "1"), Text("b", "de", "1"), Text("c", "en", "2")), "x"
    ).aligned
    assert Corpus((Text("a", "de", "1"), Text("b", "en", "1"), Text("c", "en")), "x").aligned


@settings(max_examples=40)
@given(st.lists(rows, min_size=2, max_size=6))
def test_the_digest_tells_corpora_apart(corpus: list[Text]) -> None:
    turned = corpus[::-1]
    same = Corpus(tuple(corpus), "x").digest == Corpus(tuple(turned), "x").digest
    assert same == (corpus == turned)


def test_the_digest_knows_where_a_text_ends() -> None:
    one, two = (Text("a", "de", "b"),), (Text("a", "de"), Text("b", "de"))
    digests = {Corpus(rows, "x").digest for rows in (one, two, one + two, two + one)}
    assert len(digests) == 4


def test_select_keeps_the_order_and_suggests() -> None:
    corpus = Corpus(PARALLEL, "x")
    assert corpus.select(["rus", "de"]).texts == tuple(
        one for one in PARALLEL if one.language != "en"
    )
    with pytest.raises(LanguageError, match=r"Did you mean 'de' \(German\)"):
        corpus.select(["german"])


def test_one_language_is_not_enough_for_a_difference() -> None:
    corpus = Corpus(PARALLEL, "x")
    corpus.require_languages(3)
    with pytest.raises(CorpusError, match=r"'x' has texts in 1 language\(s\) \(de\), and 2"):
        corpus.select(["de"]).require_languages()


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "rows.jsonl", "before")
    monkeypatch.setattr(json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Corpus(PARALLEL, "x").write_jsonl(path)
    assert [one.read_text() for one in tmp_path.iterdir()] == ["before"]


def test_a_limit_keeps_the_first_texts_of_every_language() -> None:
    texts = [Text(f"{number}", "en" if number % 3 else "de") for number in range(9)]
    found = Corpus(tuple(texts), "c").limit(2)
    assert [text.text for text in found.texts] == ["0", "1", "2", "3"]


def test_a_quota_counts_instead_of_the_limit() -> None:
    texts = [Text(f"{number}", ("de", "en", "fr")[number % 3]) for number in range(9)]
    corpus = Corpus(tuple(texts), "c")
    found = corpus.limit(2, {"de": 1, "FRA": 0})
    assert [text.text for text in found.texts] == ["0", "1", "4"]
    assert corpus.limit(None, {"en": 1}).counts == {"de": 3, "en": 1, "fr": 3}
    with pytest.raises(LanguageError, match="ja"):
        corpus.limit(2, {"ja": 5})


def test_copies_are_counted_by_language() -> None:
    texts = [
        Text("Gr\u00fc\u00dfe", "de", "1"),
        Text("Gru\u0308\u00dfe \n", "de", "2"),
        Text("a  b", "en"),
        Text("a\u00a0b", "en"),
        Text("a b", "de"),
        Text("A b", "en"),
        Text("a b", "en"),
    ]
    corpus = Corpus(tuple(texts), "c")
    assert corpus.repeated == (False, True, False, True, False, False, True)
    assert corpus.duplicates() == {"de": 1, "en": 2}
    assert Corpus(PARALLEL, "c").duplicates() == {}
