"""The page in a browser: every control, scripts of both directions, slow and dying servers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from langsteer.serving.settings import Settings
from serving.conftest import listening

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("no chromium here", allow_module_level=True)
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


OTHER = "http://127.0.0.1:9"
"""Another server, which the user can name."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server in a thread of its own."""
    with listening(Settings()) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def page(address: str, browser: Any) -> Iterator[Page]:
    """The page, with what it asked for elsewhere and what went wrong in it."""
    context = browser.new_context(viewport={"width": 900, "height": 1200})
    found = context.new_page()
    troubles: list[str] = []
    found.on("pageerror", lambda error: troubles.append(str(error)))
    found.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    found.on(
        "request",
        lambda asked: (
            None if asked.url.startswith((address, OTHER)) else troubles.append(asked.url)
        ),
    )
    found.goto(address)
    expect(found.locator("#language option")).to_have_count(4)
    yield found
    assert not [one for one in troubles if "Failed to load resource" not in one]
    context.close()


def ask(page: Page, text: str) -> None:
    page.fill("#prompt", text)
    page.press("#prompt", "Enter")
    expect(page.locator("#status")).to_have_text("Answered.")


def test_steered_beside_unsteered_with_their_languages(page: Page) -> None:
    page.select_option("#language", "fr")
    ask(page, "abcabc")
    texts = page.locator(".answer .said").all_inner_texts()
    assert len(texts) == 2
    assert texts[0] != texts[1]
    assert page.locator(".answer h3").first.inner_text().startswith("French")
    assert page.locator(".asked").inner_text() == "abcabc"


def test_every_control_is_in_the_code(page: Page) -> None:
    def code() -> str:
        return page.locator("#curl").inner_text() + page.locator("#python").inner_text()

    assert "language" not in code().replace("keep_language", "")
    page.select_option("#language", "ja")
    assert '"language":"ja"' in code()
    assert 'extra_body={"language": "ja"}' in code()
    page.check("#guard")
    assert '"guard": True' in code()
    page.uncheck("#strength-own")
    page.fill("#strength", "2.5")
    assert '"strength":2.5' in code()
    assert page.locator("#strength-value").inner_text() == "2.5"
    page.fill("#tokens", "7")
    assert "max_tokens=7" in code()
    page.check("#keep")
    assert "keep_language" in code()
    assert page.locator("#language").is_disabled()
    page.click("summary")
    page.fill("#key", "secret")
    assert "Bearer $API_KEY" in code()
    assert "secret" not in code()
    page.fill("#server", f"{OTHER}/")
    assert f"{OTHER}/v1/chat/completions" in code()
    page.locator("#server").blur()
    page.get_by_text("The server does not answer").wait_for()


def test_another_server_is_asked_the_same_way(page: Page) -> None:
    asked: list[dict[str, Any]] = []
    open_to_all = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}

    def other(route: Route) -> None:
        request = route.request
        if request.url.endswith("/v1/models"):
            data = [{"id": name} for name in ("big", "big:de", "big:fr")]
            route.fulfill(status=200, json={"data": data}, headers=open_to_all)
        elif request.url.endswith("/v1/chat/completions") and request.method == "POST":
            asked.append(request.post_data_json)
            piece = 'data: {"choices": [{"index": 0, "delta": {"content": "Guten Tag"}}]}\n\n'
            body = piece + "data: [DONE]\n\n"
            route.fulfill(
                status=200, content_type="text/event-stream", body=body, headers=open_to_all
            )
        else:
            status = 204 if request.method == "OPTIONS" else 404
            route.fulfill(status=status, headers=open_to_all)

    page.route(f"{OTHER}/**", other)
    page.check("#keep")
    page.click("summary")
    page.fill("#server", OTHER)
    page.locator("#server").blur()
    page.get_by_text("big: 2 languages").wait_for()
    assert page.locator("#keep").is_disabled()
    assert page.locator("#guard").is_disabled()
    assert page.locator("#language option").all_inner_texts()[1:] == ["German (de)", "French (fr)"]
    page.select_option("#language", "de")
    ask(page, "hello")
    assert [one.get("language") for one in asked] == ["de", None]
    assert all(one["model"] == "big" and "keep_language" not in one for one in asked)
    page.uncheck("#chat")
    page.get_by_text("no chat template").wait_for()
    assert "/v1/completions" in page.locator("#curl").inner_text()


def test_the_code_asks_what_the_page_asks(page: Page, address: str) -> None:
    page.select_option("#language", "fr")
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.post_data or "") if "/v1/chat" in one.url else 0)
    ask(page, "it's \u0639\u0631\u0628\u064a")
    page.fill("#prompt", "it's \u0639\u0631\u0628\u064a")
    assert any('"language":"fr"' in one and "it's" in one for one in sent)
    assert address in page.locator("#curl").inner_text()


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("\u0645\u0627 \u0647\u064a \u0627\u0644\u0639\u0627\u0635\u0645\u0629\u061f", "rtl"),
        ("\u092d\u093e\u0930\u0924 \u0915\u0939\u093e\u0901 \u0939\u0948?", "ltr"),
    ],
)
def test_scripts_of_both_directions(text: str, direction: str, page: Page) -> None:
    ask(page, text)
    asked = page.locator(".asked")
    assert asked.inner_text() == text
    assert asked.evaluate("one => getComputedStyle(one).direction") == direction


def test_a_server_that_is_slow_can_be_stopped_and_one_that_dies_is_said(page: Page) -> None:
    def dying(route: Route) -> None:
        piece = 'data: {"choices": [{"index": 0, "delta": {"content": "half"}}]}\n\n'
        route.fulfill(status=200, content_type="text/event-stream", body=piece)

    page.route("**/v1/chat/completions", dying)
    ask(page, "abc")
    assert "ended before the answer did" in page.locator(".failed").inner_text()
    assert page.locator(".answer .said").first.inner_text() == "half"
    page.unroute("**/v1/chat/completions")
    page.route("**/v1/chat/completions", lambda route: None)  # never answered
    page.fill("#prompt", "abc")
    page.press("#prompt", "Enter")
    page.wait_for_selector("#stop:enabled")
    page.click("#stop")
    expect(page.locator("#status")).to_have_text("Stopped.")
    page.unroute_all()
    page.click("#clear")
    assert page.locator(".turn").count() == 0
    ask(page, "abc")
    assert page.locator(".failed").count() == 0


def test_a_refusal_is_shown(page: Page) -> None:
    page.fill("#tokens", "5000")
    ask(page, "abc")
    assert "5000" in page.locator(".failed").inner_text()


def test_a_keyboard_reaches_all_and_everything_has_a_name(page: Page) -> None:
    page.click("summary")
    controls = page.locator("input, select, textarea, button, summary")
    for number in range(controls.count()):
        one = controls.nth(number)
        name = one.evaluate(
            "e => (e.labels && e.labels.length && e.labels[0].textContent) || e.textContent"
        )
        assert name.strip()
        if one.is_enabled():
            one.focus()
            assert one.evaluate("e => document.activeElement === e")
    page.keyboard.press("Tab")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_a_phone_in_light_and_dark(
    width: int, scheme: Any, address: str, browser: Any, tmp_path: Any
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#language option")).to_have_count(4)
    page.select_option("#language", "fr")
    ask(page, "abc " * 40)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
    context.close()


def test_the_policy_lets_nothing_in(address: str, browser: Any) -> None:
    page = browser.new_page()
    reply = page.goto(address)
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page.close()
