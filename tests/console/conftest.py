"""The console of a running cluster, in Debian's Chromium.

Needs the pages' development packages for axe (``make node`` brings them), and a console, that of this machine's cluster
(``make console``) or another one:
``pytest tests/console --console-url http://127.0.0.1:9080 --console-secrets /var/lib/evenkeel/evenkeel/secrets``.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.console.reader import Reader

ROOT = Path(__file__).parents[2]
AXE = ROOT / "files/console/pages/node_modules/axe-core/axe.min.js"
OPERATOR, VIEWER = "admin", "viewer"
Open = Callable[..., Reader]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the console is, and where its passwords are."""
    group = parser.getgroup("console")
    group.addoption("--console-url", default="http://127.0.0.1:9080", help="address of the console")
    group.addoption(
        "--console-secrets",
        default="/var/lib/evenkeel/evenkeel/secrets",
        type=Path,
        help="folder of the files console_<user>, each with a password",
    )
    group.addoption("--console-operator", default=OPERATOR, help="a user that may change things")
    group.addoption("--console-viewer", default=VIEWER, help="a user that may not; its tests are skipped without it")


@pytest.fixture(scope="session")
def url(pytestconfig: pytest.Config) -> str:
    """Address of the console."""
    return str(pytestconfig.getoption("--console-url")).rstrip("/")


def _password(config: pytest.Config, name: str) -> str | None:
    file = Path(config.getoption("--console-secrets")) / f"console_{name}"
    return file.read_text().strip() if file.is_file() else None


@pytest.fixture(scope="session", autouse=True)
def users(pytestconfig: pytest.Config) -> Iterator[None]:
    """Gives the console a viewer beside its operator, if it has none, and takes it away again."""
    viewer = str(pytestconfig.getoption("--console-viewer"))
    if _password(pytestconfig, viewer) is not None:
        yield
        return
    operator = str(pytestconfig.getoption("--console-operator"))
    wanted = [{"name": operator, "role": "operator"}, {"name": viewer, "role": "viewer"}]
    _deploy("-e", json.dumps({"console_users": wanted}))
    yield
    _deploy()


def _deploy(*arguments: str) -> None:
    subprocess.run([ROOT / "scripts/play.sh", "playbooks/console.yml", *arguments], check=True, cwd=ROOT)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-quic", "--disable-gpu"]
        )
        yield found
        found.close()


@pytest.fixture
def strange(browser: Browser, url: str, pytestconfig: pytest.Config) -> Iterator[Open]:
    """Opens the console in a browser that was never there; nothing that the policy of the page forbids is tried."""
    readers: list[Reader] = []

    def opened(name: str = "", *, width: int = 1280, height: int = 860, dark: bool = False) -> Reader:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        context.set_default_timeout(20_000)
        name = name or str(pytestconfig.getoption("--console-operator"))
        password = _password(pytestconfig, name)
        if password is None:
            pytest.skip(f"the user {name} has no password in {pytestconfig.getoption('--console-secrets')}")
        reader = Reader(context.new_page(), url, name, password, AXE)
        readers.append(reader)
        reader.page.goto(f"{url}/")
        return reader

    yield opened
    faults = [fault for reader in readers for fault in reader.faults]
    for reader in readers:
        reader.page.context.close()
    assert faults == []


@pytest.fixture
def open_console(strange: Open) -> Open:
    """Opens the console for a user that has logged in."""

    def opened(name: str = "", **options: object) -> Reader:
        reader = strange(name, **options)
        reader.log_in()
        reader.live()
        return reader

    return opened


@pytest.fixture
def reader(open_console: Open) -> Iterator[Reader]:
    """An operator at the overview; what the test has set is settled afterwards."""
    found = open_console()
    yield found
    found.settle()


@pytest.fixture
def viewer(open_console: Open, pytestconfig: pytest.Config) -> Reader:
    """A viewer at the overview."""
    return open_console(str(pytestconfig.getoption("--console-viewer")))


@pytest.fixture
def phone(open_console: Open) -> Reader:
    """An operator with a narrow screen."""
    return open_console(width=360, height=740)
