"""The ten jobs of an administrator, each with three clicks at most."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect
from tests.console.reader import Reader

MOST_CLICKS = 3


def test_whether_anything_is_wrong_is_said_without_a_click(reader: Reader) -> None:
    state = reader.state()
    wrong = any(node["shape"] == "trouble" for node in state["nodes"].values()) or state["trouble"]
    expect(reader.page.locator(".banner.trouble" if wrong else ".banner")).to_be_visible()
    assert reader.clicks == 0


def test_which_node_is_out_and_why(reader: Reader) -> None:
    tier = reader.tier()
    node = reader.node(tier)
    reader.done({"verb": "stop", "node": node["id"]})
    banner = reader.page.locator(".banner.trouble")
    try:
        expect(banner).to_contain_text(tier)
        expect(banner).to_contain_text(node["name"])
        reader.click(banner.get_by_role("link", name=node["name"]))
        expect(reader.page.locator("main")).to_contain_text("stopped")
        expect(reader.page.locator("main")).to_contain_text("What to do:")
        assert reader.clicks == 1
    finally:
        reader.done({"verb": "start", "node": node["id"]})


def test_scale_by_two(reader: Reader) -> None:
    tier = reader.tier()
    desired = reader.state()["tiers"][tier]["desired"]
    reader.click(reader.page.get_by_label(f"One node more in {tier}"))
    dialog = reader.page.locator("dialog.preview")
    reader.click(dialog.get_by_label("One node more"))
    expect(dialog.locator(".plan-lines li")).to_have_count(2)
    action = reader.do_it()
    assert reader.clicks <= MOST_CLICKS
    ended = reader.ended(action)
    assert ended["state"] == "done", ended
    assert (ended["verb"], ended["count"]) == ("scale", desired + 2)
    expect(reader.row(tier)).to_contain_text(str(desired + 2))
    expect(reader.page.locator(".notes", has_text="set here by").first).to_contain_text(reader.name)


def test_take_a_node_out_and_back(reader: Reader) -> None:
    tier = reader.tier()
    node = reader.node(tier)
    reader.go(f"tier/{tier}")
    reader.click(reader.page.get_by_label(f"Drain {node['name']}", exact=True))
    drained = reader.ended(reader.do_it())
    assert drained["state"] == "done", drained
    assert reader.clicks == 2
    expect(reader.row(node["name"])).to_contain_text("draining")
    reader.clicks = 0
    reader.click(reader.page.get_by_label(f"Undrain {node['name']}", exact=True))
    assert reader.ended(reader.do_it())["state"] == "done"
    assert reader.clicks <= MOST_CLICKS
    expect(reader.row(node["name"])).to_contain_text("in rotation")


def test_replace_all_nodes_and_stop_half_way(reader: Reader) -> None:
    tier = reader.tier()
    reader.click(reader.page.get_by_label(f"Roll {tier}", exact=True))
    action = reader.do_it()
    assert reader.clicks == 2
    reader.click(reader.page.get_by_role("button", name="Halt after this wave"))
    ended = reader.ended(action)
    assert ended["halted_by"] == reader.name
    assert ended["state"] in {"halted", "done"}, ended
    reader.go(f"action/{action}")
    expect(reader.page.locator("main")).to_contain_text(f"halted by {reader.name}")


def test_follow_the_log_of_a_node_with_a_filter(reader: Reader) -> None:
    tier = reader.tier()
    node = reader.node(tier)
    reader.go(f"tier/{tier}")
    reader.click(reader.page.get_by_role("link", name=node["name"], exact=True))
    lines = reader.page.locator(".log-lines")
    expect(lines).to_be_visible()
    reader.click(reader.page.locator(".log [data-filter]"))
    reader.page.keyboard.type("no line has this text")
    expect(lines).to_contain_text("No line fits the filter.")
    assert reader.clicks == 2


def test_a_log_can_be_kept_as_a_file(reader: Reader) -> None:
    node = reader.node("static")
    reader.go(f"node/{node['id']}")
    lines = reader.page.locator(".log-lines")
    expect(lines).not_to_contain_text("It has written nothing yet.")
    with reader.page.expect_download() as got:
        reader.page.get_by_role("button", name="Download").click()
    assert got.value.suggested_filename == f"{node['name']}.log"
    kept = Path(got.value.path()).read_text(encoding="utf-8").splitlines()
    assert kept
    assert all(line.split(" ", 1)[-1] in lines.inner_text() for line in kept), kept


def test_what_was_changed_by_whose_hand(reader: Reader) -> None:
    tier = reader.tier()
    reader.done({"verb": "scale", "tier": tier, "count": reader.state()["tiers"][tier]["desired"] + 1})
    reader.click(reader.page.get_by_role("link", name="Audit", exact=True))
    newest = reader.page.locator("main .lines li").first
    expect(newest).to_contain_text(reader.name)
    expect(newest).to_contain_text(f"Scale {tier}")
    assert reader.clicks == 1


def test_balancing_is_proven(reader: Reader) -> None:
    tier = reader.tier()
    reader.click(reader.page.get_by_label(f"Verify {tier}", exact=True))
    action = reader.do_it()
    assert reader.clicks == 2
    expect(reader.page.locator(".verdict").first).to_be_visible()
    ended = reader.ended(action)
    assert ended["verb"] == "verify"
    assert ended["verdicts"], ended
    expect(reader.page.locator(".verdict")).to_have_count(len(ended["verdicts"]))
    expect(reader.page.locator(".verdict", has_text="runs")).to_have_count(0)


def test_undo_what_was_done_here(reader: Reader) -> None:
    tier = reader.tier()
    before = reader.state()["tiers"][tier]
    reader.done({"verb": "scale", "tier": tier, "count": before["desired"] + 1})
    reader.click(reader.page.get_by_label(f"Settle {tier}", exact=True))
    assert reader.ended(reader.do_it())["state"] == "done"
    assert reader.clicks == 2
    expect(reader.page.get_by_label(f"Settle {tier}", exact=True)).to_have_count(0)
    assert reader.state()["tiers"][tier]["desired"] == before["declared"]


def test_what_happens_if_a_node_dies(reader: Reader) -> None:
    tier = reader.tier()
    node = reader.node(tier)
    reader.go(f"tier/{tier}")
    reader.click(reader.page.get_by_label(f"More about {node['name']}", exact=True))
    reader.click(reader.page.locator("dialog.sheet").get_by_role("button", name="Kill…"))
    expect(reader.page.locator("dialog.preview")).to_contain_text(re.compile("kill", re.IGNORECASE))
    ended = reader.ended(reader.do_it())
    assert ended["state"] == "done", ended
    assert reader.clicks <= MOST_CLICKS
    expect(reader.row(node["name"])).to_contain_text("in rotation")
