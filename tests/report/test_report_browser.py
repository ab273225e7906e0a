"""The report in a real browser: a phone, the dark, no network, a keyboard."""

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from langsteer.report import PairScores, page, write_report
from langsteer.report.answers import KINDS
from report_data import answers, failures, full_report, grown_report, pair_results

playwright = pytest.importorskip("playwright.sync_api", reason="the playwright package is missing")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}

CONTRASTS = """
() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b]
    .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.body.querySelectorAll('*:not(svg *)')) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const one = luminance(channels(getComputedStyle(element).color));
    const other = luminance(ground(element));
    found.push([(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05),
                element.textContent.trim().slice(0, 40)]);
  }
  return found;
}
"""
OUTSIDE = """
() => [...document.querySelectorAll('svg text')].filter(text => {
  const box = text.getBoundingClientRect();
  const frame = text.closest('svg').getBoundingClientRect();
  return box.width && (box.left < frame.left - 3 || box.right > frame.right + 3);
}).map(text => text.textContent)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "png", lambda chart: b"")
        return write_report(grown_report(), tmp_path_factory.mktemp("report")).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as engine:
        started = engine.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def visit(browser):
    contexts = []

    def open_view(address, size, scheme="light"):
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        contexts.append(context)
        context.set_default_timeout(120_000)
        view = context.new_page()
        view.asked, view.said = [], []
        view.on("request", lambda request: view.asked.append(request.url))
        view.on("console", lambda message: view.said.append(message.text))
        view.goto(address)
        return view

    yield open_view
    for context in contexts:
        context.close()


def width(view) -> int:
    return view.evaluate("document.documentElement.scrollWidth")


def open_everything(view) -> None:
    view.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


def test_page_needs_no_network(visit, address):
    view = visit(address, DESK)
    assert view.asked == [address]
    assert view.said == []


def test_phone_does_not_scroll_sideways(visit, address):
    view = visit(address, PHONE)
    assert width(view) == PHONE["width"]
    open_everything(view)
    assert width(view) == PHONE["width"]


def test_long_words_and_wide_matrices_fit_a_phone(visit, tmp_path):
    tags = [pair.source for pair in pair_results()[::11]] + ["el", "he", "ko", "pt-BR"]
    report = full_report(
        title="a" * 90,
        warnings=("/" + "path" * 40,),
        pairs=[PairScores(tag, other, 0.5, None, 1) for tag in tags for other in tags[-2:]],
        layers=(),
        uncertainty=(),
        word_probability=(),
        shares=(),
    )
    view = visit(write_report(report, tmp_path).as_uri(), PHONE)
    assert width(view) == PHONE["width"]
    (box,) = [one for one in view.query_selector_all("figure > .scroll") if one.is_visible()]
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_words_of_figures_stay_inside(visit, address, size):
    assert visit(address, size).evaluate(OUTSIDE) == []


def test_phone_has_its_own_drawings(visit, address):
    shown = "[...document.querySelectorAll('.wide')].map(one => one.checkVisibility())"
    assert not any(visit(address, PHONE).evaluate(shown))
    assert all(visit(address, DESK).evaluate(shown))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, address, scheme):
    view = visit(address, DESK, scheme)
    open_everything(view)
    found = view.evaluate(CONTRASTS)
    assert len(found) > 300
    assert [text for ratio, text in found if ratio < 4.5] == []


def test_figures_take_the_colours_of_the_scheme(visit, address):
    colour = "getComputedStyle(document.querySelector('#figure-layers svg text')).fill"
    fills = {visit(address, DESK, scheme).evaluate(colour) for scheme in ("light", "dark")}
    assert len(fills) == 2
    assert "rgb(0, 0, 0)" not in fills


def test_keyboard_opens_the_values(visit, address):
    view = visit(address, DESK)
    view.focus("#figure-layers .files a")
    for _ in range(2):
        view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.tagName") == "SUMMARY"
    view.keyboard.press("Enter")
    assert view.is_visible("#figure-layers table")


def saved(view, link) -> list[list[str]]:
    """The rows of the CSV that a click on a link saves."""
    with view.expect_download() as waiting:
        link.click()
    assert waiting.value.suggested_filename == link.get_attribute("download")
    text = Path(waiting.value.path()).read_bytes().decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_csv_that_is_saved_equals_the_table_on_the_page(visit, address):
    """Offline, out of the page alone, for each figure that shows its values."""
    view = visit(address, DESK)
    figures = view.query_selector_all("figure")
    assert len(figures) == 10
    for figure in figures:
        heading, *rows = saved(view, figure.query_selector('a[download$=".csv"]'))
        figure.query_selector("summary").click()
        cells = [
            [cell.inner_text() for cell in row.query_selector_all("td")]
            for row in figure.query_selector_all("tbody tr")
        ]
        assert len(rows) == len(cells) > 0
        assert len(heading) == len(figure.query_selector_all("thead th"))
        for values, shown in zip(rows, cells, strict=True):
            assert all(map(same, values, shown)), (values, shown)


def same(value: str, shown: str) -> bool:
    """Whether a cell of the page says what stands in the CSV, which is not rounded."""
    shown = shown.strip()
    if not value or value == shown:
        return shown == (value or "–")
    text = shown.lstrip("<>").rstrip("%").replace("\N{NARROW NO-BREAK SPACE}", "").strip()
    scale = 100 if shown.endswith("%") else 1
    return abs(float(text) - scale * float(value)) <= max(0.1, 0.001 * abs(float(text)))


def test_answers_are_saved_with_their_verdicts(visit, address):
    view = visit(address, PHONE)
    heading, *rows = saved(view, view.query_selector("#answers a[download]"))
    expected = answers()
    assert len(rows) == len(expected)
    assert "right_language" in heading
    assert "failure" in heading
    for row, one in zip(rows, expected, strict=True):
        found = dict(zip(heading, row, strict=True))
        assert found["prompt"] == one.prompt
        assert found["answer"] == one.answer
        assert found["right_language"] == str(one.right_language)
        assert found["failure"] == one.failure


def test_every_kind_of_failure_is_listed_and_leads_to_its_examples(visit, address):
    view = visit(address, DESK)
    links = view.query_selector_all("#failures .kinds a")
    assert [link.inner_text() for link in links] == list(KINDS)
    for link, kind in zip(links, failures(), strict=True):
        link.focus()
        view.keyboard.press("Enter")
        heading = view.query_selector("h3:target")
        assert heading.inner_text().startswith(kind.name)
        assert heading.bounding_box()["y"] < DESK["height"]
        nothing = heading.evaluate("one => one.nextElementSibling.nextElementSibling.innerText")
        assert (nothing == "none") == (kind.count == 0)


def test_every_focus_can_be_seen(visit, address):
    """Each stop of the keyboard has an outline and a name."""
    view = visit(address, DESK)
    stops = view.evaluate(
        "[...document.querySelectorAll('a, summary, [tabindex]')]"
        ".filter(one => one.checkVisibility()).length"
    )
    assert stops > 50
    for _ in range(stops):
        view.keyboard.press("Tab")
        width, name = view.evaluate(
            "() => { const one = document.activeElement, style = getComputedStyle(one);"
            " return [style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),"
            " one.innerText.trim() || one.getAttribute('aria-label') || '']; }"
        )
        assert width >= 2, name
        assert name


def test_arabic_stands_at_the_right(visit, address):
    view = visit(address, DESK)
    direction = "one => getComputedStyle(one).direction"
    assert view.eval_on_selector('.quoted[lang="ar"]', direction) == "rtl"
    assert view.eval_on_selector('.quoted[lang="de"]', direction) == "ltr"
