"""For all readers: screen readers, keyboards, phones, dark rooms."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import expect
from tests.console.conftest import Open
from tests.console.reader import Reader

PAGES = ("", "events", "actions", "audit", "users", "unknown")
PHONE_WIDTH = 360
BUTTON_PIXELS = 44


def _everywhere(reader: Reader) -> list[str]:
    """Addresses of every kind of page."""
    tier = reader.tier()
    actions = reader.ask("GET", "/api/actions")
    more = [f"action/{actions[0]['id']}"] if actions else []
    return [*PAGES, f"tier/{tier}", f"tier/{tier}?trouble=1", f"node/{reader.node(tier)['id']}", "node/none", *more]


def _shown(reader: Reader, path: str) -> None:
    reader.go(path)
    expect(reader.page.locator("main h1")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_has_a_finding(open_console: Open, dark: bool) -> None:
    reader = open_console(dark=dark)
    found = {}
    for path in _everywhere(reader):
        _shown(reader, path)
        if findings := reader.findings():
            found[path] = findings
    assert found == {}


def test_no_dialog_has_a_finding(reader: Reader) -> None:
    tier = reader.tier()
    node = reader.node(tier)
    page, found = reader.page, []

    def close() -> None:
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)

    page.get_by_label(f"One node more in {tier}").click()
    expect(page.locator(".plan-lines li")).to_have_count(1)
    found += reader.findings()
    page.get_by_label("Number of nodes").fill("0")
    expect(page.get_by_text("to go on")).to_be_visible()
    expect(page.get_by_role("button", name="Do it")).to_be_disabled()
    found += reader.findings()
    close()
    reader.go(f"tier/{tier}")
    page.get_by_label(f"More about {node['name']}", exact=True).click()
    expect(page.locator("dialog.sheet")).to_be_visible()
    found += reader.findings()
    close()
    page.get_by_role("button", name="Help").click()
    found += reader.findings()
    close()
    page.context.set_offline(True)
    expect(page.locator(".not-live")).to_be_visible()
    found += reader.findings()
    page.context.set_offline(False)
    expect(page.locator(".not-live")).to_have_count(0)
    assert found == []


def test_the_login_has_no_finding(strange: Open) -> None:
    reader = strange()
    expect(reader.page.locator("dialog.login")).to_be_visible()
    assert reader.findings() == []
    reader.log_in("not the password")
    expect(reader.page.locator(".problems")).to_be_visible()
    assert reader.findings() == []


def test_a_phone_needs_no_scrolling_to_the_side(phone: Reader) -> None:
    wide = {}
    for path in _everywhere(phone):
        _shown(phone, path)
        if phone.sideways() > 0:
            wide[path] = phone.sideways()
    assert wide == {}


def test_a_phone_has_buttons_for_fingers(phone: Reader) -> None:
    tier = phone.tier()
    _shown(phone, "")
    small = []
    for path in ("", f"tier/{tier}", f"node/{phone.node(tier)['id']}"):
        _shown(phone, path)
        for button in phone.page.locator("main button:visible").all():
            box = button.bounding_box()
            if box and box["height"] < BUTTON_PIXELS:
                small.append(f"{path}: {button.inner_text()} {box['height']}")
    assert small == []


def test_a_phone_has_what_can_be_done_in_a_sheet(phone: Reader) -> None:
    tier = phone.tier()
    node = phone.node(tier)
    phone.go(f"tier/{tier}")
    phone.page.get_by_label(f"More about {node['name']}", exact=True).click()
    sheet = phone.page.locator("dialog.sheet")
    expect(sheet.get_by_role("button", name="Restart")).to_be_visible()
    assert phone.sideways() <= 0


def test_all_goes_by_keyboard(strange: Open) -> None:
    reader = strange()
    page, keys = reader.page, reader.page.keyboard
    expect(page.locator("dialog.login").get_by_label("Name")).to_be_focused()
    keys.type(reader.name)
    keys.press("Tab")
    keys.type(reader._password)
    keys.press("Enter")
    reader.live()
    tier = reader.tier()
    node = reader.node(tier)
    reader.go(f"tier/{tier}")
    expect(page.locator("main h1")).to_be_focused()
    keys.press("/")
    expect(page.locator("main [data-filter]")).to_be_focused()
    keys.type(node["name"])
    keys.press("Escape")
    keys.press("j")
    expect(page.locator(":focus")).to_have_text(node["name"])
    keys.press(".")
    expect(page.locator("dialog.sheet")).to_be_visible()
    keys.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(":focus")).to_have_text(node["name"])
    keys.press("k")
    keys.press("Enter")
    expect(page.locator("main h1")).to_have_text(node["name"])
    for keys_of, title in (("go", "Overview"), ("ge", "Events"), ("ga", "Actions")):
        for key in keys_of:
            keys.press(key)
        expect(page.locator("main h1")).to_have_text(title)
        expect(page.locator("main h1")).to_be_focused()
    keys.press("g")
    keys.press("t")
    expect(page).to_have_url(re.compile("#/tier/"))
    keys.press("?")
    expect(page.locator("dialog")).to_contain_text("Keys")
    keys.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def test_the_order_of_nodes_is_told(reader: Reader) -> None:
    reader.go(f"tier/{reader.tier()}")
    head = reader.page.get_by_role("columnheader", name="req/s")
    expect(head).to_have_attribute("aria-sort", "none")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")


def test_charts_have_a_sentence_and_a_table(reader: Reader) -> None:
    reader.go(f"tier/{reader.tier()}")
    chart = reader.page.locator("figure.chart").first
    expect(chart.locator("figcaption")).to_contain_text("in rotation")
    chart.locator("summary").click()
    expect(chart.get_by_role("columnheader", name="time")).to_be_visible()


def test_only_changes_of_state_are_said(reader: Reader) -> None:
    reader.page.evaluate(
        """() => {
          window.said = [];
          const place = document.getElementById("announcer");
          new MutationObserver(() => window.said.push([performance.now(), place.textContent]))
            .observe(place, {childList: true, characterData: true, subtree: true});
        }"""
    )
    node = reader.node(reader.tier())
    reader.done({"verb": "drain", "node": node["id"]})
    reader.page.wait_for_function(
        "name => window.said.some(([, text]) => text.includes(`${name} out of rotation`))", arg=node["name"]
    )
    reader.done({"verb": "undrain", "node": node["id"]})
    reader.page.wait_for_function(
        "name => window.said.some(([, text]) => text.includes(`${name} in rotation`))", arg=node["name"]
    )
    said = reader.page.evaluate("window.said")
    assert not [text for _, text in said if re.search(r"\d ms|req/s|\d %|s ago", text)], said
    times = [at for at, _ in said]
    assert all(after - before >= 4_900 for before, after in pairwise(times)), said


def test_the_colours_can_be_switched_and_stay(reader: Reader) -> None:
    page = reader.page
    page.get_by_role("button", name="Dark colours").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    reader.live()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
