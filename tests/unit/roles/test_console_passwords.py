"""The tasks that give passwords, in their order: a run may be killed between any two of them."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.template import trust_as_template
from tests.unit.roles.test_console_settings import declared, rendered

USERS = [{"name": "alice", "role": "operator"}, {"name": "bob", "role": "viewer"}]


def flat(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those of blocks too."""
    for task in tasks:
        if "block" in task:
            yield from flat([*task["block"], *task.get("always", [])])
        else:
            yield task


def read(kept: dict[str, str | None]) -> dict[str, str]:
    """The answer of the module slurp."""
    return {"content": base64.b64encode(json.dumps(kept).encode()).decode()}


class Host:
    """Passwords in files, and what is kept of them; the hash of a password is ``hash of`` it."""

    def __init__(self, files: dict[str, str], kept: dict[str, str | None]) -> None:
        self.files, self.kept = files, kept
        self.meanwhile: Callable[[dict[str, str | None]], object] = lambda kept: None
        self._numbers = itertools.count(1)

    def run(self, steps: int = 1000, users: list[dict[str, str]] = USERS, **given: Any) -> int:
        """The tasks as they are in the role, up to a number of them; how many changed something."""
        facts = {"console_users": users, "__console_passwords": read(self.kept), **given}
        done = 0
        if not rendered("_console_lacking", **facts) + rendered("_console_former", **facts):
            return 0
        for task in flat(declared("tasks/passwords.yml")):
            if done == steps:
                break
            done += self._do(task, facts)
        return done

    def _do(self, task: dict[str, Any], facts: dict[str, Any]) -> bool:
        def shown(name: str) -> Any:
            return rendered(name, **facts, **task.get("vars", {}), _loop=task.get("loop"), _when=when)

        when = trust_as_template(f"{{{{ {task.get('when', True)} }}}}")
        if not shown("_when"):
            return False
        if "ansible.builtin.file" in task:
            for user in shown("_loop"):
                self.files.pop(user, None)
        elif "ansible.builtin.slurp" in task:
            self.meanwhile(self.kept)
            facts["__console_passwords"] = read(self.kept)
            return False
        elif "evenkeel.cluster.secret_file" in task:
            made = {user: self.files.setdefault(user, f"new {next(self._numbers)}") for user in shown("_loop")}
            facts[task["register"]] = {"results": [{"__console_user": user, "value": made[user]} for user in made]}
        elif "community.docker.docker_container_exec" in task:
            hashes = [{"__console_secret": item, "stdout": f"hash of {item['value']}\n"} for item in shown("_loop")]
            facts[task["register"]] = {"results": hashes}
        elif "evenkeel.cluster.managed_files" in task:
            self.kept = dict(shown("__console_all"))
        else:
            return False
        return True

    def works(self, user: str) -> bool:
        return self.kept.get(user) == f"hash of {self.files.get(user)}"


def before() -> Host:
    """Alice has changed hers in the console, because others know the one in the file."""
    return Host({"alice": "known", "bob": "b"}, {"alice": "hash of mine", "bob": "hash of b"})


STEPS = before().run(console_reset="alice")


def test_a_reset_gives_another_password_and_leaves_others_alone() -> None:
    host = before()
    assert host.run(console_reset="alice") == STEPS == 5
    assert (host.files, host.kept) == (
        {"alice": "new 1", "bob": "b"},
        {"alice": "hash of new 1", "bob": "hash of b"},
    )
    assert host.run() == 0


@pytest.mark.parametrize("steps", range(1, STEPS + 1))
def test_a_reset_that_was_killed_is_mended_by_the_next_run(steps: int) -> None:
    host = before()
    assert host.run(steps, console_reset="alice") == steps
    # No password is right, until the new one is; also none that others know.
    assert host.kept.get("alice") in (None, "hash of new 1")
    host.run()
    assert host.works("alice")
    assert host.files["alice"].startswith("new")
    assert host.works("bob")
    assert host.run() == 0


@pytest.mark.parametrize("first", range(1, STEPS + 1))
@pytest.mark.parametrize("second", range(1, STEPS + 1))
def test_two_runs_that_were_killed_are_mended_too(first: int, second: int) -> None:
    host = before()
    host.run(first, console_reset="alice")
    host.run(second)
    host.run()
    assert host.works("alice")
    assert host.files["alice"].startswith("new")


@pytest.mark.parametrize("steps", range(1, 4))
def test_a_former_user_whose_removal_was_killed_does_not_come_back_with_its_password(steps: int) -> None:
    host = before()
    host.run(steps, [USERS[1]])
    host.run()
    assert host.files["alice"] != "mine"
    assert host.works("alice")


def test_a_password_that_was_put_there_before_the_first_run_is_used() -> None:
    host = Host({"alice": "of a vault"}, {})
    host.run()
    assert host.files["alice"] == "of a vault"
    assert host.works("alice")
    assert host.works("bob")


def test_a_password_that_is_changed_while_others_are_hashed_stays() -> None:
    host = before()
    host.meanwhile = lambda kept: kept.update(bob="hash of changed")
    host.run(console_reset="alice")
    assert host.works("alice")
    assert host.kept["bob"] == "hash of changed"
