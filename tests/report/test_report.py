"""The report: what is on the page and in the files is what was measured, and nothing else."""

import csv
import dataclasses
import gzip
import io
import re
import warnings
from base64 import b64decode
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rc_context, rcParams

from langsteer.errors import ReportError
from langsteer.report import (
    ConfusionCount,
    CorpusShown,
    Example,
    FailureKind,
    LanguageMap,
    LanguagePoint,
    LayerPoint,
    MethodResult,
    ModelFacts,
    PairScores,
    Rate,
    Report,
    ShareOfVariance,
    numbers,
    write_comparison,
    write_report,
)
from langsteer.report.answers import KINDS, UNKNOWN
from langsteer.report.colours import DARK, HEAT_CLASSES, LIGHT, MARKS
from langsteer.report.downloads import download
from langsteer.report.drawing import svg
from langsteer.report.figures import FIGURES, ReportFigure
from langsteer.report.figures.confusion import confusion_chart
from langsteer.report.figures.layers import layers_chart
from langsteer.report.figures.matrix import HIGH_STEPS, LOW_STEPS
from langsteer.report.figures.methods import methods_chart
from langsteer.report.figures.pairs import pairs_charts
from langsteer.report.page import sections_of
from langsteer.report.tables import Column, Table
from report_data import (
    EXAMPLES,
    failures,
    full_report,
    grown_report,
    method_results,
    pair_results,
)

pytestmark = pytest.mark.slow

MODEL = ModelFacts("tiny", "llama", 6, 192)
CORPUS = CorpusShown("texts.jsonl", {"de": 10, "en": 10})
NOT_CLOSED = {"meta", "br", "hr", "img", "input", "link"}
LINKS = ("href", "src", "xlink:href", "action", "data", "poster", "srcset", "formaction", "ping")


class Page(HTMLParser):
    """A page read strictly: every element closed in order; its links, ids and text."""

    def __init__(self, source: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        if tag not in NOT_CLOSED:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in {"td", "th"}:
            self.text += " "

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data

    def values(self, name):
        return [attrs[name] for _, attrs in self.elements if attrs.get(name) is not None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    with warnings.catch_warnings():
        # A figure that needs a font for some script would warn of a missing glyph.
        warnings.filterwarnings("error", message=".*[Gg]lyph.*")
        return write_report(grown_report(), tmp_path_factory.mktemp("report") / "new").parent


@pytest.fixture(scope="module")
def source(folder) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source) -> Page:
    return Page(source)


def written(tmp_path, report) -> str:
    return write_report(report, tmp_path).read_text(encoding="utf-8")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_page_loads_nothing(source, page):
    links = [link for name in LINKS for link in page.values(name)]
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    for tag, attrs in page.elements:
        assert not (attrs.get("href") or "").startswith("data:") or "download" in attrs, tag
    assert "http:" not in source
    assert "https:" not in source
    assert "@import" not in source
    assert set(re.findall(r"url\((.)", source)) <= {"#"}
    assert "script" not in {tag for tag, _ in page.elements}


def test_links_lead_somewhere(folder, page):
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for link in page.values("href") + page.values("xlink:href"):
        assert link.startswith("data:") or link[1:] in ids
    for label in page.values("aria-labelledby"):
        assert label in ids


def test_downloads_are_the_files_beside_the_page(folder, page):
    """A page that is sent on alone carries every file that lies beside it, under its name."""
    found = {
        attrs["download"]: b64decode(attrs["href"].partition(";base64,")[2])
        for tag, attrs in page.elements
        if "download" in attrs
    }
    beside = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    assert found == beside
    tables = ("results", "metrics", "failures", "answers", "methods")
    assert {f"{name}.csv" for name in tables} <= beside.keys()


def test_clip_paths_exist(source, page):
    assert set(re.findall(r"url\(#([^)]+)\)", source)) <= set(page.values("id"))


def test_no_colour_mark_is_left(source):
    assert not [mark for mark in MARKS.values() if mark in source]


def test_every_rate_is_on_the_page(page):
    report = grown_report()
    rates = [
        rate
        for family in report.families
        for one in family.conditions
        for rate in (one.language_rate, one.meaning, one.both)
        if rate is not None
    ]
    rates += [rate for point in report.layers for rate in (point.language_rate, point.both)]
    rates += [one.both for one in report.methods]
    values = [value for rate in rates for value in (rate.value, rate.low, rate.high)]
    values += [value for pair in report.pairs for value in (pair.language_rate, pair.meaning)]
    values += [value for one in report.shares for value in (one.concept, one.language, one.rest)]
    shown = re.sub(r"\s", " ", page.text)
    for value in values:
        text = f"{100 * value:.1f}"
        if text not in {"0.0", "100.0"}:
            assert re.search(rf"(?<![\d.]){re.escape(text)}(?!\d)", shown), value
    for quality in report.uncertainty:
        assert f"{quality.norm:.4g}"[:5] in shown
        assert f"{quality.cosine:#.4g}" in shown


def test_prose_and_provenance_are_on_the_page(page):
    report = grown_report()
    shown = re.sub(r"\s+", " ", page.text)
    texts = [*report.summary, *report.warnings, report.title, report.corpus.digest, "tuning split"]
    texts += [one.description for one in (*report.families, *report.failures)]
    texts += [*report.versions, *report.versions.values(), *report.seconds, "11.4 s", "1 min 21 s"]
    for example in report.examples:
        texts += [example.prompt.strip(), example.unsteered.strip(), example.steered.strip()]
    for text in texts:
        assert re.sub(r"\s+", " ", text) in shown, text


def test_csv_is_the_data(folder):
    report = grown_report()
    for name, records in (
        ("shares", report.shares),
        ("word_probability", report.word_probability),
        ("uncertainty", report.uncertainty),
        ("pairs_language", report.pairs),
        ("surface", report.surface),
        ("language_map", report.language_map.points),
        ("confusion", report.confusion),
        ("answers", report.answers),
    ):
        found = rows(folder / f"figures/{name}.csv")
        expected = [
            {key: "" if fields[key] is None else str(fields[key]) for key in found[0]}
            for fields in map(dataclasses.asdict, records)
        ]
        assert sorted(map(sorted_items, found)) == sorted(map(sorted_items, expected)), name


def sorted_items(row: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(row.items())


def test_every_metric_is_on_the_page_and_in_its_csv(folder, page):
    found = rows(folder / "figures/metrics.csv")
    shown = re.sub(r"\s+", " ", page.text)
    for row, one in zip(found, grown_report().metrics, strict=True):
        assert (row["metric"], row["condition"], row["better"]) == (
            one.metric,
            one.condition,
            one.better,
        )
        numbers_read = [float(row[name]) for name in ("value", "low", "high", "n")]
        assert numbers_read == [one.value.value, one.value.low, one.value.high, one.value.n]
    assert "perplexity ↓ (less is better) 6.25 6.01–6.52 – 5.12 5.03–5.31" in shown
    assert "target language ↑ (more is better) 97.1 % " in shown
    assert grown_report().costs[0] in shown


def test_rates_in_csv_have_their_intervals(folder):
    for row, point in zip(rows(folder / "figures/layers.csv"), grown_report().layers, strict=True):
        assert int(row["layer"]) == point.layer
        rate = point.meaning
        read = [float(row[f"meaning{end}"]) for end in ("", "_low", "_high", "_n")]
        assert read == [rate.value, rate.low, rate.high, rate.n]
    results = rows(folder / "figures/results.csv")
    assert len(results) == sum(len(family.conditions) for family in grown_report().families)
    assert results[-1]["meaning"] == ""


def test_each_figure_has_files_words_and_a_table(folder, page):
    charts = [chart for section in sections_of(grown_report()) for chart in section.charts]
    assert len(charts) >= 10
    images = [attrs for _, attrs in page.elements if attrs.get("role") == "img"]
    assert [image["aria-label"] for image in images] == [chart.alt for chart in charts]
    for chart in charts:
        assert (folder / f"figures/{chart.name}.png").read_bytes().startswith(b"\x89PNG")
        assert len(rows(folder / f"figures/{chart.name}.csv")) == len(chart.table.rows) > 0
        assert chart.reading.replace(" %", "\N{NO-BREAK SPACE}%") in page.text
        assert f"Values: {chart.title}" in page.values("aria-label")


def test_nothing_half_written_is_left(folder):
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_sections_are_in_order(page):
    anchors = [attrs["id"] for tag, attrs in page.elements if tag == "section"]
    drawn = [one for one in FIGURES if one.charts(grown_report())]
    results = [one.name for one in drawn if not one.background]
    background = [one.name for one in drawn if one.background]
    before, between = ["examples", "results", "metrics"], ["failures", "answers"]
    assert results[0] == "methods"
    assert background[0] == "map"
    assert anchors == [*before, *results, *between, *background, "provenance"]


def test_a_registered_figure_has_all_of_its_places(tmp_path, monkeypatch):
    """A section, a line in the contents, the files beside the page and the links to them."""
    drawn = dataclasses.replace(layers_chart(grown_report().layers, None), name="mine")
    mine = ReportFigure("mine", "My own", lambda report: [drawn, None], background=True)
    monkeypatch.setattr("langsteer.report.page.FIGURES", (*FIGURES, mine))
    text = written(tmp_path, grown_report())
    page = Page(text)
    assert "mine" in [attrs.get("id") for tag, attrs in page.elements if tag == "section"]
    assert "#mine" in page.values("href")
    assert {"mine.png", "mine.csv"} <= set(page.values("download"))
    assert (tmp_path / "figures/mine.png").exists()
    assert (tmp_path / "figures/mine.csv").exists()
    assert text.index('id="answers"') < text.index('id="mine"')


def test_headings_skip_no_level(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_answers_carry_language_and_direction(source):
    quoted = re.findall(r'<p class="quoted" lang="([^"]+)" dir="auto">([^<]*)</p>', source)
    assert ("ar", "العملة هناك تسمى: ين ياباني.") in quoted
    assert ("zh", "中文: &#34;书&#34;") in quoted


def test_right_and_wrong_are_said_in_words(tmp_path):
    text = Page(written(tmp_path, Report("t", MODEL, CORPUS, examples=EXAMPLES[2:3]))).text
    assert "right language" in text
    assert "wrong meaning" in text
    assert "right meaning" not in text


HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=y>&amp;\x00\x1b\ud800</style>"


def test_what_a_model_writes_is_never_markup(tmp_path):
    example = Example(HOSTILE, "en", "de", HOSTILE, HOSTILE, HOSTILE, HOSTILE, False, False)
    report = Report(
        HOSTILE,
        ModelFacts(HOSTILE, HOSTILE, 6, 192, HOSTILE),
        CorpusShown(HOSTILE, {"de": 1}, HOSTILE),
        summary=(HOSTILE,),
        warnings=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
        seconds={HOSTILE: 1.0},
        created=HOSTILE,
        examples=(example,),
        language_map=LanguageMap(
            [LanguagePoint("de", 0, 0, '<b>$x$ "'), LanguagePoint("en", 1, 1)]
        ),
    )
    page = Page(written(tmp_path, report))
    tags = {tag for tag, _ in page.elements}
    assert not {"script", "img"} & tags
    assert "<script>alert('x')</script>\"><img src=x onerror=y>&amp;" in page.text
    assert "\x00" not in page.text


OPTIONAL = [
    field.name
    for field in dataclasses.fields(Report)
    if field.name not in {"title", "model", "corpus"}
]


def test_report_of_nothing_says_what_is_missing(tmp_path):
    page = Page(written(tmp_path, Report("t", MODEL, CORPUS)))
    assert [attrs["id"] for tag, attrs in page.elements if tag == "section"] == ["provenance"]
    assert "Not measured in this run: Before and after, Results and controls, Score by" in page.text
    assert "Layer and strength" not in page.text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("name", OPTIONAL)
def test_any_part_may_stand_alone(tmp_path, name):
    value = getattr(grown_report(), name)
    alone = Report("t", MODEL, CORPUS, **{name: value[:3] if isinstance(value, list) else value})
    page = Page(written(tmp_path, alone))
    assert all(link[1:] in page.values("id") for link in page.values("href") if link[0] == "#")


def test_one_layer_one_pair_one_language(tmp_path):
    report = Report(
        "t",
        MODEL,
        CORPUS,
        layers=[LayerPoint(3, Rate(0.5, 0.25, 0.75, 9))],
        pairs=[PairScores("en", "de", 0.5, None, 4)],
        shares=[ShareOfVariance(3, 0.2, 0.3, 0.5)],
        language_map=LanguageMap([LanguagePoint("de", 1.0, 1.0)]),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written(tmp_path, report)
    assert not (tmp_path / "figures/pairs_meaning.png").exists()


def test_many_languages_scroll_in_their_own_box(tmp_path):
    tags = [f"{a}{b}" for a in "abcdef" for b in "abcdef"]
    pairs = [PairScores(a, b, 0.9, 0.8, 3) for a in tags for b in tags if a != b]
    (language, _) = pairs_charts(pairs)
    assert language.scrolls
    assert not pairs_charts(pair_results())[0].scrolls
    page = Page(written(tmp_path, Report("t", MODEL, CORPUS, pairs=pairs[:20])))
    assert ("div", "0", "region") in [
        (tag, attrs.get("tabindex"), attrs.get("role")) for tag, attrs in page.elements
    ]


def test_confusion_rows_are_shares_of_the_target():
    counts = [
        ConfusionCount("de", "nl", 1),
        ConfusionCount("de", "de", 3),
        ConfusionCount("nl", None, 2),
    ]
    chart = confusion_chart(counts)
    drawing = svg(chart, narrow=False)
    assert {"25", "75", "100"} <= set(re.findall(r">(\d+)</text>", drawing))
    assert "60" not in re.findall(r">(\d+)</text>", drawing)
    assert "50.0" in chart.alt
    assert confusion_chart([ConfusionCount("de", "nl", 0)]) is None


def test_drawing_is_the_same_every_time_whatever_the_user_has_set():
    report = full_report()
    chart = layers_chart(report.layers, report.operating_point)
    first = svg(chart, narrow=True)
    before = dict(rcParams)
    with rc_context({"axes.facecolor": "red", "font.size": 30, "text.usetex": True}):
        assert svg(chart, narrow=True) == first
        assert rcParams["axes.facecolor"] == "red"
    assert dict(rcParams) == before


def test_no_figure_needs_another_font(source):
    words = "".join(re.findall(r"<text[^>]*>([^<]*)", source))
    assert "zh" in words
    assert all(ord(letter) < 0x370 or letter in "Δ−–&;" for letter in words)


def test_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="file"):
        write_report(Report("t", MODEL, CORPUS), tmp_path / "file")


def test_old_page_stays_when_a_write_fails(tmp_path, monkeypatch):
    old = written(tmp_path, Report("old", MODEL, CORPUS))

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ReportError, match="No space left"):
        write_report(Report("new", MODEL, CORPUS), tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == old
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@given(st.floats(0, 1), st.integers(0, 3))
def test_percentages_never_overstate(value, digits):
    text = numbers.bare_percent(value, digits)
    assert (text.strip("0.") == "1" and text.startswith("100")) == (value >= 1 - 1e-9)
    assert (text.strip("0.") == "") == (value <= 1e-9)
    if text[0] not in "<>":
        assert abs(float(text) / 100 - value) <= 0.51 * 10.0 ** (-digits - 2) + 1e-12


def test_missing_numbers_are_dashes():
    assert numbers.percent(None) == numbers.percent(float("nan")) == numbers.real(None) == "–"
    assert numbers.interval(Rate(0.5, 0.25, 1.0, 8)) == "25.0–100.0"
    assert (
        numbers.seconds(59.96)
        == numbers.seconds(60)
        == "1\N{NO-BREAK SPACE}min\N{NO-BREAK SPACE}00\N{NO-BREAK SPACE}s"
    )


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_can_be_read(colours):
    on_paper = ("ink", "quiet", "accent", "second", "third", "fourth", "fifth")
    pairs = [(role, "paper") for role in on_paper]
    pairs += [("ink", "accent_soft"), ("ink", "second_soft"), ("second", "second_soft")]
    pairs += [(f"heat_{level}_ink", f"heat_{level}") for level in range(HEAT_CLASSES)]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    strengths = [
        contrast(colours[f"heat_{level}"], colours["paper"]) for level in range(HEAT_CLASSES)
    ]
    assert strengths == sorted(strengths)


def test_colour_tables_agree():
    assert LIGHT.keys() == DARK.keys() == MARKS.keys()
    assert len(set(MARKS.values())) == len(MARKS)
    assert len(HIGH_STEPS) == len(LOW_STEPS) == HEAT_CLASSES - 1


def test_a_failure_that_does_not_occur_is_none(tmp_path, page):
    assert [kind.name for kind in failures() if kind.count == 0] == [UNKNOWN]
    assert page.text.count(KINDS[UNKNOWN]) == 1
    never = FailureKind("never", "Does not happen.", 0, 9)
    text = Page(written(tmp_path, Report("t", MODEL, CORPUS, failures=[never]))).text
    assert re.search(r"never\s+0\s+of\s+9\s+Does not happen\.\s+none", text)


def test_failed_answers_say_what_came_out_and_what_was_expected(tmp_path):
    example = Example("list", "en", "de", "p?", "E!", "alone", "A.", False, False, "nl")
    kind = FailureKind("k", "d", 1, 9, [example])
    text = Page(written(tmp_path, Report("t", MODEL, CORPUS, failures=[kind]))).text
    assert re.search(r"English\s+→to\s+German\s+list · in Dutch", text)
    assert re.search(r"prompt\s*p\?\s*answer\s*A\.\s*expected\s*E!", text)


def test_large_tables_are_packed_and_the_same_each_time():
    columns = [Column("n", "n", "count"), Column("text", "text", "text")]
    small, large = (Table(columns, [[at, "ä" * 1000] for at in range(n)]) for n in (10, 3000))
    assert download("small", small).kind == "CSV"
    found = download("large", large)
    assert (found.name, found.kind) == ("large.csv.gz", "CSV, gzip")
    data = b64decode(found.address.partition(";base64,")[2])
    assert len(data) == found.size
    assert gzip.decompress(data) == large.data()
    assert download("large", large) == found


def test_csv_survives_what_models_write():
    texts = ["a,b", 'say "x"', "two\r\nlines", "=1+1", " é中ا ", "\u2028", "\ud800"]
    table = Table([Column("text", "", "text")], [[text] for text in texts])
    found = list(csv.reader(io.StringIO(table.data().decode(), newline="")))
    changed = {"=1+1": "'=1+1", "\ud800": "\ufffd"}
    assert found == [["text"], *([changed.get(text, text)] for text in texts)]


def test_comparison_stands_alone(tmp_path):
    """Plain records from any benchmark make the same figure and table as in a report."""
    records = [
        *method_results(),
        MethodResult("only language", "easy", None, Rate(0.7, 0.6, 0.8, 20)),
    ]
    image, table = write_comparison(records, tmp_path / "new", "peers")
    assert (image.name, table.name) == ("peers.png", "peers.csv")
    assert image.read_bytes().startswith(b"\x89PNG")
    found = rows(table)
    assert [(row["method"], row["setting"]) for row in found] == [
        (one.method, one.setting) for one in records
    ]
    assert found[-1]["both"] == ""
    assert (found[-1]["language_rate"], found[-1]["language_rate_n"]) == ("0.7", "20")


def test_comparison_needs_results_with_rates(tmp_path):
    with pytest.raises(ReportError, match="0 results"):
        write_comparison([], tmp_path)
    with pytest.raises(ReportError, match=r"'x'.*'easy'"):
        write_comparison([MethodResult("x", "easy", None)], tmp_path)
    assert not list(tmp_path.iterdir())


def test_comparison_names_the_best_of_each_setting():
    low, high = Rate(0.25, 0.2, 0.3, 9), Rate(0.75, 0.7, 0.8, 9)
    results = [MethodResult(name, "s", rate) for name, rate in (("a", low), ("b", high))]
    chart = methods_chart([*results, MethodResult("a", "t", high), MethodResult("b", "t", low)])
    assert "s, b with 75.0" in chart.alt
    assert "t, a with 75.0" in chart.alt
    assert "this package" not in chart.reading
    assert "no key" not in chart.reading
    language = methods_chart([MethodResult("a", "open", None, low, ours=True)])
    assert "no key" in language.reading
    assert "this package" in language.reading
