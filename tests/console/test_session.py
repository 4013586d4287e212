"""Login, its end, rights, and two people at once."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests
from playwright.sync_api import expect
from tests.console.conftest import Open
from tests.console.reader import Reader

#: After a fault is over, the page is live again within this time.
RECOVERY_MS = 5_000


def test_the_page_has_no_data_before_the_login(strange: Open) -> None:
    reader = strange()
    expect(reader.page.locator("dialog.login")).to_be_visible()
    expect(reader.page.locator("main")).to_have_text("Evenkeel")
    expect(reader.page.locator("nav")).to_have_count(0)
    reader.page.keyboard.press("Escape")
    reader.page.keyboard.press("Escape")
    expect(reader.page.locator("dialog.login")).to_be_visible()


def test_a_wrong_password_is_refused_in_words(strange: Open) -> None:
    reader = strange()
    reader.log_in("not the password")
    problems = reader.page.locator("dialog.login .problems")
    expect(problems).to_contain_text("fix:")
    reader.log_in()
    reader.live()


def test_a_password_can_be_seen(strange: Open) -> None:
    reader = strange()
    field = reader.page.locator("dialog.login").get_by_label("Password", exact=True)
    expect(field).to_have_attribute("type", "password")
    reader.page.get_by_label("Show password").check()
    expect(field).to_have_attribute("type", "text")


def test_after_the_end_of_a_session_it_goes_on_where_it_was(reader: Reader) -> None:
    tier = reader.tier()
    reader.go(f"tier/{tier}")
    reader.page.locator("main [data-filter]").fill(tier)
    reader.page.get_by_label(f"One node more in {tier}").click()
    dialog = reader.page.locator("dialog.preview")
    expect(dialog.locator(".plan-lines li")).to_have_count(1)
    reader.page.context.clear_cookies()
    dialog.get_by_label("One node more").click()
    expect(reader.page.locator("dialog.login")).to_contain_text("Your session has ended")
    expect(reader.page.locator("dialog.login").get_by_label("Name")).to_have_value(reader.name)
    reader.log_in()
    expect(dialog.locator(".plan-lines li")).to_have_count(2)
    dialog.get_by_role("button", name="Cancel").click()
    expect(reader.page.locator("main [data-filter]")).to_have_value(tier)
    reader.live()


def test_one_half_of_a_session_opens_nothing(reader: Reader) -> None:
    reader.page.evaluate("localStorage.removeItem('evenkeel.key')")
    reader.page.reload()
    expect(reader.page.locator("dialog.login")).to_be_visible()
    expect(reader.page.locator("main")).to_have_text("Evenkeel")
    reader.log_in()
    reader.live()


def test_what_the_applications_get_of_a_session_opens_nothing(reader: Reader) -> None:
    """Cookies ignore ports: a page of a tier, opened in the same browser, gets the console's."""
    page = reader.page.context.new_page()
    with page.expect_request("**/*") as got:
        page.goto(f"http://{urlsplit(reader.url).hostname}:8080/")
    cookie = got.value.all_headers().get("cookie", "")
    assert "evenkeel_session=" in cookie
    paths = requests.get(f"{reader.url}/api/openapi.json", timeout=10).json()["paths"]
    asked = [(verb, path.replace("{", "").replace("}", "")) for path, verbs in paths.items() for verb in verbs]
    private = [(verb, path) for verb, path in asked if path not in {"/api/login", "/healthz"}]
    assert len(private) > 20
    for verb, path in private:
        headers = {"Cookie": cookie, "Content-Type": "application/json", "Idempotency-Key": "replayed-1"}
        body = None if verb == "get" else "{}"
        answer = requests.request(verb, f"{reader.url}{path}", headers=headers, data=body, timeout=10)
        assert answer.status_code == (404 if path.startswith("/r/") else 401), (verb, path, answer.text)


def test_a_viewer_has_no_buttons_and_knows_why(viewer: Reader) -> None:
    page = viewer.page
    expect(page.locator(".ask-operator")).to_contain_text("Ask an operator")
    for name in ("Roll", "Settle", "Verify all", "+"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    tier = viewer.tier()
    node = viewer.node(tier)
    viewer.go(f"node/{node['id']}")
    expect(page.locator(".ask-operator")).to_be_visible()
    expect(page.locator(".verbs")).to_have_count(0)
    expect(page.locator(".log-lines")).to_be_visible()


def test_two_browsers_see_the_same_action(reader: Reader, open_console: Open) -> None:
    other = open_console()
    tier = reader.tier()
    desired = reader.state()["tiers"][tier]["desired"]
    other.go("actions")
    reader.page.get_by_label(f"One node more in {tier}").click()
    action = reader.do_it()
    link = other.page.locator(f"a[href='#/action/{action}']")
    line = other.page.locator("main li").filter(has=link)
    expect(line.locator("a")).to_have_text(f"Scale {tier} to {desired + 1}")
    reader.ended(action)
    expect(line).to_contain_text("done")


def test_a_plan_that_is_old_is_replaced_by_the_new_one(reader: Reader, open_console: Open) -> None:
    tier = reader.tier()
    desired = reader.state()["tiers"][tier]["desired"]
    reader.page.get_by_label(f"One node more in {tier}").click()
    dialog = reader.page.locator("dialog.preview")
    reader.page.locator("dialog.preview").get_by_label("One node more").click()
    expect(dialog.locator(".plan-lines li")).to_have_count(2)
    other = open_console()
    other.done({"verb": "scale", "tier": tier, "count": desired + 1})
    dialog.get_by_role("button", name="Do it").click()
    expect(dialog).to_contain_text("The cluster has changed meanwhile")
    expect(dialog.locator(".plan-lines li")).to_have_count(1)
    dialog.get_by_role("button", name="Cancel").click()


def test_a_cut_network_is_told_and_mended(reader: Reader) -> None:
    tier = reader.tier()
    reader.page.context.set_offline(True)
    told = reader.page.locator(".not-live")
    expect(told).to_contain_text("Not live since")
    expect(reader.page.get_by_label(f"Roll {tier}", exact=True)).to_be_disabled()
    reader.page.context.set_offline(False)
    expect(told).to_have_count(0, timeout=RECOVERY_MS)
    expect(reader.page.get_by_label(f"Roll {tier}", exact=True)).to_be_enabled()


def test_a_token_is_shown_once(reader: Reader) -> None:
    reader.go("users")
    page = reader.page
    page.get_by_label("Name of the token").fill("of a test")
    page.get_by_role("button", name="Create token").click()
    secret = page.locator("dialog .secret")
    expect(secret).to_be_visible()
    text = secret.inner_text()
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_role("row", name="of a test")).to_be_visible()
    assert text not in page.content()
    page.get_by_label("Revoke of a test").first.click()
    page.locator("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.get_by_role("row", name="of a test")).to_have_count(0)
