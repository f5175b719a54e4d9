# SPDX-License-Identifier: Apache-2.0
"""The router's page in Chromium: by keyboard alone, on a narrow screen, in both themes."""
import os
import re
import shutil

import pytest
import redis
from playwright.sync_api import expect, sync_playwright

from router_world import BOARD, ROOT, RouterWorld

AXE = ROOT / "build/deps/node/node_modules/axe-core/axe.min.js"
FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync").split()
COUNTS = "SELECT score, count(*), sum(amount) AS total FROM users GROUP BY score ORDER BY score"
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    world = RouterWorld(tmp_path_factory.mktemp("router"), name="router_page").make().start()
    yield world
    assert world.stop() == 0
    world.drop()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(router, browser):
    """opened(width=..., scheme=...) gives the page with alice's key; what it complains of fails the test."""
    contexts, wrong = [], []

    def open_page(width=1280, scheme="light", key="alice"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text)
                if message.type == "error" and "the server responded with a status of 4" not in message.text else None)
        page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith((router.url, "blob:")) else None)
        if key:
            page.add_init_script(f"sessionStorage.setItem('api-key', '{router.keys[key]}')")
        page.goto(router.url + "/")
        return page
    yield open_page
    for context in contexts:
        context.close()
    assert not wrong, wrong


def ask(page, sql):
    """Types the statement in place of what stands there, and runs it; no mouse."""
    page.focus("#sql")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(sql)
    page.keyboard.press("Control+Enter")
    expect(page.locator("body")).not_to_have_class("busy")
    page.wait_for_function("!document.body.classList.contains('busy')")


def table(page, at="#pane-table"):
    return [[cell.strip() for cell in row.split("\t")] for row in page.locator(f"{at} tbody").first.inner_text().splitlines() if row]


def violations(page):
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [(v["id"], [n["html"][:160] for n in v["nodes"]]) for v in found]


def background(page):
    """What the reader sees behind the text: the body's colour, or the page's where the body has none."""
    return page.evaluate("""[document.body, document.documentElement].map(e => getComputedStyle(e).backgroundColor)
                            .find(colour => colour !== 'rgba(0, 0, 0, 0)')""")


def test_a_key_is_given_and_a_query_asked_by_keyboard_alone(router, opened):
    page = opened(key=None)
    for _ in range(12):  # to the key's field, as anybody would go there
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Key":
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(router.keys["alice"])
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "sql":
            break
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    page.keyboard.press("Control+a")
    page.keyboard.type("SELECT name, score FROM users\nWHERE id = 12")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_contain_text("1 row from postgres")
    expect(page.locator("#status")).to_contain_text("POINT_LOOKUP")
    assert table(page) == [["name 12", "1"]]
    # the trace: each stage that said something, the engines that were dropped, and the SQL
    expect(page.locator("#why .verdict-line")).to_have_text(re.compile("postgres answers: POINT_LOOKUP"))
    gates = page.locator("#why .gate .stage").all_inner_texts()
    assert gates[:4] == ["admit", "classify", "resolve", "authorise"] and gates[-1] == "fallback"
    expect(page.locator("#why")).to_contain_text("redis dropped NOT_PLACED")
    assert page.locator("#why .lane.chosen").count() == len(gates)
    # and the tabs, with arrows
    page.focus("#tab-table")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#pane-chart svg")).to_be_visible()
    assert page.locator("#pane-chart svg").get_attribute("aria-label") == "Bars of score by name, 1 of 1 rows"
    assert router.keys["alice"] not in page.evaluate("JSON.stringify(localStorage) + location.href + document.cookie")


def test_a_syntax_error_is_marked_where_it_is(opened):
    page = opened()
    ask(page, "SELECT 'ä', *\nFORM users")
    expect(page.locator("#problem")).to_contain_text("SYNTAX")
    expect(page.locator("#problem button")).to_have_text("line 2, column 1")
    expect(page.locator("#paint .wrong")).to_have_text("FORM")
    page.focus("#problem button")
    page.keyboard.press("Enter")
    assert page.evaluate("[document.activeElement.id, document.activeElement.selectionStart]") == ["sql", 14]
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.type(" ")
    expect(page.locator("#paint .wrong")).to_have_count(0)


def test_numbers_keep_their_digits_and_text_is_only_text(opened):
    page = opened()
    ask(page, "SELECT 12345678901234567890.1200 AS n, 9007199254740993 AS b, '<img src=x onerror=alert(1)>' AS t, NULL AS z")
    assert table(page) == [["12345678901234567890.1200", "9007199254740993", "<img src=x onerror=alert(1)>", "null"]]
    assert page.locator("#pane-table img").count() == 0


def test_every_engine_side_by_side(opened):
    page = opened()
    page.focus("#sql")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(COUNTS)
    page.focus("#everywhere")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Both answers agree.")
    names = page.locator("#pane-compare h3 .badge").all_inner_texts()
    assert names == ["postgres", "clickhouse"]
    one, other = (table(page, f"#pane-compare .sides li:nth-child({n})") for n in (1, 2))
    assert len(one) == 8 and one == other  # the first of eleven
    times = page.locator("#pane-compare h3 .num").all_inner_texts()
    assert len(times) == 2 and all(re.fullmatch(r"[\d.]+ (ms|s)", time) for time in times), times


def test_engines_history_and_the_board_are_live(router, opened):
    page = opened()
    ask(page, "SELECT user_id, count(*) FROM users GROUP BY user_id")
    expect(page.locator("#status")).to_contain_text("7 rows from clickhouse")
    cards = page.locator("#engine-list .engine")
    expect(cards).to_have_count(3)
    assert [text.split("\n")[0] for text in cards.all_inner_texts()] == ["postgres", "clickhouse", "redis"]
    expect(page.locator("#engine-list .health.good")).to_have_count(3)
    expect(page.locator("#totals")).to_contain_text("3 of 3")
    expect(page.locator("#history-list li", has_text="SELECT user_id, count(*)")).to_contain_text("clickhouse")
    expect(page.locator("#board-list li")).to_have_count(10)
    assert page.locator("#board-list .member").all_inner_texts()[:2] == ["member 0", "member 1"]
    board = redis.Redis.from_url(os.environ["SLUICE_REDIS"])
    board.zadd(BOARD, {"a newcomer": 1000})
    expect(page.locator("#board-list .member").first).to_have_text("a newcomer")
    board.zrem(BOARD, "a newcomer")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_scrolls_sideways(opened, width):
    page = opened(width=width)
    ask(page, "SELECT *, '" + 'x' * 200 + "' AS long FROM users ORDER BY id LIMIT 40")
    expect(page.locator("#pane-table tbody tr")).to_have_count(40)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = details.id !== 'key-box')")
    for tab in "table", "chart", "compare":
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(opened, scheme, width):
    page = opened(width=width, scheme=scheme)
    seen = background(page)
    page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    assert background(page) != seen
    page.emulate_media(color_scheme=scheme)
    assert background(page) == seen
    ask(page, COUNTS)
    expect(page.locator("#pane-table tbody tr")).to_have_count(11)
    page.evaluate("document.getElementById('tables-box').open = true")
    assert violations(page) == []
    page.click("#tab-chart")
    assert violations(page) == []
    page.click("#everywhere")
    expect(page.locator(".sides")).to_be_visible()
    page.evaluate("document.getElementById('key-box').open = true")
    assert violations(page) == []
    ask(page, "SELECT * FORM users")
    expect(page.locator("#problem")).to_contain_text("SYNTAX")
    assert violations(page) == []


def test_the_theme_is_chosen_and_kept(opened):
    page = opened(scheme="light")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.focus("#theme")
    page.keyboard.press("Enter")
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert light != dark and page.get_by_role("button", name="Use the light theme").is_visible()
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark
    assert violations(page) == []


def test_the_api_has_a_page(router, opened):
    page = opened()
    page.goto(router.url + "/docs")
    expect(page.get_by_role("heading", name="POST /v1/query", exact=True)).to_be_visible()
    assert violations(page) == []
