"""The journals: numbers go on, space is bounded, and what a crash or a full disk leaves can be read."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest
from evenkeel_agent.journal import Journal


def kinds(journal: Journal, **options: object) -> list[str]:
    return [entry["kind"] for entry in journal.page(**options)]  # type: ignore[arg-type]


def test_the_newest_come_first_page_by_page(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.jsonl", 10_000)
    for number in range(5):
        journal.add({"kind": f"k{number}", "tier": "shop" if number % 2 else "web"})
    assert kinds(journal, count=2) == ["k4", "k3"]
    assert kinds(journal, before=4, count=2) == ["k2", "k1"]
    assert kinds(journal, tier="shop") == ["k3", "k1"]
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_numbers_go_on_after_a_restart_and_a_cut_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    Journal(path, 10_000).add({"kind": "first"})
    with path.open("ab") as stream:
        stream.write(b'{"number":2,"kind":"cut\n[]\nnull\n')
    again = Journal(path, 10_000)
    assert again.add({"kind": "second"})["number"] == 2
    assert kinds(again) == ["second", "first"]


def test_space_is_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    journal = Journal(path, 2000)
    for number in range(200):
        journal.add({"kind": f"k{number}"})
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2000
    assert kinds(journal)[:3] == ["k199", "k198", "k197"]
    assert len(kinds(journal)) > 15


def test_a_line_is_one_line_whatever_is_in_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "audit.jsonl", 10_000)
    journal.add({"kind": "a\nb\u202e\r\u2028"})
    assert len((tmp_path / "audit.jsonl").read_bytes().splitlines()) == 1
    assert (tmp_path / "audit.jsonl").read_bytes().isascii(), "what turns text around is an escape"
    assert kinds(journal) == ["a\nb\u202e\r\u2028"]


def test_a_full_disk_leaves_no_part_of_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "audit.jsonl", 10_000)
    journal.add({"kind": "whole"})
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        if len(content) > 4:
            return write(descriptor, content[:4])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        journal.add({"kind": "lost!"})
    monkeypatch.undo()
    journal.add({"kind": "next"})
    assert [(entry["number"], entry["kind"]) for entry in journal.page()] == [(2, "next"), (1, "whole")]


def test_threads_get_numbers_of_their_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.jsonl", 1_000_000)
    threads = [threading.Thread(target=lambda: [journal.add({"kind": "x"}) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(1, 81))
