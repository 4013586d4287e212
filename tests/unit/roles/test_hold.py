"""hold.sh holds connections back at the ports that Docker's rules publish, and leaves nothing behind."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

HOLD = Path(__file__).parents[3] / "roles/docker_engine/files/hold.sh"
CHAIN = "EVENKEEL-HOLD"
HOOKS = ("INPUT", "OUTPUT")
# Rules are removed until none is there: the first removal succeeds, each later one fails as the real program does.
FAKE = """#!/bin/sh
folder=${0%/*}
echo "$*" >>"$folder/${0##*/}.calls"
case "$*" in
  *"${FAILS:-nothing}"*) exit 4 ;;
  *--list-rules*) cat "$folder/${0##*/}.rules" 2>/dev/null || exit 1 ;;
  *"--delete "*) mkdir "$folder/${0##*/}.$3" 2>/dev/null ;;
esac
"""


class Machine:
    """A PATH with two programs that write down how they are called."""

    def __init__(self, folder: Path, programs: tuple[str, ...] = ("iptables", "ip6tables")) -> None:
        self._folder = folder
        for name in ("sh", "awk", "sort", "cat", "mkdir"):
            found = shutil.which(name)
            assert found
            (folder / name).symlink_to(found)
        for name in programs:
            (folder / name).write_text(FAKE)
            (folder / name).chmod(0o755)

    def publishes(self, *rules: str, program: str = "iptables") -> None:
        """What the program lists of Docker's chain; without this, there is no such chain."""
        lines = ("-N DOCKER", "-A DOCKER -i evenkeel0 -j RETURN", *rules, "")
        (self._folder / f"{program}.rules").write_text("\n".join(lines))

    def run(self, *words: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self._folder), **(variables or {})}
        return subprocess.run(
            ["sh", str(HOLD), *words], env=environment, capture_output=True, text=True, check=False, timeout=30
        )

    def calls(self, program: str = "iptables") -> list[str]:
        """What the program was asked for, without the word that makes it wait."""
        path = self._folder / f"{program}.calls"
        return path.read_text().replace("--wait ", "").splitlines() if path.exists() else []

    def drops(self, program: str = "iptables") -> list[str]:
        """Which packets the chain drops."""
        began, ended = f"--append {CHAIN} --protocol tcp --syn ", " --match addrtype --dst-type LOCAL --jump DROP"
        return [
            call.removeprefix(began).removesuffix(ended)
            for call in self.calls(program)
            if call.startswith(began) and call.endswith(ended)
        ]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def rule(port: int, target: str, address: str = "", protocol: str = "tcp") -> str:
    """A rule as Docker writes it."""
    only = f"-d {address} " if address else ""
    return (
        f"-A DOCKER {only}! -i evenkeel0 -p {protocol} -m {protocol} --dport {port} -j DNAT --to-destination {target}"
    )


def test_a_port_published_on_all_addresses_is_held_on_all(machine: Machine) -> None:
    machine.publishes(rule(8080, "172.18.0.2:8080"))
    assert machine.run("on").returncode == 0
    assert machine.drops() == ["--dport 8080"]


def test_a_port_published_on_one_address_is_held_there_only(machine: Machine) -> None:
    machine.publishes(rule(8080, "172.18.0.2:8080"), rule(9000, "172.18.0.2:9000", "127.0.0.1/32"))
    machine.run("on")
    assert machine.drops() == ["--dport 8080", "--dport 9000 --destination 127.0.0.1/32"]


def test_an_address_that_a_rule_excludes_is_none_that_is_published(machine: Machine) -> None:
    machine.publishes("-A DOCKER ! -d 10.0.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:80")
    machine.run("on")
    assert machine.drops() == ["--dport 8080"]


def test_datagrams_are_not_held(machine: Machine) -> None:
    machine.publishes(rule(53, "172.18.0.2:53", protocol="udp"), rule(8080, "172.18.0.2:8080"))
    machine.run("on")
    assert machine.drops() == ["--dport 8080"]


def test_each_packet_from_here_and_from_elsewhere_passes_the_chain_once_it_is_full(machine: Machine) -> None:
    machine.publishes(rule(8080, "172.18.0.2:8080"))
    machine.run("on")
    made, *filled = machine.calls()[machine.calls().index(f"--new-chain {CHAIN}") :]
    assert made
    assert filled[1:] == [f"--insert {hook} --jump {CHAIN}" for hook in HOOKS]


def test_what_an_earlier_start_left_is_removed_before(machine: Machine) -> None:
    machine.publishes(rule(8080, "172.18.0.2:8080"))
    machine.run("on")
    calls = machine.calls()
    assert calls.index(f"--delete-chain {CHAIN}") < calls.index(f"--new-chain {CHAIN}")


@pytest.mark.parametrize("rules", [None, (), (rule(53, "172.18.0.2:53", protocol="udp"),)])
def test_where_docker_publishes_nothing_no_chain_is_made(machine: Machine, rules: tuple[str, ...] | None) -> None:
    if rules is not None:
        machine.publishes(*rules)
    assert machine.run("on").returncode == 0
    assert machine.drops() == []
    assert not [call for call in machine.calls() if call.startswith(("--new-chain", "--insert"))]


def test_both_families_are_held_by_their_own_rules(machine: Machine) -> None:
    machine.publishes(rule(8080, "172.18.0.2:8080"))
    machine.publishes(rule(9000, "[fd00::2]:9000", "::1/128"), program="ip6tables")
    machine.run("on")
    assert machine.drops() == ["--dport 8080"]
    assert machine.drops("ip6tables") == ["--dport 9000 --destination ::1/128"]


def test_off_removes_every_jump_and_the_chain(machine: Machine) -> None:
    assert machine.run("off").returncode == 0
    for program in ("iptables", "ip6tables"):
        assert machine.calls(program) == [
            # Again and again, until there is none.
            *(f"--delete {hook} --jump {CHAIN}" for hook in HOOKS for _ in range(2)),
            f"--flush {CHAIN}",
            f"--delete-chain {CHAIN}",
        ]


@pytest.mark.parametrize("words", [(), ("stop",), ("ON",), ("",)])
def test_another_word_is_refused_and_changes_nothing(machine: Machine, words: tuple[str, ...]) -> None:
    done = machine.run(*words)
    assert done.returncode == 2
    assert done.stderr == f"hold.sh: got '{''.join(words)}', want on or off\n"
    assert machine.calls() == []


@pytest.mark.parametrize("fails", ["--wait", "--list-rules", "--new-chain", "--append", "--insert", "--flush"])
@pytest.mark.parametrize("word", ["on", "off"])
def test_a_program_that_fails_does_not_keep_docker_from_starting(machine: Machine, word: str, fails: str) -> None:
    machine.publishes(rule(8080, "172.18.0.2:8080"))
    assert machine.run(word, variables={"FAILS": fails}).returncode == 0
    assert machine.calls()
    assert machine.calls("ip6tables")


@pytest.mark.parametrize("word", ["on", "off"])
def test_a_machine_without_the_programs_is_no_error(tmp_path: Path, word: str) -> None:
    done = Machine(tmp_path, programs=()).run(word)
    assert (done.returncode, done.stderr) == (0, "")
