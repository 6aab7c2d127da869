"""The page at "/" in a real browser, without a window."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from service_indexes import MARKUP, Gate, held, opening_later
from service_running import Client, running

from jobsearch.service.app import create_app
from jobsearch.service.settings import Settings
from jobsearch.service.state import Engines

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"),
]
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--window-size=1280,900", "--force-prefers-reduced-motion"),
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(str(DRIVER)))
    yield driver
    driver.quit()


class Page:
    """The page as a user sees it.

    Args:
        browser: where it is shown.
        client: of the service that sends it.
    """

    def __init__(self, browser: Any, client: Client) -> None:
        self.browser = browser
        browser.get(client.url)
        self.until(lambda: self.one("#about").text)

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return list(self.browser.find_elements("css selector", selector))

    def type(self, text: str) -> None:
        """Type into the field, in place of what was there."""
        self.browser.execute_script("document.getElementById('query').select()")
        self.one("#query").send_keys(text)

    def until(self, true: Callable[[], Any], seconds: float = 10) -> Any:
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        waiting = WebDriverWait(self.browser, seconds, 0.05, [StaleElementReferenceException])
        return waiting.until(lambda _: true())

    def status(self, text: str) -> None:
        """Wait until the line of status begins so."""
        self.until(lambda: self.one("#status").text.startswith(text))

    def column(self, number: int) -> list[list[str]]:
        """Return the cells of one table, as texts."""
        table = self.all("#results table")[number]
        return [
            [cell.text for cell in row.find_elements("css selector", "td")]
            for row in table.find_elements("css selector", "tbody tr")
        ]

    def complaints(self) -> list[str]:
        """Return what the browser has to say against the page, its security policy included."""
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture
def page(browser: Any, client: Client) -> Iterator[Page]:
    page = Page(browser, client)
    yield page
    assert page.complaints() == []


def test_results_come_while_one_types(page: Page, client: Client) -> None:
    page.one("#side").click()  # one column
    page.type("bread mak")
    page.status("10 hits for “bread mak”")
    page.one("#query").send_keys("er")
    page.status("10 hits for “bread maker”")
    expected = client.post("/search", json={"query": "bread maker"}).json()["hits"]
    shown = page.column(0)
    assert [row[0] for row in shown] == [str(rank) for rank in range(1, 11)]
    assert [row[1] for row in shown] == [f"{hit['score']:.3f}" for hit in expected]
    assert [row[2] for row in shown] == [f"{hit['confidence'] * 100:.0f} %" for hit in expected]
    assert shown[0][3] == "baker\nby “bread maker”"
    assert shown[0][4] == "title"
    assert page.one("#results a").get_attribute("href") == expected[0]["uri"]
    assert "small, version 0001" in page.one("#about").text
    assert len(page.all("#results table")) == 1
    assert "no good match" not in page.one("#status").text
    page.type("blorf the snarg")
    page.until(lambda: page.one("#status").text.endswith("ms – no good match"))
    assert len(page.column(0)) == 10


def test_kind_and_number_of_hits_are_kept_to(page: Page) -> None:
    page.type("nurse")
    page.status("10 and 10 hits")
    page.one("#kind option[value=skill]").click()
    page.status("6 and 6 hits")  # all skills that there are
    assert {row[4] for row in page.column(0)} == {"skill"}
    page.browser.execute_script("document.getElementById('k').select()")
    page.one("#k").send_keys("2")
    page.status("2 and 2 hits")
    page.one("#k").send_keys("\b")
    page.until(lambda: "whole number" in page.one("#error").text)
    assert page.all("#results table") == []
    page.one("#k").send_keys("3")
    page.status("3 and 3 hits")
    assert not page.one("#error").is_displayed()


def test_base_and_tuned_are_side_by_side_and_moves_are_marked(page: Page, client: Client) -> None:
    page.type("engineer")
    page.status("10 and 10 hits")
    answer = client.post("/compare", json={"query": "engineer"}).json()
    moves = {move["uri"]: (move["base_rank"], move["tuned_rank"]) for move in answer["moves"]}
    captions = [caption.text for caption in page.all("#results caption")]
    assert captions == ["Base: encoder use (in use)", "Tuned: encoder tuned-1"]
    left, right = (table.rect for table in page.all("#results table"))
    assert left["x"] + left["width"] <= right["x"]
    assert left["y"] == right["y"]

    def came(base: int | None, tuned: int) -> str:
        if base is None:
            return "new"
        return "=" if base == tuned else f"↑ {base - tuned}" if tuned < base else f"↓ {tuned - base}"

    def went(base: int, tuned: int | None) -> str:
        return "dropped" if tuned is None else "=" if tuned == base else f"→ {tuned}"

    assert [row[5] for row in page.column(1)] == [came(*moves[hit["uri"]]) for hit in answer["tuned"]["hits"]]
    assert [row[5] for row in page.column(0)] == [went(*moves[hit["uri"]]) for hit in answer["base"]["hits"]]
    marks = {row[5][0] for row in page.column(1)}
    assert {"↑", "↓"} <= marks  # else the test shows nothing
    moved = page.one("#results .up")
    assert moved.get_attribute("aria-label").startswith("up ")


def test_markup_in_queries_and_labels_is_text(page: Page) -> None:
    title = page.browser.title
    page.type(MARKUP)
    page.until(lambda: MARKUP in page.one("#status").text)
    assert page.column(0)[0][3] == MARKUP
    assert page.all("#results img, #status img") == []
    page.type("<script>document.title='owned'</script>\u0000 \u202e")
    page.until(lambda: "</script>" in page.one("#status").text)
    assert page.browser.title == title


def test_keyboard_and_labels(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    def focused() -> str:
        return str(page.browser.switch_to.active_element.get_attribute("id"))

    assert focused() == "query"
    page.type("nurse")
    page.status("10 and 10")
    order = []
    for _ in range(3):
        page.browser.switch_to.active_element.send_keys(Keys.TAB)
        order.append(focused())
    assert order == ["kind", "k", "side"]
    page.browser.switch_to.active_element.send_keys(Keys.TAB)
    page.browser.switch_to.active_element.send_keys("/")  # from a link in the results
    assert focused() == "query"
    assert page.one("#query").get_attribute("value") == "nurse"
    page.one("#query").send_keys(Keys.ESCAPE)
    page.until(lambda: page.all("#results table") == [])
    assert page.one("#query").get_attribute("value") == ""
    for field in page.all("input, select"):
        if not field.is_displayed():
            continue  # the token's, which is not asked for here
        assert field.accessible_name, field.get_attribute("id")
    assert page.one("#status").aria_role == "status"
    assert page.one("#error").get_attribute("role") == "alert"


def test_dark_and_light_and_narrow(page: Page) -> None:
    page.type("engineer")
    page.status("10 and 10")
    seen = {}
    for scheme in ("light", "dark"):
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
        seen[scheme] = page.browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert seen["light"] == "rgb(255, 255, 255)"
    assert seen["dark"] != seen["light"]
    page.browser.set_window_size(500, 900)
    try:
        left, right = (table.rect for table in page.all("#results table"))
        assert right["y"] >= left["y"] + left["height"]  # one below the other
        wide = page.browser.execute_script("return document.documentElement.scrollWidth > innerWidth")
        assert not wide
    finally:
        page.browser.set_window_size(1280, 900)


def test_a_phone_shows_whole_words(page: Page) -> None:
    page.type("bread maker")
    page.status("10 and 10")
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert not page.browser.execute_script("return document.documentElement.scrollWidth > innerWidth")
        heads = [head for head in page.all("#results th") if head.is_displayed()]
        assert [head.text for head in heads] == 2 * ["Rank", "Score", "Sure", "Label", "Moved"]
        assert len({head.rect["height"] for head in heads}) == 1  # one line each
        labels = [row[3] for row in page.column(0)]
        assert "baker\ntitle, by “bread maker”" in labels
        assert {label.partition("\n")[2].partition(",")[0] for label in labels} == {"title", "skill"}
        assert min(cell.rect["width"] for cell in page.all("#results td:nth-child(4)")) >= 110
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_one_encoder_has_one_column(browser: Any, engines: Engines) -> None:
    with running(create_app(engines.main)) as client:
        page = Page(browser, client)
        assert not page.one("#sides").is_displayed()
        page.type("nurse")
        page.status("10 hits")
        assert len(page.all("#results table")) == 1
        assert page.complaints() == []


def test_the_second_column_comes_when_base_and_tuned_are_there(browser: Any, engines: Engines) -> None:
    go_on = threading.Event()
    with running(create_app(opening_later(engines, go_on))) as client:
        page = Page(browser, client)
        page.until(lambda: page.one("#preparing").is_displayed())
        assert not page.one("#sides").is_displayed()
        page.type("nurse")
        page.status("10 hits")
        go_on.set()
        page.status("10 and 10 hits")  # by itself
        assert page.one("#sides").is_displayed()
        assert not page.one("#preparing").is_displayed()
        assert page.complaints() == []


def test_only_the_last_question_counts(browser: Any, engines: Engines) -> None:
    gate = Gate()
    with running(create_app(held(engines.main, gate), Settings(threads=4))) as client:
        page = Page(browser, client)
        page.type("nurse")
        assert gate.entered.acquire(timeout=10)  # it is being worked on
        page.one("#query").send_keys(" and baker")
        assert gate.entered.acquire(timeout=10)
        gate.opened.set()
        page.status("10 hits for “nurse and baker”")
        assert page.one("#query").get_attribute("value") == "nurse and baker"
        assert not page.one("#error").is_displayed()


def test_a_service_that_goes_away_is_told_and_comes_back(browser: Any, engines: Engines) -> None:
    with running(create_app(engines)) as client:
        page = Page(browser, client)
        port = int(client.url.rstrip("/").rpartition(":")[2])
        page.type("nurse")
        page.status("10 and 10 hits")
    page.one("#query").send_keys("s")
    page.until(lambda: "does not answer" in page.one("#error").text)
    assert page.one("#error").is_displayed()
    assert page.all("#results table") == []
    with running(create_app(engines.main), port=port):
        page.status("10 hits for “nurses”")  # asked again by itself, and there is one encoder now
        assert not page.one("#error").is_displayed()
    page.complaints()  # the browser tells of each connection that was refused


def test_loading_is_told_and_waited_for(browser: Any, engines: Engines) -> None:
    go_on = threading.Event()

    def open_them() -> Engines:
        assert go_on.wait(30)
        return engines

    with running(create_app(open_them)) as client:
        browser.get(client.url)
        page = Page.__new__(Page)
        page.browser = browser
        page.until(lambda: "being loaded" in page.one("#error").text)
        page.type("nurse")
        go_on.set()
        page.status("10 and 10 hits for “nurse”")
        assert not page.one("#error").is_displayed()
    page.complaints()


def test_a_token_is_asked_for(browser: Any, engines: Engines) -> None:
    with running(create_app(engines, Settings(token="s3cret"))) as client:
        browser.get(client.url)
        page = Page.__new__(Page)
        page.browser = browser
        page.until(lambda: page.one("#access").is_displayed())
        assert "token" in page.one("#error").text
        page.one("#token").send_keys("s3cret")
        page.until(lambda: not page.one("#error").is_displayed())
        page.type("nurse")
        page.status("10 and 10 hits")
    page.complaints()
