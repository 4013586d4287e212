"""The inventories of ``inventory/examples`` as a user has them: copied, with a database, through a cluster's life.

Command: ``PYTHONPATH=collections python -m tests.bench.examples [django] [wordpress]``, beside the cluster
that is there. The images are the stand-ins of ``tests/zoo``.
Each example is deployed, filled, rolled under load, taken down and deployed again. Goals: what was filled in is there
after each step, on two nodes; 0 requests fail; second runs change nothing; ``docker inspect`` shows no password.
Control: another password than the database's must be refused by its playbook.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml
from tests.bench import common
from tests.bench.common import ROOT, BenchError, say
from tests.bench.load import Target, under_load

EXAMPLES = ROOT / "inventory/examples"
ZOO = ROOT / "tests/zoo"
PORT = 8180
URL = f"http://localhost:{PORT}"
# Beside the cluster that is there.
APART = {"cluster_web_port": PORT, "cluster_dashboard_port": 9100, "cluster_console_port": 9180}
RATE = 10.0
SECONDS = 20


def docker(*words: str) -> str:
    """Run a command of Docker's.

    Raises:
        BenchError: it fails.
    """
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"docker {words[0]}: got '{done.stderr.strip()[-300:]}', want success (fix: run it by hand)")
    return done.stdout.strip()


def expect(what: str, got: object, want: object) -> None:
    """Compare.

    Raises:
        BenchError: they differ.
    """
    if got != want:
        raise BenchError(f"{what}: got {got!r}, want {want!r} (fix: open the page)")


class Visitor:
    """A user with a session in a Django site, which counts visits in the database."""

    page, slow = "", "slow"

    def __init__(self) -> None:
        self.session = requests.Session()
        self.visits = 0

    def begin(self, url: str) -> None:
        """Start a session."""
        self.look(url)

    def look(self, url: str) -> None:
        """Visit the page six times, which is each of two nodes.

        Raises:
            BenchError: a visit was forgotten.
        """
        for _ in range(6):
            self.visits += 1
            expect("visits", self.session.get(f"{url}/visits", timeout=SECONDS).text, str(self.visits))


class Author(Visitor):
    """A user with a login in a WordPress site."""

    page, slow = "wp-login.php", "slow.php"

    def begin(self, url: str) -> None:
        """Install the site, and log in.

        Raises:
            BenchError: that fails.
        """
        password = "made-by-a-test-2716"  # noqa: S105 - of a site that exists for minutes
        form = {"weblog_title": "A stand-in", "user_name": "author", "admin_email": "author@example.org"}
        form |= {"admin_password": password, "admin_password2": password, "pw_weak": "1", "blog_public": "0"}
        done = self.session.post(f"{url}/wp-admin/install.php?step=2", data=form, timeout=60)
        expect("installation", "<h1>Success!</h1>" in done.text, True)
        self.session.cookies.set("wordpress_test_cookie", "WP Cookie check")
        login = {"log": "author", "pwd": password, "testcookie": "1"}
        self.session.post(f"{url}/wp-login.php", data=login, timeout=SECONDS)
        self.look(url)

    def look(self, url: str) -> None:
        """See the site as a reader, and its administration with the login, on each of two nodes.

        Raises:
            BenchError: something is gone.
        """
        expect("title", "A stand-in" in requests.get(f"{url}/", timeout=SECONDS).text, True)
        for _ in range(4):
            # Without the balancer's cookie: to the next node.
            for name in [name for name in self.session.cookies.keys() if name.startswith("evenkeel_")]:  # noqa: SIM118
                del self.session.cookies[name]
            page = self.session.get(f"{url}/wp-admin/profile.php", timeout=SECONDS)
            expect("administration", "wp-admin-bar-my-account" in page.text, True)


@dataclasses.dataclass(frozen=True)
class Example:
    """One inventory.

    Attributes:
        name: its folder in ``inventory/examples``, its image's in ``tests/zoo``, and the name of cluster and tier.
        database: the folder of its database's image.
        visitor: what uses the site.
        volumes: what it leaves.
    """

    name: str
    database: str
    visitor: Callable[[], Visitor]
    volumes: Sequence[str] = ()

    def variables(self) -> dict[str, Any]:
        """What a user changes in the copy."""
        return {"database_image": f"zoo-{self.database}:1", f"{self.name}_image": f"zoo-{self.name}:1"}


KNOWN = {
    "django": Example("django", "postgres", Visitor),
    "wordpress": Example("wordpress", "mariadb", Author, ("wordpress-content",)),
}


def arguments(folder: Path, example: Example, more: Mapping[str, Any]) -> list[str]:
    """Those of a playbook that uses the copy in a folder."""
    own = {"database_folder": str(folder / "host"), **example.variables(), **more}
    return ["-i", str(folder / "hosts.yml"), "-e", json.dumps(own)]


def built(folder: str) -> None:
    """Build an image of the zoo.

    Raises:
        BenchError: that fails.
    """
    docker("build", "--quiet", "--tag", f"zoo-{folder}:1", str(ZOO / folder))


@contextmanager
def database(example: Example) -> Iterator[Path]:
    """Build the images, copy the inventory and run its database; at the end nothing of it is left.

    Raises:
        BenchError: it does not come up, or a second run changes something.
    """
    with ThreadPoolExecutor() as threads:
        list(threads.map(built, (example.name, example.database)))
    name = f"{example.name}-database"
    with tempfile.TemporaryDirectory() as base:
        copy = Path(base) / example.name
        shutil.copytree(EXAMPLES / example.name, copy, ignore=shutil.ignore_patterns("secrets"))
        try:
            common.play(copy / "database.yml", *arguments(copy, example, {}))
            expect(
                "second run of database.yml",
                common.play(copy / "database.yml", *arguments(copy, example, {})).changed,
                0,
            )
            yield copy
        finally:
            remains = [["rm", "--force", "--volumes", name], ["network", "rm", name]]
            remains += [["volume", "rm", volume] for volume in (name, *example.volumes)]
            for command in remains:
                subprocess.run(["docker", *command], capture_output=True, check=False)


def tier(example: Example, copy: Path) -> dict[str, Any]:
    """The variables of a copy, for a tier of it in another inventory."""
    text = (copy / "group_vars/all.yml").read_text(encoding="utf-8").replace("inventory_dir", f"'{copy}'")
    own: dict[str, Any] = yaml.safe_load(text) | example.variables()
    return {name: value for name, value in own.items() if name not in ("cluster_name", "cluster_domain")}


def visible(copy: Path) -> list[str]:
    """The secrets of a copy that Docker shows of a container or an image."""
    shown = docker("inspect", *docker("ps", "--all", "--quiet").split(), *set(docker("images", "--quiet").split()))
    return [path.name for path in (copy / "secrets").iterdir() if path.read_text().strip() in shown]


def live(example: Example, copy: Path) -> tuple[int, int]:
    """Deploy, fill, roll, take down and deploy again.

    Returns:
        How many requests were sent during the roll, and how many of them failed.

    Raises:
        BenchError: a goal is missed.
    """
    options = arguments(copy, example, {**APART, f"{example.name}_url": URL, "cluster_domain": "localhost"})
    visitor = example.visitor()
    try:
        common.play("site.yml", *options)
        visitor.begin(URL)
        expect("second run of site.yml", common.play("site.yml", *options).changed, 0)
        expect("secrets in docker inspect", visible(copy), [])
        page, slow = f"{URL}/{visitor.page}", f"{URL}/{visitor.slow}"
        targets = [Target(example.name, slow, slow, False), *[Target(example.name, page, page, False)] * 19]
        with under_load(targets, RATE) as outcomes:
            common.play("playbooks/roll.yml", *options)
        visitor.look(URL)
        common.play("playbooks/teardown.yml", *options, "-e", "teardown_images=false")
        common.play("site.yml", *options, "--skip-tags", "verify")
        visitor.look(URL)
    finally:
        common.play("playbooks/teardown.yml", *options)
    return len(outcomes), sum(bool(outcome.error) for outcome in outcomes)


def refused(example: Example, copy: Path) -> bool:
    """Whether another password than the database's is refused."""
    wrong = arguments(copy, example, {"database_password": "another"})
    return "database_password: got another value" in common.attempt(copy / "database.yml", *wrong).problem


def main(words: Sequence[str] | None = None) -> int:
    """Run, print and save; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(KNOWN)}; all by default")
    names = parser.parse_args(words).names or list(KNOWN)
    if unknown := sorted(set(names) - KNOWN.keys()):
        parser.error(f"example: got {unknown[0]}, want one of {', '.join(KNOWN)}")
    rows: list[list[object]] = []
    for name in names:
        with database(KNOWN[name]) as copy:
            sent, failed = live(KNOWN[name], copy)
            rows.append([name, sent, failed, refused(KNOWN[name], copy)])
        say(f"{name}: {failed} of {sent} failed")
    goals = {
        "0 failed": not any(row[2] for row in rows),
        "another password is refused": all(row[3] for row in rows),
    }
    header = ["example", "requests", "failed", "refused"]
    common.report(
        "examples", {"rows": rows}, [common.table(header, rows)], [common.verdict(*goal) for goal in goals.items()]
    )
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    common.run_main(main)
